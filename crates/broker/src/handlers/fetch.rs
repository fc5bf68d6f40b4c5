//! Fetch (key 1): whole batches of the partitions named, straight from their files, now or when there are enough.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::fetch_request::FetchTopic;
use protocol::fetch_response::{EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData};
use protocol::{ErrorCode, FetchRequest, FetchResponse, Message, Records, Uuid, Writer};
use storage::FetchSlice;

use crate::context::RequestContext;
use crate::fetch_sessions::{Answer, Context, NO_SESSION, SessionRequest, TopicKey, Wanted};
use crate::node::Node;
use crate::partition::Partition;
use crate::waiters::Waiter;

/// First version that knows KAFKA_STORAGE_ERROR (KIP-112).
const STORAGE_ERROR_VERSION_MIN: i16 = 6;
/// First version in which Kafka names the current leader (KIP-951); the field is older.
const CURRENT_LEADER_VERSION_MIN: i16 = 16;
/// First version that names topics by id (KIP-516).
const TOPIC_ID_VERSION_MIN: i16 = 13;
/// `isolation_level` of a consumer that sees everything below the high watermark.
const READ_UNCOMMITTED: i8 = 0;
/// `isolation_level` of a consumer that sees only committed records.
const READ_COMMITTED: i8 = 1;
/// A slice up to this size is copied into the answer: cheaper than a second system call for `sendfile`.
const COPIED_BYTES_MAX: usize = 16 * 1024;

/// The length field of a frame.
const LENGTH_BYTES: usize = 4;

/// No leader epoch: the client believes in none, or the log knows none.
const NO_LEADER_EPOCH: i32 = -1;

/// How long a consumer is held off while the node stops, at most.
const STOPPING_PAUSE: Duration = Duration::from_millis(100);

/// An answer whose larger slices stay in their files: `Records::External` tokens are indexes into `slices`.
pub struct FetchAnswer {
    /// The response.
    pub response: FetchResponse<'static>,
    /// File ranges that the response refers to.
    pub slices: Vec<FetchSlice>,
    /// The session that this answer is the first of.
    opened: Option<i32>,
}

impl FetchAnswer {
    /// Bytes of the response as quotas count them: its body, and the length field before it.
    #[must_use]
    pub fn size_bytes(&self, version: i16) -> usize {
        let mut counter = Writer::counting();
        // What cannot be encoded is not sent either.
        let _ = self.response.encode(&mut counter, version);
        LENGTH_BYTES + counter.counted_bytes()
    }
}

/// Takes everything out of an answer: its client has had more than its share (KIP-219). Sessions go on as if it had
/// not been asked for, and one that it would have opened is not.
pub fn empty(node: &Node, answer: &mut FetchAnswer) {
    if let Some(id) = answer.opened.take() {
        node.fetch_sessions.close(id);
        answer.response.session_id = NO_SESSION;
    } else {
        let topics = answer.response.responses.iter();
        let told = topics.flat_map(|topic| {
            let key = match topic.topic_id.is_zero() {
                true => TopicKey::Name(topic.topic.as_ref().into()),
                false => TopicKey::Id(topic.topic_id),
            };
            topic.partitions.iter().map(move |partition| (key.clone(), partition.partition_index))
        });
        node.fetch_sessions.not_told(answer.response.session_id, told);
    }
    answer.response.responses.clear();
    answer.slices.clear();
}

/// Does this isolation level exist?
#[must_use]
pub fn is_isolation_level(level: i8) -> bool {
    matches!(level, READ_UNCOMMITTED | READ_COMMITTED)
}

/// What one look at a partition gave.
struct Read {
    error_code: ErrorCode,
    /// There was nothing to look at: no such topic or partition. Kafka tells these behind all others.
    is_unknown: bool,
    high_watermark: i64,
    log_start_offset: i64,
    diverging: Option<(i32, i64)>,
    current_leader: Option<(i32, i32)>,
    slice: Option<FetchSlice>,
}

/// The request's bounds.
struct Limits {
    /// As the request has it: a negative number is an error of the first partition that is read.
    bytes_max: i32,
    bytes_min: usize,
    wait: Duration,
    follower: bool,
    read_committed: bool,
    /// The answer's version can name the current leader.
    tells_leader: bool,
    /// Whether the client may be told KAFKA_STORAGE_ERROR. Older ones take it for a fault that does not pass, so they are
    /// sent to look for another leader, as Kafka does.
    knows_storage_error: bool,
}

