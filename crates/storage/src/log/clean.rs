//! Compaction, as far as it is the log's writer's: what may be cleaned, and the swap.
//!
//! Owns the bounds of a cleaning and the one moment at which finished segments take the place of others. The cleaning
//! itself runs beside the writer, on segments that nobody changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::UnifiedLog;
use crate::cleaner::cleaning::CleaningStart;
use crate::cleaner::judge::LastRecord;
use crate::cleaner::output::cleaned_path;
use crate::cleaner::plan::{SegmentSizes, first_dirty_offset};
use crate::cleaner::{CleanSettings, Cleanable, CleanedGroup, Cleaning};
use crate::directory::Directory;
use crate::error::StorageError;
use crate::layout::{SEGMENT_SUFFIXES, SWAP_SUFFIX, TXN_INDEX_SUFFIX, segment_path};
use crate::log_dir::LogDir;
use crate::mutant::mutant;
use crate::producer_state::{ProducerState, snapshot};
use crate::segment::Segment;
use crate::txn_index::{self, AbortedTxn};

impl UnifiedLog {
    /// What could be cleaned now; `None` for a log that is not to be compacted, or whose directory is offline.
    ///
    /// # Errors
    /// The disk's; [`StorageError::Corrupt`] if a segment's timestamps cannot be found.
    pub fn cleanable(&self, log_dir: &LogDir, now_ms: i64) -> Result<Option<Cleanable>, StorageError> {
        let is_out = self.view.is_uncleanable() || self.view.offline_reason().is_some();
        if !self.config.compact || is_out {
            return Ok(None);
        }
        let segments = self.segments();
        let remembered = log_dir.cleaned_offset(&self.view);
        let (start, end) = (self.view.log_start_offset(), self.end_offset());
        let (first_dirty, is_reset) = first_dirty_offset(remembered, start, end);
        let unstable = if mutant!(CleanedAboveHighWatermark) { end } else { self.first_unstable_offset() };
        let flushed = if mutant!(CleanedAboveHighWatermark) { end } else { self.view.checkpointed() };
        let mut bound = unstable.min(flushed).max(0);
        let mut next_look_ms = None;
        let lag_ms = self.config.min_compaction_lag_ms.max(0);
        if lag_ms > 0
            && let Some((young, timestamp)) = self.first_young(&segments, first_dirty, now_ms - lag_ms)?
        {
            bound = bound.min(young);
            next_look_ms = timestamp.checked_add(lag_ms + 1);
        }
        let uncleanable = segments.partition_point(|segment| segment.base_offset() <= bound.max(first_dirty));
        let boundary = segments[uncleanable.saturating_sub(1)].base_offset();
        let (is_overdue, overdue_ms) = self.overdue(&segments, first_dirty, now_ms)?;
        let next_look_ms = next_look_ms.into_iter().chain(overdue_ms).min();
        let first_dirty_segment = segments.partition_point(|s| s.base_offset() <= first_dirty.min(boundary));
        let bytes = |segments: &[Arc<Segment>]| segments.iter().map(|segment| segment.size()).sum();
        let clean = segments.partition_point(|segment| segment.base_offset() < first_dirty);
        let dirty = first_dirty_segment.saturating_sub(1)..uncleanable.saturating_sub(1);
        Ok(Some(Cleanable {
            first_dirty_offset: first_dirty,
            first_uncleanable_offset: boundary,
            clean_bytes: bytes(&segments[..clean]),
            cleanable_bytes: bytes(segments.get(dirty).unwrap_or_default()),
            is_overdue,
            is_reset,
            next_look_ms,
        }))
    }

    /// Where the part begins that may still change: the high watermark, or the oldest open transaction.
    fn first_unstable_offset(&self) -> i64 {
        let open = self.producers.iter().map(|(_, entry)| entry.current_txn_first_offset);
        open.filter(|offset| *offset >= 0).fold(self.view.last_stable_offset(), i64::min)
    }

    /// The first dirty segment, but for the active one, with a record younger than this, and its youngest timestamp.
    fn first_young(
        &self,
        segments: &[Arc<Segment>],
        first_dirty: i64,
        old_ms: i64,
    ) -> Result<Option<(i64, i64)>, StorageError> {
        for segment in self.dirty_sealed(segments, first_dirty) {
            let timestamp = self.largest_timestamp(segment)?;
            if timestamp > old_ms {
                return Ok(Some((segment.base_offset(), timestamp)));
            }
        }
        Ok(None)
    }

