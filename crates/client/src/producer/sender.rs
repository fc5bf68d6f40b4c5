//! The task that sends what the accumulator holds and settles what became of it.
//!
//! Owns retries, the producer's identity, the picture of the topics and the number of requests in flight. It never takes
//! a record from anyone but the accumulator.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::produce_response::PartitionProduceResponse;
use protocol::{ErrorCode, InitProducerIdRequest, InitProducerIdResponse, ProduceResponse};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Shared;
use super::accumulator::{Accumulator, Taken};
use super::batch::{Batch, Identity};
use super::node_worker::{self, Prepared, Produced};
use super::outcome::Verdict;
use super::queue::PartitionQueue;
use crate::cluster::Cluster;
use crate::error::ClientError;
use crate::retry::backoff;
use crate::topic_partition::TopicPartition;

/// What the sender waits for besides time.
#[derive(Debug)]
pub(super) enum Event {
    Produced(Produced),
    Refreshed(Result<(), ClientError>),
    Identified(Result<Identity, ClientError>),
}

/// Something that is asked for one at a time, with pauses after failures.
#[derive(Debug, Default)]
struct Asking {
    under_way: bool,
    failures: u32,
    not_before: Option<Instant>,
}

impl Asking {
    /// Whether to ask now; notes that it is being asked.
    fn begin(&mut self, now: Instant) -> bool {
        let free = !self.under_way && self.not_before.is_none_or(|at| at <= now);
        self.under_way |= free;
        free
    }

    fn ended(&mut self, cluster: &Cluster, succeeded: bool) {
        self.under_way = false;
        let config = &cluster.config;
        self.not_before = (!succeeded).then(|| {
            let pause = backoff(config.retry_backoff, config.retry_backoff_max, self.failures, &cluster.rng);
            Instant::now() + pause
        });
        self.failures = if succeeded { 0 } else { self.failures.saturating_add(1) };
    }
}

#[derive(Debug)]
struct Worker {
    queue: mpsc::Sender<Prepared>,
    in_flight: usize,
}

#[derive(Debug)]
pub(super) struct Sender {
    shared: Arc<Shared>,
    events: mpsc::UnboundedReceiver<Event>,
    event_sender: mpsc::UnboundedSender<Event>,
    workers: BTreeMap<i32, Worker>,
    identity: Option<Identity>,
    identifying: Asking,
    refreshing: Asking,
    refreshed: Instant,
}

impl Sender {
    pub fn new(shared: Arc<Shared>) -> Sender {
        let (event_sender, events) = mpsc::unbounded_channel();
        Sender {
            shared,
            events,
            event_sender,
            workers: BTreeMap::new(),
            identity: None,
            identifying: Asking::default(),
            refreshing: Asking::default(),
            refreshed: Instant::now(),
        }
    }