/// Reads what is there, waits for more if that is too little, and answers.
pub async fn handle(node: &Node, ctx: &RequestContext<'_>, request: &FetchRequest<'_>) -> FetchAnswer {
    let limits = limits(node, ctx, request);
    let now_ms = node.platform.clock.wall_ms();
    let context = match open_session(node, session_request(ctx, request), now_ms) {
        Ok(context) => context,
        Err(error_code) => return session_error(error_code),
    };
    let mut opened = None;
    let (session_id, incremental, wanted) = match context {
        Context::Sessionless(wanted) => (NO_SESSION, None, wanted),
        Context::Full(id, wanted) => {
            opened = Some(id);
            (id, None, wanted)
        }
        Context::Incremental(id, list) => {
            let (places, wanted): (Vec<u64>, Vec<Wanted>) = list.into_iter().unzip();
            (id, Some(places), wanted)
        }
    };
    if !is_isolation_level(request.isolation_level) {
        // Kafka stumbles over it on the way to the logs, after the session has taken note of the request.
        return refused(ctx, request, ErrorCode::UNKNOWN_SERVER_ERROR);
    }
    let reads = read_or_wait(node, &wanted, &limits).await;
    let answers: Vec<Answer> = reads.iter().map(told).collect();
    let tell = match incremental {
        Some(places) => {
            let placed: Vec<(u64, Answer)> = places.into_iter().zip(answers).collect();
            node.fetch_sessions.changed(session_id, &placed)
        }
        None => {
            if session_id != NO_SESSION {
                let keyed = wanted.iter().zip(answers).map(|(w, a)| (w.topic.clone(), w.partition, a));
                node.fetch_sessions.told_full(session_id, keyed);
            }
            vec![true; reads.len()]
        }
    };
    FetchAnswer { opened, ..build(session_id, &limits, wanted, reads, &tell) }
}

fn open_session(node: &Node, request: SessionRequest, now_ms: i64) -> Result<Context, ErrorCode> {
    let table = node.partitions.load();
    let name_of = |id: Uuid| table.by_id(id).map(|topic| Arc::clone(&topic.name));
    node.fetch_sessions.open(request, node.platform.rng.next_u64(), now_ms, name_of)
}

fn limits(node: &Node, ctx: &RequestContext<'_>, request: &FetchRequest<'_>) -> Limits {
    let replica_id =
        if ctx.api_version >= 15 { request.replica_state.replica_id } else { request.replica_id };
    let bytes_max = request.max_bytes.min(node.config.fetch_max_bytes);
    let bytes_max = match node.quotas.fetch_bytes_max(ctx) {
        Some(allowed) => bytes_max.min(i32::try_from(allowed).unwrap_or(i32::MAX)),
        None => bytes_max,
    };
    Limits {
        bytes_max,
        bytes_min: usize::try_from(request.min_bytes.min(bytes_max)).unwrap_or(0),
        wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)),
        follower: replica_id >= 0,
        read_committed: request.isolation_level == READ_COMMITTED,
        tells_leader: ctx.api_version >= CURRENT_LEADER_VERSION_MIN,
        knows_storage_error: ctx.api_version >= STORAGE_ERROR_VERSION_MIN,
    }
}

fn topic_key(ctx: &RequestContext<'_>, name: &str, id: Uuid) -> TopicKey {
    if ctx.api_version >= TOPIC_ID_VERSION_MIN { TopicKey::Id(id) } else { TopicKey::Name(name.into()) }
}

fn session_request(ctx: &RequestContext<'_>, request: &FetchRequest<'_>) -> SessionRequest {
    let want = |topic: &FetchTopic<'_>| {
        let key = topic_key(ctx, &topic.topic, topic.topic_id);
        topic
            .partitions
            .iter()
            .map(|partition| Wanted {
                topic: key.clone(),
                name: None,
                partition: partition.partition,
                fetch_offset: partition.fetch_offset,
                bytes_max: partition.partition_max_bytes,
                current_leader_epoch: partition.current_leader_epoch,
                last_fetched_epoch: partition.last_fetched_epoch,
            })
            .collect::<Vec<_>>()
    };
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
        let key = topic_key(ctx, &topic.topic, topic.topic_id);
        topic.partitions.iter().map(move |partition| (key.clone(), *partition))
    });
    SessionRequest {
        session_id: request.session_id,
        session_epoch: request.session_epoch,
        by_id: ctx.api_version >= TOPIC_ID_VERSION_MIN,
        wanted: last_of_each(request.topics.iter().flat_map(want).collect()),
        forgotten: forgotten.collect(),
    }
}

