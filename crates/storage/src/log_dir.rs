//! One log directory: whose it is, which logs it holds, and what is remembered about them between runs.
//!
//! Owns the directory's lock, its identity, its checkpoints, the clean-shutdown marker and the life of partition
//! directories. A log is opened here, then taken by whoever writes to it; its view stays known here so that
//! checkpoints need no writer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use platform::{DiskLock, OpenMode, Platform};
use protocol::Uuid;

use crate::checkpoint_file::PartitionOffsets;
use crate::directory::{Directory, FailureListener};
use crate::epoch_cache::EpochCache;
use crate::error::StorageError;
use crate::layout::{METADATA_TOPIC, PARTITION_METADATA, delete_dir_name, log_dir_name, stray_dir_name};
use crate::log::{DeleteTicket, LoadedLog, UnifiedLog};
use crate::log_config::LogConfig;
use crate::marker_files::{encode_partition_metadata, is_rotten_topic_id};
use crate::meta_properties::MetaProperties;
use crate::producer_state::ProducerState;
use crate::proof::{LogProof, ProofIdentity};
use crate::recovery_progress::RecoveryProgress;
use crate::recovery_report::RecoveryReport;
use crate::segment::Segment;
use crate::view::{LogView, ViewStart};
use crate::wal::{WalConfig, WalTicket};

mod checkpoints;
mod cleaned;
mod future;
mod locked;
mod open;
mod write_ahead;

use checkpoints::Checkpoints;
pub(crate) use locked::{Identity, LockedDir, check_owner};
pub(crate) use write_ahead::OfflineLog;

/// Open segment files of a directory, unless [`LogDirConfig::max_open_files`] says otherwise.
pub const DEFAULT_MAX_OPEN_FILES: usize = 30_000;

/// A topic and a partition index.
pub(crate) type LogKey = (Arc<str>, i32);

/// How a log directory is opened.
#[derive(Clone)]
pub struct LogDirConfig {
    /// This node's id; the directory must be its own.
    pub node_id: i32,
    /// The cluster this node belongs to; `None` takes the cluster of the directory.
    pub cluster_id: Option<String>,
    /// The cluster id with which an empty directory is formatted; `None` refuses one.
    pub format: Option<String>,
    /// The configuration with which logs are opened; [`LogDir::take_log`] puts a log's own in force.
    pub log_config: Arc<LogConfig>,
    /// Topics that are compacted, whatever that configuration says: between their segments offsets may be missing.
    pub compacted: Arc<BTreeSet<String>>,
    /// Sizes of the write-ahead log.
    pub wal: WalConfig,
    /// How many segment files may be open at once. For one more, one that is idle is closed; if there is none, one with
    /// unflushed bytes is flushed first.
    pub max_open_files: usize,
    /// Percent of the file system from which on clients' records are refused; 100 refuses them only without any space.
    pub full_percent: u8,
    /// Whether some space is kept for the next start, should that find the file system full.
    pub keeps_reserve: bool,
    /// Where the opening says how far it is.
    pub progress: Arc<RecoveryProgress>,
    /// Who is told when the directory goes offline.
    pub failure_listener: Option<Arc<dyn FailureListener>>,
}

impl LogDirConfig {
    /// For this node, with Kafka's defaults; takes the directory's cluster and does not format.
    pub fn new(node_id: i32) -> Self {
        Self {
            node_id,
            cluster_id: None,
            format: None,
            log_config: Arc::default(),
            compacted: Arc::default(),
            wal: WalConfig::default(),
            max_open_files: DEFAULT_MAX_OPEN_FILES,
            full_percent: 100,
            keeps_reserve: false,
            progress: Arc::default(),
            failure_listener: None,
        }
    }
}

/// A log in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogName {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition.
    pub partition: i32,
    /// Topic id, if known.
    pub topic_id: Option<Uuid>,
}

/// An open log directory. All methods take `&self`; share it in an `Arc`.
pub struct LogDir {
    directory: Arc<Directory>,
    meta: MetaProperties,
    state: Mutex<State>,
    checkpoints: Mutex<Checkpoints>,
    _lock: DiskLock,
}

