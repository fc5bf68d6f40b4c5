//! Odd requests, answered as a running Kafka 4.4 answers them: what the differential oracle found, kept as tests.

use protocol::fetch_request::{FetchPartition, FetchTopic};
use protocol::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use protocol::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use protocol::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, ElectLeadersRequest,
    ElectLeadersResponse, ErrorCode, FetchRequest, FetchResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    ListOffsetsRequest, ListOffsetsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, ProduceResponse,
    describe_user_scram_credentials_request, elect_leaders_request,
};
use records::Compression;
use testkit::{TestConnection, TestNode};

use crate::setup::*;

fn asked(partition_index: i32, timestamp: i64) -> ListOffsetsPartition {
    ListOffsetsPartition { partition_index, timestamp, ..ListOffsetsPartition::default() }
}

async fn list_offsets(
    connection: &mut TestConnection,
    isolation_level: i8,
    partitions: Vec<ListOffsetsPartition>,
) -> ListOffsetsResponse<'static> {
    let topics = vec![ListOffsetsTopic { name: "t".into(), partitions }];
    let request = ListOffsetsRequest { replica_id: -1, isolation_level, topics, ..Default::default() };
    connection.ask(11, &request).await
}

#[tokio::test]
async fn list_offsets_answers_a_partition_once() {
    let (_node, mut connection, _topic) = node_with_topic(&[]).await;
    let twice = list_offsets(&mut connection, 0, vec![asked(0, -1), asked(0, -2), asked(5, -1)]).await;
    let codes: Vec<_> =
        twice.topics[0].partitions.iter().map(|p| (p.partition_index, p.error_code)).collect();
    assert_eq!(codes, [(0, ErrorCode::INVALID_REQUEST), (5, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)]);
    assert!(list_offsets(&mut connection, 0, Vec::new()).await.topics.is_empty());
    let strange = list_offsets(&mut connection, 2, vec![asked(0, -1)]).await;
    assert_eq!(strange.topics[0].partitions[0].error_code, ErrorCode::UNKNOWN_SERVER_ERROR);
}

#[tokio::test]
async fn a_leader_epoch_below_minus_one_is_one_that_has_passed() {
    let (_node, mut connection, _topic) = node_with_topic(&[]).await;
    let partition = ListOffsetsPartition { current_leader_epoch: -2, ..asked(0, -1) };
    let answer = list_offsets(&mut connection, 0, vec![partition]).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, ErrorCode::FENCED_LEADER_EPOCH);
}

#[tokio::test]
async fn an_empty_partition_knows_its_leader_epoch() {
    let (_node, mut connection, _topic) = node_with_topic(&[]).await;
    let earliest = list_offsets(&mut connection, 0, vec![asked(0, -2)]).await;
    assert_eq!(earliest.topics[0].partitions[0].leader_epoch, 0);
    for (leader_epoch, known) in [(0, 0), (-2, -2), (1, -1)] {
        let partition = OffsetForLeaderPartition { partition: 0, current_leader_epoch: -1, leader_epoch };
        let topics = vec![OffsetForLeaderTopic { topic: "t".into(), partitions: vec![partition] }];
        let request = OffsetForLeaderEpochRequest { replica_id: -1, topics };
        let response: OffsetForLeaderEpochResponse<'static> = connection.ask(4, &request).await;
        let end = &response.topics[0].partitions[0];
        let end_offset = if known == -1 { -1 } else { 0 };
        assert_eq!((end.leader_epoch, end.end_offset), (known, end_offset), "epoch {leader_epoch}");
    }
}

async fn fetch_response(
    connection: &mut TestConnection,
    topic: Topic,
    change: impl Fn(&mut FetchRequest<'static>),
) -> FetchResponse<'static> {
    let mut request = fetch_request(topic, 0);
    change(&mut request);
    connection.ask(18, &request).await
}

