//! Owns what every client does: connect again and again, learn about the topic, ask for bounds and committed
//! offsets, and read everything back in the end. It keeps no position.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use platform::{Platform, Rng};
use protocol::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::metadata_request::MetadataRequestTopic;
use protocol::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::{
    ApiKey, CreateTopicsRequest, ErrorCode, ListOffsetsRequest, MetadataRequest, OffsetFetchRequest, Uuid,
};
use tokio::time::sleep;

use super::fetcher::Fetcher;
use crate::fault::NODE;
use crate::history::{Event, History};
use crate::plan::Plan;
use crate::wire::{Lost, Wire};

/// The group of a plan's members.
pub(super) const GROUP: &str = "group";

/// Where a node serves.
const PORT: u16 = 9092;

/// Names in ListOffsets of the first offset and of the one after the last.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// One client on its machine.
pub(super) struct Session {
    pub(super) platform: Platform,
    pub(super) name: String,
    pub(super) rng: Rng,
    pub(super) history: History,
    pub(super) plan: Arc<Plan>,
}

impl Session {
    /// Tells the trace why a connection is gone, and pauses before the next.
    pub(super) async fn recover(&self, Lost(reason): Lost) {
        self.history.note(format_args!("{} lost its connection: {reason}", self.name));
        self.pause().await;
    }

    /// A short, seeded pause before trying again.
    pub(super) async fn pause(&self) {
        sleep(Duration::from_millis(20 + self.rng.below(300))).await;
    }

    /// Connects, however often it takes.
    pub(super) async fn connect(&self) -> Wire {
        loop {
            let address = SocketAddr::new(NODE, PORT);
            match Wire::connect(&self.platform, address, &self.name, &self.rng).await {
                Ok(wire) => return wire,
                Err(lost) => self.recover(lost).await,
            }
        }
    }

    /// Connects and learns the topic's id, however often it takes.
    pub(super) async fn open(&self) -> (Wire, Uuid) {
        loop {
            let mut wire = self.connect().await;
            if let Ok(Some(id)) = self.topic_id(&mut wire).await {
                return (wire, id);
            }
            self.pause().await;
        }
    }

