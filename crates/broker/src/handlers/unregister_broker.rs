//! UnregisterBroker (key 64, KIP-631).

use protocol::{UnregisterBrokerRequest, UnregisterBrokerResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Lets the controller take the broker out of the cluster. A broker that is alive is no exception: it serves nothing
/// more until it registers again, at its next start.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: UnregisterBrokerRequest,
) -> UnregisterBrokerResponse<'static> {
    match node.controller.unregister_broker(request.broker_id).await {
        Ok(()) => UnregisterBrokerResponse::default(),
        Err(error) => UnregisterBrokerResponse {
            error_code: error.code,
            error_message: error.message_unless_general(),
            ..UnregisterBrokerResponse::default()
        },
    }
}
