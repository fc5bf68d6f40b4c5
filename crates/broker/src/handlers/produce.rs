//! Produce (key 0): batches from a client into the logs of the partitions it names.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use protocol::{ErrorCode, ProduceRequest, ProduceResponse, Records};
use records::{Batch, BatchError, BatchHeader, Compression, LEGACY_V0_OVERHEAD_BYTES, batches, sole_batch};
use storage::AppendInfo;

use crate::context::RequestContext;
use crate::mutant::mutant;
use crate::node::Node;
use crate::partition::{Partition, PartitionError};
use crate::partitions::TopicPartitions;
use crate::topic_names::is_internal;
use crate::waiters::Waiter;

/// First version whose batches may be compressed with zstd (KIP-110).
const ZSTD_VERSION_MIN: i16 = 7;
/// First version whose answer can name the current leader (KIP-951).
const CURRENT_LEADER_VERSION_MIN: i16 = 10;
/// First version that names topics by id (KIP-516).
const TOPIC_ID_VERSION_MIN: i16 = 13;

/// The client id that may write to the node's own topics, as in Kafka.
const INTERNAL_WRITER: &str = "__admin_client";

/// How long the leader's own flush is waited for, whatever time the request gives to replicas.
const FLUSH_PATIENCE: Duration = Duration::from_secs(30);

/// `acks` of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acks {
    None,
    Leader,
    All,
}

/// Appends all batches. The answer holds as it is, or once what it gives beside has been waited for: until then some
/// batches are not as safe as `acks` asks.
pub async fn handle<'a>(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: &'a ProduceRequest<'a>,
) -> (ProduceResponse<'a>, Option<Parked>) {
    let acks = match request.acks {
        0 => Some(Acks::None),
        1 => Some(Acks::Leader),
        -1 => Some(Acks::All),
        _ => None,
    };
    if let Some(code) = refuse_whole(request, ctx.api_version) {
        return (refused(request, code), None);
    }
    let now_ms = node.platform.clock.wall_ms();
    let mut parked = Vec::new();
    let topic_data = last_of_each(&request.topic_data);
    let mut responses = Vec::with_capacity(topic_data.len());
    for data in topic_data.iter().filter(|data| !data.partition_data.is_empty()) {
        let topic = find_topic(node, ctx, data);
        let mut partition_responses = Vec::with_capacity(data.partition_data.len());
        for partition_data in &data.partition_data {
            let partition = find_partition(node, ctx, data, topic.as_deref(), partition_data.index);
            let response = match partition {
                Err(code) => failure(partition_data.index, code),
                Ok(partition) => {
                    let appended = append(&partition, ctx, partition_data, acks, now_ms).await;
                    let response = answer(node, ctx, &partition, partition_data.index, &appended);
                    if let (Ok(info), Some(acks)) = (&appended, acks) {
                        let (topic, index) = (responses.len(), partition_responses.len());
                        let end_offset = info.last_offset + 1;
                        let batch = ParkedBatch { topic, index, partition, end_offset, acks };
                        if !batch.is_safe() {
                            parked.push(batch);
                        }
                    }
                    response
                }
            };
            partition_responses.push(response);
        }
        responses.push(TopicProduceResponse {
            name: data.name.clone(),
            topic_id: data.topic_id,
            partition_responses,
        });
    }
    let parked = (!parked.is_empty()).then(|| Parked::new(request.timeout_ms, parked));
    (ProduceResponse { responses, ..ProduceResponse::default() }, parked)
}

/// Says whether an answer to `acks=0` holds an error; the connection is then closed so that the client notices.
#[must_use]
pub fn has_error(response: &ProduceResponse<'_>) -> bool {
    let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.any(|partition| partition.error_code != ErrorCode::NONE)
}

/// Kafka looks at the first batch of every partition to see whether it is transactional, and refuses the whole request
/// when one of them is no batch at all. Transactions are not served: a batch that belongs to one is refused. Without a
/// transactional id Kafka, too, refuses the whole request.
/// So it does before zstd was allowed, when it had to look which codec a batch has and does not know that codec.
fn refuse_whole(request: &ProduceRequest<'_>, api_version: i16) -> Option<ErrorCode> {
    for data in request.topic_data.iter().flat_map(|topic| &topic.partition_data) {
        let bytes = data.records.as_slice().unwrap_or_default();
        if api_version >= ZSTD_VERSION_MIN && BatchHeader::begins_outside_transaction(bytes) {
            continue;
        }
        match batches(bytes).next() {
            Some(Ok(batch)) if batch.header.is_transactional() => {
                return Some(match request.transactional_id {
                    None => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                    Some(_) => ErrorCode::INVALID_TXN_STATE,
                });
            }
            Some(Ok(batch)) if api_version < ZSTD_VERSION_MIN && batch.header.compression().is_err() => {
                return Some(ErrorCode::UNKNOWN_SERVER_ERROR);
            }
            Some(Err(BatchError::Magic { .. })) => return Some(ErrorCode::CORRUPT_MESSAGE),
            Some(Err(BatchError::Length { batch_length, .. }))
                if batch_length < LEGACY_V0_OVERHEAD_BYTES as i32 =>
            {
                return Some(ErrorCode::CORRUPT_MESSAGE);
            }
            _ => {}
        }
    }
    None
}

