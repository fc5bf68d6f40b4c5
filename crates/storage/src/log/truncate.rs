//! Cutting the end of a log off.
//!
//! Owns truncation to another leader's branch. The recovery point on disk is lowered before a byte goes, so that a
//! crash in between is never taken for damage.

use std::sync::Arc;

use super::UnifiedLog;
use crate::error::StorageError;
use crate::layout::GENERATION;
use crate::loader::{remove_if_there, replay_producers};
use crate::log_dir::LogDir;
use crate::marker_files::encode_generation;
use crate::mutant::mutant;
use crate::segment::Segment;

impl UnifiedLog {
    /// Removes every batch that reaches `offset` or beyond. Whether anything was removed.
    ///
    /// # Errors
    /// The disk's; [`StorageError::Corrupt`] if the place cannot be found.
    pub fn truncate_to(&mut self, offset: i64, log_dir: &LogDir, now_ms: i64) -> Result<bool, StorageError> {
        if offset < self.end_offset() {
            // What stays is in flushed segments then, and nothing in the write-ahead log counts any more.
            self.flush_now()?;
        }
        self.cut_to(offset, log_dir, now_ms, true)
    }

    /// Has a replay put another batch at this offset, or beyond: what the write-ahead log says stays true.
    pub(crate) fn clear_from(
        &mut self,
        offset: i64,
        log_dir: &LogDir,
        now_ms: i64,
    ) -> Result<(), StorageError> {
        self.cut_to(offset, log_dir, now_ms, false).map(drop)
    }

    fn cut_to(
        &mut self,
        offset: i64,
        log_dir: &LogDir,
        now_ms: i64,
        is_new_branch: bool,
    ) -> Result<bool, StorageError> {
        if offset >= self.end_offset() {
            // An epoch may have begun here without a batch.
            self.truncate_epochs(self.end_offset());
            return Ok(false);
        }
        if offset < self.segments()[0].base_offset() {
            self.start_anew_at(offset, log_dir, now_ms, is_new_branch)?;
            return Ok(true);
        }
        let segments = self.segments();
        let kept = segments.partition_point(|segment| segment.base_offset() <= offset).max(1);
        let last = Arc::clone(&segments[kept - 1]);
        let found =
            last.find(self.directory(), offset, last.size()).map_err(|fault| self.fault(&last, fault))?;
        let size = found.map_or(last.size(), |batch| batch.position);
        // Not `offset` itself, which may lie inside a batch or in a gap: a restart would find less than was promised.
        let end_offset = self.end_offset_at(&last, size)?;
        // Index entries that wait for space are asked for while nothing is cut.
        self.disk_write(|directory| last.write_indexes(directory.disk().as_ref(), false))?;
        self.lower_durable_end(end_offset, log_dir)?;
        if is_new_branch {
            self.begin_generation()?;
        }
        let cut = self.cut_behind(&segments, kept, (offset, size), end_offset, now_ms);
        cut.map_err(|error| self.give_up(error))?;
        Ok(true)
    }

    /// Cuts behind the first `size` bytes of the last of `kept` segments.
    fn cut_behind(
        &mut self,
        segments: &[Arc<Segment>],
        kept: usize,
        (offset, size): (i64, u64),
        end_offset: i64,
        now_ms: i64,
    ) -> Result<(), StorageError> {
        let last = Arc::clone(&segments[kept - 1]);
        self.view.set_segments(segments[..kept].to_vec());
        self.retire_durably(&segments[kept..], now_ms)?;
        self.cut_segment(&last, offset, size)?;
        self.view.publish_end(&last, end_offset);
        self.activate_truncated(last, now_ms)?;
        self.view.set_log_start_offset(self.view.log_start_offset().min(end_offset));
        self.view.set_high_watermark(self.view.high_watermark());
        self.truncate_epochs(end_offset);
        self.reload_producers(now_ms)
    }

    /// A log that is half cut must not be written to, even if there was only no space for more.
    fn give_up(&self, error: StorageError) -> StorageError {
        match self.directory().offline_reason() {
            Some(_) => error,
            None => self.directory().take_offline(std::io::Error::other(error.to_string())),
        }
    }

    /// Removes snapshots of what was cut. One that stayed would be taken for one of the batches that come in their place.
    fn remove_void_snapshots(&self, offsets: &[i64]) -> Result<(), StorageError> {
        offsets.iter().try_for_each(|offset| {
            let path = self.snapshot_path(*offset);
            self.disk_write(|directory| remove_if_there(directory.disk().as_ref(), &path))
        })
    }

    /// Removes everything and goes on at `offset`, which may lie anywhere.
    ///
    /// # Errors
    /// The disk's.
    pub fn truncate_fully_and_start_at(
        &mut self,
        offset: i64,
        log_dir: &LogDir,
        now_ms: i64,
    ) -> Result<(), StorageError> {
        self.start_anew_at(offset, log_dir, now_ms, true)
    }

