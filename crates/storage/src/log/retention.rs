//! Dropping what is too old, too much, or below the log start.
//!
//! Owns which segments go and when their files do. Only whole segments go, oldest first, and none that holds anything
//! at or above the high watermark. Files are renamed first and removed later, so that a reader who is in the middle of
//! one may finish.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use platform::OpenMode;

use super::{UnifiedLog, WaitingFiles};
use crate::directory::Directory;
use crate::error::StorageError;
use crate::mutant::mutant;
use crate::segment::{Segment, SegmentFault};

/// What a retention run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetentionOutcome {
    /// Segments taken out of the log.
    pub segments: usize,
    /// Bytes of their batches.
    pub bytes: u64,
}

/// Files to remove.
pub struct DeleteTicket {
    directory: Arc<Directory>,
    paths: Vec<PathBuf>,
    are_dirs: bool,
}

impl DeleteTicket {
    pub(crate) fn new(directory: Arc<Directory>, paths: Vec<PathBuf>, are_dirs: bool) -> Self {
        Self { directory, paths, are_dirs }
    }

    /// Removes the files. Blocks; to be run where that is allowed. What is gone already is passed over, and what cannot
    /// be removed is tried again at the next start.
    pub fn run(&self) {
        let disk = self.directory.disk();
        for path in &self.paths {
            let removed = if self.are_dirs { disk.remove_dir_all(path) } else { disk.remove_file(path) };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, "a deleted log's file could not be removed");
                }
                _ => {}
            }
        }
    }
}

/// Why a segment is judged.
#[derive(Clone, Copy)]
enum Reason {
    LogStart,
    Size,
    Time,
}

impl UnifiedLog {
    /// Forgets the producers that have not written for `producer.id.expiration.ms`.
    pub fn expire_producers(&mut self, now_ms: i64) {
        self.producers.expire(self.config.producer_id_expiration_ms, now_ms);
    }

    /// Takes out of the log the segments that retention or the log start no longer cover. An active segment that has expired is rolled, so that an idle log empties too.
    ///
    /// # Errors
    /// The disk's.
    pub fn retention(&mut self, now_ms: i64) -> Result<RetentionOutcome, StorageError> {
        self.directory().check_online()?;
        self.view.check_sound()?;
        let mut outcome = self.remove_expired(Reason::LogStart, now_ms)?;
        if self.config.delete {
            for reason in [Reason::Size, Reason::Time] {
                let more = self.remove_expired(reason, now_ms)?;
                outcome.segments += more.segments;
                outcome.bytes += more.bytes;
            }
        }
        Ok(outcome)
    }

    fn remove_expired(&mut self, reason: Reason, now_ms: i64) -> Result<RetentionOutcome, StorageError> {
        let segments = self.segments();
        let mut surplus = self.view.size_bytes() as i64 - self.config.retention_bytes;
        let mut count = 0;
        for (number, segment) in segments.iter().enumerate() {
            let next = segments.get(number + 1);
            let end = next.map_or(self.end_offset(), |next| next.base_offset());
            if end > self.view.high_watermark() || (next.is_none() && segment.size() == 0) {
                break;
            }
            let expired = match reason {
                Reason::LogStart => {
                    next.is_some_and(|next| next.base_offset() <= self.view.log_start_offset())
                }
                Reason::Size => {
                    surplus -= segment.size() as i64;
                    self.config.retention_bytes >= 0 && surplus >= 0
                }
                Reason::Time => {
                    self.config.retention_ms >= 0
                        && now_ms.saturating_sub(self.largest_timestamp(segment)?) > self.config.retention_ms
                }
            };
            if !expired {
                break;
            }
            count += 1;
        }
        if count == 0 {
            return Ok(RetentionOutcome::default());
        }
        if count == segments.len() {
            self.roll(now_ms)?;
        }
        self.secure_what_stays(self.segments()[count].base_offset())?;
        self.remove_first(count, now_ms)
    }

    /// Makes durable what has to be there once the segments before `new_start` are gone: the names of the later ones, or
    /// a power loss could leave a log without any; and a snapshot of the producers whose batches go.
    fn secure_what_stays(&mut self, new_start: i64) -> Result<(), StorageError> {
        if self.snapshots.last().is_none_or(|last| *last < new_start) {
            self.take_snapshot(self.end_offset())?;
        }
        for offset in std::mem::take(&mut self.unflushed.snapshots) {
            let path = self.snapshot_path(offset);
            self.disk_write(|directory| directory.disk().open(&path, OpenMode::ReadWrite)?.sync_data())?;
        }
        if self.unflushed.names.is_pending() {
            self.disk_write(|directory| directory.disk().sync_dir(self.view.dir()))?;
        }
        Ok(())
    }

