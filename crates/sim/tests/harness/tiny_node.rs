//! A node just large enough to try the harness on: one topic, no groups, a file per partition. It has mutants: wrong
//! in ways that the checker must find.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platform::{BindOptions, Platform, Stream};
use protocol::api_versions_response::ApiVersion;
use protocol::create_topics_response::CreatableTopicResult;
use protocol::fetch_response::{FetchableTopicResponse, PartitionData};
use protocol::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use protocol::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use protocol::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use protocol::{
    ApiKey, ApiVersionsResponse, CreateTopicsRequest, CreateTopicsResponse, ErrorCode, FetchRequest,
    FetchResponse, InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse, Message, MetadataRequest,
    MetadataResponse, ProduceRequest, ProduceResponse, Records, Request, Uuid, decode_request_header,
    encode_response, from_slice,
};
use sim::{Properties, RunningNode, SimNode, Starting, Stopping};
use tokio::time::{Instant, sleep};

use crate::tiny_log::TinyLog;

/// How the node is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Not at all.
    None,
    /// Answers before the flush that it promises.
    AcksBeforeFlush,
    /// Shows readers what is not flushed yet.
    ServesUncommitted,
    /// Knows no sequence after a start, and takes any.
    ForgetsProducers,
    /// Takes a batch again that it has.
    AppendsTwice,
    /// Answers for a batch that it drops.
    DropsABatch,
    /// Starts with damaged bytes at the end of its log.
    TrustsTheTail,
    /// Answers two requests in the wrong order.
    SwapsAnswers,
    /// Tells an end that it does not have yet, and then the right one.
    MisstatesTheEnd,
    /// Does not come back after a crash.
    DiesAtStart,
    /// Panics in a task of its own.
    Panics,
}

const SERVED: &[(ApiKey, i16, i16)] = &[
    (ApiKey::Produce, 3, 12),
    (ApiKey::Fetch, 4, 12),
    (ApiKey::ListOffsets, 1, 7),
    (ApiKey::Metadata, 10, 12),
    (ApiKey::ApiVersions, 0, 3),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::InitProducerId, 0, 4),
];

const TOPIC_ID: Uuid = Uuid([7; 16]);
const DIR: &str = "/data";

pub struct TinyNode {
    platform: Platform,
    mutant: Mutant,
    flushes_first: bool,
    topic: Mutex<Option<Topic>>,
    answers: std::sync::atomic::AtomicU32,
}

struct Topic {
    name: String,
    logs: Vec<Arc<Mutex<TinyLog>>>,
}

struct Running;

impl RunningNode for Running {
    fn stop(self: Box<Self>) -> Stopping {
        // The harness ends the process afterwards; there is nothing to be tidied up.
        Box::pin(async {})
    }
}

/// What starts tiny nodes.
pub fn starter(mutant: Mutant) -> Box<dyn SimNode> {
    Box::new(move |platform: Platform, properties: Properties| -> Starting {
        Box::pin(async move {
            TinyNode::start(platform, properties, mutant).await.map_err(|e| e.to_string())?;
            Ok(Box::new(Running) as Box<dyn RunningNode>)
        })
    })
}

