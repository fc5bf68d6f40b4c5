//! Short ways to make topics, batches and requests.

use std::borrow::Cow;

use protocol::create_topics_request::CreatableTopic;
use protocol::fetch_request::{FetchPartition, FetchTopic};
use protocol::fetch_response::PartitionData;
use protocol::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::produce_response::PartitionProduceResponse;
use protocol::{
    CreateTopicsRequest, CreateTopicsResponse, ErrorCode, FetchRequest, FetchResponse, ProduceRequest,
    ProduceResponse, Records, Uuid,
};
use records::{BatchBuilder, BatchSettings, Compression};
use testkit::{TestConnection, TestNode};

/// A topic of a test.
#[derive(Clone, Copy)]
pub struct Topic {
    pub name: &'static str,
    pub id: Uuid,
}

pub async fn create_topic(
    connection: &mut TestConnection,
    name: &'static str,
    partitions: i32,
    configs: &[(&'static str, &'static str)],
) -> Topic {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs
            .iter()
            .map(|(name, value)| protocol::create_topics_request::CreatableTopicConfig {
                name: Cow::Borrowed(name),
                value: Some(Cow::Borrowed(value)),
            })
            .collect(),
        ..CreatableTopic::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 5000, ..CreateTopicsRequest::default() };
    let response: CreateTopicsResponse<'_> = connection.ask(7, &request).await;
    assert_eq!(response.topics[0].error_code, ErrorCode::NONE, "{:?}", response.topics[0].error_message);
    Topic { name, id: response.topics[0].topic_id }
}

/// A node with one topic of one partition.
pub async fn node_with_topic(properties: &[(&str, &str)]) -> (TestNode, TestConnection, Topic) {
    let node = TestNode::start(properties).await;
    let mut connection = node.connect().await;
    let topic = create_topic(&mut connection, "t", 1, &[]).await;
    (node, connection, topic)
}

/// The identity of a producer's batch.
#[derive(Clone, Copy)]
pub struct Producer {
    pub id: i64,
    pub epoch: i16,
    pub sequence: i32,
}

/// A batch of `values`, from now, without keys.
pub fn batch(values: &[&str]) -> Vec<u8> {
    build(values, BatchSettings::default())
}

pub fn batch_of(producer: Producer, values: &[&str]) -> Vec<u8> {
    build(values, settings_of(producer))
}

pub fn transactional(producer: Producer, values: &[&str]) -> Vec<u8> {
    build(values, BatchSettings { transactional: true, ..settings_of(producer) })
}

fn settings_of(producer: Producer) -> BatchSettings {
    BatchSettings {
        producer_id: producer.id,
        producer_epoch: producer.epoch,
        base_sequence: producer.sequence,
        ..BatchSettings::default()
    }
}

pub fn compressed(values: &[&str], compression: Compression) -> Vec<u8> {
    build(values, BatchSettings { compression, ..BatchSettings::default() })
}

fn build(values: &[&str], settings: BatchSettings) -> Vec<u8> {
    let mut builder = BatchBuilder::new(settings);
    let now_ms = platform::Clock::os().wall_ms();
    for value in values {
        builder.append(None, Some(value.as_bytes()), &[], now_ms).expect("a record fits");
    }
    builder.build().expect("a batch can be built")
}

pub fn produce_request(topic: Topic, acks: i16, batch: &[u8]) -> ProduceRequest<'_> {
    ProduceRequest {
        acks,
        timeout_ms: 5000,
        topic_data: vec![TopicProduceData {
            name: topic.name.into(),
            topic_id: topic.id,
            partition_data: vec![PartitionProduceData { index: 0, records: Records::Borrowed(batch) }],
        }],
        transactional_id: None,
    }
}

pub async fn produce_at(
    connection: &mut TestConnection,
    version: i16,
    topic: Topic,
    acks: i16,
    batch: &[u8],
) -> PartitionProduceResponse<'static> {
    let topic = at_version(topic, version);
    let mut response: ProduceResponse<'static> =
        connection.ask(version, &produce_request(topic, acks, batch)).await;
    response.responses.remove(0).partition_responses.remove(0)
}

pub async fn produce(
    connection: &mut TestConnection,
    topic: Topic,
    batch: &[u8],
) -> PartitionProduceResponse<'static> {
    produce_at(connection, 13, topic, -1, batch).await
}

/// A request of an old version may not name an id, one of a new version no name.
pub fn at_version(topic: Topic, version: i16) -> Topic {
    if version >= 13 { topic } else { Topic { id: Uuid::ZERO, ..topic } }
}

pub fn fetch_request(topic: Topic, offset: i64) -> FetchRequest<'static> {
    FetchRequest {
        max_wait_ms: 0,
        min_bytes: 1,
        max_bytes: 50 << 20,
        session_epoch: -1,
        topics: vec![FetchTopic {
            topic: topic.name.into(),
            topic_id: topic.id,
            partitions: vec![FetchPartition {
                partition: 0,
                fetch_offset: offset,
                partition_max_bytes: 1 << 20,
                ..FetchPartition::default()
            }],
        }],
        ..FetchRequest::default()
    }
}

pub async fn fetch_at(
    connection: &mut TestConnection,
    version: i16,
    topic: Topic,
    request: &FetchRequest<'_>,
) -> PartitionData<'static> {
    let mut request = request.clone();
    request.topics[0].topic_id = at_version(topic, version).id;
    let mut response: FetchResponse<'static> = connection.ask(version, &request).await;
    assert_eq!(response.error_code, ErrorCode::NONE);
    response.responses.remove(0).partitions.remove(0)
}

pub async fn fetch(connection: &mut TestConnection, topic: Topic, offset: i64) -> PartitionData<'static> {
    fetch_at(connection, 18, topic, &fetch_request(topic, offset)).await
}

/// The values of all records from `offset` on, in order.
pub fn values(data: &PartitionData<'_>, offset: i64) -> Vec<String> {
    let bytes = data.records.as_slice().unwrap_or_default();
    let mut out = Vec::new();
    for batch in records::batches(bytes) {
        let Ok(batch) = batch else { break };
        batch.verify_crc().expect("stored batches keep their checksum");
        let mut plain = Vec::new();
        for record in
            batch.open(records::DEFAULT_DECOMPRESSED_LIMIT_BYTES, &mut plain).expect("a batch can be read")
        {
            let record = record.expect("a record can be read");
            if record.offset >= offset {
                out.push(String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned());
            }
        }
    }
    out
}
