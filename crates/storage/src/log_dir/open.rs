//! Opening a log directory that is locked and ours: marker, checkpoints, logs.
//!
//! Owns the order. The clean marker is gone before anything else is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use platform::{Blocking, DirEntry, Disk};
use protocol::Uuid;

use super::checkpoints::Written;
use super::{Checkpoints, DamagedState, Deleting, LockedDir, LogDir, LogDirConfig, LogKey, State};
use crate::checkpoint_file::PartitionOffsets;
use crate::directory::Directory;
use crate::error::StorageError;
use crate::layout::{
    CLEAN_SHUTDOWN, CLEANER_CHECKPOINT, DirKind, HIGH_WATERMARK_CHECKPOINT, LOG_START_CHECKPOINT,
    RECOVERY_POINT_CHECKPOINT, dir_kind, is_top_level_file, is_wal_file, log_dir_name,
};
use crate::loader::{LoadRequest, load};
use crate::log::UnifiedLog;
use crate::log_config::LogConfig;
use crate::marker_files::decode_clean_shutdown;
use crate::meta_properties::MetaProperties;
use crate::mutant::mutant;
use crate::offsets_file::OffsetsFile;
use crate::recovery_report::{DamagedLog, RecoveryReport};
use crate::reserve;
use crate::space::Space;
use crate::wal::{FoundWal, Wal, bring_back, replay};

/// Opens the logs of a directory that is known to be ours.
pub(super) fn open(
    locked: LockedDir,
    meta: MetaProperties,
    config: &LogDirConfig,
    now_ms: i64,
) -> Result<(LogDir, RecoveryReport), StorageError> {
    let LockedDir { platform, path, lock, entries, .. } = locked;
    let mut report = RecoveryReport::default();
    take_clean_marker(platform.disk.as_ref(), &path, &entries, &mut report)?;
    let directory = Arc::new(Directory::new(
        path,
        Arc::clone(&platform.disk),
        platform.clock.clone(),
        platform.rng.clone(),
        config.max_open_files,
        Space::new(config.full_percent, config.keeps_reserve),
        config.failure_listener.clone(),
    ));
    directory.look_at_space()?;
    // While logs are opened nothing is handed to the write-ahead log, which is read after them.
    let log_config = Arc::new(LogConfig { durable: false, ..LogConfig::clone(&config.log_config) });
    let mut wal = config.wal;
    if directory.lacks_reserve() {
        wal.file_bytes_min = wal.file_bytes_min.min(reserve::WAL_FILE_BYTES);
    }
    let config = &LogDirConfig { log_config, wal, ..config.clone() };
    let blocking = platform.blocking;
    let mut opener = Opener { directory, config, blocking, now_ms, state: State::default(), report };
    let mut checkpoints = Checkpoints::default();
    let offsets = KnownOffsets {
        recovery_points: opener
            .read_checkpoint(RECOVERY_POINT_CHECKPOINT, &mut checkpoints.recovery_points)?,
        log_starts: opener.read_checkpoint(LOG_START_CHECKPOINT, &mut checkpoints.log_starts)?,
        high_watermarks: opener
            .read_checkpoint(HIGH_WATERMARK_CHECKPOINT, &mut checkpoints.high_watermarks)?,
    };
    let names = entries.iter().map(|entry| entry.name.as_str()).filter(|name| is_wal_file(name));
    let wal_id = meta.directory_id.unwrap_or(Uuid::ZERO);
    let found = FoundWal::find(&opener.directory, wal_id.0, names)?;
    if !opener.report.clean {
        found.check_owner(&opener.directory, wal_id)?;
    }
    let cleaned = opener.read_checkpoint(CLEANER_CHECKPOINT, &mut checkpoints.cleaned)?;
    opener.open_logs(&entries, &offsets)?;
    opener.take_cleaned(cleaned);
    let Opener { directory, blocking, state, mut report, .. } = opener;
    let log_dir = LogDir {
        directory,
        meta,
        state: Mutex::new(state),
        checkpoints: Mutex::new(checkpoints),
        _lock: lock,
    };
    open_wal(&log_dir, config, found, &blocking, now_ms, &mut report)?;
    Ok((log_dir, report))
}

/// After a clean stop the segments hold everything; after any other the write-ahead log may hold more.
fn open_wal(
    log_dir: &LogDir,
    config: &LogDirConfig,
    mut found: FoundWal,
    blocking: &Blocking,
    now_ms: i64,
    report: &mut RecoveryReport,
) -> Result<(), StorageError> {
    let directory = &log_dir.directory;
    let id = log_dir.id().0;
    if report.clean {
        bring_back(log_dir, id, blocking, now_ms)?;
        report.damaged = log_dir.damaged_logs();
        found.remove(directory)?;
        directory.set_wal(Wal::new(directory.path(), id, config.wal));
        return Ok(());
    }
    found.set_aside_unreadable(directory)?;
    config.progress.begin_wal(found.bytes());
    let (wal, replay) = replay(log_dir, found, id, config, blocking, now_ms)?;
    bring_back(log_dir, id, blocking, now_ms)?;
    directory.set_wal(wal);
    report.damaged = log_dir.damaged_logs();
    report.wal = replay;
    Ok(())
}