impl TinyNode {
    async fn start(platform: Platform, properties: Properties, mutant: Mutant) -> std::io::Result<()> {
        if mutant == Mutant::DiesAtStart && platform.disk.exists(Path::new(DIR)) {
            return Err(std::io::Error::other("this mutant never comes back"));
        }
        platform.disk.create_dir_all(Path::new(DIR))?;
        platform.disk.sync_dir(Path::new("/"))?;
        let flushes_first = properties.get("log.durability.mode").is_none_or(|mode| mode == "durable");
        let (topic, answers) = (Mutex::new(None), Default::default());
        let node = Arc::new(Self { platform, mutant, flushes_first, topic, answers });
        let file = Path::new(DIR).join("topic");
        if node.platform.disk.exists(&file) {
            let text = String::from_utf8(node.platform.disk.read(&file)?).expect("written by this node");
            let (count, name) = text.split_once(' ').expect("written by this node");
            node.open_topic(name, count.parse().expect("written by this node"))?;
        }
        let address = SocketAddr::from(([0, 0, 0, 0], 9092));
        let listener = node.platform.net.bind(address, BindOptions::default()).await?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&node).serve(stream));
            }
        });
        Ok(())
    }

    fn open_topic(&self, name: &str, count: usize) -> std::io::Result<()> {
        let path = |n| PathBuf::from(format!("{DIR}/{n}.log"));
        let open = |n| Ok(Arc::new(Mutex::new(TinyLog::open(&self.platform, &path(n), self.mutant)?)));
        let logs = (0..count).map(open).collect::<std::io::Result<_>>()?;
        self.platform.disk.sync_dir(Path::new(DIR))?;
        *self.topic.lock().unwrap() = Some(Topic { name: name.to_owned(), logs });
        Ok(())
    }

    async fn serve(self: Arc<Self>, stream: Stream) {
        let mut length = [0; 4];
        let mut held: Option<Vec<u8>> = None;
        while stream.read_exact(&mut length).await.is_ok() {
            let mut frame = vec![0; usize::try_from(i32::from_be_bytes(length)).unwrap()];
            if stream.read_exact(&mut frame).await.is_err() {
                return;
            }
            let Some(answer) = self.answer(&frame).await else { return };
            let number = self.answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            assert!(self.mutant != Mutant::Panics || number != 30, "this mutant panics");
            let is_produce = frame.starts_with(&(ApiKey::Produce as i16).to_be_bytes());
            let swaps = self.mutant == Mutant::SwapsAnswers && is_produce && number.is_multiple_of(10);
            if swaps && held.is_none() {
                held = Some(answer);
                continue;
            }
            for answer in std::iter::once(answer).chain(held.take()) {
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let (header, body) = decode_request_header(frame).ok()?;
        let (version, id) = (header.request_api_version, header.correlation_id);
        let key = ApiKey::from_i16(header.request_api_key)?;
        match key {
            ApiKey::ApiVersions => encode(key, version, id, &api_versions()),
            ApiKey::Metadata => encode(key, version, id, &self.metadata(&decode(body, version))),
            ApiKey::CreateTopics => encode(key, version, id, &self.create_topics(&decode(body, version))),
            ApiKey::InitProducerId => encode(key, version, id, &self.init_producer_id()),
            ApiKey::Produce => encode(key, version, id, &self.produce(&decode(body, version)).await),
            ApiKey::Fetch => encode(key, version, id, &self.fetch(&decode(body, version)).await),
            ApiKey::ListOffsets => encode(key, version, id, &self.list_offsets(&decode(body, version))),
            _ => None,
        }
    }

    fn metadata(&self, request: &MetadataRequest<'_>) -> MetadataResponse<'static> {
        let asked = request.topics.iter().flatten().next().and_then(|t| t.name.as_deref()).unwrap_or("");
        let topic = self.topic.lock().unwrap();
        let known = topic.as_ref().filter(|t| t.name == asked);
        let partition = |index| MetadataResponsePartition {
            partition_index: index,
            leader_id: 1,
            ..MetadataResponsePartition::default()
        };
        let count = known.map_or(0, |t| t.logs.len());
        let topic = MetadataResponseTopic {
            error_code: known.map_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, |_| ErrorCode::NONE),
            name: Some(asked.to_owned().into()),
            topic_id: TOPIC_ID,
            partitions: (0..i32::try_from(count).unwrap()).map(partition).collect(),
            ..MetadataResponseTopic::default()
        };
        MetadataResponse { topics: vec![topic], ..MetadataResponse::default() }
    }

    fn create_topics(&self, request: &CreateTopicsRequest<'_>) -> CreateTopicsResponse<'static> {
        let asked = request.topics.first().unwrap();
        let count = usize::try_from(asked.num_partitions).unwrap();
        let created = self.open_topic(&asked.name, count).and_then(|()| {
            let text = format!("{count} {}", asked.name);
            self.platform.disk.write_atomic(&Path::new(DIR).join("topic"), text.as_bytes())
        });
        let result = CreatableTopicResult {
            name: asked.name.clone().into_owned().into(),
            error_code: created.map_or(ErrorCode::KAFKA_STORAGE_ERROR, |()| ErrorCode::NONE),
            ..CreatableTopicResult::default()
        };
        CreateTopicsResponse { topics: vec![result], ..CreateTopicsResponse::default() }
    }

    /// Ids are random: the node would have to write a counter down otherwise.
    fn init_producer_id(&self) -> InitProducerIdResponse {
        let producer_id = i64::try_from(self.platform.rng.below(1 << 62)).unwrap();
        InitProducerIdResponse { producer_id, producer_epoch: 0, ..InitProducerIdResponse::default() }
    }

    fn log(&self, partition: i32) -> Arc<Mutex<TinyLog>> {
        let topic = self.topic.lock().unwrap();
        Arc::clone(&topic.as_ref().unwrap().logs[usize::try_from(partition).unwrap()])
    }

    async fn produce(&self, request: &ProduceRequest<'_>) -> ProduceResponse<'static> {
        let topic = &request.topic_data[0];
        let data = &topic.partition_data[0];
        let log = self.log(data.index);
        let (appended, end, file) = {
            let mut log = log.lock().unwrap();
            let appended = log.append(data.records.as_slice().unwrap());
            (appended, log.end, Arc::clone(&log.file))
        };
        if !self.flushes_first || self.mutant == Mutant::AcksBeforeFlush {
            let mut log = log.lock().unwrap();
            log.committed = log.end;
        } else if self.platform.blocking.run(move || file.sync_data()).await.is_ok() {
            let mut log = log.lock().unwrap();
            log.committed = log.committed.max(end);
        }
        let answer = PartitionProduceResponse {
            index: data.index,
            error_code: appended.err().unwrap_or(ErrorCode::NONE),
            base_offset: appended.unwrap_or(-1),
            ..PartitionProduceResponse::default()
        };
        let name = topic.name.clone().into_owned().into();
        let partition_responses = vec![answer];
        let answer = TopicProduceResponse { name, partition_responses, ..TopicProduceResponse::default() };
        ProduceResponse { responses: vec![answer], ..ProduceResponse::default() }
    }

    async fn fetch(&self, request: &FetchRequest<'_>) -> FetchResponse<'static> {
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap());
        let deadline = Instant::now() + wait;
        loop {
            let partitions: Vec<_> = request.topics[0].partitions.iter().map(|p| self.read(p)).collect();
            let is_worth_it = partitions.iter().any(|p| !p.records.is_empty() || p.error_code.is_error());
            if is_worth_it || Instant::now() >= deadline {
                let topic = request.topics[0].topic.clone().into_owned().into();
                let answer =
                    FetchableTopicResponse { topic, partitions, ..FetchableTopicResponse::default() };
                return FetchResponse { responses: vec![answer], ..FetchResponse::default() };
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn read(&self, asked: &protocol::fetch_request::FetchPartition) -> PartitionData<'static> {
        let log = self.log(asked.partition);
        let log = log.lock().unwrap();
        let max_bytes = u64::try_from(asked.partition_max_bytes).unwrap();
        let read = log.read(asked.fetch_offset, max_bytes);
        PartitionData {
            partition_index: asked.partition,
            error_code: read.as_ref().err().copied().unwrap_or(ErrorCode::NONE),
            high_watermark: log.committed,
            records: Records::Owned(read.unwrap_or_default().into()),
            ..PartitionData::default()
        }
    }

    fn list_offsets(&self, request: &ListOffsetsRequest<'_>) -> ListOffsetsResponse<'static> {
        let asked = &request.topics[0];
        let number = self.answers.load(std::sync::atomic::Ordering::Relaxed);
        let answer = |p: &protocol::list_offsets_request::ListOffsetsPartition| {
            let log = self.log(p.partition_index);
            let log = log.lock().unwrap();
            let wrong = i64::from(self.mutant == Mutant::MisstatesTheEnd && number.is_multiple_of(2));
            let offset = if p.timestamp == -2 { 0 } else { log.committed - wrong };
            ListOffsetsPartitionResponse {
                partition_index: p.partition_index,
                offset,
                ..ListOffsetsPartitionResponse::default()
            }
        };
        let name = asked.name.clone().into_owned().into();
        let partitions = asked.partitions.iter().map(answer).collect();
        let topics = vec![ListOffsetsTopicResponse { name, partitions }];
        ListOffsetsResponse { topics, ..ListOffsetsResponse::default() }
    }
}

fn api_versions() -> ApiVersionsResponse<'static> {
    let served = |(key, min_version, max_version): &(ApiKey, i16, i16)| ApiVersion {
        api_key: *key as i16,
        min_version: *min_version,
        max_version: *max_version,
    };
    ApiVersionsResponse { api_keys: SERVED.iter().map(served).collect(), ..ApiVersionsResponse::default() }
}

fn decode<'a, R: Request<'a>>(body: &'a [u8], version: i16) -> R {
    from_slice(body, version).unwrap()
}

fn encode<'a, M: Message<'a>>(key: ApiKey, version: i16, correlation: i32, answer: &M) -> Option<Vec<u8>> {
    Some(encode_response(key, version, correlation, answer).unwrap())
}
