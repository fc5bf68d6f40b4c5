//! DeleteRecords (key 21, KIP-107): moves the log start forward.

use std::borrow::Cow;

use protocol::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use protocol::{DeleteRecordsRequest, DeleteRecordsResponse, ErrorCode};

use crate::context::RequestContext;
use crate::node::Node;
use crate::topic_names::is_internal;

/// Stands for "all that is committed".
const HIGH_WATERMARK: i64 = -1;

/// Answers each partition with its new log start.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: DeleteRecordsRequest<'_>,
) -> DeleteRecordsResponse<'static> {
    let topics = request.topics.iter().map(|topic| DeleteRecordsTopicResult {
        name: Cow::Owned(topic.name.to_string()),
        partitions: topic
            .partitions
            .iter()
            .map(|asked| {
                let answer = DeleteRecordsPartitionResult {
                    partition_index: asked.partition_index,
                    low_watermark: -1,
                    error_code: ErrorCode::NONE,
                };
                match delete_before(node, &topic.name, asked.partition_index, asked.offset) {
                    Ok(low_watermark) => DeleteRecordsPartitionResult { low_watermark, ..answer },
                    Err(error_code) => DeleteRecordsPartitionResult { error_code, ..answer },
                }
            })
            .collect(),
    });
    DeleteRecordsResponse { topics: topics.collect(), ..DeleteRecordsResponse::default() }
}

fn delete_before(node: &Node, topic: &str, index: i32, offset: i64) -> Result<i64, ErrorCode> {
    if is_internal(topic) {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let partition = node.partitions.find(topic, index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let high_watermark = partition.view().high_watermark();
    let offset = if offset == HIGH_WATERMARK { high_watermark } else { offset };
    if !(0..=high_watermark).contains(&offset) {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    let deleted = partition.with_log(|log| {
        if log.config().compact && !log.config().delete {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        log.delete_records_before(offset).map_err(|error| error.code())
    });
    deleted.unwrap_or(Err(ErrorCode::NOT_LEADER_OR_FOLLOWER))?;
    Ok(partition.view().log_start_offset())
}
