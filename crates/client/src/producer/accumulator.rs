//! All records that were sent and are not yet on their way.
//!
//! Owns the batches of all partitions, the memory they take and the choice of what to send next. It is a plain state
//! machine behind a lock: it never waits and never sends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use platform::Rng;
use protocol::Uuid;
use records::{BatchBuilder, BatchSettings, Compression, Header};
use tokio::time::Instant;

use super::batch::{Batch, Content, Identity, Order};
use super::outcome::{Delivery, Outcome};
use super::partitioner::Sticky;
use super::queue::{PartitionQueue, QueueRules, Sendable};
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::metadata::Topic;
use crate::topic_partition::TopicPartition;

/// The part of `buffer.memory` that buffers kept for coming batches may take besides.
const SPARE_PART: usize = 8;
/// How much larger than `batch.size` the records of a compressed batch may be before compression.
const MAX_PLAIN_FACTOR: usize = 16;
/// What a partition's batch needs besides its records: the header and one record's overhead.
const BATCH_OVERHEAD_BYTES: usize = 128;

/// A record to be sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProducerRecord<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition, if it is not to be chosen.
    pub partition: Option<i32>,
    /// Key; records with the same key go to the same partition.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: &'a [Header<'a>],
    /// Timestamp in ms, if it is not now.
    pub timestamp: Option<i64>,
}

/// What became of a record that was to be added.
#[derive(Debug)]
pub(super) enum Append {
    /// It is in a batch. `wake` tells that the sender may have something new to do.
    Done { delivery: Delivery, wake: bool },
    /// The topic is not known yet.
    UnknownTopic,
    /// The topic has no such partition, as far as is known.
    NoPartition { partition: i32, partitions: usize },
    /// There is no memory left.
    Full,
    /// It can never be sent.
    Refused(ClientError),
}

#[derive(Debug)]
struct TopicQueues {
    name: Arc<str>,
    id: Uuid,
    leaders: Vec<i32>,
    queues: Vec<PartitionQueue>,
    sticky: Sticky,
    /// Estimated compressed size over plain size.
    ratio: f32,
}

/// A batch taken out to be sent.
#[derive(Debug)]
pub(super) struct Taken {
    pub topic: Arc<str>,
    pub topic_id: Uuid,
    pub partition: i32,
    pub batch: Batch,
}

/// What to send now, and when to look again.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub requests: Vec<(i32, Vec<Taken>)>,
    /// Partitions without a leader that a batch waits for.
    pub leaderless: Vec<TopicPartition>,
    pub next: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Accumulator {
    settings: BatchSettings,
    rules: QueueRules,
    batch_size_bytes: usize,
    memory_bytes: usize,
    max_request_bytes: usize,
    linger: Duration,
    delivery_timeout: Duration,
    ignore_keys: bool,
    topics: BTreeMap<Arc<str>, TopicQueues>,
    used_bytes: usize,
    next_id: u64,
    /// How many pieces of each batch have no outcome yet.
    incomplete: BTreeMap<u64, u32>,
    /// Batches before this one do not linger.
    flush_before: u64,
    spare: Vec<Vec<u8>>,
    /// Sends that wait for memory.
    pub waiting_for_room: usize,
    pub closed: bool,
}

impl Accumulator {
    pub fn new(config: &ClientConfig) -> Accumulator {
        Accumulator {
            settings: BatchSettings {
                compression: config.compression,
                level: config.compression_level.of(config.compression),
                ..BatchSettings::default()
            },
            rules: QueueRules {
                idempotent: config.enable_idempotence,
                strictly_ordered: config.max_in_flight == 1,
            },
            batch_size_bytes: config.batch_size_bytes,
            memory_bytes: config.buffer_memory_bytes,
            max_request_bytes: config.max_request_size_bytes,
            linger: config.linger,
            delivery_timeout: config.delivery_timeout,
            ignore_keys: config.partitioner_ignore_keys,
            topics: BTreeMap::new(),
            used_bytes: 0,
            next_id: 0,
            incomplete: BTreeMap::new(),
            flush_before: 0,
            spare: Vec::new(),
            waiting_for_room: 0,
            closed: false,
        }
    }

    /// The settings of the batches built here.
    pub fn settings(&self) -> &BatchSettings {
        &self.settings
    }

