//! DescribeQuorum (key 55): who leads the metadata log, and how far each replica is.

use protocol::describe_quorum_response::{
    Listener, Node as QuorumNode, PartitionData, ReplicaState, TopicData,
};
use protocol::{DescribeQuorumRequest, DescribeQuorumResponse, ErrorCode, Uuid};
use raft::ReplicaView;

use crate::context::RequestContext;
use crate::controller_task::QuorumDescription;
use crate::metadata_log::METADATA_TOPIC;
use crate::node::Node;

/// First version with directory ids, error messages and the nodes' listeners (KIP-853).
const DIRECTORY_ID_VERSION_MIN: i16 = 2;

/// Answers for `__cluster_metadata-0`; there is no other quorum.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: DescribeQuorumRequest<'_>,
) -> DescribeQuorumResponse<'static> {
    if !is_metadata_partition(&request) {
        return unknown_partitions(&request);
    }
    match node.controller.describe_quorum().await {
        Ok(quorum) => describe(&quorum, ctx.api_version),
        Err(error) => {
            let partition = PartitionData {
                error_code: error.code,
                error_message: Some(error.message.clone()),
                leader_id: -1,
                leader_epoch: -1,
                high_watermark: -1,
                ..PartitionData::default()
            };
            of_metadata_partition(partition)
        }
    }
}

fn is_metadata_partition(request: &DescribeQuorumRequest<'_>) -> bool {
    match request.topics.as_slice() {
        [topic] if topic.topic_name == METADATA_TOPIC => {
            matches!(topic.partitions.as_slice(), [partition] if partition.partition_index == 0)
        }
        _ => false,
    }
}

fn unknown_partitions(request: &DescribeQuorumRequest<'_>) -> DescribeQuorumResponse<'static> {
    let error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let topics = request.topics.iter().map(|topic| TopicData {
        topic_name: topic.topic_name.clone().into_owned().into(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| PartitionData {
                partition_index: partition.partition_index,
                error_code,
                error_message: Some(error_code.message().into()),
                ..PartitionData::default()
            })
            .collect(),
    });
    DescribeQuorumResponse { topics: topics.collect(), ..DescribeQuorumResponse::default() }
}

fn describe(quorum: &QuorumDescription, version: i16) -> DescribeQuorumResponse<'static> {
    let has_directory_ids = version >= DIRECTORY_ID_VERSION_MIN;
    let state = |replica: &ReplicaView| ReplicaState {
        replica_id: replica.key.id,
        replica_directory_id: if has_directory_ids { replica.key.directory_id } else { Uuid::ZERO },
        log_end_offset: replica.log_end_offset,
        last_fetch_timestamp: replica.last_fetch_ms,
        last_caught_up_timestamp: replica.last_caught_up_ms,
    };
    let view = &quorum.view;
    let mut response = of_metadata_partition(PartitionData {
        leader_id: view.leader_id,
        leader_epoch: view.leader_epoch,
        high_watermark: view.high_watermark,
        current_voters: view.voters.iter().map(state).collect(),
        observers: view.observers.iter().map(state).collect(),
        ..PartitionData::default()
    });
    if has_directory_ids {
        response.nodes = nodes(quorum);
    }
    response
}

fn nodes(quorum: &QuorumDescription) -> Vec<QuorumNode<'static>> {
    let node = |voter: &raft::Voter| QuorumNode {
        node_id: voter.key.id,
        listeners: voter
            .endpoints
            .iter()
            .map(|endpoint| Listener {
                name: endpoint.name.clone().into(),
                host: endpoint.host.clone().into(),
                port: endpoint.port,
            })
            .collect(),
    };
    quorum.voters.iter().map(node).collect()
}

fn of_metadata_partition(partition: PartitionData<'static>) -> DescribeQuorumResponse<'static> {
    let topic = TopicData { topic_name: METADATA_TOPIC.into(), partitions: vec![partition] };
    DescribeQuorumResponse { topics: vec![topic], ..DescribeQuorumResponse::default() }
}

#[cfg(test)]
mod tests;
