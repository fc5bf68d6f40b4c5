//! The `records` field type. Owns how record batches are carried in a message (borrowed, owned, or sent from
//! elsewhere); never looks inside a batch.

use bytes::Bytes;

/// Record batches as a field of a message.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Records<'a> {
    /// Null on the wire.
    #[default]
    Null,
    /// Bytes of the frame that was decoded.
    Borrowed(&'a [u8]),
    /// Bytes held by reference count.
    Owned(Bytes),
    /// Bytes that the shell sends itself, for instance by sendfile: the writer counts them and leaves a gap.
    External {
        /// Length in bytes.
        len: u32,
        /// The caller's name for the bytes.
        token: u32,
    },
}

impl Records<'_> {
    /// True for null.
    pub fn is_null(&self) -> bool {
        matches!(self, Records::Null)
    }

    /// Length in bytes; 0 for null.
    pub fn len(&self) -> usize {
        match self {
            Records::Null => 0,
            Records::Borrowed(bytes) => bytes.len(),
            Records::Owned(bytes) => bytes.len(),
            Records::External { len, .. } => *len as usize,
        }
    }

    /// True when there is no byte, null included.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they are in memory; null is `None`.
    pub fn as_slice(&self) -> Option<&[u8]> {
        match self {
            Records::Borrowed(bytes) => Some(bytes),
            Records::Owned(bytes) => Some(bytes),
            Records::Null | Records::External { .. } => None,
        }
    }

    /// Copies borrowed bytes.
    pub fn into_owned(self) -> Records<'static> {
        match self {
            Records::Null => Records::Null,
            Records::Borrowed(bytes) => Records::Owned(Bytes::copy_from_slice(bytes)),
            Records::Owned(bytes) => Records::Owned(bytes),
            Records::External { len, token } => Records::External { len, token },
        }
    }
}
