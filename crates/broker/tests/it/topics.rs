//! Topics come, go and come again.

use protocol::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::delete_topics_request::DeleteTopicState;
use protocol::metadata_request::MetadataRequestTopic;
use protocol::{
    DeleteRecordsRequest, DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeConfigsRequest, DescribeConfigsResponse, DescribeProducersRequest, DescribeProducersResponse,
    ErrorCode, FetchRequest, MetadataRequest, MetadataResponse, describe_configs_request,
};
use testkit::{TestConnection, TestNode};

use crate::setup::*;

async fn metadata(connection: &mut TestConnection, version: i16, name: &str) -> MetadataResponse<'static> {
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { name: Some(name.to_owned().into()), ..Default::default() }]),
        ..MetadataRequest::default()
    };
    connection.ask(version, &request).await
}

#[tokio::test]
async fn metadata_names_the_node_and_creates_on_demand() {
    let (node, mut connection, topic) = node_with_topic(&[]).await;
    for version in 0..=13 {
        let response = metadata(&mut connection, version, "t").await;
        assert_eq!(response.brokers.len(), 1);
        assert_eq!(response.brokers[0].port, i32::from(node.address().port()));
        assert_eq!(response.topics[0].partitions[0].leader_id, response.brokers[0].node_id);
        assert_eq!(response.topics[0].topic_id, if version >= 10 { topic.id } else { protocol::Uuid::ZERO });
    }
    let first = metadata(&mut connection, 13, "on-demand").await;
    assert_eq!(first.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let second = metadata(&mut connection, 13, "on-demand").await;
    assert_eq!(second.topics[0].error_code, ErrorCode::NONE);
    let invalid = metadata(&mut connection, 13, "not a name").await;
    assert_eq!(invalid.topics[0].error_code, ErrorCode::INVALID_TOPIC_EXCEPTION);
}

/// Name, partitions and some of the configuration of a topic.
type Expected = (&'static str, usize, &'static [(&'static str, &'static str)]);

#[tokio::test]
async fn a_topic_made_on_demand_has_the_brokers_defaults_and_an_internal_one_its_own() {
    let node = TestNode::start(&[
        ("num.partitions", "2"),
        ("transaction.state.log.num.partitions", "3"),
        ("transaction.state.log.segment.bytes", "1048576"),
        ("share.coordinator.state.topic.num.partitions", "4"),
        ("offsets.topic.num.partitions", "5"),
    ])
    .await;
    let mut connection = node.connect().await;
    let internal: [Expected; 3] = [
        ("__transaction_state", 3, &[("cleanup.policy", "compact"), ("segment.bytes", "1048576")]),
        ("__share_group_state", 4, &[("cleanup.policy", "delete"), ("retention.ms", "-1")]),
        ("__consumer_offsets", 5, &[("cleanup.policy", "compact"), ("compression.type", "producer")]),
    ];
    let plain: Expected = ("plain", 2, &[]);
    for (name, partitions, configs) in internal.into_iter().chain([plain]) {
        metadata(&mut connection, 12, name).await;
        let topic = &metadata(&mut connection, 12, name).await.topics[0];
        assert_eq!((topic.partitions.len(), topic.is_internal), (partitions, name != "plain"), "{name}");
        let request = DescribeConfigsRequest {
            resources: vec![describe_configs_request::DescribeConfigsResource {
                resource_type: 2,
                resource_name: name.into(),
                configuration_keys: None,
            }],
            ..DescribeConfigsRequest::default()
        };
        let response: DescribeConfigsResponse<'static> = connection.ask(4, &request).await;
        for (key, value) in configs {
            let entry = response.results[0].configs.iter().find(|config| config.name == *key);
            let entry = entry.unwrap_or_else(|| panic!("{name} has {key}"));
            assert_eq!((entry.value.as_deref(), entry.config_source), (Some(*value), 1), "{name} {key}");
        }
    }
}

#[tokio::test]
async fn a_deleted_topic_is_gone_and_a_new_one_of_its_name_is_another() {
    let (node, mut connection, topic) = node_with_topic(&[("auto.create.topics.enable", "false")]).await;
    produce(&mut connection, topic, &batch(&["old"])).await;
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopicState { name: Some("t".into()), ..DeleteTopicState::default() }],
        timeout_ms: 5000,
        ..DeleteTopicsRequest::default()
    };
    let response: DeleteTopicsResponse<'static> = connection.ask(6, &request).await;
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    assert_eq!(produce(&mut connection, topic, &batch(&["x"])).await.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    let gone = metadata(&mut connection, 13, "t").await;
    assert_eq!(gone.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert!(!node.partition_dir("t", 0).exists());
    let again = create_topic(&mut connection, "t", 1, &[]).await;
    assert_ne!(again.id, topic.id);
    assert_eq!(produce(&mut connection, again, &batch(&["new"])).await.base_offset, 0);
    assert_eq!(values(&fetch(&mut connection, again, 0).await, 0), ["new"]);
}

#[tokio::test]
async fn who_waits_for_a_topic_learns_that_it_was_deleted() {
    let (node, mut connection, topic) = node_with_topic(&[]).await;
    let mut admin = node.connect().await;
    let waiting = FetchRequest { max_wait_ms: 20_000, ..fetch_request(topic, 0) };
    let request = DeleteTopicsRequest {
        topics: vec![DeleteTopicState { name: Some("t".into()), ..DeleteTopicState::default() }],
        timeout_ms: 5000,
        ..DeleteTopicsRequest::default()
    };
    let (data, ()) = tokio::join!(fetch_at(&mut connection, 18, topic, &waiting), async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        let _: DeleteTopicsResponse<'static> = admin.ask(6, &request).await;
    });
    assert_eq!(data.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
}

#[tokio::test]
async fn deleted_records_are_gone() {
    let (mut node, mut connection, topic) = node_with_topic(&[]).await;
    for value in ["a", "b", "c"] {
        produce(&mut connection, topic, &batch(&[value])).await;
    }
    let request = |offset| DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: "t".into(),
            partitions: vec![DeleteRecordsPartition { partition_index: 0, offset }],
        }],
        timeout_ms: 5000,
    };
    for (offset, low, code) in [
        (2, 2, ErrorCode::NONE),
        (9, -1, ErrorCode::OFFSET_OUT_OF_RANGE),
        (1, 2, ErrorCode::NONE),
        (-1, 3, ErrorCode::NONE),
    ] {
        let response: DeleteRecordsResponse<'static> = connection.ask(2, &request(offset)).await;
        let answer = &response.topics[0].partitions[0];
        assert_eq!((answer.error_code, answer.low_watermark), (code, low), "offset {offset}");
    }
    assert_eq!(fetch(&mut connection, topic, 2).await.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    node.restart().await;
    let mut connection = node.connect().await;
    assert_eq!(fetch(&mut connection, topic, 2).await.error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(produce(&mut connection, topic, &batch(&["d"])).await.base_offset, 3);
}

#[tokio::test]
async fn records_are_deleted_once_per_partition_and_only_where_that_is_allowed() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    create_topic(&mut connection, "compact", 1, &[("cleanup.policy", "compact")]).await;
    for value in ["a", "b"] {
        produce(&mut connection, topic, &batch(&[value])).await;
    }
    let asked = |name: &'static str, partitions: &[(i32, i64)]| DeleteRecordsTopic {
        name: name.into(),
        partitions: partitions
            .iter()
            .map(|(partition_index, offset)| DeleteRecordsPartition {
                partition_index: *partition_index,
                offset: *offset,
            })
            .collect(),
    };
    let request = DeleteRecordsRequest {
        topics: vec![
            asked("t", &[(0, 2), (9, 0)]),
            asked("compact", &[(0, 100)]),
            asked("__consumer_offsets", &[(0, 0)]),
            asked("t", &[(0, 1), (0, -5), (0, 1)]),
        ],
        timeout_ms: 5000,
    };
    for version in 0..=2 {
        let response: DeleteRecordsResponse<'static> = connection.ask(version, &request).await;
        let told: Vec<_> = response
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(move |p| (topic.name.as_ref(), p)))
            .map(|(name, p)| (name, p.partition_index, p.low_watermark, p.error_code.name()))
            .collect();
        let expected = [
            ("__consumer_offsets", 0, -1, "UNKNOWN_TOPIC_OR_PARTITION"),
            ("compact", 0, -1, "POLICY_VIOLATION"),
            ("t", 0, 1, "NONE"),
            ("t", 9, -1, "UNKNOWN_TOPIC_OR_PARTITION"),
        ];
        assert_eq!(told, expected, "v{version}");
    }
}

