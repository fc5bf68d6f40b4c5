//! One cleaning of one log, a piece at a time.
//!
//! Owns its passes: the keys of the dirty part go into the offset map, then every segment up to there is copied without
//! what the map makes obsolete. It works on segments that nobody changes, and in files of its own.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use platform::File;
use records::{BatchError, Thinned, Thinner};

use super::judge::{JudgeRules, LastRecord, Position, clean_batch, map_batch};
use super::offset_map::OffsetMap;
use super::output::{Output, discard};
use super::plan::{Cleanable, SegmentSizes, group};
use super::reader::BatchReader;
use super::transactions::Transactions;
use crate::error::StorageError;
use crate::log_config::LogConfig;
use crate::proof::ProofEntry;
use crate::scan::BadBatch;
use crate::segment::{Segment, SegmentFault};
use crate::txn_index::AbortedTxn;
use crate::view::LogView;

/// What a cleaning may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CleanSettings {
    /// Bytes of the offset map: `log.cleaner.dedupe.buffer.size`, divided by the cleanings at once.
    pub map_bytes: u64,
    /// `log.cleaner.io.buffer.load.factor`: how full the map may become.
    pub load_factor: f64,
    /// Bytes of each of the two buffers, for reading and for writing.
    pub buffer_bytes: usize,
}

/// What a piece of a cleaning came to.
pub enum CleanStep {
    /// It goes on.
    Working,
    /// A segment is finished, to be swapped in by [`crate::UnifiedLog::swap_cleaned`] before the next piece.
    Swap(CleanedGroup),
    /// It is over.
    Done(CleanOutcome),
    /// The log was deleted, or closed, or its directory is offline: the cleaning is given up.
    GivenUp,
}

/// What a cleaning did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CleanOutcome {
    /// The first offset that was not cleaned: where the next cleaning begins.
    pub next_dirty_offset: i64,
    /// Keys in the offset map.
    pub keys: usize,
    /// Whether the map was full, so that the rest of the dirty part waits.
    pub is_map_full: bool,
    /// Bytes of the segments before.
    pub bytes_before: u64,
    /// Bytes of the segments that took their place.
    pub bytes_after: u64,
    /// Bytes read from and written to the disk.
    pub io_bytes: u64,
}

/// A finished segment and those it takes the place of.
pub struct CleanedGroup {
    pub(crate) view: Arc<LogView>,
    /// The log's generation when the cleaning began: a log that was cut since may lack what the map knew of.
    pub(crate) generation: u32,
    pub(crate) replaced: Vec<Arc<Segment>>,
    /// Sizes of the replaced segments when they were read.
    pub(crate) sizes: Vec<u64>,
    pub(crate) segment: Arc<Segment>,
    /// The proof of it.
    pub(crate) proof: Vec<ProofEntry>,
}

impl CleanedGroup {
    /// Removes the files: for a group that cannot be swapped in.
    pub fn discard(&self) {
        discard(self.view.directory().disk().as_ref(), self.view.dir(), self.segment.base_offset());
    }
}

/// What a cleaning starts from.
pub(crate) struct CleaningStart {
    pub(crate) view: Arc<LogView>,
    pub(crate) config: Arc<LogConfig>,
    pub(crate) cleanable: Cleanable,
    /// The segments before the first uncleanable offset, with the numbers that decide on their grouping.
    pub(crate) segments: Vec<(Arc<Segment>, SegmentSizes)>,
    pub(crate) producers: BTreeMap<i64, LastRecord>,
    pub(crate) aborted: Vec<AbortedTxn>,
    pub(crate) hash_key: [u64; 2],
    pub(crate) now_ms: i64,
}

/// See the module's documentation.
pub struct Cleaning {
    view: Arc<LogView>,
    config: Arc<LogConfig>,
    generation: u32,
    first_dirty_offset: i64,
    end_offset: i64,
    segments: Vec<(Arc<Segment>, SegmentSizes)>,
    aborted: Vec<AbortedTxn>,
    rules: JudgeRules,
    map: OffsetMap,
    transactions: Transactions,
    reader: BatchReader,
    /// The segment at hand.
    file: Option<Arc<dyn File>>,
    keep_old_tombstones: bool,
    thinner: Thinner,
    /// Plain bytes of the batch at hand, or the buffer of the next segment to be written.
    scratch: Vec<u8>,
    buffer_bytes: usize,
    groups: Vec<Range<usize>>,
    stage: Stage,
    outcome: CleanOutcome,
}

enum Stage {
    /// Keys are collected, from this segment; its reading has begun or not.
    Map {
        segment: usize,
        is_open: bool,
    },
    /// Segments are copied.
    Copy {
        group: usize,
        segment: usize,
        is_open: bool,
        output: Option<Box<Output>>,
    },
    Over,
}

