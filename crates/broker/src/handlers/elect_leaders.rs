//! ElectLeaders (key 43, KIP-460).

use protocol::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use protocol::{ElectLeadersRequest, ElectLeadersResponse, ErrorCode};

use crate::context::RequestContext;
use crate::node::Node;

/// First version with an error of the whole.
const ERROR_CODE_VERSION_MIN: i16 = 1;

/// Lets the controller elect the leaders.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: ElectLeadersRequest<'_>,
) -> ElectLeadersResponse<'static> {
    let request = request.into_owned();
    let asked = request.topic_partitions.clone().unwrap_or_default();
    match node.controller.elect_leaders(request).await {
        Ok(response) => response,
        Err(error) => {
            let error_code = error.code;
            let error_message = error.message_unless_general();
            let topics = asked.into_iter().map(|topic| ReplicaElectionResult {
                topic: topic.topic,
                partition_result: topic
                    .partitions
                    .iter()
                    .map(|partition_id| PartitionResult {
                        partition_id: *partition_id,
                        error_code,
                        error_message: error_message.clone(),
                    })
                    .collect(),
            });
            ElectLeadersResponse {
                error_code: if ctx.api_version >= ERROR_CODE_VERSION_MIN {
                    error_code
                } else {
                    ErrorCode::NONE
                },
                replica_election_results: topics.collect(),
                ..ElectLeadersResponse::default()
            }
        }
    }
}
