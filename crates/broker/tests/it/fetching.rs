//! What a consumer is told, at every version.

use std::time::Duration;

use protocol::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::list_offsets_response::ListOffsetsPartitionResponse;
use protocol::{ErrorCode, FetchRequest, FetchResponse, ListOffsetsRequest, ListOffsetsResponse};
use testkit::TestConnection;

use crate::setup::*;

#[tokio::test]
async fn every_version_reads_the_same_bytes() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    produce(&mut connection, topic, &batch(&["a", "b"])).await;
    produce(&mut connection, topic, &batch(&["c"])).await;
    for version in 4..=18 {
        let data = fetch_at(&mut connection, version, topic, &fetch_request(topic, 0)).await;
        assert_eq!((data.error_code, data.high_watermark), (ErrorCode::NONE, 3), "v{version}");
        assert_eq!(values(&data, 0), ["a", "b", "c"], "v{version}");
        // An offset inside a batch gives the whole batch.
        let data = fetch_at(&mut connection, version, topic, &fetch_request(topic, 1)).await;
        assert_eq!(values(&data, 0), ["a", "b", "c"]);
        assert_eq!(data.last_stable_offset, 3);
    }
}

#[tokio::test]
async fn offsets_out_of_range_and_stale_epochs_are_told() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    produce(&mut connection, topic, &batch(&["a"])).await;
    assert!(values(&fetch(&mut connection, topic, 1).await, 0).is_empty());
    for offset in [-5, 2, i64::MAX] {
        assert_eq!(fetch(&mut connection, topic, offset).await.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    let mut request = fetch_request(topic, 0);
    request.topics[0].partitions[0].current_leader_epoch = 99;
    for version in 9..=18 {
        let data = fetch_at(&mut connection, version, topic, &request).await;
        assert_eq!(data.error_code, ErrorCode::UNKNOWN_LEADER_EPOCH, "v{version}");
        assert_eq!(data.current_leader.leader_id, -1, "v{version}");
    }
    let mut request = fetch_request(topic, 1);
    request.topics[0].partitions[0].last_fetched_epoch = 99;
    let data = fetch_at(&mut connection, 18, topic, &request).await;
    assert_eq!(data.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
}

#[tokio::test]
async fn limits_hold_but_progress_is_always_made() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    for _ in 0..20 {
        produce(&mut connection, topic, &batch(&["x".repeat(1000).as_str()])).await;
    }
    let mut request = fetch_request(topic, 0);
    request.max_bytes = 10;
    let data = fetch_at(&mut connection, 18, topic, &request).await;
    assert_eq!(values(&data, 0).len(), 1);
    request.max_bytes = 50 << 20;
    request.topics[0].partitions[0].partition_max_bytes = 5000;
    let data = fetch_at(&mut connection, 18, topic, &request).await;
    assert_eq!(values(&data, 0).len(), 4);
    assert!(data.records.len() <= 5000);
}

#[tokio::test]
async fn a_long_poll_wakes_by_the_append_and_ends_in_time() {
    let (node, mut connection, topic) = node_with_topic(&[]).await;
    let mut writer = node.connect().await;
    let request = FetchRequest { max_wait_ms: 10_000, ..fetch_request(topic, 0) };
    let started = tokio::time::Instant::now();
    let (data, _) = tokio::join!(fetch_at(&mut connection, 18, topic, &request), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        produce(&mut writer, topic, &batch(&["late"])).await;
    });
    assert_eq!(values(&data, 0), ["late"]);
    assert!(started.elapsed() < Duration::from_secs(5));
    let request = FetchRequest { max_wait_ms: 50, ..fetch_request(topic, 1) };
    assert!(values(&fetch_at(&mut connection, 18, topic, &request).await, 0).is_empty());
}

