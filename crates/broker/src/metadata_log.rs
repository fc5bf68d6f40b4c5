//! The metadata log on disk: `__cluster_metadata-0` with its snapshots and its `quorum-state` file, as Kafka lays them
//! out.
//!
//! Owns reading, appending, snapshot files and trimming. It never decides when: `raft` says so, the controller's task
//! does it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::MetadataLogConfig;
use platform::{Blocking, Disk, OpenMode, Platform};
use protocol::Uuid;
use raft::{AppendedBatch, QUORUM_STATE_FILE, QuorumState, SnapshotId, SnapshotInfo};
use storage::{
    AppendError, AppendOrigin, DeleteTicket, FlushTicket, LogConfig, LogDir, StorageError, UnifiedLog,
};

mod content;
mod error;

pub(crate) use content::LogContent;
pub use error::MetadataLogError;

/// The topic of the metadata log.
pub const METADATA_TOPIC: &str = "__cluster_metadata";
/// Its id, the same in every cluster.
pub const METADATA_TOPIC_ID: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
/// Its only partition.
const METADATA_PARTITION: i32 = 0;
/// Bytes read at a time when the log is replayed.
const READ_BYTES: usize = 1 << 20;
/// Most bytes of a snapshot's first batch: header, `kraft.version` and voters.
const SNAPSHOT_HEADER_BYTES_MAX: usize = 256 << 10;
/// A smaller `internal.metadata.max.batch.size.in.bytes` is raised to this.
const BATCH_BYTES_MIN: usize = 64 << 10;
/// How often a full disk is asked again for the few bytes that tell how far the log was flushed, and how long it waits in
/// between: an answer waits no longer.
const PROOF_TRIES_MAX: usize = 100;
const PROOF_RETRY: Duration = Duration::from_millis(100);
/// What the unfinished file of a snapshot ends with: ours, and Kafka's.
const UNFINISHED_SUFFIXES: [&str; 3] = [".checkpoint.tmp", ".checkpoint.part", ".checkpoint.deleted"];

/// The metadata log, opened for writing by the one task that owns it.
pub(crate) struct MetadataLog {
    disk: Arc<dyn Disk>,
    log_dir: Arc<LogDir>,
    log: UnifiedLog,
    dir: PathBuf,
    snapshots: Vec<SnapshotInfo>,
    is_new: bool,
}

impl MetadataLog {
    /// Opens the log in this directory, or makes an empty one. Blocks.
    ///
    /// # Errors
    /// The log or a snapshot is damaged; the log is missing and there are other logs, here or `elsewhere`, which would be
    /// orphans of a cluster made anew.
    pub(crate) fn open(
        platform: &Platform,
        log_dir: Arc<LogDir>,
        config: &MetadataLogConfig,
        elsewhere: Option<String>,
        now_ms: i64,
    ) -> Result<MetadataLog, MetadataLogError> {
        let log_config = Arc::new(log_config(config));
        let taken =
            log_dir.take_log(METADATA_TOPIC, METADATA_PARTITION, METADATA_TOPIC_ID, log_config.clone())?;
        let log = match taken {
            Some(log) => log,
            None => {
                let here = log_dir.unclaimed().into_iter().next();
                let here = here.map(|log| format!("{}-{}", log.topic, log.partition));
                if let Some(example) = here.or(elsewhere) {
                    let path = log_dir.path().to_path_buf();
                    return Err(MetadataLogError::Missing { path, example });
                }
                log_dir.create_log(
                    METADATA_TOPIC,
                    METADATA_PARTITION,
                    METADATA_TOPIC_ID,
                    log_config,
                    now_ms,
                )?
            }
        };
        let dir = log.view().dir().to_path_buf();
        let mut opened = MetadataLog {
            disk: platform.disk.clone(),
            log_dir,
            log,
            dir,
            snapshots: Vec::new(),
            is_new: false,
        };
        opened.find_snapshots()?;
        opened.is_new = opened.snapshots.is_empty() && opened.end_offset() == 0;
        opened.check_start()?;
        opened.adopt_latest_snapshot(now_ms)?;
        Ok(opened)
    }

    /// True if the log holds nothing and was never formatted.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// The complete snapshots, by what they contain.
    pub(crate) fn snapshots(&self) -> &[SnapshotInfo] {
        &self.snapshots
    }

