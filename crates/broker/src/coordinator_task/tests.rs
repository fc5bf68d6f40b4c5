//! The task on a log in memory, on paused time.

mod memory_log;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use group_coordinator::{DeletedTopic, GroupCoordinatorConfig};
use platform::{Clock, Rng};
use protocol::join_group_request::JoinGroupRequestProtocol;
use protocol::leave_group_request::MemberIdentity;
use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use protocol::offset_fetch_request::OffsetFetchRequestGroup;
use protocol::sync_group_request::SyncGroupRequestAssignment;
use protocol::{
    ErrorCode, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, OffsetCommitRequest,
    OffsetDeleteRequest, SyncGroupRequest, Uuid,
};
use records::Compression;

use super::{GroupCoordinatorHandle, OffsetsLogConfig, start};
use crate::context::RequestContext;
use memory_log::MemoryLog;

const TOPIC_ID: Uuid = Uuid([7; 16]);

const LOG_CONFIG: OffsetsLogConfig =
    OffsetsLogConfig { load_buffer_bytes: 1 << 20, compression: Compression::None };

fn start_on(log: &Arc<MemoryLog>) -> GroupCoordinatorHandle {
    start_with(log, LOG_CONFIG)
}

fn start_with(log: &Arc<MemoryLog>, log_config: OffsetsLogConfig) -> GroupCoordinatorHandle {
    let config = GroupCoordinatorConfig { initial_rebalance_delay_ms: 0, ..Default::default() };
    let handle = start(log.clone(), &Clock::os(), Rng::seeded(1), config, log_config);
    handle.metadata_changed(Vec::new());
    handle
}

/// Lets the task do what it can do now.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn ctx(api_version: i16) -> RequestContext<'static> {
    let addr = SocketAddr::from(([127, 0, 0, 1], 9092));
    RequestContext {
        connection_id: 1,
        user: crate::context::ANONYMOUS,
        api_version,
        client_id: "c",
        listener_name: "PLAINTEXT",
        local_addr: addr,
        peer_addr: addr,
    }
}

fn commit_request(group: &str, partitions: std::ops::Range<i32>, offset: i64) -> OffsetCommitRequest<'_> {
    let partitions = partitions.map(|partition| OffsetCommitRequestPartition {
        partition_index: partition,
        committed_offset: offset,
        committed_leader_epoch: -1,
        committed_metadata: None,
    });
    OffsetCommitRequest {
        group_id: group.into(),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".into(),
            topic_id: TOPIC_ID,
            partitions: partitions.collect(),
        }],
        ..Default::default()
    }
}

async fn commit(handle: &GroupCoordinatorHandle, group: &str, offset: i64) -> Result<ErrorCode, ErrorCode> {
    let response = handle.offset_commit(&ctx(10), commit_request(group, 0..1, offset)).await?;
    Ok(response.topics[0].partitions[0].error_code)
}

async fn fetch_all(handle: &GroupCoordinatorHandle, group: &str) -> Result<Vec<(i32, i64)>, ErrorCode> {
    let request = OffsetFetchRequestGroup { group_id: group.into(), topics: None, ..Default::default() };
    let pending = handle.fetch_offsets(request, true).await;
    let fetched = handle.fetched_offsets(pending).await?;
    let partitions = fetched.topics.iter().flat_map(|topic| &topic.partitions);
    Ok(partitions.map(|partition| (partition.partition_index, partition.committed_offset)).collect())
}

async fn join(handle: &GroupCoordinatorHandle, group: &str, member_id: &str) -> JoinGroupResponse<'static> {
    let request = JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        member_id: member_id.to_owned().into(),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata: b"m".into() }],
        ..Default::default()
    };
    handle.join_group(&ctx(9), request).await.unwrap()
}

/// Joins as the only member, assigns, and returns the member id and generation.
async fn join_and_sync(handle: &GroupCoordinatorHandle, group: &str) -> (String, i32) {
    let told = join(handle, group, "").await;
    assert_eq!(told.error_code, ErrorCode::MEMBER_ID_REQUIRED);
    let joined = join(handle, group, &told.member_id).await;
    assert_eq!(joined.error_code, ErrorCode::NONE);
    let member_id = joined.member_id.to_string();
    let synced = handle.sync_group(sync_request(group, &member_id, joined.generation_id)).await.unwrap();
    assert_eq!((synced.error_code, &*synced.assignment), (ErrorCode::NONE, &b"all"[..]));
    (member_id, joined.generation_id)
}

fn sync_request<'a>(group: &'a str, member_id: &'a str, generation: i32) -> SyncGroupRequest<'a> {
    SyncGroupRequest {
        group_id: group.into(),
        generation_id: generation,
        member_id: member_id.into(),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: member_id.into(),
            assignment: b"all".into(),
        }],
        ..Default::default()
    }
}

