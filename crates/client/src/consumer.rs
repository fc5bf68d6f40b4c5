//! Reading records of chosen partitions.
//!
//! Owns [`AssignedConsumer`]: positions, fetching ahead, and what to do when an offset or a leader is gone. It never
//! commits an offset and never joins a group.

mod chunk;
mod fetch;
mod records;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use platform::Platform;
use protocol::fetch_response::PartitionData;
use protocol::{ErrorCode, FetchResponse, Uuid};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::cluster::{Cluster, Topics};
use crate::config::{AutoOffsetReset, ClientConfig, IsolationLevel};
use crate::connection::Response;
use crate::error::ClientError;
use crate::offline::OfflinePartitions;
use crate::offsets::{self, ListedOffset, OffsetSpec};
use crate::retry::backoff;
use crate::topic_partition::TopicPartition;
use chunk::Chunk;
use fetch::{Fetched, Wanted};
pub use records::{ConsumerRecord, PartitionRecords};

/// Plain bytes handed out by one poll: enough to make a poll worth its while, few enough for a small machine.
const POLL_BYTES: usize = 4 * 1024 * 1024;

/// Where to begin to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartOffset {
    /// At the first record there is.
    Beginning,
    /// After the last record there is.
    End,
    /// At this offset.
    Offset(i64),
    /// At the first record that is not older than this time in ms, or at the end if there is none.
    Timestamp(i64),
}

#[derive(Debug)]
struct Assigned {
    /// The next offset to hand out.
    position: i64,
    /// Epoch of the leader of the record before it, -1 if unknown.
    leader_epoch: i32,
    /// The next offset to fetch.
    fetch_position: i64,
    /// What consumers can see ends here, once that is known.
    end: Option<i64>,
    high_watermark: Option<i64>,
    in_flight: bool,
    /// Whether fetched records wait to be handed out, so that no more are fetched.
    buffered: bool,
    not_before: Option<Instant>,
    failures: u32,
    failing_since: Option<Instant>,
}

impl Assigned {
    fn at(position: i64) -> Assigned {
        Assigned {
            position,
            leader_epoch: -1,
            fetch_position: position,
            end: None,
            high_watermark: None,
            in_flight: false,
            buffered: false,
            not_before: None,
            failures: 0,
            failing_since: None,
        }
    }
}

/// Reads records of the partitions it was assigned. See the module.
#[derive(Debug)]
pub struct AssignedConsumer {
    cluster: Arc<Cluster>,
    assigned: BTreeMap<TopicPartition, Assigned>,
    /// Nodes that have not answered yet.
    fetching: BTreeSet<i32>,
    /// Fetches of earlier assignments and positions are recognised by their number.
    generation: u64,
    results: mpsc::UnboundedReceiver<Fetched>,
    result_sender: mpsc::UnboundedSender<Fetched>,
    buffered: VecDeque<Chunk>,
    refresh_failures: u32,
    refresh_not_before: Option<Instant>,
}

impl AssignedConsumer {
    /// Connects to the cluster. Nothing is read before [`AssignedConsumer::assign`].
    ///
    /// # Errors
    /// [`ClientError::NoBroker`] when none of `bootstrap.servers` answers; this first contact is not retried.
    pub async fn connect(platform: &Platform, config: ClientConfig) -> Result<AssignedConsumer, ClientError> {
        let cluster = Arc::new(Cluster::new(platform, config));
        cluster.refresh(&Topics::Named(Vec::new()), false).await?;
        Ok(AssignedConsumer::of(cluster))
    }

    /// A consumer that shares the connections of others.
    pub(crate) fn of(cluster: Arc<Cluster>) -> AssignedConsumer {
        let (result_sender, results) = mpsc::unbounded_channel();
        AssignedConsumer {
            cluster,
            assigned: BTreeMap::new(),
            fetching: BTreeSet::new(),
            generation: 0,
            results,
            result_sender,
            buffered: VecDeque::new(),
            refresh_failures: 0,
            refresh_not_before: None,
        }
    }

    /// The partitions that it waits for because they are offline.
    pub fn offline(&self) -> OfflinePartitions {
        self.cluster.offline.clone()
    }