#[tokio::test]
async fn fetch_refuses_sizes_and_levels_that_cannot_be() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    produce(&mut connection, topic, &batch(&["a"])).await;
    let response = fetch_response(&mut connection, topic, |r| r.isolation_level = 2).await;
    assert_eq!((response.error_code, response.responses.len()), (ErrorCode::UNKNOWN_SERVER_ERROR, 0));
    let code = |response: &FetchResponse<'_>| response.responses[0].partitions[0].error_code;
    let response =
        fetch_response(&mut connection, topic, |r| r.topics[0].partitions[0].partition_max_bytes = -1).await;
    assert_eq!(code(&response), ErrorCode::UNKNOWN_SERVER_ERROR);
    let response = fetch_response(&mut connection, topic, |r| r.max_bytes = -1).await;
    assert_eq!(code(&response), ErrorCode::UNKNOWN_SERVER_ERROR);
    // At the end of the log nothing is read, and so nothing is wrong.
    let response = fetch_response(&mut connection, topic, |r| {
        (r.max_bytes, r.topics[0].partitions[0].fetch_offset) = (-1, 1);
    })
    .await;
    assert_eq!(code(&response), ErrorCode::NONE);
    let response =
        fetch_response(&mut connection, topic, |r| r.topics[0].partitions[0].last_fetched_epoch = 1).await;
    assert_eq!(code(&response), ErrorCode::OFFSET_OUT_OF_RANGE);
    let response =
        fetch_response(&mut connection, topic, |r| r.topics[0].partitions[0].current_leader_epoch = 1).await;
    assert_eq!(code(&response), ErrorCode::UNKNOWN_LEADER_EPOCH);
    assert_eq!(response.responses[0].partitions[0].current_leader.leader_id, -1);
}

