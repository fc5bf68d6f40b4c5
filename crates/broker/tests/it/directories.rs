//! Several log directories: where partitions go, how they move, and what is left when one fails.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use platform::sim::{DiskAction, DiskErrno, DiskFault, SimDisk};
use platform::{Disk, Platform};
use protocol::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use protocol::delete_topics_request::DeleteTopicState;
use protocol::describe_log_dirs_response::DescribeLogDirsResult;
use protocol::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::metadata_request::MetadataRequestTopic;
use protocol::metadata_response::MetadataResponsePartition;
use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::{
    AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeLogDirsRequest, DescribeLogDirsResponse, ErrorCode, FetchRequest, FetchResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest,
    MetadataResponse, OffsetCommitRequest, OffsetCommitResponse, ProduceRequest, ProduceResponse,
};
use tempfile::TempDir;
use testkit::{LogLines, TestConnection, TestNode};

use crate::setup::*;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A partition of a directory: topic, index, and whether it is a copy.
type Held = (String, i32, bool);

async fn describe(connection: &mut TestConnection) -> Vec<DescribeLogDirsResult<'static>> {
    let request = DescribeLogDirsRequest { topics: None };
    let response: DescribeLogDirsResponse<'static> = connection.ask(5, &request).await;
    assert_eq!(response.error_code, ErrorCode::NONE);
    response.results
}

fn held(result: &DescribeLogDirsResult<'_>) -> Vec<Held> {
    let topics = result.topics.iter();
    let all = topics.flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|p| (topic.name.to_string(), p.partition_index, p.is_future_key))
    });
    all.collect()
}

/// The directory of a partition's log, by its number in `log.dirs`.
async fn home(connection: &mut TestConnection, topic: &str, partition: i32) -> usize {
    let wanted = (topic.to_owned(), partition, false);
    let dirs = describe(connection).await;
    dirs.iter().position(|dir| held(dir).contains(&wanted)).expect("a directory has it")
}

pub async fn alter(connection: &mut TestConnection, path: &str, topic: &str, partition: i32) -> ErrorCode {
    let request = AlterReplicaLogDirsRequest {
        dirs: vec![AlterReplicaLogDir {
            path: path.to_owned().into(),
            topics: vec![AlterReplicaLogDirTopic {
                name: topic.to_owned().into(),
                partitions: vec![partition],
            }],
        }],
    };
    let mut codes = Vec::new();
    for version in 1..=2 {
        let response: AlterReplicaLogDirsResponse<'static> = connection.ask(version, &request).await;
        assert_eq!(response.results[0].topic_name, topic);
        codes.push(response.results[0].partitions[0].error_code);
    }
    assert_eq!(codes[0], codes[1], "asking again changes nothing");
    codes[0]
}

/// Looks until the directories are as wished.
async fn until(
    connection: &mut TestConnection,
    wished: impl Fn(&[DescribeLogDirsResult<'static>]) -> bool,
) -> Vec<DescribeLogDirsResult<'static>> {
    let look = async {
        loop {
            let dirs = describe(connection).await;
            if wished(&dirs) {
                return dirs;
            }
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the directories become as wished")
}

/// `replica.alter.log.dirs.io.max.bytes.per.second`.
pub async fn set_pace(connection: &mut TestConnection, bytes_per_second: &str) {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: 4,
            resource_name: "1".into(),
            configs: vec![AlterableConfig {
                name: "replica.alter.log.dirs.io.max.bytes.per.second".into(),
                config_operation: 0,
                value: Some(bytes_per_second.to_owned().into()),
            }],
        }],
        validate_only: false,
    };
    let response: IncrementalAlterConfigsResponse<'static> = connection.ask(1, &request).await;
    assert_eq!(
        response.responses[0].error_code,
        ErrorCode::NONE,
        "{:?}",
        response.responses[0].error_message
    );
}

pub struct Pair {
    pub node: TestNode,
    pub connection: TestConnection,
    pub paths: Vec<String>,
    dir: TempDir,
}

/// A node with two directories on the real disk.
pub async fn pair(properties: &[(&str, &str)]) -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<String> =
        ["a", "b"].iter().map(|name| dir.path().join(name).display().to_string()).collect();
    let log_dirs = paths.join(",");
    let mut all = vec![("log.dirs", log_dirs.as_str()), ("node.id", "1")];
    all.extend_from_slice(properties);
    let node = TestNode::start(&all).await;
    let connection = node.connect().await;
    Pair { node, connection, paths, dir }
}

