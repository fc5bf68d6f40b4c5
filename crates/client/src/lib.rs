//! A Kafka client: administration, producing, reading chosen partitions or as a member of a group.
//!
//! Owns everything between an application and a cluster's wire protocol: connections with pipelined requests, agreeing on
//! versions, the picture of the cluster, retries. It works against Apache Kafka (2.1 and later) and Klamm alike and takes
//! Kafka's own property names. It never reaches into a server's crates, and it reaches the machine only through `platform`.
//!
//! Four roles, each with its own connections: [`Admin`], [`Producer`], [`AssignedConsumer`], [`GroupConsumer`]. All errors are
//! [`ClientError`], whose [`hint`](ClientError::hint) says what to do.
//!
//! ```no_run
//! use std::time::Duration;
//! use client::{Admin, AssignedConsumer, ClientConfig, ClientError, NewTopic, Producer, ProducerRecord, StartOffset};
//!
//! # async fn example() -> Result<(), ClientError> {
//! let platform = platform::Platform::os();
//! let mut config = ClientConfig::new("localhost:9092")?;
//! config.set("compression.type", "lz4")?;
//!
//! let admin = Admin::connect(&platform, config.clone()).await?;
//! for (topic, created) in admin.create_topics(&[NewTopic::new("hello").with_partitions(3)], false).await? {
//!     println!("{topic}: {}", created?.id);
//! }
//!
//! let producer = Producer::connect(&platform, config.clone()).await?;
//! let record = ProducerRecord { topic: "hello", key: Some(b"k"), value: Some(b"v"), ..ProducerRecord::default() };
//! let delivery = producer.send(record).await?;   // queued; waits only for memory
//! println!("written at offset {}", delivery.await?.offset);
//! producer.close().await?;
//!
//! let mut consumer = AssignedConsumer::connect(&platform, config).await?;
//! let partitions = consumer.partitions("hello").await?;
//! let start: Vec<_> = partitions.into_iter().map(|partition| (partition, StartOffset::Beginning)).collect();
//! consumer.assign(&start).await?;
//! while !consumer.is_at_end() {
//!     for records in consumer.poll(Duration::from_millis(500)).await? {
//!         for record in records.records() {
//!             let record = record?;
//!             println!("{}-{} @{}: {:?}", record.topic, record.partition, record.offset, record.value);
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod admin;
mod cluster;
mod config;
mod connection;
mod consumer;
mod error;
mod group;
mod leaders;
mod metadata;
mod offline;
mod offsets;
mod producer;
mod retry;
mod topic_partition;

pub use admin::{
    Admin, ApiVersionRange, ClusterBroker, ClusterDescription, CommittedOffset, ConfigAlteration,
    ConfigChange, ConfigEntry, ConfigResource, ConfigSource, ConfigSynonym, CreatedTopic, ElectionType,
    EligibleLeaders, FeatureDescription, FeatureUpdate, FeatureUpgrade, GroupDescription, GroupListing,
    GroupMember, LogDirDescription, NewPartitions, NewTopic, Outcomes, PartitionOutcomes,
    PartitionReassignment, QuorumDescription, QuorumNode, QuorumReplica, QuotaEntity, QuotaMatch, Quotas,
    ReplicaSize, ResourceKind, ScramChange, ScramMechanism, TopicDescription,
};
pub use config::{Acks, AutoOffsetReset, ClientConfig, CompressionLevels, ConfigError, IsolationLevel};
pub use consumer::{AssignedConsumer, ConsumerRecord, PartitionRecords, StartOffset};
pub use error::ClientError;
pub use group::{Assignor, GroupConsumer, Subscription};
pub use metadata::{Broker, Metadata, Partition, Topic};
pub use offline::OfflinePartitions;
pub use offsets::{ListedOffset, OffsetSpec};
pub use producer::{Delivery, Producer, ProducerRecord, ProducerStats, RecordMetadata};
pub use protocol::{ErrorCode, Uuid};
pub use records::{Compression, Header, Headers, TimestampType};
pub use topic_partition::TopicPartition;

#[cfg(test)]
mod tests;
