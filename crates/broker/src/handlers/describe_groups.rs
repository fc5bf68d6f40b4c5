//! DescribeGroups (key 15): state and members of classic groups.

use protocol::describe_groups_response::DescribedGroup;
use protocol::{DescribeGroupsRequest, DescribeGroupsResponse, ErrorCode};

use crate::context::RequestContext;
use crate::node::Node;

/// First version in which a client may ask what it may do with a group.
const AUTHORIZED_OPERATIONS_VERSION_MIN: i16 = 3;

/// Bits of a group: read, delete, describe, describe and alter configs.
const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

/// Answers each group on its own, in the order asked for.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: DescribeGroupsRequest<'_>,
) -> DescribeGroupsResponse<'static> {
    let with_operations =
        ctx.api_version >= AUTHORIZED_OPERATIONS_VERSION_MIN && request.include_authorized_operations;
    let mut response = DescribeGroupsResponse::default();
    for group_id in &request.groups {
        let described = node.groups.describe_group(ctx.api_version, group_id).await;
        let mut group = described.unwrap_or_else(|error_code| DescribedGroup {
            group_id: group_id.to_string().into(),
            error_code,
            ..DescribedGroup::default()
        });
        if with_operations && group.error_code == ErrorCode::NONE {
            group.authorized_operations = GROUP_OPERATIONS;
        }
        response.groups.push(group);
    }
    response
}
