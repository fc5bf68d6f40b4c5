//! Who may speak for a member: the checks before anything changes.

use protocol::{ErrorCode, SyncGroupRequest};

use super::ClassicGroupState;
use super::group::ClassicGroup;

/// Who commits offsets, as the request says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Committer<'a> {
    pub member_id: &'a str,
    pub instance_id: Option<&'a str>,
    pub generation: i32,
}

impl ClassicGroup {
    /// Checks that the member exists and, if an instance id is given, still owns it.
    pub(super) fn validate_member(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(owner) if **owner != *member_id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
    }

    /// Checks that the member exists and knows the current generation.
    pub(super) fn validate_generation(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        if self.state == ClassicGroupState::Dead {
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        self.validate_member(member_id, instance_id)?;
        if generation == self.generation { Ok(()) } else { Err(ErrorCode::ILLEGAL_GENERATION) }
    }

    pub(super) fn validate_sync(&self, request: &SyncGroupRequest<'_>) -> Result<(), ErrorCode> {
        self.validate_generation(
            &request.member_id,
            request.group_instance_id.as_deref(),
            request.generation_id,
        )?;
        let differs =
            |theirs: Option<&str>, ours: Option<&str>| matches!((theirs, ours), (Some(a), Some(b)) if a != b);
        if differs(request.protocol_type.as_deref(), self.protocol_type.as_deref())
            || differs(request.protocol_name.as_deref(), self.protocol_name.as_deref())
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }

    /// Checks that offsets may be committed. Without member and generation they may be while the group has no members.
    pub fn validate_offset_commit(&self, committer: Committer<'_>) -> Result<(), ErrorCode> {
        let Committer { member_id, instance_id, generation } = committer;
        let is_simple = generation < 0 && member_id.is_empty() && instance_id.is_none();
        match self.state {
            ClassicGroupState::Dead => return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
            ClassicGroupState::Empty if generation < 0 => return Ok(()),
            _ if is_simple => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            _ => self.validate_generation(member_id, instance_id, generation)?,
        }
        if self.state == ClassicGroupState::CompletingRebalance {
            // The member knows the generation, but not its assignment yet; it is told to wait for it.
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }

    /// Checks that offsets may be deleted one by one: of consumers' groups those of unsubscribed topics may, of other
    /// groups only when there are no members.
    pub fn validate_offset_delete(&self) -> Result<(), ErrorCode> {
        match self.state {
            ClassicGroupState::Dead => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            ClassicGroupState::Empty => Ok(()),
            _ if self.uses_consumer_protocol() => Ok(()),
            _ => Err(ErrorCode::NON_EMPTY_GROUP),
        }
    }
}
