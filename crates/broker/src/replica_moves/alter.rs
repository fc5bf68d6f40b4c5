//! AlterReplicaLogDirs, partition by partition, in Kafka's order of checks.

use std::path::Path;
use std::sync::Arc;

use protocol::ErrorCode;
use storage::{LogDir, StorageError};

use super::ReplicaMoves;
use crate::partition::Partition;

/// Bytes that a copy's directory has more than `topic-partition`: a dot, an id, and `-future`.
const COPY_SUFFIX_BYTES: usize = 1 + 32 + 7;
/// The longest name that file systems take, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// What is known of a partition by name.
pub enum Hosted {
    /// This node leads it.
    Here(Arc<Partition>),
    /// It exists and has no log here, or is not known at all: the error code says which.
    Absent(ErrorCode),
}

impl ReplicaMoves {
    /// Has a partition's log moved to a directory, or made there if there is none yet. Blocks.
    ///
    /// # Errors
    /// INVALID_TOPIC_EXCEPTION for a name too long to be moved; LOG_DIR_NOT_FOUND for a path that is no log directory;
    /// KAFKA_STORAGE_ERROR if that directory or the partition's is offline, or, for a new move, any; the code of a
    /// partition that has no log here.
    pub fn alter(&self, topic: &str, index: i32, path: &Path, hosted: Hosted) -> Result<(), ErrorCode> {
        let _altering = self.shared.altering.lock();
        let log_dirs = &self.shared.settings.log_dirs;
        if format!("{topic}-{index}").len() + COPY_SUFFIX_BYTES > NAME_BYTES_MAX {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
        }
        let entry = log_dirs.by_path(path).ok_or(ErrorCode::LOG_DIR_NOT_FOUND)?;
        let target = entry.online().ok_or(ErrorCode::KAFKA_STORAGE_ERROR)?;
        let partition = match hosted {
            Hosted::Absent(ErrorCode::KAFKA_STORAGE_ERROR) => return Err(ErrorCode::KAFKA_STORAGE_ERROR),
            Hosted::Absent(code) => {
                log_dirs.prefer(topic, index, path);
                return Err(code);
            }
            Hosted::Here(partition) => partition,
        };
        let copied_to = partition.future_view();
        if copied_to.as_ref().is_some_and(|view| view.log_dir_path() != path) {
            self.give_up(&partition);
        } else if copied_to.is_some() {
            return Ok(());
        }
        if partition.view().log_dir_path() == path {
            return Ok(());
        }
        // A copy might lie in a directory that cannot be seen, so none is begun anew.
        if log_dirs.has_offline() {
            return Err(ErrorCode::KAFKA_STORAGE_ERROR);
        }
        self.start(&partition, target).map_err(|error| {
            tracing::error!(topic, partition = index, %error, "a partition cannot be moved to another log directory");
            error.code()
        })
    }

    fn start(&self, partition: &Arc<Partition>, target: &Arc<LogDir>) -> Result<(), StorageError> {
        let now_ms = self.shared.settings.platform.clock.wall_ms();
        let config = partition.config();
        let copy =
            target.create_future(&partition.topic, partition.index, partition.topic_id, config, now_ms)?;
        self.begin(partition, copy, target)
    }

    /// Ends the move of a partition; its copy is removed.
    fn give_up(&self, partition: &Partition) {
        let Some(copy) = partition.end_move() else { return };
        self.shared.note_cleanable(partition);
        let settings = &self.shared.settings;
        let Some(dir) = settings.log_dirs.of(&copy.view()) else { return };
        tracing::info!(topic = %partition.topic, partition = partition.index, to = %dir.path().display(), "a move between log directories was called off");
        if let Err(error) = dir.delete_log(copy, settings.platform.clock.wall_ms()) {
            tracing::error!(topic = %partition.topic, partition = partition.index, %error, "the copy of a partition could not be removed");
        }
    }
}
