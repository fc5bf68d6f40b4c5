//! Sending records.
//!
//! Owns [`Producer`]: records are gathered into batches per partition, sent by one task, retried for
//! `delivery.timeout.ms`, and with `enable.idempotence` (the default) written once and in order. It never drops a record
//! silently: each has a [`Delivery`], and [`Producer::flush`] waits for all.

mod accumulator;
mod batch;
mod node_worker;
mod outcome;
mod partitioner;
mod queue;
mod sender;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platform::{Clock, Platform};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use accumulator::ProducerRecord;
use accumulator::{Accumulator, Append};
use batch::Batch;
use outcome::Verdict;
pub use outcome::{Delivery, RecordMetadata};

use crate::cluster::{Cluster, Topics};
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::metadata::Metadata;
use crate::offline::OfflinePartitions;
use crate::retry::Retry;

/// How often a topic is asked for that asking may create, about 6 s with the default backoff.
const NEW_TOPIC_RETRIES: u32 = 8;

/// What a producer has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProducerStats {
    /// Records given to [`Producer::send`] and accepted.
    pub records_sent: u64,
    /// Records that were written.
    pub records_acknowledged: u64,
    /// Records that could not be written.
    pub records_failed: u64,
    /// Bytes of the written batches, as they were sent.
    pub bytes_acknowledged: u64,
    /// Batches that were written.
    pub batches_acknowledged: u64,
}

#[derive(Debug, Default)]
struct Counters {
    records_sent: AtomicU64,
    records_acknowledged: AtomicU64,
    records_failed: AtomicU64,
    bytes_acknowledged: AtomicU64,
    batches_acknowledged: AtomicU64,
}

#[derive(Debug)]
struct Shared {
    cluster: Arc<Cluster>,
    accumulator: Mutex<Accumulator>,
    /// Wakes the sender.
    wake: Notify,
    /// Tells sends that memory was given back.
    room: Notify,
    /// Tells flushes that batches were settled.
    progress: Notify,
    counters: Counters,
    first_error: Mutex<Option<ClientError>>,
    abandoned: AtomicBool,
}

impl Shared {
    fn accumulator(&self) -> MutexGuard<'_, Accumulator> {
        self.accumulator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_topics(&self, metadata: &Metadata) {
        let mut accumulator = self.accumulator();
        for topic in metadata.topics.values() {
            accumulator.update_topic(topic, |leader| metadata.brokers.contains_key(&leader));
        }
    }

    fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    fn count(&self, batch: &Batch, verdict: &Verdict) {
        let records = u64::from(batch.records_count);
        let counters = &self.counters;
        match verdict {
            Verdict::Written { .. } => {
                counters.records_acknowledged.fetch_add(records, Ordering::Relaxed);
                counters.bytes_acknowledged.fetch_add(batch.size_bytes() as u64, Ordering::Relaxed);
                counters.batches_acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Verdict::Failed(error) => {
                counters.records_failed.fetch_add(records, Ordering::Relaxed);
                let mut first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| error.clone());
            }
            Verdict::Split(_) => {}
        }
    }
}

/// Sends records. See the module.
#[derive(Debug)]
pub struct Producer {
    shared: Arc<Shared>,
    clock: Clock,
    sender: Option<JoinHandle<()>>,
}

impl Producer {
    /// Connects to the cluster and starts the task that sends.
    ///
    /// # Errors
    /// [`ClientError::Config`] for settings that contradict each other; [`ClientError::NoBroker`] when none of
    /// `bootstrap.servers` answers, which is not retried.
    pub async fn connect(platform: &Platform, mut config: ClientConfig) -> Result<Producer, ClientError> {
        config.validate()?;
        let accumulator = Mutex::new(Accumulator::new(&config));
        let cluster = Arc::new(Cluster::new(platform, config));
        cluster.refresh(&Topics::Named(Vec::new()), false).await?;
        let shared = Arc::new(Shared {
            cluster,
            accumulator,
            wake: Notify::new(),
            room: Notify::new(),
            progress: Notify::new(),
            counters: Counters::default(),
            first_error: Mutex::default(),
            abandoned: AtomicBool::new(false),
        });
        let sender = tokio::spawn(sender::Sender::new(Arc::clone(&shared)).run());
        Ok(Producer { shared, clock: platform.clock.clone(), sender: Some(sender) })
    }

    /// Adds a record to the batch of its partition. Waits, for at most `max.block.ms`, only while its topic is not known yet
    /// or `buffer.memory` is full. The returned promise need not be awaited.
    ///
    /// # Errors
    /// When the record can never be sent, the topic does not exist, or the wait was too long.
    pub async fn send(&self, record: ProducerRecord<'_>) -> Result<Delivery, ClientError> {
        let timestamp = record.timestamp.unwrap_or_else(|| self.clock.wall_ms());
        // A loop of sends that never have to wait would else keep a runtime of one thread from sending anything.
        tokio::task::consume_budget().await;
        if let Some(done) = self.try_append(&record, timestamp)? {
            return Ok(done);
        }
        self.send_slowly(&record, timestamp).await
    }

