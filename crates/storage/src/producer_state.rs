//! What one log knows of its idempotent producers (KIP-98, KIP-360).
//!
//! Owns the judgement of sequences and epochs, and the state it rests on: per producer id the epoch and the last five
//! batches. It never touches the disk; [`snapshot`] gives the bytes of the files that make this state survive.
//!
//! Transactions are only remembered, not acted upon: the start offset of an open one is kept so that nothing is lost
//! when a log that holds some passes through here.

use std::collections::BTreeMap;

use protocol::EndTxnMarker;
use records::{
    Batch, BatchHeader, ControlRecordType, NO_PRODUCER_EPOCH, NO_SEQUENCE, NO_TIMESTAMP, increment_sequence,
};

use crate::error::AppendError;
use crate::log_config::AppendOrigin;

pub(crate) mod snapshot;

/// Batches remembered per producer: its in-flight limit, so that each of them can be told from a new one.
pub const RETAINED_BATCHES: usize = 5;

/// Producers remembered per log. Beyond it the longest unseen are forgotten, so that clients which ask for one id after
/// the other cannot fill the memory.
pub const PRODUCERS_MAX: usize = 200_000;

/// One batch of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchMetadata {
    pub(crate) last_sequence: i32,
    pub(crate) last_offset: i64,
    pub(crate) offset_delta: i32,
    pub(crate) timestamp: i64,
}

impl BatchMetadata {
    const NONE: Self =
        Self { last_sequence: NO_SEQUENCE, last_offset: -1, offset_delta: 0, timestamp: NO_TIMESTAMP };

    pub(crate) fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }

    fn first_sequence(&self) -> i32 {
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        // Before 0 comes the largest 32-bit integer.
        if first >= 0 { first as i32 } else { (first + i64::from(i32::MAX) + 1) as i32 }
    }
}

/// The state of one producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    /// The newest epoch seen, -1 if none.
    pub(crate) epoch: i16,
    /// Epoch of the coordinator that wrote the last transaction marker, -1 if none did.
    pub(crate) coordinator_epoch: i32,
    /// Timestamp of the last batch, in ms.
    pub(crate) last_timestamp: i64,
    /// First offset of the open transaction, -1 if there is none.
    pub(crate) current_txn_first_offset: i64,
    /// When this process last saw a batch or a snapshot of it, so that old record timestamps do not expire a live
    /// producer.
    seen_ms: i64,
    batches: [BatchMetadata; RETAINED_BATCHES],
    batches_len: u8,
}

impl ProducerEntry {
    fn new(seen_ms: i64) -> Self {
        Self {
            epoch: NO_PRODUCER_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: NO_TIMESTAMP,
            current_txn_first_offset: -1,
            seen_ms,
            batches: [BatchMetadata::NONE; RETAINED_BATCHES],
            batches_len: 0,
        }
    }

    fn batches(&self) -> &[BatchMetadata] {
        &self.batches[..usize::from(self.batches_len)]
    }

    fn last_batch(&self) -> Option<&BatchMetadata> {
        self.batches().last()
    }

    /// Sequence of the last record under the current epoch, -1 if there is none.
    pub(crate) fn last_sequence(&self) -> i32 {
        self.last_batch().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    /// The last offset of the last batch under the current epoch.
    pub(crate) fn last_data_offset(&self) -> Option<i64> {
        self.last_batch().map(|batch| batch.last_offset).filter(|offset| *offset >= 0)
    }

    fn set_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches_len = 0;
        }
    }

    fn push(&mut self, batch: BatchMetadata) {
        if usize::from(self.batches_len) == RETAINED_BATCHES {
            self.batches.copy_within(1.., 0);
            self.batches_len -= 1;
        }
        self.batches[usize::from(self.batches_len)] = batch;
        self.batches_len += 1;
    }

    fn duplicate_of(&self, header: &BatchHeader) -> Option<&BatchMetadata> {
        let (first, last) = (header.base_sequence, header.last_sequence());
        let same = |batch: &&BatchMetadata| batch.last_sequence == last && batch.first_sequence() == first;
        if self.epoch == header.producer_epoch { self.batches().iter().find(same) } else { None }
    }
}

/// What to do with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Append it.
    Append,
    /// It is in the log already, as this batch.
    Duplicate(BatchMetadata),
}

/// All producers of one log.
#[derive(Debug, Default)]
pub(crate) struct ProducerState {
    producers: BTreeMap<i64, ProducerEntry>,
}

impl ProducerState {
    pub(crate) fn len(&self) -> usize {
        self.producers.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &ProducerEntry)> {
        self.producers.iter().map(|(id, entry)| (*id, entry))
    }

    pub(crate) fn clear(&mut self) {
        self.producers.clear();
    }

