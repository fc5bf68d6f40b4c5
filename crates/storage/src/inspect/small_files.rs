//! Judging the small files of a log: topic id, leader epochs, producer snapshots, aborted transactions, names.
//!
//! Owns what each of them must be. What the next start makes anew from the log is a warning.

use std::io;
use std::path::Path;

use platform::Disk;
use protocol::Uuid;

use super::finding::Finding;
use crate::checkpoint_file::decode_epochs;
use crate::epoch_cache::EpochCache;
use crate::layout::{
    CUT_SUFFIX, DAMAGE, FileKind, GENERATION, LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA, QUARANTINE_SUFFIX,
    file_kind, log_file_base,
};
use crate::marker_files::{decode_generation, decode_partition_metadata};
use crate::producer_state::snapshot;
use crate::txn_index;
use crate::view::missing_until;

/// Reports of a running node that are repeated.
const REPORTS_SHOWN: usize = 20;

/// What the small files of a log say.
#[derive(Default)]
pub(super) struct SmallFiles {
    pub(super) topic_id: Option<Uuid>,
    /// How often the log was cut.
    pub(super) generation: u32,
    pub(super) epochs: Option<EpochCache>,
    /// Base offsets of the segments, rising.
    pub(super) segments: Vec<i64>,
    /// Offsets of the producer snapshots, rising.
    pub(super) snapshots: Vec<i64>,
    /// What starts and running nodes found damaged.
    damage_text: String,
}

impl SmallFiles {
    /// Reads them all.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn read(disk: &dyn Disk, dir: &Path, findings: &mut Vec<Finding>) -> io::Result<Self> {
        let mut files = Self::default();
        for entry in disk.list(dir)? {
            let path = dir.join(&entry.name);
            if entry.is_dir {
                findings.push(Finding::note(path, "is no file of a log: it is left alone"));
                continue;
            }
            files.segments.extend(log_file_base(&entry.name));
            match file_kind(&entry.name) {
                FileKind::Snapshot(offset) => files.snapshot(disk, &path, offset, findings)?,
                FileKind::TxnIndex(_) => {
                    if let Err(reason) = txn_index::decode(&disk.read(&path)?) {
                        findings.push(Finding::damage(path, format!("is unusable: {reason}")));
                    }
                }
                FileKind::Known if is_evidence(&entry.name) => {
                    let text = format!(
                        "has {} bytes that a start or a repair took out of the log: nothing reads it, and whoever has no use for \
                         it may delete it",
                        entry.len
                    );
                    findings.push(Finding::note(path, text));
                }
                FileKind::Known => files.known(disk, &path, &entry.name, findings)?,
                FileKind::Cleaned(_) | FileKind::Temporary => {
                    findings.push(Finding::note(path, "was not finished: the next start removes it"));
                }
                FileKind::Swap(..) => {
                    findings.push(Finding::note(path, "is of a compaction that the next start completes"));
                }
                FileKind::Foreign => {
                    findings.push(Finding::note(path, "is no file of a log: it is left alone"));
                }
                FileKind::Log(_) | FileKind::Index(_) | FileKind::TimeIndex(_) | FileKind::Deleted => {}
            }
        }
        Ok(files)
    }

    /// Where the log should end, as a start found by the write-ahead log.
    pub(super) fn missing_until(&self) -> Option<i64> {
        missing_until(&self.damage_text, self.generation)
    }

    fn snapshot(
        &mut self,
        disk: &dyn Disk,
        path: &Path,
        offset: i64,
        findings: &mut Vec<Finding>,
    ) -> io::Result<()> {
        self.snapshots.push(offset);
        if let Err(reason) = snapshot::decode(&disk.read(path)?, 0) {
            findings.push(Finding::warning(path, format!("is unusable: {reason}")));
        }
        Ok(())
    }

    fn known(
        &mut self,
        disk: &dyn Disk,
        path: &Path,
        name: &str,
        findings: &mut Vec<Finding>,
    ) -> io::Result<()> {
        match name {
            PARTITION_METADATA => match decode_partition_metadata(&disk.read(path)?) {
                Ok(id) => self.topic_id = Some(id),
                Err(reason) => findings.push(Finding::warning(path, format!("is unusable: {reason}"))),
            },
            GENERATION => match decode_generation(&disk.read(path)?) {
                Some(generation) => self.generation = generation,
                None => findings.push(Finding::damage(path, "is not whole")),
            },
            LEADER_EPOCH_CHECKPOINT => match decode_epochs(&disk.read(path)?) {
                Ok(pairs) => self.epochs = Some(pairs.into_iter().collect()),
                Err(error) => findings.push(Finding::warning(path, format!("is unusable: {error}"))),
            },
            DAMAGE => {
                let text = disk.read(path)?;
                let text = String::from_utf8_lossy(&text);
                self.damage_text = text.clone().into_owned();
                for line in text.lines().take(REPORTS_SHOWN) {
                    findings.push(Finding::note(path, format!("was left by a running node: {line}")));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether a file keeps what was taken out of the log.
fn is_evidence(name: &str) -> bool {
    name.ends_with(CUT_SUFFIX) || name.ends_with(QUARANTINE_SUFFIX)
}