    /// One try to add a record: `None` if something has to be waited for.
    fn try_append(
        &self,
        record: &ProducerRecord<'_>,
        timestamp: i64,
    ) -> Result<Option<Delivery>, ClientError> {
        let appended = {
            let mut accumulator = self.shared.accumulator();
            accumulator.append(record, timestamp, Instant::now(), &self.shared.cluster.rng)
        };
        match appended {
            Append::Done { delivery, wake } => {
                self.shared.counters.records_sent.fetch_add(1, Ordering::Relaxed);
                if wake {
                    self.shared.wake.notify_one();
                }
                Ok(Some(delivery))
            }
            Append::Refused(error) => Err(error),
            Append::UnknownTopic | Append::NoPartition { .. } | Append::Full => Ok(None),
        }
    }

    async fn send_slowly(
        &self,
        record: &ProducerRecord<'_>,
        timestamp: i64,
    ) -> Result<Delivery, ClientError> {
        let max_block = self.shared.cluster.config.max_block;
        let deadline = Instant::now() + max_block;
        let mut renewed = false;
        loop {
            // The future must exist before the try, or room made between the two would be missed.
            let room = self.shared.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            let appended = {
                let mut accumulator = self.shared.accumulator();
                accumulator.append(record, timestamp, Instant::now(), &self.shared.cluster.rng)
            };
            match appended {
                Append::Done { delivery, wake } => {
                    self.shared.counters.records_sent.fetch_add(1, Ordering::Relaxed);
                    if wake {
                        self.shared.wake.notify_one();
                    }
                    return Ok(delivery);
                }
                Append::Refused(error) => return Err(error),
                Append::UnknownTopic => self.learn(record.topic, deadline).await?,
                Append::NoPartition { .. } if !renewed => {
                    // The topic may have grown.
                    renewed = true;
                    self.shared.cluster.mark_stale();
                    self.learn(record.topic, deadline).await?;
                }
                Append::NoPartition { partition, partitions } => {
                    return Err(ClientError::NoPartition {
                        topic: record.topic.to_owned(),
                        partition,
                        partitions,
                    });
                }
                Append::Full => {
                    let _waiting = Waiting::new(&self.shared);
                    self.shared.wake.notify_one();
                    if tokio::time::timeout_at(deadline, room).await.is_err() {
                        return Err(ClientError::BufferFull { after_ms: max_block.as_millis() as u64 });
                    }
                }
            }
        }
    }

    /// Learns of a topic, which may be created by asking.
    async fn learn(&self, topic: &str, deadline: Instant) -> Result<(), ClientError> {
        let cluster = &self.shared.cluster;
        let limit = deadline.saturating_duration_since(Instant::now());
        let mut retry =
            Retry::new(format!("looking for topic {topic}"), limit, &cluster.config, &cluster.rng)
                .with_unknown_topic_retries(NEW_TOPIC_RETRIES);
        let names = [topic.to_owned()];
        loop {
            match cluster.topics(&names, true).await {
                Ok(metadata) => {
                    self.shared.take_topics(&metadata);
                    return Ok(());
                }
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    /// Sends everything that was given to [`Producer::send`] before, without lingering, and waits until all of it has an
    /// outcome. What failed shows in the deliveries and in [`Producer::first_error`].
    pub async fn flush(&self) {
        let before = self.shared.accumulator().flush();
        self.shared.wake.notify_one();
        loop {
            let progress = self.shared.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            if self.shared.accumulator().flushed(before) {
                return;
            }
            progress.await;
        }
    }

    /// Flushes and ends the producer.
    ///
    /// # Errors
    /// The first error of a record since the producer was made, if there was any.
    pub async fn close(mut self) -> Result<ProducerStats, ClientError> {
        self.flush().await;
        self.shared.accumulator().closed = true;
        self.shared.wake.notify_one();
        if let Some(sender) = self.sender.take() {
            // It ends by itself; that it panicked cannot be mended here.
            let _ = sender.await;
        }
        match self.first_error() {
            Some(error) => Err(error),
            None => Ok(self.stats()),
        }
    }

    /// The partitions that it waits for because they are offline.
    pub fn offline(&self) -> OfflinePartitions {
        self.shared.cluster.offline.clone()
    }

    /// What has been done so far.
    pub fn stats(&self) -> ProducerStats {
        let counters = &self.shared.counters;
        ProducerStats {
            records_sent: counters.records_sent.load(Ordering::Relaxed),
            records_acknowledged: counters.records_acknowledged.load(Ordering::Relaxed),
            records_failed: counters.records_failed.load(Ordering::Relaxed),
            bytes_acknowledged: counters.bytes_acknowledged.load(Ordering::Relaxed),
            batches_acknowledged: counters.batches_acknowledged.load(Ordering::Relaxed),
        }
    }

    /// The first error of a record, if there was any.
    pub fn first_error(&self) -> Option<ClientError> {
        self.shared.first_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Producer {
    /// Without [`Producer::close`], what has not been sent fails with [`ClientError::Closed`].
    fn drop(&mut self) {
        self.shared.abandoned.store(true, Ordering::Relaxed);
        self.shared.accumulator().closed = true;
        self.shared.wake.notify_one();
    }
}

/// A send that waits for memory, so that the sender does not let batches linger.
struct Waiting<'a> {
    shared: &'a Shared,
}

impl Waiting<'_> {
    fn new(shared: &Shared) -> Waiting<'_> {
        shared.accumulator().waiting_for_room += 1;
        Waiting { shared }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.accumulator().waiting_for_room -= 1;
    }
}
