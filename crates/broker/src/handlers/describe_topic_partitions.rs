//! DescribeTopicPartitions (key 75, KIP-966): metadata by pages, with eligible leader replicas.

use std::borrow::Cow;
use std::collections::BTreeSet;

use metadata::{MetadataImage, TopicImage};
use protocol::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use protocol::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, ErrorCode};

use crate::authorized_operations::TOPIC_OPERATIONS;
use crate::context::RequestContext;
use crate::node::Node;
use crate::topic_names::is_internal;

/// Answers with as many partitions as the page holds, topics in order of name.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: DescribeTopicPartitionsRequest<'_>,
) -> DescribeTopicPartitionsResponse<'static> {
    let image = node.image.load();
    let cursor = request.cursor.as_ref();
    let from = cursor.map_or("", |cursor| cursor.topic_name.as_ref());
    let first_partition = cursor.map_or(0, |cursor| cursor.partition_index.max(0));
    let names: BTreeSet<&str> = if request.topics.is_empty() {
        image.topics().iter_from(from).map(|topic| topic.name()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.as_ref()).filter(|name| *name >= from).collect()
    };
    let limit = request.response_partition_limit.min(node.config.max_request_partition_size_limit);
    let mut room = usize::try_from(limit).unwrap_or(0).max(1);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names {
        let Some(topic) = image.topics().by_name(name) else {
            response.topics.push(unknown(name));
            continue;
        };
        let start = if name == from { first_partition } else { 0 };
        if room == 0 {
            response.next_cursor = Some(cursor_at(name, start));
            break;
        }
        let left = topic.partitions().filter(|(index, _)| *index >= start).count();
        response.topics.push(describe(&image, topic, start, room));
        if left > room {
            let next = start + i32::try_from(room).unwrap_or(i32::MAX);
            response.next_cursor = Some(cursor_at(name, next));
            break;
        }
        room -= left;
    }
    response
}

fn cursor_at(topic_name: &str, partition_index: i32) -> Cursor<'static> {
    Cursor { topic_name: Cow::Owned(topic_name.to_owned()), partition_index }
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic<'static> {
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        name: Some(Cow::Owned(name.to_owned())),
        is_internal: is_internal(name),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn describe(
    image: &MetadataImage,
    topic: &TopicImage,
    start: i32,
    room: usize,
) -> DescribeTopicPartitionsResponseTopic<'static> {
    let page = topic.partitions().filter(|(index, _)| *index >= start).take(room);
    let partitions = page.map(|(partition_index, partition)| {
        let offline =
            partition.replicas.iter().filter(|id| image.cluster().broker(**id).is_none_or(|b| b.fenced));
        DescribeTopicPartitionsResponsePartition {
            error_code: if partition.has_leader() {
                ErrorCode::NONE
            } else {
                ErrorCode::LEADER_NOT_AVAILABLE
            },
            partition_index,
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            eligible_leader_replicas: Some(partition.elr.clone()),
            last_known_elr: Some(partition.last_known_elr.clone()),
            offline_replicas: offline.copied().collect(),
        }
    });
    DescribeTopicPartitionsResponseTopic {
        name: Some(Cow::Owned(topic.name().to_owned())),
        topic_id: topic.id(),
        is_internal: is_internal(topic.name()),
        partitions: partitions.collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}
