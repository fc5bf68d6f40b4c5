//! The log directories of a node (KIP-112, KIP-858): which there are, which of them work, and where a new log goes.
//!
//! Owns the rules that hold among directories: one cluster, one node, an id for each, one of them with the metadata
//! log. What lies inside a directory is [`LogDir`]'s. One that cannot be opened, or fails later, is out of use alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use platform::Platform;
use protocol::Uuid;

use crate::error::StorageError;
use crate::layout::{METADATA_TOPIC, log_dir_name};
use crate::log_dir::{Identity, LockedDir, LogDir, LogDirConfig, LogKey, check_owner};
use crate::recovery_report::RecoveryReport;
use crate::view::LogView;

mod settle;

/// Partitions without a log for which a directory is remembered; more are not.
const PREFERRED_MAX: usize = 100_000;

/// Which directories without `meta.properties` are made this node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formatting {
    /// All, if none has a log yet: the node is new. Beside one that has, a directory without an owner is refused, since it
    /// may be a disk that is not mounted.
    NewNode,
    /// Any.
    Missing,
}

/// Which directories a node has, and how they are opened.
#[derive(Clone)]
pub struct LogDirsConfig {
    /// `log.dirs`, each absolute.
    pub paths: Vec<PathBuf>,
    /// `metadata.log.dir`, absolute; `None` takes the first of the others.
    pub metadata_path: Option<PathBuf>,
    /// What becomes of directories that have no owner.
    pub formatting: Formatting,
    /// The cluster's id if no directory has one; without it such a node does not start.
    pub new_cluster_id: Option<String>,
    /// How each directory is opened.
    pub dir: LogDirConfig,
}

/// The directories, locked and known to be ours. Their logs are opened side by side by [`LockedLogDirs::recoveries`].
pub struct LockedLogDirs {
    config: LogDirsConfig,
    metadata_path: PathBuf,
    dirs: Vec<Locked>,
}

struct Locked {
    path: PathBuf,
    state: LockedState,
}

enum LockedState {
    Ready(LockedDir),
    /// Handed out to be recovered.
    Recovering,
    Failed(StorageError),
}

/// The opening of one directory's logs; run it where blocking is allowed.
pub struct Recovery {
    dir: LockedDir,
    config: LogDirConfig,
    number: usize,
}

/// What came of it.
pub struct Recovered {
    number: usize,
    opened: Result<(LogDir, RecoveryReport), StorageError>,
}

impl Recovery {
    /// Opens the logs. Blocks.
    pub fn run(self, now_ms: i64) -> Recovered {
        Recovered { number: self.number, opened: self.dir.open(&self.config, now_ms) }
    }
}

impl LockedLogDirs {
    /// Hands out the recoveries of the directories that work, one each.
    pub fn recoveries(&mut self) -> Vec<Recovery> {
        let mut recoveries = Vec::new();
        for (number, dir) in self.dirs.iter_mut().enumerate() {
            match std::mem::replace(&mut dir.state, LockedState::Recovering) {
                LockedState::Ready(locked) => {
                    recoveries.push(Recovery { dir: locked, config: self.config.dir.clone(), number });
                }
                other => dir.state = other,
            }
        }
        recoveries
    }

    /// Puts the opened directories together.
    ///
    /// # Errors
    /// The metadata log's directory could not be opened, or none could.
    pub fn finish(self, recovered: Vec<Recovered>) -> Result<(LogDirs, RecoveryReport), StorageError> {
        let mut opened: BTreeMap<usize, _> =
            recovered.into_iter().map(|recovered| (recovered.number, recovered.opened)).collect();
        let mut report: Option<RecoveryReport> = None;
        let mut dirs = Vec::new();
        let mut metadata = None;
        let is_data_dir = |path: &Path| self.config.paths.iter().any(|known| known == path);
        for (number, locked) in self.dirs.into_iter().enumerate() {
            let path = locked.path;
            let state = match (opened.remove(&number), locked.state) {
                (Some(Ok((dir, found))), _) => {
                    report = Some(report.map_or_else(|| found.clone(), |before| before.merge(found.clone())));
                    Ok(Arc::new(dir))
                }
                (Some(Err(error)), _) | (None, LockedState::Failed(error)) => Err(error),
                (None, _) => unreachable!("a locked directory was recovered"),
            };
            if path == self.metadata_path {
                metadata = Some(state.clone()?);
            }
            if is_data_dir(&path) {
                dirs.push(Entry::new(path, state));
            }
        }
        let metadata = metadata.expect("the directory of the metadata log is one of those opened");
        if dirs.iter().all(|entry| entry.log_dir().is_none()) {
            return Err(all_failed(&dirs));
        }
        let mut report = report.unwrap_or_default();
        if dirs.iter().any(|entry| entry.log_dir().is_none()) {
            // What the missing one would have said of the last stop is not known.
            report.previous_broker_epoch = None;
        }
        Ok((LogDirs { dirs, metadata, preferred: Mutex::default() }, report))
    }
}

