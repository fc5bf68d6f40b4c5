//! What all messages share. Owns the two traits and whole-slice encoding and decoding; never knows a header.

use crate::{ApiKey, DecodeError, EncodeError, Reader, Writer};

/// A versioned wire message: a request or response body, a header, or a stored record's payload.
pub trait Message<'a>: Sized {
    /// The schema's name.
    const NAME: &'static str;
    /// Lowest version that can be encoded and decoded.
    const MIN_VERSION: i16;
    /// Highest version that can be encoded and decoded, unstable ones included.
    const MAX_VERSION: i16;
    /// First version with compact lengths and tag sections; `i16::MAX` if there is none.
    const FLEXIBLE_FROM: i16;

    /// Reads the message, borrowing strings and bytes from the reader's slice.
    fn decode(r: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError>;

    /// Writes the message. A field that `version` lacks must have its default value or be ignorable.
    fn encode(&self, w: &mut Writer, version: i16) -> Result<(), EncodeError>;
}

/// A request body.
pub trait Request<'a>: Message<'a> {
    /// The key of its API.
    const API_KEY: ApiKey;
}

/// A response body.
pub trait Response<'a>: Message<'a> {
    /// The field that says for how many milliseconds the client is held off (KIP-219), if the response has one in any
    /// version.
    fn throttle_time_ms(&mut self) -> Option<&mut i32>;
}

/// Encodes a message into a buffer of exactly its size. External records are left out.
pub fn to_vec<'a, M: Message<'a>>(message: &M, version: i16) -> Result<Vec<u8>, EncodeError> {
    prefixed_to_vec(&[], &|w| message.encode(w, version))
}

/// Encodes `prefix` and what `write` writes into a buffer of exactly that size.
pub(crate) fn prefixed_to_vec(
    prefix: &[u8],
    write: &dyn Fn(&mut Writer) -> Result<(), EncodeError>,
) -> Result<Vec<u8>, EncodeError> {
    let mut counter = Writer::counting();
    write(&mut counter)?;
    let mut out = Vec::with_capacity(prefix.len() + counter.counted_bytes());
    out.extend_from_slice(prefix);
    let mut writer = Writer::appending(out, Vec::new());
    write(&mut writer)?;
    Ok(writer.into_parts().0)
}

/// Decodes a message that fills `bytes` exactly.
pub fn from_slice<'a, M: Message<'a>>(bytes: &'a [u8], version: i16) -> Result<M, DecodeError> {
    let mut reader = Reader::new(bytes);
    let message = M::decode(&mut reader, version)?;
    reader.finish()?;
    Ok(message)
}

/// Implements [`Message`] on top of a generated struct's `read` and `write`.
macro_rules! message {
    ($type:ty, $name:literal, $min:literal, $max:literal, $flexible:expr) => {
        impl<'a> $crate::Message<'a> for $type {
            const NAME: &'static str = $name;
            const MIN_VERSION: i16 = $min;
            const MAX_VERSION: i16 = $max;
            const FLEXIBLE_FROM: i16 = $flexible;

            fn decode(r: &mut $crate::Reader<'a>, version: i16) -> Result<Self, $crate::DecodeError> {
                if !($min..=$max).contains(&version) {
                    return Err($crate::DecodeError::UnsupportedVersion { message: $name, version });
                }
                Self::read(r, version)
            }

            fn encode(&self, w: &mut $crate::Writer, version: i16) -> Result<(), $crate::EncodeError> {
                if !($min..=$max).contains(&version) {
                    return Err($crate::EncodeError::UnsupportedVersion { message: $name, version });
                }
                self.write(w, version)
            }
        }
    };
}
pub(crate) use message;
