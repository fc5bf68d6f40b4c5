//! What a node does by its intervals and deadlines: checkpoints, producers that are forgotten, a start that takes too
//! long.

use std::time::Duration;

use protocol::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::describe_producers_request::TopicRequest;
use protocol::{
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeProducersRequest, DescribeProducersResponse, ErrorCode,
};
use testkit::TestConnection;

use super::setup::{Producer, batch, batch_of, node_with_topic, produce};

/// Longest wait for what an interval of a millisecond brings.
const WAIT_MAX: Duration = Duration::from_secs(30);

async fn producers(connection: &mut TestConnection) -> usize {
    let request = DescribeProducersRequest {
        topics: vec![TopicRequest { name: "t".into(), partition_indexes: vec![0] }],
    };
    let response: DescribeProducersResponse<'static> = connection.ask(0, &request).await;
    response.topics[0].partitions[0].active_producers.len()
}

#[tokio::test]
async fn a_node_that_is_not_ready_in_time_ends() {
    let dir = tempfile::tempdir().unwrap();
    let log_dirs = dir.path().join("data").display().to_string();
    let start = async |time_ms: &str| {
        let config = config::BrokerConfig::from_pairs(&[
            ("listeners", "PLAINTEXT://127.0.0.1:0"),
            ("log.dirs", &log_dirs),
            ("server.max.startup.time.ms", time_ms),
        ]);
        broker::RunningNode::start(platform::Platform::os(), config.unwrap(), Vec::new()).await
    };
    let error = start("0").await.err().expect("no node is ready at once");
    assert!(matches!(error, broker::StartError::TooSlow { time_ms: 0 }), "{error}");
    assert!(error.to_string().contains("server.max.startup.time.ms"), "{error}");
    // The one that gave up may still hold the directory for a moment.
    let ready = async {
        loop {
            match start("100000000").await {
                Ok(node) => break node,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(WAIT_MAX, ready).await.expect("there is time enough").stop().await;
}

#[tokio::test]
async fn the_log_start_checkpoint_has_its_own_interval() {
    let (node, mut connection, topic) = node_with_topic(&[
        ("log.flush.start.offset.checkpoint.interval.ms", "1"),
        ("log.flush.offset.checkpoint.interval.ms", "100000000"),
        ("replica.high.watermark.checkpoint.interval.ms", "100000000"),
    ])
    .await;
    assert_eq!(produce(&mut connection, topic, &batch(&["a", "b", "c"])).await.error_code, ErrorCode::NONE);
    let request = DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: "t".into(),
            partitions: vec![DeleteRecordsPartition { partition_index: 0, offset: 2 }],
        }],
        timeout_ms: 5000,
    };
    let response: DeleteRecordsResponse<'static> = connection.ask(2, &request).await;
    assert_eq!(response.topics[0].partitions[0].low_watermark, 2);
    let path = node.data_dir().join("log-start-offset-checkpoint");
    let written = async {
        while !std::fs::read_to_string(&path).is_ok_and(|text| text.contains("t 0 2\n")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, written).await.expect("the log start is written");
}

#[tokio::test]
async fn producers_are_forgotten_by_their_own_interval() {
    let (_node, mut connection, topic) = node_with_topic(&[
        ("producer.id.expiration.ms", "1"),
        ("producer.id.expiration.check.interval.ms", "1"),
        ("log.initial.task.delay.ms", "100000000"),
    ])
    .await;
    let records = batch_of(Producer { id: 7, epoch: 0, sequence: 0 }, &["a"]);
    assert_eq!(produce(&mut connection, topic, &records).await.error_code, ErrorCode::NONE);
    let forgotten = async {
        while producers(&mut connection).await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, forgotten).await.expect("the producer is forgotten");
}

#[tokio::test]
async fn files_of_a_deleted_topic_go_after_their_delay_whenever_retention_runs() {
    let (node, mut connection, topic) = node_with_topic(&[
        ("log.segment.delete.delay.ms", "1"),
        ("log.initial.task.delay.ms", "100000000"),
        ("log.retention.check.interval.ms", "100000000"),
    ])
    .await;
    assert_eq!(produce(&mut connection, topic, &batch(&["a"])).await.error_code, ErrorCode::NONE);
    let request = DeleteTopicsRequest {
        topic_names: vec!["t".into()],
        timeout_ms: 5000,
        ..DeleteTopicsRequest::default()
    };
    let response: DeleteTopicsResponse<'static> = connection.ask(5, &request).await;
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    let logs_of_topic = || {
        let names = std::fs::read_dir(node.data_dir()).unwrap();
        names.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("t-0")).count()
    };
    let removed = async {
        while logs_of_topic() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, removed).await.expect("the files go");
}
