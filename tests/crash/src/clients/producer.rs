//! A producer: idempotent with several requests in flight, or plain with one. What is not answered is sent again, over
//! any number of lives of the node.

use std::collections::{BTreeMap, VecDeque};

use platform::Rng;
use protocol::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::{
    ErrorCode, InitProducerIdRequest, InitProducerIdResponse, ProduceRequest, ProduceResponse, Records, Uuid,
};
use records::{BatchBuilder, BatchSettings, Compression, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE};

use super::{Client, Scene};
use crate::history::{Event, Topic};
use crate::value::{HEAD_BYTES, Place, Value};
use crate::wire::{Lost, Wire};

/// Requests without an answer: what Kafka's producer allows and its brokers remember.
const IN_FLIGHT_MAX: usize = 5;

/// Batches from this size on take another way through the node.
const LARGE_BYTES: u32 = 256 << 10;

/// Longest pause between two requests, ms.
const PAUSE_LONGEST_MS: u64 = 12;

/// The producer.
pub struct Producer {
    number: u16,
    is_idempotent: bool,
    rng: Rng,
    id: Option<(i64, i16)>,
    next_number: u32,
    sequences: BTreeMap<Place, i32>,
    unanswered: VecDeque<Batch>,
}

struct Batch {
    topic_id: Uuid,
    place: Place,
    values: Vec<Value>,
    bytes: Vec<u8>,
    acks: i16,
}

enum Verdict {
    Done,
    Again,
}

impl Producer {
    /// A producer that has written nothing.
    pub fn new(number: u16, is_idempotent: bool, rng: Rng) -> Self {
        Self {
            number,
            is_idempotent,
            rng,
            id: None,
            next_number: 0,
            sequences: BTreeMap::new(),
            unanswered: VecDeque::new(),
        }
    }

    /// Numbers go on far behind those of an earlier one.
    pub fn skip_numbers(&mut self) {
        self.next_number += super::SKIPPED;
    }

    fn in_flight_max(&self) -> usize {
        if self.is_idempotent { IN_FLIGHT_MAX } else { 1 }
    }

    fn ask_for_id(&mut self, wire: &mut Wire, events: &mut Vec<Event>) -> Result<(), Lost> {
        let request = InitProducerIdRequest { transaction_timeout_ms: 60_000, ..Default::default() };
        let answer: InitProducerIdResponse = wire.call(&request)?;
        if answer.error_code == ErrorCode::NONE {
            events.push(Event::ProducerId(answer.producer_id));
            self.id = Some((answer.producer_id, answer.producer_epoch));
            self.sequences.clear();
        }
        Ok(())
    }

    fn make_batch(&mut self, topic: &Topic, is_flood: bool) {
        let partition = i32::try_from(self.rng.below(topic.partitions.unsigned_abs().into())).unwrap_or(0);
        let place = Place { topic: topic.number, partition };
        let lens = self.choose_lens(is_flood);
        let (producer_id, producer_epoch) = self.id.unwrap_or((NO_PRODUCER_ID, NO_PRODUCER_EPOCH));
        let sequence = self.sequences.entry(place).or_insert(0);
        let base_sequence = if self.is_idempotent { *sequence } else { NO_SEQUENCE };
        *sequence += i32::try_from(lens.len()).expect("a batch is short");
        let compression = match self.rng.below(4) {
            0 => Compression::Lz4,
            _ => Compression::None,
        };
        let settings = BatchSettings {
            compression,
            producer_id,
            producer_epoch,
            base_sequence,
            ..BatchSettings::default()
        };
        let mut builder = BatchBuilder::new(settings);
        let mut values = Vec::new();
        for len in lens {
            let value = Value { producer: self.number, number: self.next_number, place, len };
            self.next_number += 1;
            let (key, bytes) = (value.key(), value.bytes());
            let added = builder.append(Some(&key), Some(&bytes), &[Value::header()], value.timestamp_ms());
            added.expect("a short record fits");
            values.push(value);
        }
        let bytes = builder.build().expect("the codec's own level is known");
        let acks = if self.rng.one_in(4) { 1 } else { -1 };
        self.unanswered.push_back(Batch { topic_id: topic.id, place, values, bytes, acks });
    }

    /// Sizes of the records of a batch: often one small record, at times a large batch.
    fn choose_lens(&self, is_flood: bool) -> Vec<u32> {
        let draw = |bound: u64| u32::try_from(self.rng.below(bound)).unwrap_or(0);
        match self.rng.below(if is_flood { 4 } else { 40 }) {
            0 if is_flood => vec![LARGE_BYTES - 20_000],
            0 => vec![LARGE_BYTES + draw(200_000)],
            1 => (0..40).map(|_| HEAD_BYTES + 4_000 + draw(6_000)).collect(),
            2..=9 => (0..1 + draw(30)).map(|_| HEAD_BYTES + draw(700)).collect(),
            _ => vec![HEAD_BYTES + draw(200)],
        }
    }