impl Cleaning {
    pub(crate) fn new(start: CleaningStart, settings: &CleanSettings) -> Self {
        let CleaningStart { view, config, cleanable, segments, .. } = start;
        let keys = cleanable.first_uncleanable_offset - cleanable.first_dirty_offset;
        let keys = u64::try_from(keys).unwrap_or(0);
        let map = OffsetMap::new(settings.map_bytes, settings.load_factor, keys, start.hash_key);
        let mut transactions = Transactions::default();
        let is_ahead = |txn: &&AbortedTxn| txn.last_offset >= cleanable.first_dirty_offset;
        transactions.add_aborted(start.aborted.iter().filter(is_ahead).copied());
        let rules = JudgeRules {
            now_ms: start.now_ms,
            delete_retention_ms: config.delete_retention_ms,
            round_end_offset: cleanable.first_uncleanable_offset,
            codec: config.fixed_codec(),
            producers: start.producers,
        };
        let first = segments.iter().rposition(|(s, _)| s.base_offset() <= cleanable.first_dirty_offset);
        Self {
            generation: view.generation(),
            view,
            config,
            first_dirty_offset: cleanable.first_dirty_offset,
            end_offset: cleanable.first_uncleanable_offset,
            segments,
            aborted: start.aborted,
            rules,
            map,
            transactions,
            reader: BatchReader::new(settings.buffer_bytes),
            file: None,
            keep_old_tombstones: true,
            thinner: Thinner::default(),
            scratch: Vec::new(),
            buffer_bytes: settings.buffer_bytes,
            groups: Vec::new(),
            stage: Stage::Map { segment: first.unwrap_or(0), is_open: false },
            outcome: CleanOutcome::default(),
        }
    }

    /// The log that is cleaned.
    pub fn view(&self) -> &Arc<LogView> {
        &self.view
    }

    /// Bytes read and written so far.
    pub fn io_bytes(&self) -> u64 {
        self.outcome.io_bytes
    }

    /// Bytes of memory that the offset map may come to use.
    pub fn map_bytes(&self) -> u64 {
        self.map.size_bytes()
    }

    /// Goes on for about `bytes` of reading and writing. Blocks; to be run where that is allowed.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] for a batch that cannot be read: the log cannot be cleaned then.
    /// [`StorageError::DiskFull`] if there is no room for the new segment. Anything else has taken the directory offline.
    /// After an error the cleaning is over.
    pub fn step(&mut self, bytes: u64) -> Result<CleanStep, StorageError> {
        let directory = Arc::clone(self.view.directory());
        let Some(_working) = directory.begin_cleaning() else { return Ok(CleanStep::GivenUp) };
        if self.view.is_deleted() || directory.offline_reason().is_some() {
            return Ok(CleanStep::GivenUp);
        }
        let until = self.outcome.io_bytes.saturating_add(bytes.max(1));
        let went = loop {
            if directory.is_cleaning_stopped() {
                break Ok(CleanStep::GivenUp);
            }
            match self.advance() {
                Ok(None) if self.outcome.io_bytes < until => {}
                Ok(None) => break Ok(CleanStep::Working),
                Ok(Some(step)) => break Ok(step),
                Err(fault) => break self.judge_fault(fault),
            }
        };
        if matches!(went, Err(_) | Ok(CleanStep::GivenUp)) {
            self.discard();
        }
        went
    }

    /// Removes what is not finished.
    pub fn discard(&mut self) {
        if let Stage::Copy { group, output: Some(_), .. } = &self.stage {
            let base_offset = self.segments[self.groups[*group].start].0.base_offset();
            discard(self.view.directory().disk().as_ref(), self.view.dir(), base_offset);
        }
        self.stage = Stage::Over;
    }

    fn judge_fault(&self, fault: (usize, SegmentFault)) -> Result<CleanStep, StorageError> {
        let (number, fault) = fault;
        if self.view.is_deleted() {
            return Ok(CleanStep::GivenUp);
        }
        match fault {
            // Retention has taken the segment away: there will be another cleaning.
            SegmentFault::Io(error)
                if error.kind() == io::ErrorKind::NotFound && self.segments[number].0.is_deleted() =>
            {
                Ok(CleanStep::GivenUp)
            }
            SegmentFault::Io(error) => Err(self.view.directory().write_failed(error)),
            fault => {
                let segment = &self.segments[number].0;
                Err(self.view.storage_fault(segment, segment.base_offset(), fault))
            }
        }
    }

