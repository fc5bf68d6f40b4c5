//! What a producer is told, at every version.

use protocol::{ErrorCode, ProduceResponse};
use records::Compression;

use crate::setup::*;

const NOBODY: Topic = Topic { name: "nobody", id: protocol::Uuid([9; 16]) };

#[tokio::test]
async fn offsets_count_up_at_every_version_and_acks() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let mut expected = 0;
    for version in 3..=13 {
        for acks in [1, -1] {
            let answer = produce_at(&mut connection, version, topic, acks, &batch(&["a", "b"])).await;
            assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::NONE, expected));
            assert_eq!(
                (answer.log_append_time_ms, answer.log_start_offset),
                (-1, if version >= 5 { 0 } else { -1 })
            );
            expected += 2;
        }
    }
}

/// The request's time is for other replicas; as in Kafka, a sole one needs none.
#[tokio::test]
async fn a_request_that_gives_no_time_is_answered_when_the_leader_has_the_batch() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let good = batch(&["a"]);
    for acks in [1, -1] {
        for timeout_ms in [0, 1] {
            let mut request = produce_request(topic, acks, &good);
            request.timeout_ms = timeout_ms;
            let response: ProduceResponse<'static> = connection.ask(13, &request).await;
            let code = response.responses[0].partition_responses[0].error_code;
            assert_eq!(code, ErrorCode::NONE, "acks {acks}, {timeout_ms} ms");
        }
    }
}

#[tokio::test]
async fn acks_0_is_not_answered_and_its_error_closes_the_connection() {
    let (node, mut connection, topic) = node_with_topic(&[]).await;
    let good = batch(&["silent"]);
    connection.send(13, &produce_request(topic, 0, &good)).await;
    let answer = produce(&mut connection, topic, &batch(&["loud"])).await;
    assert_eq!(answer.base_offset, 1);
    connection.send(13, &produce_request(NOBODY, 0, &good)).await;
    assert_eq!(connection.receive().await, None);
    let mut other = node.connect().await;
    assert_eq!(values(&fetch(&mut other, topic, 0).await, 0), ["silent", "loud"]);
}

#[tokio::test]
async fn unknown_topics_partitions_and_acks_get_their_codes() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let good = batch(&["a"]);
    let code = produce_at(&mut connection, 12, NOBODY, -1, &good).await.error_code;
    assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(produce(&mut connection, NOBODY, &good).await.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    let code = produce_at(&mut connection, 13, topic, 2, &good).await.error_code;
    assert_eq!(code, ErrorCode::INVALID_REQUIRED_ACKS);
    let mut request = produce_request(topic, -1, &good);
    request.topic_data[0].partition_data[0].index = 1;
    let response: ProduceResponse<'static> = connection.ask(13, &request).await;
    assert_eq!(
        response.responses[0].partition_responses[0].error_code,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    );
}

#[tokio::test]
async fn damaged_and_disallowed_batches_are_refused_and_leave_no_trace() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let good = batch(&["a", "b"]);
    let mut bad_crc = good.clone();
    *bad_crc.last_mut().unwrap() ^= 1;
    let mut old_magic = good.clone();
    old_magic[16] = 1;
    let two = [good.clone(), good.clone()].concat();
    let mut count = good.clone();
    count[60] = 9;
    let cases = [
        (bad_crc, ErrorCode::CORRUPT_MESSAGE),
        (old_magic, ErrorCode::INVALID_RECORD),
        (two, ErrorCode::INVALID_RECORD),
        (Vec::new(), ErrorCode::INVALID_RECORD),
        (count, ErrorCode::CORRUPT_MESSAGE),
    ];
    for (batch, code) in cases {
        let answer = produce(&mut connection, topic, &batch).await;
        assert_eq!((answer.error_code, answer.base_offset), (code, -1));
    }
    assert_eq!(produce(&mut connection, topic, &good).await.base_offset, 0);
}

#[tokio::test]
async fn a_cut_batch_is_corrupt() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let good = batch(&["a"]);
    for cut in [1, 11, 12, 60, good.len() - 1] {
        let answer = produce(&mut connection, topic, &good[..cut]).await;
        assert_ne!(answer.error_code, ErrorCode::NONE, "cut at {cut}");
    }
    assert_eq!(produce(&mut connection, topic, &good).await.base_offset, 0);
}