    fn send(&self, index: usize, wire: &mut Wire, events: &mut Vec<Event>) -> Result<(), Lost> {
        let batch = &self.unanswered[index];
        events.extend(batch.values.iter().map(|value| Event::Sent(*value)));
        let records = Records::Owned(batch.bytes.clone().into());
        let request = ProduceRequest {
            acks: batch.acks,
            timeout_ms: 15_000,
            topic_data: vec![TopicProduceData {
                topic_id: batch.topic_id,
                partition_data: vec![PartitionProduceData { index: batch.place.partition, records }],
                ..TopicProduceData::default()
            }],
            ..ProduceRequest::default()
        };
        wire.send(&request)
    }

    /// Takes the answer to the batch at `index`, which is removed if it is settled.
    fn judge(
        &mut self,
        index: usize,
        scene: &Scene,
        wire: &mut Wire,
        events: &mut Vec<Event>,
    ) -> Result<Verdict, Lost> {
        let answer: ProduceResponse<'_> = wire.receive()?;
        let partition = answer.responses.iter().flat_map(|topic| &topic.partition_responses).next();
        let batch = &self.unanswered[index];
        let Some(partition) = partition.filter(|p| p.index == batch.place.partition) else {
            events.push(Event::Wrong(format!("Produce to {} is answered for another place", batch.place)));
            return Err(Lost("nonsense".to_owned()));
        };
        let error = partition.error_code;
        if error == ErrorCode::NONE {
            let offsets = partition.base_offset..;
            events
                .extend(batch.values.iter().zip(offsets).map(|(value, offset)| Event::Acked(*value, offset)));
            self.unanswered.remove(index);
            return Ok(Verdict::Done);
        }
        // An error that may pass leaves open whether the records are there.
        if !error.is_retriable() {
            events.extend(batch.values.iter().map(|value| Event::Refused(*value)));
        }
        let is_gone = !scene.is_used(batch.place.topic);
        if is_gone {
            self.unanswered.remove(index);
            return Ok(Verdict::Done);
        }
        if !error.is_retriable() || error == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER {
            // What comes after a refused batch is out of order: only the first of them says something new.
            if index == 0 {
                events.push(Event::Wrong(format!("Produce to {} is refused: {error}", batch.place)));
            }
            if index == 0 && !error.is_retriable() {
                self.unanswered.remove(index);
                return Ok(Verdict::Done);
            }
        }
        Ok(Verdict::Again)
    }

    /// Reads the answers to what was sent after a batch that failed.
    fn drain(&mut self, scene: &Scene, wire: &mut Wire, events: &mut Vec<Event>) -> Result<(), Lost> {
        let mut index = 1;
        while wire.pending() > 0 {
            if matches!(self.judge(index, scene, wire, events)?, Verdict::Again) {
                index += 1;
            }
        }
        Ok(())
    }

    /// Batches to topics that are gone can never be answered.
    fn forget_gone(&mut self, scene: &Scene) {
        self.unanswered.retain(|batch| scene.is_used(batch.place.topic));
        self.sequences.retain(|place, _| scene.is_used(place.topic));
    }

    /// At times somebody else: a new producer id.
    fn maybe_begin_anew(&mut self) {
        if self.unanswered.is_empty() && self.rng.one_in(4) {
            self.id = None;
        }
        // A plain producer may give up what was not answered.
        if !self.is_idempotent && self.rng.one_in(3) {
            self.unanswered.clear();
        }
    }
}

impl Client for Producer {
    fn play(&mut self, scene: &Scene, events: &mut Vec<Event>) -> Result<(), Lost> {
        let mut wire = Wire::connect(scene.address)?;
        self.forget_gone(scene);
        self.maybe_begin_anew();
        let mut sent = 0;
        while !scene.is_over() || wire.pending() > 0 {
            if self.is_idempotent && self.id.is_none() {
                self.ask_for_id(&mut wire, events)?;
                continue;
            }
            while sent < self.in_flight_max() && !scene.is_over() {
                if sent == self.unanswered.len() {
                    let Some(topic) = scene.any_topic(&self.rng) else { break };
                    self.make_batch(&topic, scene.is_flood);
                }
                self.send(sent, &mut wire, events)?;
                sent += 1;
                if self.rng.one_in(2) {
                    break;
                }
            }
            if wire.pending() == 0 {
                scene.pause(&self.rng, PAUSE_LONGEST_MS);
                continue;
            }
            match self.judge(0, scene, &mut wire, events)? {
                Verdict::Done => sent -= 1,
                Verdict::Again => {
                    self.drain(scene, &mut wire, events)?;
                    sent = 0;
                    scene.pause(&self.rng, PAUSE_LONGEST_MS);
                }
            }
            scene.pause(&self.rng, PAUSE_LONGEST_MS);
        }
        Ok(())
    }
}
