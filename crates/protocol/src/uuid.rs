//! Kafka's uuid. Owns its text form (unpadded URL-safe base64); never makes a new one, which needs randomness.

use std::fmt;
use std::str::FromStr;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Characters of the text form: 16 bytes, six bits each.
const TEXT_CHARS: usize = 22;

/// Sixteen bytes that name a topic, a directory or an incarnation. Ordered by its bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// All zero: no uuid.
    pub const ZERO: Uuid = Uuid([0; 16]);

    /// True for [`Uuid::ZERO`].
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        let mut text = String::with_capacity(TEXT_CHARS);
        for index in 0..TEXT_CHARS {
            // The last character holds the two lowest bits, followed by four zero bits.
            let sextet = if index == TEXT_CHARS - 1 { bits << 4 } else { bits >> (122 - 6 * index) };
            text.push(char::from(ALPHABET[(sextet & 0x3f) as usize]));
        }
        f.pad(&text)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 22 characters of URL-safe base64 that hold exactly 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a uuid is 22 characters of URL-safe base64")]
pub struct UuidParseError;

impl FromStr for Uuid {
    type Err = UuidParseError;

    /// Accepts the text form, with or without the two padding characters.
    fn from_str(text: &str) -> Result<Self, UuidParseError> {
        let text = text.strip_suffix("==").unwrap_or(text).as_bytes();
        if text.len() != TEXT_CHARS {
            return Err(UuidParseError);
        }
        let mut bits = 0u128;
        for (index, byte) in text.iter().enumerate() {
            let sextet = ALPHABET.iter().position(|c| c == byte).ok_or(UuidParseError)? as u128;
            if index == TEXT_CHARS - 1 {
                bits = bits << 2 | sextet >> 4;
            } else {
                bits = bits << 6 | sextet;
            }
        }
        Ok(Self(bits.to_be_bytes()))
    }
}
