//! Space of a log directory that is kept for a start which finds the file system full.
//!
//! Owns the reserve file: it has blocks and no bytes. A start gives it up when there is less space than it keeps, and it
//! is kept again once there is room. Until then clients' records are refused, so that what was kept is left to the node
//! itself and to the deletions that make room. No promise hangs on the file: it may be missing or hollow.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use platform::{Disk, OpenMode};

use crate::layout::RESERVE;

/// Bytes that are kept: enough for the checkpoints of many thousand partitions, first segments, and a small write-ahead
/// log.
pub(crate) const RESERVE_BYTES: u64 = 2 << 20;
/// The first file of a write-ahead log that is made out of the reserve.
pub(crate) const WAL_FILE_BYTES: u64 = 256 << 10;
/// Free bytes from which on the reserve is made.
const ROOM_BYTES: u64 = 2 * RESERVE_BYTES;

/// Whether the reserve is there.
pub(crate) struct Reserve {
    is_missing: AtomicBool,
}

impl Reserve {
    /// One that is still to be made, if it is wanted.
    pub(crate) fn new(is_wanted: bool) -> Self {
        Self { is_missing: AtomicBool::new(is_wanted) }
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.is_missing.load(Ordering::Relaxed)
    }

    /// Makes it if it is missing and there is room; says whether it was made.
    ///
    /// # Errors
    /// The disk's, but for a lack of space.
    pub(crate) fn keep(&self, disk: &dyn Disk, path: &Path) -> io::Result<bool> {
        let file = path.join(RESERVE);
        let has_room = || disk.free_bytes(path).is_ok_and(|free_bytes| free_bytes >= ROOM_BYTES);
        // One that is there may be hollow after a loss of power: then it is filled up.
        if !self.is_missing() || !disk.exists(&file) && !has_room() {
            return Ok(false);
        }
        let made = disk.open(&file, OpenMode::Create).and_then(|file| file.reserve(RESERVE_BYTES));
        match made {
            Err(error) if is_no_space(&error) => {
                _ = disk.remove_file(&file);
                return Ok(false);
            }
            // A file system that keeps no room for a file: a start there has to find some.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            made => made?,
        }
        self.is_missing.store(false, Ordering::Relaxed);
        Ok(true)
    }
}

/// Gives the reserve up if there is less space than it keeps; says whether it did.
pub(crate) fn give_up_if_full(disk: &dyn Disk, path: &Path) -> bool {
    disk.free_bytes(path).is_ok_and(|free_bytes| free_bytes < RESERVE_BYTES) && give_up(disk, path)
}

/// Gives the reserve up; says whether there was one.
pub(crate) fn give_up(disk: &dyn Disk, path: &Path) -> bool {
    let file = path.join(RESERVE);
    let is_given_up = disk.exists(&file) && disk.remove_file(&file).is_ok();
    if is_given_up {
        tracing::warn!(path = %path.display(), "a log directory has no space left: it starts with what was kept for that, and takes no records from clients until there is room");
    }
    is_given_up
}

/// Whether this is what a full disk says.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
