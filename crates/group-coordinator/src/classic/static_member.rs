//! A static member comes back under a new member id: the old id is fenced, the assignment stays.

use std::sync::Arc;

use coordinator::Token;
use protocol::{ErrorCode, JoinGroupResponse};

use super::ClassicGroupState;
use super::group::{ClassicGroup, Timeouts, join_error, sync_error};
use super::join::Join;
use super::member::{Member, MemberProtocol};
use crate::pending_append::Action;
use crate::turn::Turn;

/// The first version in which a leader can be told not to assign.
const SKIP_ASSIGNMENT_FROM_VERSION: i16 = 9;

/// A change of a static member's id in a stable group, on its way to the log.
#[derive(Debug)]
pub(crate) struct StaticMemberUpdate {
    /// The group.
    pub group: Arc<str>,
    instance_id: String,
    old_id: Arc<str>,
    new_id: Arc<str>,
    old_protocols: Vec<MemberProtocol>,
    old_timeouts: Timeouts,
    /// Who led the group before; versions that cannot skip the assignment are told this, so that a leader which
    /// has come back does not take itself for one.
    old_leader: String,
    generation: i32,
    api_version: i16,
    token: Token,
}

impl ClassicGroup {
    /// Handles the JoinGroup of a static member without an id whose instance is known as `old_id`.
    pub(super) fn replace_static_member(
        &mut self,
        turn: &mut Turn<'_>,
        join: Join<'_>,
        old_id: &Arc<str>,
        new_id: &str,
    ) {
        let old_leader = self.leader_id();
        let new_id: Arc<str> = Arc::from(new_id);
        self.rename_static_member(turn, old_id, new_id.clone(), ErrorCode::FENCED_INSTANCE_ID);
        self.restart_session(turn, &new_id);
        let timeouts = join.timeouts();
        let (old_protocols, old_timeouts) = self.set_member_settings(&new_id, join.protocols, timeouts);
        self.park_join(&new_id, join.token);
        match self.state {
            ClassicGroupState::Stable if self.select_protocol() == self.protocol_name => {
                let update = StaticMemberUpdate {
                    group: self.id.clone(),
                    instance_id: join.request.group_instance_id.as_deref().unwrap_or_default().to_owned(),
                    old_id: old_id.clone(),
                    new_id,
                    old_protocols,
                    old_timeouts,
                    old_leader,
                    generation: self.generation,
                    api_version: join.context.api_version,
                    token: join.token,
                };
                turn.append(&self.record(None), Action::StaticMember(update));
            }
            // In a stable group the protocol would change. Before that the old id may already be in the leader's
            // hands, and the new one would get no assignment.
            ClassicGroupState::Stable | ClassicGroupState::CompletingRebalance => {
                self.prepare_rebalance(turn);
            }
            _ => self.maybe_complete_join(turn),
        }
    }

    /// The new id of a static member is committed: it gets the generation it is in.
    pub fn static_member_committed(&mut self, turn: &mut Turn<'_>, update: &StaticMemberUpdate) {
        self.persisted = true;
        if !self.is_current(update) {
            // A rebalance has begun since; its end answers the member.
            return;
        }
        let mut response = self.join_response(&update.new_id);
        if update.api_version >= SKIP_ASSIGNMENT_FROM_VERSION {
            response.skip_assignment = self.is_leader(&update.new_id);
        } else {
            response.leader = update.old_leader.clone().into();
            response.members.clear();
        }
        self.complete_join_of(turn, &update.new_id, response);
    }

    /// The new id of a static member could not be written: the old one is valid again.
    pub fn static_member_failed(
        &mut self,
        turn: &mut Turn<'_>,
        update: StaticMemberUpdate,
        error: ErrorCode,
    ) {
        if !self.is_current(&update) {
            return;
        }
        let response = JoinGroupResponse {
            error_code: error,
            leader: update.old_leader.into(),
            ..self.join_response("")
        };
        self.complete_join_of(turn, &update.new_id, response);
        self.set_member_settings(&update.new_id, update.old_protocols, update.old_timeouts);
        self.rename_static_member(turn, &update.new_id, update.old_id.clone(), error);
        self.restart_session(turn, &update.old_id);
    }

    /// Whether the member still waits for exactly this update.
    fn is_current(&self, update: &StaticMemberUpdate) -> bool {
        self.state == ClassicGroupState::Stable
            && self.generation == update.generation
            && self.static_members.get(&update.instance_id) == Some(&update.new_id)
            && self.members[&update.new_id].awaiting_join == Some(update.token)
    }

    /// Gives a static member another id and answers what is parked under the old one with `error`.
    fn rename_static_member(
        &mut self,
        turn: &mut Turn<'_>,
        old_id: &Arc<str>,
        new_id: Arc<str>,
        error: ErrorCode,
    ) {
        let old = self.take_member(old_id).expect("instance ids point to members");
        turn.cancel_timer(&self.session_timer(old_id));
        if let Some(token) = old.awaiting_join {
            turn.reply(token, join_error(old_id, error));
        }
        if let Some(token) = old.awaiting_sync {
            turn.reply(token, sync_error(error));
        }
        if self.is_leader(old_id) {
            self.leader = Some(new_id.clone());
        }
        if self.pending_syncs.remove(old_id) {
            self.pending_syncs.insert(new_id.clone());
        }
        self.insert_member(Member {
            id: new_id,
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
            ..old
        });
    }

    fn park_join(&mut self, member_id: &str, token: Token) {
        let member = self.members.get_mut(member_id).expect("the member was just put in");
        assert!(member.awaiting_join.is_none(), "a new id has nothing parked");
        member.awaiting_join = Some(token);
        self.awaiting_joins += 1;
    }
}
