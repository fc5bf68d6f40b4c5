//! ListGroups (key 16): the groups that this node coordinates.

use protocol::{ListGroupsRequest, ListGroupsResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Answers from all partitions this node leads. Filters that a version lacks are empty and let everything through.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: ListGroupsRequest<'_>,
) -> ListGroupsResponse<'static> {
    let states = request.states_filter.into_iter().map(String::from).collect();
    let types = request.types_filter.into_iter().map(String::from).collect();
    match node.groups.list_groups(states, types).await {
        Ok(groups) => ListGroupsResponse { groups, ..ListGroupsResponse::default() },
        Err(error_code) => ListGroupsResponse { error_code, ..ListGroupsResponse::default() },
    }
}
