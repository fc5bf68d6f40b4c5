//! DeleteAcls (key 31): without an authorizer, and none can be configured, there is nothing to delete.

use protocol::delete_acls_response::DeleteAclsFilterResult;
use protocol::{DeleteAclsRequest, DeleteAclsResponse, ErrorCode};

use super::describe_acls::UNKNOWN;
use crate::context::RequestContext;
use crate::node::Node;

/// Refuses each filter.
pub async fn handle(
    _node: &Node,
    _ctx: &RequestContext<'_>,
    request: DeleteAclsRequest<'_>,
) -> DeleteAclsResponse<'static> {
    let refused = |_| DeleteAclsFilterResult {
        error_code: ErrorCode::SECURITY_DISABLED,
        error_message: Some("No Authorizer is configured.".into()),
        ..DeleteAclsFilterResult::default()
    };
    DeleteAclsResponse {
        filter_results: request.filters.iter().map(refused).collect(),
        ..DeleteAclsResponse::default()
    }
}

/// Kafka takes a filter with an unknown element for a request that does not parse.
pub(crate) fn parsed(request: &DeleteAclsRequest<'_>) -> Result<(), &'static str> {
    let is_unknown = request.filters.iter().any(|filter| {
        let types = [
            filter.resource_type_filter,
            filter.pattern_type_filter,
            filter.operation,
            filter.permission_type,
        ];
        types.contains(&UNKNOWN)
    });
    if is_unknown { Err("an element of a filter is UNKNOWN") } else { Ok(()) }
}
