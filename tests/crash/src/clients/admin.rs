//! An administrator who creates topics, deletes them, and deletes records.

use platform::Rng;
use protocol::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::delete_topics_request::DeleteTopicState;
use protocol::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, Uuid,
};

use super::reader::{EARLIEST, LATEST, offset_of};
use super::{Client, Scene};
use crate::history::{Event, Topic, TopicKind};
use crate::value::Place;
use crate::wire::{Lost, Wire};

/// Longest pause between two deeds, ms.
const PAUSE_LONGEST_MS: u64 = 60;

/// Topics that come and go begin with this.
const PASSING: &str = "passing-";

/// Names of topics that come and go, so that names come again.
const NAMES: u64 = 4;

/// The administrator.
pub struct Administrator {
    rng: Rng,
    next_topic: u32,
    /// Topics that come and go, with their numbers.
    passing: Vec<Topic>,
    /// A partition with more records than this is shortened, whatever chance says.
    records_max: i64,
}

impl Administrator {
    /// An administrator who numbers topics from `next_topic` on.
    pub fn new(next_topic: u32, rng: Rng) -> Self {
        Self { rng, next_topic, passing: Vec::new(), records_max: 3_000 }
    }

    /// Topics are numbered far behind those of an earlier one.
    pub fn skip_numbers(&mut self) {
        self.next_topic += super::SKIPPED;
    }

    /// After a start: the topics that come and go and are there.
    pub fn set_topics(&mut self, topics: Vec<Topic>) {
        self.passing = topics;
        self.passing.retain(|topic| topic.name.starts_with(PASSING));
    }

    fn create_one(&mut self, scene: &Scene, wire: &mut Wire, events: &mut Vec<Event>) -> Result<(), Lost> {
        let name = format!("{PASSING}{}", self.rng.below(NAMES));
        if self.passing.iter().any(|topic| topic.name == name) {
            return self.delete_one(scene, wire, events);
        }
        let partitions = 1 + i32::try_from(self.rng.below(3)).unwrap_or(0);
        let kind = if self.rng.one_in(2) { TopicKind::Shrinking } else { TopicKind::Plain };
        let topic = Topic { number: self.next_topic, name, id: Uuid::ZERO, partitions, kind };
        self.next_topic += 1;
        self.passing.push(topic.clone());
        match create(wire, &topic, &self.rng, events)? {
            Some(id) => {
                self.passing.iter_mut().filter(|t| t.number == topic.number).for_each(|t| t.id = id);
                scene.add_topic(Topic { id, ..topic });
            }
            None => self.passing.retain(|t| t.number != topic.number),
        }
        Ok(())
    }

    fn delete_one(&mut self, scene: &Scene, wire: &mut Wire, events: &mut Vec<Event>) -> Result<(), Lost> {
        let index = usize::try_from(self.rng.below(self.passing.len() as u64)).unwrap_or(0);
        if self.passing.get(index).is_none_or(|topic| topic.id == Uuid::ZERO) {
            return Ok(());
        }
        let topic = self.passing.remove(index);
        scene.retire_topic(topic.number);
        events.push(Event::Deleting(topic.number));
        let state = DeleteTopicState { topic_id: topic.id, ..DeleteTopicState::default() };
        let request = DeleteTopicsRequest { topics: vec![state], timeout_ms: 10_000, ..Default::default() };
        let answer: DeleteTopicsResponse<'_> = wire.call(&request)?;
        match answer.responses.first().map(|told| told.error_code) {
            Some(ErrorCode::NONE) => events.push(Event::Deleted(topic.number)),
            // Whether it is gone, nobody said.
            Some(error) if error.is_retriable() => {}
            error => events.push(Event::Wrong(format!("deleting {}: {error:?}", topic.name))),
        }
        Ok(())
    }

