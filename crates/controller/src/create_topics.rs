//! CreateTopics: names, counts, assignments and configurations are checked, topics and partitions decided.

use std::collections::{BTreeMap, BTreeSet};

use metadata::{LeaderRecoveryState, PartitionRegistration};
use protocol::create_topics_request::CreatableTopic;
use protocol::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use protocol::{CreateTopicsRequest, CreateTopicsResponse, ErrorCode, MetadataRecord, TopicRecord, Uuid};

use crate::config_change::{NewTopicConfigs, clear_elr_records};
use crate::placement::ReplicaPlacer;
use crate::topic_name::validate_topic_name;
use crate::{ApiError, Controller, Outcome, RECORDS_PER_REQUEST_MAX};

/// Most partitions that one request may create.
pub const PARTITIONS_PER_REQUEST_MAX: usize = 10_000;
/// The topic that the controllers keep for themselves.
pub(crate) const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";
/// "The broker's default" for partitions and replication factor.
const DEFAULT_COUNT: i32 = -1;

/// A topic that was decided.
struct NewTopic {
    records: Vec<MetadataRecord<'static>>,
    result: CreatableTopicResult<'static>,
}

/// A request's topics as they are to be answered.
struct Asked<'a> {
    /// To be created, each with its id.
    topics: Vec<(&'a CreatableTopic<'a>, Uuid)>,
    /// Names given more than once: refused.
    repeated: BTreeSet<&'a str>,
    /// The controllers' own topic is among the names: refused.
    has_cluster_metadata: bool,
}

impl<'a> Asked<'a> {
    fn new(request: &'a CreateTopicsRequest<'a>, topic_ids: &[Uuid]) -> Asked<'a> {
        let mut seen = BTreeSet::new();
        let names = request.topics.iter().map(|topic| topic.name.as_ref());
        let repeated: BTreeSet<&str> = names.filter(|name| !seen.insert(*name)).collect();
        let is_asked = |name: &str| name != CLUSTER_METADATA_TOPIC && !repeated.contains(name);
        let topics = request.topics.iter().zip(topic_ids.iter().copied());
        Asked {
            topics: topics.filter(|(topic, _)| is_asked(&topic.name)).collect(),
            has_cluster_metadata: seen.contains(CLUSTER_METADATA_TOPIC)
                && !repeated.contains(CLUSTER_METADATA_TOPIC),
            repeated,
        }
    }

    /// The answers to what is not even looked at, behind the others as Kafka has them.
    fn refusals(&self) -> impl Iterator<Item = CreatableTopicResult<'static>> {
        let repeated =
            |name: &&str| failed(name, &ApiError::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name."));
        let cluster_metadata = || {
            let message = format!("Creation of internal topic {CLUSTER_METADATA_TOPIC} is prohibited.");
            failed(CLUSTER_METADATA_TOPIC, &ApiError::new(ErrorCode::INVALID_REQUEST, message))
        };
        let cluster_metadata = self.has_cluster_metadata.then(cluster_metadata);
        self.repeated.iter().map(repeated).chain(cluster_metadata)
    }
}

/// True if a request names a topic that could be created: only such a request can run out of time.
pub fn has_topics_to_create(request: &CreateTopicsRequest<'_>) -> bool {
    !Asked::new(request, &vec![Uuid::ZERO; request.topics.len()]).topics.is_empty()
}

