//! Quotas bite: throttle times are Kafka's, to the millisecond where a client is new, and the connection is not read.

use protocol::create_partitions_request::CreatePartitionsTopic;
use protocol::create_topics_request::CreatableTopic;
use protocol::metadata_request::MetadataRequestTopic;
use protocol::{
    ApiVersionsRequest, ApiVersionsResponse, CreatePartitionsRequest, CreatePartitionsResponse,
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeClusterRequest, DescribeClusterResponse, ErrorCode, FetchRequest, FetchResponse, Message,
    MetadataRequest, MetadataResponse, ProduceRequest, ProduceResponse,
};
use testkit::{TestConnection, TestNode};

use crate::quotas::{Entity, set};
use crate::setup::*;

const EVERY_CLIENT: Entity = &[("client-id", None)];
const EVERYBODY: Entity = &[("user", None)];
const LOOPBACK: Entity = &[("ip", Some("127.0.0.1"))];

/// Bytes of a window of ten full seconds at 100 bytes per second.
const ALLOWED_BYTES: usize = 1000;

/// Milliseconds that a client that used nothing before is held off for so many bytes at 100 bytes per second.
fn expected_ms(bytes: usize) -> i32 {
    i32::try_from(bytes.saturating_sub(ALLOWED_BYTES) * 10).unwrap()
}

async fn client(node: &TestNode, name: &str) -> TestConnection {
    TestConnection::open_as(node.address(), name).await
}

/// Header version 1 or 2, by length: key, version, correlation id, client id and, if flexible, no tags.
fn header_bytes(client_id: &str, is_flexible: bool) -> usize {
    10 + client_id.len() + usize::from(is_flexible)
}

fn body_bytes<'a, M: Message<'a>>(message: &M, version: i16) -> usize {
    protocol::to_vec(message, version).unwrap().len()
}

/// The node stops while the connection is held off: what was asked is never answered.
async fn expect_muted(node: &mut TestNode, connection: &mut TestConnection) {
    connection.send(0, &ApiVersionsRequest::default()).await;
    node.stop().await;
    assert_eq!(connection.receive().await, None, "a throttled connection is not read");
}

#[tokio::test]
async fn a_producer_is_held_off_for_what_it_sent_too_much() {
    let (node, mut admin, topic) = node_with_topic(&[]).await;
    set(&mut admin, EVERY_CLIENT, "producer_byte_rate", Some(100.0)).await;
    for version in 3..=13 {
        for length in [100, 2000] {
            let name = format!("producer-{version:02}-{length}");
            let mut producer = client(&node, &name).await;
            let value = "x".repeat(length);
            let records = batch(&[&value]);
            let request = produce_request(at_version(topic, version), -1, &records);
            let frame_bytes = header_bytes(&name, version >= 9) + body_bytes(&request, version);
            let response: ProduceResponse<'static> = producer.ask(version, &request).await;
            assert_eq!(response.responses[0].partition_responses[0].error_code, ErrorCode::NONE);
            assert_eq!(response.throttle_time_ms, expected_ms(frame_bytes), "v{version}, {length} bytes");
        }
    }
    set(&mut admin, EVERY_CLIENT, "producer_byte_rate", None).await;
    let mut freed = client(&node, "producer-13-2000").await;
    let value = "x".repeat(5000);
    let response: ProduceResponse<'static> =
        freed.ask(13, &produce_request(topic, 1, &batch(&[&value]))).await;
    assert_eq!(response.throttle_time_ms, 0);
}

#[tokio::test]
async fn a_throttled_connection_is_not_read() {
    for acks in [0, 1] {
        let (mut node, mut admin, topic) = node_with_topic(&[]).await;
        set(&mut admin, EVERY_CLIENT, "producer_byte_rate", Some(1.0)).await;
        let mut producer = client(&node, "greedy").await;
        let value = "x".repeat(100_000);
        let records = batch(&[&value]);
        let request: ProduceRequest<'_> = produce_request(topic, acks, &records);
        if acks == 0 {
            producer.send(13, &request).await;
        } else {
            let response: ProduceResponse<'static> = producer.ask(13, &request).await;
            assert!(response.throttle_time_ms > 90_000, "{}", response.throttle_time_ms);
        }
        expect_muted(&mut node, &mut producer).await;
    }
}

