//! Timestamps of a segment: the largest, and the first record at or after one.
//!
//! Owns the only reads of this room that look inside a batch.

use std::sync::Arc;

use platform::{Disk, OpenMode};
use records::{Batch, BatchError, DEFAULT_DECOMPRESSED_LIMIT_BYTES};

use super::{Segment, SegmentFault};
use crate::directory::Directory;
use crate::index::{TimeEntry, search_file};
use crate::layout::TIME_INDEX_SUFFIX;
use crate::scan::{BadBatch, BatchScan, FoundBatch, SMALL_WINDOW_BYTES};

/// A record found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record's timestamp, in ms.
    pub timestamp: i64,
    /// The record's offset.
    pub offset: i64,
    /// The leader epoch its batch was written under, -1 if unknown.
    pub leader_epoch: i32,
}

impl Segment {
    /// The largest timestamp of the first batch; `None` for an empty segment.
    pub(crate) fn first_timestamp(
        self: &Arc<Self>,
        directory: &Directory,
    ) -> Result<Option<i64>, SegmentFault> {
        let mut first = None;
        self.for_each_batch(directory, 0, self.size(), |batch| {
            first = Some(batch.header.max_timestamp);
            Ok(false)
        })?;
        Ok(first)
    }

    /// Calls `each` for the batches in `from..size` until it says `false`.
    pub(crate) fn for_each_batch(
        self: &Arc<Self>,
        directory: &Directory,
        from: u64,
        size: u64,
        mut each: impl FnMut(&FoundBatch) -> Result<bool, SegmentFault>,
    ) -> Result<(), SegmentFault> {
        if from >= size {
            return Ok(());
        }
        let file = self.file(directory, false)?;
        let mut window = [0; SMALL_WINDOW_BYTES];
        let mut scan = BatchScan::new(file.as_ref(), &mut window, from, size);
        while let Some(batch) = self.step(directory, &mut scan)? {
            if !each(&batch)? {
                break;
            }
        }
        Ok(())
    }

    /// The first record with this timestamp or a later one, and with `starting_offset` or a later one.
    pub(crate) fn find_timestamp(
        self: &Arc<Self>,
        directory: &Directory,
        timestamp: i64,
        starting_offset: i64,
    ) -> Result<Option<TimestampOffset>, SegmentFault> {
        let size = self.size();
        let from = self.time_search_start(directory, timestamp, starting_offset, size)?;
        let mut found = None;
        self.for_each_batch(directory, from, size, |batch| {
            if batch.header.max_timestamp < timestamp || batch.header.last_offset() < starting_offset {
                return Ok(true);
            }
            found = self.record_at_time(directory, batch, timestamp, starting_offset)?;
            Ok(found.is_none())
        })?;
        Ok(found)
    }

    /// The first record with the largest timestamp of the segment; `None` if no record has a timestamp.
    pub(crate) fn find_max_timestamp(
        self: &Arc<Self>,
        directory: &Directory,
    ) -> Result<Option<TimestampOffset>, SegmentFault> {
        let max = self.max_timestamp(directory)?;
        if max.timestamp < 0 {
            return Ok(None);
        }
        match self.find(directory, max.offset, self.size())? {
            Some(batch) => self.record_at_time(directory, &batch, max.timestamp, self.base_offset),
            None => Ok(None),
        }
    }

    /// A position before which no record has this timestamp or a later one.
    fn time_search_start(
        self: &Arc<Self>,
        directory: &Directory,
        timestamp: i64,
        starting_offset: i64,
        size: u64,
    ) -> Result<u64, SegmentFault> {
        let disk = directory.disk().as_ref();
        let mut from = 0;
        if let Some(entry) = self.time_entry(disk, timestamp)
            && let Some(batch) = self.check_time_entry(directory, entry, size)?
        {
            from = batch.position;
        }
        if starting_offset > self.base_offset
            && let Some(batch) = self.find(directory, starting_offset, size)?
        {
            from = from.max(batch.position);
        }
        Ok(from)
    }

    /// The last time-index entry that is not after `timestamp`.
    fn time_entry(&self, disk: &dyn Disk, timestamp: i64) -> Option<TimeEntry> {
        let at_most = |e: &TimeEntry| e.timestamp <= timestamp;
        let in_file = match self.index.lock().times.search_memory(at_most) {
            Ok(entry) => return Some(entry),
            Err(in_file) => in_file,
        };
        if in_file.is_empty() {
            return None;
        }
        let file = disk.open(&self.path(TIME_INDEX_SUFFIX), OpenMode::Read).ok()?;
        search_file(file.as_ref(), in_file, 0.5, at_most).ok().flatten()
    }

    /// The batch a time-index entry names, if it is as the entry says.
    pub(super) fn check_time_entry(
        self: &Arc<Self>,
        directory: &Directory,
        entry: TimeEntry,
        size: u64,
    ) -> Result<Option<FoundBatch>, SegmentFault> {
        let offset = self.base_offset + i64::from(entry.relative_offset);
        let found = self.find(directory, offset, size)?.filter(|batch| {
            batch.header.last_offset() == offset && batch.header.max_timestamp == entry.timestamp
        });
        if found.is_none() {
            tracing::warn!(path = %self.path(TIME_INDEX_SUFFIX).display(), "a time index entry is wrong");
        }
        Ok(found)
    }

    /// The first record of a batch with this timestamp or a later one.
    fn record_at_time(
        self: &Arc<Self>,
        directory: &Directory,
        found: &FoundBatch,
        timestamp: i64,
        starting_offset: i64,
    ) -> Result<Option<TimestampOffset>, SegmentFault> {
        let bad =
            |error: BatchError| SegmentFault::Bad { position: found.position, bad: BadBatch::Header(error) };
        let mut bytes = vec![0; found.header.size_bytes()];
        self.file(directory, false)?.read_exact_at(&mut bytes, found.position)?;
        let batch = Batch::parse(&bytes).map_err(bad)?;
        batch.verify_crc().map_err(bad)?;
        let mut plain = Vec::new();
        for record in batch.open(DEFAULT_DECOMPRESSED_LIMIT_BYTES, &mut plain).map_err(bad)? {
            let record = record.map_err(bad)?;
            if record.timestamp >= timestamp && record.offset >= starting_offset {
                let leader_epoch = found.header.partition_leader_epoch;
                return Ok(Some(TimestampOffset {
                    timestamp: record.timestamp,
                    offset: record.offset,
                    leader_epoch,
                }));
            }
        }
        Ok(None)
    }
}
