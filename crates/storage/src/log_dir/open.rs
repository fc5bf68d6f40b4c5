//! Opening a log directory: lock, identity, marker, checkpoints, logs.
//!
//! Owns the order. Nothing is written before the directory is known to be ours, and the clean marker is gone before
//! anything else is.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use platform::{DirEntry, Disk, Platform};
use protocol::Uuid;

use super::{Checkpoints, DamagedState, LogDir, LogDirConfig, LogKey, State};
use crate::checkpoint_file::{PartitionOffsets, decode_offsets};
use crate::directory::Directory;
use crate::error::StorageError;
use crate::layout::{
    CLEAN_SHUTDOWN, DirKind, HIGH_WATERMARK_CHECKPOINT, LOCK, LOG_START_CHECKPOINT, META_PROPERTIES,
    RECOVERY_POINT_CHECKPOINT, dir_kind, is_top_level_file, is_wal_file, log_dir_name,
};
use crate::loader::{LoadRequest, load};
use crate::log_config::LogConfig;
use crate::marker_files::decode_clean_shutdown;
use crate::meta_properties::MetaProperties;
use crate::recovery_report::{DamagedLog, RecoveryReport};
use crate::wal::{FoundWal, Wal, replay};

pub(super) fn open(
    platform: &Platform,
    path: &Path,
    config: &LogDirConfig,
    now_ms: i64,
) -> Result<(LogDir, RecoveryReport), StorageError> {
    let disk = platform.disk.as_ref();
    if !disk.exists(&path.join(META_PROPERTIES)) {
        disk.create_dir_all_durable(path)?;
    }
    let lock = disk.lock(&path.join(LOCK)).map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => {
            StorageError::Locked { path: path.to_path_buf(), source: Arc::new(error) }
        }
        _ => error.into(),
    })?;
    let entries = disk.list(path)?;
    let meta = identify(platform, path, config, &entries)?;
    let mut report = RecoveryReport::default();
    take_clean_marker(disk, path, &entries, &mut report)?;
    let directory = Arc::new(Directory::new(
        path.to_path_buf(),
        Arc::clone(&platform.disk),
        platform.rng.clone(),
        config.max_open_files,
    ));
    // While logs are opened nothing is handed to the write-ahead log, which is read after them.
    let log_config = Arc::new(LogConfig { durable: false, ..LogConfig::clone(&config.log_config) });
    let config = &LogDirConfig { log_config, ..config.clone() };
    let mut opener = Opener { directory, config, now_ms, state: State::default(), report };
    let mut checkpoints = Checkpoints::default();
    let offsets = KnownOffsets {
        recovery_points: opener.read_checkpoint(
            RECOVERY_POINT_CHECKPOINT,
            &entries,
            &mut checkpoints.recovery_points,
        )?,
        log_starts: opener.read_checkpoint(LOG_START_CHECKPOINT, &entries, &mut checkpoints.log_starts)?,
        high_watermarks: opener.read_checkpoint(
            HIGH_WATERMARK_CHECKPOINT,
            &entries,
            &mut checkpoints.high_watermarks,
        )?,
    };
    opener.open_logs(&entries, &offsets)?;
    let Opener { directory, state, mut report, .. } = opener;
    let log_dir = LogDir {
        directory,
        meta,
        state: Mutex::new(state),
        checkpoints: Mutex::new(checkpoints),
        _lock: lock,
    };
    open_wal(&log_dir, config, &entries, now_ms, &mut report)?;
    Ok((log_dir, report))
}

/// After a clean stop the segments hold everything; after any other the write-ahead log may hold more.
fn open_wal(
    log_dir: &LogDir,
    config: &LogDirConfig,
    entries: &[DirEntry],
    now_ms: i64,
    report: &mut RecoveryReport,
) -> Result<(), StorageError> {
    let directory = &log_dir.directory;
    let id = log_dir.meta.directory_id.unwrap_or(Uuid::ZERO).0;
    let names = entries.iter().map(|entry| entry.name.as_str()).filter(|name| is_wal_file(name));
    let found = FoundWal::find(directory, id, names)?;
    if report.clean {
        found.remove(directory)?;
        directory.set_wal(Wal::new(directory.path(), id, config.wal));
        return Ok(());
    }
    for path in &found.foreign {
        // One that was being made when the power went, or of another directory.
        directory.disk().remove_file(path)?;
    }
    let (wal, replay) = replay(log_dir, found, id, config.wal, now_ms)?;
    directory.set_wal(wal);
    report.damaged = log_dir.damaged_logs();
    report.wal = replay;
    Ok(())
}

/// Checks whose directory it is, or makes an empty one this node's.
fn identify(
    platform: &Platform,
    path: &Path,
    config: &LogDirConfig,
    entries: &[DirEntry],
) -> Result<MetaProperties, StorageError> {
    let file = path.join(META_PROPERTIES);
    if !entries.iter().any(|entry| entry.name == META_PROPERTIES) {
        return format(platform, path, config, entries);
    }
    let bytes = platform.disk.read(&file)?;
    let meta = MetaProperties::decode(&bytes)
        .map_err(|reason| StorageError::MetaProperties { path: file, reason })?;
    let path = path.to_path_buf();
    if let Some(expected) = config.cluster_id.clone().filter(|id| *id != meta.cluster_id) {
        return Err(StorageError::WrongCluster { path, expected, found: meta.cluster_id });
    }
    if meta.node_id != config.node_id {
        return Err(StorageError::WrongNode { path, expected: config.node_id, found: meta.node_id });
    }
    Ok(meta)
}

