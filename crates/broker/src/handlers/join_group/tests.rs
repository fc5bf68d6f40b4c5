//! Every version can be written, whatever the answer.

use protocol::{ErrorCode, JoinGroupResponse, to_vec};

use super::fit_protocol_name;

#[test]
fn an_absent_protocol_is_empty_before_version_7_and_null_from_then_on() {
    for api_version in 0..=9 {
        for protocol_name in [None, Some("".into()), Some("range".into())] {
            let mut response = JoinGroupResponse {
                error_code: ErrorCode::MEMBER_ID_REQUIRED,
                protocol_name: protocol_name.clone(),
                ..JoinGroupResponse::default()
            };
            fit_protocol_name(&mut response, api_version);
            to_vec(&response, api_version).unwrap();
            let expected = match protocol_name.as_deref() {
                Some("range") => Some("range"),
                _ if api_version < 7 => Some(""),
                _ => None,
            };
            assert_eq!(response.protocol_name.as_deref(), expected);
        }
    }
}
