//! What the task has for one partition that this node leads.

use std::collections::VecDeque;

use coordinator::AppendId;
use group_coordinator::GroupShard;

use super::append_batch::WaitingAppend;
use super::load::ShardLoad;
use super::offsets_log::Leadership;

/// One partition's coordinator.
#[derive(Debug)]
pub(super) struct Slot {
    /// Since when, so to speak: another leadership means another slot.
    pub leadership: Leadership,
    /// Tells results for this slot from those for an earlier one of the same partition.
    pub incarnation: u64,
    pub state: SlotState,
}

/// How far a slot has come.
#[derive(Debug)]
pub(super) enum SlotState {
    /// The log is being read.
    Loading { load: ShardLoad, next_offset: i64, end_offset: i64 },
    /// The shard serves.
    Active(Active),
    /// The log could not be read.
    Failed,
}

/// A shard that serves, with its appends.
#[derive(Debug)]
pub(super) struct Active {
    pub shard: GroupShard,
    /// Not written yet, oldest first.
    pub waiting: VecDeque<WaitingAppend>,
    /// The batch that is being written.
    pub writing: Option<Writing>,
}

/// The appends in the batch that is being written.
#[derive(Debug)]
pub(super) struct Writing {
    pub complete: Vec<AppendId>,
    pub partial: Option<AppendId>,
}

impl Active {
    pub fn new(shard: GroupShard) -> Active {
        Active { shard, waiting: VecDeque::new(), writing: None }
    }
}
