//! ElectLeaders: partitions go back to their preferred leader, or get any leader at all (KIP-460).

use std::borrow::Cow;

use metadata::{PartitionRegistration, TopicImage};
use protocol::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use protocol::{ElectLeadersRequest, ElectLeadersResponse, ErrorCode, MetadataRecord};

use crate::partition_change::Election;
use crate::{ApiError, Controller, Outcome, RECORDS_PER_REQUEST_MAX};

/// Values of `ElectionType`.
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

impl Controller {
    /// Elects leaders. Each partition succeeds or fails by itself. Where all partitions are asked for, those that need
    /// no election are passed over.
    ///
    /// # Errors
    /// INVALID_REQUEST: an unknown type of election.
    pub fn handle_elect_leaders(
        &self,
        request: &ElectLeadersRequest<'_>,
    ) -> Result<Outcome<ElectLeadersResponse<'static>>, ApiError> {
        if request.topic_partitions.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Outcome::answer(ElectLeadersResponse::default()));
        }
        let election = election(request.election_type)?;
        let mut records = Vec::new();
        let topics = self.image().topics();
        let results = match &request.topic_partitions {
            None => topics.iter().map(|topic| self.elect_all(topic, election, &mut records)).collect(),
            Some(asked) => asked
                .iter()
                .map(|asked| {
                    let topic = topics.by_name(&asked.topic);
                    let partitions = asked.partitions.iter().map(|index| {
                        let elected = match topic {
                            Some(topic) => self.elect_in(topic, *index, election, &mut records),
                            None => Err(unknown(format!("There is no topic named {}.", asked.topic))),
                        };
                        result(*index, elected)
                    });
                    let partition_result = partitions.collect();
                    ReplicaElectionResult { topic: Cow::Owned(asked.topic.to_string()), partition_result }
                })
                .collect(),
        };
        let response =
            ElectLeadersResponse { replica_election_results: results, ..ElectLeadersResponse::default() };
        Ok(Outcome::gradual(records, response))
    }

    fn elect_all(
        &self,
        topic: &TopicImage,
        election: Election,
        records: &mut Vec<MetadataRecord<'static>>,
    ) -> ReplicaElectionResult<'static> {
        let partitions = topic
            .partitions()
            .map(|(index, partition)| result(index, self.elect(topic, index, partition, election, records)));
        let needed =
            partitions.filter(|result| result.error_code != ErrorCode::ELECTION_NOT_NEEDED).collect();
        ReplicaElectionResult { topic: Cow::Owned(topic.name().to_owned()), partition_result: needed }
    }

    fn elect_in(
        &self,
        topic: &TopicImage,
        index: i32,
        election: Election,
        records: &mut Vec<MetadataRecord<'static>>,
    ) -> Result<(), ApiError> {
        let partition = topic.partition(index);
        let partition =
            partition.ok_or_else(|| unknown(format!("There is no partition {}-{index}.", topic.name())))?;
        self.elect(topic, index, partition, election, records)
    }

    fn elect(
        &self,
        topic: &TopicImage,
        index: i32,
        partition: &PartitionRegistration,
        election: Election,
        records: &mut Vec<MetadataRecord<'static>>,
    ) -> Result<(), ApiError> {
        let (is_needed, unavailable) = match election {
            Election::Unclean => (!partition.has_leader(), ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE),
            _ => (!partition.has_preferred_leader(), ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE),
        };
        if !is_needed {
            return Err(ErrorCode::ELECTION_NOT_NEEDED.into());
        }
        if records.len() >= RECORDS_PER_REQUEST_MAX {
            let message = format!("One request may elect at most {RECORDS_PER_REQUEST_MAX} leaders.");
            return Err(ApiError::new(ErrorCode::POLICY_VIOLATION, message));
        }
        let record = self.change_partition(topic, index, partition, election, |_| {});
        records.push(record.ok_or(unavailable)?);
        Ok(())
    }
}

fn election(election_type: i8) -> Result<Election, ApiError> {
    match election_type {
        PREFERRED => Ok(Election::Preferred),
        UNCLEAN => Ok(Election::Unclean),
        other => {
            let message = format!("There is no election of type {other}.");
            Err(ApiError::new(ErrorCode::INVALID_REQUEST, message))
        }
    }
}

fn unknown(message: String) -> ApiError {
    ApiError::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message)
}

fn result(partition_id: i32, elected: Result<(), ApiError>) -> PartitionResult<'static> {
    match elected {
        Ok(()) => PartitionResult { partition_id, error_code: ErrorCode::NONE, error_message: None },
        Err(error) => {
            PartitionResult { partition_id, error_code: error.code, error_message: Some(error.message) }
        }
    }
}
