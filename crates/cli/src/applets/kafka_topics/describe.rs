//! `kafka-topics --describe`.
//!
//! Owns the lines that it prints: one per topic, and one per partition behind a tab. Scripts take them apart.

use std::collections::{BTreeMap, BTreeSet};

use client::{
    Admin, ConfigEntry, ConfigSource, EligibleLeaders, ErrorCode, Partition, PartitionReassignment,
    TopicDescription, TopicPartition, Uuid,
};

use super::{REPORTS, ensure_found, matching};
use crate::applets::ToolError;
use crate::applets::hash_order::sort_by_hash;
use crate::applets::options::CommandLine;
use crate::applets::tool_client::PAGE_PARTITIONS;
use crate::applets::uuid_argument::parse_uuid;
use crate::output::print;

type Reassignments = BTreeMap<TopicPartition, PartitionReassignment>;

/// Describes topics.
pub async fn describe(line: &CommandLine, admin: &Admin) -> Result<(), ToolError> {
    let topics = described(line, admin).await?;
    let live: BTreeSet<i32> =
        admin.describe_cluster().await?.brokers.iter().map(|broker| broker.broker.id).collect();
    let names: Vec<String> = topics.iter().map(|topic| topic.topic.name.clone()).collect();
    let configs = admin.describe_topic_configs(&names).await?;
    let reassignments = reassignments(admin, &topics).await?;
    for (topic, (_, configs)) in topics.iter().zip(configs) {
        print_topic(line, topic, &configs?, &reassignments, &live)?;
    }
    Ok(())
}

/// The topics that are chosen by name or by id.
async fn described(line: &CommandLine, admin: &Admin) -> Result<Vec<TopicDescription>, ToolError> {
    let id = line.one("topic-id")?.map(parse_uuid).transpose()?;
    if let Some(id) = id.filter(|id| !id.is_zero()) {
        return by_id(line, admin, id).await;
    }
    let names = matching(line, admin).await?;
    ensure_found(line, &names)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let page = line.number("partition-size-limit-per-response")?.unwrap_or(PAGE_PARTITIONS);
    let outcomes = admin.describe_topic_partitions(&names, page).await?;
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect::<Result<_, _>>()?)
}

/// Kafka's tool describes a topic that it knows by its id without the eligible leaders.
async fn by_id(line: &CommandLine, admin: &Admin, id: Uuid) -> Result<Vec<TopicDescription>, ToolError> {
    let internal_too = !line.has("exclude-internal");
    let topics = admin.list_topics().await?;
    let found = topics.into_iter().filter(|topic| topic.id == id && (internal_too || !topic.is_internal));
    let found: Vec<TopicDescription> = found
        .map(|topic| {
            let eligible_leaders = topic.partitions.iter().map(|_| None).collect();
            TopicDescription { topic, eligible_leaders }
        })
        .collect();
    if found.is_empty() && !line.has("if-exists") {
        return Err(ToolError::failed(format!("TopicId '{id}' does not exist as expected")));
    }
    Ok(found)
}

async fn reassignments(admin: &Admin, topics: &[TopicDescription]) -> Result<Reassignments, ToolError> {
    let partitions: Vec<TopicPartition> = topics
        .iter()
        .flat_map(|TopicDescription { topic, .. }| {
            topic.partitions.iter().map(|partition| TopicPartition::new(&topic.name, partition.index))
        })
        .collect();
    match admin.list_reassignments(Some(&partitions)).await {
        Ok(found) => Ok(found),
        // Old clusters cannot say, and not everyone may ask.
        Err(client::ClientError::UnsupportedVersion { .. }) => Ok(Reassignments::new()),
        Err(error) if error.code() == Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => {
            Ok(Reassignments::new())
        }
        Err(error) => Err(error.into()),
    }
}

