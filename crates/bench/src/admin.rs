//! Topics for the scenarios, by blocking requests. Owns creation, deletion and waiting for leaders; measures nothing.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use protocol::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::delete_topics_request::DeleteTopicState;
use protocol::fetch_request::{FetchPartition, FetchTopic};
use protocol::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::metadata_request::MetadataRequestTopic;
use protocol::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode,
    FetchRequest, FetchResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    ListOffsetsRequest, ListOffsetsResponse, Message, MetadataRequest, MetadataResponse, ProduceRequest,
    ProduceResponse, Records, Request, Uuid,
};

use crate::Failure;
use crate::frames::{FETCH_VERSION, PRODUCE_VERSION};

/// Versions that the null broker speaks too.
pub const CREATE_TOPICS_VERSION: i16 = 7;
/// See [`CREATE_TOPICS_VERSION`].
pub const DELETE_TOPICS_VERSION: i16 = 6;
/// See [`CREATE_TOPICS_VERSION`].
pub const METADATA_VERSION: i16 = 12;
/// See [`CREATE_TOPICS_VERSION`].
pub const LIST_OFFSETS_VERSION: i16 = 8;

const INCREMENTAL_ALTER_CONFIGS_VERSION: i16 = 1;

const PATIENCE: Duration = Duration::from_secs(60);

/// A topic that exists and whose partitions have leaders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Name.
    pub name: String,
    /// Id, by which produce and fetch requests name it.
    pub id: Uuid,
    /// Number of partitions.
    pub partitions: i32,
}

/// One blocking connection.
pub struct Admin {
    stream: TcpStream,
}

