//! CreatePartitions: topics grow, never shrink.

use std::collections::{BTreeMap, BTreeSet};

use metadata::PartitionRegistration;
use protocol::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use protocol::create_partitions_response::CreatePartitionsTopicResult;
use protocol::{CreatePartitionsRequest, CreatePartitionsResponse, ErrorCode, MetadataRecord};

use crate::create_topics::{PARTITIONS_PER_REQUEST_MAX, all_unfit};
use crate::{ApiError, Controller, Outcome};

impl Controller {
    /// Adds partitions to topics; `seed` decides where replicas go. Each topic succeeds or fails by itself.
    pub fn handle_create_partitions(
        &self,
        request: &CreatePartitionsRequest<'_>,
        seed: u64,
    ) -> Outcome<CreatePartitionsResponse<'static>> {
        let mut seen = BTreeMap::new();
        for topic in &request.topics {
            *seen.entry(topic.name.as_ref()).or_insert(0) += 1;
        }
        let mut answered = BTreeSet::new();
        let mut records = Vec::new();
        let mut results = Vec::new();
        for topic in request.topics.iter().filter(|topic| answered.insert(topic.name.clone())) {
            let grown = if seen.get(topic.name.as_ref()).is_some_and(|count| *count > 1) {
                Err(ApiError::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name."))
            } else {
                self.grow_topic(topic, seed, PARTITIONS_PER_REQUEST_MAX - records.len())
            };
            let name = topic.name.clone().into_owned().into();
            results.push(match grown {
                Ok(new) => {
                    records.extend(new);
                    CreatePartitionsTopicResult { name, ..CreatePartitionsTopicResult::default() }
                }
                Err(error) => CreatePartitionsTopicResult {
                    name,
                    error_code: error.code,
                    error_message: Some(error.message),
                },
            });
        }
        if request.validate_only {
            records.clear();
        }
        Outcome::atomic(records, CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() })
    }

    fn grow_topic(
        &self,
        request: &CreatePartitionsTopic<'_>,
        seed: u64,
        limit: usize,
    ) -> Result<Vec<MetadataRecord<'static>>, ApiError> {
        let name = request.name.as_ref();
        let topic = self.image().topics().by_name(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let current = topic.partition_count();
        let wanted = usize::try_from(request.count).unwrap_or(0);
        if wanted <= current {
            let message = if wanted == current {
                format!("Topic already has {current} partition(s).")
            } else {
                format!(
                    "The topic {name} currently has {current} partition(s); {} would not be an increase.",
                    request.count
                )
            };
            return Err(ApiError::new(ErrorCode::INVALID_PARTITIONS, message));
        }
        let additional = wanted - current;
        if additional > limit {
            let message = format!("One request may create at most {PARTITIONS_PER_REQUEST_MAX} partitions.");
            return Err(ApiError::new(ErrorCode::POLICY_VIOLATION, message));
        }
        let replication_factor =
            topic.partitions().next().map_or(0, |(_, partition)| partition.replicas.len());
        let first = i32::try_from(current).map_err(|_| ErrorCode::INVALID_PARTITIONS)?;
        let partitions = match &request.assignments {
            Some(assignments) => {
                self.assigned_additions(assignments, additional, first, replication_factor)?
            }
            None => {
                let mut placer = self.replica_placer(seed);
                (0..additional)
                    .map(|_| self.place_partition(&mut placer, replication_factor))
                    .collect::<Result<Vec<_>, _>>()?
            }
        };
        let topic_id = topic.id();
        let records = (first..)
            .zip(&partitions)
            .map(|(index, partition)| MetadataRecord::Partition(partition.to_record(topic_id, index)));
        Ok(records.collect())
    }

    fn assigned_additions(
        &self,
        assignments: &[CreatePartitionsAssignment],
        additional: usize,
        first: i32,
        replication_factor: usize,
    ) -> Result<Vec<PartitionRegistration>, ApiError> {
        if assignments.len() != additional {
            let message = format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                assignments.len()
            );
            return Err(ApiError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
        }
        let additions = (first..).zip(assignments).map(|(index, assignment)| {
            self.check_assignment(&assignment.broker_ids, Some(replication_factor))?;
            self.new_partition(assignment.broker_ids.clone())
                .ok_or_else(|| ApiError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, all_unfit(index)))
        });
        additions.collect()
    }
}
