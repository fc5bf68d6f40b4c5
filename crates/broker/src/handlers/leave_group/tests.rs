//! Every version can be written and says what became of the members.

use protocol::leave_group_response::MemberResponse;
use protocol::{ErrorCode, LeaveGroupResponse, to_vec};

use super::fit;

fn response(error_code: ErrorCode, member: ErrorCode) -> LeaveGroupResponse<'static> {
    let members = vec![MemberResponse { error_code: member, ..MemberResponse::default() }];
    LeaveGroupResponse { error_code, members, ..LeaveGroupResponse::default() }
}

#[test]
fn the_only_members_error_is_the_answers_before_version_3() {
    for api_version in 0..=5 {
        let fitted = fit(response(ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID), api_version);
        to_vec(&fitted, api_version).unwrap();
        if api_version < 3 {
            assert_eq!(fitted.error_code, ErrorCode::UNKNOWN_MEMBER_ID);
        } else {
            assert_eq!(fitted.error_code, ErrorCode::NONE);
            assert_eq!(fitted.members[0].error_code, ErrorCode::UNKNOWN_MEMBER_ID);
        }
        let fitted = fit(response(ErrorCode::NOT_COORDINATOR, ErrorCode::NONE), api_version);
        to_vec(&fitted, api_version).unwrap();
        assert_eq!(fitted.error_code, ErrorCode::NOT_COORDINATOR);
    }
}