    /// Does one batch, or what lies between two.
    fn advance(&mut self) -> Result<Option<CleanStep>, (usize, SegmentFault)> {
        match &mut self.stage {
            Stage::Map { segment, .. } => {
                let number = *segment;
                self.map_one(number)
                    .map_err(|fault| (number.min(self.segments.len().saturating_sub(1)), fault))?;
                Ok(None)
            }
            Stage::Copy { segment, .. } => {
                let number = *segment;
                self.copy_one().map_err(|fault| (number.min(self.segments.len().saturating_sub(1)), fault))
            }
            Stage::Over => Ok(Some(CleanStep::GivenUp)),
        }
    }

    // ---- first pass ----

    fn map_one(&mut self, number: usize) -> Result<(), SegmentFault> {
        let Some((segment, _)) = self.segments.get(number).cloned() else {
            self.begin_copying();
            return Ok(());
        };
        let directory = Arc::clone(self.view.directory());
        let size = segment.size();
        if matches!(self.stage, Stage::Map { is_open: false, .. }) {
            let found = segment.find(&directory, self.first_dirty_offset, size)?;
            self.open(&segment, found.map_or(size, |batch| batch.position))?;
            self.stage = Stage::Map { segment: number, is_open: true };
        }
        if self.reader.is_at_end() {
            // Offsets that are missing at its end are known to be so.
            let next = self.segments.get(number + 1).map_or(self.end_offset, |(next, _)| next.base_offset());
            self.map.note_offset(next - 1);
            self.stage = Stage::Map { segment: number + 1, is_open: false };
            return Ok(());
        }
        let position = self.reader.position();
        segment.verify(&directory, position, position + 1)?;
        let Some(file) = self.file.as_deref() else { return Ok(()) };
        let Some(batch) = self.reader.next(file)? else { return Ok(()) };
        self.outcome.io_bytes += batch.bytes.len() as u64;
        let had_room = map_batch(
            &mut self.map,
            &mut self.transactions,
            &batch,
            self.first_dirty_offset,
            &mut self.scratch,
        );
        if !had_room.map_err(|error| bad(position, error))? {
            self.outcome.is_map_full = true;
            self.begin_copying();
        }
        self.check_transactions(position)
    }

    /// Has the reader stand before the batch at this position.
    fn open(&mut self, segment: &Arc<Segment>, position: u64) -> Result<(), SegmentFault> {
        let size = segment.size();
        // The file stays the one that is meant, whatever becomes of its name.
        self.file = if size == 0 { None } else { Some(segment.file(self.view.directory(), false)?) };
        self.reader.start(position, size);
        Ok(())
    }

    /// A marker that contradicts the indexes of aborted transactions means that one is incomplete or rotten: then it is not
    /// known what counts.
    fn check_transactions(&self, position: u64) -> Result<(), SegmentFault> {
        match self.transactions.is_contradicted() {
            true => Err(SegmentFault::Bad { position, bad: BadBatch::UnknownAbort }),
            false => Ok(()),
        }
    }

    // ---- second pass ----

    fn begin_copying(&mut self) {
        let end_offset = self.map.latest_offset() + 1;
        self.outcome.keys = self.map.len();
        self.outcome.next_dirty_offset = end_offset.max(self.first_dirty_offset);
        let count = self.segments.partition_point(|(segment, _)| segment.base_offset() < end_offset);
        let sizes: Vec<SegmentSizes> = self.segments[..count].iter().map(|(_, sizes)| *sizes).collect();
        let index_bytes_max = u64::from(self.config.segment_index_bytes);
        self.groups = group(&sizes, u64::from(self.config.segment_bytes), index_bytes_max, self.end_offset);
        self.transactions = Transactions::default();
        self.transactions.add_aborted(self.aborted.iter().copied());
        let segment = self.groups.first().map_or(0, |group| group.start);
        self.stage = Stage::Copy { group: 0, segment, is_open: false, output: None };
    }

    fn copy_one(&mut self) -> Result<Option<CleanStep>, SegmentFault> {
        let Stage::Copy { group, segment, is_open, mut output } =
            std::mem::replace(&mut self.stage, Stage::Over)
        else {
            return Ok(None);
        };
        let Some(range) = self.groups.get(group).cloned() else {
            return Ok(Some(CleanStep::Done(self.outcome)));
        };
        if output.is_none() {
            output = Some(Box::new(self.create_output(range.start)?));
        }
        let mut writing = output.expect("it was created above");
        if segment == range.end {
            let next = self.groups.get(group + 1).map_or(0, |next| next.start);
            self.stage = Stage::Copy { group: group + 1, segment: next, is_open: false, output: None };
            return self.finish_group(range, *writing).map(Some);
        }
        let opened = if is_open { Ok(()) } else { self.open_to_copy(segment) };
        let copied = opened.and_then(|()| self.copy_batch(&range, segment, &mut writing));
        let next = if self.reader.is_at_end() { segment + 1 } else { segment };
        // What was begun is remembered even after a fault, to be removed.
        self.stage = Stage::Copy { group, segment: next, is_open: next == segment, output: Some(writing) };
        copied.map(|()| None)
    }

