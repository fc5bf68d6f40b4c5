//! From one generation to the next: when a join phase starts, how long it lasts, what its end brings.

use std::sync::Arc;

use protocol::ErrorCode;

use super::ClassicGroupState;
use super::group::{ClassicGroup, InitialDelay, sync_error};
use crate::pending_append::Action;
use crate::timer::TimerKey;
use crate::turn::Turn;

impl ClassicGroup {
    /// Starts a join phase, or ends the one that is going on if everybody is there.
    pub(super) fn rebalance_or_complete(&mut self, turn: &mut Turn<'_>) {
        if self.state.may_become(ClassicGroupState::PreparingRebalance) {
            self.prepare_rebalance(turn);
        } else {
            self.maybe_complete_join(turn);
        }
    }

    /// Starts a join phase. The first one of an empty group lasts at least the initial delay, so that members which
    /// are started together end up in one generation.
    pub(super) fn prepare_rebalance(&mut self, turn: &mut Turn<'_>) {
        if self.state == ClassicGroupState::CompletingRebalance {
            self.fail_syncs(turn, ErrorCode::REBALANCE_IN_PROGRESS);
        }
        self.pending_syncs.clear();
        turn.cancel_timer(&TimerKey::Sync(self.id.clone()));
        let is_initial = self.state == ClassicGroupState::Empty;
        self.transition(ClassicGroupState::PreparingRebalance, turn.now_ms);
        if is_initial {
            let delay_ms = i64::from(turn.config.initial_rebalance_delay_ms);
            let remaining_ms = (self.rebalance_timeout_ms() - delay_ms).max(0);
            self.initial_delay = Some(InitialDelay { delay_ms, remaining_ms });
            turn.set_timer(&self.join_timer(), delay_ms);
        } else if self.has_all_members_joined() {
            self.complete_join(turn);
        } else {
            turn.set_timer(&self.join_timer(), self.rebalance_timeout_ms());
        }
    }

    /// Ends the join phase if everybody is there; an initial one only ends in time.
    pub(super) fn maybe_complete_join(&mut self, turn: &mut Turn<'_>) {
        if self.state == ClassicGroupState::PreparingRebalance
            && self.previous_state != ClassicGroupState::Empty
            && self.has_all_members_joined()
        {
            self.complete_join(turn);
        }
    }

    /// The deadline of the join phase has passed.
    pub fn handle_join_timeout(&mut self, turn: &mut Turn<'_>) {
        if self.state != ClassicGroupState::PreparingRebalance {
            return;
        }
        match self.initial_delay {
            Some(InitialDelay { delay_ms, remaining_ms }) if self.new_member_added && remaining_ms > 0 => {
                self.new_member_added = false;
                let next_delay_ms = i64::from(turn.config.initial_rebalance_delay_ms).min(remaining_ms);
                self.initial_delay = Some(InitialDelay {
                    delay_ms: next_delay_ms,
                    remaining_ms: (remaining_ms - delay_ms).max(0),
                });
                turn.set_timer(&self.join_timer(), next_delay_ms);
            }
            _ => self.complete_join(turn),
        }
    }

    /// Ends the join phase: who has not rejoined is out, except static members; the rest is a new generation.
    pub(super) fn complete_join(&mut self, turn: &mut Turn<'_>) {
        turn.cancel_timer(&self.join_timer());
        self.initial_delay = None;
        self.new_member_added = false;
        let absent: Vec<Arc<str>> = self
            .members
            .values()
            .filter(|member| member.awaiting_join.is_none() && member.instance_id.is_none())
            .map(|member| member.id.clone())
            .collect();
        for member_id in absent {
            self.remove_member(turn, &member_id);
        }
        if self.members.is_empty() {
            self.become_empty(turn);
        } else if self.elect_leader() {
            self.begin_generation(turn);
        } else {
            // Only absent static members are left. Their sessions decide; until then the join phase goes on.
            turn.set_timer(&self.join_timer(), self.rebalance_timeout_ms());
        }
    }

