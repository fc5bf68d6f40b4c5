//! Reading as a member of a group: the group's members share the partitions of its topics out among them.
//!
//! Owns [`GroupConsumer`]: what is subscribed to, where reading begins, and what is committed when. Membership itself is a
//! state machine without IO ([`membership`]), driven by a task ([`member_task`]); records come from an [`AssignedConsumer`].
//! It never processes a record, and it never holds on to partitions that others may have.

mod assignor;
mod consumer_protocol;
mod member_task;
mod membership;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use platform::Platform;
use protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use protocol::{ApiKey, ErrorCode, OffsetCommitRequest, OffsetCommitResponse, Uuid};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::admin::{Admin, groups};
use crate::cluster::{Cluster, Lane, Topics};
use crate::config::{AutoOffsetReset, ClientConfig};
use crate::consumer::{AssignedConsumer, PartitionRecords, StartOffset};
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;
pub use assignor::Assignor;
pub(crate) use consumer_protocol::assigned_partitions;
use member_task::{Command, Event, Identity};

/// Which topics a group reads.
pub enum Subscription {
    /// These.
    Topics(Vec<String>),
    /// Those whose names pass a test, also when they come into being later.
    Matching(Box<dyn Fn(&str) -> bool + Send>),
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Subscription::Topics(topics) => f.debug_tuple("Topics").field(topics).finish(),
            Subscription::Matching(_) => f.write_str("Matching(..)"),
        }
    }
}

/// How long records are waited for before a look at what the group does.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How often a topic that is subscribed to and not there is looked for.
const MISSING_TOPIC_INTERVAL: Duration = Duration::from_secs(1);

/// Reads records of its share of a group's partitions. See the module.
#[derive(Debug)]
pub struct GroupConsumer {
    cluster: Arc<Cluster>,
    admin: Admin,
    consumer: AssignedConsumer,
    group: String,
    subscription: Subscription,
    /// Topics and partitions as they were when the group was last told.
    known: BTreeMap<String, usize>,
    is_subscribed: bool,
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Event>,
    /// Set while this member has partitions.
    identity: Option<Identity>,
    /// What was committed last.
    committed: BTreeMap<TopicPartition, i64>,
    commit_at: Instant,
    look_at_topics: Instant,
}

impl GroupConsumer {
    /// Connects to the cluster. The group (`group.id`) is joined when records are asked for.
    ///
    /// # Errors
    /// `INVALID_GROUP_ID` without a group; [`ClientError::NoBroker`] when none of `bootstrap.servers` answers, which is not
    /// retried.
    pub async fn connect(
        platform: &Platform,
        config: ClientConfig,
        subscription: Subscription,
    ) -> Result<GroupConsumer, ClientError> {
        let group = config
            .group_id
            .clone()
            .ok_or_else(|| ClientError::api("group.id", ErrorCode::INVALID_GROUP_ID, None))?;
        let cluster = Arc::new(Cluster::new(platform, config));
        cluster.refresh(&Topics::Named(Vec::new()), false).await?;
        let (commands, events) = member_task::start(Arc::clone(&cluster), group.clone());
        let now = Instant::now();
        Ok(GroupConsumer {
            admin: Admin::of(Arc::clone(&cluster)),
            consumer: AssignedConsumer::of(Arc::clone(&cluster)),
            cluster,
            group,
            subscription,
            known: BTreeMap::new(),
            is_subscribed: false,
            commands,
            events,
            identity: None,
            committed: BTreeMap::new(),
            commit_at: now,
            look_at_topics: now,
        })
    }

    /// The partitions that this member has.
    pub fn assignment(&self) -> impl Iterator<Item = &TopicPartition> {
        self.consumer.assignment()
    }

