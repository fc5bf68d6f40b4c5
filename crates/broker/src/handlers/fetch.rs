//! Fetch (key 1): whole batches of the partitions named, straight from their files, now or when there are enough.

use std::borrow::Cow;
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

/// First version whose answer can name the current leader.
const CURRENT_LEADER_VERSION_MIN: i16 = 12;
/// First version that names topics by id (KIP-516).
const TOPIC_ID_VERSION_MIN: i16 = 13;
/// `isolation_level` of a consumer that sees only committed records.
const READ_COMMITTED: i8 = 1;
/// A slice up to this size is copied into the answer: cheaper than a second system call for `sendfile`.
const COPIED_BYTES_MAX: usize = 16 * 1024;

/// The length field of a frame.
const LENGTH_BYTES: usize = 4;

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

/// What one look at a partition gave.
struct Read {
    error_code: ErrorCode,
    high_watermark: i64,
    log_start_offset: i64,
    diverging: Option<(i32, i64)>,
    current_leader: Option<(i32, i32)>,
    slice: Option<FetchSlice>,
}

/// The request's bounds.
struct Limits {
    bytes_max: usize,
    bytes_min: usize,
    wait: Duration,
    follower: bool,
    read_committed: bool,
    /// The answer's version can name the current leader.
    tells_leader: bool,
}

/// Reads what is there, waits for more if that is too little, and answers.
pub async fn handle(node: &Node, ctx: &RequestContext<'_>, request: &FetchRequest<'_>) -> FetchAnswer {
    let limits = limits(node, ctx, request);
    let now_ms = node.platform.clock.wall_ms();
    let context =
        match node.fetch_sessions.open(session_request(ctx, request), node.platform.rng.next_u64(), now_ms) {
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

fn limits(node: &Node, ctx: &RequestContext<'_>, request: &FetchRequest<'_>) -> Limits {
    let replica_id =
        if ctx.api_version >= 15 { request.replica_state.replica_id } else { request.replica_id };
    let bytes_max = usize::try_from(request.max_bytes.min(node.config.fetch_max_bytes)).unwrap_or(0);
    let bytes_max = node.quotas.fetch_bytes_max(ctx).map_or(bytes_max, |allowed| bytes_max.min(allowed));
    Limits {
        bytes_max,
        bytes_min: usize::try_from(request.min_bytes).unwrap_or(0).min(bytes_max),
        wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)),
        follower: replica_id >= 0,
        read_committed: request.isolation_level == READ_COMMITTED,
        tells_leader: ctx.api_version >= CURRENT_LEADER_VERSION_MIN,
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
        wanted: request.topics.iter().flat_map(want).collect(),
        forgotten: forgotten.collect(),
    }
}

fn session_error(error_code: ErrorCode) -> FetchAnswer {
    let response = FetchResponse { error_code, session_id: NO_SESSION, ..FetchResponse::default() };
    FetchAnswer { response, slices: Vec::new(), opened: None }
}

fn find(node: &Node, wanted: &Wanted) -> Result<Arc<Partition>, ErrorCode> {
    let table = node.partitions.load();
    let topic = match &wanted.topic {
        TopicKey::Name(name) => table.by_name(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?,
        TopicKey::Id(id) => table.by_id(*id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?,
    };
    topic.get(wanted.partition).cloned().ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
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
            Err(code) => failed(*code),
        };
        if let Some(slice) = &read.slice {
            remaining = remaining.saturating_sub(slice.len);
            min_one = false;
        }
        reads.push(read);
    }
    reads
}

fn failed(error_code: ErrorCode) -> Read {
    Read {
        error_code,
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
    remaining: usize,
    min_one: bool,
) -> Read {
    if partition.is_closed() && !node.is_stopping() {
        // The topic was deleted while the request waited, or another broker leads.
        let code = find(node, wanted).err().unwrap_or(ErrorCode::NOT_LEADER_OR_FOLLOWER);
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
    if let Err(code) = partition.check_leader_epoch(wanted.current_leader_epoch) {
        let current_leader = Some((node.node_id, partition.leader_epoch()));
        return Read { current_leader, ..failed(code) };
    }
    if partition.is_offline() {
        return failed(ErrorCode::KAFKA_STORAGE_ERROR);
    }
    let view = partition.view();
    let mut read = Read {
        high_watermark: view.high_watermark(),
        log_start_offset: view.log_start_offset(),
        ..failed(ErrorCode::NONE)
    };
    if wanted.last_fetched_epoch >= 0 {
        let (epoch, end_offset) = view.end_offset_for_epoch(wanted.last_fetched_epoch);
        if epoch != wanted.last_fetched_epoch || end_offset < wanted.fetch_offset {
            read.diverging = Some((epoch, end_offset));
            return read;
        }
    }
    let bytes_max = usize::try_from(wanted.bytes_max).unwrap_or(0).min(remaining);
    match view.read(wanted.fetch_offset, bytes_max, read.high_watermark, min_one) {
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
    for ((wanted, read), tell) in wanted.into_iter().zip(reads).zip(tell) {
        if !tell {
            continue;
        }
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
        aborted_transactions: limits.read_committed.then(Vec::new),
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
    data
}
