//! Rules for topic names. Never whether a topic exists.

use protocol::ErrorCode;

use crate::ApiError;

/// Longest topic name: with `-<partition>` and a deletion suffix it must still be a legal file name.
pub const TOPIC_NAME_LENGTH_MAX: usize = 249;

/// Checks that a name may be given to a topic.
///
/// # Errors
/// INVALID_TOPIC_EXCEPTION.
pub fn validate_topic_name(name: &str) -> Result<(), ApiError> {
    let invalid = |reason: String| Err(ApiError::new(ErrorCode::INVALID_TOPIC_EXCEPTION, reason));
    if name.is_empty() {
        return invalid("Topic name is invalid: it is empty".to_owned());
    }
    if name == "." || name == ".." {
        return invalid(format!("Topic name is invalid: '{name}' is not allowed"));
    }
    if name.len() > TOPIC_NAME_LENGTH_MAX {
        return invalid(format!(
            "Topic name is invalid: its length {} is larger than {TOPIC_NAME_LENGTH_MAX}: {name}",
            name.len()
        ));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        return invalid(format!(
            "Topic name is invalid: '{name}' has characters other than ASCII letters, digits, '.', '_' and '-'"
        ));
    }
    Ok(())
}

/// True if the name holds a character that metric names cannot tell from another.
pub(crate) fn has_collision_chars(name: &str) -> bool {
    name.contains(['.', '_'])
}

/// The form under which two colliding names are equal.
pub(crate) fn unify_collision_chars(name: &str) -> String {
    name.replace('.', "_")
}