/// A consumer that is over its quota is told nothing, and gets all of it later.
#[tokio::test]
async fn a_consumer_over_its_quota_gets_an_empty_answer() {
    let (node, mut admin, topic) = node_with_topic(&[]).await;
    let value = "x".repeat(3000);
    assert_eq!(produce(&mut admin, topic, &batch(&[&value])).await.error_code, ErrorCode::NONE);
    let unlimited: FetchResponse<'static> = admin.ask(18, &fetch_request(topic, 0)).await;
    let bytes = 4 + body_bytes(&unlimited, 18);
    set(&mut admin, EVERY_CLIENT, "consumer_byte_rate", Some(100.0)).await;
    for session_epoch in [-1, 0] {
        let mut consumer = client(&node, &format!("consumer{session_epoch}")).await;
        let request = FetchRequest { session_epoch, ..fetch_request(topic, 0) };
        let response: FetchResponse<'static> = consumer.ask(18, &request).await;
        assert_eq!((response.error_code, response.session_id), (ErrorCode::NONE, 0));
        assert!(response.responses.is_empty());
        assert_eq!(response.throttle_time_ms, expected_ms(bytes));
        let mut again = client(&node, &format!("consumer{session_epoch}")).await;
        let response: FetchResponse<'static> = again.ask(18, &request).await;
        let later_ms = expected_ms(bytes) - 1000..=expected_ms(bytes);
        assert!(later_ms.contains(&response.throttle_time_ms), "what was not sent does not count");
    }
    set(&mut admin, EVERY_CLIENT, "consumer_byte_rate", Some(1000.0)).await;
    let mut consumer = client(&node, "consumer-1").await;
    let data = fetch_at(&mut consumer, 18, topic, &fetch_request(topic, 0)).await;
    assert_eq!(values(&data, 0), [value]);
}

/// What a throttled answer of a session would have told is told by the next one.
#[tokio::test]
async fn a_session_goes_on_after_a_throttled_answer() {
    let (node, mut admin, topic) = node_with_topic(&[]).await;
    let value = "x".repeat(600);
    produce(&mut admin, topic, &batch(&[&value])).await;
    set(&mut admin, EVERY_CLIENT, "consumer_byte_rate", Some(100.0)).await;
    let mut request = FetchRequest { session_epoch: 0, ..fetch_request(topic, 0) };
    let mut consumer = client(&node, "consumer").await;
    let first: FetchResponse<'static> = consumer.ask(18, &request).await;
    assert_eq!((first.throttle_time_ms, first.responses.len()), (0, 1));
    assert_ne!(first.session_id, 0);
    (request.session_id, request.session_epoch) = (first.session_id, 1);
    let second: FetchResponse<'static> = consumer.ask(18, &request).await;
    assert!(second.throttle_time_ms > 0, "two answers are more than a window allows");
    assert_eq!((second.session_id, second.responses.len()), (first.session_id, 0));
    set(&mut admin, EVERY_CLIENT, "consumer_byte_rate", None).await;
    request.session_epoch = 2;
    let mut consumer = client(&node, "consumer").await;
    let third: FetchResponse<'static> = consumer.ask(18, &request).await;
    assert_eq!((third.error_code, third.session_id), (ErrorCode::NONE, first.session_id));
    assert_eq!(values(&third.responses[0].partitions[0], 0), [value]);
}

