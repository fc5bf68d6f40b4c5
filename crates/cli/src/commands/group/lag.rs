//! `klamm group lag`.

use client::{Admin, IsolationLevel, OffsetSpec, TopicPartition};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{OutputArguments, print_list};

/// Options of `group lag`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm group lag
  klamm group lag billing shipping --total
  klamm group lag billing --max 10000      fails when the group is further behind")]
pub struct LagArguments {
    /// Ids of the groups [all]
    groups: Vec<String>,
    /// One line per group
    #[arg(long)]
    total: bool,
    /// Fail if a group is further behind, all its partitions together
    #[arg(long, value_name = "RECORDS")]
    max: Option<i64>,
    #[command(flatten)]
    output: OutputArguments,
}

/// How far a group is behind on one partition; `lag` is unknown where nothing tells the end.
#[derive(Debug, Serialize)]
struct PartitionLag {
    group: String,
    topic: String,
    partition: i32,
    committed: i64,
    end: Option<i64>,
    lag: Option<i64>,
}

/// How far a group is behind on all its partitions.
#[derive(Debug, Serialize)]
struct GroupLag {
    group: String,
    partitions: usize,
    lag: i64,
}

/// Lists lag by group and partition.
///
/// # Errors
/// There is no such group, it is further behind than it may be, or the cluster does not answer.
pub async fn run(arguments: &LagArguments, admin: &Admin) -> Result<(), Failure> {
    let mut groups = arguments.groups.clone();
    if groups.is_empty() {
        groups = admin.list_groups(&[], &[]).await?.into_iter().map(|group| group.id).collect();
    }
    groups.sort();
    groups.dedup();
    let mut lags = Vec::new();
    for group in &groups {
        if arguments.groups.contains(group) {
            super::get::existing(admin, group).await?;
        }
        lags.extend(of_group(admin, group).await?);
    }
    let totals: Vec<GroupLag> = groups.iter().map(|group| total(group, &lags)).collect();
    let number = |number: Option<i64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    if arguments.total {
        let columns = ["GROUP", "PARTITIONS", "LAG"];
        print_list(arguments.output.format(), &columns, &totals, |total| {
            vec![total.group.clone(), total.partitions.to_string(), total.lag.to_string()]
        })?;
    } else {
        let columns = ["GROUP", "TOPIC", "PARTITION", "COMMITTED", "END", "LAG"];
        print_list(arguments.output.format(), &columns, &lags, |lag| {
            let (committed, end) = (lag.committed.to_string(), number(lag.end));
            let partition = lag.partition.to_string();
            vec![lag.group.clone(), lag.topic.clone(), partition, committed, end, number(lag.lag)]
        })?;
    }
    let Some(max) = arguments.max else { return Ok(()) };
    match totals.iter().find(|total| total.lag > max) {
        None => Ok(()),
        Some(GroupLag { group, lag, .. }) => {
            Err(Failure::failed(format!("{group} is {lag} records behind, and {max} are allowed")))
        }
    }
}

async fn of_group(admin: &Admin, group: &str) -> Result<Vec<PartitionLag>, Failure> {
    let committed = admin.group_offsets(group, None).await?;
    let asked: Vec<(TopicPartition, OffsetSpec)> =
        committed.keys().map(|partition| (partition.clone(), OffsetSpec::Latest)).collect();
    let ends = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await;
    let lags = committed.into_iter().zip(ends).map(|((partition, committed), (_, end))| {
        let end = end.ok().map(|listed| listed.offset);
        PartitionLag {
            group: group.to_owned(),
            topic: partition.topic,
            partition: partition.partition,
            committed: committed.offset,
            end,
            lag: end.map(|end| (end - committed.offset).max(0)),
        }
    });
    Ok(lags.collect())
}

fn total(group: &str, lags: &[PartitionLag]) -> GroupLag {
    let own: Vec<&PartitionLag> = lags.iter().filter(|lag| lag.group == group).collect();
    let lag = own.iter().filter_map(|lag| lag.lag).sum();
    GroupLag { group: group.to_owned(), partitions: own.len(), lag }
}