/// Reads the clean-shutdown marker and removes it, durably: from now on the directory counts as not closed.
fn take_clean_marker(
    disk: &dyn Disk,
    path: &Path,
    entries: &[DirEntry],
    report: &mut RecoveryReport,
) -> Result<(), StorageError> {
    if !entries.iter().any(|entry| entry.name == CLEAN_SHUTDOWN) {
        // A start that was broken off may have removed it, and a loss of power would bring it back.
        return Ok(disk.sync_dir(path)?);
    }
    let file = path.join(CLEAN_SHUTDOWN);
    report.previous_broker_epoch = decode_clean_shutdown(&disk.read(&file)?).filter(|epoch| *epoch >= 0);
    if !mutant!(CleanMarkerKept) {
        disk.remove_file(&file)?;
        disk.sync_dir(path)?;
    }
    report.clean = true;
    Ok(())
}

struct KnownOffsets {
    recovery_points: PartitionOffsets,
    log_starts: PartitionOffsets,
    high_watermarks: PartitionOffsets,
}

struct Opener<'a> {
    directory: Arc<Directory>,
    config: &'a LogDirConfig,
    blocking: Blocking,
    now_ms: i64,
    state: State,
    report: RecoveryReport,
}

impl Opener<'_> {
    /// A checkpoint that cannot be read counts as empty, as in Kafka: then more is scanned, and less is known to have
    /// been promised.
    fn read_checkpoint(
        &mut self,
        name: &str,
        written: &mut Written,
    ) -> Result<PartitionOffsets, StorageError> {
        let found = OffsetsFile::read(self.directory.disk().as_ref(), self.directory.path(), name)?;
        if let Some(wrong) = found.wrong {
            self.report.note_rebuilt(self.directory.path().join(name), wrong.to_string());
        }
        *written = Written { text: found.text, is_due: found.is_due };
        Ok(found.offsets)
    }

    /// Offsets of logs that are gone say nothing of the next log of that name.
    fn take_cleaned(&mut self, mut cleaned: PartitionOffsets) {
        let state = &mut self.state;
        cleaned.retain(|(topic, partition), _| {
            let key = (Arc::from(topic.as_str()), *partition);
            state.views.contains_key(&key) || state.damaged.contains_key(&key)
        });
        state.cleaned = cleaned;
    }

    fn open_logs(&mut self, entries: &[DirEntry], offsets: &KnownOffsets) -> Result<(), StorageError> {
        let mut found = Vec::new();
        let mut futures = Vec::new();
        for entry in entries {
            let path = self.directory.path().join(&entry.name);
            if !entry.is_dir || is_top_level_file(&entry.name) {
                if !is_top_level_file(&entry.name) {
                    self.report.note_foreign(path);
                }
                continue;
            }
            let dir_name = entry.name.clone();
            match dir_kind(&entry.name) {
                DirKind::Log { topic, partition } => {
                    let dir_name = log_dir_name(&topic, partition);
                    found.push(Named { topic, partition, dir_name, is_future: false });
                }
                DirKind::Delete => self.delete_soon(path),
                DirKind::Future { topic, partition } => {
                    futures.push(Named { topic, partition, dir_name, is_future: true });
                }
                DirKind::Stray { .. } | DirKind::Foreign => self.report.note_foreign(path),
            }
        }
        self.config.progress.begin_logs(found.len() + futures.len());
        let mut logs = self.open_found(found, offsets)?;
        for named in futures {
            let name = (named.topic.clone(), named.partition);
            if self.open_future(&named, offsets)? {
                logs.insert(name, ());
            }
        }
        self.report.pending_deletes = self.state.deleting.len();
        for (topic, partition) in offsets.recovery_points.keys() {
            if !logs.contains_key(&(topic.clone(), *partition)) {
                self.report.missing.push(log_dir_name(topic, *partition));
            }
        }
        // Any checkpoint that still names a log that is gone would speak of the next one of that name.
        let named = [&offsets.recovery_points, &offsets.log_starts, &offsets.high_watermarks];
        for (topic, partition) in named.into_iter().flat_map(PartitionOffsets::keys) {
            if !logs.contains_key(&(topic.clone(), *partition)) {
                self.state.stale.insert((Arc::from(topic.as_str()), *partition));
            }
        }
        Ok(())
    }

    /// Opens logs side by side. What came of them is taken in by their order, whoever was first.
    fn open_found(
        &mut self,
        found: Vec<Named>,
        offsets: &KnownOffsets,
    ) -> Result<BTreeMap<(String, i32), ()>, StorageError> {
        let opened = {
            let opener = &*self;
            let failed = AtomicBool::new(false);
            let open = |named: Named| {
                // The directory is given up, so nothing more has to be read in it.
                let loaded = (!failed.load(Ordering::Relaxed)).then(|| opener.load(&named, offsets));
                let is_fault = |loaded: &Loaded| matches!(loaded.0, Err(ref e) if !is_damage(e));
                failed.fetch_or(loaded.as_ref().is_some_and(is_fault), Ordering::Relaxed);
                (named, loaded)
            };
            self.blocking.side_by_side(found, open)
        };
        let mut logs = BTreeMap::new();
        for (named, loaded) in opened {
            let Some((loaded, found)) = loaded else { continue };
            self.report.take_in(found);
            self.take_opened(&named, loaded, offsets)?;
            logs.insert((named.topic, named.partition), ());
        }
        Ok(logs)
    }

    fn take_opened(
        &mut self,
        named: &Named,
        loaded: Result<UnifiedLog, StorageError>,
        offsets: &KnownOffsets,
    ) -> Result<(), StorageError> {
        let (topic, partition) = (&*named.topic, named.partition);
        match loaded {
            Ok(log) => {
                self.report.logs += 1;
                let view = log.view();
                let key = (Arc::clone(view.topic()), partition);
                self.state.views.insert(key.clone(), view);
                self.state.loaded.insert(key, log);
            }
            Err(StorageError::Damaged { reason, .. }) => {
                tracing::error!(topic, partition, %reason, "a log is damaged and stays offline");
                self.report.damaged.push(DamagedLog {
                    topic: topic.to_owned(),
                    partition,
                    reason: reason.clone(),
                });
                let name = (topic.to_owned(), partition);
                let damaged = DamagedState {
                    reason,
                    recovery_point: offsets.recovery_points.get(&name).copied().unwrap_or(0),
                    log_start_offset: offsets.log_starts.get(&name).copied(),
                    high_watermark: offsets.high_watermarks.get(&name).copied(),
                };
                self.state.damaged.insert((Arc::from(topic), partition), damaged);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Opens a copy that was being made from another directory. Whether it is of use: one beside the log itself or
    /// beside another copy is of none, nor is a damaged one, since its source has everything; they are removed.
    fn open_future(&mut self, named: &Named, offsets: &KnownOffsets) -> Result<bool, StorageError> {
        let (topic, partition) = (&*named.topic, named.partition);
        let key: LogKey = (Arc::from(topic), partition);
        let is_taken = self.state.views.contains_key(&key)
            || self.state.damaged.contains_key(&key)
            || self.state.futures.contains_key(&key);
        if !is_taken {
            let (loaded, found) = self.load(named, offsets);
            self.report.take_in(found);
            match loaded {
                Ok(log) => {
                    self.report.logs += 1;
                    let view = log.view();
                    let key = (Arc::clone(view.topic()), partition);
                    self.state.futures.insert(key.clone(), view);
                    self.state.loaded_futures.insert(key, log);
                    return Ok(true);
                }
                Err(StorageError::Damaged { reason, .. }) => {
                    tracing::warn!(topic, partition, %reason, "a copy of a log is damaged: it is made anew");
                }
                Err(error) => return Err(error),
            }
        }
        self.delete_soon(self.directory.path().join(&named.dir_name));
        Ok(false)
    }

    fn log_config(&self, topic: &str) -> Arc<LogConfig> {
        let config = &self.config.log_config;
        if config.compact || !self.config.compacted.contains(topic) {
            return Arc::clone(config);
        }
        Arc::new(LogConfig { compact: true, ..LogConfig::clone(config) })
    }

    fn delete_soon(&mut self, path: PathBuf) {
        self.state.deleting.push(Deleting { due_ms: self.now_ms, path, view: Weak::new() });
        self.directory.note_removal_due(self.now_ms);
    }

    fn load(&self, named: &Named, offsets: &KnownOffsets) -> Loaded {
        let name = (named.topic.clone(), named.partition);
        let mut found = RecoveryReport::default();
        let request = LoadRequest {
            directory: &self.directory,
            topic: &named.topic,
            partition: named.partition,
            dir_name: &named.dir_name,
            is_future: named.is_future,
            config: self.log_config(&named.topic),
            clean: self.report.clean,
            recovery_point: offsets.recovery_points.get(&name).copied().unwrap_or(0),
            log_start_offset: offsets.log_starts.get(&name).copied(),
            high_watermark: offsets.high_watermarks.get(&name).copied(),
            now_ms: self.now_ms,
        };
        let mut window = Vec::new();
        let log = load(&request, &mut window, &mut found);
        self.config.progress.log_done(found.scanned_bytes);
        (log, found)
    }
}

/// A log, and what opening it found and did.
type Loaded = (Result<UnifiedLog, StorageError>, RecoveryReport);

fn is_damage(error: &StorageError) -> bool {
    matches!(error, StorageError::Damaged { .. })
}

/// A log directory of a partition, as its name tells.
struct Named {
    topic: String,
    partition: i32,
    dir_name: String,
    is_future: bool,
}