#[derive(Default)]
struct State {
    /// Opened and not taken yet.
    loaded: BTreeMap<LogKey, UnifiedLog>,
    /// Every log that is in use or may be taken.
    views: BTreeMap<LogKey, Arc<LogView>>,
    /// The same for copies that are being made from other log directories.
    loaded_futures: BTreeMap<LogKey, UnifiedLog>,
    futures: BTreeMap<LogKey, Arc<LogView>>,
    damaged: BTreeMap<LogKey, DamagedState>,
    /// Names that the checkpoints on disk, or the directory itself after a power loss, may still give to a log that is
    /// gone: a new log of that name has to clear them first.
    stale: BTreeSet<LogKey>,
    /// Where the next cleaning of a log goes on.
    cleaned: PartitionOffsets,
    /// Renamed directories and when they may be removed.
    deleting: Vec<Deleting>,
}

/// A renamed directory, to be removed.
struct Deleting {
    due_ms: i64,
    path: PathBuf,
    /// Its log, if it was in use in this process.
    view: Weak<LogView>,
}

/// What is kept of a log that stays offline, so that the next start comes to the same judgement.
struct DamagedState {
    reason: String,
    recovery_point: i64,
    log_start_offset: Option<i64>,
    high_watermark: Option<i64>,
}

/// A log's view holds its directory, and the write-ahead log there holds views: without this, what was opened once would
/// stay in memory for ever.
impl Drop for LogDir {
    fn drop(&mut self) {
        self.directory.let_logs_go();
    }
}

impl LogDir {
    /// Opens a log directory and every log in it, recovering what the last process left.
    ///
    /// # Errors
    /// [`StorageError`] naming the fix: the directory is in use, belongs to another node or cluster, is not formatted,
    /// or cannot be read. A damaged log is no error here but is named in the report.
    pub fn open(
        platform: &Platform,
        path: &Path,
        config: &LogDirConfig,
        now_ms: i64,
    ) -> Result<(Self, RecoveryReport), StorageError> {
        LockedDir::lock(platform, path)?.open(config, now_ms)
    }

    /// Whose directory it is.
    pub fn meta(&self) -> &MetaProperties {
        &self.meta
    }

