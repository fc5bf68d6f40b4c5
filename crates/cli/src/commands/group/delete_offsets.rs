//! `klamm group delete-offsets`.

use std::collections::BTreeMap;

use client::{Admin, CommittedOffset, ErrorCode, TopicPartition};

use super::offset_plan::{quoted, set_arguments};
use crate::confirmation::confirm;
use crate::connection::report_each;
use crate::failure::Failure;
use crate::partition_argument::PartitionArgument;

/// Options of `group delete-offsets`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm group delete-offsets billing -t orders
  klamm group delete-offsets billing -t orders:0,2 -t payments --yes")]
pub struct DeleteOffsetsArguments {
    /// Id of the group
    group: String,
    /// A topic, or partitions of it
    #[arg(short = 't', long = "topic", value_name = "TOPIC[:P,…]", required = true)]
    topics: Vec<PartitionArgument>,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
}

/// Forgets the offsets, after asking.
///
/// # Errors
/// There is no such group, it reads the topics, the user says no, or nobody can be asked.
pub async fn run(arguments: &DeleteOffsetsArguments, admin: &Admin) -> Result<(), Failure> {
    let group = &arguments.group;
    super::get::existing(admin, group).await?;
    // A topic that is deleted has no partitions to look up; what was committed tells them.
    let committed: BTreeMap<TopicPartition, CommittedOffset> = admin
        .group_offsets(group, None)
        .await?
        .into_iter()
        .filter(|(partition, _)| {
            arguments.topics.iter().any(|argument| {
                let wanted = argument.partitions.as_ref();
                argument.topic == partition.topic
                    && wanted.is_none_or(|all| all.contains(&partition.partition))
            })
        })
        .collect();
    if committed.is_empty() {
        return Err(Failure::failed(format!("{group} has committed nothing for these partitions"))
            .with_fix(format!("klamm group get {group} shows what it has")));
    }
    let partitions: Vec<TopicPartition> = committed.keys().cloned().collect();
    confirm(arguments.yes, &format!("Forget {} offsets of {group}?", partitions.len()))?;
    let outcomes = admin.delete_group_offsets(group, &partitions).await?;
    let is_subscribed = outcomes.iter().any(|(_, outcome)| {
        outcome.as_ref().is_err_and(|error| error.code() == Some(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC))
    });
    let done = outcomes.iter().filter(|(_, outcome)| outcome.is_ok());
    let done: Vec<(TopicPartition, i64)> =
        done.map(|(partition, _)| (partition.clone(), committed[partition].offset)).collect();
    if !done.is_empty() {
        eprintln!("undo: klamm group seek {} {} --yes", quoted(group), set_arguments(&done));
    }
    let outcomes = outcomes.into_iter().map(|(partition, outcome)| (partition.to_string(), outcome));
    report_each(outcomes.collect(), |name, ()| format!("{name} forgotten")).map_err(|failure| {
        match is_subscribed {
            true => failure.with_fix("stop its members first; klamm group members GROUP names them"),
            false => failure,
        }
    })
}
