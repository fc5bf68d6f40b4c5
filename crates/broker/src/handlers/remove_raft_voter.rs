//! RemoveRaftVoter (key 81, KIP-853).

use protocol::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Asks the quorum, which is this node alone: it never gives up its last voter.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: RemoveRaftVoterRequest<'_>,
) -> RemoveRaftVoterResponse<'static> {
    match node.controller.remove_raft_voter(request.into_owned()).await {
        Ok(()) => RemoveRaftVoterResponse::default(),
        Err(error) => RemoveRaftVoterResponse {
            error_code: error.code,
            error_message: error.message_unless_general(),
            ..RemoveRaftVoterResponse::default()
        },
    }
}
