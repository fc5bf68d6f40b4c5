//! A batch on its way from the first record to its outcome.
//!
//! Owns what the sender must know of a batch besides its bytes. It never decides when a batch is sent.

use std::sync::Arc;

use bytes::Bytes;
use records::{
    Batch as RecordBatch, BatchBuilder, BatchError, BatchSettings, HEADER_BYTES, Header, stamp_producer,
};
use tokio::time::Instant;

use super::outcome::Outcome;

/// The place of a batch among those of its partition: batches and the pieces of split batches are sent in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    /// Number of the batch that the records were first put into.
    pub id: u64,
    /// Index in it of the first record.
    pub at: u32,
}

/// The identity under which a broker recognises a batch that it gets twice (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub producer_id: i64,
    pub epoch: i16,
}

/// The records of a batch.
#[derive(Debug)]
pub(super) enum Content {
    /// More can be added.
    Plain(BatchBuilder),
    /// As it is sent.
    Built(Bytes),
}

#[derive(Debug)]
pub(super) struct Batch {
    pub order: Order,
    pub content: Content,
    pub records_count: u32,
    /// Bytes of `buffer.memory` that the batch holds.
    pub reserved_bytes: usize,
    pub outcome: Arc<Outcome>,
    pub created: Instant,
    /// How often it has been sent.
    pub attempts: u32,
    /// When it may be sent again.
    pub not_before: Option<Instant>,
    /// Producer and sequence of the first record, from the first sending on.
    pub sequence: Option<(Identity, i32)>,
}

impl Batch {
    /// Bytes of the batch as it stands.
    pub fn size_bytes(&self) -> usize {
        match &self.content {
            Content::Plain(builder) => builder.size_bytes(),
            Content::Built(bytes) => bytes.len(),
        }
    }

    /// The sequence after the last record's.
    pub fn next_sequence(&self) -> Option<i32> {
        self.sequence.map(|(_, base)| records::increment_sequence(base, self.records_count as i32))
    }

    /// The bytes to send: records compressed, producer and sequence in place. Returns them with the ratio of compressed to
    /// plain size if this is when it was compressed.
    pub fn build(&mut self) -> Result<(Bytes, Option<f32>), BatchError> {
        let (identity, sequence) = self
            .sequence
            .unwrap_or((Identity { producer_id: records::NO_PRODUCER_ID, epoch: -1 }, records::NO_SEQUENCE));
        if let Content::Built(bytes) = &self.content {
            let bytes = restamp(bytes, identity, sequence);
            self.content = Content::Built(bytes.clone());
            return Ok((bytes, None));
        }
        let empty = Content::Built(Bytes::new());
        let Content::Plain(mut builder) = std::mem::replace(&mut self.content, empty) else {
            return Ok((Bytes::new(), None));
        };
        builder.set_producer(identity.producer_id, identity.epoch, sequence);
        let plain = builder.size_bytes();
        let bytes = Bytes::from(builder.build()?);
        self.content = Content::Built(bytes.clone());
        let ratio = bytes.len() as f32 / plain.max(1) as f32;
        Ok((bytes, Some(ratio)))
    }

    /// The same records in batches of about half the size, each with its own outcome. `None` if there is only one record.
    pub fn split(
        &self,
        settings: &BatchSettings,
        limit_bytes: usize,
    ) -> Option<Result<Vec<Batch>, BatchError>> {
        let Content::Built(bytes) = &self.content else { return None };
        (self.records_count > 1).then(|| self.split_records(bytes, settings, limit_bytes))
    }

    fn split_records(
        &self,
        bytes: &Bytes,
        settings: &BatchSettings,
        limit_bytes: usize,
    ) -> Result<Vec<Batch>, BatchError> {
        let whole = RecordBatch::parse(bytes)?;
        let mut scratch = Vec::new();
        let mut pieces: Vec<Batch> = Vec::new();
        let half = self.records_count.div_ceil(2);
        let mut headers: Vec<Header<'_>> = Vec::new();
        for (index, record) in whole.open(limit_bytes, &mut scratch)?.enumerate() {
            let record = record?;
            headers.clear();
            headers.extend(record.headers);
            let index = index as u32;
            if index.is_multiple_of(half) {
                pieces.push(self.piece(index, settings));
            }
            if let Some(Batch { content: Content::Plain(builder), records_count, .. }) = pieces.last_mut() {
                builder.append(record.key, record.value, &headers, record.timestamp)?;
                *records_count += 1;
            }
        }
        Ok(pieces)
    }

    /// The still empty batch for the records from `index` on. It keeps their sequences: the whole was never written.
    fn piece(&self, index: u32, settings: &BatchSettings) -> Batch {
        let outcome = &self.outcome;
        Batch {
            order: Order { id: self.order.id, at: self.order.at + index },
            content: Content::Plain(BatchBuilder::new(settings.clone())),
            records_count: 0,
            reserved_bytes: if index == 0 { self.reserved_bytes } else { 0 },
            outcome: Outcome::new(Arc::clone(&outcome.topic), outcome.partition),
            created: self.created,
            attempts: 0,
            not_before: None,
            sequence: self
                .sequence
                .map(|(identity, base)| (identity, records::increment_sequence(base, index as i32))),
        }
    }
}

/// The batch with this producer and sequence in its header.
fn restamp(bytes: &Bytes, identity: Identity, sequence: i32) -> Bytes {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return bytes.clone() };
    let stamped = stamp_producer(header, identity.producer_id, identity.epoch, sequence);
    if stamped == *header {
        return bytes.clone();
    }
    let mut out = Vec::with_capacity(bytes.len());
    out.extend_from_slice(&stamped);
    out.extend_from_slice(&bytes[HEADER_BYTES..]);
    out.into()
}