    /// The time a segment's retention counts from: its largest timestamp, or its own age if no record has one.
    pub(super) fn largest_timestamp(&self, segment: &Arc<Segment>) -> Result<i64, StorageError> {
        let max = segment.max_timestamp(self.directory()).map_err(|fault| self.fault(segment, fault))?;
        Ok(if max.timestamp >= 0 { max.timestamp } else { segment.created_ms() })
    }

    /// Takes out the oldest `count` segments, of which the active one is none.
    fn remove_first(&mut self, count: usize, now_ms: i64) -> Result<RetentionOutcome, StorageError> {
        let segments = self.segments();
        let (gone, kept) = segments.split_at(count);
        let new_start = kept[0].base_offset();
        self.raise_log_start(new_start);
        self.view.set_segments(kept.to_vec());
        self.view.publish_end(&self.active.segment, self.end_offset());
        let bytes = gone.iter().map(|segment| segment.size()).sum();
        tracing::info!(log = %self.view.name(), segments = count, bytes, new_start, "old segments removed");
        if let Err(error) = self.retire(gone, now_ms) {
            // While they are listed, the checkpoint says where the log starts.
            self.view.set_segments(segments.as_ref().clone());
            return Err(error);
        }
        // The next checkpoint says nothing of a log start that the first segment's name tells: so that name has to stay
        // the first, or what was deleted on request would come back.
        if !mutant!(LogStartNotPersisted) {
            self.disk_write(|directory| directory.disk().sync_dir(self.view.dir()))?;
        }
        let snapshots: Vec<i64> =
            self.snapshots.iter().copied().filter(|offset| *offset < new_start).collect();
        self.snapshots.retain(|offset| *offset >= new_start);
        snapshots.iter().for_each(|offset| self.remove_snapshot_file(*offset));
        Ok(RetentionOutcome { segments: count, bytes })
    }

    /// Renames the files of segments that are no longer in the list; they are removed when their delay is over.
    pub(super) fn retire(&mut self, gone: &[Arc<Segment>], now_ms: i64) -> Result<(), StorageError> {
        let mut paths = Vec::new();
        for segment in gone {
            paths.extend(self.disk_write(|directory| segment.mark_deleted(directory.disk().as_ref()))?);
        }
        let due_ms = now_ms.saturating_add(self.config.file_delete_delay_ms);
        self.waiting.push(WaitingFiles { due_ms, paths });
        self.directory().note_removal_due(due_ms);
        Ok(())
    }

    /// The files whose delay is over; `None` if there are none.
    pub fn expired_files(&mut self, now_ms: i64) -> Option<DeleteTicket> {
        let paths: Vec<PathBuf> = self
            .waiting
            .extract_if(.., |files| files.due_ms <= now_ms)
            .flat_map(|files| files.paths)
            .collect();
        self.waiting.iter().for_each(|files| self.directory().note_removal_due(files.due_ms));
        (!paths.is_empty()).then(|| DeleteTicket::new(Arc::clone(self.directory()), paths, false))
    }

    /// Moves the log start to `offset`, or to the high watermark if that is -1 (DeleteRecords, KIP-107). Segments wholly
    /// below go at the next retention run. Gives the log start.
    ///
    /// # Errors
    /// [`StorageError::OffsetOutOfRange`] beyond the high watermark.
    pub fn delete_records_before(&mut self, offset: i64) -> Result<i64, StorageError> {
        let high_watermark = self.view.high_watermark();
        let wanted = if offset == -1 { high_watermark } else { offset };
        if wanted < 0 || wanted > high_watermark {
            let log_start_offset = self.view.log_start_offset();
            return Err(StorageError::OffsetOutOfRange { offset, log_start_offset, high_watermark });
        }
        self.raise_log_start(wanted);
        Ok(self.view.log_start_offset())
    }

    pub(super) fn raise_log_start(&mut self, offset: i64) {
        if offset <= self.view.log_start_offset() {
            return;
        }
        self.view.set_log_start_offset(offset);
        self.view.set_high_watermark(self.view.high_watermark());
        if self.view.epochs().lock().truncate_from_start(offset) {
            self.unflushed.epochs.note();
        }
    }

    pub(super) fn fault(&self, segment: &Segment, fault: SegmentFault) -> StorageError {
        self.view.storage_fault(segment, segment.base_offset(), fault)
    }
}
