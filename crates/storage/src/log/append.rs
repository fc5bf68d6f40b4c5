//! Appending batches: judge, stamp, write once, publish.
//!
//! Owns the hot path. A batch is written from the frame it came in, with only its header copied; nothing is read back,
//! and nothing is flushed.

use std::borrow::Cow;
use std::io::IoSlice;
use std::sync::Arc;

use records::{
    BatchError, BatchHeader, HEADER_BYTES, ProduceRules, Rewrite, TimestampType, ValidBatch, batches,
    recompress, stamp, validate_produce,
};

use super::UnifiedLog;
use super::preallocate::preallocate;
use crate::error::{AppendError, StorageError};
use crate::log_config::AppendOrigin;
use crate::mutant::mutant;
use crate::producer_state::{Verdict, end_txn_marker};

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendInfo {
    /// Offset of the first record.
    pub first_offset: i64,
    /// Offset of the last record.
    pub last_offset: i64,
    /// The time the log stamped (ms), -1 if the timestamps are the producer's. For a duplicate it is, as in Kafka, the
    /// timestamp of the batch it repeats.
    pub log_append_time_ms: i64,
    /// The log start.
    pub log_start_offset: i64,
    /// Largest timestamp of the batches, in ms.
    pub max_timestamp: i64,
    /// Bytes appended; 0 for a duplicate.
    pub bytes: u64,
    /// Whether the batch was in the log already, at the offsets given here; nothing was appended.
    pub duplicate: bool,
}

/// A batch ready to be written.
pub(super) struct Prepared<'a> {
    /// The header to write.
    pub(super) stamped: [u8; HEADER_BYTES],
    /// `stamped`, read.
    pub(super) header: BatchHeader,
    /// The whole batch; its own header is not written.
    pub(super) bytes: Cow<'a, [u8]>,
}

