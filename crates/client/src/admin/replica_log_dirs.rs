//! Moving replicas between the log directories of their broker (KIP-113).
//!
//! Owns asking for it. Where replicas lie, on their way or not, is told by [`Admin::describe_log_dirs`].

use std::collections::BTreeMap;

use protocol::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
use protocol::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};

use super::{Admin, PartitionOutcomes};
use crate::cluster::Lane;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

impl Admin {
    /// Begins to move a broker's replicas into these log directories. A partition that the broker does not have yet will be
    /// made there.
    ///
    /// # Errors
    /// Per partition, for example `LOG_DIR_NOT_FOUND`, `KAFKA_STORAGE_ERROR`, or `REPLICA_NOT_AVAILABLE`; as a whole when the
    /// broker does not answer.
    pub async fn alter_replica_log_dirs(
        &self,
        broker: i32,
        moves: &BTreeMap<TopicPartition, String>,
    ) -> Result<PartitionOutcomes, ClientError> {
        let mut retry = self.cluster.retry("moving replicas");
        loop {
            match self.ask_moves(broker, moves).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn ask_moves(
        &self,
        broker: i32,
        moves: &BTreeMap<TopicPartition, String>,
    ) -> Result<PartitionOutcomes, ClientError> {
        let mut dirs: BTreeMap<&str, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
        for (partition, path) in moves {
            let topics = dirs.entry(path).or_default();
            topics.entry(&partition.topic).or_default().push(partition.partition);
        }
        let dirs = dirs.into_iter().map(|(path, topics)| AlterReplicaLogDir {
            path: path.into(),
            topics: topics
                .into_iter()
                .map(|(name, partitions)| AlterReplicaLogDirTopic { name: name.into(), partitions })
                .collect(),
        });
        let request = AlterReplicaLogDirsRequest { dirs: dirs.collect() };
        let connection = self.cluster.node(broker, Lane::Prompt).await?;
        let response = connection.call(&request).await?;
        let answer = response.decode::<AlterReplicaLogDirsResponse<'_>>()?;
        let results = answer.results.iter().flat_map(|topic| {
            topic.partitions.iter().map(|result| {
                let partition = TopicPartition::new(topic.topic_name.as_ref(), result.partition_index);
                super::partition_outcome(partition, result.error_code, None)
            })
        });
        Ok(results.collect())
    }
}