#[tokio::test]
async fn who_takes_too_much_time_is_held_off_for_a_second_at_most() {
    let (node, mut admin, topic) = node_with_topic(&[]).await;
    set(&mut admin, EVERYBODY, "request_percentage", Some(1e-9)).await;
    let mut other = client(&node, "cluster").await;
    let described: DescribeClusterResponse<'static> = other.ask(0, &DescribeClusterRequest::default()).await;
    assert_eq!(described.throttle_time_ms, 1000);
    let mut producer = client(&node, "producer").await;
    let response: ProduceResponse<'static> =
        producer.ask(13, &produce_request(topic, -1, &batch(&["v"]))).await;
    assert_eq!(response.throttle_time_ms, 1000);
    let mut consumer = client(&node, "consumer").await;
    let response: FetchResponse<'static> = consumer.ask(18, &fetch_request(topic, 0)).await;
    assert_eq!((response.throttle_time_ms, response.responses.len()), (1000, 0));
    let mut old = client(&node, "old").await;
    let versions: ApiVersionsResponse<'static> = old.ask(0, &ApiVersionsRequest::default()).await;
    assert_eq!(versions.throttle_time_ms, 0, "version 0 has no room for it");
}

fn create_request(topics: &[(&str, i32)]) -> CreateTopicsRequest<'static> {
    let topics = topics.iter().map(|(name, partitions)| CreatableTopic {
        name: (*name).to_owned().into(),
        num_partitions: *partitions,
        replication_factor: 1,
        ..CreatableTopic::default()
    });
    CreateTopicsRequest { topics: topics.collect(), timeout_ms: 5000, ..CreateTopicsRequest::default() }
}

/// A rate so small that no token comes in while the test runs; the burst is 11 seconds' worth.
const ONE_PARTITION: f64 = 1.0 / 11.0;

#[tokio::test]
async fn partitions_beyond_the_quota_are_refused_or_waited_for() {
    let (node, mut admin, _) = node_with_topic(&[]).await;
    set(&mut admin, EVERY_CLIENT, "controller_mutation_rate", Some(ONE_PARTITION)).await;
    for version in 2..=7 {
        let names = [format!("a{version}"), format!("b{version}")];
        let mut creator = client(&node, &format!("creator{version}")).await;
        let request = create_request(&[(names[0].as_str(), 3), (names[1].as_str(), 1)]);
        let response: CreateTopicsResponse<'static> = creator.ask(version, &request).await;
        let codes: Vec<_> = response.topics.iter().map(|topic| topic.error_code).collect();
        let second = if version < 6 { ErrorCode::NONE } else { ErrorCode::THROTTLING_QUOTA_EXCEEDED };
        assert_eq!(codes, [ErrorCode::NONE, second], "v{version}");
        assert_eq!(response.topics[1].error_message, None);
        // One partition was paid for: a debt of three, or of two.
        let debt_ms = if version < 6 { 33_000 } else { 22_000 };
        assert!((1..=debt_ms).contains(&response.throttle_time_ms), "v{version} {response:?}");
    }
    for version in 0..=3 {
        let mut creator = client(&node, &format!("grower{version}")).await;
        let grow = |name: &'static str| CreatePartitionsTopic {
            name: name.into(),
            count: 6 + i32::from(version) * 3,
            assignments: None,
        };
        let request = CreatePartitionsRequest {
            topics: vec![grow("a2"), grow("a3")],
            timeout_ms: 5000,
            validate_only: false,
        };
        let response: CreatePartitionsResponse<'static> = creator.ask(version, &request).await;
        let codes: Vec<_> = response.results.iter().map(|topic| topic.error_code).collect();
        let second = if version < 3 { ErrorCode::NONE } else { ErrorCode::THROTTLING_QUOTA_EXCEEDED };
        assert_eq!(codes, [ErrorCode::NONE, second], "v{version}");
        assert!(response.throttle_time_ms > 0, "v{version}");
    }
}