impl Pair {
    fn names(&self, number: usize) -> Vec<String> {
        let entries = std::fs::read_dir(&self.paths[number]).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

/// Looks until a directory has no entry of this name.
pub async fn until_gone(pair: &mut Pair, number: usize, name: &str) {
    let look = async {
        while pair.names(number).iter().any(|found| found == name) {
            describe(&mut pair.connection).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the old log is taken out of use");
}

#[tokio::test]
async fn partitions_go_where_the_fewest_are_and_stay_there() {
    let mut pair = pair(&[]).await;
    create_topic(&mut pair.connection, "t", 5, &[]).await;
    for version in 1..=5 {
        let request = DescribeLogDirsRequest { topics: None };
        let response: DescribeLogDirsResponse<'static> = pair.connection.ask(version, &request).await;
        let paths: Vec<_> = response.results.iter().map(|dir| dir.log_dir.as_ref()).collect();
        assert_eq!(paths, pair.paths);
        let held: Vec<Vec<i32>> =
            response.results.iter().map(|dir| held(dir).iter().map(|h| h.1).collect()).collect();
        assert_eq!(held, [vec![0, 2, 4], vec![1, 3]], "the metadata log does not count");
        let sizes = response.results.iter().map(|dir| (dir.total_bytes > 0, dir.usable_bytes > 0));
        assert!(sizes.clone().all(|sizes| sizes == (version >= 4, version >= 4)), "version {version}");
    }
    let request = DescribeLogDirsRequest { topics: Some(vec![]) };
    let response: DescribeLogDirsResponse<'static> = pair.connection.ask(4, &request).await;
    assert!(response.results.len() == 2 && response.results.iter().all(|dir| dir.topics.is_empty()));
    for name in ["meta.properties", "recovery-point-offset-checkpoint"] {
        assert!(pair.names(0).iter().any(|n| n == name) || name != "meta.properties");
    }
    pair.node.restart().await;
    let mut connection = pair.node.connect().await;
    let held: Vec<usize> = describe(&mut connection).await.iter().map(|dir| held(dir).len()).collect();
    assert_eq!(held, [3, 2]);
    let ids: Vec<String> = pair
        .paths
        .iter()
        .map(|path| std::fs::read_to_string(Path::new(path).join("meta.properties")).unwrap())
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn moves_are_refused_with_kafkas_codes() {
    let mut pair = pair(&[]).await;
    let (a, b) = (pair.paths[0].clone(), pair.paths[1].clone());
    let connection = &mut pair.connection;
    create_topic(connection, "t", 1, &[]).await;
    assert_eq!(alter(connection, "/nope", "t", 0).await, ErrorCode::LOG_DIR_NOT_FOUND);
    assert_eq!(alter(connection, &format!("{b}/"), "t", 0).await, ErrorCode::LOG_DIR_NOT_FOUND);
    assert_eq!(alter(connection, &b, "t", 9).await, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(alter(connection, &a, "t", 0).await, ErrorCode::NONE, "it is there already");
    let long = "t".repeat(214);
    assert_eq!(alter(connection, &b, &long, 0).await, ErrorCode::INVALID_TOPIC_EXCEPTION);
    // A partition that is yet to be made is made where it was wished.
    assert_eq!(alter(connection, &a, "new", 1).await, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    create_topic(connection, "new", 2, &[]).await;
    assert_eq!((home(connection, "new", 0).await, home(connection, "new", 1).await), (1, 0));
}

#[tokio::test]
async fn a_partition_moves_with_all_it_has() {
    let mut pair = pair(&[]).await;
    let topic = create_topic(&mut pair.connection, "t", 1, &[("segment.bytes", "1048576")]).await;
    let large = "x".repeat(100_000);
    for number in 0..40 {
        let value = format!("{number} {large}");
        assert_eq!(produce(&mut pair.connection, topic, &batch(&[&value])).await.error_code, ErrorCode::NONE);
    }
    let b = pair.paths[1].clone();
    assert_eq!(alter(&mut pair.connection, &b, "t", 0).await, ErrorCode::NONE);
    let moved = ("t".to_owned(), 0, false);
    let dirs = until(&mut pair.connection, |dirs| held(&dirs[1]) == [moved.clone()]).await;
    assert!(dirs[0].topics.is_empty(), "only one directory has it");
    let size = dirs[1].topics[0].partitions[0].partition_size;
    assert!(size > 4_000_000, "{size}");
    until_gone(&mut pair, 0, "t-0").await;
    let check = async |connection: &mut TestConnection, count: usize| {
        let mut offset = 0;
        let mut found = 0;
        while found < count {
            let read = values(&fetch(connection, topic, offset).await, offset);
            assert!(read.iter().enumerate().all(|(n, v)| v.starts_with(&format!("{} ", found + n))));
            found += read.len();
            offset = found as i64;
        }
    };
    check(&mut pair.connection, 40).await;
    let next = produce(&mut pair.connection, topic, &batch(&[&format!("40 {large}")])).await;
    assert_eq!(next.base_offset, 40);
    pair.node.kill_and_restart().await;
    let mut connection = pair.node.connect().await;
    assert_eq!(home(&mut connection, "t", 0).await, 1);
    check(&mut connection, 41).await;
    // And back, over a stop in good order.
    assert_eq!(alter(&mut connection, &pair.paths[0], "t", 0).await, ErrorCode::NONE);
    pair.node.restart().await;
    let mut connection = pair.node.connect().await;
    until(&mut connection, |dirs| held(&dirs[0]) == [moved.clone()] && held(&dirs[1]).is_empty()).await;
    check(&mut connection, 41).await;
    drop(pair.dir);
}

#[tokio::test]
async fn a_move_can_be_called_off_or_turned_elsewhere() {
    let mut pair = pair(&[]).await;
    let topic = create_topic(&mut pair.connection, "t", 1, &[]).await;
    for _ in 0..8 {
        produce(&mut pair.connection, topic, &batch(&["x".repeat(200_000).as_str()])).await;
    }
    set_pace(&mut pair.connection, "1").await;
    let [a, b] = [pair.paths[0].clone(), pair.paths[1].clone()];
    assert_eq!(alter(&mut pair.connection, &b, "t", 0).await, ErrorCode::NONE);
    let copy = ("t".to_owned(), 0, true);
    let dirs = describe(&mut pair.connection).await;
    assert_eq!((held(&dirs[0]), held(&dirs[1])), (vec![("t".to_owned(), 0, false)], vec![copy.clone()]));
    let lag = dirs[1].topics[0].partitions[0].offset_lag;
    assert!((1..=8).contains(&lag), "{lag}");
    assert!(pair.names(1).iter().any(|name| name.starts_with("t-0.") && name.ends_with("-future")));
    // A restart goes on with it, at the same pace.
    pair.node.kill_and_restart().await;
    let mut connection = pair.node.connect().await;
    assert_eq!(held(&describe(&mut connection).await[1]), std::slice::from_ref(&copy));
    assert_eq!(alter(&mut connection, &a, "t", 0).await, ErrorCode::NONE, "to where it is: not at all");
    let dirs = describe(&mut connection).await;
    assert!(held(&dirs[1]).is_empty() && held(&dirs[0]).len() == 1);
    // The topic goes while it moves, and a new one of its name has nothing of it.
    assert_eq!(alter(&mut connection, &b, "t", 0).await, ErrorCode::NONE);
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopicState { name: Some("t".into()), ..DeleteTopicState::default() }],
        timeout_ms: 5000,
        ..DeleteTopicsRequest::default()
    };
    let response: DeleteTopicsResponse<'static> = connection.ask(6, &request).await;
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    assert!(describe(&mut connection).await.iter().all(|dir| dir.topics.is_empty()));
    let again = create_topic(&mut connection, "t", 2, &[]).await;
    assert_eq!(produce(&mut connection, again, &batch(&["new"])).await.base_offset, 0);
    let held: Vec<usize> = describe(&mut connection).await.iter().map(|dir| held(dir).len()).collect();
    assert_eq!(held, [1, 1]);
}

/// Produces until told to stop; gives the values that were acknowledged, in order.
async fn produce_all(
    mut connection: TestConnection,
    topic: Topic,
    first: usize,
    stop: tokio::sync::watch::Receiver<bool>,
) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !*stop.borrow() {
        // Small, so that a copy is sure to be faster.
        let value = format!("value {}", first + acknowledged.len());
        let answer = produce(&mut connection, topic, &batch(&[&value])).await;
        assert_eq!(answer.error_code, ErrorCode::NONE);
        acknowledged.push(value);
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn moves_under_load_lose_nothing_and_refuse_nothing() {
    let mut pair = pair(&[]).await;
    let topic = create_topic(&mut pair.connection, "t", 1, &[("segment.bytes", "1048576")]).await;
    // Enough that a move takes a while.
    let mut acknowledged: Vec<String> = (0..20).map(|n| format!("{n} {}", "x".repeat(900_000))).collect();
    for value in &acknowledged {
        assert_eq!(produce(&mut pair.connection, topic, &batch(&[value])).await.error_code, ErrorCode::NONE);
    }
    for round in 0..4_usize {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let connection = pair.node.connect().await;
        let producing = tokio::spawn(produce_all(connection, topic, acknowledged.len(), stopped));
        let target = 1 - home(&mut pair.connection, "t", 0).await;
        let path = pair.paths[target].clone();
        assert_eq!(alter(&mut pair.connection, &path, "t", 0).await, ErrorCode::NONE);
        if round % 2 == 0 {
            let wished = |dirs: &[DescribeLogDirsResult<'_>]| {
                held(&dirs[target]) == [("t".to_owned(), 0, false)] && held(&dirs[1 - target]).is_empty()
            };
            until(&mut pair.connection, wished).await;
        }
        stop.send_replace(true);
        acknowledged.extend(producing.await.unwrap());
        // In the odd rounds the node dies wherever the move is.
        pair.node.kill_and_restart().await;
        pair.connection = pair.node.connect().await;
        let wished = |dirs: &[DescribeLogDirsResult<'_>]| held(&dirs[0]).len() + held(&dirs[1]).len() == 1;
        until(&mut pair.connection, wished).await;
        let mut found = Vec::new();
        while found.len() < acknowledged.len() {
            let offset = found.len() as i64;
            let read = values(&fetch(&mut pair.connection, topic, offset).await, offset);
            assert!(!read.is_empty(), "{} of {} are there", found.len(), acknowledged.len());
            found.extend(read);
        }
        assert!(found == acknowledged, "round {round}: every record is there, once, in order");
    }
}

// ---- a directory fails ----

async fn produce_to(connection: &mut TestConnection, topic: Topic, partition: i32) -> ErrorCode {
    let bytes = batch(&["x"]);
    let mut request: ProduceRequest<'_> = produce_request(topic, -1, &bytes);
    request.topic_data[0].partition_data[0].index = partition;
    let response: ProduceResponse<'static> = connection.ask(13, &request).await;
    response.responses[0].partition_responses[0].error_code
}

struct Failing {
    disk: SimDisk,
    node: TestNode,
    connection: TestConnection,
}

/// A node with two directories on a disk that can be made to fail.
async fn failing(properties: &[(&str, &str)]) -> Failing {
    failing_on(SimDisk::new(1), properties).await
}

async fn failing_on(disk: SimDisk, properties: &[(&str, &str)]) -> Failing {
    let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::os() };
    let mut all = vec![("log.dirs", "/data/a,/data/b"), ("node.id", "1")];
    all.extend_from_slice(properties);
    let node = TestNode::start_on(platform, &all).await;
    let connection = node.connect().await;
    Failing { disk, node, connection }
}

impl Failing {
    /// Kills the node, and starts it again on what the disk holds.
    async fn restart(&mut self) {
        self.node.kill().await;
        self.disk.release_locks();
        self.node.try_launch().await.unwrap();
        self.connection = self.node.connect().await;
    }

    /// Leaves no byte free.
    fn fill_up(&self) {
        const LARGE_BYTES: u64 = 1 << 40;
        self.disk.set_capacity_bytes(Some(LARGE_BYTES));
        let free = self.disk.free_bytes(Path::new("/")).expect("it is said");
        self.disk.set_capacity_bytes(Some(LARGE_BYTES - free));
    }

    async fn partitions(&mut self, topic: &str) -> Vec<MetadataResponsePartition> {
        let asked = MetadataRequestTopic { name: Some(topic.to_owned().into()), ..Default::default() };
        let request = MetadataRequest { topics: Some(vec![asked]), ..MetadataRequest::default() };
        let mut response: MetadataResponse<'static> = self.connection.ask(12, &request).await;
        let mut partitions = response.topics.remove(0).partitions;
        partitions.sort_by_key(|partition| partition.partition_index);
        partitions
    }

    /// Waits until the controller has taken the leadership of what the failed directory had.
    async fn until_leaderless(&mut self, topic: &str, partition: usize) {
        let look = async { while self.partitions(topic).await[partition].leader_id != -1 {} };
        tokio::time::timeout(PATIENCE, look).await.expect("the controller learns of the failure");
    }

    async fn produce(&mut self, topic: Topic, partition: i32) -> ErrorCode {
        produce_to(&mut self.connection, topic, partition).await
    }

    async fn fetch(&mut self, version: i16, topic: Topic, partition: i32) -> (ErrorCode, i64) {
        let mut request: FetchRequest<'static> = fetch_request(topic, 0);
        request.topics[0].partitions[0].partition = partition;
        if version < 13 {
            request.topics[0].topic_id = protocol::Uuid::ZERO;
        }
        let response: FetchResponse<'static> = self.connection.ask(version, &request).await;
        let partition = &response.responses[0].partitions[0];
        (partition.error_code, partition.high_watermark)
    }

    async fn list_offset(&mut self, topic: Topic, partition_index: i32) -> (ErrorCode, i64) {
        let asked = ListOffsetsPartition { partition_index, timestamp: -1, current_leader_epoch: -1 };
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic { name: topic.name.into(), partitions: vec![asked] }],
            ..ListOffsetsRequest::default()
        };
        let response: ListOffsetsResponse<'static> = self.connection.ask(7, &request).await;
        (response.topics[0].partitions[0].error_code, response.topics[0].partitions[0].offset)
    }

    /// FindCoordinator and OffsetCommit of a group.
    async fn group(&mut self, group: &str, topic: Topic) -> (ErrorCode, ErrorCode) {
        let request = FindCoordinatorRequest { key: group.to_owned().into(), ..Default::default() };
        let found: FindCoordinatorResponse<'static> = self.connection.ask(3, &request).await;
        let request = OffsetCommitRequest {
            group_id: group.to_owned().into(),
            generation_id_or_member_epoch: -1,
            topics: vec![OffsetCommitRequestTopic {
                name: topic.name.into(),
                partitions: vec![OffsetCommitRequestPartition {
                    committed_offset: 1,
                    ..OffsetCommitRequestPartition::default()
                }],
                ..OffsetCommitRequestTopic::default()
            }],
            ..OffsetCommitRequest::default()
        };
        let committed: OffsetCommitResponse<'static> = self.connection.ask(8, &request).await;
        (found.error_code, committed.topics[0].partitions[0].error_code)
    }

    /// Commits for many groups until each is served; by partition of the offsets topic, one group.
    async fn groups(&mut self, topic: Topic) -> BTreeMap<i32, String> {
        let mut groups = BTreeMap::new();
        for number in 0.. {
            let group = format!("g{number}");
            groups.entry(coordinator_partition(&group)).or_insert(group);
            if groups.len() == OFFSETS_PARTITIONS as usize {
                break;
            }
        }
        for group in groups.values() {
            let look = async { while self.group(group, topic).await.1 != ErrorCode::NONE {} };
            tokio::time::timeout(PATIENCE, look).await.expect("the group is served");
        }
        groups
    }
}

/// Partitions of `__consumer_offsets` of a test node.
const OFFSETS_PARTITIONS: i32 = 4;

/// Java's hash of the group's name over the partitions, as Kafka has it.
fn coordinator_partition(group: &str) -> i32 {
    let hash =
        group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % OFFSETS_PARTITIONS
}

#[tokio::test]
async fn a_failed_directory_is_offline_alone() {
    for action in [DiskAction::Write, DiskAction::Sync, DiskAction::Read] {
        // One flushes with each append, so that a failed flush is met at once.
        let mut f = failing(&[("log.flush.interval.messages", "1")]).await;
        let topic = create_topic(&mut f.connection, "t", 2, &[]).await;
        for partition in 0..2 {
            assert_eq!(f.produce(topic, partition).await, ErrorCode::NONE);
        }
        let groups = f.groups(topic).await;
        f.disk.fail(DiskFault::always(action, DiskErrno::Io).on("/data/b/"));
        match action {
            DiskAction::Read => assert_eq!(f.fetch(18, topic, 1).await.0, ErrorCode::KAFKA_STORAGE_ERROR),
            _ => assert_eq!(f.produce(topic, 1).await, ErrorCode::KAFKA_STORAGE_ERROR, "{action:?}"),
        }
        f.until_leaderless("t", 1).await;
        // What was in the directory cannot be had; each request says so in Kafka's way.
        assert_eq!(f.produce(topic, 1).await, ErrorCode::KAFKA_STORAGE_ERROR);
        assert_eq!(f.fetch(18, topic, 1).await.0, ErrorCode::KAFKA_STORAGE_ERROR);
        assert_eq!(
            f.fetch(5, topic, 1).await.0,
            ErrorCode::NOT_LEADER_OR_FOLLOWER,
            "old clients know no other"
        );
        assert_eq!(f.list_offset(topic, 1).await.0, ErrorCode::KAFKA_STORAGE_ERROR);
        let partitions = f.partitions("t").await;
        let lost = &partitions[1];
        assert_eq!((lost.error_code, lost.leader_id), (ErrorCode::LEADER_NOT_AVAILABLE, -1));
        assert_eq!((&lost.isr_nodes, &lost.offline_replicas), (&vec![], &vec![1]));
        let dirs = describe(&mut f.connection).await;
        assert_eq!(
            (dirs[0].error_code, dirs[1].error_code),
            (ErrorCode::NONE, ErrorCode::KAFKA_STORAGE_ERROR)
        );
        assert!(dirs[1].topics.is_empty() && dirs[1].total_bytes == -1);
        assert_eq!(alter(&mut f.connection, "/data/b", "t", 0).await, ErrorCode::KAFKA_STORAGE_ERROR);
        assert_eq!(alter(&mut f.connection, "/data/a", "t", 1).await, ErrorCode::KAFKA_STORAGE_ERROR);
        assert_eq!(alter(&mut f.connection, "/data/a", "t", 0).await, ErrorCode::NONE);
        // The rest goes on.
        assert_eq!(f.produce(topic, 0).await, ErrorCode::NONE);
        assert_eq!(f.fetch(18, topic, 0).await, (ErrorCode::NONE, 2));
        assert_eq!((partitions[0].leader_id, &partitions[0].offline_replicas), (1, &vec![]));
        let after = create_topic(&mut f.connection, "after", 2, &[]).await;
        assert_eq!(f.produce(after, 1).await, ErrorCode::NONE);
        let offsets = f.partitions("__consumer_offsets").await;
        let mut served = 0;
        for (partition, group) in &groups {
            let expected = if offsets[*partition as usize].leader_id == 1 {
                served += 1;
                (ErrorCode::NONE, ErrorCode::NONE)
            } else {
                (ErrorCode::COORDINATOR_NOT_AVAILABLE, ErrorCode::NOT_COORDINATOR)
            };
            assert_eq!(f.group(group, topic).await, expected, "group {group} in partition {partition}");
        }
        assert_eq!(served, OFFSETS_PARTITIONS / 2);
        check_restarts(f, topic, &groups).await;
    }
}

/// The node starts without the failed directory, and has all back when that is mended.
async fn check_restarts(mut f: Failing, topic: Topic, groups: &BTreeMap<i32, String>) {
    f.disk.heal();
    f.disk.fail(DiskFault::always(DiskAction::List, DiskErrno::Io).on("/data/b"));
    f.restart().await;
    assert_eq!(f.produce(topic, 1).await, ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(f.fetch(18, topic, 1).await.0, ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(f.fetch(5, topic, 1).await.0, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(f.list_offset(topic, 1).await.0, ErrorCode::KAFKA_STORAGE_ERROR);
    assert_eq!(alter(&mut f.connection, "/data/a", "t", 1).await, ErrorCode::KAFKA_STORAGE_ERROR);
    let partitions = f.partitions("t").await;
    assert_eq!((partitions[1].leader_id, &partitions[1].offline_replicas), (-1, &vec![1]));
    assert_eq!(f.fetch(18, topic, 0).await, (ErrorCode::NONE, 2));
    assert_eq!(describe(&mut f.connection).await[1].error_code, ErrorCode::KAFKA_STORAGE_ERROR);
    f.disk.heal();
    f.restart().await;
    let (error, high_watermark) = f.fetch(18, topic, 1).await;
    assert_eq!(error, ErrorCode::NONE);
    assert!(high_watermark >= 1, "what was acknowledged is there");
    assert_eq!(f.produce(topic, 1).await, ErrorCode::NONE);
    for group in groups.values() {
        let look = async { while f.group(group, topic).await != (ErrorCode::NONE, ErrorCode::NONE) {} };
        tokio::time::timeout(PATIENCE, look).await.expect("the group is served again");
    }
}

#[tokio::test]
async fn acks_that_wait_for_a_write_ahead_log_that_fails_are_refused() {
    let mut f = failing(&[]).await;
    let topic = create_topic(&mut f.connection, "t", 2, &[]).await;
    for partition in 0..2 {
        assert_eq!(f.produce(topic, partition).await, ErrorCode::NONE);
    }
    // The segments take everything: what fails is the write that the acks wait for.
    f.disk.fail(DiskFault::always(DiskAction::Write, DiskErrno::Io).on("/data/b/klamm-wal-"));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut connection = f.node.connect().await;
        waiting.spawn(async move { produce_to(&mut connection, topic, 1).await });
    }
    let codes = tokio::time::timeout(PATIENCE, waiting.join_all()).await.expect("nobody waits for ever");
    assert_eq!(codes, [ErrorCode::KAFKA_STORAGE_ERROR; 8]);
    f.until_leaderless("t", 1).await;
    let dirs = describe(&mut f.connection).await;
    assert_eq!((dirs[0].error_code, dirs[1].error_code), (ErrorCode::NONE, ErrorCode::KAFKA_STORAGE_ERROR));
    assert_eq!(f.produce(topic, 0).await, ErrorCode::NONE, "the other directory goes on");
    f.disk.heal();
    f.restart().await;
    let (error, high_watermark) = f.fetch(18, topic, 1).await;
    assert_eq!(error, ErrorCode::NONE);
    assert!((1..=9).contains(&high_watermark), "what was acknowledged is there: {high_watermark}");
}

#[tokio::test]
async fn a_full_disk_holds_producers_off_and_nothing_else() {
    let disk = SimDisk::new(1);
    disk.set_capacity_bytes(Some(32 << 20));
    let mut f = failing_on(disk, &[("log.dirs", "/data/a"), ("log.dir.full.percent", "50")]).await;
    let topic = create_topic(&mut f.connection, "t", 1, &[]).await;
    let other = create_topic(&mut f.connection, "other", 1, &[]).await;
    assert_eq!(f.produce(other, 0).await, ErrorCode::NONE);
    f.groups(topic).await;
    let large = batch(&["x".repeat(200_000).as_str()]);
    let mut count = 0;
    let refused = loop {
        let answer = produce(&mut f.connection, topic, &large).await;
        if answer.error_code != ErrorCode::NONE {
            break answer;
        }
        count += 1;
        assert!(count < 1000, "the disk fills up");
    };
    assert_eq!(refused.error_code, ErrorCode::NOT_ENOUGH_REPLICAS, "every client tries that again");
    let why = refused.error_message.unwrap_or_default();
    assert!(why.contains("log.dir.full.percent"), "after {count}: {why}");
    let used: u64 = f.disk.files().iter().map(|(_, bytes)| bytes.len() as u64).sum();
    assert!(count > 3 && used < 17 << 20, "the limit is met: {used} after {count}");
    assert_eq!(f.produce(other, 0).await, ErrorCode::NOT_ENOUGH_REPLICAS);
    // Consumers, groups and the admin go on.
    assert_eq!(f.fetch(18, topic, 0).await, (ErrorCode::NONE, count));
    f.groups(topic).await;
    create_topic(&mut f.connection, "new", 1, &[]).await;
    assert_eq!(describe(&mut f.connection).await[0].error_code, ErrorCode::NONE);
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopicState { name: Some("t".into()), ..DeleteTopicState::default() }],
        timeout_ms: 5000,
        ..DeleteTopicsRequest::default()
    };
    let response: DeleteTopicsResponse<'static> = f.connection.ask(6, &request).await;
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    let look = async { while f.produce(other, 0).await != ErrorCode::NONE {} };
    tokio::time::timeout(PATIENCE, look).await.expect("producers are served again, without a restart");
}

#[tokio::test]
async fn without_a_byte_of_space_a_node_stops_and_loses_nothing() {
    for is_killed in [false, true] {
        let full = ("log.dir.full.percent", "100");
        let mut f = failing_on(SimDisk::new(1), &[("log.dirs", "/data/a"), full]).await;
        let topic = create_topic(&mut f.connection, "t", 2, &[]).await;
        for partition in [0, 0, 0, 1] {
            assert_eq!(f.produce(topic, partition).await, ErrorCode::NONE);
        }
        f.groups(topic).await;
        f.disk.set_capacity_bytes(Some(0));
        // There is room for some more in the write-ahead log, but not in a segment.
        assert_eq!(f.produce(topic, 0).await, ErrorCode::NOT_ENOUGH_REPLICAS);
        assert_eq!(f.fetch(18, topic, 0).await, (ErrorCode::NONE, 3), "consumers are served");
        let (lines, guard) = LogLines::taken();
        let end = async { if is_killed { f.node.kill().await } else { f.node.stop().await } };
        tokio::time::timeout(PATIENCE, end).await.expect("the node ends");
        drop(guard);
        let lines = lines.text();
        assert!(!lines.contains("ERROR"), "nothing is broken: {lines}");
        assert_eq!(lines.matches("WARN").count(), usize::from(!is_killed), "told once: {lines}");
        assert!(is_killed || lines.contains("loses nothing that was acknowledged"), "{lines}");
        f.disk.release_locks();
        let why = f.node.try_launch().await.expect_err("a start has to write");
        assert!(why.contains("free some"), "killed {is_killed}: {why}");
        f.disk.set_capacity_bytes(None);
        f.restart().await;
        assert_eq!(f.fetch(18, topic, 0).await, (ErrorCode::NONE, 3), "killed {is_killed}");
        assert_eq!(f.fetch(18, topic, 1).await, (ErrorCode::NONE, 1));
        assert_eq!(f.produce(topic, 0).await, ErrorCode::NONE);
        f.groups(topic).await;
        f.node.stop().await;
        f.restart().await;
        assert_eq!(f.fetch(18, topic, 0).await, (ErrorCode::NONE, 4));
    }
}

/// Every byte is taken, by somebody else too: a start has what was kept for it, and twice, since it is kept again.
#[tokio::test]
async fn on_a_full_disk_a_node_starts_and_refuses_records_until_there_is_space() {
    let full = ("log.dir.full.percent", "100");
    let mut f = failing_on(SimDisk::new(1), &[("log.dirs", "/data/a"), full]).await;
    let topic = create_topic(&mut f.connection, "t", 2, &[]).await;
    let mut count = 0;
    for (is_killed, other) in [(true, "a"), (false, "b"), (true, "c")] {
        for _ in 0..3 {
            assert_eq!(f.produce(topic, 0).await, ErrorCode::NONE, "killed {is_killed}");
            count += 1;
        }
        f.groups(topic).await;
        f.fill_up();
        assert_eq!(f.produce(topic, 0).await, ErrorCode::NOT_ENOUGH_REPLICAS);
        let end = async { if is_killed { f.node.kill().await } else { f.node.stop().await } };
        tokio::time::timeout(PATIENCE, end).await.expect("the node ends");
        // Who else writes to the file system takes what the end gave free.
        f.fill_up();
        f.restart().await;
        assert_eq!(f.fetch(18, topic, 0).await, (ErrorCode::NONE, count), "consumers are served");
        assert_eq!(
            f.produce(topic, 1).await,
            ErrorCode::NOT_ENOUGH_REPLICAS,
            "what was kept is not for records"
        );
        f.groups(topic).await;
        let other = create_topic(&mut f.connection, other, 1, &[]).await;
        assert_eq!(f.fetch(18, other, 0).await, (ErrorCode::NONE, 0));
        let request = DeleteTopicsRequest {
            topics: vec![DeleteTopicState { topic_id: other.id, ..DeleteTopicState::default() }],
            timeout_ms: 5000,
            ..DeleteTopicsRequest::default()
        };
        let response: DeleteTopicsResponse<'static> = f.connection.ask(6, &request).await;
        assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
        f.disk.set_capacity_bytes(None);
        let look = async { while f.produce(topic, 1).await != ErrorCode::NONE {} };
        tokio::time::timeout(PATIENCE, look).await.expect("producers are served again, without a restart");
    }
    f.restart().await;
    assert_eq!(f.fetch(18, topic, 0).await, (ErrorCode::NONE, count));
    assert_eq!(f.fetch(18, topic, 1).await, (ErrorCode::NONE, 3));
}

#[tokio::test]
async fn a_move_out_of_or_into_a_failing_directory_ends() {
    for failed in ["/data/a/t-0", "/data/b/t-0."] {
        let apart = ("metadata.log.dir", "/data/metadata");
        let mut f = failing(&[apart]).await;
        let topic = create_topic(&mut f.connection, "t", 1, &[]).await;
        let large = batch(&["x".repeat(900_000).as_str()]);
        for _ in 0..4 {
            let mut request = produce_request(topic, -1, &large);
            request.timeout_ms = 60_000;
            let response: ProduceResponse<'static> = f.connection.ask(13, &request).await;
            assert_eq!(response.responses[0].partition_responses[0].error_code, ErrorCode::NONE);
        }
        set_pace(&mut f.connection, "1").await;
        assert_eq!(alter(&mut f.connection, "/data/b", "t", 0).await, ErrorCode::NONE);
        f.disk.fail(DiskFault::always(DiskAction::Read, DiskErrno::Io).on(failed));
        f.disk.fail(DiskFault::always(DiskAction::Write, DiskErrno::Io).on(failed));
        set_pace(&mut f.connection, "1000000000").await;
        let is_source = failed == "/data/a/t-0";
        let dirs = until(&mut f.connection, |dirs| {
            dirs[usize::from(!is_source)].error_code == ErrorCode::KAFKA_STORAGE_ERROR
        })
        .await;
        let rest = &dirs[usize::from(is_source)];
        assert_eq!(rest.error_code, ErrorCode::NONE);
        if is_source {
            f.until_leaderless("t", 0).await;
            assert_eq!(f.produce(topic, 0).await, ErrorCode::KAFKA_STORAGE_ERROR);
            assert_eq!(rest.topics[0].partitions[0].offset_lag, -1, "there is nothing to compare with");
        } else {
            assert_eq!(f.produce(topic, 0).await, ErrorCode::NONE, "the log itself is sound");
            assert_eq!(f.fetch(18, topic, 0).await, (ErrorCode::NONE, 5));
        }
        // Mended, the move is made anew or goes on.
        f.disk.heal();
        f.restart().await;
        let moved = |dirs: &[DescribeLogDirsResult<'_>]| {
            held(&dirs[1]) == [("t".to_owned(), 0, false)] && held(&dirs[0]).is_empty()
        };
        until(&mut f.connection, moved).await;
        let (error, high_watermark) = f.fetch(18, topic, 0).await;
        assert_eq!((error, high_watermark), (ErrorCode::NONE, if is_source { 4 } else { 5 }));
    }
}

#[tokio::test]
async fn a_node_without_its_metadata_log_stops_and_says_why() {
    let mut f = failing(&[]).await;
    let topic = create_topic(&mut f.connection, "t", 1, &[]).await;
    f.disk.fail(DiskFault::always(DiskAction::Write, DiskErrno::Io).on("/data/a/t-0"));
    assert_eq!(f.produce(topic, 0).await, ErrorCode::KAFKA_STORAGE_ERROR);
    let reason = f.node.failed().await;
    assert!(reason.contains("/data/a") && reason.contains("has the metadata log"), "{reason}");
    assert!(reason.contains("cannot write /data/a/t-0"), "{reason}");
}

#[tokio::test]
async fn a_node_without_any_directory_stops_and_says_why() {
    let mut f = failing(&[("metadata.log.dir", "/data/metadata")]).await;
    let topic = create_topic(&mut f.connection, "t", 2, &[]).await;
    f.disk.fail(DiskFault::always(DiskAction::Write, DiskErrno::Io).on("/data/b/t-1"));
    assert_eq!(f.produce(topic, 1).await, ErrorCode::KAFKA_STORAGE_ERROR);
    f.until_leaderless("t", 1).await;
    assert_eq!(f.produce(topic, 0).await, ErrorCode::NONE);
    f.disk.fail(DiskFault::always(DiskAction::Write, DiskErrno::Io).on("/data/a/t-0"));
    assert_eq!(f.produce(topic, 0).await, ErrorCode::KAFKA_STORAGE_ERROR);
    let reason = f.node.failed().await;
    assert!(reason.contains("every log directory has failed") && reason.contains("/data/a"), "{reason}");
}
