//! CreateAcls (key 30): without an authorizer, and none can be configured, nothing can be allowed or denied.

use protocol::create_acls_response::AclCreationResult;
use protocol::{CreateAclsRequest, CreateAclsResponse, ErrorCode};

use super::describe_acls::UNKNOWN;
use crate::context::RequestContext;
use crate::node::Node;

/// Refuses each entry.
pub async fn handle(
    _node: &Node,
    _ctx: &RequestContext<'_>,
    request: CreateAclsRequest<'_>,
) -> CreateAclsResponse<'static> {
    let refused = |_| AclCreationResult {
        error_code: ErrorCode::SECURITY_DISABLED,
        error_message: Some("No Authorizer is configured.".into()),
    };
    CreateAclsResponse {
        results: request.creations.iter().map(refused).collect(),
        ..CreateAclsResponse::default()
    }
}

/// Kafka takes an entry with an unknown element for a request that does not parse.
pub(crate) fn parsed(request: &CreateAclsRequest<'_>) -> Result<(), &'static str> {
    let is_unknown = request.creations.iter().any(|entry| {
        let types =
            [entry.resource_type, entry.resource_pattern_type, entry.operation, entry.permission_type];
        types.contains(&UNKNOWN)
    });
    if is_unknown { Err("an element of an entry is UNKNOWN") } else { Ok(()) }
}
