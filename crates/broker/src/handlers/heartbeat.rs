//! Heartbeat (key 12): a member is alive and learns whether it must rejoin.

use protocol::{ErrorCode, HeartbeatRequest, HeartbeatResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Answers at once.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: HeartbeatRequest<'_>,
) -> HeartbeatResponse {
    let failed = |error_code| HeartbeatResponse {
        // Sessions begin anew when the group is loaded, so until then every member is alive.
        error_code: match error_code {
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => ErrorCode::NONE,
            error_code => error_code,
        },
        ..HeartbeatResponse::default()
    };
    node.groups.heartbeat(request).await.unwrap_or_else(failed)
}
