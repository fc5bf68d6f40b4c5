//! `klamm topic create`.

use client::{Admin, NewTopic};
use protocol::ErrorCode;

use crate::connection::{key_value, report_each};
use crate::failure::Failure;

/// Options of `topic create`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm topic create orders
  klamm topic create orders payments -p 12 -c retention.ms=604800000
  klamm topic create orders --if-not-exists")]
pub struct CreateArguments {
    /// Names
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Partitions [the broker's num.partitions]
    #[arg(short = 'p', long, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Replicas [the broker's default.replication.factor]
    #[arg(short = 'r', long, value_parser = clap::value_parser!(i16).range(1..))]
    replicas: Option<i16>,
    /// A topic config
    #[arg(short = 'c', long = "config", value_name = "KEY=VALUE")]
    configs: Vec<String>,
    /// Say nothing about topics that are there already
    #[arg(long)]
    if_not_exists: bool,
    /// Only check whether they could be created
    #[arg(long)]
    dry_run: bool,
}

/// Creates the topics.
///
/// # Errors
/// A topic cannot be created.
pub async fn run(arguments: &CreateArguments, admin: &Admin) -> Result<(), Failure> {
    let mut topics = Vec::with_capacity(arguments.topics.len());
    for name in &arguments.topics {
        let mut topic = NewTopic::new(name);
        topic.partitions = arguments.partitions.unwrap_or(-1);
        topic.replication_factor = arguments.replicas.unwrap_or(-1);
        for config in &arguments.configs {
            let (key, value) = key_value(config)?;
            topic = topic.with_config(key, value);
        }
        topics.push(topic);
    }
    let mut outcomes = admin.create_topics(&topics, arguments.dry_run).await?;
    if arguments.if_not_exists {
        outcomes.retain(|(_, outcome)| match outcome {
            Err(error) => error.code() != Some(ErrorCode::TOPIC_ALREADY_EXISTS),
            Ok(_) => true,
        });
    }
    let verb = if arguments.dry_run { "could be created" } else { "created" };
    report_each(outcomes, |name, topic| match topic.partitions {
        1 => format!("{name} {verb}: 1 partition"),
        partitions if partitions > 0 => format!("{name} {verb}: {partitions} partitions"),
        _ => format!("{name} {verb}"),
    })
}
