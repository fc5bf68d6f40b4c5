//! One partition of `__consumer_offsets` and the groups it coordinates: the room's only entrance.
//!
//! `handle_*` decides, asks for appends and parks answers; [`GroupShard::replay`] and the end of an append change what
//! is durable. A restart replays the log and calls [`GroupShard::handle_loaded`].

mod appends;
mod group_requests;
mod lifecycle;
mod offset_requests;
mod reads;

use std::collections::BTreeMap;
use std::sync::Arc;

use coordinator::{AppendQueue, Deadlines};
use protocol::DecodeError;

use crate::classic::ClassicGroup;
use crate::config::GroupCoordinatorConfig;
use crate::effect::Effect;
use crate::offsets::Offsets;
use crate::pending_append::PendingAppend;
use crate::record::GroupRecord;
use crate::timer::TimerKey;
use crate::turn::Turn;

/// The groups of one partition, their offsets, and what they wait for.
#[derive(Debug)]
pub struct GroupShard {
    config: GroupCoordinatorConfig,
    groups: BTreeMap<Arc<str>, ClassicGroup>,
    offsets: Offsets,
    appends: AppendQueue<PendingAppend>,
    timers: Deadlines<TimerKey>,
}

impl GroupShard {
    /// A shard without groups.
    pub fn new(config: GroupCoordinatorConfig) -> GroupShard {
        GroupShard {
            config,
            groups: BTreeMap::new(),
            offsets: Offsets::default(),
            appends: AppendQueue::default(),
            timers: Deadlines::default(),
        }
    }

    /// Replays one record of the partition's log. Records of other rooms are skipped.
    ///
    /// # Errors
    /// The record's bytes cannot be read; the state is unchanged.
    pub fn replay(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), DecodeError> {
        if let Some(record) = GroupRecord::decode(key, value)? {
            self.apply(record);
        }
        Ok(())
    }

    /// How many appends are under way.
    pub fn appends_under_way(&self) -> usize {
        self.appends.len()
    }

    /// When [`GroupShard::handle_timeout`] wants to be called, `None` if nothing is waited for.
    pub fn poll_timeout(&self) -> Option<i64> {
        self.timers.next_ms()
    }

    /// The only place where committed records become state.
    fn apply(&mut self, record: GroupRecord) {
        match record {
            GroupRecord::Offset { group, topic, partition, value: Some(value) } => {
                // A consumer that assigns its partitions itself never joins; its offsets alone make the group.
                self.groups
                    .entry(group.clone())
                    .or_insert_with(|| ClassicGroup::new_empty(group.clone(), None))
                    .set_persisted();
                self.offsets.put(&group, &topic, partition, value);
            }
            GroupRecord::Offset { group, topic, partition, value: None } => {
                self.offsets.remove(&group, &topic, partition);
            }
            GroupRecord::Group { group, value: Some(value) } => {
                let loaded = ClassicGroup::from_record(group.clone(), &value);
                self.groups.insert(group, loaded);
            }
            GroupRecord::Group { group, value: None } => {
                self.groups.remove(&group);
            }
        }
    }

    /// The committed offsets. Tests only.
    #[cfg(test)]
    pub(crate) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Panics if a group contradicts itself. Tests only.
    #[cfg(test)]
    pub(crate) fn check(&self) {
        for group in self.groups.values() {
            let is_writing = self.appends.iter().any(|pending| pending.groups().contains(&group.id()));
            group.check(&self.timers, is_writing);
        }
    }

    /// Borrows the groups and everything a call may touch besides.
    fn turn<'a>(
        &'a mut self,
        now_ms: i64,
        effects: &'a mut Vec<Effect>,
    ) -> (&'a mut BTreeMap<Arc<str>, ClassicGroup>, &'a Offsets, Turn<'a>) {
        let turn = Turn {
            now_ms,
            config: &self.config,
            timers: &mut self.timers,
            appends: &mut self.appends,
            effects,
            appended: false,
        };
        (&mut self.groups, &self.offsets, turn)
    }
}
