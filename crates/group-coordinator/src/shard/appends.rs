//! The ends of appends: records become state and answers leave, or everything that waited is told.

use coordinator::{AppendId, error_for_client};
use protocol::ErrorCode;

use super::GroupShard;
use crate::effect::Effect;
use crate::offsets;
use crate::pending_append::{Action, PendingAppend};
use crate::record::GroupRecord;
use crate::response::Response;

impl GroupShard {
    /// The records of this append are committed.
    ///
    /// # Panics
    /// If no such append is under way: an append ends once.
    pub fn handle_committed(&mut self, now_ms: i64, id: AppendId, effects: &mut Vec<Effect>) {
        let PendingAppend { action, replies, stable_fetches } =
            self.appends.end(id).expect("an append ends once");
        match action {
            Action::Replay(records) => {
                for record in records {
                    self.apply(record);
                }
            }
            Action::NewGroup(group) | Action::EmptyGroup(group) => {
                if let Some(group) = self.groups.get_mut(&group) {
                    group.set_persisted();
                }
            }
            Action::Assignment { group, generation, assignment } => {
                let (groups, _, mut turn) = self.turn(now_ms, effects);
                if let Some(group) = groups.get_mut(&group) {
                    group.assignment_committed(&mut turn, generation, assignment);
                }
            }
            Action::StaticMember(update) => {
                let (groups, _, mut turn) = self.turn(now_ms, effects);
                if let Some(group) = groups.get_mut(&update.group) {
                    group.static_member_committed(&mut turn, &update);
                }
            }
        }
        let (_, offsets, mut turn) = self.turn(now_ms, effects);
        for (token, response) in replies {
            turn.reply(token, response);
        }
        for (token, request) in stable_fetches {
            turn.reply(token, Response::OffsetFetch(offsets::fetch(offsets, &request)));
        }
    }

    /// The records of this append were not written, and never will be.
    ///
    /// # Panics
    /// If no such append is under way: an append ends once.
    pub fn handle_append_failed(
        &mut self,
        now_ms: i64,
        id: AppendId,
        error: ErrorCode,
        effects: &mut Vec<Effect>,
    ) {
        let pending = self.appends.end(id).expect("an append ends once");
        self.fail_append(now_ms, pending, error_for_client(error), effects);
    }

    pub(super) fn fail_append(
        &mut self,
        now_ms: i64,
        pending: PendingAppend,
        error: ErrorCode,
        effects: &mut Vec<Effect>,
    ) {
        let (groups, offsets, mut turn) = self.turn(now_ms, effects);
        match pending.action {
            Action::Replay(records) => {
                for record in &records {
                    if let GroupRecord::Group { group, value: None } = record
                        && let Some(group) = groups.get_mut(group)
                    {
                        group.delete_failed();
                    }
                }
            }
            Action::NewGroup(id) => {
                if groups.get(&id).is_some_and(|group| !group.is_persisted())
                    && let Some(mut group) = groups.remove(&id)
                {
                    group.unload(&mut turn, error);
                }
            }
            // The last generation that is in the log comes back on a restart, finds no members, and ends.
            Action::EmptyGroup(_) => {}
            Action::Assignment { group, generation, .. } => {
                if let Some(group) = groups.get_mut(&group) {
                    group.assignment_failed(&mut turn, generation, error);
                }
            }
            Action::StaticMember(update) => {
                if let Some(group) = groups.get_mut(&update.group) {
                    group.static_member_failed(&mut turn, update, error);
                }
            }
        }
        for (token, response) in pending.replies {
            turn.reply(token, response.failed(error));
        }
        for (token, request) in pending.stable_fetches {
            turn.reply(token, Response::OffsetFetch(offsets::fetch(offsets, &request)));
        }
    }
}