impl Controller {
    /// Creates topics. `topic_ids` are new random ids, one for each topic of the request; `seed` decides where
    /// replicas go. Each topic succeeds or fails by itself. `charge` is asked before so many partitions are created, and
    /// may refuse (KIP-599).
    ///
    /// # Errors
    /// POLICY_VIOLATION for the whole request if it asks for too much at once.
    pub fn handle_create_topics(
        &self,
        request: &CreateTopicsRequest<'_>,
        topic_ids: &[Uuid],
        seed: u64,
        charge: &dyn Fn(usize) -> Result<(), ApiError>,
    ) -> Result<Outcome<CreateTopicsResponse<'static>>, ApiError> {
        assert!(topic_ids.len() >= request.topics.len(), "each topic of the request needs an id");
        let asked = Asked::new(request, topic_ids);
        if self.total_partitions(&asked) > PARTITIONS_PER_REQUEST_MAX {
            let message = format!("One request may create at most {PARTITIONS_PER_REQUEST_MAX} partitions.");
            return Err(ApiError::new(ErrorCode::POLICY_VIOLATION, message));
        }
        let mut described = Described::default();
        let mut records = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for (topic, topic_id) in &asked.topics {
            match self.create_topic(topic, *topic_id, seed, &mut described, charge) {
                Ok(new) => {
                    records.extend(new.records);
                    topics.push(new.result);
                }
                Err(error) => topics.push(failed(&topic.name, &error)),
            }
        }
        topics.extend(asked.refusals());
        if records.len() > RECORDS_PER_REQUEST_MAX {
            let message = "The request is excessively large.";
            return Err(ApiError::new(ErrorCode::POLICY_VIOLATION, message));
        }
        if request.validate_only {
            records.clear();
        }
        Ok(Outcome::atomic(records, CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }))
    }

    fn total_partitions(&self, asked: &Asked<'_>) -> usize {
        let partitions_of = |topic: &CreatableTopic<'_>| match (topic.assignments.len(), topic.num_partitions)
        {
            (0, DEFAULT_COUNT) => usize::try_from(self.config.num_partitions).unwrap_or(0),
            (0, count) => usize::try_from(count).unwrap_or(0),
            (assigned, _) => assigned,
        };
        asked.topics.iter().fold(0, |total, (topic, _)| total.saturating_add(partitions_of(topic)))
    }

    fn create_topic(
        &self,
        topic: &CreatableTopic<'_>,
        topic_id: Uuid,
        seed: u64,
        described: &mut Described,
        charge: &dyn Fn(usize) -> Result<(), ApiError>,
    ) -> Result<NewTopic, ApiError> {
        let name = topic.name.as_ref();
        self.check_new_name(name)?;
        let configs = self.new_topic_configs(topic)?;
        let partitions = if topic.assignments.is_empty() {
            self.place_partitions(topic, seed)?
        } else {
            self.assigned_partitions(topic)?
        };
        charge(partitions.len())?;
        let mut records = vec![MetadataRecord::Topic(TopicRecord { name: name.to_owned().into(), topic_id })];
        let config_records = configs.records(name);
        records.extend(clear_elr_records(self.features().eligible_leader_replicas(), &config_records));
        // Configurations come before the partitions, so that whoever opens a partition already knows them.
        records.splice(1..1, config_records);
        records.extend(
            (0..)
                .zip(&partitions)
                .map(|(index, partition)| MetadataRecord::Partition(partition.to_record(topic_id, index))),
        );
        let replication_factor = partitions.first().map_or(0, |partition| partition.replicas.len());
        let result = CreatableTopicResult {
            name: name.to_owned().into(),
            topic_id,
            error_message: None,
            num_partitions: i32::try_from(partitions.len()).expect("partitions of a request are bounded"),
            replication_factor: i16::try_from(replication_factor).unwrap_or(i16::MAX),
            configs: Some(described.of(self, &configs).to_vec()),
            ..CreatableTopicResult::default()
        };
        Ok(NewTopic { records, result })
    }

    fn check_new_name(&self, name: &str) -> Result<(), ApiError> {
        validate_topic_name(name)?;
        if self.image().topics().by_name(name).is_some() {
            let message = format!("Topic '{name}' already exists.");
            return Err(ApiError::new(ErrorCode::TOPIC_ALREADY_EXISTS, message));
        }
        if let Some(other) = self.colliding_name(name) {
            let message = format!("Topic '{name}' collides with existing topic: {other}");
            return Err(ApiError::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message));
        }
        Ok(())
    }

    fn place_partitions(
        &self,
        topic: &CreatableTopic<'_>,
        seed: u64,
    ) -> Result<Vec<PartitionRegistration>, ApiError> {
        let replication_factor = match i32::from(topic.replication_factor) {
            DEFAULT_COUNT => self.config.default_replication_factor,
            factor => factor,
        };
        let Some(replication_factor) = usize::try_from(replication_factor).ok().filter(|factor| *factor > 0)
        else {
            return Err(ApiError::new(
                ErrorCode::INVALID_REPLICATION_FACTOR,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ));
        };
        let count = match topic.num_partitions {
            DEFAULT_COUNT => self.config.num_partitions,
            count => count,
        };
        if count <= 0 {
            return Err(ApiError::new(
                ErrorCode::INVALID_PARTITIONS,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        }
        let mut placer = self.replica_placer(seed ^ name_seed(&topic.name));
        (0..count).map(|_| self.place_partition(&mut placer, replication_factor)).collect()
    }

    pub(crate) fn place_partition(
        &self,
        placer: &mut ReplicaPlacer,
        replication_factor: usize,
    ) -> Result<PartitionRegistration, ApiError> {
        let unable = |reason: &str| {
            ApiError::new(
                ErrorCode::INVALID_REPLICATION_FACTOR,
                format!("Unable to replicate the partition {replication_factor} time(s): {reason}"),
            )
        };
        let replicas = placer.place(replication_factor).map_err(|error| unable(&error.message))?;
        self.new_partition(replicas)
            .ok_or_else(|| unable("All brokers are currently fenced or in controlled shutdown."))
    }

    fn assigned_partitions(
        &self,
        topic: &CreatableTopic<'_>,
    ) -> Result<Vec<PartitionRegistration>, ApiError> {
        let invalid = |message: String| Err(ApiError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
        let both = |what: &str| {
            let message =
                format!("A manual partition assignment was specified, but {what} was not set to -1.");
            Err(ApiError::new(ErrorCode::INVALID_REQUEST, message))
        };
        if i32::from(topic.replication_factor) != DEFAULT_COUNT {
            return both("replication factor");
        }
        if topic.num_partitions != DEFAULT_COUNT {
            return both("numPartitions");
        }
        let mut partitions = BTreeMap::new();
        let mut replication_factor = None;
        for assignment in &topic.assignments {
            let index = assignment.partition_index;
            if partitions.contains_key(&index) {
                return invalid(format!("Found multiple manual partition assignments for partition {index}"));
            }
            self.check_assignment(&assignment.broker_ids, replication_factor)?;
            replication_factor = Some(assignment.broker_ids.len());
            let Some(partition) = self.new_partition(assignment.broker_ids.clone()) else {
                return invalid(all_unfit(index));
            };
            partitions.insert(index, partition);
        }
        if partitions.keys().zip(0..).any(|(index, expected)| *index != expected) {
            return invalid("partitions should be a consecutive 0-based integer sequence".to_owned());
        }
        Ok(partitions.into_values().collect())
    }

    /// Checks the replicas a client chose for a partition. All partitions of a topic have equally many.
    pub(crate) fn check_assignment(
        &self,
        broker_ids: &[i32],
        replication_factor: Option<usize>,
    ) -> Result<(), ApiError> {
        let invalid = |message: String| Err(ApiError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
        if broker_ids.is_empty() {
            return invalid("The manual partition assignment includes an empty replica list.".to_owned());
        }
        let mut distinct = BTreeSet::new();
        for id in broker_ids {
            let Some(broker) = self.image().cluster().broker(*id) else {
                return invalid(format!(
                    "The manual partition assignment includes broker {id}, but no such broker is registered."
                ));
            };
            if !broker.has_uncordoned_directories() {
                return invalid(format!(
                    "The manual partition assignment includes broker {id}, but all its log directories are cordoned."
                ));
            }
            if !distinct.insert(*id) {
                return invalid(format!(
                    "The manual partition assignment includes the broker {id} more than once."
                ));
            }
        }
        match replication_factor {
            Some(expected) if expected != broker_ids.len() => invalid(format!(
                "The manual partition assignment includes a partition with {} replica(s), but this is not consistent \
                 with previous partitions, which have {expected} replica(s).",
                broker_ids.len()
            )),
            _ => Ok(()),
        }
    }

    /// A partition at the start of its life; `None` if no replica could be in its ISR.
    pub(crate) fn new_partition(&self, replicas: Vec<i32>) -> Option<PartitionRegistration> {
        let isr: Vec<i32> = replicas.iter().copied().filter(|id| self.is_active(*id)).collect();
        let leader = *isr.first()?;
        let directory = |id: &i32| {
            self.image()
                .cluster()
                .broker(*id)
                .map_or(metadata::DIRECTORY_UNASSIGNED, |b| b.default_directory())
        };
        Some(PartitionRegistration {
            directories: replicas.iter().map(directory).collect(),
            replicas,
            isr,
            removing_replicas: Vec::new(),
            adding_replicas: Vec::new(),
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            leader,
            leader_recovery_state: LeaderRecoveryState::Recovered,
            leader_epoch: 0,
            partition_epoch: 0,
        })
    }
}

/// Descriptions of configurations: topics of one request mostly have the same.
#[derive(Default)]
struct Described {
    by_overrides: BTreeMap<BTreeMap<String, String>, Vec<CreatableTopicConfigs<'static>>>,
}

impl Described {
    fn of(
        &mut self,
        controller: &Controller,
        configs: &NewTopicConfigs,
    ) -> &[CreatableTopicConfigs<'static>] {
        self.by_overrides
            .entry(configs.overrides().clone())
            .or_insert_with(|| describe(&controller.config, configs.overrides()))
    }
}

fn describe(
    config: &config::BrokerConfig,
    overrides: &BTreeMap<String, String>,
) -> Vec<CreatableTopicConfigs<'static>> {
    config::describe_new_topic(config, overrides)
        .into_iter()
        .map(|entry| CreatableTopicConfigs {
            name: entry.name,
            value: if entry.is_sensitive { None } else { entry.value.map(Into::into) },
            read_only: entry.is_read_only,
            config_source: entry.source.id(),
            is_sensitive: entry.is_sensitive,
        })
        .collect()
}

/// The message for a partition none of whose chosen brokers can be in an ISR.
pub(crate) fn all_unfit(index: i32) -> String {
    format!(
        "All brokers specified in the manual partition assignment for partition {index} are fenced or in controlled \
         shutdown."
    )
}

/// Lets topics of one request start at different brokers (FNV-1a).
fn name_seed(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn failed(name: &str, error: &ApiError) -> CreatableTopicResult<'static> {
    CreatableTopicResult {
        name: name.to_owned().into(),
        error_code: error.code,
        error_message: error.clone().message_unless_general(),
        configs: Some(Vec::new()),
        ..CreatableTopicResult::default()
    }
}
