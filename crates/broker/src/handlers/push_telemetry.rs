//! PushTelemetry (key 72): metrics of a client, for whoever looks at the node's metrics page (KIP-714).

use protocol::{PushTelemetryRequest, PushTelemetryResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Takes what was pushed, if the client may push it now.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: PushTelemetryRequest<'_>,
) -> PushTelemetryResponse {
    let error_code = node.client_telemetry.push(ctx, &request, node.platform.clock.wall_ms());
    PushTelemetryResponse { error_code, throttle_time_ms: 0 }
}