fn format(
    platform: &Platform,
    path: &Path,
    config: &LogDirConfig,
    entries: &[DirEntry],
) -> Result<MetaProperties, StorageError> {
    let is_log = |entry: &&DirEntry| entry.is_dir && matches!(dir_kind(&entry.name), DirKind::Log { .. });
    if let Some(log) = entries.iter().find(is_log) {
        return Err(StorageError::UnknownOwner { path: path.to_path_buf(), example: log.name.clone() });
    }
    let Some(cluster_id) = config.format.clone() else {
        return Err(StorageError::NotFormatted { path: path.to_path_buf() });
    };
    let directory_id = Some(Uuid(random_uuid(platform)));
    let meta = MetaProperties { cluster_id, node_id: config.node_id, directory_id };
    platform.disk.write_atomic(&path.join(META_PROPERTIES), &meta.encode())?;
    Ok(meta)
}

/// A random uuid of RFC 4122's version 4. Kafka reserves the ids that are numbers up to 100, and avoids a leading dash in
/// the text, which command lines take for an option.
fn random_uuid(platform: &Platform) -> [u8; 16] {
    loop {
        let mut bytes = platform.rng.uuid_bytes();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        if !Uuid(bytes).to_string().starts_with('-') {
            return bytes;
        }
    }
}

/// Reads the clean-shutdown marker and removes it, durably: from now on the directory counts as not closed.
fn take_clean_marker(
    disk: &dyn Disk,
    path: &Path,
    entries: &[DirEntry],
    report: &mut RecoveryReport,
) -> Result<(), StorageError> {
    if !entries.iter().any(|entry| entry.name == CLEAN_SHUTDOWN) {
        return Ok(());
    }
    let file = path.join(CLEAN_SHUTDOWN);
    report.previous_broker_epoch = decode_clean_shutdown(&disk.read(&file)?).filter(|epoch| *epoch >= 0);
    disk.remove_file(&file)?;
    disk.sync_dir(path)?;
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
        entries: &[DirEntry],
        bytes: &mut Vec<u8>,
    ) -> Result<PartitionOffsets, StorageError> {
        if !entries.iter().any(|entry| entry.name == name) {
            return Ok(PartitionOffsets::new());
        }
        let path = self.directory.path().join(name);
        *bytes = self.directory.disk().read(&path)?;
        match decode_offsets(bytes) {
            Ok(offsets) => Ok(offsets),
            Err(error) => {
                self.report.note_rebuilt(path, error.to_string());
                Ok(PartitionOffsets::new())
            }
        }
    }

    fn open_logs(&mut self, entries: &[DirEntry], offsets: &KnownOffsets) -> Result<(), StorageError> {
        let mut window = Vec::new();
        let mut logs: BTreeMap<(String, i32), ()> = BTreeMap::new();
        for entry in entries {
            let path = self.directory.path().join(&entry.name);
            if !entry.is_dir || is_top_level_file(&entry.name) {
                if !is_top_level_file(&entry.name) {
                    self.report.note_foreign(path);
                }
                continue;
            }
            match dir_kind(&entry.name) {
                DirKind::Log { topic, partition } => {
                    self.open_log(&topic, partition, offsets, &mut window)?;
                    logs.insert((topic, partition), ());
                }
                DirKind::Delete => self.state.deleting.push((self.now_ms, path)),
                DirKind::Stray { .. } | DirKind::Future | DirKind::Foreign => self.report.note_foreign(path),
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

    fn open_log(
        &mut self,
        topic: &str,
        partition: i32,
        offsets: &KnownOffsets,
        window: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        let name = (topic.to_owned(), partition);
        let request = LoadRequest {
            directory: &self.directory,
            topic,
            partition,
            config: Arc::clone(&self.config.log_config),
            clean: self.report.clean,
            recovery_point: offsets.recovery_points.get(&name).copied().unwrap_or(0),
            log_start_offset: offsets.log_starts.get(&name).copied(),
            high_watermark: offsets.high_watermarks.get(&name).copied(),
            now_ms: self.now_ms,
        };
        let key: LogKey = (Arc::from(topic), partition);
        match load(&request, window, &mut self.report) {
            Ok(log) => {
                self.report.logs += 1;
                let view = log.view();
                let key = (Arc::clone(view.topic()), partition);
                self.state.views.insert(key.clone(), view);
                self.state.loaded.insert(key, log);
            }
            Err(StorageError::Damaged { reason, .. }) => {
                tracing::error!(topic, partition, %reason, "a log is damaged and stays offline");
                let LoadRequest { recovery_point, log_start_offset, high_watermark, .. } = request;
                self.report.damaged.push(DamagedLog {
                    topic: topic.to_owned(),
                    partition,
                    reason: reason.clone(),
                });
                let damaged = DamagedState { reason, recovery_point, log_start_offset, high_watermark };
                self.state.damaged.insert(key, damaged);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
