//! Access control lists without an authorizer: every question has the answer that there is none.

use protocol::create_acls_request::AclCreation;
use protocol::delete_acls_request::DeleteAclsFilter;
use protocol::{
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
    DescribeAclsResponse, ErrorCode, Request,
};
use testkit::TestNode;

fn any() -> DescribeAclsRequest<'static> {
    let (resource_type_filter, pattern_type_filter) = (1, 1);
    DescribeAclsRequest {
        resource_type_filter,
        pattern_type_filter,
        operation: 1,
        permission_type: 1,
        ..DescribeAclsRequest::default()
    }
}

fn filter() -> DeleteAclsFilter<'static> {
    let (resource_type_filter, pattern_type_filter) = (1, 1);
    DeleteAclsFilter {
        resource_type_filter,
        pattern_type_filter,
        operation: 1,
        permission_type: 1,
        ..DeleteAclsFilter::default()
    }
}

fn creation() -> AclCreation<'static> {
    AclCreation {
        resource_type: 2,
        resource_name: "topic".into(),
        resource_pattern_type: 3,
        principal: "User:somebody".into(),
        host: "*".into(),
        operation: 3,
        permission_type: 3,
    }
}

#[tokio::test]
async fn acls_are_switched_off_without_an_authorizer() {
    let node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    let off = ErrorCode::SECURITY_DISABLED;
    for version in 1..=3 {
        let described: DescribeAclsResponse<'static> = connection.ask(version, &any()).await;
        assert_eq!((described.error_code, described.resources.len()), (off, 0), "v{version}");
        assert!(described.error_message.is_some());
        let request = CreateAclsRequest { creations: vec![creation(), creation()] };
        let created: CreateAclsResponse<'static> = connection.ask(version, &request).await;
        assert_eq!(
            created.results.iter().map(|r| r.error_code).collect::<Vec<_>>(),
            [off, off],
            "v{version}"
        );
        let request = DeleteAclsRequest { filters: vec![filter(), filter()] };
        let deleted: DeleteAclsResponse<'static> = connection.ask(version, &request).await;
        let codes: Vec<_> = deleted.filter_results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [off, off], "v{version}");
    }
}

/// Kafka cannot build a request with the number that stands for what it does not know, and ends the connection.
#[tokio::test]
async fn what_nobody_knows_ends_the_connection() {
    async fn is_closed<'a, R: Request<'a>>(node: &TestNode, request: R) {
        let mut connection = node.connect().await;
        connection.send(1, &request).await;
        assert_eq!(connection.receive().await, None, "{:?}", R::API_KEY);
    }
    let node = TestNode::start(&[]).await;
    is_closed(&node, DescribeAclsRequest { resource_type_filter: 0, ..any() }).await;
    is_closed(&node, DescribeAclsRequest { pattern_type_filter: 0, ..any() }).await;
    is_closed(&node, DescribeAclsRequest { operation: 0, ..any() }).await;
    is_closed(&node, DescribeAclsRequest { permission_type: 0, ..any() }).await;
    let unknown = AclCreation { operation: 0, ..creation() };
    is_closed(&node, CreateAclsRequest { creations: vec![creation(), unknown] }).await;
    let unknown = DeleteAclsFilter { permission_type: 0, ..filter() };
    is_closed(&node, DeleteAclsRequest { filters: vec![filter(), unknown] }).await;
    let mut connection = node.connect().await;
    let future = DescribeAclsRequest { resource_type_filter: 99, ..any() };
    let described: DescribeAclsResponse<'static> = connection.ask(1, &future).await;
    assert_eq!(described.error_code, ErrorCode::SECURITY_DISABLED, "a number of the future is answered");
}
