//! A message as a row of function pointers. Owns what the tests do with a typed message without naming its type.

use protocol::{DecodeError, EncodeError};

/// What went wrong between decoding and encoding again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    Decode(DecodeError),
    Encode(EncodeError),
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Failure::Decode(error)
    }
}

impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Self {
        Failure::Encode(error)
    }
}

/// The bytes of a message that was decoded, or what went wrong.
pub type Recoded = Result<Vec<u8>, Failure>;

/// One message.
pub struct Entry {
    pub name: &'static str,
    pub min_version: i16,
    pub max_version: i16,
    pub flexible_from: i16,
    /// Decodes, and drops the result.
    pub decode: fn(&[u8], i16) -> Result<(), DecodeError>,
    /// Decodes in the first version and encodes in the second.
    pub recode: fn(&[u8], i16, i16) -> Recoded,
    /// Decodes, copies everything borrowed, and encodes in the same version.
    pub recode_owned: fn(&[u8], i16) -> Recoded,
    /// Decodes and prints for debugging.
    pub debug: fn(&[u8], i16) -> Result<String, DecodeError>,
    /// Prints the default value for debugging.
    pub default: fn() -> String,
}

/// A row for one type of the crate.
macro_rules! entry {
    (@owned $m:ident plain) => {
        $m.clone()
    };
    (@owned $m:ident borrowing) => {
        $m.clone().into_owned()
    };
    ($type:ident $kind:ident) => {
        Entry {
            name: <protocol::$type as protocol::Message<'_>>::NAME,
            min_version: <protocol::$type as protocol::Message<'_>>::MIN_VERSION,
            max_version: <protocol::$type as protocol::Message<'_>>::MAX_VERSION,
            flexible_from: <protocol::$type as protocol::Message<'_>>::FLEXIBLE_FROM,
            decode: |bytes, version| protocol::from_slice::<protocol::$type>(bytes, version).map(drop),
            recode: |bytes, from, to| {
                let m: protocol::$type = protocol::from_slice(bytes, from)?;
                Ok(protocol::to_vec(&m, to)?)
            },
            recode_owned: |bytes, version| {
                let m: protocol::$type = protocol::from_slice(bytes, version)?;
                Ok(protocol::to_vec(&entry!(@owned m $kind), version)?)
            },
            debug: |bytes, version| {
                Ok(format!("{:?}", protocol::from_slice::<protocol::$type>(bytes, version)?))
            },
            default: || format!("{:?}", protocol::$type::default()),
        }
    };
}
pub(crate) use entry;
