//! What one log was told and what was promised of it, whatever became of it.
//!
//! Owns the batches that may be there, how far they must be there, and what compaction was allowed to touch. It knows
//! nothing of files and never asks the log.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use protocol::Uuid;

/// Keys of a log's records.
pub(crate) const KEYS: u64 = 6;

/// A record as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Vec<u8>,
    /// `None` is a tombstone.
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) timestamp: i64,
}

/// Who wrote a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) first: i32,
    pub(crate) last: i32,
}

/// A batch that was appended, or may have been.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) base: i64,
    pub(crate) records: Rc<Vec<Record>>,
    /// As it was sent: without offset and epoch.
    pub(crate) bytes: Rc<Vec<u8>>,
    pub(crate) leader_epoch: i32,
    pub(crate) sequence: Option<Sequence>,
}

impl Told {
    pub(crate) fn end(&self) -> i64 {
        self.base + i64::try_from(self.records.len()).expect("a batch has few records")
    }
}

/// A producer of this log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Writer {
    pub(crate) epoch: i16,
    pub(crate) next_sequence: i32,
}

/// A cleaning that was begun: it may have touched everything before `bound`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CleaningBegun {
    pub(crate) bound: i64,
    pub(crate) now_ms: i64,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) id: Uuid,
    /// Counts the topics of this name.
    pub(crate) incarnation: u64,
    pub(crate) batches: Vec<Told>,
    /// Where an empty log goes on.
    pub(crate) floor: i64,
    /// Everything before this is there after any stop.
    pub(crate) acked: i64,
    /// The recovery point on the disk: of what is before it, the log knows that it was there.
    pub(crate) checkpointed: i64,
    /// Everything before this is in the write-ahead log, or was.
    pub(crate) logged: i64,
    /// Where the log ended when this life began. The first groups of a life do not tell yet where logs ended before them.
    pub(crate) began_at: i64,
    /// Where the log was cut last: of what is before it, the write-ahead log's frames are void.
    pub(crate) branch_from: i64,
    /// A group of the write-ahead log that is there says that everything before this was durable.
    pub(crate) proven: i64,
    /// Everything before this is there after a stop that leaves the power on.
    pub(crate) written: i64,
    /// The log start is at least this after any stop.
    pub(crate) start_kept: i64,
    /// The log start never went beyond this.
    pub(crate) start_allowed: i64,
    pub(crate) cleanings: Vec<CleaningBegun>,
    pub(crate) writers: BTreeMap<i64, Writer>,
    pub(crate) leader_epoch: i32,
    /// The power was lost since the log was last compared.
    pub(crate) lost_power: bool,
    /// The file with the epochs rotted: it has no checksum, and nobody knows whether it is right.
    pub(crate) epochs_are_unsure: bool,
    /// Counts records, so that each has a value of its own.
    pub(crate) next_value: u64,
    /// Producers that the log may know of though nothing of theirs is left.
    pub(crate) ghosts: BTreeSet<i64>,
}

impl Model {
    pub(crate) fn new(id: Uuid, incarnation: u64) -> Self {
        Self {
            id,
            incarnation,
            batches: Vec::new(),
            floor: 0,
            acked: 0,
            checkpointed: 0,
            logged: 0,
            began_at: 0,
            branch_from: 0,
            proven: 0,
            written: 0,
            start_kept: 0,
            start_allowed: 0,
            cleanings: Vec::new(),
            writers: BTreeMap::new(),
            leader_epoch: 0,
            lost_power: false,
            epochs_are_unsure: false,
            next_value: 0,
            ghosts: BTreeSet::new(),
        }
    }

    /// How far the write-ahead log has what is not below the recovery point.
    pub(crate) fn in_wal(&self) -> i64 {
        if self.checkpointed < self.branch_from { self.checkpointed } else { self.logged }
    }

    /// Where the next batch begins.
    pub(crate) fn end(&self) -> i64 {
        self.batches.last().map_or(self.floor, Told::end)
    }

    /// The batches that have something in `start..end`.
    pub(crate) fn between(&self, start: i64, end: i64) -> impl DoubleEndedIterator<Item = &Told> {
        let from = self.batches.partition_point(|told| told.end() <= start);
        let to = self.batches.partition_point(|told| told.base < end);
        self.batches[from.min(to)..to].iter()
    }

    /// The records in `start..end`, with their offsets.
    pub(crate) fn records(&self, start: i64, end: i64) -> impl DoubleEndedIterator<Item = (i64, &Record)> {
        let all = self.between(start, end).flat_map(|told| {
            told.records.iter().enumerate().map(|(number, record)| (told.base + number as i64, record))
        });
        all.filter(move |(offset, _)| (start..end).contains(offset))
    }

    /// What compaction may have touched lies before this.
    pub(crate) fn cleaned_to(&self) -> i64 {
        self.cleanings.iter().map(|cleaning| cleaning.bound).max().unwrap_or(0)
    }

    /// The end was cut here: nothing beyond is there.
    pub(crate) fn cut(&mut self, end: i64) {
        self.batches.retain(|told| told.end() <= end);
        if self.batches.is_empty() {
            self.floor = end;
        }
        self.acked = self.acked.min(end);
        self.checkpointed = self.checkpointed.min(end);
        self.logged = self.logged.min(end);
        self.proven = self.proven.min(end);
        self.written = self.written.min(end);
        self.find_sequences();
    }

    /// Producers go on after their last batch that is there.
    pub(crate) fn find_sequences(&mut self) {
        for (id, writer) in &mut self.writers {
            let last = self.batches.iter().rev().filter_map(|told| told.sequence);
            let last = last.clone().find(|sequence| sequence.producer_id == *id);
            match last {
                Some(last) => *writer = Writer { epoch: last.epoch, next_sequence: last.last + 1 },
                None => *writer = Writer { epoch: writer.epoch + 1, next_sequence: 0 },
            }
        }
    }

    /// The last batch of each producer before `end`.
    pub(crate) fn last_batches(&self, end: i64) -> BTreeMap<i64, &Told> {
        let mut last = BTreeMap::new();
        for told in self.batches.iter().filter(|told| told.end() <= end) {
            if let Some(sequence) = told.sequence {
                last.insert(sequence.producer_id, told);
            }
        }
        last
    }
}
