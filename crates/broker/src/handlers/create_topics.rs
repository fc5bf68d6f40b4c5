//! CreateTopics (key 19).

use protocol::create_topics_response::CreatableTopicResult;
use protocol::{CreateTopicsRequest, CreateTopicsResponse};

use crate::context::RequestContext;
use crate::mutation_ticket::MutationTicket;
use crate::node::Node;

/// First version whose readers know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_VERSION_MIN: i16 = 6;

/// Lets the controller create the topics. When the answer leaves, their partitions take records.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: CreateTopicsRequest<'_>,
) -> CreateTopicsResponse<'static> {
    let ticket = MutationTicket::of(node, ctx, STRICT_VERSION_MIN);
    let request = request.into_owned();
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    match node.controller.create_topics(request, ticket.clone()).await {
        Ok(response) => CreateTopicsResponse { throttle_time_ms: ticket.throttle_ms(), ..response },
        Err(error) => {
            let topics = names.into_iter().map(|name| CreatableTopicResult {
                name,
                error_code: error.code,
                error_message: error.clone().message_unless_general(),
                configs: Some(Vec::new()),
                ..CreatableTopicResult::default()
            });
            CreateTopicsResponse { topics: topics.collect(), ..CreateTopicsResponse::default() }
        }
    }
}
