//! Offsets that go: by OffsetDelete, with their group, with their topic.

use std::collections::BTreeSet;
use std::sync::Arc;

use coordinator::AppendQueue;
use protocol::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use protocol::{ErrorCode, OffsetDeleteRequest, OffsetDeleteResponse, Uuid};

use super::Offsets;
use super::store::groups_under_way;
use crate::pending_append::PendingAppend;
use crate::record::GroupRecord;

/// A topic that no longer exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTopic {
    /// Its id.
    pub id: Uuid,
    /// The name it had.
    pub name: String,
}

/// The tombstones of an OffsetDelete that was found valid, and its answer. `is_subscribed` says which topics are in
/// use; their offsets stay.
pub(crate) fn delete(
    offsets: &Offsets,
    appends: &AppendQueue<PendingAppend>,
    group: &Arc<str>,
    request: &OffsetDeleteRequest<'_>,
    is_subscribed: impl Fn(&str) -> bool,
) -> (Vec<GroupRecord>, OffsetDeleteResponse<'static>) {
    let latest = offsets.latest(appends, group);
    let mut records = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let name: Arc<str> = Arc::from(&*topic.name);
        let subscribed = is_subscribed(&name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let partition = partition.partition_index;
            if !subscribed && latest.contains_key(&(&name, partition)) {
                records.push(tombstone(group, &name, partition));
            }
            let error_code = match subscribed {
                true => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
                false => ErrorCode::NONE,
            };
            partitions.push(OffsetDeleteResponsePartition { partition_index: partition, error_code });
        }
        topics.push(OffsetDeleteResponseTopic { name: topic.name.to_string().into(), partitions });
    }
    (records, OffsetDeleteResponse { topics, ..Default::default() })
}

/// The tombstones of all offsets of a group.
pub(crate) fn delete_all(
    offsets: &Offsets,
    appends: &AppendQueue<PendingAppend>,
    group: &Arc<str>,
) -> Vec<GroupRecord> {
    offsets
        .latest(appends, group)
        .into_keys()
        .map(|(topic, partition)| tombstone(group, topic, partition))
        .collect()
}

/// The tombstones of all offsets of `topics`. An offset of a topic that already lives again under the same name stays.
pub(crate) fn delete_topics(
    offsets: &Offsets,
    appends: &AppendQueue<PendingAppend>,
    topics: &[DeletedTopic],
) -> Vec<GroupRecord> {
    let groups: BTreeSet<&Arc<str>> = offsets.groups().chain(groups_under_way(appends)).collect();
    let mut records = Vec::new();
    for group in groups {
        for ((topic, partition), offset) in offsets.latest(appends, group) {
            let is_deleted = |deleted: &DeletedTopic| {
                *deleted.name == **topic && (offset.topic_id.is_zero() || offset.topic_id == deleted.id)
            };
            if topics.iter().any(is_deleted) {
                records.push(tombstone(group, topic, partition));
            }
        }
    }
    records
}

/// The record that deletes an offset.
pub(super) fn tombstone(group: &Arc<str>, topic: &Arc<str>, partition: i32) -> GroupRecord {
    GroupRecord::Offset { group: group.clone(), topic: topic.clone(), partition, value: None }
}
