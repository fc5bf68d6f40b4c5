//! What a handler decided: records to write and the answer to give once they are committed.

use protocol::MetadataRecord;

/// Most records that one request may cause. Kafka's limit: more would not fit one batch safely.
pub const RECORDS_PER_REQUEST_MAX: usize = 10_000;

/// A decision. With no records the answer may leave at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<R> {
    /// Records in the order they must be written and replayed.
    pub records: Vec<MetadataRecord<'static>>,
    /// True if a reader of the log must see either all or none of the records. Where it is false, each prefix of the
    /// records is a sound state and the rest would be decided again.
    pub is_atomic: bool,
    /// The answer.
    pub response: R,
}

impl<R> Outcome<R> {
    /// Nothing to write.
    pub fn answer(response: R) -> Outcome<R> {
        Outcome { records: Vec::new(), is_atomic: true, response }
    }

    /// Records that belong together.
    pub fn atomic(records: Vec<MetadataRecord<'static>>, response: R) -> Outcome<R> {
        Outcome { records, is_atomic: true, response }
    }

    /// Records that may be written piece by piece.
    pub fn gradual(records: Vec<MetadataRecord<'static>>, response: R) -> Outcome<R> {
        Outcome { records, is_atomic: false, response }
    }
}
