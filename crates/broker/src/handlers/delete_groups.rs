//! DeleteGroups (key 42): empty groups go, with their offsets.

use std::collections::BTreeSet;

use protocol::delete_groups_response::DeletableGroupResult;
use protocol::{DeleteGroupsRequest, DeleteGroupsResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Answers each group on its own; a group that is named twice is answered once.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: DeleteGroupsRequest<'_>,
) -> DeleteGroupsResponse<'static> {
    let mut named = BTreeSet::new();
    let mut pending = Vec::new();
    // All groups are asked for before the first answer is awaited. A group without a name is answered first, as in Kafka.
    let (nameless, others): (Vec<_>, Vec<_>) = request.groups_names.iter().partition(|id| id.is_empty());
    for group_id in nameless.into_iter().chain(others) {
        if named.insert(group_id) {
            pending.push((group_id, node.groups.delete_group(group_id).await));
        }
    }
    let mut response = DeleteGroupsResponse::default();
    for (group_id, pending) in pending {
        let result = node.groups.deleted_group(pending).await;
        response.results.push(result.unwrap_or_else(|error_code| DeletableGroupResult {
            group_id: group_id.to_string().into(),
            error_code,
            ..DeletableGroupResult::default()
        }));
    }
    response
}
