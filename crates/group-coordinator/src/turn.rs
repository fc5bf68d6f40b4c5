//! What one `handle_*` call may touch besides the group it is about: time, settings, deadlines, appends, effects.

use std::collections::BTreeSet;
use std::sync::Arc;

use coordinator::{AppendQueue, Deadlines, LogRecord, Token};

use crate::config::GroupCoordinatorConfig;
use crate::effect::Effect;
use crate::pending_append::{Action, PendingAppend};
use crate::record::GroupRecord;
use crate::response::Response;
use crate::timer::TimerKey;

/// The shard's surroundings during one call.
pub(crate) struct Turn<'a> {
    /// The caller's time.
    pub now_ms: i64,
    /// The shard's settings.
    pub config: &'a GroupCoordinatorConfig,
    pub(crate) timers: &'a mut Deadlines<TimerKey>,
    pub(crate) appends: &'a mut AppendQueue<PendingAppend>,
    pub(crate) effects: &'a mut Vec<Effect>,
    /// Whether this call has asked for an append.
    pub(crate) appended: bool,
}

impl Turn<'_> {
    /// Answers at once.
    pub fn reply(&mut self, token: Token, response: Response) {
        self.effects.push(Effect::Reply { token, response: Box::new(response) });
    }

    /// Answers when the records asked for in this call are committed, at once if there are none.
    pub fn reply_when_committed(&mut self, token: Token, response: Response) {
        if self.appended {
            let pending = self.appends.newest_mut().expect("this call has begun an append");
            pending.replies.push((token, response));
        } else {
            self.reply(token, response);
        }
    }

    /// Asks for one append of `record`, whose change of state is described by `action`.
    pub fn append(&mut self, record: &GroupRecord, action: Action) {
        self.begin_append(vec![record.encode()], action, true);
    }

    /// Asks for one append of `records`, which are replayed together when they are committed.
    pub fn append_and_replay(&mut self, records: Vec<GroupRecord>) {
        let encoded = records.iter().map(GroupRecord::encode).collect();
        self.begin_append(encoded, Action::Replay(records), true);
    }

    /// Asks for an append of `records` that may be cut into several batches; they are replayed when all are committed.
    pub fn append_piecewise_and_replay(&mut self, records: Vec<GroupRecord>) {
        let encoded = records.iter().map(GroupRecord::encode).collect();
        self.begin_append(encoded, Action::Replay(records), false);
    }

    fn begin_append(&mut self, records: Vec<LogRecord>, action: Action, atomic: bool) {
        assert!(!records.is_empty(), "an append has records");
        let pending = PendingAppend { action, replies: Vec::new(), stable_fetches: Vec::new() };
        let id = self.appends.begin(pending);
        self.appended = true;
        self.effects.push(Effect::Append { id, records, atomic });
    }

    /// The groups that have something on its way to the log.
    pub fn groups_under_way(&self) -> BTreeSet<Arc<str>> {
        self.appends.iter().flat_map(PendingAppend::groups).cloned().collect()
    }

    /// Sets a deadline, `after_ms` from now.
    pub fn set_timer(&mut self, key: &TimerKey, after_ms: i64) {
        self.timers.set(key, self.now_ms.saturating_add(after_ms.max(0)));
    }

    /// Forgets a deadline.
    pub fn cancel_timer(&mut self, key: &TimerKey) {
        self.timers.cancel(key);
    }
}