fn refused<'a>(request: &'a ProduceRequest<'a>, code: ErrorCode) -> ProduceResponse<'a> {
    let topics = last_of_each(&request.topic_data);
    let responses = topics.iter().filter(|data| !data.partition_data.is_empty()).map(|data| {
        let partitions = data.partition_data.iter().map(|partition| PartitionProduceResponse {
            error_message: Some(Cow::Borrowed(code.message())),
            ..failure(partition.index, code)
        });
        TopicProduceResponse {
            name: data.name.clone(),
            topic_id: data.topic_id,
            partition_responses: partitions.collect(),
        }
    });
    ProduceResponse { responses: responses.collect(), ..ProduceResponse::default() }
}

/// Of a partition that a request names twice, only what it says last is appended, and the answer names it once.
fn last_of_each<'r, 'a>(topic_data: &'r [TopicProduceData<'a>]) -> Cow<'r, [TopicProduceData<'a>]> {
    let has_twins = |data: &TopicProduceData<'_>| {
        let mut seen = BTreeSet::new();
        data.partition_data.len() > 1
            && data.partition_data.iter().any(|partition| !seen.insert(partition.index))
    };
    let mut seen = BTreeSet::new();
    let are_topics_distinct =
        topic_data.len() < 2 || topic_data.iter().all(|data| seen.insert((&data.name, data.topic_id)));
    if are_topics_distinct && !topic_data.iter().any(has_twins) {
        return Cow::Borrowed(topic_data);
    }
    let mut merged: Vec<TopicProduceData<'a>> = Vec::new();
    // Maps, since a hostile request names very many.
    let (mut topics, mut places) = (BTreeMap::new(), BTreeMap::new());
    for data in topic_data {
        let topic = *topics.entry((&data.name, data.topic_id)).or_insert_with(|| {
            merged.push(TopicProduceData {
                name: data.name.clone(),
                topic_id: data.topic_id,
                partition_data: Vec::new(),
            });
            merged.len() - 1
        });
        let partitions = &mut merged[topic].partition_data;
        for partition in &data.partition_data {
            match places.entry((topic, partition.index)) {
                Entry::Occupied(place) => partitions[*place.get()] = partition.clone(),
                Entry::Vacant(place) => {
                    place.insert(partitions.len());
                    partitions.push(partition.clone());
                }
            }
        }
    }
    Cow::Owned(merged)
}

fn find_topic(
    node: &Node,
    ctx: &RequestContext<'_>,
    data: &TopicProduceData<'_>,
) -> Option<Arc<TopicPartitions>> {
    let table = node.partitions.load();
    let topic = if ctx.api_version >= TOPIC_ID_VERSION_MIN {
        table.by_id(data.topic_id)
    } else {
        table.by_name(&data.name)
    };
    topic.cloned()
}

fn find_partition(
    node: &Node,
    ctx: &RequestContext<'_>,
    data: &TopicProduceData<'_>,
    topic: Option<&TopicPartitions>,
    index: i32,
) -> Result<Arc<Partition>, ErrorCode> {
    if node.is_stopping() {
        return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    }
    match topic.and_then(|topic| topic.get(index)) {
        Some(partition) if !partition.is_offline() => Ok(partition.clone()),
        _ if ctx.api_version >= TOPIC_ID_VERSION_MIN => node.partition_by_id(data.topic_id, index),
        _ => node.partition(&data.name, index),
    }
}

async fn append(
    partition: &Partition,
    ctx: &RequestContext<'_>,
    data: &PartitionProduceData<'_>,
    acks: Option<Acks>,
    now_ms: i64,
) -> Result<AppendInfo, PartitionError> {
    let batch = one_batch(&data.records, ctx.api_version).map_err(PartitionError::Invalid)?;
    let acks = acks.ok_or(PartitionError::Code(ErrorCode::INVALID_REQUIRED_ACKS))?;
    if is_internal(&partition.topic) && ctx.client_id != INTERNAL_WRITER {
        return Err(PartitionError::Code(ErrorCode::INVALID_TOPIC_EXCEPTION));
    }
    partition.append_client(&batch, acks == Acks::All, now_ms).await
}

/// A produce request holds exactly one batch of the current format per partition. Its header is read here, once.
fn one_batch<'a>(records: &'a Records<'_>, api_version: i16) -> Result<Batch<'a>, BatchError> {
    let batch = sole_batch(records.as_slice().unwrap_or_default())?;
    if batch.header.compression() == Ok(Compression::Zstd) && api_version < ZSTD_VERSION_MIN {
        return Err(BatchError::CompressionNotAllowed(Compression::Zstd));
    }
    Ok(batch)
}

