//! The requests of members: JoinGroup, SyncGroup, Heartbeat, LeaveGroup; and DeleteGroups.

use std::sync::Arc;

use coordinator::Token;
use protocol::delete_groups_response::DeletableGroupResult;
use protocol::{
    ErrorCode, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, LeaveGroupRequest, LeaveGroupResponse,
    SyncGroupRequest,
};

use super::GroupShard;
use crate::classic::{ClassicGroup, join_error, leave_result, sync_error};
use crate::context::RequestContext;
use crate::effect::Effect;
use crate::offsets;
use crate::pending_append::Action;
use crate::record::{GroupRecord, STORED_STRING_BYTES_MAX};
use crate::response::Response;
use crate::turn::Turn;

/// Room for the dash and the UUID behind the prefix of a member id.
const MEMBER_ID_SUFFIX_BYTES: usize = 37;

impl GroupShard {
    /// Handles a JoinGroup request.
    pub fn handle_join_group(
        &mut self,
        now_ms: i64,
        context: RequestContext<'_>,
        request: &JoinGroupRequest<'_>,
        token: Token,
        effects: &mut Vec<Effect>,
    ) {
        let (groups, _, mut turn) = self.turn(now_ms, effects);
        let timeouts = turn.config.min_session_timeout_ms..=turn.config.max_session_timeout_ms;
        let refused = if !is_group_id(&request.group_id) {
            Some(ErrorCode::INVALID_GROUP_ID)
        } else if !timeouts.contains(&request.session_timeout_ms) {
            Some(ErrorCode::INVALID_SESSION_TIMEOUT)
        } else if !has_storable_strings(context, request) {
            Some(ErrorCode::INVALID_REQUEST)
        } else {
            None
        };
        if let Some(error) = refused {
            return turn.reply(token, join_error(&request.member_id, error));
        }
        if let Some(group) = groups.get_mut(&*request.group_id) {
            return group.join(&mut turn, context, request, token);
        }
        if !request.member_id.is_empty() {
            return turn.reply(token, join_error(&request.member_id, ErrorCode::UNKNOWN_MEMBER_ID));
        }
        let id: Arc<str> = Arc::from(&*request.group_id);
        let group =
            groups.entry(id.clone()).or_insert_with(|| ClassicGroup::new_empty(id.clone(), Some(now_ms)));
        group.join(&mut turn, context, request, token);
        if !turn.appended {
            // The first record makes the group visible.
            turn.append(&group.new_group_record(), Action::NewGroup(id));
        }
    }

    /// Handles a SyncGroup request.
    pub fn handle_sync_group(
        &mut self,
        now_ms: i64,
        request: &SyncGroupRequest<'_>,
        token: Token,
        effects: &mut Vec<Effect>,
    ) {
        let (groups, _, mut turn) = self.turn(now_ms, effects);
        if request.group_id.is_empty() {
            return turn.reply(token, sync_error(ErrorCode::INVALID_GROUP_ID));
        }
        match groups.get_mut(&*request.group_id) {
            Some(group) => group.sync(&mut turn, request, token),
            None => turn.reply(token, sync_error(ErrorCode::UNKNOWN_MEMBER_ID)),
        }
    }

    /// Handles a Heartbeat request.
    pub fn handle_heartbeat(
        &mut self,
        now_ms: i64,
        request: &HeartbeatRequest<'_>,
        token: Token,
        effects: &mut Vec<Effect>,
    ) {
        let (groups, _, mut turn) = self.turn(now_ms, effects);
        let error_code = match groups.get_mut(&*request.group_id) {
            _ if request.group_id.is_empty() => ErrorCode::INVALID_GROUP_ID,
            Some(group) => group.heartbeat(&mut turn, request),
            None => ErrorCode::UNKNOWN_MEMBER_ID,
        };
        turn.reply(token, Response::Heartbeat(HeartbeatResponse { error_code, ..Default::default() }));
    }

    /// Handles a LeaveGroup request; versions 0 to 2 come with their one member in `members`.
    pub fn handle_leave_group(
        &mut self,
        now_ms: i64,
        request: &LeaveGroupRequest<'_>,
        token: Token,
        effects: &mut Vec<Effect>,
    ) {
        let (groups, _, mut turn) = self.turn(now_ms, effects);
        let response = match groups.get_mut(&*request.group_id) {
            _ if request.group_id.is_empty() => {
                LeaveGroupResponse { error_code: ErrorCode::INVALID_GROUP_ID, ..Default::default() }
            }
            Some(group) => group.leave(&mut turn, request),
            None => {
                let unknown = |identity| leave_result(identity, ErrorCode::UNKNOWN_MEMBER_ID);
                let members = request.members.iter().map(unknown).collect();
                LeaveGroupResponse { members, ..Default::default() }
            }
        };
        turn.reply_when_committed(token, Response::LeaveGroup(response));
    }

    /// Handles the part of a DeleteGroups request that belongs to this shard.
    pub fn handle_delete_groups(
        &mut self,
        now_ms: i64,
        group_ids: &[&str],
        token: Token,
        effects: &mut Vec<Effect>,
    ) {
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(group_ids.len());
        for group_id in group_ids {
            let deleted = self.delete_group(now_ms, group_id, &mut records, effects);
            results.push(DeletableGroupResult {
                group_id: (*group_id).to_owned().into(),
                error_code: deleted.err().unwrap_or(ErrorCode::NONE),
                ..Default::default()
            });
        }
        let (_, _, mut turn) = self.turn(now_ms, effects);
        if !records.is_empty() {
            turn.append_and_replay(records);
        }
        turn.reply_when_committed(token, Response::DeleteGroups(results));
    }

    fn delete_group(
        &mut self,
        now_ms: i64,
        group_id: &str,
        records: &mut Vec<GroupRecord>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), ErrorCode> {
        let (groups, offsets, mut turn) = self.turn(now_ms, effects);
        let group = groups.get_mut(group_id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        group.validate_delete()?;
        records.extend(offsets::delete_all(offsets, turn.appends, group.id()));
        records.push(bury(&mut turn, group));
        Ok(())
    }
}

/// Starts the end of an empty group and returns its tombstone.
pub(super) fn bury(turn: &mut Turn<'_>, group: &mut ClassicGroup) -> GroupRecord {
    group.begin_delete(turn);
    GroupRecord::Group { group: group.id().clone(), value: None }
}

/// Whether a group can have this id.
pub(super) fn is_group_id(group_id: &str) -> bool {
    !group_id.is_empty() && group_id.len() <= STORED_STRING_BYTES_MAX
}

/// Whether everything of the request that ends up in a record has room there.
fn has_storable_strings(context: RequestContext<'_>, request: &JoinGroupRequest<'_>) -> bool {
    let prefix = request.group_instance_id.as_deref().unwrap_or(context.client_id);
    let is_storable = |text: &str| text.len() <= STORED_STRING_BYTES_MAX;
    is_storable(&request.member_id)
        && is_storable(&request.protocol_type)
        && prefix.len().max(context.client_id.len()) <= STORED_STRING_BYTES_MAX - MEMBER_ID_SUFFIX_BYTES
        && request.protocols.iter().all(|protocol| is_storable(&protocol.name))
}