/// Of a partition that a request names twice, only what it says last counts; it keeps its first place.
fn last_of_each(wanted: Vec<Wanted>) -> Vec<Wanted> {
    if wanted.len() < 2 {
        return wanted;
    }
    let mut places = BTreeMap::new();
    let twice: Vec<(usize, usize)> = wanted
        .iter()
        .enumerate()
        .filter_map(|(at, one)| {
            let first = *places.entry((&one.topic, one.partition)).or_insert(at);
            (first != at).then_some((first, at))
        })
        .collect();
    if twice.is_empty() {
        return wanted;
    }
    let mut kept: Vec<Option<Wanted>> = wanted.into_iter().map(Some).collect();
    for (first, again) in twice {
        kept[first] = kept[again].take();
    }
    kept.into_iter().flatten().collect()
}

/// The answer to a request that is refused as a whole: up to version 12 every partition has the code.
fn refused(ctx: &RequestContext<'_>, request: &FetchRequest<'_>, error_code: ErrorCode) -> FetchAnswer {
    let topics = request.topics.iter().filter(|_| ctx.api_version < TOPIC_ID_VERSION_MIN);
    let responses = topics.map(|topic| FetchableTopicResponse {
        topic: Cow::Owned(topic.topic.to_string()),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| PartitionData {
                partition_index: partition.partition,
                error_code,
                high_watermark: -1,
                aborted_transactions: Some(Vec::new()),
                records: Records::Borrowed(&[]),
                ..PartitionData::default()
            })
            .collect(),
        ..FetchableTopicResponse::default()
    });
    let response = FetchResponse {
        error_code,
        session_id: request.session_id,
        responses: responses.collect(),
        ..FetchResponse::default()
    };
    FetchAnswer { response, slices: Vec::new(), opened: None }
}

fn session_error(error_code: ErrorCode) -> FetchAnswer {
    let response = FetchResponse { error_code, session_id: NO_SESSION, ..FetchResponse::default() };
    FetchAnswer { response, slices: Vec::new(), opened: None }
}

fn find(node: &Node, wanted: &Wanted) -> Result<Arc<Partition>, ErrorCode> {
    match (&wanted.topic, &wanted.name) {
        (TopicKey::Name(name), _) => node.partition(name, wanted.partition),
        (TopicKey::Id(id), None) => node.partition_by_id(*id, wanted.partition),
        (TopicKey::Id(id), Some(name)) => {
            let found = node.partition_by_id(*id, wanted.partition);
            if found.as_ref().err() != Some(&ErrorCode::UNKNOWN_TOPIC_ID) {
                return found;
            }
            // The session knew the topic by its name, which another topic may have meanwhile.
            let table = node.partitions.load();
            let namesake = table.by_name(name).and_then(|topic| topic.get(wanted.partition));
            Err(match namesake {
                Some(_) => ErrorCode::INCONSISTENT_TOPIC_ID,
                None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            })
        }
    }
}

/// Reads at once; if that is too little, parks on the partitions until enough is appended or time is up.
async fn read_or_wait(node: &Node, wanted: &[Wanted], limits: &Limits) -> Vec<Read> {
    let found: Vec<_> = wanted.iter().map(|w| find(node, w)).collect();
    let mut reads = read_all(node, wanted, &found, limits);
    if node.is_stopping() && bytes_of(&reads) == 0 {
        // The connection is about to be closed; an answer at once would only be asked for again.
        tokio::time::sleep(limits.wait.min(STOPPING_PAUSE)).await;
    }
    if limits.wait.is_zero() || satisfied(node, &reads, limits) {
        return reads;
    }
    let waiter = Waiter::new(missing(&reads, limits));
    let _hung = Hung::on(&found, waiter.clone());
    let deadline = tokio::time::Instant::now() + limits.wait;
    loop {
        // An append between the last look and the hanging was not counted: look again before sleeping.
        reads = read_all(node, wanted, &found, limits);
        if satisfied(node, &reads, limits) {
            return reads;
        }
        waiter.expect(missing(&reads, limits));
        if tokio::time::timeout_at(deadline, waiter.woken()).await.is_err() {
            return read_all(node, wanted, &found, limits);
        }
    }
}

/// A waiter hung on partitions, taken off when the request ends in whatever way.
struct Hung {
    partitions: Vec<Arc<Partition>>,
    waiter: Arc<Waiter>,
}

impl Hung {
    fn on(found: &[Result<Arc<Partition>, ErrorCode>], waiter: Arc<Waiter>) -> Self {
        let partitions: Vec<_> = found.iter().filter_map(|found| found.clone().ok()).collect();
        partitions.iter().for_each(|partition| partition.waiters().add(&waiter));
        Self { partitions, waiter }
    }
}

