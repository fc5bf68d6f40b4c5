//! Partitions on the way to other replicas.
//!
//! Owns asking which they are. It never starts or stops one.

use std::collections::BTreeMap;

use protocol::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use protocol::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use super::Admin;
use crate::error::ClientError;
use crate::leaders;
use crate::topic_partition::TopicPartition;

/// A partition on the way to other replicas, by node ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionReassignment {
    /// All replicas, old and new.
    pub replicas: Vec<i32>,
    /// Replicas to come.
    pub adding: Vec<i32>,
    /// Replicas to go.
    pub removing: Vec<i32>,
}

impl Admin {
    /// Which of these partitions (or of all) are on the way to other replicas.
    ///
    /// # Errors
    /// As the controller says; [`ClientError::UnsupportedVersion`] from brokers before 2.4.
    pub async fn list_reassignments(
        &self,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<BTreeMap<TopicPartition, PartitionReassignment>, ClientError> {
        let mut retry = self.cluster.retry("listing reassignments");
        loop {
            match self.ask_reassignments(partitions).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn ask_reassignments(
        &self,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<BTreeMap<TopicPartition, PartitionReassignment>, ClientError> {
        let topics = partitions.map(|partitions| {
            let all: Vec<usize> = (0..partitions.len()).collect();
            let topics = leaders::by_topic(partitions, &all).into_iter();
            let named = topics.map(|(name, indexes)| ListPartitionReassignmentsTopics {
                name: name.into(),
                partition_indexes: indexes.into_iter().map(|index| partitions[index].partition).collect(),
            });
            named.collect()
        });
        let request = ListPartitionReassignmentsRequest { timeout_ms: self.timeout_ms(), topics };
        let response = self.any(&request).await?;
        let answer = response.decode::<ListPartitionReassignmentsResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api(
                "reassignments",
                answer.error_code,
                answer.error_message.as_deref(),
            ));
        }
        let mut found = BTreeMap::new();
        for topic in &answer.topics {
            for partition in &topic.partitions {
                found.insert(
                    TopicPartition::new(topic.name.as_ref(), partition.partition_index),
                    PartitionReassignment {
                        replicas: partition.replicas.clone(),
                        adding: partition.adding_replicas.clone(),
                        removing: partition.removing_replicas.clone(),
                    },
                );
            }
        }
        Ok(found)
    }
}
