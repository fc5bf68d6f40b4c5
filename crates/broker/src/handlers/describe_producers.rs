//! DescribeProducers (key 61, KIP-664): the producers that a partition remembers.

use std::borrow::Cow;

use protocol::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use protocol::{DescribeProducersRequest, DescribeProducersResponse, ErrorCode};

use crate::context::RequestContext;
use crate::node::Node;

/// Answers each partition with its active producers.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: DescribeProducersRequest<'_>,
) -> DescribeProducersResponse<'static> {
    let topics = request.topics.iter().map(|topic| TopicResponse {
        name: Cow::Owned(topic.name.to_string()),
        partitions: topic.partition_indexes.iter().map(|index| describe(node, &topic.name, *index)).collect(),
    });
    DescribeProducersResponse { topics: topics.collect(), ..DescribeProducersResponse::default() }
}

fn describe(node: &Node, topic: &str, partition_index: i32) -> PartitionResponse<'static> {
    let mut response = PartitionResponse { partition_index, ..PartitionResponse::default() };
    let producers =
        node.partitions.find(topic, partition_index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).and_then(
            |partition| {
                let states = partition.with_log(|log| log.active_producers());
                states.ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)
            },
        );
    match producers {
        Err(error_code) => response.error_code = error_code,
        Ok(producers) => {
            let states = producers.into_iter().map(|producer| ProducerState {
                producer_id: producer.producer_id,
                producer_epoch: i32::from(producer.producer_epoch),
                last_sequence: producer.last_sequence,
                last_timestamp: producer.last_timestamp_ms,
                coordinator_epoch: producer.coordinator_epoch,
                current_txn_start_offset: producer.current_txn_first_offset.unwrap_or(-1),
            });
            response.active_producers = states.collect();
        }
    }
    response
}
