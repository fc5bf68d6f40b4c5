//! DescribeCluster (key 60): the brokers, as an admin client wants to know them.

use protocol::describe_cluster_response::DescribeClusterBroker;
use protocol::{DescribeClusterRequest, DescribeClusterResponse, ErrorCode};

use crate::authorized_operations::CLUSTER_OPERATIONS;
use crate::context::RequestContext;
use crate::node::Node;

/// `EndpointType` of brokers and of controllers (KIP-919).
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;
/// First version that names an endpoint type.
const ENDPOINT_TYPE_VERSION_MIN: i16 = 1;

/// Answers from the current image.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse<'static> {
    if let Some(response) = refuse(&request, ctx.api_version) {
        return response;
    }
    let image = node.image.load();
    let brokers = image.cluster().brokers().filter(|broker| !broker.fenced || request.include_fenced_brokers);
    let brokers = brokers.filter_map(|broker| {
        let (host, port) = node.reachable_endpoint(ctx, broker)?;
        Some(DescribeClusterBroker {
            broker_id: broker.id,
            host: host.into(),
            port,
            rack: broker.rack.clone().map(Into::into),
            is_fenced: broker.fenced,
        })
    });
    let mut response = DescribeClusterResponse {
        error_message: None,
        endpoint_type: BROKERS,
        cluster_id: node.cluster_id.to_string().into(),
        controller_id: node.some_alive_broker(&image).unwrap_or(-1),
        brokers: brokers.collect(),
        ..DescribeClusterResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

/// The refusal of a question for other endpoints than brokers.
fn refuse(request: &DescribeClusterRequest, version: i16) -> Option<DescribeClusterResponse<'static>> {
    let (code, message) = match request.endpoint_type {
        BROKERS => return None,
        CONTROLLERS => (
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
                .to_owned(),
        ),
        other => (ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, format!("Unsupported endpoint type {other}")),
    };
    let error_code = if version < ENDPOINT_TYPE_VERSION_MIN { ErrorCode::INVALID_REQUEST } else { code };
    Some(DescribeClusterResponse {
        error_code,
        error_message: Some(message.into()),
        ..DescribeClusterResponse::default()
    })
}

#[cfg(test)]
mod tests;
