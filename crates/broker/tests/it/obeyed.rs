//! Keys of the file that a node obeys: from the line in the file to what a client sees, for those that no other test sets.

use std::os::unix::fs::MetadataExt;

use protocol::describe_topic_partitions_request::TopicRequest;
use protocol::join_group_request::JoinGroupRequestProtocol;
use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::{
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, ErrorCode, FetchRequest, FetchResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, JoinGroupRequest, JoinGroupResponse,
    OffsetCommitRequest, OffsetCommitResponse,
};
use records::{BatchBuilder, BatchSettings, Compression, batches};
use testkit::{TestConnection, TestNode};

use super::setup::{batch, compressed, create_topic, fetch, fetch_request, node_with_topic, produce};

async fn join(connection: &mut TestConnection, session_timeout_ms: i32) -> ErrorCode {
    let request = JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata: b"m".into() }],
        ..JoinGroupRequest::default()
    };
    let response: JoinGroupResponse<'static> = connection.ask(3, &request).await;
    response.error_code
}

async fn commit(connection: &mut TestConnection, metadata: &str) -> ErrorCode {
    let partition = OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: 1,
        committed_metadata: Some(metadata.into()),
        ..OffsetCommitRequestPartition::default()
    };
    let request = OffsetCommitRequest {
        group_id: "simple".into(),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".into(),
            partitions: vec![partition],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    };
    let response: OffsetCommitResponse<'static> = connection.ask(8, &request).await;
    response.topics[0].partitions[0].error_code
}

/// Asks for the coordinator until there is one.
async fn coordinated(node: &TestNode) -> TestConnection {
    let mut connection = node.connect().await;
    let find = FindCoordinatorRequest { key: "g".into(), ..FindCoordinatorRequest::default() };
    loop {
        let found: FindCoordinatorResponse<'static> = connection.ask(3, &find).await;
        if found.error_code == ErrorCode::NONE {
            return connection;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn limits_of_groups_and_offsets() {
    let (node, mut connection, _topic) = node_with_topic(&[
        ("group.max.size", "1"),
        ("group.max.session.timeout.ms", "20000"),
        ("offset.metadata.max.bytes", "3"),
        ("offsets.topic.compression.codec", "4"),
        ("offsets.topic.num.partitions", "1"),
    ])
    .await;
    let mut coordinator = coordinated(&node).await;
    while join(&mut coordinator, 20_001).await == ErrorCode::NOT_COORDINATOR {
        tokio::task::yield_now().await;
    }
    assert_eq!(join(&mut coordinator, 20_001).await, ErrorCode::INVALID_SESSION_TIMEOUT);
    assert_eq!(join(&mut coordinator, 20_000).await, ErrorCode::NONE);
    assert_eq!(join(&mut connection, 20_000).await, ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(commit(&mut connection, "long").await, ErrorCode::OFFSET_METADATA_TOO_LARGE);
    assert_eq!(commit(&mut connection, "not").await, ErrorCode::NONE);
    let path = node.partition_dir("__consumer_offsets", 0).join("00000000000000000000.log");
    let log = std::fs::read(path).unwrap();
    let codecs: Vec<_> = batches(&log).map(|batch| batch.unwrap().header.compression().unwrap()).collect();
    assert!(!codecs.is_empty() && codecs.iter().all(|codec| *codec == Compression::Zstd), "{codecs:?}");
}

#[tokio::test]
async fn sizes_of_answers() {
    let (_node, mut connection, topic) = node_with_topic(&[
        ("fetch.max.bytes", "1024"),
        ("max.request.partition.size.limit", "3"),
        ("max.incremental.fetch.session.cache.slots", "0"),
    ])
    .await;
    let records = batch(&["x".repeat(600).as_str()]);
    for _ in 0..3 {
        assert_eq!(produce(&mut connection, topic, &records).await.error_code, ErrorCode::NONE);
    }
    let data = fetch(&mut connection, topic, 0).await;
    assert_eq!(data.records.as_slice().unwrap().len(), records.len(), "a second batch does not fit");
    create_topic(&mut connection, "wide", 5, &[]).await;
    let request = DescribeTopicPartitionsRequest {
        topics: vec![TopicRequest { name: "wide".into() }],
        response_partition_limit: 100,
        cursor: None,
    };
    let response: DescribeTopicPartitionsResponse<'static> = connection.ask(0, &request).await;
    assert_eq!(response.topics[0].partitions.len(), 3);
    assert_eq!(response.next_cursor.unwrap().partition_index, 3);
    let request = FetchRequest { session_epoch: 0, ..fetch_request(topic, 0) };
    let response: FetchResponse<'static> = connection.ask(18, &request).await;
    assert_eq!((response.error_code, response.session_id), (ErrorCode::NONE, 0), "no session is kept");
}

/// A batch of one record of this time.
fn timed(timestamp: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchSettings::default());
    builder.append(None, Some(b"v"), &[], timestamp).unwrap();
    builder.build().unwrap()
}

#[tokio::test]
async fn defaults_of_topics() {
    let (node, mut connection, topic) = node_with_topic(&[
        ("log.message.timestamp.before.max.ms", "100000"),
        ("log.message.timestamp.after.max.ms", "100000"),
        ("max.decompressed.message.bytes", "500"),
        ("log.preallocate", "true"),
        ("log.segment.bytes", "1048576"),
        ("log.index.interval.bytes", "0"),
    ])
    .await;
    let now_ms = platform::Clock::os().wall_ms();
    for (timestamp, code) in [
        (now_ms, ErrorCode::NONE),
        (now_ms - 200_000, ErrorCode::INVALID_TIMESTAMP),
        (now_ms + 200_000, ErrorCode::INVALID_TIMESTAMP),
    ] {
        assert_eq!(produce(&mut connection, topic, &timed(timestamp)).await.error_code, code);
    }
    let large = compressed(&["x".repeat(1000).as_str()], Compression::Gzip);
    assert_eq!(produce(&mut connection, topic, &large).await.error_code, ErrorCode::INVALID_RECORD);
    let small = compressed(&["x".repeat(400).as_str()], Compression::Gzip);
    assert_eq!(produce(&mut connection, topic, &small).await.error_code, ErrorCode::NONE);
    let segment = node.partition_dir("t", 0).join("00000000000000000000.log");
    let metadata = std::fs::metadata(segment).unwrap();
    assert!(metadata.blocks() * 512 >= 1_048_576 && metadata.len() < 10_000, "room for the segment is kept");
}

#[tokio::test]
async fn the_brokers_own_time() {
    let (_node, mut connection, topic) =
        node_with_topic(&[("log.message.timestamp.type", "LogAppendTime")]).await;
    let answer = produce(&mut connection, topic, &timed(1_000)).await;
    assert_eq!(answer.error_code, ErrorCode::NONE);
    assert!(answer.log_append_time_ms > 1_000_000, "{}", answer.log_append_time_ms);
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let node = TestNode::start(&[
        ("connections.max.idle.ms", "200"),
        ("connection.failed.authentication.delay.ms", "0"),
    ])
    .await;
    let mut connection = node.connect().await;
    assert_eq!(connection.receive().await, None, "the node ends it");
}
