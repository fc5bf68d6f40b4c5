//! Following another log: a leader's on another node, or the one in another directory that this one is a copy of.
//!
//! Owns taking batches over as they are, byte for byte. What the source accepted is not judged again: here only their
//! checksums and their order count.

use std::borrow::Cow;

use records::{BatchError, FollowerRules, batches, validate_follower};

use super::UnifiedLog;
use super::append::{AppendInfo, Prepared};
use crate::error::{AppendError, ReadError, StorageError};
use crate::log_dir::LogDir;
use crate::view::LogView;

/// Any epoch: the source is on this node, so nothing of it is out of date.
const EVERY_EPOCH: FollowerRules = FollowerRules { leader_epoch: i32::MAX };

/// What one step of copying did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyStep {
    /// Bytes copied.
    pub bytes: u64,
    /// Bytes that the source has and the copy has not, after the step.
    pub bytes_left: u64,
}

impl UnifiedLog {
    /// Appends batches as the leader of another node has them.
    ///
    /// # Errors
    /// [`AppendError::UnexpectedOffset`] if they overlap the log, or what the records are refused for; then the log is
    /// as it was. After a fault of the disk some of the batches may be in the log.
    pub fn append_as_follower(
        &mut self,
        bytes: &[u8],
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        self.take_over(bytes, FollowerRules { leader_epoch }, now_ms)
    }

    fn take_over(
        &mut self,
        bytes: &[u8],
        rules: FollowerRules,
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        let taken = validate_follower(bytes, &rules)?;
        let mut prepared = Vec::with_capacity(taken.batches_count);
        for batch in batches(&bytes[..taken.size_bytes]) {
            let batch = batch?;
            let Some(stamped) = batch.header_bytes().copied() else {
                return Err(BatchError::OldMagic { magic: batch.header.magic }.into());
            };
            prepared.push(Prepared { stamped, header: batch.header, bytes: Cow::Borrowed(batch.bytes) });
        }
        let Some(first) = prepared.first() else { return Err(BatchError::NoBatch.into()) };
        if first.header.base_offset < self.end_offset() {
            let (expected, found) = (self.end_offset(), first.header.base_offset);
            return Err(AppendError::UnexpectedOffset { expected, found });
        }
        self.directory().check_online()?;
        let mut rest = prepared.as_slice();
        let mut info: Option<AppendInfo> = None;
        while !rest.is_empty() {
            let (group, later) = rest.split_at(self.fitting_count(rest));
            let next = self.append_judged(group, now_ms)?;
            info = Some(match info {
                None => next,
                Some(before) => AppendInfo {
                    first_offset: before.first_offset,
                    max_timestamp: before.max_timestamp.max(next.max_timestamp),
                    bytes: before.bytes + next.bytes,
                    ..next
                },
            });
            rest = later;
        }
        Ok(info.expect("there was at least one batch"))
    }

