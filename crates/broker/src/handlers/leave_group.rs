//! LeaveGroup (key 13): members go, so that the others need not wait for their sessions to end.

use std::mem::take;

use protocol::leave_group_request::MemberIdentity;
use protocol::{ErrorCode, LeaveGroupRequest, LeaveGroupResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// First version in which several members may leave at once.
const BATCH_VERSION_MIN: i16 = 3;

/// Answers each member on its own; before version 3 there is one, and its error is the answer's.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    mut request: LeaveGroupRequest<'_>,
) -> LeaveGroupResponse<'static> {
    if ctx.api_version < BATCH_VERSION_MIN {
        let member_id = take(&mut request.member_id);
        request.members = vec![MemberIdentity { member_id, ..MemberIdentity::default() }];
    }
    let failed = |error_code| LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() };
    let response = node.groups.leave_group(request).await.unwrap_or_else(failed);
    fit(response, ctx.api_version)
}

fn fit(mut response: LeaveGroupResponse<'static>, api_version: i16) -> LeaveGroupResponse<'static> {
    if api_version < BATCH_VERSION_MIN {
        let members = take(&mut response.members);
        if response.error_code == ErrorCode::NONE {
            response.error_code = members.first().map_or(ErrorCode::NONE, |member| member.error_code);
        }
    }
    response
}

#[cfg(test)]
mod tests;
