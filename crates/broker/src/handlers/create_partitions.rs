//! CreatePartitions (key 37).

use protocol::create_partitions_response::CreatePartitionsTopicResult;
use protocol::{CreatePartitionsRequest, CreatePartitionsResponse};

use crate::context::RequestContext;
use crate::mutation_ticket::MutationTicket;
use crate::node::Node;

/// First version whose readers know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_VERSION_MIN: i16 = 3;

/// Lets the controller add the partitions. When the answer leaves, they take records.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: CreatePartitionsRequest<'_>,
) -> CreatePartitionsResponse<'static> {
    let ticket = MutationTicket::of(node, ctx, STRICT_VERSION_MIN);
    let request = request.into_owned();
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    match node.controller.create_partitions(request, ticket.clone()).await {
        Ok(response) => CreatePartitionsResponse { throttle_time_ms: ticket.throttle_ms(), ..response },
        Err(error) => {
            let results = names.into_iter().map(|name| CreatePartitionsTopicResult {
                name,
                error_code: error.code,
                error_message: error.clone().message_unless_general(),
            });
            CreatePartitionsResponse { results: results.collect(), ..CreatePartitionsResponse::default() }
        }
    }
}
