//! What an admin client is told, at every version.

use protocol::create_partitions_request::CreatePartitionsTopic;
use protocol::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::delete_topics_request::DeleteTopicState;
use protocol::describe_quorum_request::{PartitionData, TopicData};
use protocol::{
    AlterConfigsRequest, AlterConfigsResponse, CreatePartitionsRequest, CreatePartitionsResponse,
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeClusterRequest, DescribeClusterResponse, DescribeQuorumRequest, DescribeQuorumResponse,
    ErrorCode, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, InitProducerIdRequest,
    InitProducerIdResponse, alter_configs_request, incremental_alter_configs_request,
};
use testkit::TestNode;

use crate::setup::*;

#[tokio::test]
async fn topics_are_created_and_deleted_at_every_version() {
    let node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    for version in 2..=7 {
        let name = format!("topic-{version}");
        let topic = CreatableTopic {
            name: name.as_str().into(),
            num_partitions: 2,
            replication_factor: 1,
            configs: vec![CreatableTopicConfig { name: "retention.ms".into(), value: Some("1000".into()) }],
            ..CreatableTopic::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 5000, ..CreateTopicsRequest::default() };
        let response: CreateTopicsResponse<'static> = connection.ask(version, &request).await;
        let created = &response.topics[0];
        assert_eq!(
            (created.error_code, created.name.as_ref()),
            (ErrorCode::NONE, name.as_str()),
            "v{version}"
        );
        assert_eq!(created.topic_id.is_zero(), version < 7, "v{version}");
        let configs = created.configs.as_deref().unwrap_or_default();
        let retention = configs.iter().find(|config| config.name == "retention.ms");
        assert_eq!(retention.and_then(|config| config.value.as_deref()), (version >= 5).then_some("1000"));
        let again: CreateTopicsResponse<'static> = connection.ask(version, &request).await;
        assert_eq!(again.topics[0].error_code, ErrorCode::TOPIC_ALREADY_EXISTS, "v{version}");
    }
    for version in 1..=6 {
        let name = format!("topic-{}", version + 1);
        let request = match version {
            6 => DeleteTopicsRequest {
                topics: vec![DeleteTopicState {
                    name: Some(name.as_str().into()),
                    ..DeleteTopicState::default()
                }],
                timeout_ms: 5000,
                ..DeleteTopicsRequest::default()
            },
            _ => DeleteTopicsRequest {
                topic_names: vec![name.as_str().into()],
                timeout_ms: 5000,
                ..DeleteTopicsRequest::default()
            },
        };
        let response: DeleteTopicsResponse<'static> = connection.ask(version, &request).await;
        assert_eq!(response.responses[0].error_code, ErrorCode::NONE, "v{version}");
        let again: DeleteTopicsResponse<'static> = connection.ask(version, &request).await;
        assert_eq!(again.responses[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "v{version}");
        assert_eq!(again.responses[0].name.as_deref(), Some(name.as_str()));
    }
}

#[tokio::test]
async fn deletion_that_is_off_is_told_as_each_version_knows() {
    let (_node, mut connection, _topic) = node_with_topic(&[("delete.topic.enable", "false")]).await;
    for version in 1..=5 {
        let request = DeleteTopicsRequest { topic_names: vec!["t".into()], ..DeleteTopicsRequest::default() };
        let response: DeleteTopicsResponse<'static> = connection.ask(version, &request).await;
        let expected =
            if version < 3 { ErrorCode::INVALID_REQUEST } else { ErrorCode::TOPIC_DELETION_DISABLED };
        assert_eq!(response.responses[0].error_code, expected, "v{version}");
    }
}

#[tokio::test]
async fn new_partitions_take_records_at_once() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    for version in 0..=3 {
        let count = i32::from(version) + 2;
        let request = CreatePartitionsRequest {
            topics: vec![CreatePartitionsTopic { name: "t".into(), count, assignments: None }],
            timeout_ms: 5000,
            validate_only: false,
        };
        let response: CreatePartitionsResponse<'static> = connection.ask(version, &request).await;
        assert_eq!(response.results[0].error_code, ErrorCode::NONE, "v{version}");
        let again: CreatePartitionsResponse<'static> = connection.ask(version, &request).await;
        assert_eq!(again.results[0].error_code, ErrorCode::INVALID_PARTITIONS, "v{version}");
    }
    assert_eq!(produce(&mut connection, topic, &batch(&["a"])).await.error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn configurations_are_changed_at_every_version() {
    let (_node, mut connection, _topic) = node_with_topic(&[]).await;
    for version in 0..=1 {
        let request = IncrementalAlterConfigsRequest {
            resources: vec![incremental_alter_configs_request::AlterConfigsResource {
                resource_type: 2,
                resource_name: "t".into(),
                configs: vec![incremental_alter_configs_request::AlterableConfig {
                    name: "max.message.bytes".into(),
                    config_operation: 0,
                    value: Some("90".into()),
                }],
            }],
            validate_only: false,
        };
        let response: IncrementalAlterConfigsResponse<'static> = connection.ask(version, &request).await;
        assert_eq!(response.responses[0].error_code, ErrorCode::NONE, "v{version}");
    }
    for version in 0..=2 {
        let alter = |name: &'static str, value: &'static str| AlterConfigsRequest {
            resources: vec![alter_configs_request::AlterConfigsResource {
                resource_type: 2,
                resource_name: name.into(),
                configs: vec![alter_configs_request::AlterableConfig {
                    name: "max.message.bytes".into(),
                    value: Some(value.into()),
                }],
            }],
            validate_only: false,
        };
        let good: AlterConfigsResponse<'static> = connection.ask(version, &alter("t", "90")).await;
        assert_eq!(good.responses[0].error_code, ErrorCode::NONE, "v{version}");
        let bad: AlterConfigsResponse<'static> = connection.ask(version, &alter("t", "many")).await;
        assert_eq!(bad.responses[0].error_code, ErrorCode::INVALID_CONFIG, "v{version}");
        let unknown: AlterConfigsResponse<'static> = connection.ask(version, &alter("u", "90")).await;
        assert_eq!(unknown.responses[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "v{version}");
    }
}

#[tokio::test]
async fn a_changed_configuration_is_in_force_when_the_answer_comes() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let records = batch(&["x".repeat(200).as_str()]);
    assert_eq!(produce(&mut connection, topic, &records).await.error_code, ErrorCode::NONE);
    let request = AlterConfigsRequest {
        resources: vec![alter_configs_request::AlterConfigsResource {
            resource_type: 2,
            resource_name: "t".into(),
            configs: vec![alter_configs_request::AlterableConfig {
                name: "max.message.bytes".into(),
                value: Some("90".into()),
            }],
        }],
        validate_only: false,
    };
    let response: AlterConfigsResponse<'static> = connection.ask(2, &request).await;
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
    assert_eq!(produce(&mut connection, topic, &records).await.error_code, ErrorCode::MESSAGE_TOO_LARGE);
}

#[tokio::test]
async fn the_cluster_and_its_quorum_are_described_at_every_version() {
    let listeners = "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:19093";
    let node = TestNode::start(&[
        ("node.id", "7"),
        ("process.roles", "broker,controller"),
        ("controller.listener.names", "CONTROLLER"),
        ("listeners", listeners),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
    ])
    .await;
    let mut connection = node.connect().await;
    for version in 0..=2 {
        let request = DescribeClusterRequest {
            include_cluster_authorized_operations: true,
            ..DescribeClusterRequest::default()
        };
        let cluster: DescribeClusterResponse<'static> = connection.ask(version, &request).await;
        assert_eq!((cluster.error_code, cluster.controller_id), (ErrorCode::NONE, 7), "v{version}");
        assert_eq!(cluster.brokers[0].port, i32::from(node.address().port()));
        assert!(cluster.cluster_authorized_operations > 0);

        let request = DescribeQuorumRequest {
            topics: vec![TopicData {
                topic_name: "__cluster_metadata".into(),
                partitions: vec![PartitionData { partition_index: 0 }],
            }],
        };
        let quorum: DescribeQuorumResponse<'static> = connection.ask(version, &request).await;
        let partition = &quorum.topics[0].partitions[0];
        assert_eq!((partition.leader_id, partition.leader_epoch), (7, 1), "v{version}");
        assert!(partition.high_watermark > 0);
        assert_eq!(partition.current_voters[0].log_end_offset, partition.high_watermark);
        assert_eq!(partition.current_voters[0].replica_directory_id.is_zero(), version < 2);
        let listeners = quorum.nodes.iter().flat_map(|node| &node.listeners);
        let listeners: Vec<_> = listeners.map(|l| (&*l.name, &*l.host, l.port)).collect();
        let expected: &[_] = if version < 2 { &[] } else { &[("CONTROLLER", "127.0.0.1", 19093)] };
        assert_eq!(listeners, expected, "v{version}");
    }
}

#[tokio::test]
async fn every_producer_gets_an_id_of_its_own_at_every_version_and_after_a_kill() {
    let mut node = TestNode::start(&[]).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut connection = node.connect().await;
        for version in 0..=5 {
            let request = InitProducerIdRequest::default();
            let request = InitProducerIdRequest { transactional_id: None, ..request };
            let response: InitProducerIdResponse = connection.ask(version, &request).await;
            assert_eq!((response.error_code, response.producer_epoch), (ErrorCode::NONE, 0), "v{version}");
            ids.push(response.producer_id);
            let request = InitProducerIdRequest { transactional_id: Some("t".into()), ..request };
            let response: InitProducerIdResponse = connection.ask(version, &request).await;
            assert_eq!((response.error_code, response.producer_id), (ErrorCode::UNSUPPORTED_VERSION, -1));
        }
        node.kill_and_restart().await;
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 12);
}