    /// `directory.id` of its `meta.properties`.
    pub fn id(&self) -> Uuid {
        self.meta.directory_id.expect("a directory without an id is given one before it is opened")
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Why the directory went offline, if it did.
    pub fn offline_reason(&self) -> Option<&str> {
        self.directory.offline_reason()
    }

    /// Bytes that may still be written on its file system.
    ///
    /// # Errors
    /// The disk's.
    pub fn free_bytes(&self) -> Result<u64, StorageError> {
        Ok(self.directory.disk().free_bytes(self.directory.path())?)
    }

    /// Looks how full the file system is. To be called now and then; an append does it by itself when it may matter.
    pub fn look_at_space(&self) {
        // A directory that fails here is offline, which says it.
        _ = self.directory.look_at_space();
    }

    /// Whether clients' records are refused, since the file system is full up to [`LogDirConfig::full_percent`] or nothing
    /// is kept for the next start.
    pub fn is_full(&self) -> bool {
        self.directory.is_full()
    }

    /// Counts what moves the logs here. While it stays the same nobody has to look through them for what there is to do,
    /// save for what time alone makes due.
    pub fn activity(&self) -> u64 {
        self.directory.activity()
    }

    /// Has this called at the next activity after each [`LogDir::await_activity`], and whenever something is to be removed; to
    /// be set once. It must not block or call back.
    pub fn on_activity(&self, call: impl Fn() + Send + Sync + 'static) {
        self.directory.on_activity(call);
    }

    /// Asks for a call at the next activity; false if there was some since [`LogDir::activity`] gave `seen`: then nobody
    /// should wait for it.
    pub fn await_activity(&self, seen: u64) -> bool {
        self.directory.await_activity(seen)
    }

    /// When [`LogDir::take_removal_due`] will first be true, wall-clock ms; `i64::MAX` while nothing waits to be removed.
    pub fn removal_due_ms(&self) -> i64 {
        self.directory.removal_due_ms()
    }

    /// Whether the delay of something that is out of use is over: [`LogDir::expired_logs`] and
    /// [`UnifiedLog::expired_files`] of each log then give it. Said once.
    pub fn take_removal_due(&self, now_ms: i64) -> bool {
        self.directory.take_removal_due(now_ms)
    }

    /// Whether so many files had unflushed bytes that some were flushed to be closed, since the last time this was asked.
    /// Then a flush of all logs makes room.
    pub fn take_crowded(&self) -> bool {
        self.directory.open_files().take_crowded()
    }

    /// Segment files that are open.
    pub fn open_files_count(&self) -> usize {
        self.directory.open_files().count()
    }

    /// Segment files that may be open at once.
    pub fn open_files_max(&self) -> usize {
        self.directory.open_files().max()
    }

    /// What readers see of every log of a topic here, those being made from other directories last; the metadata log is
    /// none of them.
    pub fn views(&self) -> Vec<Arc<LogView>> {
        let state = self.state.lock();
        let all = state.views.values().chain(state.futures.values());
        all.filter(|view| **view.topic() != *METADATA_TOPIC && !view.is_deleted()).cloned().collect()
    }

    /// Number of logs of topics, copies being made included.
    pub fn logs_count(&self) -> usize {
        let state = self.state.lock();
        // Asked for each log that is made, so nothing is walked through.
        let metadata = usize::from(state.views.contains_key(&(Arc::from(METADATA_TOPIC), 0)));
        state.views.len() + state.futures.len() - metadata
    }

    /// The readers' half of a partition's log, if it is here.
    pub fn view_of(&self, topic: &str, partition: i32) -> Option<Arc<LogView>> {
        let state = self.state.lock();
        state.views.get(&(Arc::from(topic), partition)).filter(|view| !view.is_deleted()).cloned()
    }

    /// The logs that were found and not taken yet.
    pub fn unclaimed(&self) -> Vec<LogName> {
        self.state.lock().loaded.iter().map(name_of).collect()
    }

    /// Takes a log that was found, to write to it under this configuration; `None` if there is none.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] for a log that has to stay offline; [`StorageError::InconsistentTopicId`] if it belongs
    /// to another incarnation of the topic: it stays unclaimed, to be deleted or put aside.
    pub fn take_log(
        &self,
        topic: &str,
        partition: i32,
        topic_id: Uuid,
        config: impl Into<Arc<LogConfig>>,
    ) -> Result<Option<UnifiedLog>, StorageError> {
        let key = (Arc::from(topic), partition);
        let log = {
            let mut state = self.state.lock();
            state.check_damaged(&key)?;
            take_of_topic(&mut state.loaded, &key, topic_id)?
        };
        let Some(mut log) = log else { return Ok(None) };
        log.assign_topic_id(topic_id)?;
        log.update_config(config)?;
        log.view().begin_service();
        Ok(Some(log))
    }

    /// Creates an empty log. Nothing is flushed: its first flush makes its name durable too, and until then the metadata
    /// log remembers it.
    ///
    /// # Errors
    /// [`StorageError::Exists`], [`StorageError::Damaged`]; the disk's.
    pub fn create_log(
        &self,
        topic: &str,
        partition: i32,
        topic_id: Uuid,
        config: impl Into<Arc<LogConfig>>,
        now_ms: i64,
    ) -> Result<UnifiedLog, StorageError> {
        let key: LogKey = (Arc::from(topic), partition);
        let name = log_dir_name(topic, partition);
        self.make_way(&key, &name, |state| state.views.contains_key(&key))?;
        let new = NewLog { key, dir_name: name, topic_id, is_future: false };
        let log = self.make_log(new, config.into(), now_ms)?;
        let view = log.view();
        view.begin_service();
        self.state.lock().views.insert((Arc::clone(view.topic()), partition), view);
        self.directory.note_activity();
        Ok(log)
    }

    /// Makes sure that nothing stands in the way of a new log, here or in the checkpoints.
    fn make_way(
        &self,
        key: &LogKey,
        name: &str,
        is_taken: impl FnOnce(&State) -> bool,
    ) -> Result<(), StorageError> {
        self.directory.check_online()?;
        let is_stale = {
            let state = self.state.lock();
            state.check_damaged(key)?;
            if is_taken(&state) {
                return Err(StorageError::Exists { log: name.to_owned() });
            }
            state.stale.contains(key)
        };
        if is_stale { self.forget_deleted_logs() } else { Ok(()) }
    }

    fn make_log(&self, new: NewLog, config: Arc<LogConfig>, now_ms: i64) -> Result<UnifiedLog, StorageError> {
        let NewLog { key: (topic, partition), dir_name, topic_id, is_future } = new;
        let dir: Arc<Path> = Arc::from(self.directory.path().join(&dir_name));
        self.make_dir(&dir, &dir_name, topic_id)?;
        let segments = vec![Arc::new(Segment::empty(Arc::clone(&dir), 0, now_ms))];
        let view = Arc::new(LogView::new(ViewStart {
            topic,
            partition,
            topic_id: Some(topic_id),
            directory: Arc::clone(&self.directory),
            dir,
            is_future,
            log_start_offset: 0,
            log_end_offset: 0,
            durable_end_offset: 0,
            checkpointed: 0,
            high_watermark: 0,
            segments,
            epochs: EpochCache::default(),
            proof: Arc::new(LogProof::new(ProofIdentity { topic_id: topic_id.0, partition }, 0, 0, true)),
        }));
        Ok(UnifiedLog::new(LoadedLog {
            view,
            config: crate::log::allowed(config, is_future),
            producers: ProducerState::default(),
            snapshots: Vec::new(),
            bytes_since_index: 0,
            first_timestamp: None,
            unflushed_bytes: 0,
            names_unsure: true,
            epochs_changed: false,
            ledger: None,
            tail: None,
            now_ms,
        }))
    }

    fn make_dir(&self, dir: &Path, name: &str, topic_id: Uuid) -> Result<(), StorageError> {
        let disk = self.directory.disk();
        if disk.exists(dir) {
            return Err(StorageError::Exists { log: name.to_owned() });
        }
        let make = || {
            disk.create_dir_all(dir)?;
            let file = disk.open(&dir.join(PARTITION_METADATA), OpenMode::Create)?;
            file.write_at(&encode_partition_metadata(topic_id), 0)
        };
        make().map_err(|error| {
            // What was made so far would be in the way of the next try.
            _ = disk.remove_dir_all(dir);
            self.directory.write_failed(error)
        })
    }

    /// Makes sure that nothing on disk still speaks of logs that were deleted.
    fn forget_deleted_logs(&self) -> Result<(), StorageError> {
        self.directory
            .disk()
            .sync_dir(self.directory.path())
            .map_err(|error| self.directory.write_failed(error))?;
        self.checkpoint()
    }

    /// Deletes a log: its directory is renamed at once and removed later, see [`LogDir::expired_logs`].
    ///
    /// # Errors
    /// The disk's; then the log is still there, unclaimed by anybody, and can be taken to try again.
    pub fn delete_log(&self, log: UnifiedLog, now_ms: i64) -> Result<(), StorageError> {
        let due_ms = now_ms.saturating_add(log.config().file_delete_delay_ms);
        let view = Arc::downgrade(&log.view());
        let path = self.rename_away(log, delete_dir_name)?;
        self.state.lock().deleting.push(Deleting { due_ms, path, view });
        self.directory.note_removal_due(due_ms);
        Ok(())
    }

    /// Takes a log out of use without removing anything: for data of which the metadata knows nothing. Kafka's name for
    /// that is a stray. Gives its new directory.
    ///
    /// # Errors
    /// As [`LogDir::delete_log`].
    pub fn put_aside(&self, log: UnifiedLog) -> Result<PathBuf, StorageError> {
        self.rename_away(log, stray_dir_name)
    }

    fn rename_away(
        &self,
        log: UnifiedLog,
        name: fn(&str, i32, [u8; 16]) -> String,
    ) -> Result<PathBuf, StorageError> {
        let view = log.view();
        let key = (Arc::clone(view.topic()), view.partition());
        let unique = self.directory.rng().uuid_bytes();
        let to = self.directory.path().join(name(view.topic(), view.partition(), unique));
        let renamed =
            self.directory.check_online().and_then(|()| Ok(self.directory.disk().rename(view.dir(), &to)?));
        let mut state = self.state.lock();
        let (loaded, views) = state.tables(view.is_future());
        if let Err(error) = renamed {
            loaded.insert(key, log);
            return Err(error);
        }
        view.mark_deleted();
        views.remove(&key);
        state.cleaned.remove(&(key.0.to_string(), key.1));
        state.stale.insert(key);
        self.directory.note_activity();
        Ok(to)
    }

    /// Whether a log has to stay offline.
    pub fn is_damaged(&self, topic: &str, partition: i32) -> bool {
        self.state.lock().damaged.contains_key(&(Arc::from(topic), partition))
    }

    /// Gives a log back that was taken, for somebody else to take.
    pub(crate) fn give_back(&self, log: UnifiedLog) {
        let view = log.view();
        let key = (Arc::clone(view.topic()), view.partition());
        self.state.lock().tables(view.is_future()).0.insert(key, log);
    }

    /// Deletes a log whose partition has moved to another directory. It is out of use durably before its files go, so
    /// that no part of it comes back after a loss of power. Blocks.
    ///
    /// # Errors
    /// As [`LogDir::delete_log`].
    pub fn delete_moved(&self, log: UnifiedLog, now_ms: i64) -> Result<(), StorageError> {
        self.delete_log(log, now_ms)?;
        self.forget_deleted_logs()
    }

    /// Takes an unclaimed log whatever its topic id, to delete it or put it aside.
    pub fn take_unclaimed(&self, topic: &str, partition: i32) -> Option<UnifiedLog> {
        self.state.lock().loaded.remove(&(Arc::from(topic), partition))
    }

    /// The directories of deleted logs whose delay is over; `None` if there are none.
    pub fn expired_logs(&self, now_ms: i64) -> Option<DeleteTicket> {
        let mut state = self.state.lock();
        let due = state.deleting.extract_if(.., |deleting| deleting.due_ms <= now_ms);
        let paths: Vec<PathBuf> = due
            .map(|Deleting { path, view, .. }| {
                // The write-ahead log may know it for long.
                view.upgrade().inspect(|view| view.close_files());
                path
            })
            .collect();
        state.deleting.iter().for_each(|deleting| self.directory.note_removal_due(deleting.due_ms));
        (!paths.is_empty()).then(|| DeleteTicket::new(Arc::clone(&self.directory), paths, true))
    }
}

fn name_of(((topic, partition), log): (&LogKey, &UnifiedLog)) -> LogName {
    LogName { topic: Arc::clone(topic), partition: *partition, topic_id: log.view().topic_id() }
}

/// A log to be made.
struct NewLog {
    key: LogKey,
    dir_name: String,
    topic_id: Uuid,
    is_future: bool,
}

/// Takes a log out of a table if it belongs to the topic.
fn take_of_topic(
    logs: &mut BTreeMap<LogKey, UnifiedLog>,
    key: &LogKey,
    topic_id: Uuid,
) -> Result<Option<UnifiedLog>, StorageError> {
    let Some(log) = logs.get(key) else { return Ok(None) };
    let is_other = |found: &Uuid| *found != topic_id && !is_rotten_topic_id(*found, topic_id);
    if let Some(found) = log.view().topic_id().filter(is_other) {
        let log = log_dir_name(&key.0, key.1);
        return Err(StorageError::InconsistentTopicId { log, expected: topic_id, found });
    }
    Ok(logs.remove(key))
}

impl State {
    /// The logs that were not taken, and all views: of the copies being made, or of the logs in use.
    fn tables(
        &mut self,
        of_futures: bool,
    ) -> (&mut BTreeMap<LogKey, UnifiedLog>, &mut BTreeMap<LogKey, Arc<LogView>>) {
        if of_futures {
            (&mut self.loaded_futures, &mut self.futures)
        } else {
            (&mut self.loaded, &mut self.views)
        }
    }

    fn check_damaged(&self, key: &LogKey) -> Result<(), StorageError> {
        match self.damaged.get(key) {
            None => Ok(()),
            Some(damaged) => Err(StorageError::Damaged {
                log: log_dir_name(&key.0, key.1),
                reason: damaged.reason.clone(),
            }),
        }
    }
}
