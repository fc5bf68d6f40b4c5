//! Partitions on the way to other replicas.
//!
//! Owns starting, stopping and listing such moves (KIP-455). It never moves a record.

use std::collections::BTreeMap;

use protocol::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use protocol::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use protocol::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

use super::{Admin, PartitionOutcomes};
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
    /// Begins to move partitions to other replicas, by node ids; `None` stops a move that is under way.
    ///
    /// # Errors
    /// Per partition, for example `INVALID_REPLICA_ASSIGNMENT` or `NO_REASSIGNMENT_IN_PROGRESS`; as a whole as the
    /// controller says.
    pub async fn alter_reassignments(
        &self,
        moves: &BTreeMap<TopicPartition, Option<Vec<i32>>>,
    ) -> Result<PartitionOutcomes, ClientError> {
        let mut retry = self.cluster.retry("moving partitions");
        loop {
            match self.ask_moves_between_brokers(moves).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn ask_moves_between_brokers(
        &self,
        moves: &BTreeMap<TopicPartition, Option<Vec<i32>>>,
    ) -> Result<PartitionOutcomes, ClientError> {
        let mut topics: BTreeMap<&str, Vec<ReassignablePartition>> = BTreeMap::new();
        for (partition, replicas) in moves {
            let partition_index = partition.partition;
            let reassigned = ReassignablePartition { partition_index, replicas: replicas.clone() };
            topics.entry(&partition.topic).or_default().push(reassigned);
        }
        let topics =
            topics.into_iter().map(|(name, partitions)| ReassignableTopic { name: name.into(), partitions });
        let request = AlterPartitionReassignmentsRequest {
            timeout_ms: self.timeout_ms(),
            topics: topics.collect(),
            ..AlterPartitionReassignmentsRequest::default()
        };
        let response = self.any(&request).await?;
        let answer = response.decode::<AlterPartitionReassignmentsResponse<'_>>()?;
        if answer.error_code.is_error() {
            let message = answer.error_message.as_deref();
            return Err(ClientError::api("reassignments", answer.error_code, message));
        }
        let results = answer.responses.iter().flat_map(|topic| {
            topic.partitions.iter().map(|result| {
                let partition = TopicPartition::new(topic.name.as_ref(), result.partition_index);
                super::partition_outcome(partition, result.error_code, result.error_message.as_deref())
            })
        });
        Ok(results.collect())
    }

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
