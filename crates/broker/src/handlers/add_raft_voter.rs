//! AddRaftVoter (key 80, KIP-853).

use protocol::{AddRaftVoterRequest, AddRaftVoterResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Asks the quorum, which is this node alone: it gets a voter only when another controller follows its log.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: AddRaftVoterRequest<'_>,
) -> AddRaftVoterResponse<'static> {
    match node.controller.add_raft_voter(request.into_owned()).await {
        Ok(()) => AddRaftVoterResponse::default(),
        Err(error) => AddRaftVoterResponse {
            error_code: error.code,
            error_message: error.message_unless_general(),
            ..AddRaftVoterResponse::default()
        },
    }
}
