//! Making appended records durable.
//!
//! Owns what belongs to a flush and when one is due. The log's writer prepares a [`FlushTicket`], anyone runs it where
//! blocking is allowed, and the writer then learns of the success; appends go on meanwhile.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use platform::File;

use super::UnifiedLog;
use crate::checkpoint_file::encode_epochs;
use crate::directory::Directory;
use crate::error::StorageError;
use crate::layout::{
    INDEX_SUFFIX, LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA, TEMPORARY_SUFFIX, TIME_INDEX_SUFFIX,
};
use crate::log_config::BACKGROUND_FLUSH_BYTES;
use crate::mutant::mutant;
use crate::proof::{LogProof, ProofNews};
use crate::segment::sync_if_there;

/// Everything that has to reach stable storage so that a log is durable up to an offset.
pub struct FlushTicket {
    directory: Arc<Directory>,
    dir: PathBuf,
    /// Which log it is of: one that came back to this directory may have its name.
    view_number: u64,
    /// Of the log when the ticket was made: a truncation since leaves nothing to be said of offsets.
    generation: u32,
    offset: i64,
    /// Segment files; they stay open so that their write errors are seen.
    files: Vec<Arc<dyn File>>,
    /// Indexes of sealed segments, snapshots, the topic id.
    paths: Vec<PathBuf>,
    /// Offsets of the snapshots among them.
    snapshots: Vec<i64>,
    epochs: Option<Vec<u8>>,
    sync_names: bool,
    sync_dir: bool,
    names_made: u64,
    dir_made: u64,
    epochs_made: u64,
    /// What goes into the proof file.
    proof: Option<(Arc<LogProof>, ProofNews)>,
}

impl FlushTicket {
    /// The log end when the ticket was made: what is durable once it has run.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Flushes. Blocks; to be run where that is allowed.
    ///
    /// # Errors
    /// [`StorageError::DiskFull`] if it could not begin for lack of space: nothing was lost, and another ticket may be run
    /// later. Else the first failure. The log directory is offline then: a flush is never tried again, since the kernel may
    /// have dropped what it could not write.
    pub fn run(&self) -> Result<(), StorageError> {
        self.directory.check_online()?;
        self.stage_epochs().map_err(|error| self.failed(error, Directory::write_failed))?;
        self.write_proof().map_err(|error| self.failed(error, Directory::write_failed))?;
        let mut flushed = self.flush();
        if flushed.is_err() && mutant!(FsyncRetried) {
            flushed = self.flush();
        }
        flushed.map_err(|error| self.failed(error, Directory::take_offline))
    }

    fn failed(
        &self,
        error: io::Error,
        judge: impl FnOnce(&Directory, io::Error) -> StorageError,
    ) -> StorageError {
        match error.kind() {
            // The log was deleted meanwhile: there is nothing left to keep.
            io::ErrorKind::NotFound if !self.directory.disk().exists(&self.dir) => error.into(),
            _ => judge(&self.directory, error),
        }
    }

    fn flush(&self) -> io::Result<()> {
        let disk = self.directory.disk();
        for file in &self.files {
            file.sync_data()?;
        }
        for path in &self.paths {
            // Retention or a newer snapshot may have removed it since.
            sync_if_there(disk.as_ref(), path)?;
        }
        if self.epochs.is_some() {
            disk.rename(&self.temporary_epochs(), &self.dir.join(LEADER_EPOCH_CHECKPOINT))?;
        }
        if mutant!(RenameWithoutDirectoryFlush) {
            return Ok(());
        }
        if self.sync_names || self.epochs.is_some() {
            disk.sync_dir(&self.dir)?;
        }
        if self.sync_dir {
            disk.sync_dir(self.directory.path())?;
        }
        Ok(())
    }

    /// Writes what the epoch checkpoint will be, under another name. These are the only new bytes of a flush, so that a
    /// full disk is met here, where nothing hangs on it.
    fn stage_epochs(&self) -> io::Result<()> {
        let Some(epochs) = &self.epochs else { return Ok(()) };
        self.directory.disk().write_whole(&self.temporary_epochs(), epochs)
    }