fn print_topic(
    line: &CommandLine,
    description: &TopicDescription,
    configs: &[ConfigEntry],
    reassignments: &Reassignments,
    live: &BTreeSet<i32>,
) -> Result<(), ToolError> {
    let topic = &description.topic;
    let is_report = REPORTS.iter().any(|report| line.has(report));
    let mut configs: Vec<&ConfigEntry> = configs.iter().collect();
    sort_by_hash(&mut configs, |config| &config.name);
    let own: Vec<String> = configs
        .iter()
        .filter(|config| config.source != ConfigSource::Default)
        .map(|config| format!("{}={}", config.name, config.value.as_deref().unwrap_or("null")))
        .collect();
    let reassignment = |index: i32| reassignments.get(&TopicPartition::new(&topic.name, index));
    let is_plain = line.has("topics-with-overrides") && own.is_empty();
    if !is_report && !is_plain {
        let id = if topic.id.is_zero() { String::new() } else { format!("\tTopicId: {}", topic.id) };
        let factor = topic.partitions.first().map_or(0, |first| factor(first, reassignment(first.index)));
        print(&format!(
            "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {factor}\tConfigs: {}\n",
            topic.name,
            topic.partitions.len(),
            own.join(",")
        ))?;
    }
    if line.has("topics-with-overrides") {
        return Ok(());
    }
    let min_isr = configs.iter().find(|config| config.name == "min.insync.replicas");
    let min_isr = min_isr.and_then(|config| config.value.as_deref()?.parse().ok()).unwrap_or(1);
    for (partition, leaders) in topic.partitions.iter().zip(&description.eligible_leaders) {
        let shown =
            Shown { partition, leaders: leaders.as_ref(), reassignment: reassignment(partition.index) };
        if !is_report || shown.is_reported(line, min_isr, live) {
            print(&shown.line(&topic.name))?;
        }
    }
    Ok(())
}

/// How many replicas a partition is meant to have: those to come do not count while it is on the way.
fn factor(partition: &Partition, reassignment: Option<&PartitionReassignment>) -> usize {
    let on_the_way = reassignment.filter(|reassignment| {
        let mut changing = reassignment.adding.iter().chain(&reassignment.removing);
        changing.any(|id| partition.replicas.contains(id))
    });
    match on_the_way {
        Some(reassignment) => reassignment.replicas.len() - reassignment.adding.len(),
        None => partition.replicas.len(),
    }
}

struct Shown<'a> {
    partition: &'a Partition,
    leaders: Option<&'a EligibleLeaders>,
    reassignment: Option<&'a PartitionReassignment>,
}

impl Shown<'_> {
    /// Whether one of the reports that were asked for has this partition.
    fn is_reported(&self, line: &CommandLine, min_isr: usize, live: &BTreeSet<i32>) -> bool {
        let in_sync = self.partition.isr.len();
        let has_leader = self.partition.leader >= 0;
        let holds = |report: &str| match report {
            "under-replicated-partitions" => factor(self.partition, self.reassignment) > in_sync,
            "unavailable-partitions" => !has_leader || !live.contains(&self.partition.leader),
            "under-min-isr-partitions" => !has_leader || in_sync < min_isr,
            _ => in_sync == min_isr,
        };
        REPORTS.iter().any(|report| line.has(report) && holds(report))
    }

    fn line(&self, topic: &str) -> String {
        let Partition { index, leader, replicas, isr, .. } = self.partition;
        let leader = if *leader < 0 { "none".to_owned() } else { leader.to_string() };
        let mut line = format!(
            "\tTopic: {topic}\tPartition: {index}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
            ids(replicas),
            ids(isr)
        );
        if let Some(PartitionReassignment { adding, removing, .. }) = self.reassignment {
            line.push_str(&format!(
                "\tAdding Replicas: {}\tRemoving Replicas: {}",
                ids(adding),
                ids(removing)
            ));
        }
        let (eligible, last_known) = match self.leaders {
            Some(leaders) => (ids(&leaders.eligible), ids(&leaders.last_known)),
            None => ("N/A".to_owned(), "N/A".to_owned()),
        };
        line.push_str(&format!("\tElr: {eligible}\tLastKnownElr: {last_known}\n"));
        line
    }
}

fn ids(nodes: &[i32]) -> String {
    let nodes: Vec<String> = nodes.iter().map(i32::to_string).collect();
    nodes.join(",")
}
