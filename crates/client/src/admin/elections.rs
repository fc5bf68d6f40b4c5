//! Elections of leaders (KIP-183, KIP-460).
//!
//! Owns the request for them. Who may lead is the controller's business.

use protocol::elect_leaders_request::TopicPartitions;
use protocol::{ElectLeadersRequest, ElectLeadersResponse};

use super::{Admin, PartitionOutcomes};
use crate::error::ClientError;
use crate::leaders;
use crate::topic_partition::TopicPartition;

/// Who is to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElectionType {
    /// The first of a partition's replicas, if it is in sync.
    Preferred,
    /// Where there is no leader, any replica that is alive, and records may be lost.
    Unclean,
}

impl Admin {
    /// Elects leaders of these partitions, or of all that need one.
    ///
    /// # Errors
    /// Per partition, for example `ELECTION_NOT_NEEDED` or `PREFERRED_LEADER_NOT_AVAILABLE`; of all partitions only those
    /// with a new leader or an error are named. As a whole, for example `CLUSTER_AUTHORIZATION_FAILED`.
    pub async fn elect_leaders(
        &self,
        election: ElectionType,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<PartitionOutcomes, ClientError> {
        let mut retry = self.cluster.retry("electing leaders");
        loop {
            match self.ask_election(election, partitions).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn ask_election(
        &self,
        election: ElectionType,
        partitions: Option<&[TopicPartition]>,
    ) -> Result<PartitionOutcomes, ClientError> {
        let topics = partitions.map(|partitions| {
            let all: Vec<usize> = (0..partitions.len()).collect();
            let topics = leaders::by_topic(partitions, &all).into_iter();
            let named = topics.map(|(topic, indexes)| TopicPartitions {
                topic: topic.into(),
                partitions: indexes.into_iter().map(|index| partitions[index].partition).collect(),
            });
            named.collect()
        });
        let request = ElectLeadersRequest {
            election_type: match election {
                ElectionType::Preferred => 0,
                ElectionType::Unclean => 1,
            },
            topic_partitions: topics,
            timeout_ms: self.timeout_ms(),
        };
        let response = self.any(&request).await?;
        let answer = response.decode::<ElectLeadersResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api("the election", answer.error_code, None));
        }
        let results = answer.replica_election_results.iter().flat_map(|topic| {
            topic.partition_result.iter().map(|result| {
                let partition = TopicPartition::new(topic.topic.as_ref(), result.partition_id);
                super::partition_outcome(partition, result.error_code, result.error_message.as_deref())
            })
        });
        Ok(results.collect())
    }
}
