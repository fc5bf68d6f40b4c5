//! OffsetCommit: from a request to records and the answer that waits for them.

use std::sync::Arc;

use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use protocol::{ErrorCode, OffsetCommitRequest, OffsetCommitResponse};

use super::CommittedOffset;
use crate::record::{GroupRecord, STORED_STRING_BYTES_MAX};

/// The records of a commit that was found valid, and its answer.
pub(crate) fn commit(
    now_ms: i64,
    group: &Arc<str>,
    request: &OffsetCommitRequest<'_>,
    metadata_bytes_max: usize,
) -> (Vec<GroupRecord>, OffsetCommitResponse<'static>) {
    // -1 is the schema's default: the broker's retention applies.
    let expire_timestamp_ms =
        (request.retention_time_ms != -1).then(|| now_ms.saturating_add(request.retention_time_ms));
    let mut records = Vec::with_capacity(request.topics.iter().map(|topic| topic.partitions.len()).sum());
    let response = respond(request, |topic, name, partition| {
        let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
        if is_too_long(metadata, metadata_bytes_max) {
            return ErrorCode::OFFSET_METADATA_TOO_LARGE;
        }
        if topic.name.len() > STORED_STRING_BYTES_MAX {
            return ErrorCode::INVALID_TOPIC_EXCEPTION;
        }
        records.push(GroupRecord::Offset {
            group: group.clone(),
            topic: name.clone(),
            partition: partition.partition_index,
            value: Some(CommittedOffset {
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: metadata.into(),
                commit_timestamp_ms: now_ms,
                expire_timestamp_ms,
                topic_id: topic.topic_id,
            }),
        });
        ErrorCode::NONE
    });
    (records, response)
}

/// The answer to a commit that was refused as a whole.
pub(crate) fn commit_failed(
    request: &OffsetCommitRequest<'_>,
    error: ErrorCode,
) -> OffsetCommitResponse<'static> {
    respond(request, |_, _, _| error)
}

fn respond(
    request: &OffsetCommitRequest<'_>,
    mut decide: impl FnMut(
        &OffsetCommitRequestTopic<'_>,
        &Arc<str>,
        &OffsetCommitRequestPartition<'_>,
    ) -> ErrorCode,
) -> OffsetCommitResponse<'static> {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let name: Arc<str> = Arc::from(&*topic.name);
        let partitions = topic
            .partitions
            .iter()
            .map(|partition| OffsetCommitResponsePartition {
                partition_index: partition.partition_index,
                error_code: decide(topic, &name, partition),
            })
            .collect();
        topics.push(OffsetCommitResponseTopic {
            name: topic.name.to_string().into(),
            topic_id: topic.topic_id,
            partitions,
        });
    }
    OffsetCommitResponse { topics, ..Default::default() }
}

/// Kafka counts UTF-16 code units; there are never more of them than bytes.
fn is_too_long(metadata: &str, units_max: usize) -> bool {
    (metadata.len() > units_max && metadata.encode_utf16().count() > units_max)
        || metadata.len() > STORED_STRING_BYTES_MAX
}
