//! CreatePartitions: topics grow, never shrink.

use std::collections::BTreeSet;

use metadata::PartitionRegistration;
use protocol::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use protocol::create_partitions_response::CreatePartitionsTopicResult;
use protocol::{CreatePartitionsRequest, CreatePartitionsResponse, ErrorCode, MetadataRecord};

use crate::create_topics::{PARTITIONS_PER_REQUEST_MAX, all_unfit};
use crate::{ApiError, Controller, Outcome};

/// True if a request names a topic that could grow: only such a request can run out of time.
pub fn has_topics_to_grow(request: &CreatePartitionsRequest<'_>) -> bool {
    let repeated = repeated_names(request);
    request.topics.iter().any(|topic| !repeated.contains(topic.name.as_ref()))
}

fn repeated_names<'a>(request: &'a CreatePartitionsRequest<'_>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let names = request.topics.iter().map(|topic| topic.name.as_ref());
    names.filter(|name| !seen.insert(*name)).collect()
}

impl Controller {
    /// Adds partitions to topics; `seed` decides where replicas go. Each topic succeeds or fails by itself.
    /// `charge` is asked before so many partitions are added, and may refuse (KIP-599).
    pub fn handle_create_partitions(
        &self,
        request: &CreatePartitionsRequest<'_>,
        seed: u64,
        charge: &dyn Fn(usize) -> Result<(), ApiError>,
    ) -> Outcome<CreatePartitionsResponse<'static>> {
        let repeated = repeated_names(request);
        let mut records = Vec::new();
        let mut results: Vec<CreatePartitionsTopicResult<'_>> = repeated
            .iter()
            .map(|name| CreatePartitionsTopicResult {
                name: (*name).to_owned().into(),
                error_code: ErrorCode::INVALID_REQUEST,
                error_message: Some("Duplicate topic name.".into()),
            })
            .collect();
        for topic in request.topics.iter().filter(|topic| !repeated.contains(topic.name.as_ref())) {
            let name = topic.name.clone().into_owned().into();
            let limit = PARTITIONS_PER_REQUEST_MAX - records.len();
            results.push(match self.grow_topic(topic, seed, limit, charge) {
                Ok(new) => {
                    records.extend(new);
                    CreatePartitionsTopicResult { name, ..CreatePartitionsTopicResult::default() }
                }
                Err(error) => CreatePartitionsTopicResult {
                    name,
                    error_code: error.code,
                    error_message: error.message_unless_general(),
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
        charge: &dyn Fn(usize) -> Result<(), ApiError>,
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
        if let Some(assignments) = &request.assignments
            && assignments.len() != additional
        {
            let message = format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                assignments.len()
            );
            return Err(ApiError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
        }
        charge(additional)?;
        let replication_factor =
            topic.partitions().next().map_or(0, |(_, partition)| partition.replicas.len());
        let first = i32::try_from(current).map_err(|_| ErrorCode::INVALID_PARTITIONS)?;
        let partitions = match &request.assignments {
            Some(assignments) => self.assigned_additions(assignments, first, replication_factor)?,
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
        first: i32,
        replication_factor: usize,
    ) -> Result<Vec<PartitionRegistration>, ApiError> {
        let additions = (first..).zip(assignments).map(|(index, assignment)| {
            self.check_assignment(&assignment.broker_ids, Some(replication_factor))?;
            self.new_partition(assignment.broker_ids.clone())
                .ok_or_else(|| ApiError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, all_unfit(index)))
        });
        additions.collect()
    }
}
