//! DescribeAcls (key 29): without an authorizer, and none can be configured, there are no access control lists.

use protocol::{DescribeAclsRequest, DescribeAclsResponse, ErrorCode};

use crate::context::RequestContext;
use crate::node::Node;

/// The number that stands for everything that a sender did not know, in all enumerations of access control lists.
pub(crate) const UNKNOWN: i8 = 0;

/// Says that there is no authorizer.
pub async fn handle(
    _node: &Node,
    _ctx: &RequestContext<'_>,
    _request: DescribeAclsRequest<'_>,
) -> DescribeAclsResponse<'static> {
    DescribeAclsResponse {
        error_code: ErrorCode::SECURITY_DISABLED,
        error_message: Some("No Authorizer is configured on the broker".into()),
        ..DescribeAclsResponse::default()
    }
}

/// Kafka takes a filter with an unknown element for a request that does not parse.
pub(crate) fn parsed(request: &DescribeAclsRequest<'_>) -> Result<(), &'static str> {
    let elements = [
        request.resource_type_filter,
        request.pattern_type_filter,
        request.operation,
        request.permission_type,
    ];
    if elements.contains(&UNKNOWN) { Err("an element of the filter is UNKNOWN") } else { Ok(()) }
}