fn all_failed(dirs: &[Entry]) -> StorageError {
    let reasons: Vec<String> = dirs.iter().filter_map(Entry::offline_reason).collect();
    StorageError::NoDirectory { reasons: reasons.join("; ") }
}

/// One directory of `log.dirs`.
pub struct Entry {
    path: PathBuf,
    state: Result<Arc<LogDir>, StorageError>,
}

impl Entry {
    fn new(path: PathBuf, state: Result<Arc<LogDir>, StorageError>) -> Self {
        if let Err(error) = &state {
            tracing::error!(path = %path.display(), %error, "a log directory could not be opened: the node goes on without it");
        }
        Self { path, state }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory, if it could be opened; it may have failed since.
    pub fn log_dir(&self) -> Option<&Arc<LogDir>> {
        self.state.as_ref().ok()
    }

    /// The directory, if it works.
    pub fn online(&self) -> Option<&Arc<LogDir>> {
        self.log_dir().filter(|dir| dir.offline_reason().is_none())
    }

    /// Why it does not work, if it does not.
    pub fn offline_reason(&self) -> Option<String> {
        match &self.state {
            Ok(dir) => dir.offline_reason().map(str::to_owned),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// The log directories of a running node.
pub struct LogDirs {
    /// In the order of `log.dirs`.
    dirs: Vec<Entry>,
    metadata: Arc<LogDir>,
    /// Where logs go that are yet to be made (AlterReplicaLogDirs).
    preferred: Mutex<BTreeMap<LogKey, PathBuf>>,
}

impl LogDirs {
    /// Locks the directories and finds out whose they are; formats those that may be. Blocks.
    ///
    /// # Errors
    /// What no node starts with: a directory of another node or cluster, one that another process uses or that is named
    /// twice, one without an owner beside others, a metadata log in the wrong place, no working directory for it. Other
    /// faults of single directories are kept and take those out of use.
    pub fn lock(platform: &Platform, config: LogDirsConfig) -> Result<LockedLogDirs, StorageError> {
        let first =
            config.paths.first().ok_or(StorageError::NoDirectory { reasons: "none is named".into() })?;
        let metadata_path = config.metadata_path.clone().unwrap_or_else(|| first.clone());
        let mut paths: Vec<&PathBuf> = config.paths.iter().collect();
        if !paths.contains(&&metadata_path) {
            paths.push(&metadata_path);
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = paths.iter().find(|path| !seen.insert(path.as_path())) {
            return Err(StorageError::NamedTwice { path: twice.to_path_buf() });
        }
        let mut dirs = Vec::new();
        for path in paths {
            let state = match LockedDir::lock(platform, path) {
                Ok(locked) => LockedState::Ready(locked),
                Err(error) if *path == metadata_path || is_fatal(&error) => return Err(error),
                Err(error) => LockedState::Failed(error),
            };
            dirs.push(Locked { path: path.clone(), state });
        }
        let mut locked = LockedLogDirs { config, metadata_path, dirs };
        locked.agree()?;
        Ok(locked)
    }

    /// As [`LogDirs::lock`], and opens the logs of one directory after the other. Blocks.
    ///
    /// # Errors
    /// As [`LogDirs::lock`] and [`LockedLogDirs::finish`].
    pub fn open(
        platform: &Platform,
        config: LogDirsConfig,
        now_ms: i64,
    ) -> Result<(Self, RecoveryReport), StorageError> {
        let mut locked = Self::lock(platform, config)?;
        let recovered = locked.recoveries().into_iter().map(|recovery| recovery.run(now_ms)).collect();
        locked.finish(recovered)
    }

    /// All directories of `log.dirs`, in that order.
    pub fn entries(&self) -> &[Entry] {
        &self.dirs
    }

    /// The directories that work.
    pub fn online(&self) -> impl Iterator<Item = &Arc<LogDir>> {
        self.dirs.iter().filter_map(Entry::online)
    }

    /// Every directory that was opened, that of the metadata log included, whether it still works or not.
    pub fn opened(&self) -> impl Iterator<Item = &Arc<LogDir>> {
        let apart =
            (!self.dirs.iter().any(|entry| entry.path == self.metadata.path())).then_some(&self.metadata);
        self.dirs.iter().filter_map(Entry::log_dir).chain(apart)
    }

    /// Whether some directory does not work.
    pub fn has_offline(&self) -> bool {
        self.dirs.iter().any(|entry| entry.online().is_none())
    }

    /// The directory of the metadata log.
    pub fn metadata(&self) -> &Arc<LogDir> {
        &self.metadata
    }

    /// A directory by its path, exactly as it is named in `log.dirs`, made absolute.
    pub fn by_path(&self, path: &Path) -> Option<&Entry> {
        // As texts: `Path` takes no notice of a slash at the end, Kafka does.
        self.dirs.iter().find(|entry| entry.path.as_os_str() == path.as_os_str())
    }

    /// A working directory by its id.
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<LogDir>> {
        self.online().find(|dir| dir.id() == id)
    }

    /// The directory that a log lies in.
    pub fn of(&self, view: &LogView) -> Option<&Arc<LogDir>> {
        self.by_path(view.log_dir_path())?.log_dir()
    }

    /// The log of a partition, if one of the working directories has it.
    pub fn view(&self, topic: &str, partition: i32) -> Option<Arc<LogView>> {
        self.online().find_map(|dir| dir.view_of(topic, partition))
    }

    /// The working directories, that with the fewest logs first: where the next log goes.
    pub fn by_logs_count(&self) -> Vec<&Arc<LogDir>> {
        let mut dirs: Vec<_> = self.online().map(|dir| (dir.is_full(), dir.logs_count(), dir)).collect();
        dirs.sort_by_key(|(is_full, count, _)| (*is_full, *count));
        dirs.into_iter().map(|(.., dir)| dir).collect()
    }

    /// Remembers where the log of a partition is to be made, should it come to that.
    pub fn prefer(&self, topic: &str, partition: i32, path: &Path) {
        let mut preferred = self.preferred.lock();
        let key = (Arc::from(topic), partition);
        if preferred.len() < PREFERRED_MAX || preferred.contains_key(&key) {
            preferred.insert(key, path.to_path_buf());
        }
    }

    /// Takes the directory that was remembered for a log that is about to be made.
    pub fn take_preferred(&self, topic: &str, partition: i32) -> Option<&Arc<LogDir>> {
        let path = self.preferred.lock().remove(&(Arc::from(topic), partition))?;
        self.by_path(&path)?.online()
    }
}

impl LockedLogDirs {
    /// Checks that the directories belong together and to this node, and formats those that may be.
    fn agree(&mut self) -> Result<(), StorageError> {
        let ready = self.dirs.iter().filter_map(|dir| match &dir.state {
            LockedState::Ready(locked) => Some((&dir.path, locked)),
            _ => None,
        });
        let mut cluster_id = self.config.dir.cluster_id.clone();
        let mut ids: BTreeMap<Uuid, &PathBuf> = BTreeMap::new();
        let mut is_new = true;
        for (path, locked) in ready {
            let metadata_log = log_dir_name(METADATA_TOPIC, 0);
            if *path != self.metadata_path && locked.has_dir(&metadata_log) {
                let (found, expected) = (path.join(metadata_log), self.metadata_path.clone());
                return Err(StorageError::MetadataElsewhere { found, expected });
            }
            is_new &= locked.any_log().is_none();
            let Identity::Known(meta) = locked.identity() else { continue };
            check_owner(path, meta, cluster_id.as_deref(), self.config.dir.node_id)?;
            cluster_id.get_or_insert_with(|| meta.cluster_id.clone());
            if let Some(id) = meta.directory_id
                && let Some(other) = ids.insert(id, path)
            {
                return Err(StorageError::SameId { path: path.clone(), other: other.clone(), id });
            }
        }
        let may_format = is_new || self.config.formatting == Formatting::Missing;
        let cluster_id = cluster_id.or_else(|| self.config.new_cluster_id.clone()).filter(|_| may_format);
        for dir in &mut self.dirs {
            let LockedState::Ready(locked) = &mut dir.state else { continue };
            let formatted = match (locked.identity(), &cluster_id) {
                (Identity::Known(_), _) => locked.ensure_directory_id(),
                (Identity::Missing, Some(cluster_id)) => locked.format(cluster_id, self.config.dir.node_id),
                (Identity::Missing, None) => Err(StorageError::NotFormatted { path: dir.path.clone() }),
            };
            match formatted {
                Err(error) if dir.path == self.metadata_path || is_fatal(&error) => return Err(error),
                Err(error) => dir.state = LockedState::Failed(error),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// Says whether a node must not start at all: where going on without the directory would hide a mistake, not a fault.
fn is_fatal(error: &StorageError) -> bool {
    matches!(
        error,
        StorageError::Locked { .. }
            | StorageError::NotFormatted { .. }
            | StorageError::UnknownOwner { .. }
            | StorageError::WrongCluster { .. }
            | StorageError::WrongNode { .. }
    )
}