impl Admin {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Result<Admin, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Admin { stream })
    }

    /// Creates a topic and waits until every partition has a leader.
    pub fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Result<Topic, Failure> {
        let configs = configs.iter().map(|(key, value)| CreatableTopicConfig {
            name: Cow::Borrowed(*key),
            value: Some(Cow::Borrowed(*value)),
        });
        let topic = CreatableTopic {
            name: Cow::Borrowed(name),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.collect(),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 60_000, validate_only: false };
        let frame = self.request(CREATE_TOPICS_VERSION, &request)?;
        let response: CreateTopicsResponse<'_> =
            answer::<CreateTopicsRequest<'_>, _>(&frame, CREATE_TOPICS_VERSION)?;
        let result = response.topics.first().ok_or("CreateTopics answered nothing")?;
        if result.error_code != ErrorCode::NONE {
            return Err(format!("CreateTopics {name}: {}", result.error_code.name()).into());
        }
        let topic = self.wait_for_leaders(name, partitions)?;
        self.wait_until_led(&topic)?;
        Ok(topic)
    }

    /// Sets one configuration of a topic.
    pub fn set_topic_config(&mut self, topic: &Topic, key: &str, value: &str) -> Result<(), Failure> {
        let config = AlterableConfig {
            name: Cow::Borrowed(key),
            config_operation: 0,
            value: Some(Cow::Borrowed(value)),
        };
        let resource = AlterConfigsResource {
            resource_type: 2,
            resource_name: Cow::Borrowed(&*topic.name),
            configs: vec![config],
        };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
        let frame = self.request(INCREMENTAL_ALTER_CONFIGS_VERSION, &request)?;
        let response: IncrementalAlterConfigsResponse<'_> =
            answer::<IncrementalAlterConfigsRequest<'_>, _>(&frame, INCREMENTAL_ALTER_CONFIGS_VERSION)?;
        match response.responses.first() {
            Some(result) if result.error_code == ErrorCode::NONE => Ok(()),
            Some(result) => Err(format!("{key}={value}: {}", result.error_code.name()).into()),
            None => Err("IncrementalAlterConfigs answered nothing".into()),
        }
    }

    /// Deletes a topic.
    pub fn delete_topic(&mut self, topic: &Topic) -> Result<(), Failure> {
        let state = DeleteTopicState { name: None, topic_id: topic.id };
        let request =
            DeleteTopicsRequest { topics: vec![state], topic_names: Vec::new(), timeout_ms: 60_000 };
        let frame = self.request(DELETE_TOPICS_VERSION, &request)?;
        let response: DeleteTopicsResponse<'_> =
            answer::<DeleteTopicsRequest<'_>, _>(&frame, DELETE_TOPICS_VERSION)?;
        match response.responses.first() {
            Some(result) if result.error_code == ErrorCode::NONE => Ok(()),
            Some(result) => Err(format!("DeleteTopics {}: {}", topic.name, result.error_code.name()).into()),
            None => Err("DeleteTopics answered nothing".into()),
        }
    }

    /// Appends to several partitions by one request, and checks every answer. `pieces` are topics and partitions, in the
    /// order of topics.
    pub fn produce(&mut self, pieces: &[(&Topic, i32)], batch: &[u8]) -> Result<(), Failure> {
        let data = |(_, index): &(&Topic, i32)| PartitionProduceData {
            index: *index,
            records: Records::Borrowed(batch),
        };
        let of_topic = |pieces: &[(&Topic, i32)]| TopicProduceData {
            topic_id: pieces[0].0.id,
            partition_data: pieces.iter().map(data).collect(),
            ..TopicProduceData::default()
        };
        let topic_data = pieces.chunk_by(|one, next| one.0.id == next.0.id).map(of_topic).collect();
        let request = ProduceRequest { transactional_id: None, acks: -1, timeout_ms: 60_000, topic_data };
        let frame = self.request(PRODUCE_VERSION, &request)?;
        let response: ProduceResponse<'_> = answer::<ProduceRequest<'_>, _>(&frame, PRODUCE_VERSION)?;
        let answers = || response.responses.iter().flat_map(|topic| &topic.partition_responses);
        if let Some(refused) = answers().find(|answer| answer.error_code != ErrorCode::NONE) {
            return Err(format!("partition {}: {}", refused.index, refused.error_code.name()).into());
        }
        if answers().count() == pieces.len() { Ok(()) } else { Err("answers are missing".into()) }
    }

    /// Reads from the beginning of several partitions by one request; gives the bytes of the records.
    pub fn fetch(&mut self, topic: &Topic, partitions: std::ops::Range<i32>) -> Result<u64, Failure> {
        let ask = |partition| FetchPartition {
            partition,
            fetch_offset: 0,
            partition_max_bytes: 1 << 20,
            ..FetchPartition::default()
        };
        let asked = FetchTopic {
            topic_id: topic.id,
            partitions: partitions.map(ask).collect(),
            ..FetchTopic::default()
        };
        let request = FetchRequest {
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 100 << 20,
            topics: vec![asked],
            ..FetchRequest::default()
        };
        let frame = self.request(FETCH_VERSION, &request)?;
        let response: FetchResponse<'_> = answer::<FetchRequest<'_>, _>(&frame, FETCH_VERSION)?;
        let mut bytes = 0;
        for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
            if partition.error_code != ErrorCode::NONE {
                let code = partition.error_code.name();
                return Err(format!("partition {}: {code}", partition.partition_index).into());
            }
            bytes += match &partition.records {
                Records::Borrowed(records) => records.len() as u64,
                _ => 0,
            };
        }
        Ok(bytes)
    }

    fn wait_for_leaders(&mut self, name: &str, partitions: i32) -> Result<Topic, Failure> {
        let began = Instant::now();
        loop {
            let asked =
                MetadataRequestTopic { name: Some(Cow::Borrowed(name)), ..MetadataRequestTopic::default() };
            let request = MetadataRequest { topics: Some(vec![asked]), ..MetadataRequest::default() };
            let frame = self.request(METADATA_VERSION, &request)?;
            let response: MetadataResponse<'_> = answer::<MetadataRequest<'_>, _>(&frame, METADATA_VERSION)?;
            let topic = response.topics.first().ok_or("Metadata answered nothing")?;
            let led = topic
                .partitions
                .iter()
                .filter(|p| p.error_code == ErrorCode::NONE && p.leader_id >= 0)
                .count();
            if topic.error_code == ErrorCode::NONE && led == usize::try_from(partitions)? {
                return Ok(Topic { name: name.to_owned(), id: topic.topic_id, partitions });
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{name} has {led} leaders for {partitions} partitions").into());
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Metadata may name leaders before they lead: waits until every partition answers for its end.
    fn wait_until_led(&mut self, topic: &Topic) -> Result<(), Failure> {
        const LATEST: i64 = -1;
        let began = Instant::now();
        let ask =
            |index| ListOffsetsPartition { partition_index: index, timestamp: LATEST, ..Default::default() };
        let asked = ListOffsetsTopic {
            name: Cow::Borrowed(&*topic.name),
            partitions: (0..topic.partitions).map(ask).collect(),
        };
        let request =
            ListOffsetsRequest { replica_id: -1, isolation_level: 0, topics: vec![asked], timeout_ms: 5_000 };
        loop {
            let frame = self.request(LIST_OFFSETS_VERSION, &request)?;
            let response: ListOffsetsResponse<'_> =
                answer::<ListOffsetsRequest<'_>, _>(&frame, LIST_OFFSETS_VERSION)?;
            let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            let Some(late) = partitions.map(|p| p.error_code).find(|code| *code != ErrorCode::NONE) else {
                return Ok(());
            };
            if began.elapsed() > PATIENCE {
                return Err(format!("{}: a partition still answers {}", topic.name, late.name()).into());
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Sends one request; returns the answer's frame without its length.
    fn request<'a, R: Request<'a>>(&mut self, version: i16, request: &R) -> Result<Vec<u8>, Failure> {
        self.stream.write_all(&protocol::encode_request(1, Some("bench"), version, request)?)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length))?];
        self.stream.read_exact(&mut frame)?;
        Ok(frame)
    }
}

fn answer<'r, 'f, R: Request<'r>, M: Message<'f>>(frame: &'f [u8], version: i16) -> Result<M, Failure> {
    Ok(protocol::decode_response(R::API_KEY, version, frame)?.1)
}