    /// What it says counts once the recovery point is raised, which comes after the flush.
    fn write_proof(&self) -> io::Result<()> {
        let Some((proof, news)) = &self.proof else { return Ok(()) };
        proof.write(self.directory.disk().as_ref(), &self.dir, news)
    }

    fn temporary_epochs(&self) -> PathBuf {
        self.dir.join(format!("{LEADER_EPOCH_CHECKPOINT}{TEMPORARY_SUFFIX}"))
    }
}

impl UnifiedLog {
    /// Whether a flush of the segments is due: by `flush.messages` or `flush.ms`, because a segment was rolled, or because
    /// so many bytes wait that a recovery would take long. For a durable log the write-ahead log says when.
    pub fn is_flush_due(&self, now_ms: i64) -> bool {
        if self.config.durable {
            return self.unflushed.rolled;
        }
        let unflushed = self.end_offset() - self.view.recovery_point();
        let age = self.unflushed.since_ms.map(|since| now_ms.saturating_sub(since));
        self.unflushed.rolled
            || self.unflushed.bytes >= BACKGROUND_FLUSH_BYTES
            || (unflushed > 0 && unflushed >= self.config.flush_messages)
            || age.is_some_and(|age| age >= self.config.flush_ms)
    }

    /// Bytes appended since the last flush was prepared.
    pub fn unflushed_bytes(&self) -> u64 {
        self.unflushed.bytes
    }

    /// Prepares a flush of everything appended so far; `None` if all of it is durable already. Tickets of one log are run
    /// one after another.
    ///
    /// # Errors
    /// The disk's, from writing index entries or a snapshot that waited in memory.
    pub fn flush(&mut self) -> Result<Option<FlushTicket>, StorageError> {
        self.directory().check_online()?;
        let offset = self.end_offset();
        let durable = self.view.recovery_point();
        let is_flushed = offset == durable && !self.unflushed.epochs.is_pending() && !self.unflushed.rolled;
        if is_flushed && !self.view.proof().is_stale() {
            return Ok(None);
        }
        if self.unflushed.bytes_since_snapshot >= BACKGROUND_FLUSH_BYTES {
            self.take_snapshot(offset)?;
        }
        let mut files = Vec::new();
        let mut paths = Vec::new();
        let segments = self.segments();
        // What was rolled since the last flush may end where that one did: its indexes were closed afterwards.
        let is_before = |base: i64| if self.unflushed.rolled { base < durable } else { base <= durable };
        let first = segments.partition_point(|s| is_before(s.base_offset())).saturating_sub(1);
        for segment in &segments[first..] {
            let is_active = Arc::ptr_eq(segment, &self.active.segment);
            if segment.size() > 0 {
                files.push(segment.file(self.directory(), false)?);
            }
            if !is_active {
                paths.extend([segment.path(INDEX_SUFFIX), segment.path(TIME_INDEX_SUFFIX)]);
            }
        }
        let snapshots = self.unflushed.snapshots.clone();
        paths.extend(snapshots.iter().map(|offset| self.snapshot_path(*offset)));
        if self.unflushed.dir.is_pending() {
            paths.push(self.view.dir().join(PARTITION_METADATA));
        }
        // The index of the active segment is not flushed: recovery takes of it what the batches confirm.
        self.write_indexes()?;
        let proof = self.stage_proof(segments[0].base_offset(), !paths.is_empty());
        let pairs = || -> Vec<(i32, i64)> {
            self.view.epochs().lock().entries().iter().map(|e| (e.epoch, e.start_offset)).collect()
        };
        let ticket = FlushTicket {
            directory: Arc::clone(self.directory()),
            dir: self.view.dir().to_path_buf(),
            view_number: self.view.number(),
            generation: self.view.generation(),
            offset,
            files,
            paths,
            snapshots,
            epochs: self.unflushed.epochs.is_pending().then(|| encode_epochs(&pairs())),
            sync_names: self.unflushed.names.is_pending(),
            sync_dir: self.unflushed.dir.is_pending(),
            names_made: self.unflushed.names.made,
            dir_made: self.unflushed.dir.made,
            epochs_made: self.unflushed.epochs.made,
            proof,
        };
        if mutant!(RecoveryPointBeforeFlush) {
            self.view.raise_recovery_point(offset);
        }
        self.unflushed.bytes = 0;
        self.unflushed.since_ms = None;
        self.unflushed.rolled = false;
        Ok(Some(ticket))
    }