impl Prepared<'_> {
    pub(super) fn payload(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl UnifiedLog {
    /// Appends batches as the partition's leader: from a client exactly one, from this broker one or more, all or none.
    ///
    /// Offsets and leader epoch are written into the batches; under [`AppendOrigin::RaftLeader`] they must be there.
    ///
    /// # Errors
    /// [`AppendError`]; then the log is as it was.
    pub fn append_as_leader(
        &mut self,
        bytes: &[u8],
        leader_epoch: i32,
        origin: AppendOrigin,
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        let rules = self.config.produce_rules(origin, leader_epoch, now_ms);
        if origin == AppendOrigin::Client {
            let valid = validate_produce(bytes, &rules)?;
            return self.append_valid(bytes, &valid, &rules, leader_epoch);
        }
        let mut prepared = Vec::new();
        let mut offset = self.end_offset();
        for batch in batches(bytes) {
            let batch = batch?;
            let valid = validate_produce(batch.bytes, &rules)?;
            if origin == AppendOrigin::RaftLeader && batch.header.base_offset != offset {
                return Err(AppendError::UnexpectedOffset {
                    expected: offset,
                    found: batch.header.base_offset,
                });
            }
            let next = prepare(batch.bytes, &valid, &rules, offset, leader_epoch)?;
            offset = next.header.next_offset();
            prepared.push(next);
        }
        let whole: u64 = prepared.iter().map(Prepared::size).sum();
        if prepared.is_empty() || whole < bytes.len() as u64 && rewrites_nothing(&prepared) {
            return Err(BatchError::NoBatch.into());
        }
        self.append_prepared(&prepared, origin, now_ms)
    }

    /// Appends a client's batch that [`validate_produce`] found `valid` under `rules`, which are
    /// [`crate::LogConfig::produce_rules`] of this log: so that the checks need not be made by the log's writer.
    ///
    /// # Errors
    /// [`AppendError`]; then the log is as it was.
    pub fn append_valid(
        &mut self,
        bytes: &[u8],
        valid: &ValidBatch,
        rules: &ProduceRules,
        leader_epoch: i32,
    ) -> Result<AppendInfo, AppendError> {
        let prepared = prepare(&bytes[..valid.size_bytes], valid, rules, self.end_offset(), leader_epoch)?;
        self.append_prepared(std::slice::from_ref(&prepared), AppendOrigin::Client, rules.now_ms)
    }

    fn append_prepared(
        &mut self,
        prepared: &[Prepared<'_>],
        origin: AppendOrigin,
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        self.directory().check_online()?;
        self.view.check_sound()?;
        let bytes: u64 = prepared.iter().map(Prepared::size).sum();
        if bytes > u64::from(self.config.segment_bytes) {
            let segment_bytes = self.config.segment_bytes;
            return Err(AppendError::LargerThanSegment { size_bytes: bytes, segment_bytes });
        }
        let first_offset = prepared[0].header.base_offset;
        for batch in prepared {
            match self.producers.check(&batch.header, origin, first_offset)? {
                Verdict::Append => {}
                Verdict::Duplicate(found) => {
                    return Ok(AppendInfo {
                        first_offset: found.first_offset(),
                        last_offset: found.last_offset,
                        log_append_time_ms: found.timestamp,
                        log_start_offset: self.view.log_start_offset(),
                        max_timestamp: found.timestamp,
                        bytes: 0,
                        duplicate: true,
                    });
                }
            }
        }
        if origin == AppendOrigin::Client {
            self.directory().take_room(bytes)?;
        }
        self.append_judged(prepared, now_ms)
    }

    /// Appends batches that were found fit for this log, in one write to one segment.
    pub(super) fn append_judged(
        &mut self,
        prepared: &[Prepared<'_>],
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        let bytes: u64 = prepared.iter().map(Prepared::size).sum();
        let first_offset = prepared[0].header.base_offset;
        let last_offset = prepared[prepared.len() - 1].header.last_offset();
        let max_timestamp = prepared.iter().map(|batch| batch.header.max_timestamp).max().unwrap_or(-1);
        self.roll_if_due(first_offset, last_offset, max_timestamp, bytes, now_ms)?;
        let position = self.active.segment.size();
        self.write(prepared)?;
        self.take_in(prepared, bytes, now_ms)?;
        self.note_tail(prepared, position);
        self.write_ahead(prepared)?;
        let log_append_time = prepared[0].header.timestamp_type() == TimestampType::LogAppendTime;
        Ok(AppendInfo {
            first_offset,
            last_offset,
            log_append_time_ms: if log_append_time { max_timestamp } else { -1 },
            log_start_offset: self.view.log_start_offset(),
            max_timestamp,
            bytes,
            duplicate: false,
        })
    }

    /// One write for all batches. A failed one leaves the file as it was, or the directory offline.
    fn write(&mut self, prepared: &[Prepared<'_>]) -> Result<(), AppendError> {
        let segment = &self.active.segment;
        let directory = self.view.directory();
        let position = segment.size();
        if position == 0 {
            self.unflushed.names.note();
        }
        self.unflushed.touched = true;
        let file = segment.file_to_append(directory).map_err(|e| directory.write_failed(e))?;
        if position == 0 && self.config.preallocate {
            self.active.is_preallocated = preallocate(file.as_ref(), self.config.segment_bytes);
        }
        let written = match prepared {
            [one] => {
                let slices = [IoSlice::new(&one.stamped), IoSlice::new(one.payload())];
                file.write_vectored_at(&slices, position)
            }
            many => {
                let slices = many.iter().flat_map(|p| [IoSlice::new(&p.stamped), IoSlice::new(p.payload())]);
                file.write_vectored_at(&slices.collect::<Vec<_>>(), position)
            }
        };
        let Err(error) = written else { return Ok(()) };
        // A part may have arrived. It must go, or a later, shorter append would leave its rest behind it, where a
        // recovery could take a client's payload for a batch.
        if mutant!(FullDiskAppendKept) {
            return Err(directory.write_failed(error).into());
        }
        // Flushed, since a refused batch that was complete could come back with a loss of power.
        match file.set_len(position).and_then(|()| file.sync_data()) {
            Ok(()) => Err(directory.write_failed(error).into()),
            Err(undo) => Err(directory.take_offline(undo).into()),
        }
    }

    /// Notes batches that are in the file. Epochs come before the offsets they explain; indexes and timestamps come after
    /// the bytes they point to.
    fn take_in(&mut self, prepared: &[Prepared<'_>], bytes: u64, now_ms: i64) -> Result<(), AppendError> {
        let segment = Arc::clone(&self.active.segment);
        let mut position = segment.size();
        if position == 0 {
            self.active.first_timestamp = prepared.iter().map(|batch| batch.header.max_timestamp).max();
        }
        for batch in prepared {
            let header = &batch.header;
            if header.partition_leader_epoch > self.latest_epoch {
                self.latest_epoch = header.partition_leader_epoch;
                self.view.epochs().lock().assign(self.latest_epoch, header.base_offset);
                self.unflushed.epochs.note();
            }
            self.producers.update(header, end_txn_marker(header, &batch.bytes), now_ms);
        }
        let end_offset = prepared[prepared.len() - 1].header.next_offset();
        self.view.publish_append(&segment, end_offset, bytes);
        let mut entries_wait = false;
        let ledger = super::ledger_at(&mut self.ledger, &segment, position);
        for batch in prepared {
            let header = &batch.header;
            ledger.append(header, &batch.stamped, batch.payload());
            let due = self.active.bytes_since_index > u64::from(self.config.index_interval_bytes);
            entries_wait |= segment.note_batch(position, header.last_offset(), header.max_timestamp, due);
            self.active.bytes_since_index =
                if due { batch.size() } else { self.active.bytes_since_index + batch.size() };
            position += batch.size();
        }
        self.unflushed.bytes += bytes;
        self.unflushed.bytes_since_snapshot += bytes;
        self.unflushed.since_ms.get_or_insert(now_ms);
        self.directory().note_activity();
        if entries_wait {
            self.write_indexes()?;
        }
        Ok(())
    }

    /// Index entries are a convenience: on a full disk they wait in memory for better times, and the append stands.
    pub(super) fn write_indexes(&self) -> Result<(), StorageError> {
        let directory = self.view.directory();
        match self.active.segment.write_indexes(directory.disk().as_ref(), false) {
            Ok(()) => Ok(()),
            Err(error) => match directory.write_failed(error) {
                StorageError::DiskFull { .. } => Ok(()),
                fault => Err(fault),
            },
        }
    }
}

/// Whether the bytes came in as they will be written, so that what they do not account for is a cut batch.
fn rewrites_nothing(prepared: &[Prepared<'_>]) -> bool {
    prepared.iter().all(|batch| matches!(batch.bytes, Cow::Borrowed(_)))
}

fn prepare<'a>(
    bytes: &'a [u8],
    valid: &ValidBatch,
    rules: &ProduceRules,
    base_offset: i64,
    leader_epoch: i32,
) -> Result<Prepared<'a>, AppendError> {
    let (bytes, stamped) = match valid.rewrite {
        Rewrite::Records { .. } => {
            let bytes = recompress(bytes, valid, rules)?;
            let stamped = stamp(header_of(&bytes)?, base_offset, leader_epoch);
            (Cow::Owned(bytes), stamped)
        }
        _ => (Cow::Borrowed(bytes), valid.stamp(header_of(bytes)?, base_offset, leader_epoch)),
    };
    Ok(Prepared { header: BatchHeader::parse(&stamped)?, stamped, bytes })
}

fn header_of(bytes: &[u8]) -> Result<&[u8; HEADER_BYTES], BatchError> {
    bytes.first_chunk().ok_or(BatchError::Incomplete { needed: HEADER_BYTES, available: bytes.len() })
}
