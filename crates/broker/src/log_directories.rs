//! From the configuration to opened log directories, and to their clean end.
//!
//! Directories are opened and closed side by side, since their disks are. What holds among them is `storage`'s business.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use config::BrokerConfig;
use platform::Platform;
use protocol::Uuid;
use storage::{
    DEFAULT_MAX_OPEN_FILES, FailureListener, Formatting, LogConfig, LogDirConfig, LogDirs, LogDirsConfig,
    RecoveryProgress, RecoveryReport, StorageError, UnifiedLog, WalConfig,
};
use tokio::task::JoinSet;

use crate::recovery_watch::{self, RecoveryWatcher};
use crate::takeover::Takeover;

/// Logs of one node closed at the same time: their flushes share the file systems' commits.
const CLOSING_COUNT: usize = 4;

/// The part of the descriptors of a process that connections and everything else but segments may take.
const DESCRIPTORS_KEPT_PART: usize = 4;

/// Segment files that each of so many directories may have open.
fn open_files_max(platform: &Platform, dirs: usize) -> usize {
    let most = platform.disk.descriptors_max();
    (most - most / DESCRIPTORS_KEPT_PART).min(DEFAULT_MAX_OPEN_FILES) / dirs.max(1)
}

/// Opens all directories that the configuration names.
///
/// # Errors
/// [`StorageError`] naming directory and fix: none can be used, not that of the metadata log, or one shows that the
/// configuration is wrong. Of several directories one with a fault is left out.
pub(crate) async fn open(
    platform: &Platform,
    config: &Arc<BrokerConfig>,
    formatting: Formatting,
    takeover: Takeover,
    failures: Arc<dyn FailureListener>,
    watcher: Option<&dyn RecoveryWatcher>,
) -> Result<(Arc<LogDirs>, RecoveryReport), StorageError> {
    let expiration_ms = config.transaction.producer_id_expiration_ms.into();
    let wal = config.log_dir.wal;
    let progress: Arc<RecoveryProgress> = Arc::default();
    let options = LogDirsConfig {
        paths: config.log_dir.log_dirs.iter().map(|path| absolute(path)).collect(),
        metadata_path: config.metadata_log.metadata_log_dir.as_deref().map(absolute),
        formatting,
        new_cluster_id: Some(Uuid(platform.rng.uuid_bytes()).to_string()),
        dir: LogDirConfig {
            log_config: Arc::new(LogConfig::new(&config.topic_defaults, expiration_ms)),
            compacted: Arc::new(takeover.compacted),
            failure_listener: Some(failures),
            progress: progress.clone(),
            max_open_files: open_files_max(platform, config.log_dir.log_dirs.len()),
            full_percent: u8::try_from(config.log_dir.log_dir_full_percent).unwrap_or(100),
            keeps_reserve: true,
            wal: WalConfig {
                file_bytes_min: wal.file_bytes_min,
                file_bytes_max: wal.file_bytes_max,
                bytes_max: wal.bytes_max,
                checkpoint_bytes: wal.checkpoint_bytes,
                beside_bytes: wal.beside_bytes,
            },
            ..LogDirConfig::new(config.node_id)
        },
    };
    let machine = platform.clone();
    let mut locked = platform.blocking.run(move || LogDirs::lock(&machine, options)).await?;
    let now_ms = platform.clock.wall_ms();
    let mut recovering = JoinSet::new();
    for recovery in locked.recoveries() {
        let blocking = platform.blocking.clone();
        recovering.spawn(async move { blocking.run(move || recovery.run(now_ms)).await });
    }
    let recovered = recovery_watch::watch(recovering.join_all(), &progress, watcher).await;
    let (dirs, report) = locked.finish(recovered)?;
    Ok((Arc::new(dirs), report))
}

/// Kafka's clients name directories by their absolute paths.
pub(crate) fn absolute(path: &str) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path))
}

/// Closes logs, several at a time, then the directories, each with a clean marker if all in it is durable.
pub(crate) async fn close(platform: &Platform, log_dirs: &LogDirs, logs: Vec<UnifiedLog>) -> FailedCloses {
    let mut shares: Vec<Vec<UnifiedLog>> = (0..CLOSING_COUNT).map(|_| Vec::new()).collect();
    logs.into_iter().enumerate().for_each(|(number, log)| shares[number % CLOSING_COUNT].push(log));
    let mut closing = JoinSet::new();
    for share in shares {
        let blocking = platform.blocking.clone();
        closing.spawn(async move { blocking.run(move || close_all(share)).await });
    }
    let offline = log_dirs.opened().filter(|dir| dir.offline_reason().is_some());
    let mut failed = FailedCloses {
        offline: offline.map(|dir| dir.path().to_path_buf()).collect(),
        ..FailedCloses::default()
    };
    for Unclosed { log, path, error } in closing.join_all().await.into_iter().flatten() {
        if error.is_full() {
            failed.full.insert(path);
        } else {
            tracing::error!(log, %error, "a log could not be closed: the next start will recover");
            failed.dirs.insert(path);
        }
    }
    failed
}

/// Directories of which not everything could be closed.
#[derive(Default)]
pub(crate) struct FailedCloses {
    dirs: BTreeSet<PathBuf>,
    /// For lack of space.
    full: BTreeSet<PathBuf>,
    offline: BTreeSet<PathBuf>,
}

/// A log that could not be closed.
struct Unclosed {
    log: String,
    /// Its log directory.
    path: PathBuf,
    error: StorageError,
}

/// Closes logs one after the other; gives those that could not be closed.
fn close_all(logs: Vec<UnifiedLog>) -> Vec<Unclosed> {
    let mut failed = Vec::new();
    for mut log in logs {
        let view = log.view();
        if view.is_directory_offline() {
            continue;
        }
        let closed = log.close().and_then(|ticket| {
            if let Some(ticket) = ticket {
                ticket.run()?;
                log.mark_durable(&ticket);
            }
            Ok(())
        });
        if let Err(error) = closed {
            let path = view.log_dir_path().to_path_buf();
            failed.push(Unclosed { log: view.name(), path, error });
        }
    }
    failed
}

/// Writes the clean marker of every directory in which all is durable, with the broker's epoch.
pub(crate) async fn mark_clean(
    platform: &Platform,
    log_dirs: &LogDirs,
    failed: FailedCloses,
    broker_epoch: i64,
) {
    let FailedCloses { dirs: unclosed, mut full, offline } = failed;
    let mut marking = JoinSet::new();
    let closed = log_dirs.opened().filter(|dir| {
        let path = dir.path();
        [&unclosed, &full, &offline].iter().all(|failed| !failed.contains(path))
    });
    for dir in closed {
        let dir = Arc::clone(dir);
        let blocking = platform.blocking.clone();
        marking.spawn(async move {
            let path = dir.path().to_path_buf();
            (path, blocking.run(move || dir.close_clean(Some(broker_epoch))).await)
        });
    }
    for (path, marked) in marking.join_all().await {
        match marked {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(path = %path.display(), "not every log is durable: the next start will recover");
            }
            Err(error) if error.is_full() => _ = full.insert(path),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "the clean marker could not be written: the next start will recover");
            }
        }
    }
    for path in full {
        tracing::warn!(path = %path.display(), "a log directory is full and was not closed cleanly: the next start recovers and loses nothing that was acknowledged, but takes no records until there is space; remove what is not Klamm's from that file system, or make it larger");
    }
}