    /// The topic's id, if all its partitions have a leader.
    async fn topic_id(&self, wire: &mut Wire) -> Result<Option<Uuid>, Lost> {
        let name = Some(self.plan.topic.clone().into());
        let request = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic { name, ..MetadataRequestTopic::default() }]),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let answer = wire.call(&request).await?;
        let topic = answer.topics.first().expect("Metadata answers for the topic it was asked for");
        assert_eq!(topic.name.as_deref(), Some(self.plan.topic.as_str()), "Metadata names the topic");
        if topic.error_code.is_error() {
            assert!(topic.error_code.is_retriable(), "Metadata of an existing topic: {}", topic.error_code);
            return Ok(None);
        }
        assert_eq!(topic.partitions.len(), self.partitions().count(), "all partitions are known");
        let is_led = topic.partitions.iter().all(|p| p.leader_id >= 0 && !p.error_code.is_error());
        Ok(is_led.then_some(topic.topic_id))
    }

    pub(super) fn partitions(&self) -> std::ops::Range<i32> {
        0..self.plan.partitions
    }

    /// Creates the plan's topic.
    pub(super) async fn create_topic(&self) {
        let config = |(name, value): &(String, String)| CreatableTopicConfig {
            name: name.clone().into(),
            value: Some(value.clone().into()),
        };
        let topic = CreatableTopic {
            name: self.plan.topic.clone().into(),
            num_partitions: self.plan.partitions,
            replication_factor: 1,
            configs: self.plan.topic_configs.iter().map(config).collect(),
            ..CreatableTopic::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..CreateTopicsRequest::default() };
        loop {
            let mut wire = self.connect().await;
            if let Ok(answer) = wire.call(&request).await {
                let result = answer.topics.first().expect("CreateTopics answers for each topic");
                match result.error_code {
                    ErrorCode::NONE | ErrorCode::TOPIC_ALREADY_EXISTS => return,
                    error if error.is_retriable() => {}
                    error => panic!("creating the topic: {error} {:?}", result.error_message),
                }
            }
            self.pause().await;
        }
    }

    /// The bounds of all partitions; `None` if the node cannot tell now.
    pub(super) async fn bounds(&self, wire: &mut Wire) -> Result<Option<BTreeMap<i32, (i64, i64)>>, Lost> {
        let began = self.history.now();
        let Some(starts) = self.offsets(wire, EARLIEST).await? else { return Ok(None) };
        let Some(ends) = self.offsets(wire, LATEST).await? else { return Ok(None) };
        let bounds: BTreeMap<_, _> = starts
            .into_iter()
            .zip(ends)
            .map(|((partition, start), (_, end))| (partition, (start, end)))
            .collect();
        for (partition, (start, end)) in &bounds {
            let event = Event::Bounds { partition: *partition, start: *start, end: *end };
            self.history.add_since(began, event);
        }
        Ok(Some(bounds))
    }

    async fn offsets(&self, wire: &mut Wire, timestamp: i64) -> Result<Option<BTreeMap<i32, i64>>, Lost> {
        let partition = |index| ListOffsetsPartition {
            partition_index: index,
            timestamp,
            ..ListOffsetsPartition::default()
        };
        let topic = ListOffsetsTopic {
            name: self.plan.topic.clone().into(),
            partitions: self.partitions().map(partition).collect(),
        };
        let request =
            ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..ListOffsetsRequest::default() };
        let answer = wire.call(&request).await?;
        let partitions = answer.topics.iter().flat_map(|t| &t.partitions);
        let mut offsets = BTreeMap::new();
        for partition in partitions {
            match partition.error_code {
                ErrorCode::NONE => _ = offsets.insert(partition.partition_index, partition.offset),
                error if error.is_retriable() => return Ok(None),
                error => panic!("ListOffsets of partition {}: {error}", partition.partition_index),
            }
        }
        assert!(offsets.keys().copied().eq(self.partitions()), "ListOffsets answers for every partition");
        Ok(Some(offsets))
    }

    /// What the group has committed (-1 for nothing); `None` if the node cannot tell now.
    pub(super) async fn committed(
        &self,
        wire: &mut Wire,
        topic_id: Uuid,
        partitions: &[i32],
    ) -> Result<Option<BTreeMap<i32, i64>>, Lost> {
        let began = self.history.now();
        let request = self.committed_request(wire.version(ApiKey::OffsetFetch), topic_id, partitions);
        let answer = wire.call(&request).await?;
        let mut error = answer.error_code;
        let mut offsets = BTreeMap::new();
        for partition in answer.topics.iter().flat_map(|t| &t.partitions) {
            error = if error.is_error() { error } else { partition.error_code };
            offsets.insert(partition.partition_index, partition.committed_offset);
        }
        for group in &answer.groups {
            error = if error.is_error() { error } else { group.error_code };
            for partition in group.topics.iter().flat_map(|t| &t.partitions) {
                error = if error.is_error() { error } else { partition.error_code };
                offsets.insert(partition.partition_index, partition.committed_offset);
            }
        }
        if error.is_error() {
            assert!(error.is_retriable(), "OffsetFetch: {error}");
            return Ok(None);
        }
        assert!(offsets.keys().eq(partitions), "OffsetFetch answers for every partition");
        for (partition, offset) in &offsets {
            let event = Event::CommittedIs { partition: *partition, offset: *offset };
            self.history.add_since(began, event);
        }
        Ok(Some(offsets))
    }

    fn committed_request(
        &self,
        version: i16,
        topic_id: Uuid,
        partitions: &[i32],
    ) -> OffsetFetchRequest<'static> {
        let (name, partition_indexes) = (self.plan.topic.clone().into(), partitions.to_vec());
        if version < 8 {
            let topics = Some(vec![OffsetFetchRequestTopic { name, partition_indexes }]);
            return OffsetFetchRequest { group_id: GROUP.into(), topics, ..OffsetFetchRequest::default() };
        }
        let topics = Some(vec![OffsetFetchRequestTopics { name, topic_id, partition_indexes }]);
        let group =
            OffsetFetchRequestGroup { group_id: GROUP.into(), topics, ..OffsetFetchRequestGroup::default() };
        OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() }
    }

    /// Waits until the group has committed everything that is written.
    pub(super) async fn wait_until_all_is_committed(&self) {
        let all: Vec<_> = self.partitions().collect();
        loop {
            let (mut wire, topic_id) = self.open().await;
            while let Ok(Some(bounds)) = self.bounds(&mut wire).await {
                let Ok(Some(committed)) = self.committed(&mut wire, topic_id, &all).await else { break };
                if bounds.iter().all(|(partition, (_, end))| committed[partition].max(0) == *end) {
                    return;
                }
                sleep(Duration::from_millis(500)).await;
            }
            self.pause().await;
        }
    }

    /// Reads every partition from its start to its end, for the checker's last word.
    pub(super) async fn read_back(&self) {
        loop {
            let (mut wire, topic_id) = self.open().await;
            if let Ok(true) = self.try_read_back(&mut wire, topic_id).await {
                return;
            }
            self.pause().await;
        }
    }

    async fn try_read_back(&self, wire: &mut Wire, topic_id: Uuid) -> Result<bool, Lost> {
        let Some(bounds) = self.bounds(wire).await? else { return Ok(false) };
        for (partition, (start, end)) in bounds {
            let mut records = Vec::new();
            let mut fetcher = Fetcher::sessionless([(partition, start)].into());
            while fetcher.positions[&partition] < end {
                let fetched = fetcher.poll(self, wire, topic_id).await?;
                assert!(fetched.out_of_range.is_empty(), "the end {end} was told just before");
                records.extend(fetched.records.into_iter().map(|r| (r.offset, r.value)));
            }
            self.history.add(Event::Final { partition, records });
        }
        Ok(true)
    }
}