    fn create_output(&mut self, first: usize) -> Result<Output, SegmentFault> {
        let disk = Arc::clone(self.view.directory().disk());
        let base_offset = self.segments[first].0.base_offset();
        let buffer = std::mem::take(&mut self.scratch);
        let interval = self.config.index_interval_bytes;
        let dir = self.view.shared_dir();
        Ok(Output::create(disk.as_ref(), dir, base_offset, interval, buffer, self.buffer_bytes)?)
    }

    fn open_to_copy(&mut self, number: usize) -> Result<(), SegmentFault> {
        let segment = Arc::clone(&self.segments[number].0);
        self.keep_old_tombstones = self.keeps_old_tombstones(&segment)?;
        self.open(&segment, 0)
    }

    fn copy_batch(
        &mut self,
        range: &Range<usize>,
        number: usize,
        output: &mut Output,
    ) -> Result<(), SegmentFault> {
        let position = self.reader.position();
        self.segments[number].0.verify(self.view.directory(), position, position + 1)?;
        let is_last_segment = self.segments[number + 1..range.end].iter().all(|(_, sizes)| sizes.bytes == 0);
        let Some(file) = self.file.as_deref() else { return Ok(()) };
        let Some(batch) = self.reader.next(file)? else { return Ok(()) };
        let size = self.segments[number].1.bytes;
        let is_last_of_group = is_last_segment && position + batch.bytes.len() as u64 == size;
        let place = Position { is_last_of_group, keep_old_tombstones: self.keep_old_tombstones };
        let Self { rules, map, transactions, thinner, .. } = self;
        let thinned = clean_batch(rules, map, transactions, thinner, &batch, place, &mut output.pending)
            .map_err(|error| bad(position, error))?;
        self.outcome.io_bytes += batch.bytes.len() as u64;
        let header = match thinned {
            Thinned::Nothing => return Ok(()),
            Thinned::Whole { .. } => batch.header,
            Thinned::Rewritten(header) => header,
        };
        if !output.note(&header) {
            let found = header.last_offset();
            let bad = BadBatch::Offset { expected: self.segments[range.start].0.base_offset(), found };
            return Err(SegmentFault::Bad { position, bad });
        }
        self.outcome.io_bytes += output.write_if_full()?;
        Ok(())
    }

    /// Tombstones of the old formats stay for `delete.retention.ms` after the time of the last cleaned segment.
    fn keeps_old_tombstones(&self, segment: &Arc<Segment>) -> Result<bool, SegmentFault> {
        let last_clean =
            self.segments.iter().rev().find(|(segment, _)| segment.base_offset() < self.first_dirty_offset);
        let Some((last_clean, _)) = last_clean else { return Ok(true) };
        let horizon = self.time_of(last_clean)?.saturating_sub(self.config.delete_retention_ms);
        Ok(self.time_of(segment)? > horizon)
    }

    fn time_of(&self, segment: &Arc<Segment>) -> Result<i64, SegmentFault> {
        let max = segment.max_timestamp(self.view.directory())?;
        Ok(if max.timestamp >= 0 { max.timestamp } else { segment.created_ms() })
    }

    fn finish_group(&mut self, range: Range<usize>, mut output: Output) -> Result<CleanStep, SegmentFault> {
        output.add_aborted(self.transactions.take_kept());
        let last = &self.segments[range.end - 1].0;
        let revision = self.segments[range.start].0.revision() + 1;
        let disk = Arc::clone(self.view.directory().disk());
        let base_offset = self.segments[range.start].0.base_offset();
        let finished = output.finish(disk.as_ref(), last.created_ms(), revision);
        let (segment, proof, buffer) = match finished {
            Ok(finished) => finished,
            Err(error) => {
                discard(disk.as_ref(), self.view.dir(), base_offset);
                return Err(error.into());
            }
        };
        self.scratch = buffer;
        let replaced: Vec<Arc<Segment>> =
            self.segments[range].iter().map(|(segment, _)| Arc::clone(segment)).collect();
        let sizes: Vec<u64> = replaced.iter().map(|segment| segment.size()).collect();
        self.outcome.bytes_before += sizes.iter().sum::<u64>();
        self.outcome.bytes_after += segment.size();
        Ok(CleanStep::Swap(CleanedGroup {
            view: Arc::clone(&self.view),
            generation: self.generation,
            replaced,
            sizes,
            segment: Arc::new(segment),
            proof,
        }))
    }
}

fn bad(position: u64, error: BatchError) -> SegmentFault {
    SegmentFault::Bad { position, bad: BadBatch::Header(error) }
}