    /// Runs until the producer is closed and everything has an outcome.
    pub async fn run(mut self) {
        loop {
            let now = Instant::now();
            let next = self.work(now);
            let over = {
                let accumulator = self.shared.accumulator();
                accumulator.closed && accumulator.is_empty()
            };
            if over {
                return;
            }
            let sleep = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                event = self.events.recv() => if let Some(event) = event { self.on_event(event) },
                () = self.shared.wake.notified() => {}
                () = sleep => {}
            }
            while let Ok(event) = self.events.try_recv() {
                self.on_event(event);
            }
        }
    }

    /// Does what can be done now and says when there will be more to do.
    fn work(&mut self, now: Instant) -> Option<Instant> {
        self.fail_expired(now);
        let plan = {
            let (workers, limit) = (&self.workers, self.shared.cluster.config.max_in_flight);
            let room = |node| limit - workers.get(&node).map_or(0, |worker| worker.in_flight.min(limit));
            self.shared.accumulator().plan(now, self.identity, room)
        };
        for (node, taken) in plan.requests {
            self.send(node, taken);
        }
        let mut next = plan.next;
        if next.is_some() && self.shared.cluster.config.enable_idempotence {
            if self.shared.accumulator().wants_new_identity(self.identity) {
                self.identity = None;
            }
            if self.identity.is_none() {
                self.identify(now);
                next = earlier(next, self.identifying.not_before.filter(|_| !self.identifying.under_way));
            }
        }
        let old = now >= self.refreshed + self.shared.cluster.config.metadata_max_age;
        for partition in &plan.leaderless {
            let error = ClientError::api(partition.to_string(), ErrorCode::LEADER_NOT_AVAILABLE, None);
            self.shared.cluster.offline.note(partition, &error);
        }
        if !plan.leaderless.is_empty() || (old && next.is_some()) {
            self.refresh(now);
            next = earlier(next, self.refreshing.not_before.filter(|_| !self.refreshing.under_way));
        }
        next
    }

    /// Asks for a producer id.
    fn identify(&mut self, now: Instant) {
        if !self.identifying.begin(now) {
            return;
        }
        let (cluster, events) = (Arc::clone(&self.shared.cluster), self.event_sender.clone());
        tokio::spawn(async move {
            let _ = events.send(Event::Identified(new_identity(&cluster).await));
        });
    }

    /// Renews the picture of the topics in use.
    fn refresh(&mut self, now: Instant) {
        if !self.refreshing.begin(now) {
            return;
        }
        let (cluster, events) = (Arc::clone(&self.shared.cluster), self.event_sender.clone());
        let names = self.shared.accumulator().topic_names();
        cluster.mark_stale();
        tokio::spawn(async move {
            let _ = events.send(Event::Refreshed(cluster.topics(&names, true).await.map(drop)));
        });
    }

    fn send(&mut self, node: i32, mut taken: Vec<Taken>) {
        let mut bytes = Vec::with_capacity(taken.len());
        let mut kept = Vec::with_capacity(taken.len());
        for mut one in taken.drain(..) {
            match one.batch.build() {
                Ok((built, ratio)) => {
                    if let Some(ratio) = ratio {
                        self.shared.accumulator().compressed(&one.topic, ratio);
                    }
                    bytes.push(built);
                    kept.push(one);
                }
                Err(error) => {
                    let subject = format!("{}-{}", one.topic, one.partition);
                    self.fail(one, ClientError::Batch { subject, error });
                }
            }
        }
        if kept.is_empty() {
            return;
        }
        let limit = self.shared.cluster.config.max_in_flight;
        let worker = self.workers.entry(node).or_insert_with(|| {
            let (queue, requests) = mpsc::channel(limit);
            let (cluster, events) = (Arc::clone(&self.shared.cluster), self.event_sender.clone());
            tokio::spawn(node_worker::run(cluster, node, requests, events));
            Worker { queue, in_flight: 0 }
        });
        worker.in_flight += 1;
        // The queue is as long as requests may be in flight, so it is never full.
        if let Err(error) = worker.queue.try_send(Prepared { taken: kept, bytes }) {
            let Prepared { taken, .. } = error.into_inner();
            self.on_event(Event::Produced(Produced { node, taken, result: Err(ClientError::Closed) }));
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Produced(produced) => self.on_produced(produced),
            Event::Refreshed(result) => {
                self.refreshing.ended(&self.shared.cluster, result.is_ok());
                self.refreshed = Instant::now();
                // An error may concern one topic only; what was learnt of the others counts.
                self.shared.take_topics(&self.shared.cluster.metadata());
            }
            Event::Identified(result) => {
                self.identifying.ended(&self.shared.cluster, result.is_ok());
                match result {
                    Ok(identity) => self.identity = Some(identity),
                    Err(error) if error.is_retriable() => tracing::debug!(%error, "no producer id yet"),
                    // Nothing can be written without an id, and waiting would not help.
                    Err(error) => self.fail_all(&error),
                }
            }
        }
    }

    fn on_produced(&mut self, produced: Produced) {
        if let Some(worker) = self.workers.get_mut(&produced.node) {
            worker.in_flight = worker.in_flight.saturating_sub(1);
        }
        let answer = match &produced.result {
            Ok(Some(response)) => response.decode::<ProduceResponse<'_>>().map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(error.clone()),
        };
        for taken in produced.taken {
            let result = match &answer {
                Err(error) => Err(error.clone()),
                Ok(None) => Ok((-1, -1)),
                Ok(Some(answer)) => verdict_for(&taken, answer),
            };
            self.settle(taken, result);
        }
    }

    /// Settles a batch that came back: it is written, sent again, split or failed.
    fn settle(&mut self, taken: Taken, result: Result<(i64, i64), ClientError>) {
        let error = match result {
            Ok((base_offset, log_append_time_ms)) => {
                return self.finish(taken, Verdict::Written { base_offset, log_append_time_ms });
            }
            Err(error) => error,
        };
        self.shared.cluster.offline.note(&TopicPartition::new(&*taken.topic, taken.partition), &error);
        if error.means_stale_metadata() {
            self.refresh(Instant::now());
        }
        let config = &self.shared.cluster.config;
        let code = error.code();
        if code == Some(ErrorCode::MESSAGE_TOO_LARGE) && taken.batch.records_count > 1 {
            return self.split(taken, error);
        }
        let in_time = Instant::now() < taken.batch.created + config.delivery_timeout
            && taken.batch.attempts <= config.retries;
        let mut accumulator = self.shared.accumulator();
        let closed = accumulator.closed && matches!(error, ClientError::Closed);
        let Some(queue) = accumulator.queue(&taken.topic, taken.partition) else {
            drop(accumulator);
            return self.fail(taken, error);
        };
        queue.landed(taken.batch.order);
        let again = in_time && !closed && may_retry(queue, &taken.batch, &error);
        if !again {
            // Later batches have their sequences, which now follow on nothing.
            if taken.batch.sequence.is_some() {
                queue.mark_broken();
            }
            drop(accumulator);
            return self.fail(taken, error);
        }
        tracing::debug!(%error, topic = %taken.topic, partition = taken.partition, "batch is sent again");
        let mut batch = taken.batch;
        let pause = backoff(
            config.retry_backoff,
            config.retry_backoff_max,
            batch.attempts - 1,
            &self.shared.cluster.rng,
        );
        batch.not_before = Some(Instant::now() + pause);
        if queue.is_broken() {
            batch.sequence = None;
        }
        queue.put_back(batch);
    }

    /// Sends a batch that is too large for the topic in two halves.
    fn split(&mut self, taken: Taken, error: ClientError) {
        let limit = records::DEFAULT_DECOMPRESSED_LIMIT_BYTES;
        let mut accumulator = self.shared.accumulator();
        let pieces = match taken.batch.split(accumulator.settings(), limit) {
            Some(Ok(pieces)) if !pieces.is_empty() => pieces,
            _ => {
                drop(accumulator);
                return self.fail(taken, error);
            }
        };
        tracing::debug!(topic = %taken.topic, partition = taken.partition, "batch is too large and is split");
        let outcomes =
            pieces.iter().map(|piece| (piece.order.at - taken.batch.order.at, Arc::clone(&piece.outcome)));
        taken.batch.outcome.settle(Verdict::Split(outcomes.collect()));
        if let Some(queue) = accumulator.queue(&taken.topic, taken.partition) {
            queue.landed(taken.batch.order);
        }
        accumulator.replace(&taken.topic, taken.partition, taken.batch.order, pieces);
        // Batches are made too large only where compression was overrated.
        accumulator.compressed(&taken.topic, 1.0);
    }

    fn finish(&self, taken: Taken, verdict: Verdict) {
        let Taken { topic, partition, batch, .. } = taken;
        let mut accumulator = self.shared.accumulator();
        if let Some(queue) = accumulator.queue(&topic, partition) {
            queue.landed(batch.order);
            if matches!(verdict, Verdict::Written { .. }) {
                self.shared.cluster.offline.clear(&topic, partition);
                queue.written();
            }
        }
        self.shared.settle(&mut accumulator, batch, verdict);
    }

    fn fail(&self, taken: Taken, error: ClientError) {
        self.finish(taken, Verdict::Failed(error));
    }

    fn fail_all(&self, error: &ClientError) {
        let mut accumulator = self.shared.accumulator();
        for batch in accumulator.take_expired(Instant::now(), true) {
            self.shared.settle(&mut accumulator, batch, Verdict::Failed(error.clone()));
        }
    }

    fn fail_expired(&self, now: Instant) {
        let mut accumulator = self.shared.accumulator();
        let after_ms = self.shared.cluster.config.delivery_timeout.as_millis() as u64;
        let abandoned = accumulator.closed && self.shared.is_abandoned();
        for batch in accumulator.take_expired(now, abandoned) {
            let partition = TopicPartition::new(&*batch.outcome.topic, batch.outcome.partition);
            let what = format!("delivery to {partition}");
            let last = self.shared.cluster.offline.error(&partition).map(Box::new);
            let error = match abandoned {
                true => ClientError::Closed,
                false => ClientError::DeadlineExceeded { what, after_ms, last },
            };
            self.shared.settle(&mut accumulator, batch, Verdict::Failed(error));
        }
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Whether a batch that failed like this is sent again. Marks the queue where its sequence can no longer go on.
fn may_retry(queue: &mut PartitionQueue, batch: &Batch, error: &ClientError) -> bool {
    match error.code() {
        Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER) if batch.sequence.is_some() => {
            // If one before it is still to come, or a new epoch is, the batch is only early. Else the broker lost what it
            // had acknowledged, and nobody but the application can know what that means.
            queue.is_broken() || queue.has_earlier(batch.order)
        }
        Some(ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::UNKNOWN_PRODUCER_ID)
            if batch.sequence.is_some() =>
        {
            // The broker does not know this producer (any more) and has not written the batch.
            queue.mark_broken();
            true
        }
        _ => error.is_retriable(),
    }
}

