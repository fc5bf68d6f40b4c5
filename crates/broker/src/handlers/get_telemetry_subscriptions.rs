//! GetTelemetrySubscriptions (key 71): which of its metrics a client is to push, and how often (KIP-714).

use protocol::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Answers from the subscriptions that fit the client.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: GetTelemetrySubscriptionsRequest,
) -> GetTelemetrySubscriptionsResponse<'static> {
    node.client_telemetry.get(ctx, &request, &node.platform.rng, node.platform.clock.wall_ms())
}
