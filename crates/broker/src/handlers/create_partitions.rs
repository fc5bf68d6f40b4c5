//! CreatePartitions (key 37).

use protocol::create_partitions_response::CreatePartitionsTopicResult;
use protocol::{CreatePartitionsRequest, CreatePartitionsResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Lets the controller add the partitions. When the answer leaves, they take records.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: CreatePartitionsRequest<'_>,
) -> CreatePartitionsResponse<'static> {
    let request = request.into_owned();
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    match node.controller.create_partitions(request).await {
        Ok(response) => response,
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
