//! The files of a partition directory.
//!
//! Owns sorting them, and removing what a crash left half-made. Foreign files are named and left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use platform::Disk;

use crate::error::StorageError;
use crate::layout::{
    CUT_SUFFIX, DAMAGE, FileKind, GENERATION, INDEX_SUFFIX, LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA,
    TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, file_kind, segment_path,
};
use crate::proof::PROOF_FILE;
use crate::recovery_report::RecoveryReport;
use crate::tail_copy::TAIL_FILE;

/// What is there, by base offset, with lengths in bytes.
#[derive(Default)]
pub(super) struct LogFiles {
    pub(super) logs: BTreeMap<i64, u64>,
    pub(super) indexes: BTreeMap<i64, u64>,
    pub(super) time_indexes: BTreeMap<i64, u64>,
    pub(super) txn_indexes: BTreeMap<i64, u64>,
    /// Rising.
    pub(super) snapshots: Vec<i64>,
    pub(super) has_partition_metadata: bool,
    pub(super) has_epochs: bool,
    pub(super) has_generation: bool,
    /// Bytes of the proof file, if there is one.
    pub(super) proof_bytes: Option<u64>,
    /// Whether there is a second copy of the log's end.
    pub(super) has_tail: bool,
    /// Whether damage was found and remembered.
    pub(super) has_damage: bool,
    /// Whether something was cut and kept.
    pub(super) has_cuts: bool,
    /// Base offsets of segments that compaction had not finished, rising.
    pub(super) cleaned: BTreeSet<i64>,
    /// Files of finished ones that were about to take the place of others.
    pub(super) swaps: Vec<(i64, &'static str)>,
}

impl LogFiles {
    /// Lists the files, after what an interrupted compaction left was completed or undone.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] if that cannot be; the disk's.
    pub(super) fn collect(
        disk: &dyn Disk,
        dir: &Path,
        log: &str,
        report: &mut RecoveryReport,
    ) -> Result<Self, StorageError> {
        let mut files = Self::list(disk, dir, report)?;
        if !files.cleaned.is_empty() || !files.swaps.is_empty() {
            super::swaps::complete(disk, dir, log, &files)?;
            // Foreign files were named before.
            files = Self::list(disk, dir, &mut RecoveryReport::default())?;
        }
        files.remove_orphans(disk, dir)?;
        Ok(files)
    }

    fn list(disk: &dyn Disk, dir: &Path, report: &mut RecoveryReport) -> Result<Self, StorageError> {
        let mut files = Self::default();
        let mut is_any_deleted = false;
        for entry in disk.list(dir)? {
            if entry.is_dir {
                report.note_foreign(dir.join(&entry.name));
                continue;
            }
            files.has_cuts |= entry.name.ends_with(CUT_SUFFIX);
            match file_kind(&entry.name) {
                FileKind::Log(base) => _ = files.logs.insert(base, entry.len),
                FileKind::Index(base) => _ = files.indexes.insert(base, entry.len),
                FileKind::TimeIndex(base) => _ = files.time_indexes.insert(base, entry.len),
                FileKind::TxnIndex(base) => _ = files.txn_indexes.insert(base, entry.len),
                FileKind::Snapshot(offset) => files.snapshots.push(offset),
                FileKind::Deleted => {
                    remove_if_there(disk, &dir.join(&entry.name))?;
                    is_any_deleted = true;
                }
                FileKind::Temporary => remove_if_there(disk, &dir.join(&entry.name))?,
                FileKind::Cleaned(base) => _ = files.cleaned.insert(base),
                FileKind::Swap(base, suffix) => files.swaps.push((base, suffix)),
                FileKind::Known => {
                    files.has_partition_metadata |= entry.name == PARTITION_METADATA;
                    files.has_epochs |= entry.name == LEADER_EPOCH_CHECKPOINT;
                    files.has_generation |= entry.name == GENERATION;
                    files.has_tail |= entry.name == TAIL_FILE;
                    files.has_damage |= entry.name == DAMAGE;
                    if entry.name == PROOF_FILE {
                        files.proof_bytes = Some(entry.len);
                    }
                }
                FileKind::Foreign => report.note_foreign(dir.join(&entry.name)),
            }
        }
        if is_any_deleted {
            // The stop may have come before their new names were durable: they would come back with the old ones.
            disk.sync_dir(dir)?;
        }
        Ok(files)
    }

    /// Removes indexes whose segment is gone: deletion takes the batches first.
    fn remove_orphans(&mut self, disk: &dyn Disk, dir: &Path) -> Result<(), StorageError> {
        let logs = &self.logs;
        let kinds = [
            (INDEX_SUFFIX, &mut self.indexes),
            (TIME_INDEX_SUFFIX, &mut self.time_indexes),
            (TXN_INDEX_SUFFIX, &mut self.txn_indexes),
        ];
        for (suffix, indexes) in kinds {
            let orphans: Vec<i64> = indexes.keys().copied().filter(|base| !logs.contains_key(base)).collect();
            for base in orphans {
                let path = segment_path(dir, base, suffix);
                tracing::warn!(path = %path.display(), "an index without its segment is removed");
                remove_if_there(disk, &path)?;
                indexes.remove(&base);
            }
        }
        Ok(())
    }
}

/// Removes a file; a missing one is no error.
pub(crate) fn remove_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
