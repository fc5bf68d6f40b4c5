//! Owns what the workload writes: values that tell who wrote them, and whose every byte can be checked. It never
//! compares histories.

use platform::Rng;

/// One record's value: unique in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value {
    /// Who wrote it.
    pub producer: u16,
    /// Under which of its identities (producer ids): order is promised within one only.
    pub identity: u16,
    /// Counts up per producer.
    pub number: u32,
    /// Bytes that follow the head, all derived from it.
    pub padding_bytes: u16,
}

/// Bytes of the head: the fields, big-endian.
const HEAD_BYTES: usize = 10;

impl Value {
    /// The bytes of the record's value.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + usize::from(self.padding_bytes));
        bytes.extend_from_slice(&self.producer.to_be_bytes());
        bytes.extend_from_slice(&self.identity.to_be_bytes());
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.extend_from_slice(&self.padding_bytes.to_be_bytes());
        self.pad(&mut bytes);
        bytes
    }

    /// Reads a value back; `None` if a single byte is not as it was written.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let field = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let value = Self {
            producer: field(0),
            identity: field(2),
            number: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            padding_bytes: field(8),
        };
        (value.to_bytes() == bytes).then_some(value)
    }

    fn pad(self, bytes: &mut Vec<u8>) {
        let seed = u64::from(self.producer) << 48 | u64::from(self.identity) << 32 | u64::from(self.number);
        let rng = Rng::seeded(seed);
        let end = HEAD_BYTES + usize::from(self.padding_bytes);
        while bytes.len() < end {
            let word = rng.next_u64().to_be_bytes();
            let part = (end - bytes.len()).min(word.len());
            bytes.extend_from_slice(&word[..part]);
        }
    }
}

#[cfg(test)]
mod tests;
