//! Ids on the command line.
//!
//! Owns the words in which Kafka refuses what is none.

use client::Uuid;

use crate::applets::ToolError;

/// Letters of an id: 16 bytes in base64 without padding; Kafka lets 24 through.
const LETTERS_MAX: usize = 24;

/// Reads an id.
///
/// # Errors
/// It is none.
pub fn parse_uuid(text: &str) -> Result<Uuid, ToolError> {
    if text.chars().count() > LETTERS_MAX {
        let prefix: String = text.chars().take(LETTERS_MAX).collect();
        return Err(ToolError::failed(format!(
            "Input string with prefix `{prefix}` is too long to be decoded as a base64 UUID"
        )));
    }
    if let Some(odd) = text.bytes().find(|byte| !byte.is_ascii_alphanumeric() && !b"-_=".contains(byte)) {
        return Err(ToolError::failed(format!("Illegal base64 character {odd:x}")));
    }
    if text.trim_end_matches('=').len() % 4 == 1 {
        return Err(ToolError::failed("Last unit does not have enough valid bits"));
    }
    text.trim_end_matches('=').parse().map_err(|_| {
        let bytes = text.trim_end_matches('=').len() * 6 / 8;
        ToolError::failed(format!(
            "Input string `{text}` decoded as {bytes} bytes, which is not equal to the expected 16 bytes of a \
             base64-encoded UUID"
        ))
    })
}
