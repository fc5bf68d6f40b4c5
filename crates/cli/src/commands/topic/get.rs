//! `klamm topic get`.

use std::fmt::Write as _;

use client::{Admin, ConfigResource, ConfigSource, IsolationLevel, OffsetSpec, Topic, TopicPartition};
use serde::Serialize;

use crate::failure::{ExitStatus, Failure};
use crate::output::{OutputArguments, print_one, table};

/// Options of `topic get`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm topic get orders
  klamm topic get orders --all
  klamm topic get orders -o json")]
pub struct GetArguments {
    /// Name
    topic: String,
    /// Show configs that nobody set too
    #[arg(short = 'a', long)]
    all: bool,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Serialize)]
struct ShownTopic {
    name: String,
    id: String,
    internal: bool,
    partitions: Vec<ShownPartition>,
    configs: Vec<ShownConfig>,
}

#[derive(Debug, Serialize)]
struct ShownPartition {
    partition: i32,
    leader: i32,
    leader_epoch: i32,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    start_offset: Option<i64>,
    end_offset: Option<i64>,
}

#[derive(Debug, Serialize)]
struct ShownConfig {
    name: String,
    value: Option<String>,
    source: &'static str,
}

/// Shows the topic.
///
/// # Errors
/// There is no such topic, or the cluster does not answer.
pub async fn run(arguments: &GetArguments, admin: &Admin) -> Result<(), Failure> {
    let mut found = admin.describe_topics(std::slice::from_ref(&arguments.topic)).await?;
    let Some((_, topic)) = found.pop() else {
        return Err(Failure::new(ExitStatus::NotFound, format!("there is no topic {}", arguments.topic)));
    };
    let shown = describe(admin, topic?, arguments.all).await?;
    print_one(arguments.output.format(), &shown, &arguments.topic, || render(&shown))
}

async fn describe(admin: &Admin, topic: Topic, all: bool) -> Result<ShownTopic, Failure> {
    let starts = offsets(admin, &topic, OffsetSpec::Earliest).await;
    let ends = offsets(admin, &topic, OffsetSpec::Latest).await;
    let entries = admin.describe_configs(&ConfigResource::topic(&topic.name), false).await?;
    let is_shown = |source: ConfigSource| all || !matches!(source, ConfigSource::Default);
    let configs = entries
        .into_iter()
        .filter(|entry| is_shown(entry.source))
        .map(|entry| ShownConfig { name: entry.name, value: entry.value, source: source_name(entry.source) })
        .collect();
    let partitions = topic.partitions.iter().zip(starts.into_iter().zip(ends));
    let partitions = partitions
        .map(|(partition, (start_offset, end_offset))| ShownPartition {
            partition: partition.index,
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas.clone(),
            isr: partition.isr.clone(),
            start_offset,
            end_offset,
        })
        .collect();
    Ok(ShownTopic {
        id: topic.id.to_string(),
        internal: topic.is_internal,
        partitions,
        configs,
        name: topic.name,
    })
}

async fn offsets(admin: &Admin, topic: &Topic, spec: OffsetSpec) -> Vec<Option<i64>> {
    let partitions = topic.partitions.iter();
    let asked: Vec<(TopicPartition, OffsetSpec)> =
        partitions.map(|partition| (TopicPartition::new(&topic.name, partition.index), spec)).collect();
    let found = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await;
    found.into_iter().map(|(_, listed)| listed.ok().map(|listed| listed.offset)).collect()
}

fn source_name(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::Topic => "topic",
        ConfigSource::DynamicBroker => "broker at run time",
        ConfigSource::DynamicDefaultBroker => "cluster at run time",
        ConfigSource::StaticBroker => "broker's file",
        ConfigSource::Default => "default",
        _ => "other",
    }
}

fn render(topic: &ShownTopic) -> String {
    let list = |ids: &[i32]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let offset = |offset: Option<i64>| offset.map_or_else(|| "?".to_owned(), |offset| offset.to_string());
    let mut text = format!("{}  (id {})\n\n", topic.name, topic.id);
    text.push_str(&table(
        &["PARTITION", "LEADER", "EPOCH", "REPLICAS", "IN SYNC", "START", "END"],
        topic.partitions.iter().map(|partition| {
            vec![
                partition.partition.to_string(),
                partition.leader.to_string(),
                partition.leader_epoch.to_string(),
                list(&partition.replicas),
                list(&partition.isr),
                offset(partition.start_offset),
                offset(partition.end_offset),
            ]
        }),
    ));
    if !topic.configs.is_empty() {
        text.push('\n');
        text.push_str(&table(
            &["CONFIG", "VALUE", "SET BY"],
            topic.configs.iter().map(|config| {
                vec![config.name.clone(), config.value.clone().unwrap_or_default(), config.source.to_owned()]
            }),
        ));
    }
    let records: i64 = topic
        .partitions
        .iter()
        .filter_map(|partition| Some(partition.end_offset? - partition.start_offset?))
        .sum();
    write!(text, "\n{records} offsets in {} partitions\n", topic.partitions.len())
        .expect("a String takes all");
    text
}
