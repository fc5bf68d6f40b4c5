//! A cluster of brokers on simulated machines. It keeps what is produced, answers in every version it is allowed, and
//! fails as scripted.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use platform::sim::SimWorld;
use platform::{BindOptions, Platform, Stream};
use protocol::api_versions_response::ApiVersion;
use protocol::*;
use tokio::sync::Notify;

use super::fake_log::FakePartition;
use crate::ClientConfig;

/// What happens to a request instead of, or besides, being served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is answered with this error, and not done.
    Error(ErrorCode),
    /// It is not done, and the connection ends.
    DropBefore,
    /// It is done, and the connection ends before the answer.
    DropAfter,
    /// It is done and answered after this many ms.
    Delay(u64),
    /// It is never answered.
    Silence,
    /// It is served as usual.
    None,
}

#[derive(Debug)]
pub(super) struct FakeTopic {
    pub id: Uuid,
    pub partitions: Vec<FakePartition>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub nodes: BTreeMap<i32, SocketAddr>,
    pub topics: BTreeMap<String, FakeTopic>,
    /// Partitions of topics that asking creates; none are created if it is not set.
    pub auto_create: Option<usize>,
    /// Ranges of versions other than all.
    pub versions: BTreeMap<ApiKey, (i16, i16)>,
    pub faults: BTreeMap<ApiKey, VecDeque<Fault>>,
    /// Served requests: node, key, version.
    pub served: Vec<(i32, ApiKey, i16)>,
    pub max_message_bytes: usize,
    pub next_producer_id: i64,
    /// Group, topic, partition → offset.
    pub committed: BTreeMap<(String, String, i32), i64>,
    pub groups: BTreeMap<String, String>,
    /// Configs of topics.
    pub configs: BTreeMap<(String, String), String>,
    pub no_topic_ids: bool,
}

/// See the module.
#[derive(Clone)]
pub(super) struct FakeCluster {
    pub world: SimWorld,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

pub(super) fn ip(node: i32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 1, node as u8))
}

impl FakeCluster {
    /// Brokers 1 to `nodes`.
    pub async fn start(seed: u64, nodes: i32) -> FakeCluster {
        let world = SimWorld::new(seed);
        let state = State { max_message_bytes: 1_048_588, next_producer_id: 1_000, ..State::default() };
        let cluster =
            FakeCluster { world, state: Arc::new(Mutex::new(state)), changed: Arc::new(Notify::new()) };
        for node in 1..=nodes {
            cluster.state().nodes.insert(node, SocketAddr::new(ip(node), 9092));
            cluster.start_node(node).await;
        }
        cluster
    }

