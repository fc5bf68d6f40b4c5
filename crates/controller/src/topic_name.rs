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
        return invalid("Topic name is invalid: the empty string is not allowed".to_owned());
    }
    if name == "." || name == ".." {
        return invalid(format!("Topic name is invalid: '{name}' is not allowed"));
    }
    if name.len() > TOPIC_NAME_LENGTH_MAX {
        return invalid(format!(
            "Topic name is invalid: the length of '{name}' is longer than the max allowed length {TOPIC_NAME_LENGTH_MAX}"
        ));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        return invalid(format!(
            "Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and \
             '-'"
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
