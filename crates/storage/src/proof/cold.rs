//! What is not yet known to be right of a segment that an earlier process wrote.
//!
//! Owns which bytes were verified in this life and what is to be verified next. It never reads the segment.

use std::io;
use std::path::Path;
use std::sync::Arc;

use platform::Disk;

use super::{LogProof, ProofEntry, ProofKind, RUN_BYTES};

/// See the module's documentation.
pub(crate) struct Cold {
    log: Arc<LogProof>,
    /// Offsets of the segment are below.
    end_bound: i64,
    /// What the proof file says, once it was asked.
    entries: Option<Box<[ProofEntry]>>,
    /// Verified positions, rising, without overlap.
    verified: Vec<(u64, u64)>,
}

/// What has to be done about a position.
pub(crate) enum Next {
    /// Nothing: it is verified up to here.
    Verified(u64),
    /// One of these stretches should be as its entry says.
    Runs(Vec<ProofEntry>),
    /// Nothing is known of it: its batches have to do, up to here or a little further.
    Batches(u64),
}

impl Cold {
    pub(crate) fn new(log: Arc<LogProof>, end_bound: i64) -> Self {
        Self { log, end_bound, entries: None, verified: Vec::new() }
    }

    pub(crate) fn end_bound(&self) -> i64 {
        self.end_bound
    }

    pub(crate) fn log(&self) -> &Arc<LogProof> {
        &self.log
    }

    pub(crate) fn knows_entries(&self) -> bool {
        self.entries.is_some()
    }

    pub(crate) fn set_entries(&mut self, entries: Vec<ProofEntry>) {
        self.entries = Some(entries.into_boxed_slice());
    }

    /// What to do about `position`, where bytes up to `end` are not verified.
    pub(crate) fn next(&self, position: u64, end: u64) -> Next {
        let later = self.verified.partition_point(|(_, to)| *to <= position);
        if let Some((from, to)) = self.verified.get(later)
            && *from <= position
        {
            return Next::Verified(*to);
        }
        let runs = || self.entries.iter().flat_map(|e| e.iter()).filter(|e| e.kind == ProofKind::Run);
        let covering: Vec<ProofEntry> = runs()
            .filter(|run| u64::from(run.from) <= position && position < u64::from(run.to))
            .copied()
            .collect();
        if !covering.is_empty() {
            return Next::Runs(covering);
        }
        let next_run = runs().map(|run| u64::from(run.from)).filter(|from| *from > position).min();
        let until = position + u64::from(RUN_BYTES);
        Next::Batches(until.min(next_run.unwrap_or(u64::MAX)).min(end))
    }

    /// Whether the segment may hold what no entry speaks of, although entries speak of its positions.
    pub(crate) fn is_swap_open(&self) -> bool {
        self.entries.iter().flat_map(|e| e.iter()).any(|entry| entry.kind == ProofKind::Swap)
    }

    /// The size the file must have at least, unless it may be one of several contents.
    pub(crate) fn sealed_size(&self) -> Option<&ProofEntry> {
        let mut all = self.entries.iter().flat_map(|e| e.iter());
        let content = all.next()?.content;
        if self.is_swap_open() || all.any(|entry| entry.content != content) {
            return None;
        }
        self.entries.iter().flat_map(|e| e.iter()).find(|entry| entry.kind == ProofKind::Seal)
    }

    /// Notes verified positions, of which only those before `end` matter. Whether all of them are verified.
    pub(crate) fn note(&mut self, from: u64, to: u64, end: u64) -> bool {
        let to = to.min(end);
        if from < to {
            let first = self.verified.partition_point(|(_, t)| *t < from);
            let after = self.verified.partition_point(|(f, _)| *f <= to);
            let mut joined = (from, to);
            for (f, t) in &self.verified[first..after] {
                joined = (joined.0.min(*f), joined.1.max(*t));
            }
            self.verified.splice(first..after, [joined]);
        }
        matches!(self.verified.as_slice(), [(0, to)] if *to >= end)
    }

    /// The first position from `position` on that is not verified, before `end`.
    pub(crate) fn first_unverified(&self, end: u64) -> Option<u64> {
        let at = match self.verified.first() {
            Some((0, to)) => *to,
            _ => 0,
        };
        (at < end).then_some(at)
    }

    /// Asks the proof file.
    pub(crate) fn read_entries(
        log: &LogProof,
        disk: &dyn Disk,
        dir: &Path,
        base_offset: i64,
    ) -> io::Result<Vec<ProofEntry>> {
        log.read(disk, dir, base_offset)
    }
}
