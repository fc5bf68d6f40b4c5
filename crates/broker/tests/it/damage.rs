//! A log whose bytes are not those that were written: it answers with an error, and the rest of the node serves.

use protocol::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::{ErrorCode, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse};
use testkit::TestConnection;

use crate::setup::*;

async fn earliest(connection: &mut TestConnection, topic: Topic) -> ErrorCode {
    let asked = ListOffsetsPartition { partition_index: 0, timestamp: 0, current_leader_epoch: -1 };
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic { name: topic.name.into(), partitions: vec![asked] }],
        ..ListOffsetsRequest::default()
    };
    let response: ListOffsetsResponse<'static> = connection.ask(8, &request).await;
    response.topics[0].partitions[0].error_code
}

async fn metadata_error(connection: &mut TestConnection) -> Vec<ErrorCode> {
    let all: MetadataResponse<'static> =
        connection.ask(12, &MetadataRequest { topics: None, ..MetadataRequest::default() }).await;
    all.topics.iter().map(|topic| topic.error_code).collect()
}

#[tokio::test]
async fn a_rotten_header_takes_the_partition_out_of_service_until_it_is_as_it_was() {
    let (mut node, mut connection, topic) = node_with_topic(&[]).await;
    let other = create_topic(&mut connection, "other", 1, &[]).await;
    // So much that a start after a clean stop does not look at the first batch.
    let long: Vec<String> = ["a", "b", "c", "d"].iter().map(|letter| letter.repeat(3_000)).collect();
    for value in &long {
        produce(&mut connection, topic, &batch(&[value])).await;
        produce(&mut connection, other, &batch(&[value])).await;
    }
    node.stop().await;
    let segment = node.partition_dir("t", 0).join("00000000000000000000.log");
    let sound = std::fs::read(&segment).unwrap();
    // The leader epoch of the first batch, which the batch's own checksum does not cover.
    let mut rotten = sound.clone();
    rotten[15] ^= 4;
    std::fs::write(&segment, &rotten).unwrap();
    node.restart().await;
    let remembered = node.partition_dir("t", 0).join("klamm-damage");
    for start in ["found while it is in use", "known from before"] {
        let mut connection = node.connect().await;
        let data = fetch(&mut connection, topic, 0).await;
        assert_eq!(data.error_code, ErrorCode::KAFKA_STORAGE_ERROR, "{start}");
        assert!(values(&data, 0).is_empty());
        let produced = produce(&mut connection, topic, &batch(&["e"])).await;
        assert_eq!(produced.error_code, ErrorCode::KAFKA_STORAGE_ERROR, "{start}");
        assert_eq!(earliest(&mut connection, topic).await, ErrorCode::KAFKA_STORAGE_ERROR, "{start}");
        assert_eq!(metadata_error(&mut connection).await, [ErrorCode::NONE, ErrorCode::NONE]);
        assert_eq!(values(&fetch(&mut connection, other, 0).await, 0), long);
        let told = std::fs::read_to_string(&remembered).unwrap();
        assert!(told.contains("\"first_offset\":0,\"end_offset\":4,"), "{told}");
        assert_eq!(std::fs::read(&segment).unwrap(), rotten, "nothing is cut");
        node.restart().await;
    }
    node.stop().await;
    std::fs::write(&segment, &sound).unwrap();
    node.restart().await;
    let mut connection = node.connect().await;
    assert_eq!(values(&fetch(&mut connection, topic, 0).await, 0), long);
    assert_eq!(produce(&mut connection, topic, &batch(&["e"])).await.base_offset, 4);
    assert!(!remembered.exists());
}

/// After a kill everything is read again, whether anybody asks for it or not.
#[tokio::test]
async fn rot_that_nobody_reads_takes_the_partition_out_of_service_after_a_kill() {
    let mut node = testkit::TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    let topic = create_topic(&mut connection, "t", 1, &[("segment.bytes", "1048576")]).await;
    let other = create_topic(&mut connection, "other", 1, &[]).await;
    let long = "a".repeat(300_000);
    for _ in 0..8 {
        produce(&mut connection, topic, &batch(&[&long])).await;
    }
    produce(&mut connection, other, &batch(&["b"])).await;
    node.stop().await;
    node.restart().await;
    let mut connection = node.connect().await;
    produce(&mut connection, topic, &batch(&["c"])).await;
    node.kill().await;
    let segment = node.partition_dir("t", 0).join("00000000000000000000.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[15] ^= 4;
    std::fs::write(&segment, &bytes).unwrap();
    node.try_launch().await.unwrap();
    let remembered = node.partition_dir("t", 0).join("klamm-damage");
    while !remembered.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut connection = node.connect().await;
    // Nothing of it is served, not even what is sound.
    assert_eq!(fetch(&mut connection, topic, 8).await.error_code, ErrorCode::KAFKA_STORAGE_ERROR);
    let produced = produce(&mut connection, topic, &batch(&["d"])).await;
    assert_eq!(produced.error_code, ErrorCode::KAFKA_STORAGE_ERROR);
    let told = std::fs::read_to_string(&remembered).unwrap();
    assert!(told.contains("\"first_offset\":0,") && told.contains("\"reason\":"), "{told}");
    assert_eq!(values(&fetch(&mut connection, other, 0).await, 0), ["b"]);
    assert_eq!(produce(&mut connection, other, &batch(&["e"])).await.base_offset, 1);
}

/// The end of the metadata log that is in the file, and the end that is known to be durable.
fn metadata_ends(node: &testkit::TestNode) -> (Option<i64>, Option<i64>) {
    let segment = node.partition_dir("__cluster_metadata", 0).join("00000000000000000000.log");
    let bytes = std::fs::read(segment).unwrap();
    let end = records::batches(&bytes).filter_map(Result::ok).last().map(|batch| batch.header.next_offset());
    let checkpoint = std::fs::read_to_string(node.data_dir().join("recovery-point-offset-checkpoint"));
    let checkpoint = checkpoint.unwrap_or_default();
    let durable = checkpoint.lines().find_map(|line| line.strip_prefix("__cluster_metadata 0 "));
    (end, durable.and_then(|offset| offset.parse().ok()))
}

#[tokio::test]
async fn rot_in_the_last_batch_of_the_metadata_is_not_a_torn_end() {
    let (mut node, _connection, _topic) = node_with_topic(&[]).await;
    loop {
        let (end, durable) = metadata_ends(&node);
        if end.is_some() && end == durable {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    node.kill().await;
    let segment = node.partition_dir("__cluster_metadata", 0).join("00000000000000000000.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    let last = records::batches(&bytes).filter_map(Result::ok).last().unwrap().bytes.len();
    let at = bytes.len() - last / 2;
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let refused = node.try_launch().await.expect_err("what was acknowledged is missing");
    assert!(refused.contains("__cluster_metadata-0 is damaged"), "{refused}");
    assert_eq!(std::fs::read(&segment).unwrap(), bytes, "nothing is cut");
}