impl Drop for Hung {
    fn drop(&mut self) {
        self.partitions.iter().for_each(|partition| partition.waiters().remove(&self.waiter));
    }
}

fn bytes_of(reads: &[Read]) -> usize {
    reads.iter().filter_map(|read| read.slice.as_ref()).map(|slice| slice.len).sum()
}

fn missing(reads: &[Read], limits: &Limits) -> i64 {
    i64::try_from(limits.bytes_min.saturating_sub(bytes_of(reads)).max(1)).unwrap_or(i64::MAX)
}

fn satisfied(node: &Node, reads: &[Read], limits: &Limits) -> bool {
    reads.is_empty()
        || node.is_stopping()
        || bytes_of(reads) >= limits.bytes_min
        || reads.iter().any(|read| read.error_code != ErrorCode::NONE || read.diverging.is_some())
}

fn read_all(
    node: &Node,
    wanted: &[Wanted],
    found: &[Result<Arc<Partition>, ErrorCode>],
    limits: &Limits,
) -> Vec<Read> {
    let mut remaining = limits.bytes_max;
    let mut min_one = true;
    let mut reads = Vec::with_capacity(wanted.len());
    for (wanted, found) in wanted.iter().zip(found) {
        let read = match found {
            Ok(partition) => read_one(node, wanted, partition, limits, remaining, min_one),
            Err(code) => Read { is_unknown: is_unknown(*code), ..failed(*code) },
        };
        if let Some(slice) = &read.slice {
            remaining = remaining.saturating_sub(i32::try_from(slice.len).unwrap_or(i32::MAX));
            min_one = false;
        }
        if !read.is_unknown {
            remaining = remaining.max(0);
        }
        reads.push(read);
    }
    reads
}

