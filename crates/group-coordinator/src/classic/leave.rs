//! LeaveGroup: members go, by themselves or put out by an administrator.

use std::borrow::Cow;

use protocol::leave_group_request::MemberIdentity;
use protocol::leave_group_response::MemberResponse;
use protocol::{ErrorCode, LeaveGroupRequest, LeaveGroupResponse};

use super::ClassicGroupState;
use super::group::ClassicGroup;
use crate::turn::Turn;

impl ClassicGroup {
    /// Handles a LeaveGroup request; the answer may be sent once the records of this turn are committed.
    pub fn leave(
        &mut self,
        turn: &mut Turn<'_>,
        request: &LeaveGroupRequest<'_>,
    ) -> LeaveGroupResponse<'static> {
        if self.state == ClassicGroupState::Dead {
            return LeaveGroupResponse {
                error_code: ErrorCode::COORDINATOR_NOT_AVAILABLE,
                ..Default::default()
            };
        }
        let members: Vec<MemberResponse<'static>> = request
            .members
            .iter()
            .map(|identity| {
                let left = self.leave_one(turn, identity);
                leave_result(identity, left.err().unwrap_or(ErrorCode::NONE))
            })
            .collect();
        if members.iter().any(|member| member.error_code == ErrorCode::NONE) {
            match self.state {
                ClassicGroupState::Stable | ClassicGroupState::CompletingRebalance => {
                    self.prepare_rebalance(turn);
                }
                ClassicGroupState::PreparingRebalance => self.maybe_complete_join(turn),
                ClassicGroupState::Empty | ClassicGroupState::Dead => {}
            }
        }
        LeaveGroupResponse { members, ..Default::default() }
    }

    fn leave_one(&mut self, turn: &mut Turn<'_>, identity: &MemberIdentity<'_>) -> Result<(), ErrorCode> {
        let instance_id = identity.group_instance_id.as_deref();
        let member_id: Cow<'_, str> = if identity.member_id.is_empty() {
            // An administrator knows only the instance.
            let owner = instance_id.and_then(|instance_id| self.static_members.get(instance_id));
            Cow::Owned(owner.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?.to_string())
        } else {
            Cow::Borrowed(&identity.member_id)
        };
        if !self.pending_joins.contains(&*member_id) {
            self.validate_member(&member_id, instance_id)?;
        }
        self.remove_member(turn, &member_id);
        Ok(())
    }
}

/// One line of the answer.
pub(crate) fn leave_result(identity: &MemberIdentity<'_>, error: ErrorCode) -> MemberResponse<'static> {
    MemberResponse {
        member_id: identity.member_id.to_string().into(),
        group_instance_id: identity.group_instance_id.as_ref().map(|id| id.to_string().into()),
        error_code: error,
    }
}
