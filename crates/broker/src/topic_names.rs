//! Which names a topic may have, and which topics are the node's own.

/// Longest topic name.
const NAME_LENGTH_MAX: usize = 249;

/// Topics that clients may read but not write or delete at will.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// Kafka's rule: 1 to 249 of `[a-zA-Z0-9._-]`, and neither `.` nor `..`.
#[must_use]
pub fn is_valid_topic_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=NAME_LENGTH_MAX).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(legal)
}

/// Says whether a topic is the node's own.
#[must_use]
pub fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}