/// What the answer says about a batch: base offset and append time.
fn verdict_for(taken: &Taken, answer: &ProduceResponse<'_>) -> Result<(i64, i64), ClientError> {
    let subject = || format!("{}-{}", taken.topic, taken.partition);
    let named = |topic: &protocol::produce_response::TopicProduceResponse<'_>| {
        if topic.name.is_empty() { topic.topic_id == taken.topic_id } else { *topic.name == *taken.topic }
    };
    let topic = answer.responses.iter().find(|topic| named(topic));
    let found = topic.and_then(|topic| topic.partition_responses.iter().find(|p| p.index == taken.partition));
    let Some(found) = found else {
        return Err(ClientError::api(
            subject(),
            ErrorCode::UNKNOWN_SERVER_ERROR,
            Some("the answer leaves it out"),
        ));
    };
    match found.error_code {
        ErrorCode::NONE => Ok((found.base_offset, found.log_append_time_ms)),
        // It was written by an earlier try whose answer got lost.
        ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Ok((-1, -1)),
        code => Err(refusal(subject(), code, found)),
    }
}

fn refusal(subject: String, code: ErrorCode, found: &PartitionProduceResponse<'_>) -> ClientError {
    match found.record_errors.first() {
        Some(first) => ClientError::RecordRefused {
            subject,
            code,
            batch_index: first.batch_index,
            message: first.batch_index_error_message.as_deref().map(str::to_owned),
        },
        None => ClientError::api(subject, code, found.error_message.as_deref()),
    }
}

async fn new_identity(cluster: &Cluster) -> Result<Identity, ClientError> {
    let connection = cluster.any().await?;
    let request = InitProducerIdRequest {
        // Its default is the empty string, which is no way to say "none".
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        producer_id: -1,
        producer_epoch: -1,
        ..InitProducerIdRequest::default()
    };
    let response = connection.call(&request).await?;
    let answer = response.decode::<InitProducerIdResponse>()?;
    if answer.error_code.is_error() {
        return Err(ClientError::api("producer id", answer.error_code, None));
    }
    Ok(Identity { producer_id: answer.producer_id, epoch: answer.producer_epoch })
}

impl Shared {
    /// Settles a batch, gives its memory back and tells who waits for either.
    fn settle(&self, accumulator: &mut Accumulator, batch: Batch, verdict: Verdict) {
        self.count(&batch, &verdict);
        batch.outcome.settle(verdict);
        accumulator.complete(batch);
        self.room.notify_waiters();
        self.progress.notify_waiters();
    }
}