#[tokio::test]
async fn fetch_tells_what_it_read_before_what_is_unknown() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let response = fetch_response(&mut connection, topic, |r| {
        let unknown = FetchTopic { topic_id: protocol::Uuid([7; 16]), ..r.topics[0].clone() };
        let beyond = FetchPartition { partition: 9, ..r.topics[0].partitions[0].clone() };
        let again = r.topics[0].partitions[0].clone();
        r.topics[0].partitions.insert(0, beyond);
        r.topics[0].partitions.push(again);
        r.topics.insert(0, unknown);
    })
    .await;
    let told: Vec<_> = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|p| (p.partition_index, p.error_code, p.aborted_transactions.is_some()))
        .collect();
    let expected = [
        (0, ErrorCode::NONE, false),
        (0, ErrorCode::UNKNOWN_TOPIC_ID, true),
        (9, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, true),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_fetch_session_may_begin_empty_and_outlives_its_topic() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let response =
        fetch_response(&mut connection, topic, |r| (r.session_epoch, r.topics) = (0, vec![])).await;
    assert_ne!(response.session_id, 0);
    let session_id = fetch_response(&mut connection, topic, |r| r.session_epoch = 0).await.session_id;
    let next = async |connection: &mut TestConnection, epoch: i32| {
        let response = fetch_response(connection, topic, |r| {
            (r.session_id, r.session_epoch, r.topics) = (session_id, epoch, vec![]);
        });
        response.await.responses[0].partitions[0].error_code
    };
    delete_topic(&mut connection, "t").await;
    assert_eq!(next(&mut connection, 1).await, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    create_topic(&mut connection, "t", 1, &[]).await;
    assert_eq!(next(&mut connection, 2).await, ErrorCode::INCONSISTENT_TOPIC_ID);
}

async fn delete_topic(connection: &mut TestConnection, name: &'static str) {
    let request = protocol::DeleteTopicsRequest {
        topic_names: vec![name.into()],
        timeout_ms: 5000,
        ..Default::default()
    };
    let response: protocol::DeleteTopicsResponse<'static> = connection.ask(5, &request).await;
    assert_eq!(response.responses[0].error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn produce_judges_frames_as_kafka_does() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let good = batch(&["a"]);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let cases = [
        ("four bytes", vec![0; 4], ErrorCode::INVALID_RECORD),
        ("zeros", vec![0; 61], ErrorCode::CORRUPT_MESSAGE),
        ("noise", vec![b'x'; 61], ErrorCode::CORRUPT_MESSAGE),
        ("magic 3", with(16, 3), ErrorCode::CORRUPT_MESSAGE),
        ("magic 1", with(16, 1), ErrorCode::INVALID_RECORD),
        ("a cut batch", good[..good.len() - 1].to_vec(), ErrorCode::INVALID_RECORD),
    ];
    for (name, bytes, code) in cases {
        let answer = produce(&mut connection, topic, &bytes).await;
        assert_eq!((answer.error_code, answer.log_start_offset), (code, -1), "{name}");
    }
    // What follows the batch and is no whole batch is not looked at.
    let longer = [&good[..], &good[..good.len() - 1]].concat();
    let answer = produce(&mut connection, topic, &longer).await;
    assert_eq!((answer.error_code, answer.base_offset), (ErrorCode::NONE, 0));
    assert_eq!(values(&fetch(&mut connection, topic, 0).await, 0), ["a"]);
}

#[tokio::test]
async fn produce_tells_a_broken_stream_and_an_unknown_codec_as_its_own_fault() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    // Before version 7 Kafka looks at the codec first, and knows nothing of the log when it does not know the codec.
    let cases =
        [(13, 1, 0), (13, 2, 0), (13, 3, 0), (13, 4, 0), (13, 5, 0), (13, 7, 0), (6, 1, 0), (6, 5, -1)];
    for (version, codec, log_start_offset) in cases {
        let mut bytes = batch(&["a"]);
        bytes[22] = codec;
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        let answer = produce_at(&mut connection, version, topic, -1, &bytes).await;
        assert_eq!(
            (answer.error_code, answer.log_start_offset),
            (ErrorCode::UNKNOWN_SERVER_ERROR, log_start_offset),
            "{codec} at version {version}"
        );
    }
    let good = compressed(&["a"], Compression::Gzip);
    assert_eq!(produce(&mut connection, topic, &good).await.error_code, ErrorCode::NONE);
}

#[tokio::test]
async fn produce_takes_the_last_batch_of_a_partition_that_is_named_twice() {
    let (_node, mut connection, topic) = node_with_topic(&[]).await;
    let (first, second) = (batch(&["first"]), batch(&["second"]));
    let mut request = produce_request(topic, -1, &first);
    request.topic_data.extend(produce_request(topic, -1, &second).topic_data);
    let response: ProduceResponse<'static> = connection.ask(13, &request).await;
    assert_eq!((response.responses.len(), response.responses[0].partition_responses.len()), (1, 1));
    assert_eq!(values(&fetch(&mut connection, topic, 0).await, 0), ["second"]);
    request.topic_data[0].partition_data.clear();
    request.topic_data.truncate(1);
    let response: ProduceResponse<'static> = connection.ask(13, &request).await;
    assert!(response.responses.is_empty());
}

#[tokio::test]
async fn one_corrupt_frame_keeps_the_whole_request_out() {
    let node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    let (good, bad) = (
        create_topic(&mut connection, "good", 1, &[]).await,
        create_topic(&mut connection, "bad", 1, &[]).await,
    );
    let (batch, noise) = (batch(&["a"]), vec![b'x'; 61]);
    let mut request = produce_request(good, -1, &batch);
    request.topic_data.extend(produce_request(bad, -1, &noise).topic_data);
    let response: ProduceResponse<'static> = connection.ask(13, &request).await;
    for topic in &response.responses {
        assert_eq!(topic.partition_responses[0].error_code, ErrorCode::CORRUPT_MESSAGE);
    }
    assert!(values(&fetch(&mut connection, good, 0).await, 0).is_empty());
}

/// Waits until the node coordinates groups.
async fn connect_to_coordinator(node: &TestNode) -> TestConnection {
    let mut connection = node.connect().await;
    let request = HeartbeatRequest { group_id: "g".into(), ..HeartbeatRequest::default() };
    let find = FindCoordinatorRequest { key: "g".into(), ..FindCoordinatorRequest::default() };
    loop {
        let found: FindCoordinatorResponse<'static> = connection.ask(3, &find).await;
        let alive: HeartbeatResponse = connection.ask(3, &request).await;
        if found.error_code == ErrorCode::NONE && alive.error_code == ErrorCode::UNKNOWN_MEMBER_ID {
            return connection;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_id_that_is_not_utf_8_is_kept_as_java_reads_it() {
    let node = TestNode::start(&[]).await;
    let mut connection = connect_to_coordinator(&node).await;
    let request = JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol::join_group_request::JoinGroupRequestProtocol {
            name: "range".into(),
            ..Default::default()
        }],
        ..JoinGroupRequest::default()
    };
    let mut frame = Vec::new();
    frame.extend(11_i16.to_be_bytes());
    frame.extend(4_i16.to_be_bytes());
    frame.extend(7_i32.to_be_bytes());
    frame.extend(3_i16.to_be_bytes());
    frame.extend([0xff, 0xfe, b'A']);
    frame.extend(protocol::to_vec(&request, 4).unwrap());
    let mut bytes = (frame.len() as i32).to_be_bytes().to_vec();
    bytes.extend(frame);
    connection.send_raw(&bytes).await;
    let answer = connection.receive().await.unwrap();
    let (_, response): (i32, JoinGroupResponse<'_>) =
        protocol::decode_response(protocol::ApiKey::JoinGroup, 4, &answer).unwrap();
    assert!(response.member_id.starts_with("\u{fffd}\u{fffd}A-"), "{}", response.member_id);
}

/// Whoever could write to `__consumer_offsets` could commit offsets of any group.
#[tokio::test]
async fn only_kafkas_own_admin_client_writes_to_internal_topics() {
    let node = TestNode::start(&[]).await;
    let mut connection = connect_to_coordinator(&node).await;
    let offsets = Topic { name: "__consumer_offsets", id: protocol::Uuid::ZERO };
    let batch = batch(&["a"]);
    let refused = produce_at(&mut connection, 12, offsets, -1, &batch).await;
    assert_eq!(refused.error_code, ErrorCode::INVALID_TOPIC_EXCEPTION);
    assert_eq!((refused.base_offset, refused.log_start_offset), (-1, -1));
    let mut admin = TestConnection::open_as(node.address(), "__admin_client").await;
    // It comes as far as any client comes with a record that has no key in a compacted topic.
    let seen = produce_at(&mut admin, 12, offsets, -1, &batch).await;
    assert_eq!(seen.error_code, ErrorCode::INVALID_RECORD);
}

/// What is said of a name may not grow beyond what a response can hold.
#[tokio::test]
async fn a_name_as_long_as_a_string_can_be_is_refused_in_an_answer() {
    let node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    let name = "x".repeat(32767);
    let topic_partitions =
        vec![elect_leaders_request::TopicPartitions { topic: name.as_str().into(), partitions: vec![0] }];
    let request = ElectLeadersRequest {
        topic_partitions: Some(topic_partitions),
        timeout_ms: 5000,
        ..ElectLeadersRequest::default()
    };
    let answer: ElectLeadersResponse<'static> = connection.ask(1, &request).await;
    let code = answer.replica_election_results[0].partition_result[0].error_code;
    assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    for resource_type in [4, 8] {
        let resource = protocol::describe_configs_request::DescribeConfigsResource {
            resource_type,
            resource_name: name.as_str().into(),
            configuration_keys: None,
        };
        let request = protocol::DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
        let answer: protocol::DescribeConfigsResponse<'static> = connection.ask(4, &request).await;
        assert_eq!(answer.results[0].error_code, ErrorCode::INVALID_REQUEST);
    }
    let users = Some(vec![describe_user_scram_credentials_request::UserName { name: name.as_str().into() }]);
    let request = DescribeUserScramCredentialsRequest { users };
    let answer: DescribeUserScramCredentialsResponse<'static> = connection.ask(0, &request).await;
    assert_eq!(answer.results[0].error_code, ErrorCode::RESOURCE_NOT_FOUND);
}

/// Without the topic of its offsets a node coordinates no group; who asks for the coordinator has the topic made.
#[tokio::test]
async fn nobody_coordinates_before_somebody_asks_for_the_coordinator() {
    let node = TestNode::start(&[]).await;
    let mut connection = node.connect().await;
    let group = "g".repeat(32767);
    let request = || DescribeGroupsRequest {
        groups: vec![group.as_str().into()],
        include_authorized_operations: false,
    };
    let described: DescribeGroupsResponse<'static> = connection.ask(6, &request()).await;
    assert_eq!(described.groups[0].error_code, ErrorCode::NOT_COORDINATOR);
    let deleted: DeleteGroupsResponse<'static> =
        connection.ask(2, &DeleteGroupsRequest { groups_names: vec!["g".into()] }).await;
    assert_eq!(deleted.results[0].error_code, ErrorCode::NOT_COORDINATOR);
    let heartbeat = HeartbeatRequest { group_id: "g".into(), member_id: "m".into(), ..Default::default() };
    let answer: HeartbeatResponse = connection.ask(4, &heartbeat).await;
    assert_eq!(answer.error_code, ErrorCode::NOT_COORDINATOR);
    let mut connection = connect_to_coordinator(&node).await;
    let described: DescribeGroupsResponse<'static> = connection.ask(6, &request()).await;
    assert_eq!(
        described.groups[0].error_code,
        ErrorCode::GROUP_ID_NOT_FOUND,
        "what is said of the name is cut"
    );
}

#[tokio::test]
async fn committed_offsets_are_numbered_from_zero() {
    let node = TestNode::start(&[("offsets.topic.num.partitions", "1")]).await;
    let mut connection = connect_to_coordinator(&node).await;
    create_topic(&mut connection, "t", 1, &[]).await;
    let partitions = vec![OffsetCommitRequestPartition { committed_offset: 5, ..Default::default() }];
    let topics = vec![OffsetCommitRequestTopic { name: "t".into(), partitions, ..Default::default() }];
    let request = OffsetCommitRequest { group_id: "g".into(), topics, ..OffsetCommitRequest::default() };
    let answer: OffsetCommitResponse<'static> = connection.ask(7, &request).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, ErrorCode::NONE);
    let offsets = Topic { name: "__consumer_offsets", id: protocol::Uuid::ZERO };
    let fetched = fetch_at(&mut connection, 12, offsets, &fetch_request(offsets, 0)).await;
    let batch = records::batches(fetched.records.as_slice().unwrap()).next().unwrap().unwrap();
    assert_eq!((batch.header.producer_id, batch.header.base_sequence), (-1, 0));
}

#[tokio::test]
async fn offset_delete_answers_a_topic_that_does_not_exist_even_without_partitions() {
    let node = TestNode::start(&[]).await;
    let mut connection = connect_to_coordinator(&node).await;
    create_topic(&mut connection, "t", 1, &[]).await;
    let partitions = vec![OffsetCommitRequestPartition { committed_offset: 5, ..Default::default() }];
    let topics = vec![OffsetCommitRequestTopic { name: "t".into(), partitions, ..Default::default() }];
    let request = OffsetCommitRequest { group_id: "g".into(), topics, ..OffsetCommitRequest::default() };
    let _: OffsetCommitResponse<'static> = connection.ask(7, &request).await;
    let asked = |name: &'static str, partitions: &[i32]| OffsetDeleteRequestTopic {
        name: name.into(),
        partitions: partitions
            .iter()
            .map(|index| OffsetDeleteRequestPartition { partition_index: *index })
            .collect(),
    };
    let topics = [asked("t", &[0]), asked("nobody", &[])];
    let request = OffsetDeleteRequest { group_id: "g".into(), topics: topics.into() };
    let answer: OffsetDeleteResponse<'static> = connection.ask(0, &request).await;
    assert_eq!(answer.error_code, ErrorCode::NONE);
    let names = |answer: &OffsetDeleteResponse<'_>| -> Vec<String> {
        answer.topics.iter().map(|topic| topic.name.to_string()).collect()
    };
    assert_eq!(names(&answer), ["nobody", "t"]);
    // Where nothing is refused, a topic that is named twice is answered twice.
    let topics = vec![asked("t", &[0]), asked("t", &[0])];
    let request = OffsetDeleteRequest { group_id: "g".into(), topics };
    let answer: OffsetDeleteResponse<'static> = connection.ask(0, &request).await;
    assert_eq!(names(&answer), ["t", "t"]);
}

#[tokio::test]
async fn groups_without_a_name_are_answered_first() {
    let node = TestNode::start(&[]).await;
    let mut connection = connect_to_coordinator(&node).await;
    let request = DeleteGroupsRequest { groups_names: vec!["g".into(), "".into()] };
    let response: DeleteGroupsResponse<'static> = connection.ask(3, &request).await;
    let codes: Vec<_> = response.results.iter().map(|r| (r.group_id.as_ref(), r.error_code)).collect();
    assert_eq!(codes, [("", ErrorCode::GROUP_ID_NOT_FOUND), ("g", ErrorCode::GROUP_ID_NOT_FOUND)]);
}
