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
use crate::listener_view::{ListenerView, NO_LEADER};
use crate::node::Node;
use crate::topic_names::{is_internal, is_valid_topic_name};

/// Answers with as many partitions as the page holds, topics in order of name.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: DescribeTopicPartitionsRequest<'_>,
) -> DescribeTopicPartitionsResponse<'static> {
    let image = node.image.load();
    let limit = request.response_partition_limit.min(node.config.max_request_partition_size_limit);
    let view = View { image: &image, brokers: ListenerView::new(&image, ctx.listener_name) };
    view.page(&request, usize::try_from(limit).unwrap_or(0).max(1))
}

/// The metadata as one page at a time.
struct View<'a> {
    image: &'a MetadataImage,
    brokers: ListenerView<'a>,
}

impl View<'_> {
    fn page(
        &self,
        request: &DescribeTopicPartitionsRequest<'_>,
        mut room: usize,
    ) -> DescribeTopicPartitionsResponse<'static> {
        let topics = self.image.topics();
        let cursor = request.cursor.as_ref();
        let from = cursor.map_or("", |cursor| cursor.topic_name.as_ref());
        let names: BTreeSet<&str> = if request.topics.is_empty() {
            topics.iter_from(from).map(|topic| topic.name()).collect()
        } else {
            request.topics.iter().map(|topic| topic.name.as_ref()).filter(|name| *name >= from).collect()
        };
        if let Err(error_code) = check(request, &names) {
            return refuse(request, error_code);
        }
        let mut response = DescribeTopicPartitionsResponse::default();
        for name in names {
            if room == 0 {
                response.next_cursor = Some(cursor_at(name, 0));
                break;
            }
            let Some(topic) = topics.by_name(name) else {
                response.topics.push(unknown(name));
                continue;
            };
            let start =
                cursor.filter(|cursor| cursor.topic_name == name).map_or(0, |cursor| cursor.partition_index);
            let left = topic.partitions().filter(|(index, _)| *index >= start).count();
            response.topics.push(self.topic(topic, start, room));
            if left > room {
                let next = start.saturating_add(i32::try_from(room).unwrap_or(i32::MAX));
                response.next_cursor = Some(cursor_at(name, next));
                break;
            }
            room -= left;
        }
        response
    }

    fn topic(
        &self,
        topic: &TopicImage,
        start: i32,
        room: usize,
    ) -> DescribeTopicPartitionsResponseTopic<'static> {
        let page = topic.partitions().filter(|(index, _)| *index >= start).take(room);
        let partitions = page.map(|(partition_index, partition)| DescribeTopicPartitionsResponsePartition {
            // A partition without a leader is no error here: its leader is told to be none.
            error_code: ErrorCode::NONE,
            partition_index,
            leader_id: self.brokers.leader(partition).unwrap_or(NO_LEADER),
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            eligible_leader_replicas: Some(partition.elr.clone()),
            last_known_elr: Some(partition.last_known_elr.clone()),
            offline_replicas: self.brokers.offline_replicas(partition),
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
}

/// A cursor must lie in what is asked for.
fn check(request: &DescribeTopicPartitionsRequest<'_>, names: &BTreeSet<&str>) -> Result<(), ErrorCode> {
    match &request.cursor {
        // A topic whose name is empty: the code is Kafka's.
        None if names.contains("") => Err(ErrorCode::UNKNOWN_SERVER_ERROR),
        None => Ok(()),
        Some(cursor) => {
            let is_asked = request.topics.is_empty() || names.contains(cursor.topic_name.as_ref());
            if is_asked && cursor.partition_index >= 0 { Ok(()) } else { Err(ErrorCode::INVALID_REQUEST) }
        }
    }
}

fn refuse(
    request: &DescribeTopicPartitionsRequest<'_>,
    error_code: ErrorCode,
) -> DescribeTopicPartitionsResponse<'static> {
    let topics = request.topics.iter().map(|topic| DescribeTopicPartitionsResponseTopic {
        error_code,
        name: Some(Cow::Owned(topic.name.to_string())),
        ..DescribeTopicPartitionsResponseTopic::default()
    });
    DescribeTopicPartitionsResponse { topics: topics.collect(), ..DescribeTopicPartitionsResponse::default() }
}

fn cursor_at(topic_name: &str, partition_index: i32) -> Cursor<'static> {
    Cursor { topic_name: Cow::Owned(topic_name.to_owned()), partition_index }
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic<'static> {
    let error_code = match is_valid_topic_name(name) {
        true => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        false => ErrorCode::INVALID_TOPIC_EXCEPTION,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code,
        name: Some(Cow::Owned(name.to_owned())),
        is_internal: is_internal(name),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}