    /// Makes sure that the leader is among those who have joined. False if nobody has.
    fn elect_leader(&mut self) -> bool {
        let has_joined = |id: &str| self.members.get(id).is_some_and(|member| member.awaiting_join.is_some());
        if self.leader.as_deref().is_some_and(has_joined) {
            return true;
        }
        let elected = self
            .members
            .values()
            .filter(|member| member.awaiting_join.is_some())
            .min_by_key(|member| member.joined_seq)
            .map(|member| member.id.clone());
        let is_elected = elected.is_some();
        if is_elected {
            self.leader = elected;
        }
        is_elected
    }

    fn become_empty(&mut self, turn: &mut Turn<'_>) {
        self.next_generation();
        self.leader = None;
        self.protocol_name = None;
        self.update_subscribed_topics();
        self.transition(ClassicGroupState::Empty, turn.now_ms);
        self.pending_syncs.clear();
        turn.append(&self.record(None), Action::EmptyGroup(self.id.clone()));
    }

    fn begin_generation(&mut self, turn: &mut Turn<'_>) {
        self.next_generation();
        self.protocol_name = self.select_protocol();
        self.update_subscribed_topics();
        self.transition(ClassicGroupState::CompletingRebalance, turn.now_ms);
        let member_ids: Vec<Arc<str>> = self.members.keys().cloned().collect();
        for member_id in &member_ids {
            let response = self.join_response(member_id);
            self.complete_join_of(turn, member_id, response);
            self.restart_session(turn, member_id);
            if let Some(member) = self.members.get_mut(member_id) {
                member.is_new = false;
            }
        }
        self.pending_syncs = member_ids.into_iter().collect();
        turn.set_timer(&TimerKey::Sync(self.id.clone()), self.rebalance_timeout_ms());
    }

    fn next_generation(&mut self) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
    }

    /// Not all members have asked for their assignment in time: those are out.
    pub fn handle_sync_timeout(&mut self, turn: &mut Turn<'_>) {
        let is_in_generation =
            matches!(self.state, ClassicGroupState::CompletingRebalance | ClassicGroupState::Stable);
        if !is_in_generation || self.pending_syncs.is_empty() {
            return;
        }
        for member_id in std::mem::take(&mut self.pending_syncs) {
            self.remove_member(turn, &member_id);
        }
        self.prepare_rebalance(turn);
    }

    /// A member's session has run out, or a pending member has not joined in time.
    pub fn handle_session_timeout(&mut self, turn: &mut Turn<'_>, member_id: &str) {
        if self.pending_joins.contains(member_id) {
            self.remove_member(turn, member_id);
        } else {
            match self.members.get(member_id) {
                Some(member) if !member.has_satisfied_heartbeat() => {}
                _ => return,
            }
            self.remove_member(turn, member_id);
            if matches!(self.state, ClassicGroupState::Stable | ClassicGroupState::CompletingRebalance) {
                return self.rebalance_or_complete(turn);
            }
        }
        if self.state == ClassicGroupState::PreparingRebalance && self.has_all_members_joined() {
            self.complete_join(turn);
        }
    }

    /// Takes all assignments back and answers the parked SyncGroup requests with `error`.
    pub(super) fn fail_syncs(&mut self, turn: &mut Turn<'_>, error: ErrorCode) {
        let mut synced = Vec::new();
        for member in self.members.values_mut() {
            member.assignment.clear();
            if let Some(token) = member.awaiting_sync.take() {
                turn.reply(token, sync_error(error));
                synced.push(member.id.clone());
            }
        }
        // A session that ran out while the request was parked was let pass, so it needs a new deadline.
        for member_id in synced {
            self.restart_session(turn, &member_id);
        }
    }

    fn join_timer(&self) -> TimerKey {
        TimerKey::Join(self.id.clone())
    }
}
