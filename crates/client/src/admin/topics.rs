//! Creating, deleting, growing and describing topics.
//!
//! Owns the requests for it. It never touches configs of existing topics.

use protocol::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use protocol::create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig};
use protocol::delete_topics_request::DeleteTopicState;
use protocol::{
    ApiKey, CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, Uuid,
};

use super::{Admin, NameRounds, Outcomes, newest};
use crate::cluster::Topics;
use crate::error::ClientError;
use crate::metadata::Topic;

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Name.
    pub name: String,
    /// Number of partitions; -1 for the broker's `num.partitions`.
    pub partitions: i32,
    /// Number of replicas; -1 for the broker's `default.replication.factor`.
    pub replication_factor: i16,
    /// Node ids of the replicas per partition, instead of both numbers.
    pub assignments: Vec<(i32, Vec<i32>)>,
    /// Topic configs.
    pub configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic with the broker's defaults.
    pub fn new(name: impl Into<String>) -> NewTopic {
        NewTopic {
            name: name.into(),
            partitions: -1,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
        }
    }

    /// With this number of partitions.
    pub fn with_partitions(mut self, partitions: i32) -> NewTopic {
        self.partitions = partitions;
        self
    }

    /// With this config.
    pub fn with_config(mut self, key: impl Into<String>, value: impl Into<String>) -> NewTopic {
        self.configs.push((key.into(), value.into()));
        self
    }

    fn wire(&self) -> CreatableTopic<'_> {
        CreatableTopic {
            name: self.name.as_str().into(),
            num_partitions: if self.assignments.is_empty() { self.partitions } else { -1 },
            replication_factor: if self.assignments.is_empty() { self.replication_factor } else { -1 },
            assignments: self
                .assignments
                .iter()
                .map(|(partition, brokers)| CreatableReplicaAssignment {
                    partition_index: *partition,
                    broker_ids: brokers.clone(),
                })
                .collect(),
            configs: self
                .configs
                .iter()
                .map(|(name, value)| CreatableTopicConfig {
                    name: name.as_str().into(),
                    value: Some(value.as_str().into()),
                })
                .collect(),
        }
    }
}

/// A number of partitions that a topic is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    /// The topic.
    pub topic: String,
    /// Its partitions, old and new.
    pub total: i32,
    /// Node ids of the replicas of each new partition; `None` leaves the choice to the controller.
    pub assignments: Option<Vec<Vec<i32>>>,
}

impl NewPartitions {
    /// A total, with replicas of the controller's choice.
    pub fn increase_to(topic: impl Into<String>, total: i32) -> NewPartitions {
        NewPartitions { topic: topic.into(), total, assignments: None }
    }
}

/// A topic that was created, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id, zero from brokers before 2.8 and when only validating.
    pub id: Uuid,
    /// Its number of partitions, -1 from brokers before 2.4.
    pub partitions: i32,
    /// Its number of replicas, -1 from brokers before 2.4.
    pub replication_factor: i16,
    /// Its configs, empty from brokers before 2.4.
    pub configs: Vec<(String, Option<String>)>,
}

fn outcome<T>(
    name: &str,
    code: ErrorCode,
    message: Option<&str>,
    value: impl FnOnce() -> T,
) -> Result<T, ClientError> {
    if code.is_error() { Err(ClientError::api(name, code, message)) } else { Ok(value()) }
}

