//! Where each leader epoch starts in one log (KIP-101, KIP-279).
//!
//! Owns the epoch entries and the answers given from them. It never touches the disk: whoever changes the entries
//! writes the checkpoint file.

use records::NO_PARTITION_LEADER_EPOCH;

/// A leader epoch and the offset of the first batch written under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEntry {
    /// The leader epoch.
    pub epoch: i32,
    /// Offset of its first batch.
    pub start_offset: i64,
}

/// The end of a leader epoch, as `OffsetForLeaderEpoch` asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// The largest known epoch not above the requested one.
    pub epoch: i32,
    /// Where the next epoch starts, or the log end.
    pub end_offset: i64,
}

/// The epochs of one log, both numbers strictly rising.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EpochCache {
    entries: Vec<EpochEntry>,
}

impl EpochCache {
    pub(crate) fn entries(&self) -> &[EpochEntry] {
        &self.entries
    }

    pub(crate) fn latest(&self) -> Option<EpochEntry> {
        self.entries.last().copied()
    }

    /// Notes that `epoch` starts at `start_offset`; entries that contradict it are dropped. Whether anything changed.
    ///
    /// A log's batches never go back in epoch, so a lower epoch at a higher offset means that the entries in the way
    /// never got data, or that their data was truncated.
    pub(crate) fn assign(&mut self, epoch: i32, start_offset: i64) -> bool {
        if epoch < 0 || start_offset < 0 {
            return false;
        }
        if let Some(last) = self.latest()
            && last.epoch == epoch
            && last.start_offset <= start_offset
        {
            return false;
        }
        self.entries.retain(|e| e.epoch < epoch && e.start_offset < start_offset);
        self.entries.push(EpochEntry { epoch, start_offset });
        true
    }

    /// Forgets the epochs that start at `end_offset` or later. Whether anything changed.
    pub(crate) fn truncate_from_end(&mut self, end_offset: i64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|e| e.start_offset < end_offset);
        self.entries.len() != before
    }

    /// Forgets what lies before `start_offset`; the epoch that covers it then starts there. Whether anything changed.
    pub(crate) fn truncate_from_start(&mut self, start_offset: i64) -> bool {
        let covering = self.entries.partition_point(|e| e.start_offset <= start_offset);
        if covering == 0 || (covering == 1 && self.entries[0].start_offset == start_offset) {
            return false;
        }
        self.entries.drain(..covering - 1);
        self.entries[0].start_offset = start_offset;
        true
    }

    /// Forgets everything. Whether there was anything.
    pub(crate) fn clear(&mut self) -> bool {
        let had = !self.entries.is_empty();
        self.entries.clear();
        had
    }

    /// The epoch of the batch at `offset`.
    pub(crate) fn epoch_for_offset(&self, offset: i64) -> Option<i32> {
        let covering = self.entries.partition_point(|e| e.start_offset <= offset);
        covering.checked_sub(1).map(|i| self.entries[i].epoch)
    }

    /// Where `epoch` ends; `None` when nothing is known of it (Kafka's `UNDEFINED_EPOCH`, -1/-1).
    ///
    /// The latest epoch ends at the log end. An epoch older than all known ones ends where the first known starts,
    /// under its own number: its data is gone, and a follower may start there.
    pub(crate) fn end_offset_for(&self, epoch: i32, log_end_offset: i64) -> Option<EpochEndOffset> {
        if epoch == NO_PARTITION_LEADER_EPOCH {
            return None;
        }
        if self.latest().is_some_and(|last| last.epoch == epoch) {
            return Some(EpochEndOffset { epoch, end_offset: log_end_offset });
        }
        let higher = self.entries.partition_point(|e| e.epoch <= epoch);
        let next = self.entries.get(higher)?;
        let found = higher.checked_sub(1).map_or(epoch, |i| self.entries[i].epoch);
        Some(EpochEndOffset { epoch: found, end_offset: next.start_offset })
    }
}

impl FromIterator<(i32, i64)> for EpochCache {
    fn from_iter<I: IntoIterator<Item = (i32, i64)>>(pairs: I) -> Self {
        let mut cache = Self::default();
        for (epoch, start_offset) in pairs {
            cache.assign(epoch, start_offset);
        }
        cache
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(pairs: &[(i32, i64)]) -> EpochCache {
        pairs.iter().copied().collect()
    }

    fn end(epoch: i32, end_offset: i64) -> Option<EpochEndOffset> {
        Some(EpochEndOffset { epoch, end_offset })
    }

    #[test]
    fn entries_rise_and_contradictions_go() {
        assert_eq!(cache(&[(1, 0), (2, 10), (2, 12)]), cache(&[(1, 0), (2, 10)]));
        assert_eq!(cache(&[(1, 0), (2, 10), (3, 10)]), cache(&[(1, 0), (3, 10)]));
        assert_eq!(cache(&[(1, 0), (5, 10), (4, 20)]), cache(&[(1, 0), (4, 20)]));
        assert_eq!(cache(&[(1, 0), (2, 10), (2, 5)]), cache(&[(1, 0), (2, 5)]));
        assert_eq!(cache(&[(-1, 0), (1, -1)]), cache(&[]));
    }

    #[test]
    fn ends_of_epochs_are_kafkas() {
        let epochs = cache(&[(2, 10), (4, 20), (7, 30)]);
        assert_eq!(epochs.end_offset_for(-1, 40), None);
        assert_eq!(epochs.end_offset_for(1, 40), end(1, 10));
        assert_eq!(epochs.end_offset_for(2, 40), end(2, 20));
        assert_eq!(epochs.end_offset_for(3, 40), end(2, 20));
        assert_eq!(epochs.end_offset_for(5, 40), end(4, 30));
        assert_eq!(epochs.end_offset_for(7, 40), end(7, 40));
        assert_eq!(epochs.end_offset_for(8, 40), None);
        assert_eq!(cache(&[]).end_offset_for(0, 40), None);
    }

    #[test]
    fn truncation_keeps_the_covering_epoch() {
        let mut epochs = cache(&[(2, 10), (4, 20), (7, 30)]);
        assert!(!epochs.truncate_from_start(5));
        assert!(!epochs.truncate_from_start(10));
        assert!(epochs.truncate_from_start(25));
        assert_eq!(epochs, cache(&[(4, 25), (7, 30)]));
        assert!(epochs.truncate_from_end(30));
        assert_eq!(epochs, cache(&[(4, 25)]));
        assert!(!epochs.truncate_from_end(26));
        assert!(epochs.truncate_from_end(25));
        assert!(!epochs.clear());
    }

    #[test]
    fn the_epoch_of_an_offset_is_the_covering_one() {
        let epochs = cache(&[(2, 10), (4, 20)]);
        assert_eq!(epochs.epoch_for_offset(9), None);
        assert_eq!(epochs.epoch_for_offset(10), Some(2));
        assert_eq!(epochs.epoch_for_offset(19), Some(2));
        assert_eq!(epochs.epoch_for_offset(1000), Some(4));
    }
}
