//! Requests whose time is up before they begin: nothing is done, and each thing asked for is told so.

use protocol::create_partitions_request::CreatePartitionsTopic;
use protocol::create_topics_request::CreatableTopic;
use protocol::delete_topics_request::DeleteTopicState;
use protocol::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode,
};
use testkit::{TestConnection, TestNode};

use crate::setup::*;

const TIMES_UP: [i32; 3] = [0, -1, i32::MIN];

async fn create(
    connection: &mut TestConnection,
    names: &[&'static str],
    timeout_ms: i32,
) -> Vec<&'static str> {
    let topic = |name: &&'static str| CreatableTopic {
        name: (*name).into(),
        num_partitions: 1,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    let request =
        CreateTopicsRequest { topics: names.iter().map(topic).collect(), timeout_ms, validate_only: false };
    let response: CreateTopicsResponse<'static> = connection.ask(7, &request).await;
    response.topics.iter().map(|topic| topic.error_code.name()).collect()
}

#[tokio::test]
async fn topics_are_not_created() {
    let node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    for timeout_ms in TIMES_UP {
        assert_eq!(create(&mut connection, &["a", "b", "b"], timeout_ms).await, ["REQUEST_TIMED_OUT"; 3]);
        assert_eq!(create(&mut connection, &["b", "b"], timeout_ms).await, ["INVALID_REQUEST"]);
        assert!(create(&mut connection, &[], timeout_ms).await.is_empty());
    }
    assert_eq!(create(&mut connection, &["a"], 5000).await, ["NONE"]);
}

#[tokio::test]
async fn topics_do_not_grow() {
    let (_node, mut connection, _topic) = node_with_topic(&[]).await;
    let request = |count, timeout_ms| CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic { name: "t".into(), count, assignments: None }],
        timeout_ms,
        validate_only: false,
    };
    for timeout_ms in TIMES_UP {
        let response: CreatePartitionsResponse<'static> = connection.ask(3, &request(5, timeout_ms)).await;
        let result = &response.results[0];
        assert_eq!((result.error_code, &result.error_message), (ErrorCode::REQUEST_TIMED_OUT, &None));
    }
    let response: CreatePartitionsResponse<'static> = connection.ask(3, &request(2, 5000)).await;
    assert_eq!(response.results[0].error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn topics_are_not_deleted() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let request = |timeout_ms| DeleteTopicsRequest {
        topics: vec![DeleteTopicState { name: None, topic_id: topic.id }, DeleteTopicState::default()],
        timeout_ms,
        ..DeleteTopicsRequest::default()
    };
    for timeout_ms in TIMES_UP {
        let response: DeleteTopicsResponse<'static> = connection.ask(6, &request(timeout_ms)).await;
        let codes: Vec<_> = response.responses.iter().map(|result| result.error_code.name()).collect();
        assert_eq!(codes, ["REQUEST_TIMED_OUT"; 2]);
    }
    assert_eq!(produce(&mut connection, topic, &batch(&["a"])).await.error_code, ErrorCode::NONE);
}
