//! AlterPartitionReassignments (key 45, KIP-455).

use protocol::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use protocol::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Lets the controller move the replicas.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: AlterPartitionReassignmentsRequest<'_>,
) -> AlterPartitionReassignmentsResponse<'static> {
    let request = request.into_owned();
    let asked = request.topics.clone();
    match node.controller.alter_partition_reassignments(request).await {
        Ok(response) => response,
        Err(error) => {
            let error_code = error.code;
            let error_message = error.message_unless_general();
            let topics = asked.into_iter().map(|topic| ReassignableTopicResponse {
                name: topic.name,
                partitions: topic
                    .partitions
                    .iter()
                    .map(|partition| ReassignablePartitionResponse {
                        partition_index: partition.partition_index,
                        error_code,
                        error_message: error_message.clone(),
                    })
                    .collect(),
            });
            AlterPartitionReassignmentsResponse {
                error_code,
                responses: topics.collect(),
                error_message,
                ..AlterPartitionReassignmentsResponse::default()
            }
        }
    }
}