    /// The offset of the next record to be handed out.
    pub fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.consumer.position(partition)
    }

    /// Goes on reading a partition at another offset, which is also what will be committed.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION` when this member does not have the partition.
    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), ClientError> {
        self.consumer.seek(partition, offset)
    }

    /// Records that have come. Waits for the first ones for at most `max_wait`. What earlier polls handed out counts as done
    /// and is committed, if `enable.auto.commit`. An application that does not poll for `max.poll.interval.ms` loses its
    /// place in the group.
    ///
    /// # Errors
    /// What cannot be retried: a group that cannot be joined, an offset that is not there with `auto.offset.reset=none`, and
    /// what reading itself cannot retry.
    pub async fn poll(&mut self, max_wait: Duration) -> Result<Vec<PartitionRecords>, ClientError> {
        // A wait longer than a year is for ever.
        let deadline = Instant::now() + max_wait.min(Duration::from_secs(31_536_000));
        self.tell(Command::Polled).await?;
        loop {
            self.look_at_topics().await?;
            self.follow_group().await?;
            self.commit_if_due().await;
            let left = deadline.saturating_duration_since(Instant::now());
            let found = self.consumer.poll(left.min(LOOK_INTERVAL)).await?;
            if !found.is_empty() || Instant::now() >= deadline {
                return Ok(found);
            }
            self.tell(Command::Polled).await?;
        }
    }

    async fn tell(&self, command: Command) -> Result<(), ClientError> {
        self.commands.send(command).await.map_err(|_| ClientError::Closed)
    }

    /// Keeps the group informed of the topics that are wanted and of how many partitions they have.
    async fn look_at_topics(&mut self) -> Result<(), ClientError> {
        let now = Instant::now();
        if now < self.look_at_topics {
            return Ok(());
        }
        let config = &self.cluster.config;
        let asked = match &self.subscription {
            Subscription::Topics(topics) => Topics::Named(topics.clone()),
            Subscription::Matching(_) => Topics::All,
        };
        let metadata = match self.cluster.refresh(&asked, config.allow_auto_create_topics).await {
            Ok(metadata) => metadata,
            Err(error) if error.is_retriable() => {
                self.look_at_topics = now + config.retry_backoff_max;
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let wanted = metadata.topics.values().filter(|topic| match &self.subscription {
            Subscription::Topics(topics) => topics.contains(&topic.name),
            Subscription::Matching(passes) => {
                passes(&topic.name) && !(topic.is_internal && config.exclude_internal_topics)
            }
        });
        let found: BTreeMap<String, usize> =
            wanted.map(|topic| (topic.name.clone(), topic.partitions.len())).collect();
        let is_missing = match &self.subscription {
            Subscription::Topics(topics) => topics.iter().any(|topic| !found.contains_key(topic)),
            Subscription::Matching(_) => false,
        };
        self.look_at_topics = now + if is_missing { MISSING_TOPIC_INTERVAL } else { config.metadata_max_age };
        if self.is_subscribed && found == self.known {
            return Ok(());
        }
        let topics = match &self.subscription {
            Subscription::Topics(topics) => topics.clone(),
            Subscription::Matching(_) => found.keys().cloned().collect(),
        };
        self.known = found;
        self.is_subscribed = true;
        self.tell(Command::Subscribe(topics)).await
    }

    /// Takes or lets go of partitions as the group says.
    async fn follow_group(&mut self) -> Result<(), ClientError> {
        loop {
            match self.events.try_recv() {
                Ok(Event::Release { lost }) => {
                    if !lost && self.cluster.config.enable_auto_commit {
                        self.commit_quietly().await;
                    }
                    self.identity = None;
                    self.committed.clear();
                    self.consumer.assign(&[]).await?;
                    self.tell(Command::Released).await?;
                }
                Ok(Event::Assigned { identity, partitions }) => {
                    tracing::debug!(group = self.group, ?partitions, "partitions assigned");
                    self.identity = Some(identity);
                    self.begin(&partitions).await?;
                }
                Ok(Event::Failed(error)) => return Err(error),
                Err(mpsc::error::TryRecvError::Empty) => return Ok(()),
                Err(mpsc::error::TryRecvError::Disconnected) => return Err(ClientError::Closed),
            }
        }
    }

    /// Begins to read where the group stopped, or where `auto.offset.reset` says.
    async fn begin(&mut self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        let committed = if partitions.is_empty() {
            BTreeMap::new()
        } else {
            self.admin.group_offsets(&self.group, Some(partitions)).await?
        };
        let mut starts = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let start = match committed.get(partition) {
                Some(committed) => StartOffset::Offset(committed.offset),
                None => match self.cluster.config.auto_offset_reset {
                    AutoOffsetReset::Earliest => StartOffset::Beginning,
                    AutoOffsetReset::Latest => StartOffset::End,
                    AutoOffsetReset::None => {
                        let message = "the group has committed no offset and auto.offset.reset=none";
                        let subject = partition.to_string();
                        return Err(ClientError::api(subject, ErrorCode::OFFSET_OUT_OF_RANGE, Some(message)));
                    }
                },
            };
            starts.push((partition.clone(), start));
        }
        self.committed = committed.into_iter().map(|(partition, found)| (partition, found.offset)).collect();
        self.commit_at = Instant::now() + self.cluster.config.auto_commit_interval;
        self.consumer.assign(&starts).await
    }

    async fn commit_if_due(&mut self) {
        if self.cluster.config.enable_auto_commit
            && self.identity.is_some()
            && Instant::now() >= self.commit_at
        {
            self.commit_at = Instant::now() + self.cluster.config.auto_commit_interval;
            self.commit_quietly().await;
        }
    }

    /// Commits without asking whether it works: what is not committed is read again by whoever has the partition next.
    async fn commit_quietly(&mut self) {
        if let Err(error) = self.commit().await {
            tracing::warn!(%error, group = self.group, "committing offsets failed");
        }
    }

    /// Commits what was handed out.
    ///
    /// # Errors
    /// As the coordinator says, for example `REBALANCE_IN_PROGRESS`: another member may have the partitions already.
    pub async fn commit(&mut self) -> Result<(), ClientError> {
        let Some(identity) = self.identity.clone() else { return Ok(()) };
        let mut offsets: BTreeMap<TopicPartition, (i64, i32)> = BTreeMap::new();
        for partition in self.consumer.assignment() {
            let Some(position) = self.consumer.position(partition) else { continue };
            if self.committed.get(partition) != Some(&position) {
                let epoch = self.consumer.leader_epoch(partition).unwrap_or(-1);
                offsets.insert(partition.clone(), (position, epoch));
            }
        }
        if offsets.is_empty() {
            return Ok(());
        }
        let mut retry = self.cluster.retry(format!("committing offsets of group {}", self.group));
        loop {
            let error = match self.ask_commit(&identity, &offsets).await {
                Ok(()) => break,
                Err(error) => error,
            };
            let is_fenced = matches!(
                error.code(),
                Some(
                    ErrorCode::UNKNOWN_MEMBER_ID
                        | ErrorCode::ILLEGAL_GENERATION
                        | ErrorCode::FENCED_INSTANCE_ID
                )
            );
            if is_fenced {
                self.tell(Command::Fenced).await?;
            }
            // A rebalance does not pass by waiting here: it waits for this member.
            if error.code() == Some(ErrorCode::REBALANCE_IN_PROGRESS) {
                return Err(error);
            }
            retry.pause(error).await?;
        }
        self.committed.extend(offsets.into_iter().map(|(partition, (offset, _))| (partition, offset)));
        Ok(())
    }

    async fn ask_commit(
        &self,
        identity: &Identity,
        offsets: &BTreeMap<TopicPartition, (i64, i32)>,
    ) -> Result<(), ClientError> {
        let connection = groups::coordinator(&self.cluster, &self.group, Lane::Prompt).await?.connection;
        // Version 10 names topics by id only; the group's committed offsets are by name.
        let version = connection.versions().pick(ApiKey::OffsetCommit, 2, 9)?;
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition<'_>>> = BTreeMap::new();
        for (partition, (offset, leader_epoch)) in offsets {
            topics.entry(&partition.topic).or_default().push(OffsetCommitRequestPartition {
                partition_index: partition.partition,
                committed_offset: *offset,
                committed_leader_epoch: *leader_epoch,
                committed_metadata: Some("".into()),
            });
        }
        let topics = topics.into_iter().map(|(name, partitions)| OffsetCommitRequestTopic {
            name: name.into(),
            topic_id: Uuid::ZERO,
            partitions,
        });
        let instance = self.cluster.config.group_instance_id.as_deref().filter(|_| version >= 7);
        let request = OffsetCommitRequest {
            group_id: self.group.as_str().into(),
            generation_id_or_member_epoch: identity.generation,
            member_id: identity.member_id.as_str().into(),
            group_instance_id: instance.map(Into::into),
            topics: topics.collect(),
            ..OffsetCommitRequest::default()
        };
        let response = connection.call_at(&request, version).await?;
        let answer = response.decode::<OffsetCommitResponse<'_>>()?;
        let mut partitions = answer
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|partition| (topic.name.as_ref(), partition)));
        match partitions.find(|(_, partition)| partition.error_code.is_error()) {
            None => Ok(()),
            Some((topic, partition)) => {
                let subject = format!("{} on {topic}-{}", self.group, partition.partition_index);
                Err(ClientError::api(subject, partition.error_code, None))
            }
        }
    }

    /// Commits, if `enable.auto.commit`, and leaves the group.
    ///
    /// # Errors
    /// The commit failed; the group was left all the same.
    pub async fn close(mut self) -> Result<(), ClientError> {
        // Partitions that the group took back meanwhile are not committed.
        let following = self.follow_group().await;
        let committed = if self.cluster.config.enable_auto_commit { self.commit().await } else { Ok(()) };
        let (done, left) = oneshot::channel();
        if self.commands.send(Command::Leave(done)).await.is_ok() {
            // A task that ended has left.
            let _ = left.await;
        }
        following.and(committed)
    }
}
