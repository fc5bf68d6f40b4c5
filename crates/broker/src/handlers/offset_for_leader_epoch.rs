//! OffsetForLeaderEpoch (key 23): where an epoch ended, so that a client or follower can find where it diverged.

use std::borrow::Cow;

use protocol::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use protocol::{ErrorCode, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use crate::context::RequestContext;
use crate::node::Node;

/// Answers each partition on its own; an epoch nobody knows is -1 at -1.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: OffsetForLeaderEpochRequest<'_>,
) -> OffsetForLeaderEpochResponse<'static> {
    let look_up = |topic: &str, index: i32, believed: i32, epoch: i32| -> Result<(i32, i64), ErrorCode> {
        let partition = node.partition(topic, index)?;
        partition.check_leads(believed)?;
        Ok(partition.view().end_offset_for_epoch(epoch))
    };
    let topics = request.topics.iter().map(|topic| OffsetForLeaderTopicResult {
        topic: Cow::Owned(topic.topic.to_string()),
        partitions: topic
            .partitions
            .iter()
            .map(|asked| {
                let found =
                    look_up(&topic.topic, asked.partition, asked.current_leader_epoch, asked.leader_epoch);
                let answer = EpochEndOffset { partition: asked.partition, ..EpochEndOffset::default() };
                match found {
                    Ok((leader_epoch, end_offset)) => EpochEndOffset { leader_epoch, end_offset, ..answer },
                    Err(error_code) => EpochEndOffset { error_code, ..answer },
                }
            })
            .collect(),
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..OffsetForLeaderEpochResponse::default() }
}
