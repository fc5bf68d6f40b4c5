//! What was acknowledged is there after a stop, and after no stop at all.

use protocol::{ErrorCode, MetadataRequest, MetadataResponse};

use crate::setup::*;

#[tokio::test]
async fn topics_and_records_survive_a_stop() {
    let (mut node, mut connection, topic) = node_with_topic(&[]).await;
    produce(&mut connection, topic, &batch(&["a", "b"])).await;
    node.restart().await;
    let mut connection = node.connect().await;
    assert_eq!(values(&fetch(&mut connection, topic, 0).await, 0), ["a", "b"]);
    assert_eq!(produce(&mut connection, topic, &batch(&["c"])).await.base_offset, 2);
}

#[tokio::test]
async fn topics_and_records_survive_a_kill() {
    let (mut node, mut connection, topic) = node_with_topic(&[]).await;
    for round in 0..3_i64 {
        assert_eq!(produce(&mut connection, topic, &batch(&["a", "b"])).await.base_offset, round * 2);
        node.kill_and_restart().await;
        connection = node.connect().await;
    }
    assert_eq!(values(&fetch(&mut connection, topic, 0).await, 0).len(), 6);
    let metadata: MetadataResponse<'static> =
        connection.ask(12, &MetadataRequest { topics: None, ..MetadataRequest::default() }).await;
    assert_eq!(metadata.topics.len(), 1);
    assert_eq!(metadata.topics[0].partitions[0].error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_what_was_whole_stays() {
    let (mut node, mut connection, topic) = node_with_topic(&[]).await;
    produce(&mut connection, topic, &batch(&["whole"])).await;
    let segment = node.partition_dir("t", 0).join("00000000000000000000.log");
    // The kill leaves no clean marker, so the tail is looked at.
    node.kill_and_restart().await;
    let mut bytes = std::fs::read(&segment).unwrap();
    let torn = batch(&["torn"]);
    bytes.extend(&torn[..torn.len() - 3]);
    std::fs::write(&segment, &bytes).unwrap();
    node.kill_and_restart().await;
    let mut connection = node.connect().await;
    assert_eq!(values(&fetch(&mut connection, topic, 0).await, 0), ["whole"]);
    assert_eq!(produce(&mut connection, topic, &batch(&["next"])).await.base_offset, 1);
}

#[tokio::test]
async fn what_another_program_left_without_a_word_is_served_at_once() {
    let (mut node, mut connection, topic) = node_with_topic(&[]).await;
    produce(&mut connection, topic, &batch(&["a", "b"])).await;
    node.stop().await;
    // As Apache Kafka leaves a directory when it is killed: no marker, no write-ahead log, recovery points of long ago.
    std::fs::remove_file(node.data_dir().join(".kafka_cleanshutdown")).unwrap();
    std::fs::write(node.data_dir().join("recovery-point-offset-checkpoint"), "0\n0\n").unwrap();
    std::fs::write(node.data_dir().join("replication-offset-checkpoint"), "0\n0\n").unwrap();
    node.restart().await;
    let mut connection = node.connect().await;
    assert_eq!(values(&fetch(&mut connection, topic, 0).await, 0), ["a", "b"]);
}