async fn heartbeat(
    handle: &GroupCoordinatorHandle,
    group: &str,
    member_id: &str,
    generation: i32,
) -> Result<ErrorCode, ErrorCode> {
    let request = HeartbeatRequest {
        group_id: group.into(),
        generation_id: generation,
        member_id: member_id.into(),
        group_instance_id: None,
    };
    Ok(handle.heartbeat(request).await?.error_code)
}

async fn states(handle: &GroupCoordinatorHandle) -> Vec<(String, String)> {
    let groups = handle.list_groups(Vec::new(), Vec::new()).await.unwrap();
    groups.into_iter().map(|group| (group.group_id.into_owned(), group.group_state.into_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn everything_is_there_after_a_restart() {
    let log = MemoryLog::with_partitions(50);
    let handle = start_on(&log);
    let (member_id, generation) = join_and_sync(&handle, "g").await;
    assert_eq!(commit(&handle, "simple", 5).await, Ok(ErrorCode::NONE));
    assert_eq!(commit(&handle, "simple", 6).await, Ok(ErrorCode::NONE));
    handle.shut_down().await;

    let handle = start_on(&log);
    settle().await;
    assert_eq!(heartbeat(&handle, "g", &member_id, generation).await, Ok(ErrorCode::NONE));
    assert_eq!(fetch_all(&handle, "simple").await, Ok(vec![(0, 6)]));
    let described = handle.describe_group(6, "g").await.unwrap();
    assert_eq!(described.group_state, "Stable");
    assert_eq!(&*described.members[0].member_assignment, b"all");
    assert_eq!(described.members[0].client_host, "/127.0.0.1");
    let mut states = states(&handle).await;
    states.sort();
    assert_eq!(states, [("g".into(), "Stable".into()), ("simple".into(), "Empty".into())]);
}

#[tokio::test(start_paused = true)]
async fn commits_that_wait_together_share_a_batch() {
    let log = MemoryLog::with_partitions(1);
    let handle = start_on(&log);
    settle().await;
    log.hold();
    let commits: Vec<_> = (0..500)
        .map(|n| {
            let handle = handle.clone();
            tokio::spawn(async move { commit(&handle, &format!("g{n}"), n).await })
        })
        .collect();
    settle().await;
    log.release();
    for commit in commits {
        assert_eq!(commit.await.unwrap(), Ok(ErrorCode::NONE));
    }
    // The first batch is on its way before the rest comes; what comes meanwhile is one more batch.
    assert!(log.batches(0) <= 3, "{} batches", log.batches(0));
    assert_eq!(fetch_all(&handle, "g499").await, Ok(vec![(0, 499)]));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_served_while_the_log_is_read() {
    let log = MemoryLog::with_partitions(1);
    let handle = start_on(&log);
    let (member_id, generation) = join_and_sync(&handle, "g").await;
    handle.shut_down().await;

    log.hold();
    let handle = start_on(&log);
    settle().await;
    let loading = Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    assert_eq!(commit(&handle, "g", 1).await, loading);
    assert_eq!(heartbeat(&handle, "g", &member_id, generation).await, loading);
    let listed = handle.list_groups(Vec::new(), Vec::new()).await;
    assert_eq!(listed.unwrap_err(), ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    log.release();
    settle().await;
    assert_eq!(heartbeat(&handle, "g", &member_id, generation).await, Ok(ErrorCode::NONE));
}

#[tokio::test(start_paused = true)]
async fn large_partitions_are_read_piece_by_piece() {
    let log = MemoryLog::with_partitions(1);
    let handle = start_on(&log);
    settle().await;
    // Some 6 MB of records, read a megabyte at a time.
    for offset in 0..200 {
        let response = handle.offset_commit(&ctx(10), commit_request("g", 0..500, offset)).await.unwrap();
        assert!(
            response.topics[0].partitions.iter().all(|partition| partition.error_code == ErrorCode::NONE)
        );
    }
    handle.shut_down().await;
    let reads_before = log.reads();
    let handle = start_on(&log);
    settle().await;
    assert!(log.reads() - reads_before > 3);
    let fetched = fetch_all(&handle, "g").await.unwrap();
    assert_eq!(fetched, (0..500).map(|partition| (partition, 199)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn says_who_is_not_the_coordinator() {
    let log = MemoryLog::with_partitions(0);
    let handle = start_on(&log);
    settle().await;
    assert_eq!(commit(&handle, "g", 1).await, Err(ErrorCode::NOT_COORDINATOR));
    let nameless = handle.offset_delete(OffsetDeleteRequest::default()).await;
    assert_eq!(nameless.map(|response| response.error_code), Err(ErrorCode::INVALID_GROUP_ID));
    assert_eq!(states(&handle).await, []);

    log.create(2);
    log.set_epoch(0, None);
    // "g" belongs to partition 103 mod 2 = 1, "h" to 104 mod 2 = 0. Nobody has told the task of the new topic: it looks.
    assert_eq!(commit(&handle, "g", 1).await, Ok(ErrorCode::NONE));
    assert_eq!(commit(&handle, "h", 1).await, Err(ErrorCode::NOT_COORDINATOR));

    handle.shut_down().await;
    assert_eq!(commit(&handle, "g", 1).await, Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
    handle.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_log_is_not_served() {
    let log = MemoryLog::with_partitions(1);
    let handle = start_on(&log);
    settle().await;
    assert_eq!(commit(&handle, "g", 1).await, Ok(ErrorCode::NONE));
    handle.shut_down().await;
    log.damage(0);
    let handle = start_on(&log);
    settle().await;
    assert_eq!(commit(&handle, "g", 1).await, Err(ErrorCode::NOT_COORDINATOR));
}

#[tokio::test(start_paused = true)]
async fn sessions_end_in_time_and_idle_members_cost_nothing() {
    let log = MemoryLog::with_partitions(1);
    let handle = start_on(&log);
    settle().await;
    let (member_id, generation) = join_and_sync(&handle, "g").await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(9_900)).await;
        assert_eq!(heartbeat(&handle, "g", &member_id, generation).await, Ok(ErrorCode::NONE));
    }
    tokio::time::sleep(Duration::from_millis(10_000)).await;
    settle().await;
    assert_eq!(states(&handle).await, [("g".into(), "Empty".into())]);
}

#[tokio::test(start_paused = true)]
async fn failed_appends_become_errors_of_the_coordinator() {
    let log = MemoryLog::with_partitions(1);
    let handle = start_on(&log);
    settle().await;
    for (error, told) in [
        (ErrorCode::NOT_ENOUGH_REPLICAS, ErrorCode::COORDINATOR_NOT_AVAILABLE),
        (ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::NOT_COORDINATOR),
        (ErrorCode::KAFKA_STORAGE_ERROR, ErrorCode::NOT_COORDINATOR),
    ] {
        log.fail_next(error);
        assert_eq!(commit(&handle, "g", 1).await, Ok(told));
    }
    assert_eq!(fetch_all(&handle, "g").await, Ok(Vec::new()));
    assert_eq!(commit(&handle, "g", 2).await, Ok(ErrorCode::NONE));
}

#[tokio::test(start_paused = true)]
async fn batches_keep_to_the_topics_limit() {
    let log = MemoryLog::with_partitions(1);
    log.set_batch_bytes_max(2_000);
    let handle = start_on(&log);
    settle().await;
    // What must be committed together must fit in one batch.
    let refused = handle.offset_commit(&ctx(10), commit_request("g", 0..100, 1)).await.unwrap();
    assert_eq!(refused.topics[0].partitions[99].error_code, ErrorCode::UNKNOWN_SERVER_ERROR);
    assert_eq!(fetch_all(&handle, "g").await, Ok(Vec::new()));
    for start in (0..300).step_by(20) {
        let done = handle.offset_commit(&ctx(10), commit_request("g", start..start + 20, 1)).await.unwrap();
        assert_eq!(done.topics[0].partitions[0].error_code, ErrorCode::NONE);
    }
    assert_eq!(fetch_all(&handle, "g").await.unwrap().len(), 300);
    // The tombstones of a topic may be cut into several batches.
    let before = log.batches(0);
    handle.metadata_changed(vec![DeletedTopic { id: TOPIC_ID, name: "t".into() }]);
    settle().await;
    assert!(log.batches(0) > before + 1);
    assert!(log.largest_batch_bytes(0) <= 2_000);
    assert_eq!(fetch_all(&handle, "g").await, Ok(Vec::new()));
    // A cut append that fails half-way fails as a whole.
    assert_eq!(commit(&handle, "g", 1).await, Ok(ErrorCode::NONE));
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_moves_takes_its_requests_along() {
    let log = MemoryLog::with_partitions(1);
    let handle = start_on(&log);
    settle().await;
    let (member_id, generation) = join_and_sync(&handle, "g").await;
    log.hold();
    let committing = tokio::spawn({
        let handle = handle.clone();
        async move { commit(&handle, "simple", 1).await }
    });
    let fetching = tokio::spawn({
        let handle = handle.clone();
        async move { fetch_all(&handle, "simple").await }
    });
    settle().await;
    log.set_epoch(0, None);
    handle.metadata_changed(Vec::new());
    assert_eq!(committing.await.unwrap(), Ok(ErrorCode::NOT_COORDINATOR));
    // The answer for a group carries its error itself.
    assert_eq!(fetching.await.unwrap(), Ok(Vec::new()));
    assert_eq!(heartbeat(&handle, "g", &member_id, generation).await, Err(ErrorCode::NOT_COORDINATOR));

    // The partition comes back in a new epoch: it is read again, and the end of the old write changes nothing.
    log.set_epoch(0, Some(2));
    handle.metadata_changed(Vec::new());
    settle().await;
    log.release();
    settle().await;
    assert_eq!(heartbeat(&handle, "g", &member_id, generation).await, Ok(ErrorCode::NONE));
    assert_eq!(commit(&handle, "simple", 3).await, Ok(ErrorCode::NONE));
    assert_eq!(fetch_all(&handle, "simple").await, Ok(vec![(0, 3)]));
}

#[tokio::test(start_paused = true)]
async fn leaving_and_deleting() {
    let log = MemoryLog::with_partitions(50);
    let handle = start_on(&log);
    settle().await;
    let (member_id, _) = join_and_sync(&handle, "g").await;
    assert_eq!(commit(&handle, "h", 1).await, Ok(ErrorCode::NONE));
    let pending =
        [handle.delete_group("g").await, handle.delete_group("h").await, handle.delete_group("i").await];
    let mut errors = Vec::new();
    for pending in pending {
        errors.push(handle.deleted_group(pending).await.unwrap().error_code);
    }
    assert_eq!(errors, [ErrorCode::NON_EMPTY_GROUP, ErrorCode::NONE, ErrorCode::GROUP_ID_NOT_FOUND]);
    let leave = LeaveGroupRequest {
        group_id: "g".into(),
        members: vec![MemberIdentity { member_id: member_id.into(), ..Default::default() }],
        ..Default::default()
    };
    let left = handle.leave_group(leave).await.unwrap();
    assert_eq!(left.members[0].error_code, ErrorCode::NONE);
    assert_eq!(commit(&handle, "g", 1).await, Ok(ErrorCode::NONE));
    let delete = OffsetDeleteRequest {
        group_id: "g".into(),
        topics: vec![OffsetDeleteRequestTopic {
            name: "t".into(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
        }],
    };
    let deleted = handle.offset_delete(delete).await.unwrap();
    assert_eq!(deleted.topics[0].partitions[0].error_code, ErrorCode::NONE);
    assert_eq!(fetch_all(&handle, "g").await, Ok(Vec::new()));
    assert_eq!(states(&handle).await, [("g".into(), "Empty".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_partition_is_loaded_in_reads_of_the_configured_size() {
    let log = MemoryLog::with_partitions(1);
    let handle = start_on(&log);
    settle().await;
    for offset in 0..20 {
        assert_eq!(commit(&handle, "g", offset).await, Ok(ErrorCode::NONE));
    }
    handle.shut_down().await;
    let mut counts = Vec::new();
    for load_buffer_bytes in [1, log.largest_batch_bytes(0) * 5, 1 << 20] {
        let before = log.reads();
        let handle = start_with(&log, OffsetsLogConfig { load_buffer_bytes, ..LOG_CONFIG });
        settle().await;
        assert_eq!(fetch_all(&handle, "g").await, Ok(vec![(0, 19)]));
        handle.shut_down().await;
        counts.push(log.reads() - before);
    }
    assert_eq!(counts, [20, 4, 1]);
}

#[tokio::test(start_paused = true)]
async fn batches_are_compressed_with_the_configured_codec() {
    let log = MemoryLog::with_partitions(1);
    let handle = start_with(&log, OffsetsLogConfig { compression: Compression::Zstd, ..LOG_CONFIG });
    settle().await;
    let response = handle.offset_commit(&ctx(10), commit_request("g", 0..200, 3)).await.unwrap();
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::NONE);
    let compressed_bytes = log.largest_batch_bytes(0);
    assert_eq!(log.codecs(0), [Compression::Zstd]);
    handle.shut_down().await;

    // What was written with another codec is read all the same.
    let handle = start_on(&log);
    settle().await;
    assert_eq!(fetch_all(&handle, "g").await.unwrap().len(), 200);
    let response = handle.offset_commit(&ctx(10), commit_request("h", 0..200, 3)).await.unwrap();
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::NONE);
    assert_eq!(log.codecs(0), [Compression::Zstd, Compression::None]);
    assert!(log.largest_batch_bytes(0) > compressed_bytes * 2);
}
