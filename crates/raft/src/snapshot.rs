//! Names and facts of metadata snapshots. Never their content.

use std::fmt;

/// Digits of the offset in a file name.
const OFFSET_WIDTH: usize = 20;
/// Digits of the epoch in a file name.
const EPOCH_WIDTH: usize = 10;
/// What a complete snapshot's name ends with.
const SUFFIX: &str = ".checkpoint";

/// Identity of a snapshot: it stands for everything below `offset`, the last of it written in `epoch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId {
    /// First offset that the snapshot does not contain.
    pub offset: i64,
    /// Epoch of the last contained batch.
    pub epoch: i32,
}

impl SnapshotId {
    /// The snapshot written when a directory is formatted. It holds the first voters and the records the first leader
    /// writes into the log; it is not part of the log.
    pub const BOOTSTRAP: SnapshotId = SnapshotId { offset: 0, epoch: 0 };

    /// `<offset, 20 digits>-<epoch, 10 digits>.checkpoint`.
    pub fn file_name(&self) -> String {
        format!("{self}{SUFFIX}")
    }

    /// The id in a file name; `None` for any other name, in particular unfinished (`….checkpoint.part`) and deleted
    /// (`….checkpoint.deleted`) snapshots.
    pub fn from_file_name(name: &str) -> Option<SnapshotId> {
        let stem = name.strip_suffix(SUFFIX)?;
        let (offset, epoch) = stem.split_once('-')?;
        if offset.len() != OFFSET_WIDTH || epoch.len() != EPOCH_WIDTH {
            return None;
        }
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(offset) || !digits(epoch) {
            return None;
        }
        Some(SnapshotId { offset: offset.parse().ok()?, epoch: epoch.parse().ok()? })
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:0offset$}-{:0epoch$}",
            self.offset,
            self.epoch,
            offset = OFFSET_WIDTH,
            epoch = EPOCH_WIDTH
        )
    }
}

/// A complete snapshot on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Which.
    pub id: SnapshotId,
    /// Size of its file.
    pub size_bytes: u64,
    /// `LastContainedLogTimestamp` of its header, ms since the epoch: its age for the retention rule.
    pub timestamp_ms: i64,
}

#[cfg(test)]
mod tests;
