//! Owns an idempotent producer: batches in flight, sent again unchanged until they are answered, given up only when
//! the node has lost its sequence. It never sends a value twice under another sequence.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use protocol::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::produce_response::PartitionProduceResponse;
use protocol::{ApiKey, ErrorCode, InitProducerIdRequest, ProduceRequest, ProduceResponse, Records, Uuid};
use records::{BatchBuilder, BatchSettings, Compression};
use tokio::time::sleep;

use super::session::Session;
use crate::history::{Event, Stamp};
use crate::value::Value;
use crate::wire::{Lost, Wire};

/// Batches without an answer at a time: what Kafka's producer allows and its brokers remember.
const MAX_IN_FLIGHT: usize = 5;

pub(super) struct Producer {
    session: Session,
    number: u16,
    next_value: u32,
    /// Counts the producer ids that this producer went through.
    identity: u16,
    id: Option<(i64, i16)>,
    sequences: BTreeMap<i32, i32>,
    unanswered: VecDeque<Batch>,
}

struct Batch {
    partition: i32,
    values: Vec<Value>,
    bytes: bytes::Bytes,
    attempts: u32,
    /// When it was last sent: an answer speaks of a moment after that.
    sent_at: Stamp,
}

/// How an answer is to be taken.
enum Verdict {
    Done,
    Again,
    /// The node does not know the sequence before this batch's.
    SequenceLost,
}

impl Producer {
    pub(super) fn new(session: Session, number: u16) -> Self {
        Self {
            session,
            number,
            next_value: 0,
            identity: 0,
            id: None,
            sequences: BTreeMap::new(),
            unanswered: VecDeque::new(),
        }
    }

