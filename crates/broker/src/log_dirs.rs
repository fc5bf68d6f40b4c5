//! The node's log directory, opened once and shared by everything that makes, drops or closes logs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::Uuid;
use storage::{LogConfig, LogDir, StorageError, UnifiedLog};

/// The log directory behind a lock: it is entered when topics come and go and when checkpoints are written.
pub struct LogDirs {
    path: PathBuf,
    directory_id: Uuid,
    dir: Mutex<LogDir>,
}

impl LogDirs {
    /// Takes over an opened directory.
    #[must_use]
    pub fn new(dir: LogDir) -> Self {
        Self { path: dir.path().to_path_buf(), directory_id: dir.directory_id(), dir: Mutex::new(dir) }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its id, as in `meta.properties`.
    #[must_use]
    pub fn directory_id(&self) -> Uuid {
        self.directory_id
    }

    /// The log of a partition: the one found at start, or a new one.
    pub fn log(
        &self,
        topic: &Arc<str>,
        partition: i32,
        topic_id: Uuid,
        config: LogConfig,
        now_ms: i64,
    ) -> Result<UnifiedLog, StorageError> {
        let mut dir = self.dir.lock();
        match dir.take_log(topic, partition, topic_id, config.clone())? {
            Some(log) => Ok(log),
            None => dir.create_log(topic, partition, topic_id, config, now_ms),
        }
    }

    /// Runs `work` on the directory.
    pub fn with<T>(&self, work: impl FnOnce(&mut LogDir) -> T) -> T {
        work(&mut self.dir.lock())
    }
}
