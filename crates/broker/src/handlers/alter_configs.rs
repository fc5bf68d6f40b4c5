//! AlterConfigs (key 33): whole configurations replaced.

use protocol::alter_configs_response::AlterConfigsResourceResponse;
use protocol::{AlterConfigsRequest, AlterConfigsResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Lets the controller replace the configurations. When the answer leaves, they are in force here.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: AlterConfigsRequest<'_>,
) -> AlterConfigsResponse<'static> {
    let request = request.into_owned();
    let resources: Vec<_> = request
        .resources
        .iter()
        .map(|resource| (resource.resource_type, resource.resource_name.clone()))
        .collect();
    match node.controller.alter_configs(request).await {
        Ok(response) => response,
        Err(error) => {
            let responses =
                resources.into_iter().map(|(resource_type, resource_name)| AlterConfigsResourceResponse {
                    error_code: error.code,
                    error_message: Some(error.message.clone()),
                    resource_type,
                    resource_name,
                });
            AlterConfigsResponse { responses: responses.collect(), ..AlterConfigsResponse::default() }
        }
    }
}