    pub async fn start_node(&self, node: i32) {
        let platform = self.world.boot(ip(node));
        let listener =
            platform.net.bind(SocketAddr::new(ip(node), 9092), BindOptions::default()).await.unwrap();
        let cluster = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(cluster.clone().serve(node, stream));
            }
        });
    }

    /// The machine the client runs on.
    pub fn client(&self) -> Platform {
        self.world.boot(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)))
    }

    pub fn config(&self) -> ClientConfig {
        ClientConfig::new("10.0.1.1:9092").unwrap()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Creates a topic whose partitions are led by the nodes in turn.
    pub fn create_topic(&self, name: &str, partitions: usize) {
        self.state().create_topic(name, partitions);
    }

    pub fn fault(&self, key: ApiKey, faults: &[Fault]) {
        self.state().faults.entry(key).or_default().extend(faults);
    }

    /// How many requests of this kind were served.
    pub fn served(&self, key: ApiKey) -> usize {
        self.state().served.iter().filter(|(_, served, _)| *served == key).count()
    }

    async fn serve(self, node: i32, stream: Stream) {
        loop {
            let mut length = [0; 4];
            if stream.read_exact(&mut length).await.is_err() {
                return;
            }
            let mut frame = vec![0; i32::from_be_bytes(length) as usize];
            if stream.read_exact(&mut frame).await.is_err() {
                return;
            }
            let (header, _) = decode_request_header(&frame).unwrap();
            let key = ApiKey::from_i16(header.request_api_key).unwrap();
            let fault =
                self.state().faults.get_mut(&key).and_then(VecDeque::pop_front).unwrap_or(Fault::None);
            let answer = match fault {
                Fault::DropBefore => return,
                Fault::Silence => continue,
                Fault::Error(code) => self.answer(node, &frame, Some(code)).await,
                Fault::DropAfter => {
                    self.answer(node, &frame, None).await;
                    return;
                }
                Fault::Delay(ms) => {
                    let answer = self.answer(node, &frame, None).await;
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    answer
                }
                Fault::None => self.answer(node, &frame, None).await,
            };
            if let Some(answer) = answer
                && stream.write_all(&answer).await.is_err()
            {
                return;
            }
        }
    }

    /// The answer to a request; `None` if it gets none.
    async fn answer(&self, node: i32, frame: &[u8], error: Option<ErrorCode>) -> Option<Vec<u8>> {
        let (header, body) = decode_request_header(frame).unwrap();
        let key = ApiKey::from_i16(header.request_api_key).unwrap();
        let (version, id) = (header.request_api_version, header.correlation_id);
        if key == ApiKey::Fetch {
            let request: FetchRequest<'_> = from_slice(body, version).unwrap();
            self.wait_for_records(&request).await;
        }
        let mut state = self.state();
        state.served.push((node, key, version));
        let call = Call { node, version, id, error };
        Some(match key {
            ApiKey::ApiVersions => state.api_versions(call),
            ApiKey::Metadata => call.reply(key, &state.metadata(call, from_slice(body, version).unwrap())),
            ApiKey::InitProducerId => {
                let request: InitProducerIdRequest<'_> = from_slice(body, version).unwrap();
                assert_eq!(
                    (request.transactional_id, request.producer_id, request.producer_epoch),
                    (None, -1, -1)
                );
                state.next_producer_id += 1;
                let producer_id = state.next_producer_id;
                let error_code = error.unwrap_or_default();
                let answer =
                    InitProducerIdResponse { error_code, producer_id, ..InitProducerIdResponse::default() };
                call.reply(key, &answer)
            }
            ApiKey::Produce => {
                let request: ProduceRequest<'_> = from_slice(body, version).unwrap();
                let answer = state.produce(call, &request);
                self.changed.notify_waiters();
                if request.acks == 0 {
                    return None;
                }
                call.reply(key, &answer)
            }
            ApiKey::Fetch => call.reply(key, &state.fetch(call, &from_slice(body, version).unwrap())),
            ApiKey::ListOffsets => {
                call.reply(key, &state.list_offsets(call, &from_slice(body, version).unwrap()))
            }
            _ => state.administer(call, key, body),
        })
    }

    /// Waits as a broker does that has nothing to send.
    async fn wait_for_records(&self, request: &FetchRequest<'_>) {
        let deadline = tokio::time::Instant::now() + Duration::from_millis(request.max_wait_ms as u64);
        loop {
            let changed = self.changed.notified();
            let ready = self.state().has_records(request);
            if ready || tokio::time::timeout_at(deadline, changed).await.is_err() {
                return;
            }
        }
    }
}

/// One request being answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub node: i32,
    pub version: i16,
    id: i32,
    /// The error to answer with.
    pub error: Option<ErrorCode>,
}

impl Call {
    pub fn reply<'a, M: Message<'a>>(self, key: ApiKey, answer: &M) -> Vec<u8> {
        encode_response(key, self.version, self.id, answer).unwrap()
    }
}

impl State {
    pub fn create_topic(&mut self, name: &str, partitions: usize) {
        let nodes: Vec<i32> = self.nodes.keys().copied().collect();
        let mut id = [0; 16];
        id[15] = self.topics.len() as u8 + 1;
        let partitions = (0..partitions).map(|p| FakePartition::led_by(nodes[p % nodes.len()])).collect();
        self.topics.insert(name.to_owned(), FakeTopic { id: Uuid(id), partitions });
    }

