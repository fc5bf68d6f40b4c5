//! (skeleton)
#![allow(dead_code)]
mod admin;
mod cluster;
mod config;
mod connection;
mod error;
mod leaders;
mod metadata;
mod offsets;
mod retry;
mod topic_partition;

pub use admin::*;
pub use config::*;
pub use error::ClientError;
pub use metadata::{Broker, Metadata, Partition, Topic};
pub use offsets::{ListedOffset, OffsetSpec};
pub use topic_partition::TopicPartition;
