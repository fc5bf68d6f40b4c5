//! OffsetFetch: what is committed, for one group.

use std::sync::Arc;

use protocol::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use protocol::{ErrorCode, Uuid};

use super::{CommittedOffset, Offsets};

/// The answer where nothing is committed.
const NO_OFFSET: i64 = -1;
const NO_LEADER_EPOCH: i32 = -1;

/// The committed offsets of the partitions asked for, or of all partitions if none are named.
pub(crate) fn fetch(
    offsets: &Offsets,
    request: &OffsetFetchRequestGroup<'_>,
) -> OffsetFetchResponseGroup<'static> {
    let topics = match &request.topics {
        Some(topics) => topics.iter().map(|topic| fetch_topic(offsets, &request.group_id, topic)).collect(),
        None => fetch_all(offsets, &request.group_id),
    };
    OffsetFetchResponseGroup { group_id: request.group_id.to_string().into(), topics, ..Default::default() }
}

/// The answer for a group whose offsets could not be read.
pub(crate) fn fetch_failed(
    request: &OffsetFetchRequestGroup<'_>,
    error: ErrorCode,
) -> OffsetFetchResponseGroup<'static> {
    OffsetFetchResponseGroup {
        group_id: request.group_id.to_string().into(),
        error_code: error,
        ..Default::default()
    }
}

fn fetch_topic(
    offsets: &Offsets,
    group: &str,
    topic: &OffsetFetchRequestTopics<'_>,
) -> OffsetFetchResponseTopics<'static> {
    let committed = offsets.topic(group, &topic.name);
    let partitions = topic
        .partition_indexes
        .iter()
        .map(|partition| {
            let offset = committed
                .and_then(|partitions| partitions.get(partition))
                .filter(|offset| is_same_topic(offset.topic_id, topic.topic_id));
            answer(*partition, offset)
        })
        .collect();
    OffsetFetchResponseTopics { name: topic.name.to_string().into(), topic_id: topic.topic_id, partitions }
}

fn fetch_all(offsets: &Offsets, group: &str) -> Vec<OffsetFetchResponseTopics<'static>> {
    offsets
        .topics(group)
        .map(|(topic, partitions)| OffsetFetchResponseTopics {
            name: Arc::clone(topic).to_string().into(),
            partitions: partitions
                .iter()
                .map(|(partition, offset)| answer(*partition, Some(offset)))
                .collect(),
            ..Default::default()
        })
        .collect()
}

fn answer(partition: i32, offset: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions<'static> {
    OffsetFetchResponsePartitions {
        partition_index: partition,
        committed_offset: offset.map_or(NO_OFFSET, |offset| offset.offset),
        committed_leader_epoch: offset.map_or(NO_LEADER_EPOCH, |offset| offset.leader_epoch),
        metadata: Some(offset.map_or_else(String::new, |offset| offset.metadata.to_string()).into()),
        ..Default::default()
    }
}

/// An offset of a topic that was deleted and created again under its old name does not count. Who does not know ids
/// compares names only.
fn is_same_topic(committed: Uuid, asked: Uuid) -> bool {
    committed.is_zero() || asked.is_zero() || committed == asked
}