#[tokio::test]
async fn deletions_count_too() {
    let (node, mut admin, _) = node_with_topic(&[]).await;
    for version in 1..=5 {
        let names = [format!("a{version}"), format!("b{version}")];
        let request = create_request(&[(names[0].as_str(), 3), (names[1].as_str(), 3)]);
        let _: CreateTopicsResponse<'static> = admin.ask(7, &request).await;
    }
    set(&mut admin, EVERY_CLIENT, "controller_mutation_rate", Some(ONE_PARTITION)).await;
    for version in 1..=5 {
        let mut creator = client(&node, &format!("deleter{version}")).await;
        let names = [format!("a{version}").into(), format!("b{version}").into()];
        let request =
            DeleteTopicsRequest { topic_names: names.into(), timeout_ms: 5000, ..Default::default() };
        let response: DeleteTopicsResponse<'static> = creator.ask(version, &request).await;
        let refused = response.responses.iter().filter(|topic| topic.error_code != ErrorCode::NONE);
        let refused: Vec<_> = refused.map(|topic| (topic.error_code, topic.error_message.clone())).collect();
        let expected = (ErrorCode::THROTTLING_QUOTA_EXCEEDED, None);
        assert_eq!(refused, if version < 5 { vec![] } else { vec![expected] }, "v{version}");
        assert!(response.throttle_time_ms > 0, "v{version}");
    }
}

#[tokio::test]
async fn topics_made_on_demand_are_at_the_clients_expense() {
    let (node, mut admin, _) = node_with_topic(&[("num.partitions", "3")]).await;
    set(&mut admin, EVERY_CLIENT, "controller_mutation_rate", Some(ONE_PARTITION)).await;
    let mut consumer = client(&node, "consumer").await;
    let names = |names: &[&'static str]| {
        let topics = names.iter().map(|name| MetadataRequestTopic {
            name: Some((*name).into()),
            ..MetadataRequestTopic::default()
        });
        MetadataRequest {
            topics: Some(topics.collect()),
            allow_auto_topic_creation: true,
            ..MetadataRequest::default()
        }
    };
    let _: MetadataResponse<'static> = consumer.ask(12, &names(&["first"])).await;
    let _: MetadataResponse<'static> = consumer.ask(12, &names(&["second"])).await;
    let response: MetadataResponse<'static> = admin.ask(12, &names(&["first"])).await;
    assert_eq!(response.topics[0].error_code, ErrorCode::NONE);
    set(&mut admin, EVERY_CLIENT, "controller_mutation_rate", None).await;
    let missing = MetadataRequest { allow_auto_topic_creation: false, ..names(&["second"]) };
    let response: MetadataResponse<'static> = admin.ask(12, &missing).await;
    assert_eq!(response.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "the quota was used up");
}

#[tokio::test]
async fn an_address_that_connects_too_often_is_not_let_in() {
    let node = TestNode::start(&[]).await;
    let mut admin = node.connect().await;
    set(&mut admin, LOOPBACK, "connection_creation_rate", Some(1.0)).await;
    let mut let_in = 0;
    loop {
        let mut connection = node.connect().await;
        connection.send(0, &ApiVersionsRequest::default()).await;
        if connection.receive().await.is_none() {
            break;
        }
        let_in += 1;
        assert!(let_in < 1000, "a thousand connections are too many for one a second");
    }
    assert!(let_in >= 10, "a window of ten seconds allows ten, not {let_in}");
    set(&mut admin, LOOPBACK, "connection_creation_rate", None).await;
    let mut connection = node.connect().await;
    let _: ApiVersionsResponse<'static> = connection.ask(0, &ApiVersionsRequest::default()).await;
}

#[tokio::test]
async fn quotas_are_in_force_after_a_restart() {
    let (mut node, mut admin, topic) = node_with_topic(&[]).await;
    set(&mut admin, &[("user", Some("ANONYMOUS"))], "producer_byte_rate", Some(1.0)).await;
    set(&mut admin, &[("ip", Some("localhost"))], "connection_creation_rate", Some(1000.0)).await;
    node.restart().await;
    let mut producer = node.connect().await;
    let value = "x".repeat(1000);
    let response: ProduceResponse<'static> =
        producer.ask(13, &produce_request(topic, -1, &batch(&[&value]))).await;
    assert!(response.throttle_time_ms > 900_000, "{}", response.throttle_time_ms);
}
