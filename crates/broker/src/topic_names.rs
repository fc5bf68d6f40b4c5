//! Which names a topic may have, and which topics are the node's own.

/// Topics that clients may read but not write or delete at will.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// Says whether the controller would give a topic this name.
#[must_use]
pub fn is_valid_topic_name(name: &str) -> bool {
    controller::validate_topic_name(name).is_ok()
}

/// Says whether a topic is the node's own.
#[must_use]
pub fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}