    /// Names of the topics that were sent to.
    pub fn topic_names(&self) -> Vec<String> {
        self.topics.keys().map(|name| name.to_string()).collect()
    }

    /// Takes over what is known of a topic.
    pub fn update_topic(&mut self, topic: &Topic, is_led: impl Fn(i32) -> bool) {
        let name: Arc<str> = topic.name.as_str().into();
        let known = self.topics.entry(Arc::clone(&name)).or_insert_with(|| TopicQueues {
            name,
            id: topic.id,
            leaders: Vec::new(),
            queues: Vec::new(),
            sticky: Sticky::default(),
            ratio: 1.0,
        });
        known.id = topic.id;
        known.leaders =
            topic.partitions.iter().map(|p| if is_led(p.leader) { p.leader } else { -1 }).collect();
        // Batches of partitions that are gone, with a topic that was created anew, stay until they expire.
        let partitions = known.leaders.len().max(known.queues.len());
        known.queues.resize_with(partitions, PartitionQueue::default);
    }

    /// Adds a record to the batch of its partition.
    pub fn append(&mut self, record: &ProducerRecord<'_>, timestamp: i64, now: Instant, rng: &Rng) -> Append {
        if self.closed {
            return Append::Refused(ClientError::Closed);
        }
        let Some(topic) = self.topics.get_mut(record.topic).filter(|topic| !topic.leaders.is_empty()) else {
            return Append::UnknownTopic;
        };
        let partitions = topic.leaders.len();
        let keyed = record.key.filter(|_| !self.ignore_keys);
        let (partition, sticky) = match (record.partition, keyed) {
            (Some(partition), _) => match usize::try_from(partition) {
                Ok(index) if index < partitions => (index, false),
                _ => return Append::NoPartition { partition, partitions },
            },
            (None, Some(key)) => (records::partition_for_key(key, partitions as u32) as usize, false),
            (None, None) => (topic.sticky.partition(&topic.leaders, rng), true),
        };
        let limit = plain_limit(self.batch_size_bytes, self.settings.compression, topic.ratio);
        let queue = &mut topic.queues[partition];
        let (key, value, headers) = (record.key, record.value, record.headers);
        if let Some(batch) = queue.open()
            && let Content::Plain(builder) = &mut batch.content
            && builder.size_with(key, value, headers, timestamp) <= limit
        {
            let before = builder.size_bytes();
            if let Err(error) = builder.append(key, value, headers, timestamp) {
                return Append::Refused(ClientError::Batch { subject: record.topic.to_owned(), error });
            }
            let size = builder.size_bytes();
            if sticky {
                topic.sticky.sent(size - before, self.batch_size_bytes);
            }
            // Compressed batches may grow beyond what was set aside for them.
            let more = size.saturating_sub(batch.reserved_bytes);
            batch.reserved_bytes += more;
            self.used_bytes += more;
            let delivery =
                Delivery { outcome: Arc::clone(&batch.outcome), index: batch.records_count, timestamp };
            batch.records_count += 1;
            return Append::Done { delivery, wake: size >= limit };
        }
        self.append_to_new(record, timestamp, now, partition, sticky)
    }

    /// Adds a record as the first of a new batch.
    fn append_to_new(
        &mut self,
        record: &ProducerRecord<'_>,
        timestamp: i64,
        now: Instant,
        partition: usize,
        sticky: bool,
    ) -> Append {
        let probe = BatchBuilder::new(self.settings.clone());
        let (key, value, headers) = (record.key, record.value, record.headers);
        let size_bytes = probe.size_with(key, value, headers, timestamp);
        for (max_bytes, property) in
            [(self.max_request_bytes, "max.request.size"), (self.memory_bytes, "buffer.memory")]
        {
            if size_bytes > max_bytes {
                return Append::Refused(ClientError::RecordTooLarge { size_bytes, max_bytes, key: property });
            }
        }
        let reserved_bytes =
            (self.batch_size_bytes + BATCH_OVERHEAD_BYTES).max(size_bytes).min(self.memory_bytes);
        if self.used_bytes + reserved_bytes > self.memory_bytes {
            return Append::Full;
        }
        let Some(topic) = self.topics.get_mut(record.topic) else { return Append::UnknownTopic };
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.reserve(reserved_bytes);
        let mut builder = BatchBuilder::with_buffer(self.settings.clone(), buffer);
        if let Err(error) = builder.append(key, value, headers, timestamp) {
            return Append::Refused(ClientError::Batch { subject: record.topic.to_owned(), error });
        }
        if sticky {
            topic.sticky.sent(builder.size_bytes(), self.batch_size_bytes);
        }
        let order = Order { id: self.next_id, at: 0 };
        let outcome = Outcome::new(Arc::clone(&topic.name), partition as i32);
        let delivery = Delivery { outcome: Arc::clone(&outcome), index: 0, timestamp };
        topic.queues[partition].batches.push_back(Batch {
            order,
            content: Content::Plain(builder),
            records_count: 1,
            reserved_bytes,
            outcome,
            created: now,
            attempts: 0,
            not_before: None,
            sequence: None,
        });
        self.next_id += 1;
        self.used_bytes += reserved_bytes;
        self.incomplete.insert(order.id, 1);
        // The sender has to know when this batch has lingered long enough, and that the one before it is full.
        Append::Done { delivery, wake: true }
    }

