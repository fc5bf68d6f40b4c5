//! Topics with what only DescribeTopicPartitions tells: the replicas that may become leader outside of the in-sync set
//! (KIP-966).
//!
//! Owns that request and its pages. It never asks for anything but topics by name.

use std::collections::BTreeMap;

use protocol::describe_topic_partitions_request::{Cursor, TopicRequest};
use protocol::describe_topic_partitions_response::{self, DescribeTopicPartitionsResponsePartition};
use protocol::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};

use super::{Admin, Outcomes};
use crate::error::ClientError;
use crate::metadata::{Partition, Topic};

/// A topic with the eligible leader replicas of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// The topic.
    pub topic: Topic,
    /// Node ids per partition, in the order of the topic's partitions; `None` from brokers that do not tell.
    pub eligible_leaders: Vec<Option<EligibleLeaders>>,
}

/// Replicas that are not in sync and may lead a partition nevertheless.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EligibleLeaders {
    /// Those known to have everything that was committed.
    pub eligible: Vec<i32>,
    /// Those that were it last.
    pub last_known: Vec<i32>,
}

/// Pages of one description; a broker that always has one more is not believed for ever.
const PAGES_MAX: usize = 10_000;

impl Admin {
    /// Describes topics, `page_partitions` partitions with each request. Brokers before 3.8 tell no eligible leaders.
    ///
    /// # Errors
    /// Per topic, for example `UNKNOWN_TOPIC_OR_PARTITION`.
    pub async fn describe_topic_partitions(
        &self,
        names: &[String],
        page_partitions: i32,
    ) -> Result<Outcomes<TopicDescription>, ClientError> {
        let mut retry = self.cluster.retry("describing topics");
        loop {
            match self.ask_topic_partitions(names, page_partitions).await {
                Err(ClientError::UnsupportedVersion { .. }) => {
                    return Ok(without_eligible_leaders(self.describe_topics(names).await?));
                }
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn ask_topic_partitions(
        &self,
        names: &[String],
        page_partitions: i32,
    ) -> Result<Outcomes<TopicDescription>, ClientError> {
        let mut found: BTreeMap<String, Result<TopicDescription, ClientError>> = BTreeMap::new();
        let mut cursor: Option<Cursor<'static>> = None;
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort();
        for _ in 0..PAGES_MAX {
            // Topics come in order of their names, so those before the cursor are done.
            let open = sorted.iter().filter(|name| {
                cursor.as_ref().is_none_or(|cursor| name.as_str() >= cursor.topic_name.as_ref())
            });
            let request = DescribeTopicPartitionsRequest {
                topics: open.map(|name| TopicRequest { name: name.as_str().into() }).collect(),
                response_partition_limit: page_partitions,
                cursor: cursor.take(),
            };
            let response = self.any(&request).await?;
            let answer = response.decode::<DescribeTopicPartitionsResponse<'_>>()?;
            for topic in &answer.topics {
                take_topic(&mut found, topic);
            }
            match answer.next_cursor {
                Some(next) => {
                    cursor = Some(Cursor {
                        topic_name: next.topic_name.into_owned().into(),
                        partition_index: next.partition_index,
                    });
                }
                None => break,
            }
        }
        let outcomes = names.iter().filter_map(|name| Some((name.clone(), found.remove(name)?)));
        Ok(outcomes.collect())
    }
}

/// Takes over what a page says of a topic; a topic may go on from page to page.
fn take_topic(
    found: &mut BTreeMap<String, Result<TopicDescription, ClientError>>,
    answer: &describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic<'_>,
) {
    let Some(name) = answer.name.as_deref() else { return };
    if answer.error_code.is_error() {
        found.insert(name.to_owned(), Err(ClientError::api(name, answer.error_code, None)));
        return;
    }
    let known = found.entry(name.to_owned()).or_insert_with(|| {
        let topic = Topic {
            name: name.to_owned(),
            id: answer.topic_id,
            is_internal: answer.is_internal,
            partitions: Vec::new(),
        };
        Ok(TopicDescription { topic, eligible_leaders: Vec::new() })
    });
    let Ok(known) = known else { return };
    for partition in &answer.partitions {
        let leaders = partition.eligible_leader_replicas.as_ref().map(|eligible| EligibleLeaders {
            eligible: eligible.clone(),
            last_known: partition.last_known_elr.clone().unwrap_or_default(),
        });
        known.topic.partitions.push(self::partition(partition));
        known.eligible_leaders.push(leaders);
    }
}

fn partition(answer: &DescribeTopicPartitionsResponsePartition) -> Partition {
    Partition {
        index: answer.partition_index,
        leader: answer.leader_id,
        leader_epoch: answer.leader_epoch,
        replicas: answer.replica_nodes.clone(),
        isr: answer.isr_nodes.clone(),
        offline: answer.offline_replicas.clone(),
    }
}

fn without_eligible_leaders(outcomes: Outcomes<Topic>) -> Outcomes<TopicDescription> {
    let describe = |topic: Topic| {
        let eligible_leaders = topic.partitions.iter().map(|_| None).collect();
        TopicDescription { topic, eligible_leaders }
    };
    outcomes.into_iter().map(|(name, outcome)| (name, outcome.map(describe))).collect()
}
