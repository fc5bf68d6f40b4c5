//! What opening a log directory found and did.
//!
//! Owns the words for it. Nothing that recovery takes out of a log goes unmentioned here.

use std::fmt;
use std::path::PathBuf;

use crate::scan::BadBatch;

/// Foreign names listed in a report; more are only counted.
const FOREIGN_LISTED: usize = 100;

/// The outcome of opening a log directory, or several.
#[derive(Debug, Clone, Default)]
pub struct RecoveryReport {
    /// Whether the last process stopped cleanly, so that nothing had to be scanned.
    pub clean: bool,
    /// The broker epoch in the clean-shutdown marker (KIP-966), if there was one; of several directories, if all have the
    /// same.
    pub previous_broker_epoch: Option<i64>,
    /// Logs that were opened.
    pub logs: usize,
    /// Bytes of batches that were read and checked.
    pub scanned_bytes: u64,
    /// What was taken out of logs.
    pub cuts: Vec<Cut>,
    /// Indexes, snapshots and checkpoints that were missing or wrong and were made anew from the log.
    pub rebuilt: Vec<Rebuilt>,
    /// Logs that are kept offline, untouched, because something they had promised to keep is missing.
    pub damaged: Vec<DamagedLog>,
    /// Logs that have a recovery point and no directory.
    pub missing: Vec<String>,
    /// Names that are not Kafka's; they are left alone.
    pub foreign: Vec<PathBuf>,
    /// Foreign names beyond those listed.
    pub foreign_unlisted: usize,
    /// What the write-ahead log gave.
    pub wal: crate::wal::WalReplay,
    /// Logs of deleted topics whose files are still to be removed.
    pub pending_deletes: usize,
}

/// The end of a log that could not be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// `topic-partition`.
    pub log: String,
    /// The first offset that is gone: the log now ends here.
    pub from_offset: i64,
    /// Bytes taken out, later segments included.
    pub bytes: u64,
    /// What is wrong at that place.
    pub reason: BadBatch,
    /// Where the bytes were put; empty if they were only the torn end of a batch.
    pub kept_in: Vec<PathBuf>,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { log, from_offset, bytes, reason, kept_in } = self;
        write!(f, "log {log} was cut at offset {from_offset}, {bytes} bytes: {reason}")?;
        match kept_in.first() {
            Some(path) => write!(f, "; the bytes are kept in {}", path.display()),
            None => Ok(()),
        }
    }
}

/// A file made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// The file.
    pub path: PathBuf,
    /// What was wrong with it.
    pub reason: String,
}

/// A log that is kept offline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedLog {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// What is missing or wrong, and where.
    pub reason: String,
}

impl RecoveryReport {
    /// The outcome of this and of another directory.
    #[must_use]
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.clean &= other.clean;
        self.previous_broker_epoch =
            self.previous_broker_epoch.filter(|epoch| other.previous_broker_epoch == Some(*epoch));
        self.logs += other.logs;
        self.scanned_bytes += other.scanned_bytes;
        self.cuts.extend(other.cuts);
        self.rebuilt.extend(other.rebuilt);
        self.damaged.extend(other.damaged);
        self.missing.extend(other.missing);
        self.foreign.extend(other.foreign);
        self.foreign_unlisted += other.foreign_unlisted;
        self.pending_deletes += other.pending_deletes;
        self
    }

    /// Takes in what was found in one log of the directory.
    pub(crate) fn take_in(&mut self, log: Self) {
        let Self { scanned_bytes, cuts, rebuilt, foreign, foreign_unlisted, .. } = log;
        self.scanned_bytes += scanned_bytes;
        self.cuts.extend(cuts);
        self.rebuilt.extend(rebuilt);
        let room = FOREIGN_LISTED.saturating_sub(self.foreign.len());
        self.foreign_unlisted += foreign_unlisted + foreign.len().saturating_sub(room);
        self.foreign.extend(foreign.into_iter().take(room));
    }

    pub(crate) fn note_foreign(&mut self, path: PathBuf) {
        tracing::warn!(path = %path.display(), "not a file of Kafka's: left alone");
        if self.foreign.len() < FOREIGN_LISTED { self.foreign.push(path) } else { self.foreign_unlisted += 1 }
    }

    pub(crate) fn note_rebuilt(&mut self, path: PathBuf, reason: impl Into<String>) {
        let reason = reason.into();
        tracing::warn!(path = %path.display(), %reason, "made anew");
        self.rebuilt.push(Rebuilt { path, reason });
    }

    pub(crate) fn note_cut(&mut self, cut: Cut) {
        tracing::warn!("{cut}");
        self.cuts.push(cut);
    }
}
