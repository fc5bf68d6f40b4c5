//! One record of an internal topic, already in bytes. It never knows what the bytes mean.

/// A record to append to a coordinator's partition. Key and value carry their version prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The record key: int16 record type and the key's fields.
    pub key: Vec<u8>,
    /// The record value: int16 version and the value's fields; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

impl LogRecord {
    /// Bytes of key and value together, without the framing of a record batch.
    pub fn size_bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}