    /// Has all batches sent without lingering and returns the number that [`Accumulator::flushed`] is to be asked with.
    pub fn flush(&mut self) -> u64 {
        self.flush_before = self.next_id;
        self.next_id
    }

    /// Whether all batches before this number have an outcome.
    pub fn flushed(&self, before: u64) -> bool {
        self.incomplete.first_key_value().is_none_or(|(&first, _)| first >= before)
    }

    /// Whether nothing waits for an outcome.
    pub fn is_empty(&self) -> bool {
        self.incomplete.is_empty()
    }

    /// Takes out what can be sent now. `room` is how many more requests a node may get.
    pub fn plan(&mut self, now: Instant, identity: Option<Identity>, room: impl Fn(i32) -> usize) -> Plan {
        let mut plan = Plan::default();
        let mut ready = BTreeSet::new();
        for topic in self.topics.values() {
            for (partition, queue) in topic.queues.iter().enumerate() {
                let Some(first) = queue.batches.front() else { continue };
                let expiry = first.created + self.delivery_timeout;
                plan.next = Some(plan.next.map_or(expiry, |next| next.min(expiry)));
                let leader = topic.leaders.get(partition).copied().unwrap_or(-1);
                let when = match queue.sendable(self.rules, identity, now) {
                    Sendable::Not => continue,
                    Sendable::At(at) => Some(at),
                    Sendable::Now => self.ready_at(topic, queue, first, now),
                };
                match when {
                    Some(at) => plan.next = plan.next.map(|next| next.min(at)),
                    None if leader < 0 => {
                        plan.leaderless.push(TopicPartition::new(&*topic.name, partition as i32));
                    }
                    None => {
                        ready.insert(leader);
                    }
                }
            }
        }
        for node in ready {
            for _ in 0..room(node) {
                let taken = self.take_for(node, now, identity);
                if taken.is_empty() {
                    break;
                }
                plan.requests.push((node, taken));
            }
        }
        plan
    }

    /// When the first batch of a queue is due; `None` for now.
    fn ready_at(
        &self,
        topic: &TopicQueues,
        queue: &PartitionQueue,
        first: &Batch,
        now: Instant,
    ) -> Option<Instant> {
        let limit = plain_limit(self.batch_size_bytes, self.settings.compression, topic.ratio);
        let full = queue.batches.len() > 1 || first.attempts > 0 || first.size_bytes() >= limit;
        let hurried = self.closed || self.waiting_for_room > 0 || first.order.id < self.flush_before;
        let due = first.created + self.linger;
        (!full && !hurried && due > now).then_some(due)
    }

