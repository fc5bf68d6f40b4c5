//! Where the records come from.
//!
//! Owns the choice between reading partitions that are known beforehand and reading as a member of a group. Without a group
//! the tool reads all partitions itself, under no group's name.

use std::time::Duration;

use client::{
    AssignedConsumer, AutoOffsetReset, ClientConfig, ClientError, ConsumerRecord, GroupConsumer,
    PartitionRecords, StartOffset, Subscription, TopicPartition,
};
use platform::Platform;
use tokio::time::Instant;

use crate::applets::topic_filter::TopicFilter;
use crate::applets::{ToolError, java_exception};

/// What is to be read.
#[derive(Debug)]
pub enum Place {
    Partition { topic: String, partition: i32, offset: StartOffset },
    Topic { topic: String, in_group: bool },
    Matching { expression: String, in_group: bool },
}

/// See the module.
pub enum Source {
    Assigned(Box<Assigned>),
    Group(Box<GroupConsumer>),
}

/// Partitions read without a group.
pub struct Assigned {
    consumer: AssignedConsumer,
    wanted: Wanted,
    /// Where partitions begin that are there from the start.
    first: StartOffset,
    look_at: Instant,
    interval: Duration,
    has_begun: bool,
}

enum Wanted {
    Partition(TopicPartition),
    Topic(String),
    Matching(TopicFilter),
}

/// How often a topic that is not there is looked for.
const MISSING_TOPIC_INTERVAL: Duration = Duration::from_secs(1);
/// The pause between two tries to find a broker. Kafka's consumer looks for one as long as it runs.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

impl Source {
    /// Connects.
    pub async fn open(platform: &Platform, config: ClientConfig, place: &Place) -> Result<Source, ToolError> {
        loop {
            match Source::connect(platform, config.clone(), place).await {
                Err(Opening::Client(error)) if error.is_retriable() => {
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                }
                Err(Opening::Client(error)) => {
                    return Err(ToolError::failed(java_exception::caused_by(&error)));
                }
                Err(Opening::Tool(error)) => return Err(error),
                Ok(source) => return Ok(source),
            }
        }
    }

    async fn connect(platform: &Platform, config: ClientConfig, place: &Place) -> Result<Source, Opening> {
        let (in_group, wanted) = match place {
            Place::Partition { topic, partition, .. } => {
                (false, Wanted::Partition(TopicPartition::new(topic, *partition)))
            }
            Place::Topic { topic, in_group } => (*in_group, Wanted::Topic(topic.clone())),
            Place::Matching { expression, in_group } => {
                (*in_group, Wanted::Matching(TopicFilter::exact(expression)?))
            }
        };
        if in_group {
            let subscription = match wanted {
                Wanted::Topic(topic) => Subscription::Topics(vec![topic]),
                Wanted::Partition(partition) => Subscription::Topics(vec![partition.topic]),
                Wanted::Matching(filter) => {
                    Subscription::Matching(Box::new(move |topic| filter.allows(topic)))
                }
            };
            let consumer = GroupConsumer::connect(platform, config, subscription).await?;
            return Ok(Source::Group(Box::new(consumer)));
        }
        let first = match place {
            Place::Partition { offset, .. } => *offset,
            _ if config.auto_offset_reset == AutoOffsetReset::Earliest => StartOffset::Beginning,
            _ => StartOffset::End,
        };
        let interval = config.metadata_max_age;
        let consumer = AssignedConsumer::connect(platform, config).await?;
        let assigned =
            Assigned { consumer, wanted, first, look_at: Instant::now(), interval, has_begun: false };
        Ok(Source::Assigned(Box::new(assigned)))
    }

    /// Records that have come, or none after `wait`.
    pub async fn poll(&mut self, wait: Duration) -> Result<Vec<PartitionRecords>, ClientError> {
        match self {
            Source::Assigned(assigned) => assigned.poll(wait).await,
            Source::Group(consumer) => consumer.poll(wait).await,
        }
    }

    /// Takes back a record that was handed out and not used, and all behind it.
    pub fn unread(&mut self, record: &ConsumerRecord<'_>) -> Result<(), ToolError> {
        if let Source::Group(consumer) = self {
            consumer.seek(&TopicPartition::new(record.topic, record.partition), record.offset)?;
        }
        Ok(())
    }

    /// Commits and leaves, if there is a group.
    pub async fn close(self) -> Result<(), ToolError> {
        match self {
            Source::Group(consumer) => match consumer.close().await {
                // What is not committed is read again; Kafka's consumer says so in its log and ends well.
                Err(error) => {
                    eprintln!("WARN committing offsets failed: {error}");
                    Ok(())
                }
                Ok(()) => Ok(()),
            },
            Source::Assigned(_) => Ok(()),
        }
    }
}

enum Opening {
    Client(ClientError),
    Tool(ToolError),
}

impl From<ClientError> for Opening {
    fn from(error: ClientError) -> Opening {
        Opening::Client(error)
    }
}

impl From<ToolError> for Opening {
    fn from(error: ToolError) -> Opening {
        Opening::Tool(error)
    }
}

impl Assigned {
    async fn poll(&mut self, wait: Duration) -> Result<Vec<PartitionRecords>, ClientError> {
        if Instant::now() >= self.look_at {
            self.look().await?;
        }
        self.consumer.poll(wait).await
    }

    /// Looks for the partitions, and for new ones from time to time.
    async fn look(&mut self) -> Result<(), ClientError> {
        let found = match &self.wanted {
            Wanted::Partition(partition) => vec![partition.clone()],
            Wanted::Topic(topic) => match self.consumer.partitions(topic).await {
                Ok(found) => found,
                Err(error) if error.is_retriable() => Vec::new(),
                Err(error) => return Err(error),
            },
            Wanted::Matching(filter) => {
                self.consumer.matching_partitions(|topic| filter.allows(topic)).await?
            }
        };
        self.look_at = Instant::now() + if found.is_empty() { MISSING_TOPIC_INTERVAL } else { self.interval };
        let known: Vec<TopicPartition> = self.consumer.assignment().cloned().collect();
        if found.iter().all(|partition| known.contains(partition)) {
            return Ok(());
        }
        // What comes into being while the tool runs is new from its first record on.
        let first = if self.has_begun { StartOffset::Beginning } else { self.first };
        let starts: Vec<(TopicPartition, StartOffset)> = found
            .into_iter()
            .map(|partition| {
                let start = self.consumer.position(&partition).map_or(first, StartOffset::Offset);
                (partition, start)
            })
            .collect();
        self.consumer.assign(&starts).await?;
        self.has_begun = true;
        Ok(())
    }
}