    /// How many of the batches go into one segment together: at least one, which may be larger than a segment is
    /// allowed to be, since the limit may have been lowered after it was accepted.
    fn fitting_count(&self, prepared: &[Prepared<'_>]) -> usize {
        let limit = u64::from(self.config.segment_bytes);
        let mut size = 0;
        let fitting = prepared.iter().take_while(|batch| {
            size += batch.size();
            size <= limit
        });
        fitting.count().max(1)
    }

    /// Copies what `source`, a log of the same partition in another directory, has beyond the end of this one: about
    /// `bytes_max` bytes, or one batch. Moves the log start and the high watermark along. Blocks.
    ///
    /// # Errors
    /// A failed read of the source as [`CopyError::Source`], everything else as [`CopyError::Copy`]; among it a directory of
    /// the copy that is full.
    pub fn copy_from(
        &mut self,
        source: &LogView,
        bytes_max: usize,
        log_dir: &LogDir,
        now_ms: i64,
    ) -> Result<CopyStep, CopyError> {
        let mut bytes = 0;
        let end_offset = source.log_end_offset();
        let start = source.log_start_offset();
        if self.end_offset() < start {
            self.start_where_source_does(source, log_dir, now_ms)?;
        }
        match source.read(self.end_offset().max(start), bytes_max, end_offset, true) {
            Ok(Some(slice)) => {
                self.directory().take_room(slice.len as u64)?;
                let batches = slice.to_vec().map_err(|error| CopyError::Source(error.into()))?;
                bytes = self.take_over(&batches, EVERY_EPOCH, now_ms)?.bytes;
            }
            // Compaction has removed all that was there.
            Ok(None) if self.end_offset() < end_offset => self.skip_to(end_offset, now_ms)?,
            Ok(None) => {}
            // Retention went past the copy between two looks: the next step starts there.
            Err(ReadError::OffsetOutOfRange { .. }) => {}
            Err(ReadError::Storage(error)) => return Err(CopyError::Source(error)),
        }
        self.follow_offsets(source);
        let bytes_left = source.bytes_from(self.end_offset()).map_err(CopyError::Source)?;
        Ok(CopyStep { bytes, bytes_left })
    }

    /// Moves log start and high watermark to where the source has them, as far as this log reaches.
    pub fn follow_offsets(&mut self, source: &LogView) {
        self.view.set_high_watermark(source.high_watermark());
        self.raise_log_start(source.log_start_offset().min(self.end_offset()));
    }

    /// Drops what the source does not have: after a loss of power the copy may know more than the source, which has gone
    /// on in another way since (KIP-101). To be called before the first step of copying in a process. Blocks.
    ///
    /// # Errors
    /// The disk's.
    pub fn truncate_to_common(
        &mut self,
        source: &LogView,
        log_dir: &LogDir,
        now_ms: i64,
    ) -> Result<(), StorageError> {
        // The write-ahead log of this directory may know the partition from an earlier stay.
        if self.view.generation() <= source.generation() {
            self.begin_generation_after(source.generation())?;
        }
        while let Some(latest) = self.view.latest_epoch() {
            let (epoch, end_offset) = source.end_offset_for_epoch(latest.epoch);
            let (_, own_end_offset) = self.view.end_offset_for_epoch(epoch);
            let offset = end_offset.min(own_end_offset).min(self.end_offset());
            if offset < self.view.log_start_offset() {
                // Nothing is known to be common, or the source begins later.
                let start = source.log_start_offset();
                return self.truncate_fully_and_start_at(start, log_dir, now_ms);
            }
            self.truncate_to(offset, log_dir, now_ms)?;
            if epoch == latest.epoch {
                break;
            }
        }
        self.truncate_to(source.log_end_offset(), log_dir, now_ms)?;
        Ok(())
    }

    /// Lets the log end at an offset beyond its last batch, with a segment that begins there, so that a start finds it too.
    fn skip_to(&mut self, offset: i64, now_ms: i64) -> Result<(), StorageError> {
        self.roll_at(offset, now_ms)?;
        self.view.publish_end(&self.active.segment, offset);
        Ok(())
    }

    /// Lets the log end where the first batch begins that counts in the source: that may be before the source's log start.
    fn start_where_source_does(
        &mut self,
        source: &LogView,
        log_dir: &LogDir,
        now_ms: i64,
    ) -> Result<(), CopyError> {
        let start = source.log_start_offset();
        let read = source.read(start, 1, source.log_end_offset(), true);
        let base_offset = match read {
            Ok(Some(slice)) => {
                let batch = slice.to_vec().map_err(|error| CopyError::Source(error.into()))?;
                batches(&batch).next().and_then(Result::ok).map(|batch| batch.header.base_offset)
            }
            Ok(None) | Err(ReadError::OffsetOutOfRange { .. }) => None,
            Err(ReadError::Storage(error)) => return Err(CopyError::Source(error)),
        };
        let offset = base_offset.map_or(start, |base| base.min(start));
        if offset != self.end_offset() {
            self.truncate_fully_and_start_at(offset, log_dir, now_ms)?;
        }
        Ok(())
    }
}

/// Why a step of copying failed, and on which side.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CopyError {
    /// The log that is copied.
    #[error("the log that is copied cannot be read: {0}")]
    Source(#[source] StorageError),
    /// The copy.
    #[error("the copy cannot be written: {0}")]
    Copy(#[from] AppendError),
}

impl From<StorageError> for CopyError {
    fn from(error: StorageError) -> Self {
        Self::Copy(error.into())
    }
}
