//! The task itself: the only one that touches the shards.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use coordinator::{Deadlines, Token, partition_for};
use group_coordinator::{DeletedTopic, Effect, GroupCoordinatorConfig, GroupShard, RequestContext};
use platform::Rng;
use protocol::ErrorCode;
use protocol::list_groups_response::ListedGroup;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Sleep, sleep_until};

use super::append_batch::{NextBatch, WaitingAppend, next_batch};
use super::call::{Answer, AnswerSender, Call, CallContext, Command};
use super::changes::Changes;
use super::io_set::IoSet;
use super::load::ShardLoad;
use super::offsets_log::{Leadership, OffsetsLog, OffsetsLogConfig};
use super::slot::{Active, Slot, SlotState, Writing};
use super::steady_clock::SteadyClock;

/// Calls that are handled in a row before their records are written: they share a batch.
const CALLS_PER_ROUND_MAX: usize = 256;

/// Appends that may wait for the log, over all shards. Beyond that no call is taken from the queue.
const WAITING_APPENDS_MAX: usize = 4_096;

/// A read or an append that has come to its end.
struct IoDone {
    partition: i32,
    incarnation: u64,
    result: IoResult,
}

enum IoResult {
    Read(Result<Bytes, ErrorCode>),
    Append(Result<i64, ErrorCode>),
}

/// Everything the task owns.
pub(super) struct Owner<L> {
    log: Arc<L>,
    log_config: OffsetsLogConfig,
    clock: SteadyClock,
    rng: Rng,
    config: GroupCoordinatorConfig,
    changes: Arc<Changes>,
    slots: BTreeMap<i32, Slot>,
    next_incarnation: u64,
    /// The earliest deadline of each active shard.
    deadlines: Deadlines<i32>,
    /// Partitions whose appends may have to be written.
    dirty: BTreeSet<i32>,
    waiting_appends: usize,
    io: IoSet<IoDone>,
    answers: BTreeMap<Token, AnswerSender>,
    next_token: u64,
    effects: Vec<Effect>,
}

impl<L: OffsetsLog> Owner<L> {
    pub fn new(
        log: Arc<L>,
        log_config: OffsetsLogConfig,
        clock: SteadyClock,
        rng: Rng,
        config: GroupCoordinatorConfig,
        changes: Arc<Changes>,
    ) -> Owner<L> {
        Owner {
            log,
            log_config,
            clock,
            rng,
            config,
            changes,
            slots: BTreeMap::new(),
            next_incarnation: 0,
            deadlines: Deadlines::default(),
            dirty: BTreeSet::new(),
            waiting_appends: 0,
            io: IoSet::new(),
            answers: BTreeMap::new(),
            next_token: 0,
            effects: Vec::new(),
        }
    }