    /// The partitions of a topic.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` when there is no such topic.
    pub async fn partitions(&self, topic: &str) -> Result<Vec<TopicPartition>, ClientError> {
        let mut retry = self.cluster.retry(format!("looking for topic {topic}"));
        let names = [topic.to_owned()];
        loop {
            match self.cluster.topics(&names, self.cluster.config.allow_auto_create_topics).await {
                Ok(metadata) => {
                    let partitions =
                        metadata.topics.get(topic).map(|topic| topic.partitions.len()).unwrap_or_default();
                    return Ok((0..partitions as i32)
                        .map(|partition| TopicPartition::new(topic, partition))
                        .collect());
                }
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    /// The partitions of all topics whose names pass a test. Topics of the broker's own are left out, if
    /// `exclude.internal.topics`.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub async fn matching_partitions(
        &self,
        passes: impl Fn(&str) -> bool,
    ) -> Result<Vec<TopicPartition>, ClientError> {
        let mut retry = self.cluster.retry("listing topics");
        let internal_too = !self.cluster.config.exclude_internal_topics;
        loop {
            match self.cluster.refresh(&Topics::All, false).await {
                Ok(metadata) => {
                    let topics = metadata.topics.values();
                    let chosen =
                        topics.filter(|topic| (internal_too || !topic.is_internal) && passes(&topic.name));
                    return Ok(chosen
                        .flat_map(|topic| {
                            topic.partitions.iter().map(|one| TopicPartition::new(&topic.name, one.index))
                        })
                        .collect());
                }
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    /// Looks up offsets without moving. The results are in order.
    ///
    /// # Errors
    /// Per partition.
    pub async fn list_offsets(
        &self,
        asked: &[(TopicPartition, OffsetSpec)],
    ) -> Vec<Result<ListedOffset, ClientError>> {
        let retry = self.cluster.retry("looking up offsets");
        offsets::list(&self.cluster, retry, asked, self.cluster.config.isolation_level).await
    }

    /// Reads these partitions from now on, and no others.
    ///
    /// # Errors
    /// When a place to begin at cannot be looked up; the assignment is then as before.
    pub async fn assign(&mut self, partitions: &[(TopicPartition, StartOffset)]) -> Result<(), ClientError> {
        let mut positions: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        let mut asked = Vec::new();
        for (partition, start) in partitions {
            let spec = match start {
                StartOffset::Offset(offset) => {
                    positions.insert(partition.clone(), (*offset).max(0));
                    continue;
                }
                StartOffset::Beginning => OffsetSpec::Earliest,
                StartOffset::End => OffsetSpec::Latest,
                StartOffset::Timestamp(ms) => OffsetSpec::Timestamp(*ms),
            };
            asked.push((partition.clone(), spec));
        }
        let mut ends = Vec::new();
        for ((partition, _), found) in asked.iter().zip(self.list_offsets(&asked).await) {
            match found?.offset {
                // No record is that young.
                offset if offset < 0 => ends.push((partition.clone(), OffsetSpec::Latest)),
                offset => drop(positions.insert(partition.clone(), offset)),
            }
        }
        if !ends.is_empty() {
            for ((partition, _), found) in ends.iter().zip(self.list_offsets(&ends).await) {
                positions.insert(partition.clone(), found?.offset.max(0));
            }
        }
        self.forget_fetches();
        self.assigned =
            positions.into_iter().map(|(partition, position)| (partition, Assigned::at(position))).collect();
        Ok(())
    }

    /// Goes on reading a partition at another offset.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` when the partition is not assigned.
    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), ClientError> {
        if !self.assigned.contains_key(partition) {
            return Err(ClientError::api(partition.to_string(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None));
        }
        self.forget_fetches();
        for (other, assigned) in &mut self.assigned {
            // What was fetched ahead of the others is fetched again.
            let position = if other == partition { offset.max(0) } else { assigned.position };
            let leader_epoch = if other == partition { -1 } else { assigned.leader_epoch };
            *assigned = Assigned {
                leader_epoch,
                end: assigned.end,
                high_watermark: assigned.high_watermark,
                ..Assigned::at(position)
            };
        }
        Ok(())
    }

    fn forget_fetches(&mut self) {
        self.generation += 1;
        self.fetching.clear();
        self.buffered.clear();
    }

    /// The partitions being read.
    pub fn assignment(&self) -> impl Iterator<Item = &TopicPartition> {
        self.assigned.keys()
    }

    /// The offset of the next record to be handed out.
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.assigned.get(partition).map(|assigned| assigned.position)
    }

    /// The epoch of the leader of the record before [`AssignedConsumer::position`], if it was handed out here.
    pub fn leader_epoch(&self, partition: &TopicPartition) -> Option<i32> {
        self.assigned.get(partition).map(|assigned| assigned.leader_epoch).filter(|epoch| *epoch >= 0)
    }

    /// The high watermark as last seen: where the records end that every consumer can see.
    pub fn high_watermark(&self, partition: &TopicPartition) -> Option<i64> {
        self.assigned.get(partition)?.high_watermark
    }

    /// Whether everything there was when last looked has been handed out. False until every partition has been looked at.
    pub fn is_at_end(&self) -> bool {
        self.assigned.values().all(|assigned| assigned.end.is_some_and(|end| assigned.position >= end))
    }

    /// Records that have come, at most about 4 MiB of them. Waits for the first ones for at most `max_wait`; an empty answer
    /// also comes early when all partitions have just been read to their end.
    ///
    /// # Errors
    /// What cannot be retried: a topic without permission, an offset that is gone with `auto.offset.reset=none`, corrupt
    /// records; or a partition that could not be read for `default.api.timeout.ms`, unless its broker says that it is
    /// offline: that is waited for ([`AssignedConsumer::offline`]).
    pub async fn poll(&mut self, max_wait: Duration) -> Result<Vec<PartitionRecords>, ClientError> {
        let deadline = Instant::now() + max_wait;
        loop {
            let was_at_end = self.is_at_end();
            let found = self.take_buffered()?;
            let next = self.send_fetches().await?;
            if !found.is_empty() || (self.is_at_end() && !was_at_end) {
                return Ok(found);
            }
            let wake = next.map_or(deadline, |next| next.min(deadline));
            let was_at_end = self.is_at_end();
            tokio::select! {
                biased;
                fetched = self.results.recv() => if let Some(fetched) = fetched { self.on_fetched(fetched).await? },
                () = tokio::time::sleep_until(wake) => if Instant::now() >= deadline { return Ok(Vec::new()) },
            }
            while let Ok(fetched) = self.results.try_recv() {
                self.on_fetched(fetched).await?;
            }
            if self.buffered.is_empty() && self.is_at_end() && !was_at_end {
                return Ok(Vec::new());
            }
        }
    }

    /// Hands out what was fetched.
    fn take_buffered(&mut self) -> Result<Vec<PartitionRecords>, ClientError> {
        let mut found = Vec::new();
        let mut budget = POLL_BYTES;
        while budget > 0 {
            let Some(mut chunk) = self.buffered.pop_front() else { break };
            let (records, plain_bytes, error) = chunk.unpack(budget);
            let Some(assigned) = self.assigned.get_mut(&chunk.partition) else { continue };
            budget = budget.saturating_sub(plain_bytes);
            assigned.position = chunk.position;
            assigned.leader_epoch = chunk.leader_epoch;
            if !records.segments.is_empty() {
                found.push(records);
            }
            match error {
                None if chunk.rest.is_empty() => {
                    assigned.buffered = false;
                    assigned.fetch_position = assigned.position;
                }
                None => self.buffered.push_front(chunk),
                // What was good before the fault is handed out first.
                Some(_) if !found.is_empty() => {
                    self.buffered.push_front(chunk);
                    break;
                }
                Some(error) => {
                    assigned.buffered = false;
                    assigned.fetch_position = assigned.position;
                    return Err(ClientError::Batch { subject: chunk.partition.to_string(), error });
                }
            }
        }
        Ok(found)
    }

    /// Asks every leader that is not being asked for what has been handed out. Returns when to try again what had to wait.
    async fn send_fetches(&mut self) -> Result<Option<Instant>, ClientError> {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        let mut stale = false;
        let metadata = self.cluster.metadata();
        let mut by_leader: BTreeMap<i32, Vec<Wanted>> = BTreeMap::new();
        for (partition, assigned) in &self.assigned {
            if assigned.in_flight || assigned.buffered {
                continue;
            }
            if let Some(not_before) = assigned.not_before.filter(|&at| at > now) {
                next = Some(next.map_or(not_before, |next| next.min(not_before)));
                continue;
            }
            match metadata.leader(&partition.topic, partition.partition) {
                Ok((leader, leader_epoch)) if !self.fetching.contains(&leader) => {
                    let topic_id = metadata.topics.get(&partition.topic).map_or(Uuid::ZERO, |topic| topic.id);
                    let (partition, offset) = (partition.clone(), assigned.fetch_position);
                    by_leader.entry(leader).or_default().push(Wanted {
                        partition,
                        topic_id,
                        leader_epoch,
                        offset,
                    });
                }
                Ok(_) => {}
                Err(error) if error.is_retriable() => {
                    self.cluster.offline.note(partition, &error);
                    stale = true;
                }
                Err(error) => return Err(error),
            }
        }
        for (node, wanted) in by_leader {
            self.start(node, wanted);
        }
        if stale || self.is_marked_stale() {
            let again = self.refresh(now).await?;
            next = Some(next.map_or(again, |next| next.min(again)));
        }
        Ok(next)
    }

    fn is_marked_stale(&self) -> bool {
        self.assigned.values().any(|assigned| assigned.failing_since.is_some() && !assigned.in_flight)
    }

    fn start(&mut self, node: i32, wanted: Vec<Wanted>) {
        self.fetching.insert(node);
        for wanted in &wanted {
            if let Some(assigned) = self.assigned.get_mut(&wanted.partition) {
                assigned.in_flight = true;
            }
        }
        let (cluster, results) = (Arc::clone(&self.cluster), self.result_sender.clone());
        let generation = self.generation;
        tokio::spawn(async move {
            let result = fetch::fetch(&cluster, node, &wanted).await;
            // A consumer that is gone does not care.
            let _ = results.send(Fetched { generation, node, wanted, result });
        });
    }

    /// Renews the picture of the assigned topics, and returns when to look at it again.
    async fn refresh(&mut self, now: Instant) -> Result<Instant, ClientError> {
        let config = &self.cluster.config;
        if let Some(not_before) = self.refresh_not_before.filter(|&at| at > now) {
            return Ok(not_before);
        }
        let names: BTreeSet<String> = self.assigned.keys().map(|partition| partition.topic.clone()).collect();
        let names: Vec<String> = names.into_iter().collect();
        self.cluster.mark_stale();
        let result = self.cluster.topics(&names, false).await;
        match result {
            Ok(_) => self.refresh_failures = 0,
            Err(error) if error.is_retriable() => {
                self.refresh_failures = self.refresh_failures.saturating_add(1);
                for assigned in self.assigned.values_mut() {
                    assigned.failing_since.get_or_insert(now);
                }
                self.give_up_if_late(&error)?;
            }
            Err(error) => return Err(error),
        }
        let pause =
            backoff(config.retry_backoff, config.retry_backoff_max, self.refresh_failures, &self.cluster.rng);
        let again = Instant::now() + pause;
        self.refresh_not_before = Some(again);
        Ok(again)
    }

    /// An error once a partition could not be read for too long.
    fn give_up_if_late(&self, error: &ClientError) -> Result<(), ClientError> {
        let limit = self.cluster.config.default_api_timeout;
        let late = self
            .assigned
            .iter()
            .filter(|(_, assigned)| assigned.failing_since.is_some_and(|since| since.elapsed() >= limit))
            // One that its broker calls offline may come back after hours, and the others are read meanwhile.
            .find(|(partition, _)| self.cluster.offline.error(partition).is_none());
        match late {
            Some((partition, _)) => Err(ClientError::DeadlineExceeded {
                what: format!("reading {partition}"),
                after_ms: limit.as_millis() as u64,
                last: Some(Box::new(error.clone())),
            }),
            None => Ok(()),
        }
    }

    async fn on_fetched(&mut self, fetched: Fetched) -> Result<(), ClientError> {
        if fetched.generation != self.generation {
            return Ok(());
        }
        self.fetching.remove(&fetched.node);
        for wanted in &fetched.wanted {
            if let Some(assigned) = self.assigned.get_mut(&wanted.partition) {
                assigned.in_flight = false;
            }
        }
        let error = match &fetched.result {
            Ok(response) => match self.take_answer(&fetched.wanted, response) {
                Ok(out_of_range) => return self.reset(&out_of_range).await,
                Err(error) => error,
            },
            Err(error) => error.clone(),
        };
        if !error.is_retriable() {
            return Err(error);
        }
        for wanted in &fetched.wanted {
            self.put_off(&wanted.partition);
            self.cluster.offline.clear(&wanted.partition.topic, wanted.partition.partition);
        }
        self.give_up_if_late(&error)
    }

    /// Lets a partition rest before it is asked for again.
    fn put_off(&mut self, partition: &TopicPartition) {
        let config = &self.cluster.config;
        if let Some(assigned) = self.assigned.get_mut(partition) {
            let pause =
                backoff(config.retry_backoff, config.retry_backoff_max, assigned.failures, &self.cluster.rng);
            let now = Instant::now();
            assigned.failures = assigned.failures.saturating_add(1);
            assigned.not_before = Some(now + pause);
            assigned.failing_since.get_or_insert(now);
        }
    }

    /// Takes over what an answer brings, and returns the partitions whose offset does not exist.
    fn take_answer(
        &mut self,
        wanted: &[Wanted],
        response: &Response,
    ) -> Result<Vec<TopicPartition>, ClientError> {
        let answer = response.decode::<FetchResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api(
                format!("fetch from {}", response.address),
                answer.error_code,
                None,
            ));
        }
        let mut out_of_range = Vec::new();
        for topic in &answer.responses {
            for data in &topic.partitions {
                let found = wanted.iter().find(|wanted| {
                    wanted.partition.partition == data.partition_index
                        && if topic.topic.is_empty() {
                            wanted.topic_id == topic.topic_id
                        } else {
                            wanted.partition.topic == *topic.topic
                        }
                });
                let Some(wanted) = found else { continue };
                if self.assigned.get(&wanted.partition).is_none_or(|a| a.fetch_position != wanted.offset) {
                    continue;
                }
                match data.error_code {
                    ErrorCode::NONE => self.take_partition(&wanted.partition, data, response),
                    ErrorCode::OFFSET_OUT_OF_RANGE => out_of_range.push(wanted.partition.clone()),
                    code if code.is_retriable() || code.means_stale_metadata() => {
                        let error = ClientError::api(wanted.partition.to_string(), code, None);
                        self.put_off(&wanted.partition);
                        self.cluster.offline.note(&wanted.partition, &error);
                        self.give_up_if_late(&error)?;
                    }
                    code => return Err(ClientError::api(wanted.partition.to_string(), code, None)),
                }
            }
        }
        Ok(out_of_range)
    }

    fn take_partition(&mut self, partition: &TopicPartition, data: &PartitionData<'_>, response: &Response) {
        let config = &self.cluster.config;
        let Some(assigned) = self.assigned.get_mut(partition) else { return };
        let committed = config.isolation_level == IsolationLevel::ReadCommitted;
        assigned.high_watermark = Some(data.high_watermark);
        assigned.end = Some(if committed { data.last_stable_offset } else { data.high_watermark });
        assigned.failures = 0;
        assigned.failing_since = None;
        assigned.not_before = None;
        self.cluster.offline.clear(&partition.topic, partition.partition);
        let Some(bytes) = data.records.as_slice().filter(|bytes| !bytes.is_empty()) else { return };
        assigned.buffered = true;
        let mut aborted: Vec<(i64, i64)> = match &data.aborted_transactions {
            Some(aborted) if committed => {
                aborted.iter().map(|txn| (txn.first_offset, txn.producer_id)).collect()
            }
            _ => Vec::new(),
        };
        aborted.sort_unstable();
        self.buffered.push_back(Chunk {
            partition: partition.clone(),
            topic: partition.topic.as_str().into(),
            high_watermark: data.high_watermark,
            log_start_offset: data.log_start_offset,
            rest: response.frame.slice_ref(bytes),
            position: assigned.fetch_position,
            leader_epoch: assigned.leader_epoch,
            check_crcs: config.check_crcs,
            aborted,
            aborting: BTreeSet::new(),
        });
    }

    /// Moves partitions whose offset does not exist to where `auto.offset.reset` says.
    async fn reset(&mut self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        let spec = match self.cluster.config.auto_offset_reset {
            AutoOffsetReset::Earliest => OffsetSpec::Earliest,
            AutoOffsetReset::Latest => OffsetSpec::Latest,
            AutoOffsetReset::None => match partitions.first() {
                Some(first) => {
                    return Err(ClientError::api(first.to_string(), ErrorCode::OFFSET_OUT_OF_RANGE, None));
                }
                None => return Ok(()),
            },
        };
        if partitions.is_empty() {
            return Ok(());
        }
        let asked: Vec<_> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
        for (partition, found) in partitions.iter().zip(self.list_offsets(&asked).await) {
            let position = found?.offset.max(0);
            tracing::debug!(%partition, position, "the offset does not exist, reading goes on elsewhere");
            if let Some(assigned) = self.assigned.get_mut(partition) {
                assigned.position = position;
                assigned.fetch_position = position;
            }
        }
        Ok(())
    }
}
