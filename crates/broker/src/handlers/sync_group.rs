//! SyncGroup (key 14): the leader hands in the assignment, every member takes its own.

use protocol::{ErrorCode, SyncGroupRequest, SyncGroupResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// First version in which a member must say which protocol it believes in.
const PROTOCOL_REQUIRED_VERSION_MIN: i16 = 5;

/// Answers when the assignment of the generation is committed.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: SyncGroupRequest<'_>,
) -> SyncGroupResponse<'static> {
    let failed = |error_code| SyncGroupResponse { error_code, ..SyncGroupResponse::default() };
    let has_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if ctx.api_version >= PROTOCOL_REQUIRED_VERSION_MIN && !has_protocol {
        return failed(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    node.groups.sync_group(request).await.unwrap_or_else(failed)
}
