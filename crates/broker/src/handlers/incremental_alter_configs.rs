//! IncrementalAlterConfigs (key 44): configurations changed key by key.

use protocol::incremental_alter_configs_response::AlterConfigsResourceResponse;
use protocol::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Lets the controller change the configurations. When the answer leaves, they are in force here.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: IncrementalAlterConfigsRequest<'_>,
) -> IncrementalAlterConfigsResponse<'static> {
    let request = request.into_owned();
    let resources: Vec<_> = request
        .resources
        .iter()
        .map(|resource| (resource.resource_type, resource.resource_name.clone()))
        .collect();
    match node.controller.incremental_alter_configs(request).await {
        Ok(response) => response,
        Err(error) => {
            let responses =
                resources.into_iter().map(|(resource_type, resource_name)| AlterConfigsResourceResponse {
                    error_code: error.code,
                    error_message: Some(error.message.clone()),
                    resource_type,
                    resource_name,
                });
            IncrementalAlterConfigsResponse {
                responses: responses.collect(),
                ..IncrementalAlterConfigsResponse::default()
            }
        }
    }
}
