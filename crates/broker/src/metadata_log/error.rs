//! Why the metadata log cannot be used, and what to do.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use raft::QuorumStateError;
use storage::{AppendError, ReadError, StorageError};

/// A fault of the metadata log. The node does not start, or stops, since nothing is known without it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MetadataLogError {
    /// The log itself.
    #[error("metadata log: {0}")]
    Storage(#[from] StorageError),
    /// The log cannot be read.
    #[error("metadata log: {0}")]
    Read(#[from] ReadError),
    /// The log refused a batch.
    #[error("metadata log: {0}")]
    Append(Arc<AppendError>),
    /// A file beside the log.
    #[error("metadata log: {0}")]
    Io(Arc<std::io::Error>),
    /// There is no space for a file beside the log.
    #[error("metadata log: {0}; free some space there")]
    NoSpace(Arc<std::io::Error>),
    /// There are logs and no metadata that could say whose they are.
    #[error(
        "there are logs ({example}, …) and no metadata log (__cluster_metadata-0) in log directory {path}: a new one would \
         orphan them. Restore __cluster_metadata-0 from a copy, or start in an empty directory.", path = path.display()
    )]
    Missing {
        /// The log directory.
        path: PathBuf,
        /// One of the logs.
        example: String,
    },
    /// The beginning of the log was removed and no snapshot stands for it.
    #[error(
        "{dir}: the metadata log starts at offset {start_offset} and no snapshot (*.checkpoint) covers what was before. \
         Restore the snapshot from a copy.", dir = dir.display()
    )]
    NoSnapshot {
        /// The log's directory.
        dir: PathBuf,
        /// Where the log starts.
        start_offset: i64,
    },
    /// A snapshot is damaged.
    #[error("{path}: the snapshot is damaged: {reason}. Restore it from a copy.", path = path.display())]
    Snapshot {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A record of the log cannot be read, though its checksum is right.
    #[error("{dir}: a record near offset {offset} cannot be read: {reason}", dir = dir.display())]
    Record {
        /// The log's directory.
        dir: PathBuf,
        /// Near which offset.
        offset: i64,
        /// What is wrong.
        reason: String,
    },
    /// The election state cannot be read.
    #[error("{path}: {source}. Restore the file; without it this node could vote twice in one epoch.", path = path.display())]
    QuorumState {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: QuorumStateError,
    },
}

impl MetadataLogError {
    /// Whether there was no space, which passes; nothing is broken.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            MetadataLogError::Storage(error) => error.is_full(),
            MetadataLogError::NoSpace(_) => true,
            _ => false,
        }
    }
}

impl From<std::io::Error> for MetadataLogError {
    fn from(error: std::io::Error) -> Self {
        let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        let named = if is_full { MetadataLogError::NoSpace } else { MetadataLogError::Io };
        named(Arc::new(error))
    }
}

impl From<AppendError> for MetadataLogError {
    fn from(error: AppendError) -> Self {
        MetadataLogError::Append(Arc::new(error))
    }
}
