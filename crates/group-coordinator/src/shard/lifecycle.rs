//! A shard's life apart from requests: it is loaded, time passes, it is handed over.

use protocol::ErrorCode;

use super::GroupShard;
use super::group_requests::bury;
use crate::classic::ClassicGroupState;
use crate::effect::Effect;
use crate::offsets;
use crate::response::Response;
use crate::timer::TimerKey;

impl GroupShard {
    /// The whole log is replayed: sessions begin, and the shard may serve.
    pub fn handle_loaded(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        let (groups, _, mut turn) = self.turn(now_ms, effects);
        for group in groups.values_mut() {
            group.loaded(&mut turn);
        }
        let interval_ms = turn.config.offsets_retention_check_interval_ms;
        turn.set_timer(&TimerKey::Expiry, interval_ms);
    }

    /// Does everything whose time has come by `now_ms`.
    pub fn handle_timeout(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        while let Some(key) = self.timers.pop_expired(now_ms) {
            if key == TimerKey::Expiry {
                self.expire_offsets(now_ms, effects);
                continue;
            }
            let (groups, _, mut turn) = self.turn(now_ms, effects);
            match key {
                TimerKey::Session(group, member) => {
                    if let Some(group) = groups.get_mut(&group) {
                        group.handle_session_timeout(&mut turn, &member);
                    }
                }
                TimerKey::Join(group) => {
                    if let Some(group) = groups.get_mut(&group) {
                        group.handle_join_timeout(&mut turn);
                    }
                }
                TimerKey::Sync(group) => {
                    if let Some(group) = groups.get_mut(&group) {
                        group.handle_sync_timeout(&mut turn);
                    }
                }
                TimerKey::Expiry => {}
            }
        }
    }

    /// Deletes offsets that have outlived their retention, and empty groups that have none left.
    fn expire_offsets(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        let (groups, offsets, mut turn) = self.turn(now_ms, effects);
        let retention_ms = turn.config.offsets_retention_ms;
        let busy = turn.groups_under_way();
        let mut records = Vec::new();
        for group in groups.values_mut() {
            // A group with something on its way to the log is in use; the next round looks at it again.
            if group.state() == ClassicGroupState::Dead || busy.contains(group.id()) {
                continue;
            }
            let expired = offsets::expire(offsets, group, now_ms, retention_ms);
            records.extend(expired.records);
            let is_unused = group.state() == ClassicGroupState::Empty && !group.has_pending_joins();
            if expired.all && is_unused {
                records.push(bury(&mut turn, group));
            }
        }
        if !records.is_empty() {
            turn.append_piecewise_and_replay(records);
        }
        let interval_ms = turn.config.offsets_retention_check_interval_ms;
        turn.set_timer(&TimerKey::Expiry, interval_ms);
    }

    /// The partition belongs to another node from now on: everybody who waits is sent there. The shard is of no use
    /// after this.
    pub fn handle_resigned(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        let error = ErrorCode::NOT_COORDINATOR;
        let appends = std::mem::take(&mut self.appends);
        let (groups, _, mut turn) = self.turn(now_ms, effects);
        for group in groups.values_mut() {
            group.unload(&mut turn, error);
        }
        for pending in appends.into_pending() {
            for (token, response) in pending.replies {
                turn.reply(token, response.failed(error));
            }
            for (token, request) in pending.stable_fetches {
                let response = Response::OffsetFetch(offsets::fetch_failed(&request, error));
                turn.reply(token, response);
            }
        }
    }
}