    fn delete_records(
        &mut self,
        scene: &Scene,
        wire: &mut Wire,
        events: &mut Vec<Event>,
    ) -> Result<(), Lost> {
        let Some(topic) = scene.any_topic(&self.rng) else { return Ok(()) };
        let partition = i32::try_from(self.rng.below(topic.partitions.unsigned_abs().into())).unwrap_or(0);
        let (Ok(start), Ok(end)) =
            (offset_of(wire, &topic, partition, EARLIEST)?, offset_of(wire, &topic, partition, LATEST)?)
        else {
            return Ok(());
        };
        let span = u64::try_from(end - start).unwrap_or(0);
        if end - start < self.records_max && !self.rng.one_in(4) {
            return Ok(());
        }
        let offset = start + i64::try_from(self.rng.below(span + 1)).unwrap_or(0);
        events.push(Event::DeletingRecords(Place { topic: topic.number, partition }, offset));
        let asked = DeleteRecordsPartition { partition_index: partition, offset };
        let topics = vec![DeleteRecordsTopic { name: topic.name.clone().into(), partitions: vec![asked] }];
        let request = DeleteRecordsRequest { topics, timeout_ms: 10_000 };
        let answer: DeleteRecordsResponse<'_> = wire.call(&request)?;
        let told = answer.topics.iter().flat_map(|topic| &topic.partitions).next();
        match told {
            Some(told) if told.error_code == ErrorCode::NONE && told.low_watermark >= offset => {}
            Some(told) if told.error_code.is_retriable() => {}
            _ if !scene.is_used(topic.number) => {}
            told => events.push(Event::Wrong(format!("deleting records of {}: {told:?}", topic.name))),
        }
        Ok(())
    }
}

/// Creates a topic; gives its id unless it is refused for a while.
///
/// # Errors
/// The connection is gone.
pub fn create(
    wire: &mut Wire,
    topic: &Topic,
    rng: &Rng,
    events: &mut Vec<Event>,
) -> Result<Option<Uuid>, Lost> {
    events.push(Event::Creating(topic.clone()));
    let config = |name: &'static str, value: String| CreatableTopicConfig {
        name: name.into(),
        value: Some(value.into()),
    };
    let segment_ms = [60, 400, 3_600_000][usize::try_from(rng.below(3)).unwrap_or(0)];
    let is_plain = topic.kind == TopicKind::Plain;
    let mut configs = vec![
        config("segment.ms", if is_plain { segment_ms } else { 60 }.to_string()),
        config(
            "segment.index.bytes",
            [800, 10_485_760][usize::try_from(rng.below(2)).unwrap_or(0)].to_string(),
        ),
        config("index.interval.bytes", (256 << rng.below(5)).to_string()),
        // The workload's timestamps are old.
        config("retention.ms", "-1".to_owned()),
        config("file.delete.delay.ms", (rng.below(2) * 200).to_string()),
    ];
    match topic.kind {
        TopicKind::Plain => {}
        TopicKind::Shrinking => configs.push(config("retention.bytes", (20_000 << rng.below(5)).to_string())),
        TopicKind::Compacted => configs.extend([
            config("cleanup.policy", "compact".to_owned()),
            config("min.cleanable.dirty.ratio", "0.001".to_owned()),
            config("internal.segment.bytes", (4_096 << rng.below(4)).to_string()),
            config("delete.retention.ms", (rng.below(3) * 300).to_string()),
        ]),
    }
    let creatable = CreatableTopic {
        name: topic.name.clone().into(),
        num_partitions: topic.partitions,
        replication_factor: 1,
        configs,
        ..CreatableTopic::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![creatable], timeout_ms: 10_000, ..CreateTopicsRequest::default() };
    let answer: CreateTopicsResponse<'_> = wire.call(&request)?;
    let told = answer.topics.first().map(|told| (told.error_code, told.topic_id));
    match told {
        Some((ErrorCode::NONE, id)) => {
            events.push(Event::Created(topic.number, id));
            Ok(Some(id))
        }
        // The name may still be taken by a topic whose deletion nobody answered.
        Some((ErrorCode::TOPIC_ALREADY_EXISTS, _)) => {
            events.push(Event::Deleted(topic.number));
            Ok(None)
        }
        Some((error, _)) if error.is_retriable() => Ok(None),
        told => {
            events.push(Event::Wrong(format!("creating {}: {told:?}", topic.name)));
            Ok(None)
        }
    }
}

impl Client for Administrator {
    fn play(&mut self, scene: &Scene, events: &mut Vec<Event>) -> Result<(), Lost> {
        let mut wire = Wire::connect(scene.address)?;
        while !scene.is_over() {
            match self.rng.below(6) {
                0 => self.create_one(scene, &mut wire, events)?,
                1 => self.delete_one(scene, &mut wire, events)?,
                _ => self.delete_records(scene, &mut wire, events)?,
            }
            scene.pause(&self.rng, PAUSE_LONGEST_MS);
        }
        Ok(())
    }
}
