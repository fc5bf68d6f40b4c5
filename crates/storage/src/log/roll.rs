//! Starting a new segment.
//!
//! Owns when a segment is full and what has to be on disk before the next one takes over. All that can fail comes
//! first, so that a failed roll leaves the log as it was.

use std::io;
use std::sync::Arc;

use platform::OpenMode;

use super::{UnifiedLog, draw_jitter};
use crate::directory::Directory;
use crate::error::StorageError;
use crate::producer_state::snapshot;
use crate::segment::Segment;

/// Bytes of an offset-index entry.
const OFFSET_ENTRY_BYTES: u32 = 8;
/// Bytes of a time-index entry.
const TIME_ENTRY_BYTES: u32 = 12;

impl UnifiedLog {
    /// Rolls if the next append, which brings these offsets, this timestamp and so many bytes, does not fit.
    pub(super) fn roll_if_due(
        &mut self,
        first_offset: i64,
        last_offset: i64,
        max_timestamp: i64,
        bytes: u64,
        now_ms: i64,
    ) -> Result<(), StorageError> {
        let segment = &self.active.segment;
        let size = segment.size();
        let overflows = last_offset - segment.base_offset() > i64::from(i32::MAX);
        if size == 0 && !overflows {
            return Ok(());
        }
        let full = size + bytes > u64::from(self.config.segment_bytes);
        if full || overflows || self.indexes_are_full() || self.is_too_old(max_timestamp, now_ms) {
            self.roll_at(first_offset, now_ms)?;
        }
        Ok(())
    }

    fn indexes_are_full(&self) -> bool {
        let (offsets, times) = self.active.segment.index_entries();
        let bytes = self.config.segment_index_bytes;
        // The time index keeps a place for its closing entry.
        offsets >= bytes / OFFSET_ENTRY_BYTES || times + 1 >= bytes / TIME_ENTRY_BYTES
    }

    /// Record time counts from the first batch of the segment; where that has no timestamp, the segment's own age does.
    fn is_too_old(&self, max_timestamp: i64, now_ms: i64) -> bool {
        let waited = match self.active.first_timestamp {
            Some(first) if first >= 0 => max_timestamp.saturating_sub(first),
            _ => now_ms.saturating_sub(self.active.segment.created_ms()),
        };
        waited > self.config.segment_ms - self.active.jitter_ms
    }

    /// Starts a new segment at the log end. The one before is sealed and due for a flush. Whether there was anything to
    /// seal: an empty segment at the log end stays.
    ///
    /// # Errors
    /// The disk's; then the log is as it was.
    pub fn roll(&mut self, now_ms: i64) -> Result<bool, StorageError> {
        self.roll_at(self.end_offset(), now_ms)
    }

    pub(super) fn roll_at(&mut self, base_offset: i64, now_ms: i64) -> Result<bool, StorageError> {
        if self.active.segment.base_offset() == base_offset && self.active.segment.size() == 0 {
            return Ok(false);
        }
        self.seal_active()?;
        self.take_snapshot(base_offset)?;
        let segment = Arc::new(Segment::empty(Arc::clone(self.view.shared_dir()), base_offset, now_ms));
        self.disk_write(|directory| create_file(directory, &segment))
            .inspect_err(|_| self.forget(&segment))?;
        let mut segments = self.segments().as_ref().clone();
        segments.push(Arc::clone(&segment));
        self.view.set_segments(segments);
        if let Some(ledger) = &mut self.ledger {
            ledger.seal();
            ledger.go_on(base_offset, 0);
        }
        self.activate(segment);
        self.unflushed.rolled = true;
        self.directory().note_activity();
        self.directory().note_cleanable();
        tracing::debug!(log = %self.view.name(), base_offset, "rolled a new segment");
        Ok(true)
    }

    /// A segment that could not be begun: its empty file would end the one before at the next start.
    fn forget(&self, segment: &Segment) {
        segment.close_file();
        match self.directory().disk().remove_file(&segment.path(crate::layout::LOG_SUFFIX)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => _ = self.directory().take_offline(error),
            _ => {}
        }
    }

    /// Makes a segment, which is the last of the list, the one to append to.
    pub(super) fn activate(&mut self, segment: Arc<Segment>) {
        self.active.bytes_since_index = 0;
        self.active.first_timestamp = None;
        self.active.jitter_ms = draw_jitter(self.view.directory(), &self.config);
        self.active.is_preallocated = false;
        self.active.segment = segment;
        self.unflushed.touched = true;
        self.unflushed.names.note();
        self.view.publish_end(&self.active.segment, self.end_offset());
    }

    /// Completes the indexes of the active segment, with the closing entry that Kafka puts into the time index, and gives
    /// back the room that was kept for more records.
    pub(super) fn seal_active(&mut self) -> Result<(), StorageError> {
        self.give_back_room();
        let segment = &self.active.segment;
        let max = segment.max_timestamp(self.directory()).map_err(|fault| self.fault(segment, fault))?;
        segment.close_time_index(max);
        self.disk_write(|directory| segment.write_indexes(directory.disk().as_ref(), true))
    }

    /// Writes the producer state as of `offset`, unless that file is there. It is flushed with the segments.
    pub(super) fn take_snapshot(&mut self, offset: i64) -> Result<(), StorageError> {
        if self.snapshots.last() == Some(&offset) {
            return Ok(());
        }
        let path = self.snapshot_path(offset);
        let bytes = snapshot::encode(&self.producers);
        self.disk_write(|directory| {
            let written = write_file(directory, &path, &bytes);
            if written.is_err() {
                // Half a snapshot would be noticed by its checksum, but there is no need to keep it.
                _ = directory.disk().remove_file(&path);
            }
            written
        })?;
        self.snapshots.push(offset);
        self.unflushed.snapshots.push(offset);
        self.unflushed.bytes_since_snapshot = 0;
        self.unflushed.names.note();
        self.remove_passing_snapshots();
        Ok(())
    }

    /// Keeps the snapshots at segment boundaries and the newest one; those taken in passing have served their time.
    pub(super) fn remove_passing_snapshots(&mut self) {
        let segments = self.segments();
        let newest = self.snapshots.last().copied();
        let kept = |offset: &i64| {
            Some(*offset) == newest || segments.binary_search_by_key(offset, |s| s.base_offset()).is_ok()
        };
        let (keep, drop): (Vec<i64>, Vec<i64>) = self.snapshots.iter().partition(|offset| kept(offset));
        for offset in &drop {
            self.remove_snapshot_file(*offset);
        }
        self.unflushed.snapshots.retain(|offset| !drop.contains(offset));
        self.snapshots = keep;
    }

    /// A snapshot that cannot be removed does no harm: it is passed over.
    pub(super) fn remove_snapshot_file(&self, offset: i64) {
        let path = self.snapshot_path(offset);
        if let Err(error) = self.directory().disk().remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a producer snapshot could not be removed");
        }
    }
}

/// Creates the segment's file, empty: its name carries the log end over a restart.
fn create_file(directory: &Directory, segment: &Arc<Segment>) -> io::Result<()> {
    let file = segment.file(directory, true)?;
    if file.len()? != 0 {
        tracing::warn!(path = %segment.path(crate::layout::LOG_SUFFIX).display(), "a new segment's file was not empty");
        file.set_len(0)?;
    }
    Ok(())
}

fn write_file(directory: &Directory, path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
    let file = directory.disk().open(path, OpenMode::Create)?;
    file.set_len(0)?;
    file.write_at(bytes, 0)
}
