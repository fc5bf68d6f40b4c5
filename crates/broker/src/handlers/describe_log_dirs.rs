//! DescribeLogDirs (key 35): what each log directory holds and how full it is.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use protocol::{DescribeLogDirsRequest, DescribeLogDirsResponse, ErrorCode};

use crate::context::RequestContext;
use crate::node::Node;
use crate::partition::Partition;

/// Answers for the directory of this node.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: DescribeLogDirsRequest<'_>,
) -> DescribeLogDirsResponse<'static> {
    let asked: Option<BTreeSet<(&str, i32)>> = request.topics.as_ref().map(|topics| {
        topics.iter().flat_map(|t| t.partitions.iter().map(|p| (t.topic.as_ref(), *p))).collect()
    });
    let table = node.partitions.load();
    let mut topics: Vec<DescribeLogDirsTopic<'static>> = Vec::new();
    for partition in table.all() {
        if asked.as_ref().is_none_or(|asked| asked.contains(&(&*partition.topic, partition.index))) {
            add(&mut topics, partition);
        }
    }
    let path = node.log_dir_path();
    let usable_bytes = node.platform.disk.free_bytes(path).ok().and_then(|bytes| i64::try_from(bytes).ok());
    let total_bytes = node.platform.disk.total_bytes(path).ok().and_then(|bytes| i64::try_from(bytes).ok());
    let offline = table.all().any(|partition| partition.is_offline());
    let result = DescribeLogDirsResult {
        error_code: if offline { ErrorCode::KAFKA_STORAGE_ERROR } else { ErrorCode::NONE },
        log_dir: Cow::Owned(path.display().to_string()),
        topics,
        total_bytes: total_bytes.unwrap_or(-1),
        usable_bytes: usable_bytes.unwrap_or(-1),
        ..DescribeLogDirsResult::default()
    };
    DescribeLogDirsResponse { results: vec![result], ..DescribeLogDirsResponse::default() }
}

fn add(topics: &mut Vec<DescribeLogDirsTopic<'static>>, partition: &Arc<Partition>) {
    if topics.last().is_none_or(|topic| *topic.name != *partition.topic) {
        topics.push(DescribeLogDirsTopic {
            name: Cow::Owned(partition.topic.to_string()),
            ..DescribeLogDirsTopic::default()
        });
    }
    let topic = topics.last_mut().expect("a topic was pushed above");
    topic.partitions.push(DescribeLogDirsPartition {
        partition_index: partition.index,
        partition_size: i64::try_from(partition.view().size_bytes()).unwrap_or(i64::MAX),
        offset_lag: 0,
        is_future_key: false,
    });
}
