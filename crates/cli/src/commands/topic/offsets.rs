//! `klamm topic offsets`.

use client::{Admin, IsolationLevel, OffsetSpec, TopicPartition};
use serde::Serialize;

use crate::failure::Failure;
use crate::offset_range::{Bound, parse_range};
use crate::output::{OutputArguments, print_list};
use crate::partition_argument::{self, PartitionArgument};

/// Options of `topic offsets`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm topic offsets orders
  klamm topic offsets orders:0,2 payments --json
  klamm topic offsets orders --at @2026-11-25T10:00:00Z")]
pub struct OffsetsArguments {
    /// Topics, or partitions of them
    #[arg(required = true, value_name = "TOPIC[:P,…]")]
    topics: Vec<PartitionArgument>,
    /// Show the first offset of this time or later too, as @TIME of consume -o
    #[arg(long, value_name = "@TIME", allow_hyphen_values = true)]
    at: Option<String>,
    #[command(flatten)]
    output: OutputArguments,
}

/// The offsets of a partition; what its leader does not tell is unknown.
#[derive(Debug, Serialize)]
struct ListedOffsets {
    topic: String,
    partition: i32,
    start: Option<i64>,
    end: Option<i64>,
    /// How many offsets that are; compaction and transactions leave fewer records.
    offsets: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
}

/// Lists offsets by topic and partition.
///
/// # Errors
/// A topic or partition is not there, or the cluster does not answer.
pub async fn run(arguments: &OffsetsArguments, admin: &Admin) -> Result<(), Failure> {
    let time_ms = arguments.at.as_deref().map(time_ms).transpose()?;
    let partitions = partition_argument::partitions(admin, &arguments.topics).await?;
    let starts = look_up(admin, &partitions, OffsetSpec::Earliest).await;
    let ends = look_up(admin, &partitions, OffsetSpec::Latest).await;
    let times = match time_ms {
        Some(ms) => look_up(admin, &partitions, OffsetSpec::Timestamp(ms)).await,
        None => vec![None; partitions.len()],
    };
    let known = starts.into_iter().zip(ends).zip(times);
    let listed: Vec<ListedOffsets> = partitions
        .into_iter()
        .zip(known)
        .map(|(partition, ((start, end), time))| ListedOffsets {
            topic: partition.topic,
            partition: partition.partition,
            start,
            end,
            offsets: start.zip(end).map(|(start, end)| end - start),
            // Where nothing is as new as that, the next record will be.
            at: time_ms.and(time.and_then(|offset| if offset < 0 { end } else { Some(offset) })),
        })
        .collect();
    let number = |number: Option<i64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
    let columns = ["TOPIC", "PARTITION", "START", "END", "OFFSETS", "AT"];
    let columns = if time_ms.is_some() { &columns[..] } else { &columns[..5] };
    print_list(arguments.output.format(), columns, &listed, |one| {
        let partition = one.partition.to_string();
        let mut cells =
            vec![one.topic.clone(), partition, number(one.start), number(one.end), number(one.offsets)];
        if time_ms.is_some() {
            cells.push(number(one.at));
        }
        cells
    })
}

fn time_ms(text: &str) -> Result<i64, Failure> {
    let range = parse_range(text, platform::Platform::os().clock.wall_ms()).map_err(Failure::usage)?;
    match (range.from, range.to) {
        (Bound::Time(ms), None) => Ok(ms),
        _ => {
            Err(Failure::usage(format!("{text:?} is no time"))
                .with_fix("write @2026-11-25T10:00:00Z or @-1h"))
        }
    }
}

async fn look_up(admin: &Admin, partitions: &[TopicPartition], spec: OffsetSpec) -> Vec<Option<i64>> {
    let asked: Vec<_> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    let found = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await;
    found.into_iter().map(|(_, listed)| listed.ok().map(|listed| listed.offset)).collect()
}