    fn range(&self, key: ApiKey) -> (i16, i16) {
        self.versions.get(&key).copied().unwrap_or((key.min_version(), key.max_version()))
    }

    fn api_versions(&self, call: Call) -> Vec<u8> {
        let (min, max) = self.range(ApiKey::ApiVersions);
        let entry = |key: ApiKey| {
            let (min_version, max_version) = self.range(key);
            ApiVersion { api_key: key as i16, min_version, max_version }
        };
        if !(min..=max).contains(&call.version) {
            let answer = ApiVersionsResponse {
                error_code: ErrorCode::UNSUPPORTED_VERSION,
                api_keys: vec![entry(ApiKey::ApiVersions)],
                ..ApiVersionsResponse::default()
            };
            return encode_response(ApiKey::ApiVersions, 0, call.id, &answer).unwrap();
        }
        let answer = ApiVersionsResponse {
            error_code: call.error.unwrap_or_default(),
            api_keys: ApiKey::all().filter(|key| self.range(*key).1 >= 0).map(entry).collect(),
            ..ApiVersionsResponse::default()
        };
        call.reply(ApiKey::ApiVersions, &answer)
    }

    fn topic_id(&self, topic: &FakeTopic) -> Uuid {
        if self.no_topic_ids { Uuid::ZERO } else { topic.id }
    }