    /// Whether `max.compaction.lag.ms` is over for a dirty segment, and when it is for the next one.
    fn overdue(
        &self,
        segments: &[Arc<Segment>],
        first_dirty: i64,
        now_ms: i64,
    ) -> Result<(bool, Option<i64>), StorageError> {
        let lag_ms = self.config.max_compaction_lag_ms.max(0);
        if lag_ms == i64::MAX {
            return Ok((false, None));
        }
        let mut earliest =
            self.active.first_timestamp.filter(|first| *first > 0 && self.active.segment.size() > 0);
        let mut is_overdue = false;
        for segment in self.dirty_sealed(segments, first_dirty) {
            let first =
                segment.first_timestamp(self.directory()).map_err(|fault| self.fault(segment, fault))?;
            let Some(first) = first.filter(|first| *first > 0) else { continue };
            is_overdue |= first < now_ms.saturating_sub(lag_ms);
            earliest = Some(earliest.map_or(first, |earliest| earliest.min(first)));
        }
        let due_ms = earliest.and_then(|first| first.checked_add(lag_ms + 1)).filter(|due| *due > now_ms);
        Ok((is_overdue, due_ms))
    }

    fn dirty_sealed<'a>(
        &self,
        segments: &'a [Arc<Segment>],
        first_dirty: i64,
    ) -> impl Iterator<Item = &'a Arc<Segment>> {
        let sealed = &segments[..segments.len() - 1];
        let first =
            segments.partition_point(|segment| segment.base_offset() <= first_dirty).saturating_sub(1);
        sealed.iter().skip(first)
    }

    /// Rolls an active segment whose first record is older than `max.compaction.lag.ms`: only then can it be cleaned.
    /// Whether it did.
    ///
    /// # Errors
    /// The disk's.
    pub fn roll_for_compaction(&mut self, now_ms: i64) -> Result<bool, StorageError> {
        let lag_ms = self.config.max_compaction_lag_ms.max(0);
        let first = self.active.first_timestamp.filter(|first| *first > 0);
        let is_old = first.is_some_and(|first| first < now_ms.saturating_sub(lag_ms));
        if !self.config.compact || lag_ms == i64::MAX || !is_old || self.active.segment.size() == 0 {
            return Ok(false);
        }
        self.roll(now_ms)
    }

    /// Begins a cleaning of what [`UnifiedLog::cleanable`] found.
    ///
    /// # Errors
    /// The disk's; [`StorageError::Corrupt`] if an index of aborted transactions cannot be read: then it is not known
    /// which records count.
    pub fn start_cleaning(
        &self,
        cleanable: Cleanable,
        settings: &CleanSettings,
        now_ms: i64,
    ) -> Result<Cleaning, StorageError> {
        let all = self.segments();
        let count = all.partition_point(|segment| segment.base_offset() < cleanable.first_uncleanable_offset);
        // The active segment is never cleaned, whatever was asked.
        let count = count.min(all.len() - 1);
        let segments = all[..count].iter().map(|segment| (Arc::clone(segment), sizes(segment))).collect();
        let rng = self.directory().rng();
        let start = CleaningStart {
            view: self.view(),
            config: Arc::clone(&self.config),
            cleanable,
            segments,
            producers: self.last_records(all[count].base_offset(), now_ms)?,
            aborted: self.aborted_transactions(&all)?,
            hash_key: [rng.next_u64(), rng.next_u64()],
            now_ms,
        };
        Ok(Cleaning::new(start, settings))
    }

    /// What is to stay of the producers when what lies before `end` is cleaned.
    fn last_records(&self, end: i64, now_ms: i64) -> Result<BTreeMap<i64, LastRecord>, StorageError> {
        let durable = self.view.durable_end_offset();
        let is_unsure = |last: Option<i64>| last.is_some_and(|last| last >= durable);
        let has_unsure = self.producers.iter().any(|(_, entry)| is_unsure(entry.last_data_offset()));
        let sure = if has_unsure { self.producers_at(end, now_ms)? } else { ProducerState::default() };
        let sure: BTreeMap<i64, Option<i64>> =
            sure.iter().map(|(producer_id, entry)| (producer_id, entry.last_data_offset())).collect();
        let last = |(producer_id, entry): (i64, &crate::producer_state::ProducerEntry)| {
            let last_data_offset = entry.last_data_offset();
            let sure_data_offset =
                sure.get(&producer_id).copied().flatten().filter(|_| is_unsure(last_data_offset));
            (producer_id, LastRecord { last_data_offset, sure_data_offset, producer_epoch: entry.epoch })
        };
        Ok(self.producers.iter().map(last).collect())
    }

    /// The producers as a segment found them that begins here, by its snapshot.
    fn producers_at(&self, offset: i64, now_ms: i64) -> Result<ProducerState, StorageError> {
        if !self.snapshots.contains(&offset) {
            return Ok(ProducerState::default());
        }
        let bytes = self.directory().disk().read(&self.snapshot_path(offset))?;
        Ok(snapshot::decode(&bytes, now_ms).unwrap_or_default())
    }

    fn aborted_transactions(&self, segments: &[Arc<Segment>]) -> Result<Vec<AbortedTxn>, StorageError> {
        let disk = self.directory().disk();
        let names = disk.list(self.view.dir())?;
        let mut aborted = Vec::new();
        if !names.iter().any(|entry| entry.name.ends_with(TXN_INDEX_SUFFIX) && entry.len > 0) {
            return Ok(aborted);
        }
        for segment in segments {
            let path = segment.path(TXN_INDEX_SUFFIX);
            if !disk.exists(&path) {
                continue;
            }
            let read = txn_index::decode(&disk.read(&path)?).map_err(|reason| StorageError::TxnIndex {
                log: self.view.name(),
                path,
                reason,
            })?;
            aborted.extend(read);
        }
        Ok(aborted)
    }

    /// Puts a finished segment in the place of those it was made of. Whether it could: not if the log was changed
    /// meanwhile, or is not to be compacted any more; then the cleaning has to be given up. Blocks.
    ///
    /// # Errors
    /// The disk's; the directory is offline then, since names may be half changed. The next start completes it.
    pub fn swap_cleaned(&mut self, group: &CleanedGroup, now_ms: i64) -> Result<bool, StorageError> {
        let Some(at) = self.place_of(group) else { return Ok(false) };
        let directory = Arc::clone(self.directory());
        directory.check_online()?;
        if !self.expect_swap(&directory, group)? {
            return Ok(false);
        }
        let renamed =
            self.rename_cleaned(&directory, group).map_err(|error| directory.take_offline(error))?;
        let content = group.proof.last().map(|seal| seal.content);
        let gone = group.replaced.iter().map(|segment| segment.base_offset());
        self.view.proof().note_swapped(group.segment.base_offset(), content, gone);
        let due_ms = now_ms.saturating_add(self.config.file_delete_delay_ms);
        self.waiting.push(super::WaitingFiles { due_ms, paths: renamed });
        self.directory().note_removal_due(due_ms);
        let mut segments = self.segments().as_ref().clone();
        segments.splice(at..at + group.replaced.len(), [Arc::clone(&group.segment)]);
        self.view.set_segments(segments);
        self.view.publish_end(&self.active.segment, self.end_offset());
        self.remove_passing_snapshots();
        Ok(true)
    }

    /// Has the proof file know the new content before it is in place. Whether there was room for that.
    fn expect_swap(&self, directory: &Directory, group: &CleanedGroup) -> Result<bool, StorageError> {
        let first = self.segments()[0].base_offset();
        let base_offset = group.segment.base_offset();
        let (disk, dir) = (directory.disk().as_ref(), self.view.dir());
        let expected = self.view.proof().expect_swap(disk, dir, base_offset, &group.proof, first);
        match expected.map_err(|error| directory.write_failed(error)) {
            Ok(()) => Ok(true),
            Err(error) if error.is_full() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where the group's segments are in the log, if they are there as the cleaning met them.
    fn place_of(&self, group: &CleanedGroup) -> Option<usize> {
        let is_same = Arc::ptr_eq(&group.view, &self.view) && group.generation == self.view.generation();
        if !is_same || !self.config.compact || self.view.is_deleted() {
            return None;
        }
        let segments = self.segments();
        let first = group.replaced.first()?;
        let at = segments.iter().position(|segment| Arc::ptr_eq(segment, first))?;
        let there = segments.get(at..at + group.replaced.len())?;
        let same = there.iter().zip(&group.replaced).zip(&group.sizes);
        let is_active_free = at + group.replaced.len() < segments.len();
        let is_unchanged = same.into_iter().all(|((a, b), size)| Arc::ptr_eq(a, b) && a.size() == *size);
        (is_active_free && is_unchanged).then_some(at)
    }

    /// Three steps, each durable before the next: the new files are there as a whole; the old ones are gone; the new ones
    /// have their names. A start that finds the first step done does the others.
    fn rename_cleaned(
        &self,
        directory: &Directory,
        group: &CleanedGroup,
    ) -> std::io::Result<Vec<std::path::PathBuf>> {
        let disk = directory.disk();
        let dir = self.view.dir();
        let base_offset = group.segment.base_offset();
        let mut suffixes = Vec::new();
        for suffix in SEGMENT_SUFFIXES {
            let from = cleaned_path(dir, base_offset, suffix);
            if suffix == TXN_INDEX_SUFFIX && !disk.exists(&from) {
                continue;
            }
            disk.rename(&from, &swap_path(dir, base_offset, suffix))?;
            suffixes.push(suffix);
        }
        disk.sync_dir(dir)?;
        let mut renamed = Vec::new();
        for segment in &group.replaced {
            renamed.extend(segment.mark_replaced(directory)?);
        }
        disk.sync_dir(dir)?;
        for suffix in suffixes {
            let from = swap_path(dir, base_offset, suffix);
            disk.rename(&from, &segment_path(dir, base_offset, suffix))?;
        }
        disk.sync_dir(dir)?;
        Ok(renamed)
    }
}

fn swap_path(dir: &std::path::Path, base_offset: i64, suffix: &str) -> std::path::PathBuf {
    segment_path(dir, base_offset, &format!("{suffix}{SWAP_SUFFIX}"))
}

fn sizes(segment: &Segment) -> SegmentSizes {
    let (offsets, times) = segment.index_entries();
    SegmentSizes {
        base_offset: segment.base_offset(),
        bytes: segment.size(),
        index_bytes: u64::from(offsets) * 8,
        time_index_bytes: u64::from(times) * 12,
    }
}
