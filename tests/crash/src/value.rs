//! What the producers write: records that tell who wrote them and where to, and whose every byte can be checked.
//!
//! Never knows what was answered to whom.

use records::{Header, Record};

/// A partition of a topic of the history. Topics are numbered as they are made; a name may come again, a number does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Number of the topic.
    pub topic: u32,
    /// The partition.
    pub partition: i32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "t{}-{}", self.topic, self.partition)
    }
}

/// One record, unique in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value {
    /// Who wrote it.
    pub producer: u16,
    /// Counts up per producer.
    pub number: u32,
    /// Where it was sent.
    pub place: Place,
    /// Bytes of the record's value.
    pub len: u32,
}

/// Bytes of the head of a value.
pub const HEAD_BYTES: u32 = 18;

/// Timestamps count up from here, ms: long ago, so that nothing is from the future.
const FIRST_TIMESTAMP_MS: i64 = 1_700_000_000_000;

impl Value {
    /// The value's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len as usize);
        bytes.extend_from_slice(&self.producer.to_be_bytes());
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(&self.place.topic.to_be_bytes());
        bytes.extend_from_slice(&self.place.partition.to_be_bytes());
        bytes.extend_from_slice(&self.len.to_be_bytes());
        let mut state = u64::from(self.producer) << 32 | u64::from(self.number);
        while bytes.len() < self.len as usize {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let part = (self.len as usize - bytes.len()).min(8);
            bytes.extend_from_slice(&(state ^ (state >> 29)).to_be_bytes()[..part]);
        }
        bytes
    }

    /// The record's key.
    pub fn key(&self) -> [u8; 4] {
        self.number.to_be_bytes()
    }

    /// The record's timestamp, ms.
    pub fn timestamp_ms(&self) -> i64 {
        FIRST_TIMESTAMP_MS + i64::from(self.number)
    }

    /// The record's header.
    pub fn header() -> Header<'static> {
        Header { key: b"rig", value: Some(b"crash") }
    }

    /// Reads a record back; `None` if anything of it is not as it was written.
    pub fn of_record(record: &Record<'_>) -> Option<Self> {
        let bytes = record.value?;
        let (head, _) = bytes.split_first_chunk::<{ HEAD_BYTES as usize }>()?;
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let place = Place { topic: word(6), partition: word(10).cast_signed() };
        let value =
            Self { producer: u16::from_be_bytes([head[0], head[1]]), number: word(2), place, len: word(14) };
        let is_whole = value.len as usize == bytes.len()
            && value.bytes() == bytes
            && record.key == Some(&value.key())
            && record.timestamp == value.timestamp_ms()
            && record.headers.eq([Self::header()]);
        is_whole.then_some(value)
    }
}
