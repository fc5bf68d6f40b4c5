//! IncrementalAlterConfigs (key 44): configurations changed key by key.

use controller::ConfigAlterations;
use protocol::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use crate::alter_configs;
use crate::context::RequestContext;
use crate::node::Node;

/// Changes the configurations. When the answer leaves, the changes are in force here.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: IncrementalAlterConfigsRequest<'_>,
) -> IncrementalAlterConfigsResponse<'static> {
    let alterations = ConfigAlterations::from(request);
    let results = alter_configs::alter(node, &alterations).await;
    alterations.incremental_response(results)
}
