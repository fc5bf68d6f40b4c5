//! AlterPartitionReassignments: replicas of partitions are told to move, or to stay after all (KIP-455).

use std::borrow::Cow;

use metadata::{PartitionRegistration, TopicImage};
use protocol::alter_partition_reassignments_request::ReassignablePartition;
use protocol::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use protocol::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ErrorCode, MetadataRecord,
};

use crate::partition_change::Election;
use crate::reassignment::Reassignment;
use crate::{ApiError, Controller, Outcome, RECORDS_PER_REQUEST_MAX};

impl Controller {
    /// Begins, replaces and cancels reassignments. Each partition succeeds or fails by itself.
    pub fn handle_alter_partition_reassignments(
        &self,
        request: &AlterPartitionReassignmentsRequest<'_>,
    ) -> Outcome<AlterPartitionReassignmentsResponse<'static>> {
        if request.topics.is_empty() {
            return Outcome::answer(AlterPartitionReassignmentsResponse::default());
        }
        let may_change_factor = request.allow_replication_factor_change;
        let mut records = Vec::new();
        let mut responses = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let altered = match records.len() < RECORDS_PER_REQUEST_MAX {
                    true => self.alter_reassignment(&topic.name, partition, may_change_factor),
                    false => Err(too_many()),
                };
                let (error_code, error_message) = match altered {
                    Ok(record) => {
                        records.extend(record);
                        (ErrorCode::NONE, None)
                    }
                    Err(error) => (error.code, error.message_unless_general()),
                };
                let partition_index = partition.partition_index;
                partitions.push(ReassignablePartitionResponse { partition_index, error_code, error_message });
            }
            responses
                .push(ReassignableTopicResponse { name: Cow::Owned(topic.name.to_string()), partitions });
        }
        let response = AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: may_change_factor,
            error_message: None,
            responses,
            ..AlterPartitionReassignmentsResponse::default()
        };
        Outcome::atomic(records, response)
    }

    fn alter_reassignment(
        &self,
        name: &str,
        asked: &ReassignablePartition,
        may_change_factor: bool,
    ) -> Result<Option<MetadataRecord<'static>>, ApiError> {
        let unknown = |message: String| ApiError::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message);
        let topic = self.image().topics().by_name(name);
        let topic = topic.ok_or_else(|| unknown(format!("There is no topic named {name}.")))?;
        let index = asked.partition_index;
        let partition = topic.partition(index);
        let partition = partition.ok_or_else(|| unknown(format!("There is no partition {name}-{index}.")))?;
        match &asked.replicas {
            None => self.cancel_reassignment(topic, index, partition),
            Some(replicas) => self.reassign(topic, index, partition, replicas, may_change_factor),
        }
    }

    fn cancel_reassignment(
        &self,
        topic: &TopicImage,
        index: i32,
        partition: &PartitionRegistration,
    ) -> Result<Option<MetadataRecord<'static>>, ApiError> {
        let ongoing = Reassignment::of(partition);
        if !ongoing.is_in_progress() {
            return Err(ErrorCode::NO_REASSIGNMENT_IN_PROGRESS.into());
        }
        let invalid = |message: String| ApiError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
        let reverted = ongoing
            .reverted(&partition.isr)
            .ok_or_else(|| invalid(format!("All replicas of {}-{index} are being added.", topic.name())))?;
        let election = self.usual_election(topic);
        if reverted.is_unclean && election != Election::Unclean {
            return Err(invalid(format!(
                "The reassignment of {}-{index} cannot be taken back: none of its earlier replicas is in sync, and \
                 unclean leader election is off.",
                topic.name()
            )));
        }
        Ok(self.change_partition(topic, index, partition, election, |change| {
            change.target_isr = reverted.isr;
            change.target =
                Reassignment { replicas: reverted.replicas, removing: Vec::new(), adding: Vec::new() };
        }))
    }

    /// All new replicas are added first; those that are not wanted any more go when the new ones are in sync. Where that
    /// is so at once, the reassignment ends with the record that begins it.
    fn reassign(
        &self,
        topic: &TopicImage,
        index: i32,
        partition: &PartitionRegistration,
        replicas: &[i32],
        may_change_factor: bool,
    ) -> Result<Option<MetadataRecord<'static>>, ApiError> {
        self.check_assignment(replicas, None)?;
        let factor = Reassignment::of(partition).replication_factor();
        if !may_change_factor && factor != replicas.len() {
            let message = format!("The replication factor would change from {factor} to {}.", replicas.len());
            return Err(ApiError::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
        }
        let wanted = Reassignment::between(&partition.replicas, replicas);
        Ok(self.change_partition(topic, index, partition, Election::Online, |change| {
            change.target.replicas = wanted.replicas;
            if !wanted.removing.is_empty() {
                change.target.removing = wanted.removing;
            }
            if !wanted.adding.is_empty() {
                change.target.adding = wanted.adding;
            }
        }))
    }
}

fn too_many() -> ApiError {
    let message = format!("One request may reassign at most {RECORDS_PER_REQUEST_MAX} partitions.");
    ApiError::new(ErrorCode::POLICY_VIOLATION, message)
}
