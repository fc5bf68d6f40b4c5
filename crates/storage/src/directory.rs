//! What all logs of one log directory share: the disk, its health and its open files.
//!
//! Owns the fail-stop rule: after a write or flush error nothing in the directory is written any more, since neither
//! the page cache nor a later successful flush can be trusted. It never knows a partition.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use platform::{Disk, Rng};

use crate::error::StorageError;
use crate::open_files::OpenFiles;
use crate::wal::Wal;

/// The shared half of a log directory.
pub(crate) struct Directory {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    rng: Rng,
    offline: OnceLock<String>,
    open_files: OpenFiles,
    wal: OnceLock<Wal>,
    views_made: AtomicU64,
}

impl Directory {
    pub(crate) fn new(path: PathBuf, disk: Arc<dyn Disk>, rng: Rng, max_open_files: usize) -> Self {
        Self {
            path,
            disk,
            rng,
            offline: OnceLock::new(),
            open_files: OpenFiles::new(max_open_files),
            wal: OnceLock::new(),
            views_made: AtomicU64::new(0),
        }
    }

    /// The write-ahead log.
    ///
    /// # Panics
    /// Before the directory's opening is over.
    pub(crate) fn wal(&self) -> &Wal {
        self.wal.get().expect("the write-ahead log is there before any log is written")
    }

    /// Puts the write-ahead log in place, once.
    pub(crate) fn set_wal(&self, wal: Wal) {
        assert!(self.wal.set(wal).is_ok(), "a directory has one write-ahead log");
    }

    /// A number for a view, unlike that of any other of this directory.
    pub(crate) fn next_view_number(&self) -> u64 {
        self.views_made.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(crate) fn rng(&self) -> &Rng {
        &self.rng
    }

    pub(crate) fn open_files(&self) -> &OpenFiles {
        &self.open_files
    }

    /// Why the directory went offline, if it did.
    pub(crate) fn offline_reason(&self) -> Option<&str> {
        self.offline.get().map(String::as_str)
    }

    /// # Errors
    /// [`StorageError::Offline`] after a failed write or flush.
    pub(crate) fn check_online(&self) -> Result<(), StorageError> {
        match self.offline.get() {
            None => Ok(()),
            Some(reason) => Err(StorageError::Offline { path: self.path.clone(), reason: reason.clone() }),
        }
    }

    /// Judges a failed write or flush: a full disk is survivable, everything else takes the directory offline.
    ///
    /// The caller has to undo the write of a full disk; if that fails too, it calls [`Directory::take_offline`].
    pub(crate) fn write_failed(&self, error: io::Error) -> StorageError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                StorageError::DiskFull { path: self.path.clone() }
            }
            _ => self.take_offline(error),
        }
    }

    /// Takes the directory offline for good.
    pub(crate) fn take_offline(&self, error: io::Error) -> StorageError {
        let reason = error.to_string();
        if self.offline.set(reason.clone()).is_ok() {
            tracing::error!(path = %self.path.display(), %reason, "log directory went offline");
        }
        error.into()
    }
}
