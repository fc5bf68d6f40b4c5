//! SyncGroup: the leader hands in the assignment, every member gets its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use coordinator::Token;
use protocol::{ErrorCode, SyncGroupRequest, SyncGroupResponse};

use super::ClassicGroupState;
use super::group::{ClassicGroup, sync_error};
use crate::pending_append::Action;
use crate::response::Response;
use crate::timer::TimerKey;
use crate::turn::Turn;

impl ClassicGroup {
    /// Handles a SyncGroup request. Followers are parked until the leader's assignment is committed.
    pub fn sync(&mut self, turn: &mut Turn<'_>, request: &SyncGroupRequest<'_>, token: Token) {
        if let Err(error) = self.validate_sync(request) {
            return turn.reply(token, sync_error(error));
        }
        let member_id = &*request.member_id;
        match self.state {
            ClassicGroupState::CompletingRebalance => {
                self.park_sync(turn, member_id, token);
                self.note_synced(turn, member_id);
                if self.is_leader(member_id) {
                    self.store_assignment(turn, request);
                }
            }
            ClassicGroupState::Stable => {
                self.note_synced(turn, member_id);
                let response = self.sync_response(member_id);
                turn.reply(token, response);
            }
            ClassicGroupState::PreparingRebalance => {
                turn.reply(token, sync_error(ErrorCode::REBALANCE_IN_PROGRESS));
            }
            ClassicGroupState::Empty | ClassicGroupState::Dead => {
                turn.reply(token, sync_error(ErrorCode::UNKNOWN_MEMBER_ID));
            }
        }
    }

    fn park_sync(&mut self, turn: &mut Turn<'_>, member_id: &str, token: Token) {
        let member = self.members.get_mut(member_id).expect("the request was validated");
        if let Some(displaced) = member.awaiting_sync.replace(token) {
            // The client has asked again on another connection; nobody reads the older answer.
            turn.reply(displaced, sync_error(ErrorCode::REBALANCE_IN_PROGRESS));
        }
    }

    fn note_synced(&mut self, turn: &mut Turn<'_>, member_id: &str) {
        self.pending_syncs.remove(member_id);
        if self.pending_syncs.is_empty() {
            turn.cancel_timer(&TimerKey::Sync(self.id.clone()));
        }
    }

    /// Sends the leader's assignment to the log. Members it has forgotten get an empty one.
    fn store_assignment(&mut self, turn: &mut Turn<'_>, request: &SyncGroupRequest<'_>) {
        let mut assignment: BTreeMap<Arc<str>, Vec<u8>> =
            self.members.keys().map(|id| (id.clone(), Vec::new())).collect();
        for assigned in &request.assignments {
            if let Some(bytes) = assignment.get_mut(&*assigned.member_id) {
                *bytes = assigned.assignment.to_vec();
            }
        }
        let record = self.record(Some(&assignment));
        let action = Action::Assignment { group: self.id.clone(), generation: self.generation, assignment };
        turn.append(&record, action);
    }

    /// The assignment is committed: the group is stable and everybody who waits gets its part.
    pub fn assignment_committed(
        &mut self,
        turn: &mut Turn<'_>,
        generation: i32,
        mut assignment: BTreeMap<Arc<str>, Vec<u8>>,
    ) {
        self.persisted = true;
        if !self.is_completing(generation) {
            return;
        }
        for member in self.members.values_mut() {
            member.assignment = assignment.remove(&member.id).unwrap_or_default();
        }
        self.transition(ClassicGroupState::Stable, turn.now_ms);
        let member_ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for member_id in member_ids {
            let parked = self.members.get_mut(&member_id).and_then(|member| member.awaiting_sync.take());
            if let Some(token) = parked {
                let response = self.sync_response(&member_id);
                turn.reply(token, response);
                // A session that ran out while the request was parked was let pass, so it needs a new deadline.
                self.restart_session(turn, &member_id);
            }
        }
    }

    /// The assignment could not be written: everybody who waits is told so and the group tries again.
    pub fn assignment_failed(&mut self, turn: &mut Turn<'_>, generation: i32, error: ErrorCode) {
        if self.is_completing(generation) {
            self.fail_syncs(turn, error);
            self.rebalance_or_complete(turn);
        }
    }

    fn is_completing(&self, generation: i32) -> bool {
        self.state == ClassicGroupState::CompletingRebalance && self.generation == generation
    }

    fn sync_response(&self, member_id: &str) -> Response {
        let assignment = self.members.get(member_id).map(|member| member.assignment.clone());
        Response::SyncGroup(SyncGroupResponse {
            protocol_type: self.protocol_type.clone().map(Into::into),
            protocol_name: self.protocol_name.clone().map(Into::into),
            assignment: assignment.unwrap_or_default().into(),
            ..Default::default()
        })
    }
}
