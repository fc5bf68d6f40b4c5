//! What a path on the command line is: a log directory, a partition's directory, or one file.
//!
//! Owns finding the log directory around it, and its lock. It changes nothing, but for the lock of those who will.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::{Disk, DiskLock};

use crate::error::StorageError;
use crate::layout::{DirKind, LOCK, META_PROPERTIES, dir_kind, log_file_base};

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The log directory, if one is around.
    pub directory: Option<PathBuf>,
    /// The partition's directory; `None` for all of a log directory.
    pub partition: Option<PathBuf>,
    /// The base offset of the only segment that is meant.
    pub segment: Option<i64>,
}

/// Keeps nodes away from a log directory for as long as it lives.
#[derive(Debug)]
pub struct TargetLock {
    _lock: Option<DiskLock>,
}

impl Target {
    /// Tells what a path is.
    ///
    /// # Errors
    /// There is no such path, or it is neither a log directory, nor a partition's, nor a `.log` file.
    pub fn of(disk: &dyn Disk, path: &Path) -> io::Result<Target> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let parent = parent_of(path);
        if let Some(base) = log_file_base(&name) {
            if !disk.exists(path) {
                return Err(not_found(path));
            }
            let grandparent = parent_of(&parent);
            let directory = is_log_directory(disk, &grandparent)?.then_some(grandparent);
            return Ok(Target { directory, partition: Some(parent), segment: Some(base) });
        }
        let entries = disk.list(path)?;
        if is_log_directory(disk, path)? {
            return Ok(Target { directory: Some(path.to_path_buf()), partition: None, segment: None });
        }
        if entries.iter().any(|entry| log_file_base(&entry.name).is_some()) || is_partition(&name) {
            let directory = is_log_directory(disk, &parent)?.then_some(parent);
            return Ok(Target { directory, partition: Some(path.to_path_buf()), segment: None });
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{} is no log directory (it has no meta.properties and no partitions), no partition's directory and \
                 no .log file",
                path.display()
            ),
        ))
    }

    /// Keeps nodes away and changes nothing. A directory without a lock file, or on a read-only file system, is in use by
    /// nobody.
    ///
    /// # Errors
    /// [`StorageError::Locked`], naming the holder; the lock file cannot be opened.
    pub fn hold(&self, disk: &dyn Disk) -> Result<TargetLock, StorageError> {
        let Some(directory) = &self.directory else { return Ok(TargetLock { _lock: None }) };
        match disk.hold(&directory.join(LOCK)) {
            Ok(lock) => Ok(TargetLock { _lock: Some(lock) }),
            Err(error) if is_unlockable(&error) => Ok(TargetLock { _lock: None }),
            Err(error) => Err(refused(directory, error)),
        }
    }

    /// Takes the lock as a node would.
    ///
    /// # Errors
    /// As [`Target::hold`].
    pub fn lock(&self, disk: &dyn Disk) -> Result<TargetLock, StorageError> {
        let Some(directory) = &self.directory else { return Ok(TargetLock { _lock: None }) };
        let lock = disk.lock(&directory.join(LOCK)).map_err(|error| refused(directory, error))?;
        Ok(TargetLock { _lock: Some(lock) })
    }
}

fn is_unlockable(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ReadOnlyFilesystem)
}

fn refused(path: &Path, error: io::Error) -> StorageError {
    let (path, kind, source) = (path.to_path_buf(), error.kind(), Arc::new(error));
    match kind {
        io::ErrorKind::ResourceBusy => StorageError::Locked { path, source },
        _ => StorageError::Unusable { path, source },
    }
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no {}", path.display()))
}

fn is_partition(name: &str) -> bool {
    matches!(dir_kind(name), DirKind::Log { .. } | DirKind::Stray { .. } | DirKind::Future { .. })
}

/// Whether a directory is a node's: it says so, or it holds partitions that look like logs.
fn is_log_directory(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    if disk.exists(&path.join(META_PROPERTIES)) || disk.exists(&path.join(LOCK)) {
        return Ok(true);
    }
    let entries = match disk.list(path) {
        Ok(entries) => entries,
        // What cannot be listed is not ours to judge.
        Err(_) => return Ok(false),
    };
    for entry in entries.iter().filter(|entry| entry.is_dir && is_partition(&entry.name)) {
        let files = disk.list(&path.join(&entry.name))?;
        if files.iter().any(|file| log_file_base(&file.name).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}
