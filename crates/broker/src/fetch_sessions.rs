//! Incremental fetch sessions (KIP-227): what each consumer has asked for, so that it need not ask again.
//!
//! Owns the session cache and its rules. It never reads a log: the fetch handler does, and tells the session what it
//! is about to answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use protocol::{ErrorCode, Uuid};

/// A session this old that was not used for as long may be evicted for a new one.
const EVICTION_MS: i64 = 120_000;
/// The id of no session.
pub const NO_SESSION: i32 = 0;
/// Epoch of a request that opens a session.
const EPOCH_INITIAL: i32 = 0;
/// Epoch of a request that wants no session.
const EPOCH_FINAL: i32 = -1;

/// A topic as the request names it: by name up to version 12, by id after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicKey {
    /// Its name.
    Name(Arc<str>),
    /// Its id.
    Id(Uuid),
}

/// What a consumer wants of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The topic.
    pub topic: TopicKey,
    /// The name behind an id, once a session has seen it: the id may go, and the name come to another topic.
    pub name: Option<Arc<str>>,
    /// The partition's index.
    pub partition: i32,
    /// First offset wanted.
    pub fetch_offset: i64,
    /// Most bytes of this partition.
    pub bytes_max: i32,
    /// The leader epoch the consumer believes in, or -1.
    pub current_leader_epoch: i32,
    /// The epoch of the last record the consumer has, or -1.
    pub last_fetched_epoch: i32,
}

/// What the last answer said of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    high_watermark: i64,
    log_start_offset: i64,
}

/// What an answer is about to say of a partition.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Offset below which all is committed.
    pub high_watermark: i64,
    /// First offset of the log.
    pub log_start_offset: i64,
    /// Bytes of records.
    pub records_bytes: u64,
    /// An error, a diverging epoch or a preferred replica: always told.
    pub must_tell: bool,
    /// The error, if any: the partition is told in full again afterwards.
    pub is_error: bool,
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    by_id: bool,
    created_ms: i64,
    used_ms: i64,
    /// Partitions in the order in which they are looked at.
    order: BTreeMap<u64, (Wanted, Option<Told>)>,
    places: BTreeMap<(TopicKey, i32), u64>,
    next_place: u64,
}

impl Session {
    fn put(&mut self, wanted: Wanted) {
        let key = (wanted.topic.clone(), wanted.partition);
        if let Some(place) = self.places.get(&key) {
            if let Some(entry) = self.order.get_mut(place) {
                let name = entry.0.name.take();
                entry.0 = Wanted { name, ..wanted };
            }
            return;
        }
        self.places.insert(key, self.next_place);
        self.order.insert(self.next_place, (wanted, None));
        self.next_place += 1;
    }

    fn forget(&mut self, topic: &TopicKey, partition: i32) {
        if let Some(place) = self.places.remove(&(topic.clone(), partition)) {
            self.order.remove(&place);
        }
    }

    /// Learns the names of topics that exist by now.
    fn learn_names(&mut self, name_of: &impl Fn(Uuid) -> Option<Arc<str>>) {
        for (wanted, _) in self.order.values_mut() {
            if let (TopicKey::Id(id), None) = (&wanted.topic, &wanted.name) {
                wanted.name = name_of(*id);
            }
        }
    }

    /// Moves a partition that gave records behind the others, so that all get their turn.
    fn move_last(&mut self, place: u64) {
        if let Some(entry) = self.order.remove(&place) {
            self.places.insert((entry.0.topic.clone(), entry.0.partition), self.next_place);
            self.order.insert(self.next_place, entry);
            self.next_place += 1;
        }
    }
}

/// The session fields of a request.
#[derive(Debug)]
pub struct SessionRequest {
    /// The session, or [`NO_SESSION`].
    pub session_id: i32,
    /// 0 opens, -1 closes or does without, else the next expected number.
    pub session_epoch: i32,
    /// The request names topics by id.
    pub by_id: bool,
    /// Partitions asked for in this request.
    pub wanted: Vec<Wanted>,
    /// Partitions to drop from the session.
    pub forgotten: Vec<(TopicKey, i32)>,
}

/// How a request is to be answered.
#[derive(Debug)]
pub enum Context {
    /// All partitions, no session.
    Sessionless(Vec<Wanted>),
    /// All partitions, under this new session.
    Full(i32, Vec<Wanted>),
    /// Only what changed, of these partitions with their places in the session.
    Incremental(i32, Vec<(u64, Wanted)>),
}

/// The sessions of a node.
#[derive(Debug)]
pub struct FetchSessions {
    sessions: Mutex<BTreeMap<i32, Session>>,
    slots_max: usize,
}

impl FetchSessions {
    /// An empty cache with so many places (`max.incremental.fetch.session.cache.slots`).
    #[must_use]
    pub fn new(slots_max: usize) -> Self {
        Self { sessions: Mutex::default(), slots_max }
    }

