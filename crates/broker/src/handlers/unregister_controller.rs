//! UnregisterController (key 94, KIP-1312).

use protocol::{UnregisterControllerRequest, UnregisterControllerResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Lets the controller take the controller out of the cluster.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: UnregisterControllerRequest,
) -> UnregisterControllerResponse<'static> {
    match node.controller.unregister_controller(request.controller_id).await {
        Ok(()) => UnregisterControllerResponse::default(),
        Err(error) => UnregisterControllerResponse {
            error_code: error.code,
            error_message: error.message_unless_general(),
            ..UnregisterControllerResponse::default()
        },
    }
}
