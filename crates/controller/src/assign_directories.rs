//! AssignReplicasToDirs: a broker with several log directories says where it put its replicas (KIP-858).

use metadata::is_online_directory;
use protocol::assign_replicas_to_dirs_response::{DirectoryData, PartitionData, TopicData};
use protocol::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, ErrorCode, MetadataRecord,
    PartitionChangeRecord, Uuid,
};

use crate::partition_change::Departure;
use crate::{ApiError, Controller, Outcome};

impl Controller {
    /// Records the directories of replicas. One in a directory that is offline leaves the ISR; one whose partition has
    /// no leader may lead it from an online directory.
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
                        Ok(assigned) => {
                            records.extend(assigned);
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
    ) -> Result<Vec<MetadataRecord<'static>>, ErrorCode> {
        let topic = self.image().topics().by_id(topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
        let partition = topic.partition(partition_id).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let replica = partition.replicas.iter().position(|replica| *replica == broker_id);
        let replica = replica.ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
        let mut records = Vec::new();
        let mut moved = partition.clone();
        *moved.directories.get_mut(replica).ok_or(ErrorCode::UNKNOWN_SERVER_ERROR)? = directory;
        if moved.directories != partition.directories {
            let elected =
                if partition.has_leader() { None } else { self.leader_change(topic, partition_id, &moved) };
            let mut record =
                elected.unwrap_or(PartitionChangeRecord { topic_id, partition_id, ..Default::default() });
            record.directories = Some(moved.directories);
            records.push(MetadataRecord::PartitionChange(record));
        }
        let broker = self.image().cluster().broker(broker_id);
        if broker.is_some_and(|broker| !is_online_directory(directory, &broker.directories)) {
            let departure = Departure::of_directories(broker_id, std::slice::from_ref(&directory));
            records.extend(self.departure_record(departure, topic, partition_id, partition));
        }
        Ok(records)
    }
}