impl Admin {
    /// Creates topics, or only checks whether they could be created.
    ///
    /// # Errors
    /// Per topic as the controller says, for example `TOPIC_ALREADY_EXISTS` or `INVALID_PARTITIONS`.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<Outcomes<CreatedTopic>, ClientError> {
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        let mut rounds = NameRounds::new(self, "creating topics", &names);
        while let Some(open) = rounds.open() {
            let answers = self.ask_create(topics, &open, validate_only).await;
            rounds.take(answers).await?;
        }
        Ok(rounds.finish())
    }

    async fn ask_create(
        &self,
        topics: &[NewTopic],
        open: &[&str],
        validate_only: bool,
    ) -> Result<Outcomes<CreatedTopic>, ClientError> {
        let request = CreateTopicsRequest {
            topics: topics.iter().filter(|topic| open.contains(&&*topic.name)).map(NewTopic::wire).collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
        };
        let response = self.any(&request).await?;
        let answer = response.decode::<CreateTopicsResponse<'_>>()?;
        let results = answer.topics.iter().map(|topic| {
            let configs = topic.configs.iter().flatten();
            let created = || CreatedTopic {
                id: topic.topic_id,
                partitions: topic.num_partitions,
                replication_factor: topic.replication_factor,
                configs: configs
                    .map(|config| (config.name.to_string(), config.value.as_deref().map(str::to_owned)))
                    .collect(),
            };
            let result = outcome(&topic.name, topic.error_code, topic.error_message.as_deref(), created);
            (topic.name.to_string(), result)
        });
        Ok(results.collect())
    }

    /// Deletes topics with all their records.
    ///
    /// # Errors
    /// Per topic as the controller says.
    pub async fn delete_topics(&self, names: &[String]) -> Result<Outcomes<()>, ClientError> {
        let mut rounds = NameRounds::new(self, "deleting topics", names);
        while let Some(open) = rounds.open() {
            let answers = self.ask_delete(&open).await;
            rounds.take(answers).await?;
        }
        Ok(rounds.finish())
    }

    async fn ask_delete(&self, open: &[&str]) -> Result<Outcomes<()>, ClientError> {
        let connection = self.cluster.any().await?;
        let version = newest(&connection, ApiKey::DeleteTopics)?;
        let mut request =
            DeleteTopicsRequest { timeout_ms: self.timeout_ms(), ..DeleteTopicsRequest::default() };
        if version >= 6 {
            let named = |name: &&'_ str| DeleteTopicState {
                name: Some((*name).to_owned().into()),
                topic_id: Uuid::ZERO,
            };
            request.topics = open.iter().map(named).collect();
        } else {
            request.topic_names = open.iter().map(|name| (*name).into()).collect();
        }
        let response = connection.call_at(&request, version).await?;
        let answer = response.decode::<DeleteTopicsResponse<'_>>()?;
        let results = answer.responses.iter().filter_map(|topic| {
            let name = topic.name.as_deref()?;
            Some((name.to_owned(), outcome(name, topic.error_code, topic.error_message.as_deref(), || ())))
        });
        Ok(results.collect())
    }

    /// Raises the number of partitions of topics to the given totals.
    ///
    /// # Errors
    /// Per topic as the controller says, for example `INVALID_PARTITIONS` for a total that is not larger.
    pub async fn create_partitions(
        &self,
        totals: &[NewPartitions],
        validate_only: bool,
    ) -> Result<Outcomes<()>, ClientError> {
        let names: Vec<String> = totals.iter().map(|new| new.topic.clone()).collect();
        let mut rounds = NameRounds::new(self, "adding partitions", &names);
        while let Some(open) = rounds.open() {
            let answers = self.ask_partitions(totals, &open, validate_only).await;
            rounds.take(answers).await?;
        }
        Ok(rounds.finish())
    }

    async fn ask_partitions(
        &self,
        totals: &[NewPartitions],
        open: &[&str],
        validate_only: bool,
    ) -> Result<Outcomes<()>, ClientError> {
        let assignment = |brokers: &Vec<i32>| CreatePartitionsAssignment { broker_ids: brokers.clone() };
        let topics =
            totals.iter().filter(|new| open.contains(&&*new.topic)).map(|new| CreatePartitionsTopic {
                name: new.topic.as_str().into(),
                count: new.total,
                assignments: new.assignments.as_ref().map(|all| all.iter().map(assignment).collect()),
            });
        let request = CreatePartitionsRequest {
            topics: topics.collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
        };
        let response = self.any(&request).await?;
        let answer = response.decode::<CreatePartitionsResponse<'_>>()?;
        let results = answer.results.iter().map(|topic| {
            let result = outcome(&topic.name, topic.error_code, topic.error_message.as_deref(), || ());
            (topic.name.to_string(), result)
        });
        Ok(results.collect())
    }

    /// All topics, by name, internal ones included.
    ///
    /// # Errors
    /// When no broker answers in time.
    pub async fn list_topics(&self) -> Result<Vec<Topic>, ClientError> {
        let mut retry = self.cluster.retry("listing topics");
        loop {
            match self.cluster.refresh(&Topics::All, false).await {
                Ok(metadata) => return Ok(metadata.topics.values().cloned().collect()),
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    /// Topics by name.
    ///
    /// # Errors
    /// Per topic, for example `UNKNOWN_TOPIC_OR_PARTITION`.
    pub async fn describe_topics(&self, names: &[String]) -> Result<Outcomes<Topic>, ClientError> {
        let mut rounds = NameRounds::new(self, "describing topics", names);
        while let Some(open) = rounds.open() {
            let answers = self.ask_topics(&open).await;
            rounds.take(answers).await?;
        }
        Ok(rounds.finish())
    }

    async fn ask_topics(&self, open: &[&str]) -> Result<Outcomes<Topic>, ClientError> {
        let named: Vec<String> = open.iter().map(|name| (*name).to_owned()).collect();
        let metadata = self.cluster.refresh(&Topics::Named(named.clone()), false).await?;
        let errors = self.cluster.topic_errors();
        let results = named.into_iter().map(|name| {
            let code = errors.get(&name).copied().unwrap_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            let found = metadata.topics.get(&name).cloned();
            let result = found.ok_or_else(|| ClientError::api(name.clone(), code, None));
            (name, result)
        });
        Ok(results.collect())
    }
}