    fn metadata(&mut self, call: Call, request: MetadataRequest<'_>) -> MetadataResponse<'static> {
        use protocol::metadata_response::*;
        let names: Vec<String> = match &request.topics {
            None => self.topics.keys().cloned().collect(),
            Some(topics) => topics.iter().filter_map(|t| t.name.as_deref().map(str::to_owned)).collect(),
        };
        let mut topics = Vec::new();
        for name in names {
            if let (Some(partitions), true) = (self.auto_create, request.allow_auto_topic_creation)
                && !self.topics.contains_key(&name)
            {
                self.create_topic(&name, partitions);
            }
            let mut answer =
                MetadataResponseTopic { name: Some(name.clone().into()), ..MetadataResponseTopic::default() };
            match (call.error, self.topics.get(&name)) {
                (Some(code), _) => answer.error_code = code,
                (None, None) => answer.error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                (None, Some(topic)) => {
                    answer.topic_id = self.topic_id(topic);
                    answer.partitions = topic
                        .partitions
                        .iter()
                        .enumerate()
                        .map(|(index, partition)| MetadataResponsePartition {
                            partition_index: index as i32,
                            leader_id: partition.leader,
                            leader_epoch: partition.leader_epoch,
                            replica_nodes: vec![partition.leader],
                            isr_nodes: vec![partition.leader],
                            ..MetadataResponsePartition::default()
                        })
                        .collect();
                }
            }
            topics.push(answer);
        }
        let brokers = self.nodes.iter().map(|(&node_id, address)| MetadataResponseBroker {
            node_id,
            host: address.ip().to_string().into(),
            port: i32::from(address.port()),
            rack: None,
        });
        MetadataResponse {
            brokers: brokers.collect(),
            cluster_id: Some("fake".into()),
            controller_id: 1,
            topics,
            ..MetadataResponse::default()
        }
    }

    /// The partition, if this node leads it.
    fn led(
        &mut self,
        node: i32,
        name: &str,
        id: Uuid,
        partition: i32,
    ) -> Result<&mut FakePartition, ErrorCode> {
        let topic = if name.is_empty() {
            self.topics.values_mut().find(|topic| topic.id == id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?
        } else {
            self.topics.get_mut(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?
        };
        let partition =
            topic.partitions.get_mut(partition as usize).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if partition.leader == node { Ok(partition) } else { Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) }
    }

    fn produce(&mut self, call: Call, request: &ProduceRequest<'_>) -> ProduceResponse<'static> {
        use protocol::produce_response::*;
        let max = self.max_message_bytes;
        let mut responses = Vec::new();
        for topic in &request.topic_data {
            let mut partition_responses = Vec::new();
            for data in &topic.partition_data {
                let result = match call.error {
                    Some(code) => Err(code),
                    None => self
                        .led(call.node, &topic.name, topic.topic_id, data.index)
                        .and_then(|partition| partition.produce(data.records.as_slice().unwrap(), max)),
                };
                partition_responses.push(PartitionProduceResponse {
                    index: data.index,
                    error_code: result.err().unwrap_or_default(),
                    base_offset: result.unwrap_or(-1),
                    log_append_time_ms: -1,
                    ..PartitionProduceResponse::default()
                });
            }
            let name = topic.name.to_string().into();
            responses.push(TopicProduceResponse { name, topic_id: topic.topic_id, partition_responses });
        }
        ProduceResponse { responses, ..ProduceResponse::default() }
    }

    fn has_records(&mut self, request: &FetchRequest<'_>) -> bool {
        request.topics.iter().any(|topic| {
            topic.partitions.iter().any(|p| {
                let known =
                    self.topics.iter().find(|(name, t)| **name == *topic.topic || t.id == topic.topic_id);
                let partition = known.and_then(|(_, topic)| topic.partitions.get(p.partition as usize));
                partition.is_none_or(|known| p.fetch_offset != known.end_offset())
            })
        })
    }

    fn fetch(&mut self, call: Call, request: &FetchRequest<'_>) -> FetchResponse<'static> {
        use protocol::fetch_response::*;
        let mut responses = Vec::new();
        for topic in &request.topics {
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let mut data = PartitionData { partition_index: asked.partition, ..PartitionData::default() };
                let result = match call.error {
                    Some(code) => Err(code),
                    None => {
                        self.led(call.node, &topic.topic, topic.topic_id, asked.partition).map(|partition| {
                            let end = partition.end_offset();
                            data.high_watermark = end;
                            data.log_start_offset = partition.start_offset;
                            data.last_stable_offset = partition.last_stable_offset.unwrap_or(end);
                            if !(partition.start_offset..=end).contains(&asked.fetch_offset) {
                                return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
                            }
                            let read = partition.read(asked.fetch_offset, asked.partition_max_bytes as usize);
                            data.records = Records::Owned(read.into());
                            data.aborted_transactions = (request.isolation_level == 1).then(|| {
                                let aborted = partition.aborted.iter();
                                aborted
                                    .map(|&(first_offset, producer_id)| AbortedTransaction {
                                        producer_id,
                                        first_offset,
                                    })
                                    .collect()
                            });
                            Ok(())
                        })
                    }
                };
                data.error_code = result.and_then(|inner| inner).err().unwrap_or_default();
                partitions.push(data);
            }
            let name = topic.topic.to_string().into();
            responses.push(FetchableTopicResponse { topic: name, topic_id: topic.topic_id, partitions });
        }
        FetchResponse { responses, ..FetchResponse::default() }
    }

    fn list_offsets(&mut self, call: Call, request: &ListOffsetsRequest<'_>) -> ListOffsetsResponse<'static> {
        use protocol::list_offsets_response::*;
        let mut topics = Vec::new();
        for topic in &request.topics {
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let found =
                    match call.error {
                        Some(code) => Err(code),
                        None => self.led(call.node, &topic.name, Uuid::ZERO, asked.partition_index).map(
                            |partition| match asked.timestamp {
                                -1 => (partition.end_offset(), -1),
                                -2 => (partition.start_offset, -1),
                                timestamp => partition.offset_for(timestamp).unwrap_or((-1, -1)),
                            },
                        ),
                    };
                let (offset, timestamp) = found.unwrap_or((-1, -1));
                partitions.push(ListOffsetsPartitionResponse {
                    partition_index: asked.partition_index,
                    error_code: found.err().unwrap_or_default(),
                    timestamp,
                    offset,
                    ..ListOffsetsPartitionResponse::default()
                });
            }
            topics.push(ListOffsetsTopicResponse { name: topic.name.to_string().into(), partitions });
        }
        ListOffsetsResponse { topics, ..ListOffsetsResponse::default() }
    }
}
