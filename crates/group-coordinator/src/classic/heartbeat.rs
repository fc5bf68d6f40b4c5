//! Heartbeat: a member says it is alive and learns whether it has to rejoin.

use protocol::{ErrorCode, HeartbeatRequest};

use super::ClassicGroupState;
use super::group::ClassicGroup;
use super::validate::Committer;
use crate::turn::Turn;

impl ClassicGroup {
    /// Handles a Heartbeat request.
    pub fn heartbeat(&mut self, turn: &mut Turn<'_>, request: &HeartbeatRequest<'_>) -> ErrorCode {
        let member_id = &*request.member_id;
        if let Err(error) =
            self.validate_generation(member_id, request.group_instance_id.as_deref(), request.generation_id)
        {
            return error;
        }
        match self.state {
            ClassicGroupState::PreparingRebalance => {
                self.restart_session(turn, member_id);
                ErrorCode::REBALANCE_IN_PROGRESS
            }
            // A consumer heartbeats as soon as it knows its generation, before it has its assignment.
            ClassicGroupState::CompletingRebalance | ClassicGroupState::Stable => {
                self.restart_session(turn, member_id);
                ErrorCode::NONE
            }
            ClassicGroupState::Empty | ClassicGroupState::Dead => ErrorCode::UNKNOWN_MEMBER_ID,
        }
    }

    /// A commit of offsets is as good as a heartbeat.
    pub fn note_commit(&mut self, turn: &mut Turn<'_>, committer: Committer<'_>) {
        if matches!(self.state, ClassicGroupState::Stable | ClassicGroupState::PreparingRebalance) {
            self.restart_session(turn, committer.member_id);
        }
    }
}
