//! The leader's half of a partition: log end offsets of the replicas, the in-sync set and the high watermark.

use std::collections::BTreeMap;

/// What the partition's record in the metadata log says, as far as a leader needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderConfig {
    /// Node id of this replica.
    pub node_id: i32,
    /// The epoch of this leadership; grows with every election.
    pub leader_epoch: i32,
    /// Node ids of all replicas, the leader among them.
    pub replicas: Vec<i32>,
    /// Node ids of the in-sync replicas, the leader among them.
    pub isr: Vec<i32>,
    /// `min.insync.replicas` of the topic; what counts is capped at the number of replicas.
    pub min_insync_replicas: usize,
}

/// All that this core can ask of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Every record below this offset is on all in-sync replicas: readers may see it, parked answers may leave.
    AdvanceHighWatermark(i64),
}

/// The in-sync set is smaller than `min.insync.replicas`: `acks=all` is refused before anything is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotEnoughReplicas {
    /// Replicas in sync.
    pub isr_count: usize,
    /// Replicas asked for, after the cap.
    pub required_count: usize,
}

/// The state of one leadership. A new epoch makes a new `Leader`.
#[derive(Debug, Clone)]
pub struct Leader {
    config: LeaderConfig,
    log_end_offset: i64,
    /// Up to here the leader's own log is as safe as its topic asks: its end, or the end of what is on stable storage.
    safe_end_offset: i64,
    /// Log end offset of each follower as of its last fetch; a follower not yet heard of is at -1.
    follower_ends: BTreeMap<i32, i64>,
    high_watermark: i64,
}

impl Leader {
    /// Takes over a partition whose log ends at `log_end_offset`, is as safe as its topic asks up to `safe_end_offset`, and
    /// whose last known high watermark is given.
    ///
    /// The high watermark only ever grows from there. A sole replica's watermark is the safe end of its log.
    #[must_use]
    pub fn new(config: LeaderConfig, log_end_offset: i64, safe_end_offset: i64, high_watermark: i64) -> Self {
        assert!(config.isr.contains(&config.node_id), "a leader is in its own in-sync set");
        assert!(high_watermark <= log_end_offset, "a high watermark lies inside the log");
        assert!(safe_end_offset <= log_end_offset, "what is safe lies inside the log");
        let follower_ends =
            config.replicas.iter().filter(|id| **id != config.node_id).map(|id| (*id, -1)).collect();
        let mut leader = Self { config, log_end_offset, safe_end_offset, follower_ends, high_watermark };
        leader.high_watermark = leader.high_watermark.max(leader.isr_end_min());
        leader
    }

    /// The epoch of this leadership.
    #[must_use]
    pub fn leader_epoch(&self) -> i32 {
        self.config.leader_epoch
    }

    /// Offset below which every record is committed.
    #[must_use]
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Says whether `acks=all` may append at all.
    pub fn check_min_isr(&self) -> Result<(), NotEnoughReplicas> {
        let required_count = self.required_count();
        let isr_count = self.config.isr.len();
        if isr_count < required_count {
            return Err(NotEnoughReplicas { isr_count, required_count });
        }
        Ok(())
    }

    /// The topic's `min.insync.replicas` changed.
    pub fn handle_min_isr_change(&mut self, min_insync_replicas: usize, effects: &mut Vec<Effect>) {
        self.config.min_insync_replicas = min_insync_replicas;
        self.advance(effects);
    }

    /// The leader's own log now ends at `log_end_offset`, and is as safe as its topic asks up to `safe_end_offset`.
    pub fn handle_local_end(&mut self, log_end_offset: i64, safe_end_offset: i64, effects: &mut Vec<Effect>) {
        assert!(log_end_offset >= self.log_end_offset, "a leader's log only grows");
        self.log_end_offset = log_end_offset;
        self.safe_end_offset = self.safe_end_offset.max(safe_end_offset.min(log_end_offset));
        self.advance(effects);
    }

    /// A follower asked for records from `fetch_offset` on, so it holds everything below.
    ///
    /// A fetch of a node that is no replica changes nothing: it is a consumer that claims an id.
    pub fn handle_follower_fetch(&mut self, replica: i32, fetch_offset: i64, effects: &mut Vec<Effect>) {
        if let Some(end) = self.follower_ends.get_mut(&replica) {
            *end = fetch_offset.min(self.log_end_offset);
            self.advance(effects);
        }
    }

    fn required_count(&self) -> usize {
        self.config.min_insync_replicas.min(self.config.replicas.len())
    }

    /// The smallest end among the in-sync replicas.
    fn isr_end_min(&self) -> i64 {
        let ends = self.config.isr.iter().map(|id| self.follower_ends.get(id).copied());
        ends.map(|end| end.unwrap_or(self.safe_end_offset)).min().unwrap_or(self.safe_end_offset)
    }

    /// Kafka holds the watermark while the in-sync set is below the minimum (since 3.7), so readers stall too.
    fn advance(&mut self, effects: &mut Vec<Effect>) {
        let candidate = self.isr_end_min();
        if candidate > self.high_watermark && self.check_min_isr().is_ok() {
            self.high_watermark = candidate;
            effects.push(Effect::AdvanceHighWatermark(candidate));
        }
    }
}

#[cfg(test)]
mod tests;