    /// Serves until it is shut down or nobody is left who could ask.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let changes = self.changes.clone();
        let mut alarm = std::pin::pin!(sleep_until(self.clock.instant_of(0)));
        let mut alarm_ms = None;
        loop {
            self.write_dirty();
            set_alarm(alarm.as_mut(), &mut alarm_ms, self.deadlines.next_ms(), self.clock);
            let has_room = self.waiting_appends < WAITING_APPENDS_MAX;
            tokio::select! {
                biased;
                done = self.io.next() => self.handle_io(done),
                () = changes.told() => self.handle_changes(),
                () = alarm.as_mut(), if alarm_ms.is_some() => self.handle_timeouts(),
                command = commands.recv(), if has_room => {
                    let Some(command) = command else { break };
                    if let Some(done) = self.handle_round(command, &mut commands) {
                        self.resign_all();
                        // Who asked may have stopped waiting.
                        let _ = done.send(());
                        return;
                    }
                }
            }
        }
        self.resign_all();
    }

    /// Handles a command and those that lie behind it. Returns whom to tell if it is time to end.
    fn handle_round(
        &mut self,
        first: Command,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Option<oneshot::Sender<()>> {
        let mut command = first;
        for handled in 1.. {
            match command {
                Command::Call(call, answer) => self.handle_call(call, answer),
                Command::List { states, types, answer } => {
                    // Who asked may have stopped waiting.
                    let _ = answer.send(self.list(&states, &types));
                }
                Command::ShutDown(done) => return Some(done),
            }
            if handled == CALLS_PER_ROUND_MAX || self.waiting_appends >= WAITING_APPENDS_MAX {
                break;
            }
            match commands.try_recv() {
                Ok(next) => command = next,
                Err(_) => break,
            }
        }
        None
    }

    fn handle_call(&mut self, call: Call, answer: AnswerSender) {
        match self.partition_of(call.group_id()) {
            Ok(partition) => self.serve(partition, call, answer),
            Err(error) => {
                let error = if call.lacks_group() { ErrorCode::INVALID_GROUP_ID } else { error };
                let _ = answer.send(Err(error));
            }
        }
    }

    /// The partition of a group whose shard serves; starts to load it if that was forgotten.
    fn partition_of(&mut self, group_id: &str) -> Result<i32, ErrorCode> {
        // While there is no topic nobody coordinates: who asks for the coordinator has it made.
        let partition_count = self.log.partition_count().ok_or(ErrorCode::NOT_COORDINATOR)?;
        let partition = partition_for(group_id, partition_count);
        if !self.slots.contains_key(&partition) {
            self.follow_leadership(partition);
        }
        match self.slots.get(&partition).map(|slot| &slot.state) {
            Some(SlotState::Active(_)) => Ok(partition),
            Some(SlotState::Loading { .. }) => Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            Some(SlotState::Failed) | None => Err(ErrorCode::NOT_COORDINATOR),
        }
    }

    fn serve(&mut self, partition: i32, call: Call, answer: AnswerSender) {
        let token = Token(self.next_token);
        self.next_token += 1;
        let now_ms = self.clock.now_ms();
        let Some(active) = active_in(&mut self.slots, partition) else { return };
        if let Call::DescribeGroup { api_version, group_id } = &call {
            let described = active.shard.describe_groups(*api_version, &[group_id]).pop();
            let described = described.expect("one group asked for, one described");
            let _ = answer.send(Ok(Answer::Described(Box::new(described))));
            return;
        }
        self.answers.insert(token, answer);
        call_shard(&mut active.shard, now_ms, &self.rng, &call, token, &mut self.effects);
        self.run_effects(partition);
        // A delay of zero is over already.
        if self.deadlines.get(&partition).is_some_and(|deadline_ms| deadline_ms <= now_ms) {
            self.handle_timeouts();
        }
    }

    fn list(&self, states: &[String], types: &[String]) -> Result<Vec<ListedGroup<'static>>, ErrorCode> {
        let states: Vec<&str> = states.iter().map(String::as_str).collect();
        let types: Vec<&str> = types.iter().map(String::as_str).collect();
        let mut listed = Vec::new();
        for slot in self.slots.values() {
            match &slot.state {
                SlotState::Active(active) => listed.extend(active.shard.list_groups(&states, &types)),
                SlotState::Loading { .. } => return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
                SlotState::Failed => {}
            }
        }
        Ok(listed)
    }

    fn handle_timeouts(&mut self) {
        let now_ms = self.clock.now_ms();
        while let Some(partition) = self.deadlines.pop_expired(now_ms) {
            if let Some(active) = active_in(&mut self.slots, partition) {
                active.shard.handle_timeout(now_ms, &mut self.effects);
                self.run_effects(partition);
            }
        }
    }

    /// Does what a shard has asked for, and notes when it wants to be woken.
    fn run_effects(&mut self, partition: i32) {
        let Some(active) = active_in(&mut self.slots, partition) else { return };
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Reply { token, response } => {
                    if let Some(answer) = self.answers.remove(&token) {
                        // The client may have gone away.
                        let _ = answer.send(Ok(Answer::Response(response)));
                    }
                }
                Effect::Append { id, records, atomic } => {
                    let records = VecDeque::from(records);
                    active.waiting.push_back(WaitingAppend { id, records, atomic });
                    self.waiting_appends += 1;
                    self.dirty.insert(partition);
                }
            }
        }
        match active.shard.poll_timeout() {
            Some(deadline_ms) => self.deadlines.set(&partition, deadline_ms),
            None => self.deadlines.cancel(&partition),
        }
    }

    /// Starts to write what is waiting, one batch for each partition that is not writing already.
    fn write_dirty(&mut self) {
        let now_ms = self.clock.now_ms();
        let compression = self.log_config.compression;
        while let Some(partition) = self.dirty.pop_first() {
            let bytes_max = self.log.batch_bytes_max(partition);
            let Some(slot) = self.slots.get_mut(&partition) else { continue };
            let SlotState::Active(active) = &mut slot.state else { continue };
            if active.writing.is_some() {
                continue;
            }
            match next_batch(&mut active.waiting, bytes_max, now_ms, compression) {
                None => {}
                Some(NextBatch::Write { batch, complete, partial }) => {
                    active.writing = Some(Writing { complete, partial });
                    let (log, incarnation) = (self.log.clone(), slot.incarnation);
                    let leader_epoch = slot.leadership.leader_epoch;
                    self.io.push(async move {
                        let result = log.append(partition, leader_epoch, Bytes::from(batch)).await;
                        IoDone { partition, incarnation, result: IoResult::Append(result) }
                    });
                }
                Some(NextBatch::Refuse(id, error)) => {
                    active.shard.handle_append_failed(now_ms, id, error, &mut self.effects);
                    self.waiting_appends -= 1;
                    self.run_effects(partition);
                    self.dirty.insert(partition);
                }
            }
        }
    }

    fn handle_io(&mut self, done: IoDone) {
        let IoDone { partition, incarnation, result } = done;
        let is_current = self.slots.get(&partition).is_some_and(|slot| slot.incarnation == incarnation);
        match result {
            // The partition has been handed over since; who waited was told.
            _ if !is_current => {}
            IoResult::Read(read) => self.handle_read(partition, read),
            IoResult::Append(appended) => self.handle_appended(partition, appended),
        }
    }

    fn handle_appended(&mut self, partition: i32, appended: Result<i64, ErrorCode>) {
        let now_ms = self.clock.now_ms();
        let Some(active) = active_in(&mut self.slots, partition) else { return };
        let Writing { complete, partial } = active.writing.take().expect("a batch was being written");
        self.waiting_appends -= complete.len();
        match appended {
            Ok(_) => {
                for id in complete {
                    active.shard.handle_committed(now_ms, id, &mut self.effects);
                }
            }
            Err(error) => {
                for id in complete {
                    active.shard.handle_append_failed(now_ms, id, error, &mut self.effects);
                }
                // Of an append that was cut the rest must not be written either.
                if let Some(id) = partial {
                    active.waiting.retain(|append| append.id != id);
                    self.waiting_appends -= 1;
                    active.shard.handle_append_failed(now_ms, id, error, &mut self.effects);
                }
            }
        }
        self.run_effects(partition);
        self.dirty.insert(partition);
    }

    fn handle_changes(&mut self) {
        let partition_count = self.log.partition_count().unwrap_or(0);
        let known: Vec<i32> = self.slots.keys().copied().filter(|known| *known >= partition_count).collect();
        for partition in known.into_iter().chain(0..partition_count) {
            self.follow_leadership(partition);
        }
        let deleted = self.changes.take_deleted();
        if !deleted.is_empty() {
            self.handle_topics_deleted(&deleted);
        }
    }

    /// Makes a slot for a partition that this node has begun to lead, and gives up one that it does not lead now.
    fn follow_leadership(&mut self, partition: i32) {
        let leadership = self.log.leadership(partition);
        let known = self.slots.get(&partition).map(|slot| slot.leadership);
        if known == leadership {
            return;
        }
        if known.is_some() {
            self.resign(partition);
        }
        if let Some(leadership) = leadership {
            self.begin_load(partition, leadership);
        }
    }

    fn begin_load(&mut self, partition: i32, leadership: Leadership) {
        let incarnation = self.next_incarnation;
        self.next_incarnation += 1;
        let load = ShardLoad::new(GroupShard::new(self.config.clone()));
        let state = match self.log.range(partition) {
            Ok(range) => SlotState::Loading { load, next_offset: range.start, end_offset: range.end },
            Err(error) => {
                tracing::error!(
                    partition,
                    error = error.name(),
                    "the groups of a partition cannot be loaded"
                );
                SlotState::Failed
            }
        };
        self.slots.insert(partition, Slot { leadership, incarnation, state });
        self.go_on_loading(partition);
    }

    /// Reads on, or begins to serve if all is read.
    fn go_on_loading(&mut self, partition: i32) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let SlotState::Loading { next_offset, end_offset, .. } = &slot.state else { return };
        let offset = *next_offset;
        if offset < *end_offset {
            let (log, incarnation) = (self.log.clone(), slot.incarnation);
            let bytes_max = self.log_config.load_buffer_bytes;
            self.io.push(async move {
                let result = log.read(partition, offset, bytes_max).await;
                IoDone { partition, incarnation, result: IoResult::Read(result) }
            });
            return;
        }
        let SlotState::Loading { load, .. } = std::mem::replace(&mut slot.state, SlotState::Failed) else {
            return;
        };
        let mut active = Active::new(load.shard);
        active.shard.handle_loaded(self.clock.now_ms(), &mut self.effects);
        slot.state = SlotState::Active(active);
        tracing::debug!(partition, offset, "the groups of a partition are loaded");
        self.run_effects(partition);
    }

    fn handle_read(&mut self, partition: i32, read: Result<Bytes, ErrorCode>) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let SlotState::Loading { load, next_offset, end_offset } = &mut slot.state else { return };
        let replayed = read
            .map_err(|error| error.name().to_owned())
            .and_then(|bytes| load.replay(&bytes, partition).map_err(|error| error.to_string()));
        match replayed {
            // Nothing is left to read although the end is not reached: compaction has emptied the tail.
            Ok(None) => *next_offset = *end_offset,
            Ok(Some(offset)) => *next_offset = offset,
            Err(error) => {
                tracing::error!(
                    partition,
                    offset = *next_offset,
                    error,
                    "the groups of a partition cannot be loaded"
                );
                slot.state = SlotState::Failed;
            }
        }
        self.go_on_loading(partition);
    }

    fn handle_topics_deleted(&mut self, topics: &[DeletedTopic]) {
        let now_ms = self.clock.now_ms();
        let partitions: Vec<i32> = self.slots.keys().copied().collect();
        for partition in partitions {
            if let Some(active) = active_in(&mut self.slots, partition) {
                active.shard.handle_topics_deleted(now_ms, topics, &mut self.effects);
                self.run_effects(partition);
            }
        }
    }

    /// Gives a partition up: everybody who waits is sent to the new coordinator.
    fn resign(&mut self, partition: i32) {
        let now_ms = self.clock.now_ms();
        if let Some(active) = active_in(&mut self.slots, partition) {
            let waiting = active.waiting.len();
            let writing = active.writing.as_ref().map_or(0, |writing| writing.complete.len());
            self.waiting_appends -= waiting + writing;
            active.shard.handle_resigned(now_ms, &mut self.effects);
            self.run_effects(partition);
        }
        self.slots.remove(&partition);
        self.deadlines.cancel(&partition);
        self.dirty.remove(&partition);
    }

    fn resign_all(&mut self) {
        let partitions: Vec<i32> = self.slots.keys().copied().collect();
        for partition in partitions {
            self.resign(partition);
        }
    }
}