#[tokio::test]
async fn producers_are_described_or_the_reason_why_not() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    produce(&mut connection, topic, &batch_of(Producer { id: 7, epoch: 0, sequence: 0 }, &["a", "b"])).await;
    let asked = |name: &'static str, indexes: &[i32]| protocol::describe_producers_request::TopicRequest {
        name: name.into(),
        partition_indexes: indexes.to_vec(),
    };
    let request = DescribeProducersRequest {
        topics: vec![asked("t", &[0, 9]), asked("nobody", &[0]), asked("a b", &[0])],
    };
    let response: DescribeProducersResponse<'static> = connection.ask(0, &request).await;
    let told: Vec<_> = response
        .topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|p| (p.error_code.name(), p.error_message.is_some(), p.active_producers.len()))
        .collect();
    let expected = [
        ("NONE", false, 1),
        ("UNKNOWN_TOPIC_OR_PARTITION", false, 0),
        ("UNKNOWN_TOPIC_OR_PARTITION", true, 0),
        ("INVALID_TOPIC_EXCEPTION", true, 0),
    ];
    assert_eq!(told, expected);
    let producer = &response.topics[0].partitions[0].active_producers[0];
    assert_eq!((producer.producer_id, producer.producer_epoch, producer.last_sequence), (7, 0, 1));
}
