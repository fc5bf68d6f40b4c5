//! AlterReplicaLogDirs (key 34, KIP-113): moves partitions between the log directories of this node.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use protocol::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use protocol::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, ErrorCode};

use crate::context::RequestContext;
use crate::node::Node;
use crate::replica_moves::Hosted;

/// Begins or calls off a move for each partition, and answers when all that is begun.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: AlterReplicaLogDirsRequest<'_>,
) -> AlterReplicaLogDirsResponse<'static> {
    // As in Kafka, the last directory counts if a partition is named under several.
    let mut wanted: BTreeMap<(String, i32), PathBuf> = BTreeMap::new();
    for dir in &request.dirs {
        for topic in &dir.topics {
            for partition in &topic.partitions {
                wanted.insert((topic.name.to_string(), *partition), PathBuf::from(dir.path.as_ref()));
            }
        }
    }
    let mut results: Vec<AlterReplicaLogDirTopicResult<'static>> = Vec::new();
    for ((name, partition_index), path) in wanted {
        let altered = alter(node, &name, partition_index, path).await;
        let error_code = altered.err().unwrap_or(ErrorCode::NONE);
        if results.last().is_none_or(|topic| topic.topic_name != name) {
            results
                .push(AlterReplicaLogDirTopicResult { topic_name: Cow::Owned(name), partitions: Vec::new() });
        }
        let topic = results.last_mut().expect("a topic was pushed above");
        topic.partitions.push(AlterReplicaLogDirPartitionResult { partition_index, error_code });
    }
    AlterReplicaLogDirsResponse { results, ..AlterReplicaLogDirsResponse::default() }
}

async fn alter(node: &Node, topic: &str, index: i32, path: PathBuf) -> Result<(), ErrorCode> {
    let hosted = node.partition(topic, index).map_or_else(Hosted::Absent, Hosted::Here);
    let (moves, topic) = (node.moves.clone(), topic.to_owned());
    let altered = node.platform.blocking.run(move || moves.alter(&topic, index, &path, hosted)).await;
    altered.map_err(|code| match code {
        // The older name of the same, kept for this API.
        ErrorCode::NOT_LEADER_OR_FOLLOWER => ErrorCode::REPLICA_NOT_AVAILABLE,
        code => code,
    })
}