fn active_in(slots: &mut BTreeMap<i32, Slot>, partition: i32) -> Option<&mut Active> {
    match &mut slots.get_mut(&partition)?.state {
        SlotState::Active(active) => Some(active),
        SlotState::Loading { .. } | SlotState::Failed => None,
    }
}

fn call_shard(
    shard: &mut GroupShard,
    now_ms: i64,
    rng: &Rng,
    call: &Call,
    token: Token,
    effects: &mut Vec<Effect>,
) {
    match call {
        Call::JoinGroup(context, request) => {
            let context = request_context(context, rng.uuid_bytes());
            shard.handle_join_group(now_ms, context, request, token, effects);
        }
        Call::SyncGroup(request) => shard.handle_sync_group(now_ms, request, token, effects),
        Call::Heartbeat(request) => shard.handle_heartbeat(now_ms, request, token, effects),
        Call::LeaveGroup(request) => shard.handle_leave_group(now_ms, request, token, effects),
        Call::OffsetCommit(context, request) => {
            let context = request_context(context, [0; 16]);
            shard.handle_offset_commit(now_ms, context, request, token, effects);
        }
        Call::OffsetFetch { request, require_stable } => {
            shard.handle_offset_fetch(now_ms, request, *require_stable, token, effects);
        }
        Call::OffsetDelete(request) => shard.handle_offset_delete(now_ms, request, token, effects),
        Call::DeleteGroup(group_id) => shard.handle_delete_groups(now_ms, &[group_id], token, effects),
        Call::DescribeGroup { .. } => unreachable!("a description is answered without a token"),
    }
}

fn request_context(context: &CallContext, member_uuid: [u8; 16]) -> RequestContext<'_> {
    RequestContext {
        api_version: context.api_version,
        client_id: &context.client_id,
        client_host: &context.client_host,
        member_uuid,
    }
}

/// Sets the alarm for the next deadline, if that is not what it is set for.
fn set_alarm(
    alarm: std::pin::Pin<&mut Sleep>,
    alarm_ms: &mut Option<i64>,
    next_ms: Option<i64>,
    clock: SteadyClock,
) {
    if let Some(deadline_ms) = next_ms
        && *alarm_ms != next_ms
    {
        alarm.reset(clock.instant_of(deadline_ms));
    }
    *alarm_ms = next_ms;
}