    /// Writes all values of the plan.
    pub(super) async fn run(mut self) {
        while !self.is_done() {
            let (mut wire, topic_id) = self.session.open().await;
            if let Err(lost) = self.drive(&mut wire, topic_id).await {
                self.session.recover(lost).await;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.unanswered.is_empty() && self.next_value >= self.session.plan.values_per_producer
    }

    /// Sends and reads answers on one connection.
    async fn drive(&mut self, wire: &mut Wire, topic_id: Uuid) -> Result<(), Lost> {
        let mut sent = 0;
        // Older versions refuse zstd, and a batch may have to be sent again on another connection.
        wire.raise(ApiKey::Produce, 7);
        while !self.is_done() {
            let Some(id) = self.id else {
                self.ask_for_id(wire).await?;
                continue;
            };
            while sent < MAX_IN_FLIGHT {
                if sent == self.unanswered.len() && !self.make_batch(id) {
                    break;
                }
                self.send(sent, wire, topic_id).await?;
                sent += 1;
                if self.session.rng.below(2) == 0 {
                    break;
                }
            }
            let answer = wire.receive::<ProduceRequest<'static>>().await?;
            match self.judge(0, &answer) {
                Verdict::Done => sent -= 1,
                verdict => {
                    let is_lost = matches!(verdict, Verdict::SequenceLost);
                    self.drain(wire, is_lost).await?;
                    sent = 0;
                    self.session.pause().await;
                }
            }
            let think_ms = self.session.rng.below(self.session.plan.think_max_ms + 1);
            sleep(Duration::from_millis(think_ms)).await;
        }
        Ok(())
    }

    async fn ask_for_id(&mut self, wire: &mut Wire) -> Result<(), Lost> {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: 60_000,
            ..InitProducerIdRequest::default()
        };
        let answer = wire.call(&request).await?;
        match answer.error_code {
            ErrorCode::NONE => {
                assert!(answer.producer_id >= 0 && answer.producer_epoch >= 0, "an id is given");
                self.id = Some((answer.producer_id, answer.producer_epoch));
                self.sequences.clear();
            }
            error if error.is_retriable() => self.session.pause().await,
            error => panic!("InitProducerId: {error}"),
        }
        Ok(())
    }

    /// Makes the next batch; false if no value is left.
    fn make_batch(&mut self, (producer_id, producer_epoch): (i64, i16)) -> bool {
        let (rng, plan) = (&self.session.rng, &self.session.plan);
        let left = plan.values_per_producer - self.next_value;
        let count = left.min(1 + u32::try_from(rng.below(plan.batch_values_max)).unwrap_or(0));
        if count == 0 {
            return false;
        }
        let partition = i32::try_from(rng.below(u64::from(plan.partitions.unsigned_abs()))).unwrap_or(0);
        let sequence = self.sequences.entry(partition).or_insert(0);
        let compression = match rng.below(10) {
            0 => Compression::Gzip,
            1 => Compression::Snappy,
            2 => Compression::Lz4,
            3 => Compression::Zstd,
            _ => Compression::None,
        };
        let mut builder = BatchBuilder::new(BatchSettings {
            compression,
            producer_id,
            producer_epoch,
            base_sequence: *sequence,
            ..BatchSettings::default()
        });
        *sequence += i32::try_from(count).expect("a batch is small");
        let now_ms = self.session.platform.clock.wall_ms();
        let key = self.number.to_be_bytes();
        let mut values = Vec::new();
        for number in self.next_value..self.next_value + count {
            let padding_bytes = u16::try_from(rng.below(plan.padding_max_bytes)).unwrap_or(u16::MAX);
            let value = Value { producer: self.number, identity: self.identity, number, padding_bytes };
            let appended = builder.append(Some(&key), Some(&value.to_bytes()), &[], now_ms);
            appended.expect("a batch is small");
            self.session.history.add(Event::Sent { partition, value });
            values.push(value);
        }
        self.next_value += count;
        let sent_at = self.session.history.now();
        let bytes = builder.build().expect("a batch is small").into();
        self.unanswered.push_back(Batch { partition, values, bytes, attempts: 0, sent_at });
        true
    }

    async fn send(&mut self, index: usize, wire: &mut Wire, topic_id: Uuid) -> Result<(), Lost> {
        let batch = &mut self.unanswered[index];
        batch.attempts += 1;
        batch.sent_at = self.session.history.now();
        let records = Records::Owned(batch.bytes.clone());
        let request = ProduceRequest {
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![TopicProduceData {
                name: self.session.plan.topic.clone().into(),
                topic_id,
                partition_data: vec![PartitionProduceData { index: batch.partition, records }],
            }],
            ..ProduceRequest::default()
        };
        wire.send(&request).await
    }

    /// Takes the answer to the batch at `index`, which is removed if it is settled.
    fn judge(&mut self, index: usize, answer: &ProduceResponse<'_>) -> Verdict {
        let answer = only_partition(answer);
        let batch = &self.unanswered[index];
        let partition = batch.partition;
        assert_eq!(answer.index, partition, "Produce answers for the partition it was asked for");
        let events: Vec<Event> = match answer.error_code {
            ErrorCode::NONE => {
                let offsets = answer.base_offset..;
                assert!(answer.base_offset >= 0, "an acknowledged batch has an offset");
                let acked = |(value, offset): (&Value, i64)| Event::Acked {
                    partition,
                    value: *value,
                    offset: Some(offset),
                };
                batch.values.iter().zip(offsets).map(acked).collect()
            }
            ErrorCode::DUPLICATE_SEQUENCE_NUMBER => {
                let acked = |value: &Value| Event::Acked { partition, value: *value, offset: None };
                batch.values.iter().map(acked).collect()
            }
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
            | ErrorCode::UNKNOWN_PRODUCER_ID
            | ErrorCode::INVALID_PRODUCER_EPOCH => return Verdict::SequenceLost,
            error if error.is_retriable() => return Verdict::Again,
            error if batch.attempts == 1 => {
                let refused =
                    |value: &Value| Event::Refused { partition, value: *value, error: error.name() };
                batch.values.iter().map(refused).collect()
            }
            error => panic!("a batch is refused that was fit to be tried before: {error}"),
        };
        let sent_at = batch.sent_at;
        events.into_iter().for_each(|event| self.session.history.add_since(sent_at, event));
        self.unanswered.remove(index);
        Verdict::Done
    }

    /// Reads the answers that are still to come after the first batch failed. What failed is sent again, in order;
    /// if the node has lost the sequence, nothing of it can be, and a new identity begins.
    async fn drain(&mut self, wire: &mut Wire, is_lost: bool) -> Result<(), Lost> {
        let mut index = 1;
        while wire.pending() > 0 {
            let answer = wire.receive::<ProduceRequest<'static>>().await?;
            if !matches!(self.judge(index, &answer), Verdict::Done) {
                index += 1;
            }
        }
        if is_lost {
            for batch in self.unanswered.drain(..) {
                for value in batch.values {
                    self.session.history.add(Event::GivenUp { partition: batch.partition, value });
                }
            }
            self.id = None;
            self.identity += 1;
        }
        Ok(())
    }
}

fn only_partition<'a>(answer: &'a ProduceResponse<'_>) -> &'a PartitionProduceResponse<'a> {
    let mut partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    let only = partitions.next().expect("Produce answers for the partition it was asked for");
    assert!(partitions.next().is_none(), "Produce answers for nothing else");
    only
}
