//! How full the file system of a log directory is, and when clients have to stop filling it.
//!
//! Owns the rule of `log.dir.full.percent`, and that clients do not fill a file system on which nothing is kept for the
//! next start. Between two looks at the file system appends are counted, so that a look is due when it may matter and not
//! for every append. It frees nothing.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use platform::{Disk, DiskSpace};

use crate::reserve::Reserve;

/// The share that turns the rule off: then only a disk without any space refuses.
const OFF_PERCENT: u8 = 100;

/// Points below the limit at which a full directory takes records again, so that it does not waver.
const RELIEF_PERCENT: u8 = 1;

/// What is known of a file system.
pub(crate) struct Space {
    full_percent: u8,
    /// Bytes that may be appended before the file system is to be looked at again.
    room_bytes: AtomicI64,
    is_full: AtomicBool,
    reserve: Reserve,
}

impl Space {
    pub(crate) fn new(full_percent: u8, keeps_reserve: bool) -> Self {
        Self {
            full_percent,
            room_bytes: AtomicI64::new(0),
            is_full: AtomicBool::new(false),
            reserve: Reserve::new(keeps_reserve),
        }
    }

    pub(crate) fn reserve(&self) -> &Reserve {
        &self.reserve
    }

    pub(crate) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed) || self.reserve.is_missing()
    }

    /// Takes so many bytes; says whether they may be written.
    pub(crate) fn take(&self, bytes: u64, disk: &dyn Disk, path: &Path) -> bool {
        if self.is_full() {
            return false;
        }
        if self.full_percent >= OFF_PERCENT {
            return true;
        }
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if self.room_bytes.fetch_sub(bytes, Ordering::Relaxed) < bytes {
            self.look(disk, path);
            self.room_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        !self.is_full()
    }

    /// Takes so many bytes that may be done without; says whether they leave the file system below the limit. Else nothing
    /// is taken.
    pub(crate) fn take_spare(&self, bytes: u64) -> bool {
        if self.reserve.is_missing() {
            return false;
        }
        if self.full_percent >= OFF_PERCENT {
            return true;
        }
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if bytes > self.room_bytes.load(Ordering::Relaxed) {
            return false;
        }
        self.room_bytes.fetch_sub(bytes, Ordering::Relaxed);
        true
    }

    /// Looks at the file system, and says aloud when it has become full or has room again.
    pub(crate) fn look(&self, disk: &dyn Disk, path: &Path) {
        if self.full_percent >= OFF_PERCENT {
            return;
        }
        // A file system that does not say how full it is shows it by refusing.
        let Ok(space) = disk.space(path) else { return };
        self.room_bytes.store(room_bytes(space, self.full_percent), Ordering::Relaxed);
        let was_full = self.is_full.load(Ordering::Relaxed);
        let limit = if was_full { self.full_percent - RELIEF_PERCENT } else { self.full_percent };
        let is_full = room_bytes(space, limit) <= 0;
        if self.is_full.swap(is_full, Ordering::Relaxed) == is_full {
            return;
        }
        let (path, full_percent, free_bytes) = (path.display(), self.full_percent, space.free_bytes);
        if is_full {
            tracing::error!(%path, full_percent, free_bytes, "a log directory is full: producers are told to try again later; delete topics or records there, lower retention.ms or retention.bytes, or make the file system larger");
        } else {
            tracing::info!(%path, full_percent, free_bytes, "a log directory has room again: producers are served");
        }
    }
}

/// Bytes until a file system is full to so many percent; negative beyond.
fn room_bytes(space: DiskSpace, percent: u8) -> i64 {
    let total = u128::from(space.used_bytes) + u128::from(space.free_bytes);
    let limit = total * u128::from(percent) / 100;
    let clamp = |bytes: u128| i64::try_from(bytes).unwrap_or(i64::MAX);
    clamp(limit) - clamp(space.used_bytes.into())
}
