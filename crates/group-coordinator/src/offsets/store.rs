//! Offsets by group, topic and partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use coordinator::AppendQueue;

use super::CommittedOffset;
use crate::pending_append::{Action, PendingAppend};
use crate::record::GroupRecord;

type PartitionOffsets = BTreeMap<i32, CommittedOffset>;
type TopicOffsets = BTreeMap<Arc<str>, PartitionOffsets>;

/// The committed offsets of all groups of a shard.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Offsets {
    groups: BTreeMap<Arc<str>, TopicOffsets>,
}

impl Offsets {
    /// The topics of a group with their offsets.
    pub fn topics(&self, group: &str) -> impl Iterator<Item = (&Arc<str>, &PartitionOffsets)> {
        self.groups.get(group).into_iter().flatten()
    }

    /// The offsets of one topic of a group.
    pub fn topic(&self, group: &str, topic: &str) -> Option<&PartitionOffsets> {
        self.groups.get(group)?.get(topic)
    }

    /// The groups that have offsets.
    pub fn groups(&self) -> impl Iterator<Item = &Arc<str>> {
        self.groups.keys()
    }

    /// Puts an offset in place of an older one.
    pub fn put(&mut self, group: &Arc<str>, topic: &Arc<str>, partition: i32, value: CommittedOffset) {
        self.groups
            .entry(group.clone())
            .or_default()
            .entry(topic.clone())
            .or_default()
            .insert(partition, value);
    }

    /// Forgets an offset.
    pub fn remove(&mut self, group: &str, topic: &str, partition: i32) {
        let Some(topics) = self.groups.get_mut(group) else { return };
        let Some(partitions) = topics.get_mut(topic) else { return };
        partitions.remove(&partition);
        if partitions.is_empty() {
            topics.remove(topic);
        }
        if topics.is_empty() {
            self.groups.remove(group);
        }
    }

    /// The offsets of a group as they will be once everything on its way to the log is committed.
    pub fn latest<'a>(
        &'a self,
        appends: &'a AppendQueue<PendingAppend>,
        group: &str,
    ) -> BTreeMap<(&'a Arc<str>, i32), &'a CommittedOffset> {
        let mut latest = BTreeMap::new();
        for (topic, partitions) in self.topics(group) {
            latest.extend(partitions.iter().map(|(partition, value)| ((topic, *partition), value)));
        }
        for record in records_under_way(appends) {
            match record {
                GroupRecord::Offset { group: changed, topic, partition, value } if **changed == *group => {
                    match value {
                        Some(value) => latest.insert((topic, *partition), value),
                        None => latest.remove(&(topic, *partition)),
                    };
                }
                _ => {}
            }
        }
        latest
    }
}

/// The groups whose offsets are changed by records on their way to the log.
pub(super) fn groups_under_way(appends: &AppendQueue<PendingAppend>) -> impl Iterator<Item = &Arc<str>> {
    records_under_way(appends).map(GroupRecord::group)
}

fn records_under_way(appends: &AppendQueue<PendingAppend>) -> impl Iterator<Item = &GroupRecord> {
    appends
        .iter()
        .filter_map(|pending| match &pending.action {
            Action::Replay(records) => Some(records),
            _ => None,
        })
        .flatten()
}
