//! The largest timestamp of a segment.
//!
//! Owns finding it without reading the segment, where that can be, and never taking less for it.

use std::sync::Arc;

use platform::OpenMode;

use super::{Segment, SegmentFault};
use crate::directory::Directory;
use crate::index::{TimeEntry, entry_at};
use crate::layout::TIME_INDEX_SUFFIX;
use crate::scan::FoundBatch;

/// The largest timestamp and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MaxTimestamp {
    /// The timestamp (ms), -1 if no record has one.
    pub(crate) timestamp: i64,
    /// Last offset of the first batch with it.
    pub(crate) offset: i64,
}

impl MaxTimestamp {
    /// No record has a timestamp.
    pub(crate) fn none(base_offset: i64) -> Self {
        Self { timestamp: -1, offset: base_offset }
    }

    pub(crate) fn note(&mut self, timestamp: i64, last_offset: i64) {
        if timestamp > self.timestamp {
            *self = Self { timestamp, offset: last_offset };
        }
    }
}

/// What is known of the largest timestamp of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LargestTimestamp {
    /// All of it.
    Known(MaxTimestamp),
    /// Only that of the batches from position `before` on.
    Unknown {
        before: u64,
        /// Whether the last entry of the time index tells it for the others: it does once a segment was closed, and
        /// before that only up to the batch it names.
        is_closed: bool,
        since: MaxTimestamp,
    },
}

impl LargestTimestamp {
    /// Nothing is known of the batches before this position, which is the end.
    pub(crate) fn unknown(base_offset: i64, before: u64, is_closed: bool) -> Self {
        Self::Unknown { before, is_closed, since: MaxTimestamp::none(base_offset) }
    }

    /// Takes in a batch at the end.
    pub(crate) fn note(&mut self, timestamp: i64, last_offset: i64) {
        match self {
            Self::Known(max) => max.note(timestamp, last_offset),
            Self::Unknown { since, .. } => since.note(timestamp, last_offset),
        }
    }
}

impl Segment {
    /// The largest timestamp. It is found once, by a walk if need be.
    pub(crate) fn max_timestamp(
        self: &Arc<Self>,
        directory: &Directory,
    ) -> Result<MaxTimestamp, SegmentFault> {
        let (before, is_closed) = match self.index.lock().largest {
            LargestTimestamp::Known(max) => return Ok(max),
            LargestTimestamp::Unknown { before, is_closed, .. } => (before, is_closed),
        };
        let mut max = MaxTimestamp::none(self.base_offset);
        let mut from = 0;
        if let Some((entry, batch)) = self.last_time_entry(directory, before)? {
            max.note(entry.timestamp, batch.header.last_offset());
            from = if is_closed { before } else { batch.end() };
        }
        self.for_each_batch(directory, from, before, |batch| {
            max.note(batch.header.max_timestamp, batch.header.last_offset());
            Ok(true)
        })?;
        let mut index = self.index.lock();
        // The writer may have gone on meanwhile.
        if let LargestTimestamp::Unknown { since, .. } = index.largest {
            max.note(since.timestamp, since.offset);
            index.largest = LargestTimestamp::Known(max);
        }
        Ok(max)
    }

    /// The last entry of the time index and its batch, if they agree.
    fn last_time_entry(
        self: &Arc<Self>,
        directory: &Directory,
        before: u64,
    ) -> Result<Option<(TimeEntry, FoundBatch)>, SegmentFault> {
        let (count, last) = {
            let index = self.index.lock();
            (index.times.len(), index.times.last())
        };
        let Some(number) = count.checked_sub(1) else { return Ok(None) };
        let entry = match last {
            Some(entry) => entry,
            None => {
                let file = directory.disk().open(&self.path(TIME_INDEX_SUFFIX), OpenMode::Read);
                let Ok(entry) = file.and_then(|file| entry_at::<TimeEntry>(file.as_ref(), number)) else {
                    return Ok(None);
                };
                entry
            }
        };
        Ok(self.check_time_entry(directory, entry, before)?.map(|batch| (entry, batch)))
    }
}