#[tokio::test]
async fn zstd_needs_version_7() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let zstd = compressed(&["a"], Compression::Zstd);
    let code = produce_at(&mut connection, 6, topic, -1, &zstd).await.error_code;
    assert_eq!(code, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    assert_eq!(produce_at(&mut connection, 7, topic, -1, &zstd).await.error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn an_idempotent_producer_is_heard_once_and_in_order() {
    let (mut node, mut connection, topic) = node_with_topic(&[]).await;
    let producer = |sequence| Producer { id: 7, epoch: 0, sequence };
    for (sequence, offset) in [(0, 0), (2, 2), (4, 4), (6, 6), (8, 8), (10, 10)] {
        let answer = produce(&mut connection, topic, &batch_of(producer(sequence), &["a", "b"])).await;
        assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::NONE, offset));
    }
    // The last five batches are remembered: a retry is answered with its first offset.
    for (sequence, offset) in [(2, 2), (10, 10)] {
        let answer = produce(&mut connection, topic, &batch_of(producer(sequence), &["a", "b"])).await;
        assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::NONE, offset));
    }
    let gap = produce(&mut connection, topic, &batch_of(producer(13), &["x"])).await;
    assert_eq!(gap.error_code, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    node.restart().await;
    let mut connection = node.connect().await;
    let again = produce(&mut connection, topic, &batch_of(producer(10), &["a", "b"])).await;
    assert_eq!((again.error_code, again.base_offset), (ErrorCode::NONE, 10));
    let newer = Producer { id: 7, epoch: 1, sequence: 0 };
    assert_eq!(produce(&mut connection, topic, &batch_of(newer, &["c"])).await.base_offset, 12);
    let fenced = produce(&mut connection, topic, &batch_of(producer(12), &["d"])).await;
    assert_eq!(fenced.error_code, ErrorCode::INVALID_PRODUCER_EPOCH);
}

#[tokio::test]
async fn transactions_are_refused_whole() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let transactional = transactional(Producer { id: 7, epoch: 0, sequence: 0 }, &["a"]);
    let answer = produce(&mut connection, topic, &transactional).await;
    assert_eq!(answer.error_code, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    let mut request = produce_request(topic, -1, &transactional);
    request.transactional_id = Some("t".into());
    let response: ProduceResponse<'static> = connection.ask(13, &request).await;
    assert_eq!(response.responses[0].partition_responses[0].error_code, ErrorCode::INVALID_TXN_STATE);
    assert_eq!(produce(&mut connection, topic, &batch(&["b"])).await.base_offset, 0);
}

#[tokio::test]
async fn topic_rules_are_enforced() {
    let (_node, mut connection, _) = node_with_topic(&[]).await;
    let compacted = create_topic(&mut connection, "compacted", 1, &[("cleanup.policy", "compact")]).await;
    let keyless = produce(&mut connection, compacted, &batch(&["a", "b"])).await;
    assert_eq!(keyless.error_code, ErrorCode::INVALID_RECORD);
    assert_eq!(keyless.record_errors.len(), 2);
    let small = create_topic(&mut connection, "small", 1, &[("max.message.bytes", "100")]).await;
    let large = produce(&mut connection, small, &batch(&["x".repeat(200).as_str()])).await;
    assert_eq!(large.error_code, ErrorCode::MESSAGE_TOO_LARGE);
    let append_time =
        create_topic(&mut connection, "append-time", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    let answer = produce(&mut connection, append_time, &batch(&["a"])).await;
    assert!(answer.log_append_time_ms > 0);
    let stored = fetch(&mut connection, append_time, 0).await;
    let header = records::BatchHeader::parse(stored.records.as_slice().unwrap()).unwrap();
    assert_eq!(header.max_timestamp, answer.log_append_time_ms);
}

#[tokio::test]
async fn many_connections_append_to_one_partition_without_loss() {
    let (node, mut connection, topic) = node_with_topic(&[]).await;
    let writers = (0..16).map(|writer| {
        let address = node.address();
        tokio::spawn(async move {
            let mut connection = testkit::TestConnection::open(address).await;
            for n in 0..50 {
                let value = format!("{writer}-{n}");
                let answer = produce(&mut connection, topic, &batch(&[&value])).await;
                assert_eq!(answer.error_code, ErrorCode::NONE);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let all = values(&fetch(&mut connection, topic, 0).await, 0);
    assert_eq!(all.len(), 800);
    for writer in 0..16 {
        let prefix = format!("{writer}-");
        let own: Vec<&String> = all.iter().filter(|value| value.starts_with(&prefix)).collect();
        assert!(own.iter().enumerate().all(|(n, value)| **value == format!("{writer}-{n}")));
    }
}
