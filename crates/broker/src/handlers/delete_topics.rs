//! DeleteTopics (key 20).

use protocol::delete_topics_response::DeletableTopicResult;
use protocol::{DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode};

use crate::context::RequestContext;
use crate::mutation_ticket::MutationTicket;
use crate::node::Node;

/// First version whose readers know TOPIC_DELETION_DISABLED.
const DELETION_DISABLED_VERSION_MIN: i16 = 3;

/// First version whose readers know THROTTLING_QUOTA_EXCEEDED (KIP-599).
const STRICT_VERSION_MIN: i16 = 5;

/// Lets the controller delete the topics. When the answer leaves, their partitions take nothing more.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: DeleteTopicsRequest<'_>,
) -> DeleteTopicsResponse<'static> {
    let ticket = MutationTicket::of(node, ctx, STRICT_VERSION_MIN);
    let request = request.into_owned();
    let by_name = request.topic_names.iter().map(|name| (Some(name.clone()), protocol::Uuid::ZERO));
    let by_either = request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
    let topics: Vec<_> = by_name.chain(by_either).collect();
    match node.controller.delete_topics(request, ticket.clone()).await {
        Ok(response) => DeleteTopicsResponse { throttle_time_ms: ticket.throttle_ms(), ..response },
        Err(error) => {
            let is_unknown = error.code == ErrorCode::TOPIC_DELETION_DISABLED
                && ctx.api_version < DELETION_DISABLED_VERSION_MIN;
            let error_code = if is_unknown { ErrorCode::INVALID_REQUEST } else { error.code };
            let responses = topics.into_iter().map(|(name, topic_id)| DeletableTopicResult {
                name,
                topic_id,
                error_code,
                error_message: error.clone().message_unless_general(),
            });
            DeleteTopicsResponse { responses: responses.collect(), ..DeleteTopicsResponse::default() }
        }
    }
}
