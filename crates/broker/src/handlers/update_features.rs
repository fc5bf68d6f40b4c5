//! UpdateFeatures (key 57, KIP-584).

use protocol::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Lets the controller finalize the levels. Version 0 cannot ask for a downgrade: what it has for that is passed over,
/// as Kafka does.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: UpdateFeaturesRequest<'_>,
) -> UpdateFeaturesResponse<'static> {
    match node.controller.update_features(request.into_owned()).await {
        Ok(response) => response,
        Err(error) => UpdateFeaturesResponse {
            error_code: error.code,
            error_message: error.message_unless_general(),
            ..UpdateFeaturesResponse::default()
        },
    }
}
