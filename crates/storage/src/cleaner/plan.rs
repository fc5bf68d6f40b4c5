//! Which part of a log may be cleaned, how much of it is dirty, and which segments become one.
//!
//! Owns these rules, on numbers alone. It never touches the disk.

use std::ops::Range;

/// What a segment brings to the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentSizes {
    pub(crate) base_offset: i64,
    pub(crate) bytes: u64,
    pub(crate) index_bytes: u64,
    pub(crate) time_index_bytes: u64,
}

/// The state of a log as compaction sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cleanable {
    /// Where the part begins that was never cleaned.
    pub first_dirty_offset: i64,
    /// Where the part ends that may be cleaned: the base offset of a segment.
    pub first_uncleanable_offset: i64,
    /// Bytes of the segments before the dirty part.
    pub clean_bytes: u64,
    /// Bytes of the segments that are dirty and may be cleaned.
    pub cleanable_bytes: u64,
    /// Whether `max.compaction.lag.ms` is over for one of them.
    pub is_overdue: bool,
    /// Whether the offset that was remembered from the last cleaning is outside the log, so that it has to be forgotten.
    pub is_reset: bool,
    /// When to look again though nothing was appended: a lag is over then (ms).
    pub next_look_ms: Option<i64>,
}

impl Cleanable {
    /// The dirty share of what may be looked at, from 0 to 1.
    pub fn dirty_ratio(&self) -> f64 {
        let total = self.clean_bytes + self.cleanable_bytes;
        if total == 0 { 0.0 } else { self.cleanable_bytes as f64 / total as f64 }
    }

    /// Whether a cleaning is due under this `min.cleanable.dirty.ratio`.
    pub fn is_due(&self, min_dirty_ratio: f64) -> bool {
        self.cleanable_bytes > 0 && (self.is_overdue || self.dirty_ratio() > min_dirty_ratio)
    }
}

/// Where cleaning goes on: the remembered offset, or the log start if that is no offset of the log. Whether it is.
pub(crate) fn first_dirty_offset(
    remembered: Option<i64>,
    log_start_offset: i64,
    log_end_offset: i64,
) -> (i64, bool) {
    match remembered {
        None => (log_start_offset, false),
        Some(offset) if offset < log_start_offset || offset > log_end_offset => (log_start_offset, true),
        Some(offset) => (offset, false),
    }
}

/// Groups neighbouring segments such that each group becomes one segment, and no larger than one may be.
pub(crate) fn group(
    segments: &[SegmentSizes],
    bytes_max: u64,
    index_bytes_max: u64,
    end_offset: i64,
) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = 0;
    while let Some(first) = segments.get(start) {
        let mut sum = *first;
        let mut end = start + 1;
        while let Some(next) = segments.get(end) {
            let last_offset = segments.get(end + 1).map_or(end_offset, |after| after.base_offset) - 1;
            let fits = sum.bytes + next.bytes <= bytes_max
                && sum.index_bytes + next.index_bytes <= index_bytes_max
                && sum.time_index_bytes + next.time_index_bytes <= index_bytes_max
                && (next.bytes == 0 || last_offset - first.base_offset <= i64::from(i32::MAX));
            if !fits {
                break;
            }
            sum.bytes += next.bytes;
            sum.index_bytes += next.index_bytes;
            sum.time_index_bytes += next.time_index_bytes;
            end += 1;
        }
        groups.push(start..end);
        start = end;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(base_offset: i64, bytes: u64) -> SegmentSizes {
        SegmentSizes { base_offset, bytes, index_bytes: 8, time_index_bytes: 12 }
    }

    #[test]
    fn groups_respect_every_bound() {
        let segments = [segment(0, 40), segment(10, 60), segment(20, 70), segment(30, 20), segment(40, 200)];
        assert_eq!(group(&segments, 100, 1000, 50), [0..2, 2..4, 4..5]);
        assert_eq!(group(&segments, 1000, 1000, 50), vec![0..5]);
        assert_eq!(group(&segments, 1000, 25, 50), [0..2, 2..4, 4..5], "time indexes are full");
        assert_eq!(group(&segments, 1000, 23, 50), [0..1, 1..2, 2..3, 3..4, 4..5]);
        assert!(group(&[], 1000, 1000, 50).is_empty());
    }

    #[test]
    fn offsets_of_a_group_fit_into_its_indexes() {
        let far = i64::from(i32::MAX);
        let segments = [segment(0, 1), segment(10, 1), segment(far + 1, 1)];
        assert_eq!(group(&segments, 100, 1000, far + 2), [0..2, 2..3]);
        let segments = [segment(0, 1), segment(10, 1), segment(far + 2, 1)];
        assert_eq!(group(&segments, 100, 1000, far + 9), [0..1, 1..3], "the second may reach too far");
        let empty = [segment(0, 1), segment(far, 0), segment(2 * far, 0)];
        assert_eq!(group(&empty, 100, 1000, 3 * far), vec![0..3], "empty segments need no index");
    }

    #[test]
    fn the_remembered_offset_has_to_be_in_the_log() {
        assert_eq!(first_dirty_offset(None, 5, 10), (5, false));
        assert_eq!(first_dirty_offset(Some(7), 5, 10), (7, false));
        assert_eq!(first_dirty_offset(Some(10), 5, 10), (10, false));
        assert_eq!(first_dirty_offset(Some(4), 5, 10), (5, true));
        assert_eq!(first_dirty_offset(Some(11), 5, 10), (5, true));
    }

    #[test]
    fn a_cleaning_is_due_by_ratio_or_by_lag() {
        let log = Cleanable {
            first_dirty_offset: 0,
            first_uncleanable_offset: 10,
            clean_bytes: 60,
            cleanable_bytes: 40,
            is_overdue: false,
            is_reset: false,
            next_look_ms: None,
        };
        assert!(log.is_due(0.39) && !log.is_due(0.4));
        let overdue = Cleanable { is_overdue: true, ..log };
        assert!(overdue.is_due(1.0));
        assert!(!Cleanable { cleanable_bytes: 0, ..overdue }.is_due(0.0));
        assert_eq!(Cleanable { clean_bytes: 0, cleanable_bytes: 0, ..log }.dirty_ratio(), 0.0);
    }
}