fn failure<'a>(index: i32, error_code: ErrorCode) -> PartitionProduceResponse<'a> {
    PartitionProduceResponse { index, error_code, base_offset: -1, ..PartitionProduceResponse::default() }
}

fn answer<'a>(
    node: &Node,
    ctx: &RequestContext<'_>,
    partition: &Partition,
    index: i32,
    result: &Result<AppendInfo, PartitionError>,
) -> PartitionProduceResponse<'a> {
    match result {
        Ok(info) => PartitionProduceResponse {
            index,
            base_offset: info.first_offset,
            log_append_time_ms: info.log_append_time_ms,
            log_start_offset: info.log_start_offset,
            ..PartitionProduceResponse::default()
        },
        Err(PartitionError::Code(code)) => {
            let mut response = failure(index, *code);
            if *code == ErrorCode::NOT_LEADER_OR_FOLLOWER && ctx.api_version >= CURRENT_LEADER_VERSION_MIN {
                let (leader_id, leader_epoch) = node.leader_of(partition);
                response.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch };
            }
            response
        }
        Err(PartitionError::Invalid(error)) => PartitionProduceResponse {
            error_message: Some(Cow::Owned(error.to_string())),
            ..failure(index, ErrorCode(error.kind().code()))
        },
        Err(PartitionError::Append(error)) => PartitionProduceResponse {
            error_message: Some(Cow::Owned(error.to_string())),
            record_errors: error
                .record_errors()
                .iter()
                .map(|record| BatchIndexAndErrorMessage {
                    batch_index: record.batch_index,
                    batch_index_error_message: Some(Cow::Owned(record.rejection.to_string())),
                })
                .collect(),
            log_start_offset: if tells_log_start(error.code()) {
                partition.view().log_start_offset()
            } else {
                -1
            },
            ..failure(index, error.code())
        },
    }
}

/// Kafka counts these among the everyday refusals, which it answers without the log start.
fn tells_log_start(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::CORRUPT_MESSAGE
            | ErrorCode::MESSAGE_TOO_LARGE
            | ErrorCode::RECORD_LIST_TOO_LARGE
            | ErrorCode::KAFKA_STORAGE_ERROR
    )
}

/// A batch that is in the log and not yet as safe as `acks` asks.
struct ParkedBatch {
    /// Where its answer is.
    topic: usize,
    index: usize,
    partition: Arc<Partition>,
    end_offset: i64,
    acks: Acks,
}

impl ParkedBatch {
    fn is_safe(&self) -> bool {
        match self.acks {
            Acks::None => true,
            Acks::Leader => self.partition.safe_end_offset() >= self.end_offset,
            Acks::All => {
                mutant!(AcknowledgedBeforeCommit) || self.partition.view().high_watermark() >= self.end_offset
            }
        }
    }

    /// Why it will not become safe, as far as that is known.
    fn fault(&self) -> Option<ErrorCode> {
        if self.partition.is_offline() {
            Some(ErrorCode::KAFKA_STORAGE_ERROR)
        } else if self.partition.is_closed() {
            Some(ErrorCode::NOT_LEADER_OR_FOLLOWER)
        } else {
            None
        }
    }
}

/// Batches of a request that are in the log and not yet safe, hung on their partitions for as long as this lives.
pub struct Parked {
    timeout: Duration,
    waiter: Arc<Waiter>,
    batches: Vec<ParkedBatch>,
}

impl Parked {
    fn new(timeout_ms: i32, batches: Vec<ParkedBatch>) -> Self {
        let waiter = Waiter::new(0);
        batches.iter().for_each(|batch| batch.partition.waiters().add(&waiter));
        let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
        Self { timeout, waiter, batches }
    }

    /// Waits until the batches are safe, or says in the answer that time is up: their data stays in the log. As in Kafka,
    /// the request's time runs for what other replicas do; the leader's own flush is waited for longer.
    pub async fn wait(self, mut response: ProduceResponse<'static>) -> ProduceResponse<'static> {
        let began = tokio::time::Instant::now();
        let flushed = self.until(|batch| batch.partition.safe_end_offset() >= batch.end_offset);
        let _ = tokio::time::timeout(self.timeout.max(FLUSH_PATIENCE), flushed).await;
        let replicated = self.until(ParkedBatch::is_safe);
        let _ = tokio::time::timeout_at(began + self.timeout, replicated).await;
        for batch in self.batches.iter().filter(|batch| !batch.is_safe()) {
            let answer = &mut response.responses[batch.topic].partition_responses[batch.index];
            let code = batch.fault().unwrap_or(ErrorCode::REQUEST_TIMED_OUT);
            *answer = failure(answer.index, code);
        }
        response
    }
}

impl Parked {
    /// Waits until this is so of every batch that can still come to it.
    async fn until(&self, is_there: impl Fn(&ParkedBatch) -> bool) {
        while self.batches.iter().any(|batch| !is_there(batch) && batch.fault().is_none()) {
            self.waiter.woken().await;
        }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.batches.iter().for_each(|batch| batch.partition.waiters().remove(&self.waiter));
    }
}
