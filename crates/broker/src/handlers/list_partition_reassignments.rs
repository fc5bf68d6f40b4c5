//! ListPartitionReassignments (key 46, KIP-455).

use controller::ongoing_reassignments;
use protocol::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Answers from the current image.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: ListPartitionReassignmentsRequest<'_>,
) -> ListPartitionReassignmentsResponse<'static> {
    let image = node.image.load();
    let asked: Option<Vec<(&str, &[i32])>> = request.topics.as_ref().map(|topics| {
        topics.iter().map(|topic| (topic.name.as_ref(), topic.partition_indexes.as_slice())).collect()
    });
    ListPartitionReassignmentsResponse {
        error_message: None,
        topics: ongoing_reassignments(&image, asked.as_deref()),
        ..ListPartitionReassignmentsResponse::default()
    }
}
