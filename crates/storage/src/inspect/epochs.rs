//! Which leader epoch a batch should have.
//!
//! Owns the judgement: a batch's epoch is under no checksum of its own, nor is the checkpoint, so each is asked about the
//! other, and the neighbours about both.

use records::{BatchHeader, NO_PARTITION_LEADER_EPOCH};

use crate::epoch_cache::EpochCache;

/// The epochs of a log as its checkpoint tells them, and as the batches do.
pub(super) struct Epochs {
    checkpoint: Option<EpochCache>,
    /// Of the last batch; -1 before the first.
    latest: i32,
    /// As the batches tell.
    pub(super) found: EpochCache,
    /// The first offset at which the batches agree with each other against the checkpoint.
    pub(super) contradicted_at: Option<i64>,
    /// The first offset at which they go back, all of them.
    pub(super) back_at: Option<i64>,
}

impl Epochs {
    pub(super) fn new(checkpoint: Option<EpochCache>) -> Self {
        Self { checkpoint, latest: -1, found: EpochCache::default(), contradicted_at: None, back_at: None }
    }

    /// The epoch a batch should have, if it has another one and nothing speaks for that.
    pub(super) fn wrong(&mut self, header: &BatchHeader, after: Option<&BatchHeader>) -> Option<i32> {
        let epoch = header.partition_leader_epoch;
        if epoch == NO_PARTITION_LEADER_EPOCH || header.is_legacy() {
            return None;
        }
        let after = after.map(|after| after.partition_leader_epoch).filter(|epoch| *epoch >= 0);
        let known = self.checkpoint.as_ref().and_then(|cache| cache.epoch_for_offset(header.base_offset));
        let rises = epoch >= self.latest && after.is_none_or(|after| after >= epoch);
        match known {
            Some(known) if known == epoch => None,
            Some(_) if rises && (after == Some(epoch) || self.latest == epoch) => {
                self.contradicted_at.get_or_insert(header.base_offset);
                None
            }
            Some(known) => Some(known),
            None if rises => None,
            None if epoch < self.latest && after.is_some_and(|after| after < self.latest) => {
                self.back_at.get_or_insert(header.base_offset);
                None
            }
            None => Some(self.latest.max(after.unwrap_or(-1).min(epoch))),
        }
    }

    /// The epoch that everything speaks for at an offset between two batches.
    pub(super) fn between(&self, offset: i64, own: i32, after: Option<i32>) -> Option<i32> {
        let known = self.checkpoint.as_ref().and_then(|cache| cache.epoch_for_offset(offset));
        match (known, after) {
            (Some(known), _) => Some(known),
            (None, Some(after)) if after == self.latest => Some(after),
            (None, None) if own == self.latest => Some(own),
            _ => None,
        }
    }

    pub(super) fn latest(&self) -> i32 {
        self.latest
    }

    pub(super) fn take(&mut self, header: &BatchHeader) {
        if header.partition_leader_epoch >= 0 && !header.is_legacy() {
            self.latest = header.partition_leader_epoch;
            if self.found.latest().is_none_or(|latest| latest.epoch < self.latest) {
                self.found.assign(self.latest, header.base_offset);
            }
        }
    }
}