    /// Judges a batch that is about to be appended at `offset`.
    ///
    /// # Errors
    /// [`AppendError::InvalidProducerEpoch`] and [`AppendError::OutOfOrderSequence`].
    pub(crate) fn check(
        &self,
        header: &BatchHeader,
        origin: AppendOrigin,
        offset: i64,
    ) -> Result<Verdict, AppendError> {
        if !header.has_producer_id() {
            return Ok(Verdict::Append);
        }
        // A producer the log knows nothing of may start anywhere: retention may have removed its state (KIP-360).
        let Some(entry) = self.producers.get(&header.producer_id) else { return Ok(Verdict::Append) };
        if origin == AppendOrigin::Client
            && let Some(batch) = entry.duplicate_of(header)
        {
            return Ok(Verdict::Duplicate(*batch));
        }
        if header.producer_epoch < entry.epoch {
            return Err(AppendError::InvalidProducerEpoch {
                producer_id: header.producer_id,
                offset,
                epoch: header.producer_epoch,
                current_epoch: entry.epoch,
            });
        }
        if origin == AppendOrigin::Client {
            check_sequence(entry, header, offset)?;
        }
        Ok(Verdict::Append)
    }

    /// Takes in a batch that is in the log.
    pub(crate) fn update(&mut self, header: &BatchHeader, marker: Option<EndTxnMarker>, now_ms: i64) {
        if !header.has_producer_id() {
            return;
        }
        if self.producers.len() >= PRODUCERS_MAX && !self.producers.contains_key(&header.producer_id) {
            self.forget_unseen();
        }
        let entry = self.producers.entry(header.producer_id).or_insert_with(|| ProducerEntry::new(now_ms));
        entry.seen_ms = now_ms;
        if header.is_control() {
            // A control batch without a record is what compaction leaves of a transaction: it changes nothing.
            let Some(marker) = marker else { return };
            entry.set_epoch(header.producer_epoch);
            entry.coordinator_epoch = marker.coordinator_epoch;
            entry.current_txn_first_offset = -1;
            entry.last_timestamp = header.max_timestamp;
            return;
        }
        entry.set_epoch(header.producer_epoch);
        entry.push(BatchMetadata {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        });
        entry.last_timestamp = header.max_timestamp;
        if header.is_transactional() && entry.current_txn_first_offset < 0 {
            entry.current_txn_first_offset = header.base_offset;
        }
    }

    /// Makes room by forgetting the sixteenth of the producers that was unseen longest, never one in a transaction.
    fn forget_unseen(&mut self) {
        let idle = |entry: &ProducerEntry| entry.current_txn_first_offset < 0;
        let mut seen: Vec<(i64, i64)> =
            self.producers.iter().filter(|(_, e)| idle(e)).map(|(id, e)| (e.seen_ms, *id)).collect();
        seen.sort_unstable();
        for (_, id) in seen.iter().take(self.producers.len() / 16 + 1) {
            self.producers.remove(id);
        }
    }

    /// Drops the producers that have not written for `expiration_ms` and have no open transaction.
    pub(crate) fn expire(&mut self, expiration_ms: i64, now_ms: i64) {
        self.producers.retain(|_, entry| !is_expired(entry, expiration_ms, now_ms));
    }
}

/// What a transaction marker says; `None` for anything else, and for a marker that compaction emptied.
pub(crate) fn end_txn_marker(header: &BatchHeader, bytes: &[u8]) -> Option<EndTxnMarker> {
    if !header.is_control() || !header.has_producer_id() {
        return None;
    }
    let record = Batch::parse(bytes).ok()?.records().ok()?.next()?.ok()?;
    match ControlRecordType::from_key(record.key?)? {
        ControlRecordType::Abort | ControlRecordType::Commit => {}
        _ => return None,
    }
    // An int16 version, of which newer ones only append fields.
    let mut reader = protocol::Reader::new(record.value?.get(2..)?);
    protocol::Message::decode(&mut reader, 0).ok()
}

/// Kafka expires by the timestamps of the records alone, which ends the state of a live producer that writes old
/// records; the time it was last seen counts here too, so that a retry within the window is never taken for new.
fn is_expired(entry: &ProducerEntry, expiration_ms: i64, now_ms: i64) -> bool {
    let last = entry.last_timestamp.max(entry.seen_ms);
    entry.current_txn_first_offset < 0 && now_ms.saturating_sub(last) >= expiration_ms
}

fn check_sequence(entry: &ProducerEntry, header: &BatchHeader, offset: i64) -> Result<(), AppendError> {
    let last_sequence = entry.last_sequence();
    let in_order = if header.producer_epoch == entry.epoch {
        // After a marker the epoch is known and no batch is: the next sequence is 0 then, as -1 + 1.
        header.base_sequence == increment_sequence(last_sequence, 1)
    } else {
        header.base_sequence == 0 || entry.epoch == NO_PRODUCER_EPOCH
    };
    if in_order {
        return Ok(());
    }
    let (producer_id, sequence) = (header.producer_id, header.base_sequence);
    Err(AppendError::OutOfOrderSequence { producer_id, offset, sequence, last_sequence })
}

#[cfg(test)]
mod tests;