    /// Finds or opens the session of a request. `fresh_id` is a random number for a new session; `name_of` tells the names
    /// of the topics that exist.
    pub fn open(
        &self,
        request: SessionRequest,
        fresh_id: u64,
        now_ms: i64,
        name_of: impl Fn(Uuid) -> Option<Arc<str>>,
    ) -> Result<Context, ErrorCode> {
        let mut sessions = self.sessions.lock();
        if request.session_epoch == EPOCH_INITIAL || request.session_epoch == EPOCH_FINAL {
            sessions.remove(&request.session_id);
            if request.session_epoch == EPOCH_FINAL {
                return Ok(Context::Sessionless(request.wanted));
            }
            return Ok(self.create(&mut sessions, request, fresh_id, now_ms, &name_of));
        }
        let id = request.session_id;
        let session = sessions.get_mut(&id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != request.session_epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.by_id != request.by_id {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        for wanted in request.wanted {
            session.put(wanted);
        }
        for (topic, partition) in &request.forgotten {
            session.forget(topic, *partition);
        }
        if session.order.is_empty() {
            sessions.remove(&id);
            return Ok(Context::Sessionless(Vec::new()));
        }
        session.learn_names(&name_of);
        session.epoch = next_epoch(session.epoch);
        session.used_ms = now_ms;
        Ok(Context::Incremental(
            id,
            session.order.iter().map(|(place, (w, _))| (*place, w.clone())).collect(),
        ))
    }

    fn create(
        &self,
        sessions: &mut BTreeMap<i32, Session>,
        request: SessionRequest,
        fresh_id: u64,
        now_ms: i64,
        name_of: &impl Fn(Uuid) -> Option<Arc<str>>,
    ) -> Context {
        if !self.make_room(sessions, request.wanted.len(), now_ms) {
            return Context::Sessionless(request.wanted);
        }
        let id = free_id(sessions, fresh_id);
        let mut session = Session {
            epoch: next_epoch(EPOCH_INITIAL),
            by_id: request.by_id,
            created_ms: now_ms,
            used_ms: now_ms,
            order: BTreeMap::new(),
            places: BTreeMap::new(),
            next_place: 0,
        };
        for wanted in &request.wanted {
            session.put(wanted.clone());
        }
        session.learn_names(name_of);
        sessions.insert(id, session);
        Context::Full(id, request.wanted)
    }

    /// Kafka's rule: one that is long idle goes first, then a smaller one that has had its time.
    fn make_room(&self, sessions: &mut BTreeMap<i32, Session>, size: usize, now_ms: i64) -> bool {
        if sessions.len() < self.slots_max {
            return true;
        }
        let idle = sessions.iter().min_by_key(|(_, s)| s.used_ms);
        let mut victim = idle.filter(|(_, s)| now_ms - s.used_ms > EVICTION_MS).map(|(id, _)| *id);
        if victim.is_none() {
            let smallest = sessions.iter().min_by_key(|(_, s)| (s.order.len(), s.created_ms));
            victim = smallest
                .filter(|(_, s)| s.order.len() < size && now_ms - s.created_ms > EVICTION_MS)
                .map(|(id, _)| *id);
        }
        victim.is_some_and(|id| sessions.remove(&id).is_some())
    }

    /// The first answer of a session tells everything; remembers what it tells.
    pub fn told_full(&self, id: i32, answers: impl Iterator<Item = (TopicKey, i32, Answer)>) {
        let mut sessions = self.sessions.lock();
        let Some(session) = sessions.get_mut(&id) else { return };
        for (topic, partition, answer) in answers {
            if let Some(place) = session.places.get(&(topic, partition)).copied() {
                if let Some(entry) = session.order.get_mut(&place) {
                    entry.1 = (!answer.is_error).then_some(Told {
                        high_watermark: answer.high_watermark,
                        log_start_offset: answer.log_start_offset,
                    });
                }
                if answer.records_bytes > 0 {
                    session.move_last(place);
                }
            }
        }
    }

    /// An answer is not sent after all: what it would have told is told by the next one.
    pub fn not_told(&self, id: i32, partitions: impl Iterator<Item = (TopicKey, i32)>) {
        let mut sessions = self.sessions.lock();
        let Some(session) = sessions.get_mut(&id) else { return };
        for key in partitions {
            if let Some(entry) = session.places.get(&key).and_then(|place| session.order.get_mut(place)) {
                entry.1 = None;
            }
        }
    }

    /// Forgets a session.
    pub fn close(&self, id: i32) {
        self.sessions.lock().remove(&id);
    }

    /// Says for each partition whether the answer has to hold it, and remembers what it will tell.
    pub fn changed(&self, id: i32, answers: &[(u64, Answer)]) -> Vec<bool> {
        let mut sessions = self.sessions.lock();
        let Some(session) = sessions.get_mut(&id) else { return vec![true; answers.len()] };
        let mut tell = Vec::with_capacity(answers.len());
        for (place, answer) in answers {
            let Some(entry) = session.order.get_mut(place) else {
                tell.push(true);
                continue;
            };
            let told =
                Told { high_watermark: answer.high_watermark, log_start_offset: answer.log_start_offset };
            tell.push(answer.records_bytes > 0 || answer.must_tell || entry.1 != Some(told));
            entry.1 = (!answer.is_error).then_some(told);
            if answer.records_bytes > 0 {
                session.move_last(*place);
            }
        }
        tell
    }
}

fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

fn free_id(sessions: &BTreeMap<i32, Session>, fresh_id: u64) -> i32 {
    let mut id = ((fresh_id >> 33) as i32).max(1);
    while sessions.contains_key(&id) {
        id = if id == i32::MAX { 1 } else { id + 1 };
    }
    id
}

#[cfg(test)]
mod tests;
