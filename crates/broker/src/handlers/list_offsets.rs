//! ListOffsets (key 2): offsets by time, and the special times that stand for places in the log.

use std::borrow::Cow;
use std::collections::BTreeMap;

use protocol::list_offsets_request::ListOffsetsPartition;
use protocol::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use protocol::{ErrorCode, ListOffsetsRequest, ListOffsetsResponse};

use crate::context::RequestContext;
use crate::handlers::fetch::is_isolation_level;
use crate::node::Node;
use crate::partition::Partition;

/// The end that readers see.
const LATEST: i64 = -1;
/// The first offset.
const EARLIEST: i64 = -2;
/// The offset of the record with the largest timestamp (KIP-734).
const MAX_TIMESTAMP: i64 = -3;
/// The first offset on local disk (KIP-405).
const EARLIEST_LOCAL: i64 = -4;
/// The last offset in remote storage (KIP-1005).
const LATEST_TIERED: i64 = -5;
/// The first offset not yet in remote storage (KIP-1023).
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// First version whose answer has a leader epoch.
const LEADER_EPOCH_VERSION_MIN: i16 = 4;

/// Replica id of a consumer.
const CONSUMER: i32 = -1;

/// Answers each partition on its own. A partition that is named twice gets one answer, which is an error.
pub async fn handle(
    node: &Node,
    ctx: &RequestContext<'_>,
    request: ListOffsetsRequest<'_>,
) -> ListOffsetsResponse<'static> {
    if !is_isolation_level(request.isolation_level) {
        return refused(&request);
    }
    let mut asked: BTreeMap<(&str, i32), Vec<&ListOffsetsPartition>> = BTreeMap::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            asked.entry((&topic.name, partition.partition_index)).or_default().push(partition);
        }
    }
    let mut topics: Vec<ListOffsetsTopicResponse<'static>> = Vec::new();
    for ((topic, _), partitions) in &asked {
        let found = match partitions.as_slice() {
            [one] if !is_known_time(one.timestamp, ctx.api_version) => Err(ErrorCode::UNSUPPORTED_VERSION),
            [one] => look_up(node, topic, one, request.replica_id),
            _ => Err(ErrorCode::INVALID_REQUEST),
        };
        let answer = answer(partitions[0].partition_index, ctx, found);
        match topics.last_mut().filter(|last| last.name == *topic) {
            Some(last) => last.partitions.push(answer),
            None => topics.push(ListOffsetsTopicResponse {
                name: Cow::Owned((*topic).to_owned()),
                partitions: vec![answer],
            }),
        }
    }
    ListOffsetsResponse { topics, ..ListOffsetsResponse::default() }
}

fn answer(
    partition_index: i32,
    ctx: &RequestContext<'_>,
    found: Result<Found, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let mut answer =
        ListOffsetsPartitionResponse { partition_index, ..ListOffsetsPartitionResponse::default() };
    match found {
        Ok(found) => {
            (answer.timestamp, answer.offset) = (found.timestamp, found.offset);
            if ctx.api_version >= LEADER_EPOCH_VERSION_MIN {
                answer.leader_epoch = found.leader_epoch;
            }
        }
        Err(error_code) => answer.error_code = error_code,
    }
    answer
}

/// An isolation level that does not exist is an exception that Kafka does not expect: every partition gets its code.
fn refused(request: &ListOffsetsRequest<'_>) -> ListOffsetsResponse<'static> {
    let topics = request.topics.iter().map(|topic| ListOffsetsTopicResponse {
        name: Cow::Owned(topic.name.to_string()),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| ListOffsetsPartitionResponse {
                partition_index: partition.partition_index,
                error_code: ErrorCode::UNKNOWN_SERVER_ERROR,
                ..ListOffsetsPartitionResponse::default()
            })
            .collect(),
    });
    ListOffsetsResponse { topics: topics.collect(), ..ListOffsetsResponse::default() }
}

/// A place in the log; -1 where there is none.
struct Found {
    timestamp: i64,
    offset: i64,
    leader_epoch: i32,
}

const NOTHING: Found = Found { timestamp: -1, offset: -1, leader_epoch: -1 };

/// Each special time came with a version.
fn is_known_time(timestamp: i64, api_version: i16) -> bool {
    match timestamp {
        0.. | LATEST | EARLIEST => true,
        MAX_TIMESTAMP => api_version >= 7,
        EARLIEST_LOCAL => api_version >= 8,
        LATEST_TIERED => api_version >= 9,
        EARLIEST_PENDING_UPLOAD => api_version >= 11,
        _ => false,
    }
}

fn look_up(
    node: &Node,
    topic: &str,
    asked: &ListOffsetsPartition,
    replica_id: i32,
) -> Result<Found, ErrorCode> {
    let partition = node.partition(topic, asked.partition_index)?;
    partition.check_leads(asked.current_leader_epoch)?;
    find(&partition, asked.timestamp, replica_id)
}

fn find(partition: &Partition, timestamp: i64, replica_id: i32) -> Result<Found, ErrorCode> {
    let view = partition.view();
    let end = if replica_id == CONSUMER { view.high_watermark() } else { view.log_end_offset() };
    let record = match timestamp {
        LATEST => {
            return Ok(Found { timestamp: -1, offset: end, leader_epoch: partition.leader_epoch() });
        }
        EARLIEST | EARLIEST_LOCAL => {
            let offset = view.log_start_offset();
            let leader_epoch = view.epoch_of_offset(offset).unwrap_or(-1);
            return Ok(Found { timestamp: -1, offset, leader_epoch });
        }
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => return Ok(NOTHING),
        MAX_TIMESTAMP => partition.read(|view| view.offset_of_max_timestamp()),
        _ => partition.read(|view| view.offset_for_timestamp(timestamp)),
    };
    match record.map_err(|error| error.code())? {
        Some(found) if found.offset < end => {
            Ok(Found { timestamp: found.timestamp, offset: found.offset, leader_epoch: found.leader_epoch })
        }
        _ => Ok(NOTHING),
    }
}
