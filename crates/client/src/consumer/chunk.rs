//! Fetched bytes of one partition on their way to the application.
//!
//! Owns unpacking batch by batch, so that a fetch whose records inflate a hundredfold is never in memory as a whole, and
//! leaving out what the application must not see: control records and, with `read_committed`, aborted transactions.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use records::{Batch, BatchError, Compression, ControlRecordType, DEFAULT_DECOMPRESSED_LIMIT_BYTES};

use super::records::{PartitionRecords, Segment};
use crate::topic_partition::TopicPartition;

/// What a fetch brought of one partition.
#[derive(Debug)]
pub(super) struct Chunk {
    pub partition: TopicPartition,
    pub topic: Arc<str>,
    pub high_watermark: i64,
    pub log_start_offset: i64,
    /// Batches not yet unpacked.
    pub rest: Bytes,
    /// The next offset wanted.
    pub position: i64,
    /// Epoch of the leader of the last batch unpacked, -1 if there was none.
    pub leader_epoch: i32,
    pub check_crcs: bool,
    /// First offsets of aborted transactions and their producers, in order; empty with `read_uncommitted`.
    pub aborted: Vec<(i64, i64)>,
    /// Producers whose records are of an aborted transaction at this point of the log.
    pub aborting: BTreeSet<i64>,
}

impl Chunk {
    /// Unpacks batches until about `budget` bytes are plain, and says how many. After a fault, which the last value names,
    /// the chunk stands before the faulty batch.
    pub fn unpack(&mut self, budget: usize) -> (PartitionRecords, usize, Option<BatchError>) {
        let mut found = PartitionRecords {
            topic: Arc::clone(&self.topic),
            partition: self.partition.partition,
            high_watermark: self.high_watermark,
            log_start_offset: self.log_start_offset,
            segments: Vec::new(),
        };
        let mut plain_bytes = 0;
        while plain_bytes < budget && !self.rest.is_empty() {
            match self.next_segment() {
                Ok(Some(segment)) => {
                    plain_bytes += segment.plain.len();
                    found.segments.push(segment);
                }
                Ok(None) => {}
                Err(error) => return (found, plain_bytes, Some(error)),
            }
        }
        (found, plain_bytes, None)
    }

    /// Goes past the next batch; `None` if there is nothing to see in it.
    fn next_segment(&mut self) -> Result<Option<Segment>, BatchError> {
        let rest = self.rest.clone();
        let batch = match Batch::parse(&rest) {
            Ok(batch) => batch,
            // The last batch of an answer may be cut; it is fetched again.
            Err(BatchError::Incomplete { .. }) => {
                self.rest = Bytes::new();
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut segment = None;
        if batch.header.last_offset() >= self.position {
            if self.check_crcs {
                batch.verify_crc()?;
            }
            if self.is_visible(&batch)? {
                segment = Some(self.segment(&batch, &rest)?);
            }
            self.position = batch.header.next_offset();
            self.leader_epoch = batch.header.partition_leader_epoch;
        }
        self.rest = rest.slice(batch.bytes.len()..);
        Ok(segment)
    }

    fn segment(&self, batch: &Batch<'_>, rest: &Bytes) -> Result<Segment, BatchError> {
        let from = self.position;
        if !batch.header.is_legacy() && batch.header.compression()? == Compression::None {
            return Ok(Segment { header: batch.header, plain: rest.slice_ref(batch.payload()), from });
        }
        let mut plain = Vec::new();
        let header = batch.unpack(DEFAULT_DECOMPRESSED_LIMIT_BYTES, &mut plain)?;
        Ok(Segment { header, plain: plain.into(), from })
    }

    /// Whether the application gets the batch. Follows transactions from marker to marker.
    fn is_visible(&mut self, batch: &Batch<'_>) -> Result<bool, BatchError> {
        let header = &batch.header;
        while let Some(&(first_offset, producer_id)) = self.aborted.first() {
            if first_offset > header.last_offset() {
                break;
            }
            self.aborting.insert(producer_id);
            self.aborted.remove(0);
        }
        if !header.is_control() {
            return Ok(!(header.is_transactional() && self.aborting.contains(&header.producer_id)));
        }
        let marker = batch.records()?.next().transpose()?;
        let kind = marker.and_then(|marker| marker.key).and_then(ControlRecordType::from_key);
        if kind == Some(ControlRecordType::Abort) {
            self.aborting.remove(&header.producer_id);
        }
        Ok(false)
    }
}
