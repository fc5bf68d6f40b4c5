//! `klamm topic partitions`: where partitions are, moving them, electing their leaders.

use std::collections::BTreeMap;

use clap::Subcommand;
use client::{Admin, ElectionType, ErrorCode, PartitionOutcomes};
use serde::Serialize;

use crate::confirmation::confirm;
use crate::connection::report_each;
use crate::failure::Failure;
use crate::output::{OutputArguments, print_list};
use crate::partition_argument::{self, PartitionArgument};

/// Options of `topic partitions`.
#[derive(Debug, clap::Args)]
pub struct PartitionsArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List partitions: leaders, replicas, moves under way
    #[command(visible_alias = "ls")]
    List(ListArguments),
    /// Move partitions to other brokers, or stop a move
    Move(MoveArguments),
    /// Elect leaders
    Elect(ElectArguments),
}

/// Options of `topic partitions list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm topic partitions list orders
  klamm topic partitions list --moving
  klamm topic partitions list orders:0 --json")]
struct ListArguments {
    /// Topics, or partitions of them [all]
    #[arg(value_name = "TOPIC[:P,…]")]
    topics: Vec<PartitionArgument>,
    /// Only those on the way to other brokers
    #[arg(long)]
    moving: bool,
    #[command(flatten)]
    output: OutputArguments,
}

/// Options of `topic partitions move`.
#[derive(Debug, clap::Args)]
#[command(
    group(clap::ArgGroup::new("what").required(true).args(["replicas", "cancel"])),
    after_help = "Examples:
  klamm topic partitions move orders:0 --replicas 2,3
  klamm topic partitions move orders --replicas 1 --yes
  klamm topic partitions move orders:0 --cancel"
)]
struct MoveArguments {
    /// Topics, or partitions of them
    #[arg(required = true, value_name = "TOPIC[:P,…]")]
    topics: Vec<PartitionArgument>,
    /// Node ids of the new replicas, the preferred leader first
    #[arg(short = 'r', long, value_name = "ID,…", value_delimiter = ',')]
    replicas: Vec<i32>,
    /// Stop moves under way
    #[arg(long)]
    cancel: bool,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
}

/// Options of `topic partitions elect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm topic partitions elect             the preferred leaders of all partitions
  klamm topic partitions elect orders:0,2
  klamm topic partitions elect orders --unclean --yes")]
struct ElectArguments {
    /// Topics, or partitions of them [all that need one]
    #[arg(value_name = "TOPIC[:P,…]")]
    topics: Vec<PartitionArgument>,
    /// Where there is no leader, take any replica that is alive, and lose the records that it has not
    #[arg(long)]
    unclean: bool,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
}

/// Runs the verb.
///
/// # Errors
/// As the verb fails.
pub async fn run(arguments: &PartitionsArguments, admin: &Admin) -> Result<(), Failure> {
    match &arguments.verb {
        Verb::List(arguments) => list(arguments, admin).await,
        Verb::Move(arguments) => move_partitions(arguments, admin).await,
        Verb::Elect(arguments) => elect(arguments, admin).await,
    }
}

#[derive(Debug, Serialize)]
struct ListedPartition {
    topic: String,
    partition: i32,
    leader: i32,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    adding: Vec<i32>,
    removing: Vec<i32>,
}

async fn list(arguments: &ListArguments, admin: &Admin) -> Result<(), Failure> {
    let topics = if arguments.topics.is_empty() {
        admin.list_topics().await?
    } else {
        // It also refuses partitions that are not there.
        partition_argument::partitions(admin, &arguments.topics).await?;
        partition_argument::topics(admin, &arguments.topics).await?
    };
    let is_meant = |topic: &str, partition: i32| {
        let mut named = arguments.topics.iter();
        arguments.topics.is_empty()
            || named.any(|one| {
                one.topic == topic && one.partitions.as_ref().is_none_or(|all| all.contains(&partition))
            })
    };
    let mut moving = admin.list_reassignments(None).await?;
    let mut listed = Vec::new();
    for topic in topics {
        for partition in topic.partitions {
            let at = client::TopicPartition::new(&topic.name, partition.index);
            let moved = moving.remove(&at);
            if !is_meant(&topic.name, partition.index) || arguments.moving && moved.is_none() {
                continue;
            }
            let moved = moved.unwrap_or_default();
            listed.push(ListedPartition {
                topic: topic.name.clone(),
                partition: partition.index,
                leader: partition.leader,
                replicas: partition.replicas,
                isr: partition.isr,
                adding: moved.adding,
                removing: moved.removing,
            });
        }
    }
    let ids = |ids: &[i32]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let columns = ["TOPIC", "PARTITION", "LEADER", "REPLICAS", "IN SYNC", "ADDING", "REMOVING"];
    print_list(arguments.output.format(), &columns, &listed, |one| {
        vec![
            one.topic.clone(),
            one.partition.to_string(),
            one.leader.to_string(),
            ids(&one.replicas),
            ids(&one.isr),
            ids(&one.adding),
            ids(&one.removing),
        ]
    })
}

async fn move_partitions(arguments: &MoveArguments, admin: &Admin) -> Result<(), Failure> {
    let partitions = partition_argument::partitions(admin, &arguments.topics).await?;
    let replicas = (!arguments.cancel).then(|| arguments.replicas.clone());
    let count = partitions.len();
    let question = match &replicas {
        Some(replicas) => format!("Move {count} partitions to {replicas:?}?"),
        None => format!("Stop the moves of {count} partitions?"),
    };
    confirm(arguments.yes, &question)?;
    let moves: BTreeMap<_, _> = partitions.into_iter().map(|at| (at, replicas.clone())).collect();
    let outcomes = admin.alter_reassignments(&moves).await?;
    let done = if arguments.cancel { "stays where it is" } else { "moves" };
    report_each(named(outcomes), |name, ()| format!("{name} {done}"))
}

async fn elect(arguments: &ElectArguments, admin: &Admin) -> Result<(), Failure> {
    let election = if arguments.unclean { ElectionType::Unclean } else { ElectionType::Preferred };
    if arguments.unclean {
        confirm(arguments.yes, "Elect leaders that may have lost records?")?;
    }
    let partitions = match arguments.topics.as_slice() {
        [] => None,
        topics => Some(partition_argument::partitions(admin, topics).await?),
    };
    let mut outcomes = admin.elect_leaders(election, partitions.as_deref()).await?;
    // The right leader is there already, which is what was wanted.
    let (kept, elected): (PartitionOutcomes, PartitionOutcomes) =
        outcomes.drain(..).partition(|(_, outcome)| {
            outcome.as_ref().is_err_and(|error| error.code() == Some(ErrorCode::ELECTION_NOT_NEEDED))
        });
    for (partition, _) in kept {
        crate::output::print(&format!("{partition} keeps its leader\n"))?;
    }
    report_each(named(elected), |name, ()| format!("{name} has a new leader"))
}

fn named(outcomes: PartitionOutcomes) -> Vec<(String, Result<(), client::ClientError>)> {
    outcomes.into_iter().map(|(partition, outcome)| (partition.to_string(), outcome)).collect()
}
