//! Questions for other endpoints.

use protocol::{DescribeClusterRequest, to_vec};

use super::refuse;

#[test]
fn only_brokers_can_be_asked_for_here() {
    let code = |endpoint_type, version| {
        let request = DescribeClusterRequest { endpoint_type, ..DescribeClusterRequest::default() };
        let refused = refuse(&request, version)?;
        to_vec(&refused, version).expect("it is encodable");
        Some(refused.error_code.name())
    };
    assert_eq!(code(1, 0), None);
    assert_eq!(code(1, 2), None);
    assert_eq!(code(2, 1), Some("MISMATCHED_ENDPOINT_TYPE"));
    assert_eq!(code(3, 2), Some("UNSUPPORTED_ENDPOINT_TYPE"));
    assert_eq!(code(0, 1), Some("UNSUPPORTED_ENDPOINT_TYPE"));
}