#[tokio::test]
async fn min_bytes_are_waited_for() {
    let (node, mut connection, topic) = node_with_topic(&[]).await;
    let mut writer = node.connect().await;
    let one = batch(&["0123456789"]);
    let min_bytes = i32::try_from(one.len() * 3).unwrap();
    let request = FetchRequest { max_wait_ms: 10_000, min_bytes, ..fetch_request(topic, 0) };
    let (data, ()) = tokio::join!(fetch_at(&mut connection, 18, topic, &request), async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            produce(&mut writer, topic, &one).await;
        }
    });
    assert_eq!(values(&data, 0).len(), 3);
}

async fn session(connection: &mut TestConnection, request: &FetchRequest<'_>) -> FetchResponse<'static> {
    connection.ask(18, request).await
}

#[tokio::test]
async fn a_session_tells_only_what_changed() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let open = FetchRequest { session_epoch: 0, ..fetch_request(topic, 0) };
    let first = session(&mut connection, &open).await;
    assert_ne!(first.session_id, 0);
    assert_eq!(first.responses.len(), 1);
    let next = |session_epoch| FetchRequest {
        session_id: first.session_id,
        session_epoch,
        topics: Vec::new(),
        ..fetch_request(topic, 0)
    };
    assert!(session(&mut connection, &next(1)).await.responses.is_empty());
    produce(&mut connection, topic, &batch(&["a"])).await;
    let changed = session(&mut connection, &next(2)).await;
    assert_eq!(values(&changed.responses[0].partitions[0], 0), ["a"]);
    let wrong = session(&mut connection, &next(9)).await;
    assert_eq!(wrong.error_code, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    let unknown = FetchRequest { session_id: 1, ..next(1) };
    let unknown = session(&mut connection, &unknown).await;
    assert_eq!(unknown.error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[tokio::test]
async fn read_committed_sees_the_same_and_a_list_of_no_aborts() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    produce(&mut connection, topic, &batch(&["a"])).await;
    let request = FetchRequest { isolation_level: 1, ..fetch_request(topic, 0) };
    let data = fetch_at(&mut connection, 18, topic, &request).await;
    assert_eq!(values(&data, 0), ["a"]);
    assert_eq!(data.aborted_transactions, Some(Vec::new()));
    assert_eq!(fetch(&mut connection, topic, 0).await.aborted_transactions, None);
}

async fn list_offset(
    connection: &mut TestConnection,
    version: i16,
    topic: Topic,
    timestamp: i64,
) -> ListOffsetsPartitionResponse {
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic {
            name: topic.name.into(),
            partitions: vec![ListOffsetsPartition { timestamp, ..ListOffsetsPartition::default() }],
        }],
        ..ListOffsetsRequest::default()
    };
    let mut response: ListOffsetsResponse<'static> = connection.ask(version, &request).await;
    response.topics.remove(0).partitions.remove(0)
}

#[tokio::test]
async fn offsets_are_found_by_every_kind_of_time() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    produce(&mut connection, topic, &batch(&["a", "b"])).await;
    for version in 1..=11 {
        assert_eq!(list_offset(&mut connection, version, topic, -1).await.offset, 2);
        assert_eq!(list_offset(&mut connection, version, topic, -2).await.offset, 0);
        assert_eq!(list_offset(&mut connection, version, topic, 0).await.offset, 0);
        assert_eq!(list_offset(&mut connection, version, topic, i64::MAX).await.offset, -1);
        for (special, min) in [(-3, 7), (-4, 8), (-5, 9), (-6, 11), (-7, 99)] {
            let answer = list_offset(&mut connection, version, topic, special).await;
            let expected = if version >= min { ErrorCode::NONE } else { ErrorCode::UNSUPPORTED_VERSION };
            assert_eq!(answer.error_code, expected, "v{version} {special}");
        }
    }
    assert_eq!(list_offset(&mut connection, 11, topic, -3).await.offset, 0);
    assert_eq!(list_offset(&mut connection, 11, topic, -5).await.offset, -1);
}
