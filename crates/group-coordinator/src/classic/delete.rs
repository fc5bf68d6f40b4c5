//! The end of a classic group: its tombstone on the way to the log, and what happens when it does not get there.

use std::sync::Arc;

use protocol::ErrorCode;

use super::ClassicGroupState;
use super::group::{ClassicGroup, join_error, sync_error};
use crate::timer::TimerKey;
use crate::turn::Turn;

impl ClassicGroup {
    /// Whether the group may be deleted.
    pub fn validate_delete(&self) -> Result<(), ErrorCode> {
        match self.state {
            ClassicGroupState::Empty => Ok(()),
            ClassicGroupState::Dead => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            _ => Err(ErrorCode::NON_EMPTY_GROUP),
        }
    }

    /// The tombstone goes to the log. Until it is committed, whoever comes is told to come back.
    pub fn begin_delete(&mut self, turn: &mut Turn<'_>) {
        assert!(self.state == ClassicGroupState::Empty, "only empty groups are deleted");
        for member_id in std::mem::take(&mut self.pending_joins) {
            turn.cancel_timer(&self.session_timer(&member_id));
        }
        self.state = ClassicGroupState::Dead;
    }

    /// The tombstone was not written: the group is as it was.
    pub fn delete_failed(&mut self) {
        if self.state == ClassicGroupState::Dead {
            self.state = ClassicGroupState::Empty;
        }
    }

    /// Takes the group out of this shard: all parked requests are answered with `error`, all deadlines forgotten.
    pub fn unload(&mut self, turn: &mut Turn<'_>, error: ErrorCode) {
        let member_ids: Vec<Arc<str>> = self.members.keys().chain(&self.pending_joins).cloned().collect();
        for member_id in member_ids {
            if let Some(member) = self.members.get_mut(&member_id) {
                if let Some(token) = member.awaiting_join.take() {
                    self.awaiting_joins -= 1;
                    turn.reply(token, join_error(&member_id, error));
                }
                if let Some(token) = member.awaiting_sync.take() {
                    turn.reply(token, sync_error(error));
                }
            }
            turn.cancel_timer(&TimerKey::Session(self.id.clone(), member_id));
        }
        turn.cancel_timer(&TimerKey::Join(self.id.clone()));
        turn.cancel_timer(&TimerKey::Sync(self.id.clone()));
    }
}