fn is_unknown(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::UNKNOWN_TOPIC_ID | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

fn failed(error_code: ErrorCode) -> Read {
    Read {
        error_code,
        is_unknown: false,
        high_watermark: -1,
        log_start_offset: -1,
        diverging: None,
        current_leader: None,
        slice: None,
    }
}

fn read_one(
    node: &Node,
    wanted: &Wanted,
    partition: &Partition,
    limits: &Limits,
    remaining: i32,
    min_one: bool,
) -> Read {
    if partition.is_closed() && !node.is_stopping() {
        // The topic was deleted while the request waited, or another broker leads. A deleted topic may be in the metadata
        // for a moment yet.
        let found = find(node, wanted);
        let is_known =
            found.is_ok() || node.partitions.find_by_id(partition.topic_id, partition.index).is_some();
        let code = match (found.err(), &wanted.topic) {
            (Some(ErrorCode::NOT_LEADER_OR_FOLLOWER), TopicKey::Id(_)) if !is_known => {
                ErrorCode::UNKNOWN_TOPIC_ID
            }
            (Some(ErrorCode::NOT_LEADER_OR_FOLLOWER), TopicKey::Name(_)) if !is_known => {
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            }
            (code, _) => code.unwrap_or(ErrorCode::NOT_LEADER_OR_FOLLOWER),
        };
        let moved = code == ErrorCode::NOT_LEADER_OR_FOLLOWER;
        return Read { current_leader: moved.then(|| node.leader_of(partition)), ..failed(code) };
    }
    if limits.follower || partition.is_closed() {
        // A sole replica has no followers: whoever claims to be one holds stale metadata.
        return Read {
            current_leader: Some(node.leader_of(partition)),
            ..failed(ErrorCode::NOT_LEADER_OR_FOLLOWER)
        };
    }
    if partition.is_offline() {
        return failed(ErrorCode::KAFKA_STORAGE_ERROR);
    }
    if let Err(code) = partition.check_leader_epoch(wanted.current_leader_epoch.max(NO_LEADER_EPOCH)) {
        // A client that is ahead of this node learns nothing from it.
        let current_leader =
            (code == ErrorCode::FENCED_LEADER_EPOCH).then_some((node.node_id, partition.leader_epoch()));
        return Read { current_leader, ..failed(code) };
    }
    let view = partition.view();
    let mut read = Read {
        high_watermark: view.high_watermark(),
        log_start_offset: view.log_start_offset(),
        ..failed(ErrorCode::NONE)
    };
    if wanted.last_fetched_epoch >= 0 {
        let (epoch, end_offset) = view.end_offset_for_epoch(wanted.last_fetched_epoch);
        if epoch == NO_LEADER_EPOCH {
            return failed(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        if epoch != wanted.last_fetched_epoch || end_offset < wanted.fetch_offset {
            read.diverging = Some((epoch, end_offset));
            return read;
        }
    }
    let bytes_max = wanted.bytes_max.min(remaining);
    let Ok(bytes_max) = usize::try_from(bytes_max) else {
        return match partition.read(|view| view.read(wanted.fetch_offset, 0, read.high_watermark, true)) {
            // Kafka looks at the size only where there is something to read.
            Ok(None) => read,
            Ok(Some(_)) => failed(ErrorCode::UNKNOWN_SERVER_ERROR),
            Err(error) => failed(error.code()),
        };
    };
    match partition.read(|view| view.read(wanted.fetch_offset, bytes_max, read.high_watermark, min_one)) {
        Ok(slice) => read.slice = slice.filter(|slice| slice.len > 0),
        Err(error) => return failed(error.code()),
    }
    read
}

fn told(read: &Read) -> Answer {
    Answer {
        high_watermark: read.high_watermark,
        log_start_offset: read.log_start_offset,
        records_bytes: read.slice.as_ref().map_or(0, |slice| slice.len as u64),
        must_tell: read.error_code != ErrorCode::NONE || read.diverging.is_some(),
        is_error: read.error_code != ErrorCode::NONE,
    }
}

fn build(
    session_id: i32,
    limits: &Limits,
    wanted: Vec<Wanted>,
    reads: Vec<Read>,
    tell: &[bool],
) -> FetchAnswer {
    let mut slices = Vec::new();
    let mut responses: Vec<FetchableTopicResponse<'static>> = Vec::new();
    let mut last_topic: Option<TopicKey> = None;
    let all = wanted.into_iter().zip(reads).zip(tell).filter(|(_, tell)| **tell).map(|(told, _)| told);
    // Kafka sorts out unknown ids first, then unknown names and partitions, and tells both behind the rest.
    let rank = |read: &Read| match read.is_unknown {
        false => 0,
        true if read.error_code == ErrorCode::UNKNOWN_TOPIC_ID => 1,
        true => 2,
    };
    let mut all: Vec<(Wanted, Read)> = all.collect();
    all.sort_by_key(|(_, read)| rank(read));
    for (wanted, read) in all {
        if last_topic.as_ref() != Some(&wanted.topic) {
            let mut topic = FetchableTopicResponse::default();
            match &wanted.topic {
                TopicKey::Name(name) => topic.topic = Cow::Owned(name.to_string()),
                TopicKey::Id(id) => topic.topic_id = *id,
            }
            responses.push(topic);
            last_topic = Some(wanted.topic);
        }
        let topic = responses.last_mut().expect("a topic was pushed above");
        topic.partitions.push(partition_data(wanted.partition, limits, read, &mut slices));
    }
    let response = FetchResponse { session_id, responses, ..FetchResponse::default() };
    FetchAnswer { response, slices, opened: None }
}

fn partition_data(
    partition_index: i32,
    limits: &Limits,
    read: Read,
    slices: &mut Vec<FetchSlice>,
) -> PartitionData<'static> {
    let mut data = PartitionData {
        partition_index,
        error_code: read.error_code,
        high_watermark: read.high_watermark,
        last_stable_offset: read.high_watermark,
        log_start_offset: read.log_start_offset,
        aborted_transactions: match read.error_code {
            ErrorCode::NONE => limits.read_committed.then(Vec::new),
            _ => read.is_unknown.then(Vec::new),
        },
        ..PartitionData::default()
    };
    if let Some((epoch, end_offset)) = read.diverging {
        data.diverging_epoch = EpochEndOffset { epoch, end_offset };
    }
    if let Some((leader_id, leader_epoch)) = read.current_leader.filter(|_| limits.tells_leader) {
        data.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch };
    }
    data.records = match read.slice {
        None => Records::Borrowed(&[]),
        Some(slice) if slice.len <= COPIED_BYTES_MAX => match slice.to_vec() {
            Ok(bytes) => Records::Owned(Bytes::from(bytes)),
            Err(error) => {
                tracing::error!(%error, "a segment could not be read");
                data.error_code = ErrorCode::KAFKA_STORAGE_ERROR;
                Records::Borrowed(&[])
            }
        },
        Some(slice) => {
            let token = u32::try_from(slices.len()).expect("fewer slices than partitions in a request");
            let len =
                u32::try_from(slice.len).expect("a slice is no longer than fetch.max.bytes or one batch");
            slices.push(slice);
            Records::External { len, token }
        }
    };
    if data.error_code == ErrorCode::KAFKA_STORAGE_ERROR && !limits.knows_storage_error {
        data.error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    }
    data
}
