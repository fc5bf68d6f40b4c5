//! DescribeProducers (key 61, KIP-664): the producers that a partition remembers.

use std::borrow::Cow;

use controller::ApiError;
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
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
        for index in &topic.partition_indexes {
            partitions.push(match check_topic(node, &topic.name) {
                Ok(()) => describe(node, &topic.name, *index).await,
                Err(error) => PartitionResponse {
                    partition_index: *index,
                    error_code: error.code,
                    error_message: Some(error.message),
                    ..PartitionResponse::default()
                },
            });
        }
        topics.push(TopicResponse { name: Cow::Owned(topic.name.to_string()), partitions });
    }
    DescribeProducersResponse { topics, ..DescribeProducersResponse::default() }
}

fn check_topic(node: &Node, name: &str) -> Result<(), ApiError> {
    controller::validate_topic_name(name)?;
    match node.image.load().topics().by_name(name) {
        Some(_) => Ok(()),
        None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into()),
    }
}

async fn describe(node: &Node, topic: &str, partition_index: i32) -> PartitionResponse<'static> {
    let mut response = PartitionResponse { partition_index, ..PartitionResponse::default() };
    let producers = match node.partition(topic, partition_index) {
        Err(error_code) => Err(error_code),
        Ok(partition) => {
            let states = partition.on_log(|log| log.active_producers()).await;
            states.ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)
        }
    };
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