    fn start_anew_at(
        &mut self,
        offset: i64,
        log_dir: &LogDir,
        now_ms: i64,
        is_new_branch: bool,
    ) -> Result<(), StorageError> {
        let log_start_offset = self.view.log_start_offset();
        let gone = self.segments();
        let segment = Arc::new(Segment::empty(Arc::clone(self.view.shared_dir()), offset, now_ms));
        if gone.iter().all(|old| old.base_offset() != offset) {
            // A stop in between must not leave a log without any segment.
            self.disk_write(|directory| {
                drop(segment.file(directory, true)?);
                directory.disk().sync_dir(self.view.dir())
            })?;
        }
        if !is_new_branch {
            // The log start stays, and from here on no segment's name tells it.
            self.view.set_segments(vec![Arc::clone(&segment)]);
        }
        self.lower_durable_end(offset.min(log_start_offset), log_dir)?;
        if is_new_branch {
            self.begin_generation()?;
        }
        let retired = self.retire_durably(&gone, now_ms);
        retired.map_err(|error| self.give_up(error))?;
        let made = self.disk_write(|directory| segment.file(directory, true).map(drop));
        made.map_err(|error| self.give_up(error))?;
        self.view.set_segments(vec![Arc::clone(&segment)]);
        self.view.set_log_start_offset(if is_new_branch { offset } else { log_start_offset });
        self.view.publish_end(&segment, offset);
        self.activate(segment);
        self.view.set_high_watermark(offset);
        if self.view.epochs().lock().clear() {
            self.unflushed.epochs.note();
        }
        self.latest_epoch = -1;
        self.producers.clear();
        self.unflushed.snapshots.clear();
        let gone = std::mem::take(&mut self.snapshots);
        self.remove_void_snapshots(&gone).map_err(|error| self.give_up(error))?;
        // The flush that is due now makes the new file's name durable, and with it the offset it stands for.
        self.unflushed.rolled = true;
        self.directory().note_activity();
        Ok(())
    }

    fn lower_durable_end(&mut self, offset: i64, log_dir: &LogDir) -> Result<(), StorageError> {
        // What was known of the bytes beyond is void from here on.
        self.ledger = None;
        if let Some(tail) = &mut self.tail {
            tail.void();
        }
        self.view.lower_durable_end(offset);
        log_dir.lower_cleaned_offset(&self.view, offset);
        log_dir.checkpoint()
    }

    /// Has all that the write-ahead log holds of this log count no more.
    fn begin_generation(&mut self) -> Result<(), StorageError> {
        self.begin_generation_after(self.view.generation())
    }

    /// Has all that a write-ahead log holds of this partition's logs up to that generation count no more.
    pub(super) fn begin_generation_after(&mut self, last: u32) -> Result<(), StorageError> {
        let generation = last + u32::from(!mutant!(TruncationWithoutGeneration));
        let path = self.view.dir().join(GENERATION);
        self.disk_write(|directory| directory.disk().write_atomic(&path, &encode_generation(generation)))?;
        self.view.set_generation(generation);
        Ok(())
    }

    /// Were the old segments to come back after a crash, they could be taken for what follows on this branch.
    fn retire_durably(&mut self, gone: &[Arc<Segment>], now_ms: i64) -> Result<(), StorageError> {
        if gone.is_empty() {
            return Ok(());
        }
        // Newest first, so that a stop in between leaves a log without a hole.
        let newest_first: Vec<Arc<Segment>> = gone.iter().rev().cloned().collect();
        self.retire(&newest_first, now_ms)?;
        self.disk_write(|directory| directory.disk().sync_dir(self.view.dir()))
    }

    fn cut_segment(&mut self, segment: &Arc<Segment>, offset: i64, size: u64) -> Result<(), StorageError> {
        self.disk_write(|directory| {
            segment.truncate_indexes(directory.disk().as_ref(), offset, size)?;
            let file = segment.file(directory, false)?;
            file.set_len(size)?;
            // Were the old bytes to come back after a crash, they could be taken for batches of this branch.
            if mutant!(CutNotFlushed) { Ok(()) } else { file.sync_data() }
        })?;
        segment.note_cut(size);
        Ok(())
    }

    /// The offset after the last batch in the first `size` bytes of a segment.
    fn end_offset_at(&self, segment: &Arc<Segment>, size: u64) -> Result<i64, StorageError> {
        let end =
            segment.last_batch_end(self.directory(), 0, size).map_err(|fault| self.fault(segment, fault))?;
        Ok(end.map_or(segment.base_offset(), |(_, next_offset)| next_offset))
    }

    fn activate_truncated(&mut self, segment: Arc<Segment>, now_ms: i64) -> Result<(), StorageError> {
        let disk = Arc::clone(self.directory().disk());
        let indexed = segment.last_offset_entry(disk.as_ref()).map_or(0, |entry| u64::from(entry.position));
        let max = segment.max_timestamp(self.directory()).map_err(|fault| self.fault(&segment, fault))?;
        let first = segment.first_timestamp(self.directory()).map_err(|fault| self.fault(&segment, fault))?;
        if segment.size() == 0 {
            segment.set_created_ms(now_ms);
        }
        tracing::debug!(log = %self.view.name(), max_timestamp = max.timestamp, "log truncated");
        let since_index = segment.size() - indexed;
        self.activate(segment);
        self.active.bytes_since_index = since_index;
        self.active.first_timestamp = first;
        Ok(())
    }

    fn truncate_epochs(&mut self, end_offset: i64) {
        let mut epochs = self.view.epochs().lock();
        if !mutant!(EpochsNotTruncated) && epochs.truncate_from_end(end_offset) {
            self.unflushed.epochs.note();
        }
        self.latest_epoch = epochs.latest().map_or(-1, |entry| entry.epoch);
    }

    /// Rebuilds the producer state from the newest snapshot that is not beyond the end.
    fn reload_producers(&mut self, now_ms: i64) -> Result<(), StorageError> {
        let end_offset = self.end_offset();
        let gone: Vec<i64> = self.snapshots.iter().copied().filter(|offset| *offset > end_offset).collect();
        self.snapshots.retain(|offset| *offset <= end_offset);
        self.unflushed.snapshots.retain(|offset| *offset <= end_offset);
        self.remove_void_snapshots(&gone)?;
        self.producers = replay_producers(&self.view, &self.snapshots, now_ms)?;
        Ok(())
    }
}
