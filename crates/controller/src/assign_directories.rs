//! AssignReplicasToDirs: a broker with several log directories says where it put its replicas (KIP-858).

use protocol::assign_replicas_to_dirs_response::{DirectoryData, PartitionData, TopicData};
use protocol::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, ErrorCode, MetadataRecord,
    PartitionChangeRecord, Uuid,
};

use crate::{ApiError, Controller, Outcome};

impl Controller {
    /// Records the directories of replicas.
    ///
    /// # Errors
    /// STALE_BROKER_EPOCH for the whole request.
    pub fn handle_assign_replicas_to_dirs(
        &self,
        request: &AssignReplicasToDirsRequest,
    ) -> Result<Outcome<AssignReplicasToDirsResponse>, ApiError> {
        self.check_broker_epoch(request.broker_id, request.broker_epoch)?;
        let mut records = Vec::new();
        let mut directories = Vec::new();
        for directory in &request.directories {
            let topics = directory.topics.iter().map(|topic| {
                let partitions = topic.partitions.iter().map(|partition| {
                    let index = partition.partition_index;
                    let assigned = self.assign(request.broker_id, topic.topic_id, index, directory.id);
                    let error_code = match assigned {
                        Ok(record) => {
                            records.extend(record.map(MetadataRecord::PartitionChange));
                            ErrorCode::NONE
                        }
                        Err(code) => code,
                    };
                    PartitionData { partition_index: index, error_code }
                });
                TopicData { topic_id: topic.topic_id, partitions: partitions.collect() }
            });
            directories.push(DirectoryData { id: directory.id, topics: topics.collect() });
        }
        let response =
            AssignReplicasToDirsResponse { directories, ..AssignReplicasToDirsResponse::default() };
        Ok(Outcome::gradual(records, response))
    }

    fn assign(
        &self,
        broker_id: i32,
        topic_id: Uuid,
        partition_id: i32,
        directory: Uuid,
    ) -> Result<Option<PartitionChangeRecord>, ErrorCode> {
        let topic = self.image().topics().by_id(topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
        let partition = topic.partition(partition_id).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let replica = partition.replicas.iter().position(|replica| *replica == broker_id);
        let replica = replica.ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
        if partition.directories.get(replica) == Some(&directory) {
            return Ok(None);
        }
        let mut directories = partition.directories.clone();
        *directories.get_mut(replica).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)? = directory;
        Ok(Some(PartitionChangeRecord {
            topic_id,
            partition_id,
            directories: Some(directories),
            ..PartitionChangeRecord::default()
        }))
    }
}