    /// The directory of the log.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes of the log.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.log.view().size_bytes()
    }

    fn end_offset(&self) -> i64 {
        self.log.view().log_end_offset()
    }

    /// The persisted election state; `None` if there is none. Blocks.
    pub(crate) fn read_quorum_state(&self) -> Result<Option<QuorumState>, MetadataLogError> {
        let path = self.dir.join(QUORUM_STATE_FILE);
        if !self.disk.exists(&path) {
            return Ok(None);
        }
        let bytes = self.disk.read(&path)?;
        let state = QuorumState::from_json(&String::from_utf8_lossy(&bytes));
        state.map(Some).map_err(|source| MetadataLogError::QuorumState { path, source })
    }

    /// A writer of the election state, to be run where it may block.
    pub(crate) fn quorum_state_writer(
        &self,
        state: &QuorumState,
    ) -> impl FnOnce() -> std::io::Result<()> + Send + 'static {
        let (disk, path, json) = (self.disk.clone(), self.dir.join(QUORUM_STATE_FILE), state.to_json());
        move || disk.write_atomic(&path, json.as_bytes())
    }

    /// A writer of a snapshot's file, to be run where it may block. After it, [`MetadataLog::add_snapshot`].
    pub(crate) fn snapshot_writer(
        &self,
        id: SnapshotId,
    ) -> impl FnOnce(&[u8]) -> std::io::Result<()> + Send + 'static {
        let (disk, path) = (self.disk.clone(), self.dir.join(id.file_name()));
        move |bytes| disk.write_atomic(&path, bytes)
    }

    /// Counts a snapshot that was written.
    pub(crate) fn add_snapshot(&mut self, info: SnapshotInfo) {
        self.snapshots.push(info);
        self.snapshots.sort_by_key(|info| info.id);
    }

    /// A snapshot's control and data records. Blocks.
    pub(crate) fn read_snapshot(&self, id: SnapshotId) -> Result<LogContent, MetadataLogError> {
        let path = self.dir.join(id.file_name());
        let bytes = self.disk.read(&path)?;
        LogContent::of_snapshot(&bytes).map_err(|reason| MetadataLogError::Snapshot { path, reason })
    }

    /// Replays the log from `offset` on, chunk by chunk, to its end. Blocks.
    pub(crate) fn replay<E: From<MetadataLogError>>(
        &self,
        offset: i64,
        mut each: impl FnMut(LogContent) -> Result<(), E>,
    ) -> Result<(), E> {
        let view = self.log.view();
        let end = view.log_end_offset();
        let mut next = offset.max(view.log_start_offset());
        while next < end {
            let slice = view.read(next, READ_BYTES, end, true).map_err(MetadataLogError::from)?;
            let Some(slice) = slice else { break };
            let bytes = slice.to_vec().map_err(MetadataLogError::from)?;
            let content = LogContent::of_log(&bytes).map_err(|reason| MetadataLogError::Record {
                dir: self.dir.clone(),
                offset: next,
                reason,
            })?;
            each(content)?;
            next = slice.next_offset;
        }
        Ok(())
    }

    /// Appends a batch to the page cache.
    pub(crate) fn append(&mut self, batch: &AppendedBatch, now_ms: i64) -> Result<(), AppendError> {
        self.log.append_as_leader(&batch.bytes, batch.epoch, AppendOrigin::RaftLeader, now_ms)?;
        Ok(())
    }

    /// Flushes all that was appended, and beside it its second copy: from here on a start takes nothing of it for the torn
    /// end of a batch. Whether anything had to be flushed.
    pub(crate) async fn flush(&mut self, blocking: &Blocking) -> Result<bool, MetadataLogError> {
        let Some(ticket) = self.log.flush()? else { return Ok(false) };
        let copy = self.log.copy_tail();
        let flush = blocking.run(move || {
            let flushed = ticket.run();
            (ticket, flushed)
        });
        let copy = async {
            match copy {
                Some(copy) => blocking.run(move || copy.run()).await,
                None => Ok(false),
            }
        };
        let ((ticket, flushed), is_copied) = tokio::join!(flush, copy);
        flushed?;
        let is_copied = is_copied?;
        self.log.mark_durable(&ticket);
        if !is_copied {
            self.prove_or_mark(blocking).await?;
        }
        Ok(true)
    }

    /// Writes down how far the log was flushed, if there is space. A full disk is no reason to stop: the second copy has
    /// what was promised, or a mark has.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) async fn prove(&self, blocking: &Blocking) -> Result<(), MetadataLogError> {
        match self.write_recovery_point(blocking).await {
            Err(error) if error.is_full() => Ok(()),
            written => Ok(written?),
        }
    }

    async fn write_recovery_point(&self, blocking: &Blocking) -> Result<(), StorageError> {
        let log_dir = Arc::clone(&self.log_dir);
        blocking.run(move || log_dir.checkpoint_recovery_points()).await
    }

    /// Has it stand on the disk how far the log was flushed, before anything that has no second copy is promised: as the
    /// recovery point, or without space for that as a mark, which has its place already. Only where there is a place for
    /// neither it waits for space.
    async fn prove_or_mark(&mut self, blocking: &Blocking) -> Result<(), MetadataLogError> {
        let mut tries = 0;
        loop {
            let full = match self.write_recovery_point(blocking).await {
                Err(error) if error.is_full() => error,
                written => return Ok(written?),
            };
            if let Some(mark) = self.log.mark_tail()
                && blocking.run(move || mark.run()).await?
            {
                return Ok(());
            }
            tries += 1;
            if tries == 1 {
                tracing::error!(dir = %self.dir.display(), "no space is left to write down how far the metadata log was flushed: changes wait for it");
            }
            if tries == PROOF_TRIES_MAX {
                return Err(full.into());
            }
            tokio::time::sleep(PROOF_RETRY).await;
        }
    }

    /// Prepares the last flush: nothing may be appended after it.
    pub(crate) fn close(&mut self) -> Result<Option<FlushTicket>, MetadataLogError> {
        Ok(self.log.close()?)
    }

    /// A ticket has run.
    pub(crate) fn mark_durable(&mut self, ticket: &FlushTicket) {
        self.log.mark_durable(ticket);
    }

    /// Everything below is committed.
    pub(crate) fn set_high_watermark(&self, offset: i64) {
        self.log.view().set_high_watermark(offset);
    }

    /// Takes snapshots and segments wholly before a snapshot out of use. Their files go with
    /// [`MetadataLog::expired_files`]. Blocks.
    pub(crate) fn delete_before(&mut self, id: SnapshotId, now_ms: i64) -> Result<(), MetadataLogError> {
        self.log.delete_records_before(id.offset)?;
        // The new start must be known before what lies below it goes.
        self.log_dir.checkpoint()?;
        self.log.retention(now_ms)?;
        let (old, kept) = self.snapshots.iter().partition(|info| info.id < id);
        self.snapshots = kept;
        let old: Vec<SnapshotInfo> = old;
        for info in old {
            self.disk.remove_file(&self.dir.join(info.id.file_name()))?;
        }
        Ok(())
    }

    /// Files out of use whose delay is over.
    pub(crate) fn expired_files(&mut self, now_ms: i64) -> Option<DeleteTicket> {
        self.log.expired_files(now_ms)
    }

    /// From taking a file out of use to removing it, ms.
    pub(crate) fn file_delete_delay_ms(&self) -> i64 {
        self.log.config().file_delete_delay_ms
    }

    fn find_snapshots(&mut self) -> Result<(), MetadataLogError> {
        for entry in self.disk.list(&self.dir)? {
            let path = self.dir.join(&entry.name);
            if UNFINISHED_SUFFIXES.iter().any(|suffix| entry.name.ends_with(suffix)) {
                self.disk.remove_file(&path)?;
            } else if let Some(id) = SnapshotId::from_file_name(&entry.name) {
                let timestamp_ms = self.snapshot_timestamp_ms(&path)?;
                self.snapshots.push(SnapshotInfo { id, size_bytes: entry.len, timestamp_ms });
            }
        }
        self.snapshots.sort_by_key(|info| info.id);
        Ok(())
    }

    fn snapshot_timestamp_ms(&self, path: &Path) -> Result<i64, MetadataLogError> {
        let mut bytes = vec![0; SNAPSHOT_HEADER_BYTES_MAX];
        let count = self.disk.open(path, OpenMode::Read)?.read_full_at(&mut bytes, 0)?;
        content::snapshot_timestamp(&bytes[..count])
            .map_err(|reason| MetadataLogError::Snapshot { path: path.to_path_buf(), reason })
    }

    /// What lies before the log's start must be in a snapshot.
    fn check_start(&self) -> Result<(), MetadataLogError> {
        let start_offset = self.log.view().log_start_offset();
        let latest = self.snapshots.last().map_or(0, |info| info.id.offset);
        if latest < start_offset {
            return Err(MetadataLogError::NoSnapshot { dir: self.dir.clone(), start_offset });
        }
        Ok(())
    }

    /// A log that ends before the latest snapshot goes on after it: the snapshot has all that is missing.
    fn adopt_latest_snapshot(&mut self, now_ms: i64) -> Result<(), MetadataLogError> {
        let Some(latest) = self.snapshots.last() else { return Ok(()) };
        if self.end_offset() < latest.id.offset {
            tracing::warn!(snapshot = %latest.id, end_offset = self.end_offset(), "the metadata log ends before its latest snapshot: it goes on after the snapshot");
            self.log.truncate_fully_and_start_at(latest.id.offset, &self.log_dir, now_ms)?;
        }
        Ok(())
    }
}

/// Largest batch of the log: it fits into a segment, and holds whatever a node needs to register itself.
pub(crate) fn batch_bytes_max(config: &MetadataLogConfig) -> usize {
    let bytes = |configured: i32| usize::try_from(configured).unwrap_or(0);
    bytes(config.metadata_log_max_batch_bytes)
        .max(BATCH_BYTES_MIN)
        .min(bytes(config.metadata_log_segment_bytes))
}

fn log_config(config: &MetadataLogConfig) -> LogConfig {
    LogConfig {
        segment_bytes: u32::try_from(config.metadata_log_segment_bytes).unwrap_or(u32::MAX),
        segment_ms: config.metadata_log_segment_ms,
        segment_jitter_ms: 0,
        retention_ms: -1,
        retention_bytes: -1,
        max_message_bytes: u32::try_from(batch_bytes_max(config)).unwrap_or(u32::MAX),
        copies_tail: true,
        file_delete_delay_ms: config.metadata_log_delete_delay_ms.max(0),
        ..LogConfig::default()
    }
}

#[cfg(test)]
mod tests;
