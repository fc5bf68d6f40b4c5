//! ListConfigResources (key 74): names of all resources that can have a configuration, by kind (KIP-1142).

use metadata::ConfigResourceType;
use protocol::list_config_resources_response::ConfigResource;
use protocol::{ErrorCode, ListConfigResourcesRequest, ListConfigResourcesResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Kinds that version 1 knows, in the order of the answer. Version 0 knows client metrics only.
const KINDS: [ConfigResourceType; 5] = [
    ConfigResourceType::Group,
    ConfigResourceType::ClientMetrics,
    ConfigResourceType::BrokerLogger,
    ConfigResourceType::Broker,
    ConfigResourceType::Topic,
];

/// Lists the kinds that are asked for; none asked for means all that the version knows.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse<'static> {
    let known: &[ConfigResourceType] =
        if ctx.api_version == 0 { &[ConfigResourceType::ClientMetrics] } else { &KINDS };
    let is_known = |id: &i8| known.iter().any(|kind| kind.id() == *id);
    if !request.resource_types.iter().all(is_known) {
        return ListConfigResourcesResponse {
            error_code: ErrorCode::UNSUPPORTED_VERSION,
            ..ListConfigResourcesResponse::default()
        };
    }
    let asked = |kind: &&ConfigResourceType| {
        request.resource_types.is_empty() || request.resource_types.contains(&kind.id())
    };
    let config_resources = known.iter().filter(asked).flat_map(|kind| names(node, *kind)).collect();
    ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() }
}

fn names(node: &Node, kind: ConfigResourceType) -> Vec<ConfigResource<'static>> {
    let image = node.image.load();
    let names: Vec<String> = match kind {
        ConfigResourceType::Topic => image.topics().iter().map(|topic| topic.name().to_owned()).collect(),
        ConfigResourceType::Broker | ConfigResourceType::BrokerLogger => image
            .cluster()
            .brokers()
            .filter(|broker| broker.is_active())
            .map(|broker| broker.id.to_string())
            .collect(),
        ConfigResourceType::Group | ConfigResourceType::ClientMetrics => {
            let resources = image.configs().iter().map(|(resource, _)| resource);
            resources
                .filter(|resource| resource.resource_type == kind)
                .map(|resource| resource.name.clone())
                .collect()
        }
    };
    let resource_type = kind.id();
    let to_wire = |name: String| ConfigResource { resource_name: name.into(), resource_type };
    names.into_iter().map(to_wire).collect()
}
