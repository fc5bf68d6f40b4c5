//! JoinGroup (key 11): a member comes in and waits for the next generation of its group.

use protocol::{JoinGroupRequest, JoinGroupResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// First version in which the protocol's name may be null; there it must not be empty.
const NULL_PROTOCOL_NAME_VERSION_MIN: i16 = 7;

/// Answers when the join phase ends, or at once if the member cannot come in.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: JoinGroupRequest<'_>,
) -> JoinGroupResponse<'static> {
    let mut response = node
        .groups
        .join_group(ctx, request)
        .await
        .unwrap_or_else(|error_code| JoinGroupResponse { error_code, ..JoinGroupResponse::default() });
    fit_protocol_name(&mut response, ctx.api_version);
    response
}

fn fit_protocol_name(response: &mut JoinGroupResponse<'static>, api_version: i16) {
    let name = response.protocol_name.take().filter(|name| !name.is_empty());
    response.protocol_name = match name {
        None if api_version < NULL_PROTOCOL_NAME_VERSION_MIN => Some("".into()),
        name => name,
    };
}

#[cfg(test)]
mod tests;
