//! DescribeLogDirs (key 35, KIP-113): what each log directory holds and how full it is.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use protocol::{DescribeLogDirsRequest, DescribeLogDirsResponse, ErrorCode};
use storage::{Entry, LogView};

use crate::context::RequestContext;
use crate::node::Node;

/// The lag of a copy whose log is out of reach.
const UNKNOWN_LAG: i64 = -1;

/// Answers for every directory of `log.dirs`; one that is offline has an error in place of its content.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: DescribeLogDirsRequest<'_>,
) -> DescribeLogDirsResponse<'static> {
    let asked: Option<BTreeSet<(&str, i32)>> = request.topics.as_ref().map(|topics| {
        topics.iter().flat_map(|t| t.partitions.iter().map(|p| (t.topic.as_ref(), *p))).collect()
    });
    let mut logs = logs(node);
    logs.retain(|view| asked.as_ref().is_none_or(|a| a.contains(&(&**view.topic(), view.partition()))));
    let results = node.log_dirs.entries().iter().map(|entry| {
        let path = Cow::Owned(entry.path().display().to_string());
        match describe(node, entry, &logs) {
            Ok(result) => DescribeLogDirsResult { log_dir: path, ..result },
            Err(error_code) => {
                DescribeLogDirsResult { error_code, log_dir: path, ..DescribeLogDirsResult::default() }
            }
        }
    });
    DescribeLogDirsResponse { results: results.collect(), ..DescribeLogDirsResponse::default() }
}

/// All logs: those of the partitions, as of one moment, so that one that moves is seen in one place; and those that wait in
/// a directory for their partition.
fn logs(node: &Node) -> Vec<Arc<LogView>> {
    let table = node.partitions.load_full();
    let mut logs = Vec::new();
    for partition in table.all() {
        let copy = partition.future_view();
        let log = partition.view().clone();
        logs.extend(copy.filter(|copy| copy.log_dir_path() != log.log_dir_path()));
        logs.push(log);
    }
    let is_known = |view: &LogView| {
        let topic = table.by_name(view.topic());
        let partition = topic.and_then(|topic| topic.get(view.partition()));
        partition.is_some_and(|partition| !view.is_future() || !partition.is_offline())
    };
    let waiting = node.log_dirs.online().flat_map(|dir| dir.views());
    logs.extend(waiting.filter(|view| !is_known(view)));
    logs.sort_by(|a, b| (a.topic(), a.partition()).cmp(&(b.topic(), b.partition())));
    logs
}

fn describe(
    node: &Node,
    entry: &Entry,
    logs: &[Arc<LogView>],
) -> Result<DescribeLogDirsResult<'static>, ErrorCode> {
    let dir = entry.online().ok_or(ErrorCode::KAFKA_STORAGE_ERROR)?;
    // Kafka has no code for a directory that works and cannot be asked for its size.
    let bytes = |asked: std::io::Result<u64>| {
        let bytes = asked.map_err(|_| ErrorCode::UNKNOWN_SERVER_ERROR)?;
        Ok(i64::try_from(bytes).unwrap_or(i64::MAX))
    };
    let disk = &node.platform.disk;
    let mut topics: Vec<DescribeLogDirsTopic<'static>> = Vec::new();
    for view in logs.iter().filter(|view| view.log_dir_path() == dir.path()) {
        if topics.last().is_none_or(|topic| *topic.name != **view.topic()) {
            topics.push(DescribeLogDirsTopic {
                name: Cow::Owned(view.topic().to_string()),
                ..DescribeLogDirsTopic::default()
            });
        }
        let topic = topics.last_mut().expect("a topic was pushed above");
        topic.partitions.push(DescribeLogDirsPartition {
            partition_index: view.partition(),
            partition_size: i64::try_from(view.size_bytes()).unwrap_or(i64::MAX),
            offset_lag: lag(node, view),
            is_future_key: view.is_future(),
        });
    }
    Ok(DescribeLogDirsResult {
        topics,
        total_bytes: bytes(disk.total_bytes(dir.path()))?,
        usable_bytes: bytes(disk.free_bytes(dir.path()))?,
        ..DescribeLogDirsResult::default()
    })
}

/// How many offsets a copy is behind its log, or a log behind what is committed.
fn lag(node: &Node, view: &LogView) -> i64 {
    if !view.is_future() {
        return (view.high_watermark() - view.log_end_offset()).max(0);
    }
    let log = node.log_dirs.view(view.topic(), view.partition());
    log.map_or(UNKNOWN_LAG, |log| log.log_end_offset() - view.log_end_offset())
}
