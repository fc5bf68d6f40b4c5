//! AlterConfigs (key 33): whole configurations replaced.

use controller::ConfigAlterations;
use protocol::{AlterConfigsRequest, AlterConfigsResponse};

use crate::alter_configs;
use crate::context::RequestContext;
use crate::node::Node;

/// Replaces the configurations. When the answer leaves, they are in force here.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: AlterConfigsRequest<'_>,
) -> AlterConfigsResponse<'static> {
    let alterations = ConfigAlterations::from(request);
    let results = alter_configs::alter(node, &alterations).await;
    alterations.response(results)
}
