//! DeleteRecords (key 21, KIP-107): moves the log start forward.

use std::borrow::Cow;
use std::collections::BTreeMap;

use protocol::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use protocol::{DeleteRecordsRequest, DeleteRecordsResponse, ErrorCode};

use crate::context::RequestContext;
use crate::node::Node;
use crate::topic_names::is_internal;

/// Stands for "all that is committed".
const HIGH_WATERMARK: i64 = -1;
/// The client believes in no leader epoch.
const NO_EPOCH: i32 = -1;
/// The log start of a partition in which nothing could be deleted.
const NO_LOW_WATERMARK: i64 = -1;

/// Answers each partition with its new log start. A partition that is named more than once counts once, with what is
/// said last.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: DeleteRecordsRequest<'_>,
) -> DeleteRecordsResponse<'static> {
    let mut asked: BTreeMap<&str, BTreeMap<i32, i64>> = BTreeMap::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            asked.entry(&topic.name).or_default().insert(partition.partition_index, partition.offset);
        }
    }
    let mut topics = Vec::with_capacity(asked.len());
    for (name, offsets) in asked {
        let mut partitions = Vec::with_capacity(offsets.len());
        for (partition_index, offset) in offsets {
            let deleted = delete_before(node, name, partition_index, offset).await;
            partitions.push(DeleteRecordsPartitionResult {
                partition_index,
                low_watermark: deleted.unwrap_or(NO_LOW_WATERMARK),
                error_code: deleted.err().unwrap_or(ErrorCode::NONE),
            });
        }
        topics.push(DeleteRecordsTopicResult { name: Cow::Owned(name.to_owned()), partitions });
    }
    DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() }
}

async fn delete_before(node: &Node, topic: &str, index: i32, offset: i64) -> Result<i64, ErrorCode> {
    let partition = node.partition(topic, index)?;
    if is_internal(topic) {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    partition.check_leads(NO_EPOCH)?;
    let deleted = partition.on_log(move |log| {
        if log.config().compact && !log.config().delete {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let high_watermark = log.view().high_watermark();
        let offset = if offset == HIGH_WATERMARK { high_watermark } else { offset };
        if !(0..=high_watermark).contains(&offset) {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        log.delete_records_before(offset).map_err(|error| error.code())
    });
    deleted.await.unwrap_or(Err(ErrorCode::NOT_LEADER_OR_FOLLOWER))?;
    Ok(partition.view().log_start_offset())
}
