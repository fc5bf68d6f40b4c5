//! What a leader tracks: how far each voter's stable log reaches, and what a majority has. Never who may vote.

use std::collections::{BTreeMap, BTreeSet};

use crate::ReplicaKey;

/// State of a leader's epoch.
#[derive(Debug, Clone)]
pub(crate) struct LeaderState {
    pub(crate) epoch: i32,
    /// Offset of the first batch of this epoch. Nothing is known to be committed before a majority has passed it: an
    /// earlier epoch's batch on a majority may still be lost to an election (Raft §5.4.2).
    epoch_start_offset: i64,
    /// Voters that elected this leader.
    granting_voters: BTreeSet<ReplicaKey>,
    /// End of each voter's stable log.
    end_offsets: BTreeMap<ReplicaKey, i64>,
    high_watermark: Option<i64>,
}

impl LeaderState {
    pub(crate) fn new(
        epoch: i32,
        epoch_start_offset: i64,
        voters: impl Iterator<Item = ReplicaKey>,
        granting_voters: BTreeSet<ReplicaKey>,
    ) -> LeaderState {
        let end_offsets = voters.map(|key| (key, 0)).collect();
        LeaderState { epoch, epoch_start_offset, granting_voters, end_offsets, high_watermark: None }
    }

    /// First offset not known to be committed, if any of this epoch is.
    pub(crate) fn high_watermark(&self) -> Option<i64> {
        self.high_watermark
    }

    pub(crate) fn granting_voters(&self) -> impl Iterator<Item = &ReplicaKey> {
        self.granting_voters.iter()
    }

    /// End of a voter's stable log as far as the leader knows.
    pub(crate) fn end_offset(&self, voter: &ReplicaKey) -> i64 {
        self.end_offsets.get(voter).copied().unwrap_or(0)
    }

    /// A voter's stable log now reaches `end_offset`. Returns the high watermark if that moved it.
    pub(crate) fn update_end_offset(&mut self, voter: ReplicaKey, end_offset: i64) -> Option<i64> {
        let known = self.end_offsets.get_mut(&voter)?;
        *known = (*known).max(end_offset);
        let majority = self.majority_end_offset();
        if majority <= self.epoch_start_offset || self.high_watermark.is_some_and(|old| majority <= old) {
            return None;
        }
        self.high_watermark = Some(majority);
        self.high_watermark
    }

    /// The largest offset that a majority of the voters has reached.
    fn majority_end_offset(&self) -> i64 {
        let mut ends: Vec<i64> = self.end_offsets.values().copied().collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        ends.get(ends.len() / 2).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
