//! Produce (key 0): batches from a client into the logs of the partitions it names.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use protocol::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use protocol::{ErrorCode, ProduceRequest, ProduceResponse, Records};
use records::{BatchHeader, Compression};
use storage::AppendInfo;

use crate::context::RequestContext;
use crate::node::Node;
use crate::partition::{Partition, PartitionError};
use crate::partitions::TopicPartitions;
use crate::waiters::Waiter;

/// First version whose batches may be compressed with zstd (KIP-110).
const ZSTD_VERSION_MIN: i16 = 7;
/// First version whose answer can name the current leader (KIP-951).
const CURRENT_LEADER_VERSION_MIN: i16 = 10;
/// First version that names topics by id (KIP-516).
const TOPIC_ID_VERSION_MIN: i16 = 13;

/// Where every version of the record format keeps its number.
const MAGIC_POSITION: usize = 16;

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
    let refusal = refuse_transactions(request);
    let now_ms = node.platform.clock.wall_ms();
    let mut parked = Vec::new();
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for data in &request.topic_data {
        let topic = find_topic(node, ctx, data);
        let mut partition_responses = Vec::with_capacity(data.partition_data.len());
        for partition_data in &data.partition_data {
            let partition = topic.as_ref().map_err(|code| *code).and_then(|topic| {
                topic.get(partition_data.index).cloned().ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            });
            let partition = refusal.map_or(partition, Err);
            let response = match (partition, acks) {
                (_, None) => failure(partition_data.index, ErrorCode::INVALID_REQUIRED_ACKS),
                (Err(code), _) => failure(partition_data.index, code),
                (Ok(partition), Some(acks)) => {
                    let appended = append(&partition, ctx, partition_data, acks, now_ms).await;
                    let response = answer(node, ctx, &partition, partition_data.index, &appended);
                    if let Ok(info) = &appended {
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

/// Transactions are not served: a batch that belongs to one is refused. Without a transactional id Kafka, too, refuses
/// the whole request.
fn refuse_transactions(request: &ProduceRequest<'_>) -> Option<ErrorCode> {
    let mut batches = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let transactional = batches.any(|data| {
        let header = data.records.as_slice().and_then(|bytes| BatchHeader::parse(bytes).ok());
        header.is_some_and(|header| header.is_transactional())
    });
    match (transactional, &request.transactional_id) {
        (false, _) => None,
        (true, None) => Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        (true, Some(_)) => Some(ErrorCode::INVALID_TXN_STATE),
    }
}

fn find_topic(
    node: &Node,
    ctx: &RequestContext<'_>,
    data: &TopicProduceData<'_>,
) -> Result<Arc<TopicPartitions>, ErrorCode> {
    if node.is_stopping() {
        return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    }
    let table = node.partitions.load();
    if ctx.api_version >= TOPIC_ID_VERSION_MIN {
        table.by_id(data.topic_id).cloned().ok_or(ErrorCode::UNKNOWN_TOPIC_ID)
    } else {
        table.by_name(&data.name).cloned().ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
    }
}

async fn append(
    partition: &Partition,
    ctx: &RequestContext<'_>,
    data: &PartitionProduceData<'_>,
    acks: Acks,
    now_ms: i64,
) -> Result<AppendInfo, PartitionError> {
    let batch = one_batch(&data.records, ctx.api_version).map_err(PartitionError::Invalid)?;
    partition.append_client(batch, acks == Acks::All, now_ms).await
}

/// A produce request holds exactly one batch of the current format per partition.
fn one_batch<'a>(records: &'a Records<'_>, api_version: i16) -> Result<&'a [u8], (ErrorCode, &'static str)> {
    let bytes = records.as_slice().unwrap_or_default();
    if bytes.is_empty() {
        return Err((
            ErrorCode::INVALID_RECORD,
            "a produce request needs exactly one record batch per partition, and this one has none",
        ));
    }
    if bytes.get(MAGIC_POSITION).is_some_and(|magic| *magic != 2) {
        return Err((ErrorCode::INVALID_RECORD, "a produce request may only hold record batches of magic 2"));
    }
    let header = BatchHeader::parse(bytes)
        .map_err(|_| (ErrorCode::CORRUPT_MESSAGE, "the record batch is shorter than its header says"))?;
    if header.size_bytes() < bytes.len() {
        return Err((
            ErrorCode::INVALID_RECORD,
            "a produce request may hold only one record batch per partition, and this one has more",
        ));
    }
    if header.compression() == Ok(Compression::Zstd) && api_version < ZSTD_VERSION_MIN {
        return Err((
            ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            "zstd needs version 7 of the produce request; upgrade the client or choose another compression.type",
        ));
    }
    Ok(bytes)
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
        Err(PartitionError::Invalid((code, message))) => {
            PartitionProduceResponse { error_message: Some(Cow::Borrowed(message)), ..failure(index, *code) }
        }
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
            log_start_offset: partition.view().log_start_offset(),
            ..failure(index, error.code())
        },
    }
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
            Acks::All => self.partition.view().high_watermark() >= self.end_offset,
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
    /// time runs for what other replicas do; but here the leader's own flush is part of it.
    pub async fn wait(self, mut response: ProduceResponse<'static>) -> ProduceResponse<'static> {
        let all = async {
            while self.batches.iter().any(|batch| !batch.is_safe() && batch.fault().is_none()) {
                self.waiter.woken().await;
            }
        };
        let _ = tokio::time::timeout(self.timeout, all).await;
        for batch in self.batches.iter().filter(|batch| !batch.is_safe()) {
            let answer = &mut response.responses[batch.topic].partition_responses[batch.index];
            let code = batch.fault().unwrap_or(ErrorCode::REQUEST_TIMED_OUT);
            *answer = failure(answer.index, code);
        }
        response
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.batches.iter().for_each(|batch| batch.partition.waiters().remove(&self.waiter));
    }
}
