//! The client's picture of the cluster.
//!
//! Owns brokers, topics and partition leaders as the last answers told them. It never asks.

use std::collections::BTreeMap;

use protocol::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use protocol::{ErrorCode, MetadataResponse, Uuid};

use crate::error::ClientError;

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Node id.
    pub id: i32,
    /// Advertised host.
    pub host: String,
    /// Advertised port.
    pub port: u16,
    /// Rack, if it has one.
    pub rack: Option<String>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Name.
    pub name: String,
    /// Id, zero if the broker gave none.
    pub id: Uuid,
    /// Whether it belongs to the broker itself, as `__consumer_offsets` does.
    pub is_internal: bool,
    /// Partitions; the index is the partition's number.
    pub partitions: Vec<Partition>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Number.
    pub index: i32,
    /// The leader's node id, -1 while there is none.
    pub leader: i32,
    /// The leader's epoch, -1 if unknown.
    pub leader_epoch: i32,
    /// Node ids of all replicas, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Node ids of the replicas in sync.
    pub isr: Vec<i32>,
    /// Node ids of replicas that are not available.
    pub offline: Vec<i32>,
}

/// Brokers and topics as last seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// Node id of the controller as far as clients need it, -1 if unknown. In KRaft any broker stands in for it.
    pub controller_id: i32,
    /// Brokers by node id.
    pub brokers: BTreeMap<i32, Broker>,
    /// Topics by name. Only those that were asked for.
    pub topics: BTreeMap<String, Topic>,
}

impl Metadata {
    /// The leader of a partition: node id and epoch.
    ///
    /// # Errors
    /// Retriable errors while the topic is unknown or the partition has no leader; [`ClientError::NoPartition`] when the
    /// topic is smaller.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<(i32, i32), ClientError> {
        let subject = || format!("{topic}-{partition}");
        let Some(found) = self.topics.get(topic) else {
            return Err(ClientError::api(topic, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, None));
        };
        let known = usize::try_from(partition).ok().and_then(|index| found.partitions.get(index));
        match known {
            None => Err(ClientError::NoPartition {
                topic: topic.to_owned(),
                partition,
                partitions: found.partitions.len(),
            }),
            Some(partition) if self.brokers.contains_key(&partition.leader) => {
                Ok((partition.leader, partition.leader_epoch))
            }
            Some(_) => Err(ClientError::api(subject(), ErrorCode::LEADER_NOT_AVAILABLE, None)),
        }
    }

    /// Takes over an answer. Topics that it does not mention stay; errors are returned by topic.
    pub(crate) fn update(&mut self, answer: &MetadataResponse<'_>) -> BTreeMap<String, ErrorCode> {
        self.cluster_id = answer.cluster_id.as_deref().map(str::to_owned);
        self.controller_id = answer.controller_id;
        self.brokers = answer
            .brokers
            .iter()
            .map(|broker| {
                let port = u16::try_from(broker.port).unwrap_or(0);
                let rack = broker.rack.as_deref().map(str::to_owned);
                (broker.node_id, Broker { id: broker.node_id, host: broker.host.to_string(), port, rack })
            })
            .collect();
        let mut errors = BTreeMap::new();
        for topic in &answer.topics {
            let Some(name) = topic.name.as_deref() else { continue };
            if topic.error_code.is_error() {
                self.topics.remove(name);
                errors.insert(name.to_owned(), topic.error_code);
            } else {
                let known = self.topics.remove(name);
                self.topics.insert(name.to_owned(), merge(known, name, topic));
            }
        }
        errors
    }
}

/// The topic as the answer has it, except where an older answer overtook a newer one on its way.
fn merge(known: Option<Topic>, name: &str, topic: &MetadataResponseTopic<'_>) -> Topic {
    let known =
        known.filter(|known| known.id == topic.topic_id).map(|known| known.partitions).unwrap_or_default();
    let mut partitions: Vec<Partition> = topic.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.index);
    for partition in &mut partitions {
        let newer = known
            .iter()
            .find(|known| known.index == partition.index && known.leader_epoch > partition.leader_epoch);
        if let Some(newer) = newer.filter(|_| partition.leader_epoch >= 0) {
            *partition = newer.clone();
        }
    }
    Topic { name: name.to_owned(), id: topic.topic_id, is_internal: topic.is_internal, partitions }
}

fn partition(answer: &MetadataResponsePartition) -> Partition {
    Partition {
        index: answer.partition_index,
        leader: answer.leader_id,
        leader_epoch: answer.leader_epoch,
        replicas: answer.replica_nodes.clone(),
        isr: answer.isr_nodes.clone(),
        offline: answer.offline_replicas.clone(),
    }
}