    /// Takes one batch of each partition that this node leads, as many as fit into a request.
    fn take_for(&mut self, node: i32, now: Instant, identity: Option<Identity>) -> Vec<Taken> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        // A request exists for the sake of a batch that is due; others go along.
        let mut due = false;
        let mut candidates = Vec::new();
        for topic in self.topics.values() {
            for (partition, queue) in topic.queues.iter().enumerate() {
                if topic.leaders.get(partition) != Some(&node)
                    || queue.sendable(self.rules, identity, now) != Sendable::Now
                {
                    continue;
                }
                let Some(first) = queue.batches.front() else { continue };
                due |= self.ready_at(topic, queue, first, now).is_none();
                candidates.push((first.created, Arc::clone(&topic.name), partition));
            }
        }
        if !due {
            return taken;
        }
        // The oldest first, so that a request that is too small for all leaves none behind for long.
        candidates.sort();
        for (_, name, partition) in candidates {
            let Some(topic) = self.topics.get_mut(&name) else { continue };
            let queue = &mut topic.queues[partition];
            let Some(first) = queue.batches.front() else { continue };
            let size = match first.content {
                Content::Plain(_) => (first.size_bytes() as f32 * topic.ratio) as usize,
                Content::Built(_) => first.size_bytes(),
            };
            if bytes > 0 && bytes + size > self.max_request_bytes {
                continue;
            }
            if let Some(batch) = queue.take(self.rules, identity) {
                bytes += size;
                taken.push(Taken { topic: name, topic_id: topic.id, partition: partition as i32, batch });
            }
        }
        taken
    }

    /// Learns how well a topic's records are compressed: at once when worse than thought, since an estimate too low makes
    /// batches too large, and in steps when better.
    pub fn compressed(&mut self, topic: &str, ratio: f32) {
        if let Some(topic) = self.topics.get_mut(topic) {
            topic.ratio = if ratio > topic.ratio { ratio } else { topic.ratio + (ratio - topic.ratio) / 4.0 };
        }
    }

    /// The queue of a partition.
    pub fn queue(&mut self, topic: &str, partition: i32) -> Option<&mut PartitionQueue> {
        self.topics.get_mut(topic)?.queues.get_mut(usize::try_from(partition).ok()?)
    }

    /// Whether some partition can only go on under another producer id than the one in use.
    pub fn wants_new_identity(&self, in_use: Option<Identity>) -> bool {
        self.topics.values().flat_map(|topic| &topic.queues).any(|queue| queue.is_exhausted(in_use))
    }

    /// Gives back a batch's memory and notes that its records have an outcome.
    pub fn complete(&mut self, batch: Batch) {
        self.used_bytes = self.used_bytes.saturating_sub(batch.reserved_bytes);
        if let Some(pieces) = self.incomplete.get_mut(&batch.order.id) {
            *pieces -= 1;
            if *pieces == 0 {
                self.incomplete.remove(&batch.order.id);
            }
        }
        // Nobody else holds the bytes of an uncompressed batch once its request is gone, so its memory serves again.
        if let Content::Built(bytes) = batch.content
            && self.settings.compression == Compression::None
            && self.spare.len() * self.batch_size_bytes < self.memory_bytes / SPARE_PART
            && let Ok(buffer) = bytes.try_into_mut()
            && buffer.capacity() <= 2 * (self.batch_size_bytes + BATCH_OVERHEAD_BYTES)
        {
            self.spare.push(buffer.into());
        }
    }

    /// Puts the pieces of a batch in its place. The whole must have been taken out with its memory accounted to the pieces.
    pub fn replace(&mut self, topic: &str, partition: i32, whole: Order, pieces: Vec<Batch>) {
        if let Some(count) = self.incomplete.get_mut(&whole.id) {
            *count += pieces.len() as u32 - 1;
        }
        if let Some(queue) = self.queue(topic, partition) {
            for piece in pieces {
                queue.put_back(piece);
            }
        }
    }

    /// Takes out the batches whose time is over, or all of them.
    pub fn take_expired(&mut self, now: Instant, all: bool) -> Vec<Batch> {
        let mut expired = Vec::new();
        for queue in self.topics.values_mut().flat_map(|topic| &mut topic.queues) {
            while queue
                .batches
                .front()
                .is_some_and(|first| all || first.created + self.delivery_timeout <= now)
            {
                if let Some(batch) = queue.batches.pop_front() {
                    // It may have been written or not, so what follows can no longer count on its sequence.
                    if batch.sequence.is_some() {
                        queue.mark_broken();
                    }
                    expired.push(batch);
                }
            }
        }
        expired
    }
}

/// How large the plain records of a batch may become.
fn plain_limit(batch_size_bytes: usize, compression: Compression, ratio: f32) -> usize {
    if compression == Compression::None {
        return batch_size_bytes;
    }
    // A little pessimism, since an estimate too low makes a batch too large.
    let grown = (batch_size_bytes as f32 / (ratio * 1.05).max(0.01)) as usize;
    grown.clamp(batch_size_bytes, batch_size_bytes * MAX_PLAIN_FACTOR)
}