    /// What has to go into the proof file before the recovery point is raised.
    fn stage_proof(&mut self, first: i64, is_synced: bool) -> Option<(Arc<LogProof>, ProofNews)> {
        let proof = self.view.proof();
        let entries = self.ledger.as_mut().map_or_else(Vec::new, |ledger| ledger.take_news());
        let mut news = proof.stage(entries, first, self.view.size_bytes())?;
        if is_synced {
            news.synced();
        }
        Some((Arc::clone(proof), news))
    }

    /// Notes that a ticket of this log has run. One of a log that this one has replaced says nothing of it.
    pub fn mark_durable(&mut self, ticket: &FlushTicket) {
        if ticket.dir != self.view.dir() || ticket.view_number != self.view.number() {
            return;
        }
        let epochs = &mut self.unflushed.epochs;
        epochs.durable = epochs.durable.max(ticket.epochs_made);
        let names = &mut self.unflushed.names;
        names.durable = names.durable.max(ticket.names_made);
        let dir = &mut self.unflushed.dir;
        dir.durable = dir.durable.max(ticket.dir_made);
        // A truncation may have cut below the ticket meanwhile. What it left is durable, what came after it may not be.
        if ticket.generation == self.view.generation() || mutant!(TicketOfOldBranch) {
            self.unflushed.snapshots.retain(|offset| !ticket.snapshots.contains(offset));
            self.view.raise_recovery_point(ticket.offset.min(self.end_offset()));
        }
        let durable = self.view.recovery_point();
        let segments = self.segments();
        for (number, segment) in segments.iter().enumerate() {
            let end = segments.get(number + 1).map_or(self.end_offset(), |next| next.base_offset());
            if end <= durable {
                segment.set_dirty(false);
            }
        }
    }

    /// A ticket of this log could not run for lack of space: another one is due soon.
    pub fn put_flush_off(&mut self) {
        self.unflushed.rolled = true;
        self.directory().note_activity();
    }

    /// Flushes at once, blocking: for logs whose every append must be durable before it counts.
    ///
    /// # Errors
    /// As [`UnifiedLog::flush`] and [`FlushTicket::run`].
    pub fn flush_now(&mut self) -> Result<(), StorageError> {
        if let Some(ticket) = self.flush()? {
            // The next one has to flush what this one left.
            ticket.run().inspect_err(|_| self.put_flush_off())?;
            self.mark_durable(&ticket);
        }
        Ok(())
    }

    /// Completes the files for a clean stop, and prepares the last flush, after which nothing needs to be recovered:
    /// producer snapshot at the end, closed indexes. The log must not be appended to afterwards.
    ///
    /// # Errors
    /// The disk's.
    pub fn close(&mut self) -> Result<Option<FlushTicket>, StorageError> {
        let end_offset = self.end_offset();
        let is_new = self.snapshots.last().is_none_or(|last| *last < end_offset);
        if is_new && end_offset > self.view.log_start_offset() {
            self.take_snapshot(end_offset)?;
        }
        self.seal_active()?;
        let active_file = self.disk_write(|directory| self.active.segment.file(directory, true))?;
        if std::mem::take(&mut self.unflushed.touched) {
            // Though every record may be flushed: the next start takes indexes, snapshot and the file's end as they are.
            self.unflushed.names.note();
            self.unflushed.rolled = true;
            self.directory().note_activity();
        }
        let ticket = self.flush()?;
        if let Some(mut ticket) = ticket {
            let active = &self.active.segment;
            if active.size() == 0 {
                ticket.files.push(active_file);
            }
            ticket.paths.extend([active.path(INDEX_SUFFIX), active.path(TIME_INDEX_SUFFIX)]);
            if let Some((_, news)) = &mut ticket.proof {
                news.synced();
            }
            return Ok(Some(ticket));
        }
        Ok(None)
    }
}
