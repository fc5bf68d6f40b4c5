//! ApiVersions (key 18): what this node speaks. The one request that is answered at any version.

use std::borrow::Cow;

use metadata::{KRAFT_VERSION, SUPPORTED_FEATURES, is_supported_feature};
use protocol::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use protocol::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode};

use crate::api_versions::{PRODUCE_ADVERTISED_MIN, SERVED, Served, TELEMETRY};
use crate::context::RequestContext;
use crate::node::Node;

/// First version with the client's software name (KIP-511).
const SOFTWARE_NAME_VERSION_MIN: i16 = 3;
/// First version whose readers take a feature with minimum 0 (KAFKA-17011).
const FEATURE_MIN_ZERO_VERSION_MIN: i16 = 4;
/// First version that names the node it means to reach (KIP-1242).
const NODE_CHECK_VERSION_MIN: i16 = 5;

/// Answers with the table of served APIs and the features of the cluster.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: ApiVersionsRequest<'_>,
) -> ApiVersionsResponse<'static> {
    if ctx.api_version >= SOFTWARE_NAME_VERSION_MIN
        && !(is_software_name(&request.client_software_name)
            && is_software_name(&request.client_software_version))
    {
        return ApiVersionsResponse {
            error_code: ErrorCode::INVALID_REQUEST,
            ..ApiVersionsResponse::default()
        };
    }
    if ctx.api_version >= NODE_CHECK_VERSION_MIN
        && let Some(error_code) = check_node(node, &request)
    {
        return ApiVersionsResponse { error_code, ..ApiVersionsResponse::default() };
    }
    if ctx.api_version >= SOFTWARE_NAME_VERSION_MIN {
        let (name, version) = (&request.client_software_name, &request.client_software_version);
        node.client_telemetry.note_software(ctx.connection_id, name, version);
    }
    let has_telemetry = node.client_telemetry.is_received();
    let is_advertised = |served: &&Served| has_telemetry || !TELEMETRY.contains(&served.key);
    let image = node.image.load();
    let kraft_version = node.controller.kraft_version();
    let kraft = (kraft_version > 0).then_some((KRAFT_VERSION, kraft_version));
    // A finalized feature is a promise: one that is only carried along for Kafka is none of ours.
    let promised = image.features().finalized().filter(|(name, _)| is_supported_feature(name));
    let finalized = promised.chain(kraft);
    ApiVersionsResponse {
        api_keys: SERVED.iter().filter(is_advertised).map(advertise).collect(),
        supported_features: SUPPORTED_FEATURES
            .iter()
            .filter(|feature| feature.min > 0 || ctx.api_version >= FEATURE_MIN_ZERO_VERSION_MIN)
            .map(|feature| SupportedFeatureKey {
                name: Cow::Borrowed(feature.name),
                min_version: feature.min,
                max_version: feature.max,
            })
            .collect(),
        finalized_features_epoch: image.provenance().offset,
        finalized_features: finalized
            .map(|(name, level)| FinalizedFeatureKey {
                name: Cow::Owned(name.to_owned()),
                max_version_level: level,
                min_version_level: level,
            })
            .collect(),
        ..ApiVersionsResponse::default()
    }
}

/// The answer to a version this node does not know: error 35 in version 0, with the one range the client needs to
/// try again (KIP-511).
#[must_use]
pub fn unsupported() -> ApiVersionsResponse<'static> {
    let own = SERVED.iter().filter(|served| served.key == ApiKey::ApiVersions);
    ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: own.map(advertise).collect(),
        ..ApiVersionsResponse::default()
    }
}

fn advertise(served: &Served) -> ApiVersion {
    let min_version = if served.key == ApiKey::Produce { PRODUCE_ADVERTISED_MIN } else { served.min };
    ApiVersion { api_key: served.key as i16, min_version, max_version: served.max }
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`
fn is_software_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    ends(text.chars().next())
        && ends(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

/// A client that meant another node or cluster is told to start over; naming only half of it is a mistake.
fn check_node(node: &Node, request: &ApiVersionsRequest<'_>) -> Option<ErrorCode> {
    match (request.cluster_id.as_deref(), request.node_id) {
        (None, -1) => None,
        (Some(cluster_id), node_id) if node_id >= 0 => {
            let matches = cluster_id == &*node.cluster_id && node_id == node.node_id;
            (!matches).then_some(ErrorCode::REBOOTSTRAP_REQUIRED)
        }
        _ => Some(ErrorCode::INVALID_REQUEST),
    }
}
