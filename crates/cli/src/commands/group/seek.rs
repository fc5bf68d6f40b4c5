//! `klamm group seek`: a group's offsets, moved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use client::{Admin, IsolationLevel, OffsetSpec, TopicPartition};

use super::offset_plan::OffsetPlan;
use crate::failure::Failure;
use crate::offset_range::{Bound, parse_range};
use crate::output::OutputArguments;
use crate::partition_argument::{self, PartitionArgument};

/// Options of `group seek`.
#[derive(Debug, clap::Args)]
#[command(
    group(clap::ArgGroup::new("where").required(true).args(["to", "by", "set", "from_file"])),
    after_help = "Examples:
  klamm group seek billing --to start                     all that it has committed, from the first record on
  klamm group seek billing --to @-1h -t orders            what came in the last hour, of one topic
  klamm group seek billing --to @2026-11-25T10:00:00Z --dry-run
  klamm group seek billing --by -100 -t orders:0,2 --yes  a hundred records once more
  klamm group seek billing --from-file offsets.csv        lines of topic,partition,offset

WHERE is start, end, an offset, +5 (after the start), -5 (before the end), @TIME as in consume -o, or current: what is
committed already, and the end where nothing is. Offsets outside the log become its start or end."
)]
pub struct SeekArguments {
    /// Id of the group; it needs not exist if topics are named
    group: String,
    /// Where to
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    to: Option<Destination>,
    /// By so many records, forward or back
    #[arg(long, value_name = "RECORDS", allow_hyphen_values = true)]
    by: Option<i64>,
    /// One partition's offset
    #[arg(long, value_name = "TOPIC:P=OFFSET", conflicts_with = "topics")]
    set: Vec<OffsetArgument>,
    /// Offsets from a file: topic,partition,offset a line, or group,topic,partition,offset
    #[arg(long, value_name = "FILE", conflicts_with = "topics")]
    from_file: Option<PathBuf>,
    /// A topic, or partitions of it [all that the group has committed]
    #[arg(short = 't', long = "topic", value_name = "TOPIC[:P,…]")]
    topics: Vec<PartitionArgument>,
    /// Only show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
    #[command(flatten)]
    output: OutputArguments,
}

/// `--to`.
#[derive(Debug, Clone, Copy)]
enum Destination {
    Current,
    Bound(Bound),
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Destination, String> {
        if text == "current" {
            return Ok(Destination::Current);
        }
        let range = parse_range(text, platform::Platform::os().clock.wall_ms())?;
        match range.to {
            None => Ok(Destination::Bound(range.from)),
            Some(_) => Err(format!("{text:?} is a range, and one place is wanted")),
        }
    }
}

/// `TOPIC:PARTITION=OFFSET`.
#[derive(Debug, Clone)]
struct OffsetArgument {
    partition: TopicPartition,
    offset: i64,
}

impl FromStr for OffsetArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<OffsetArgument, String> {
        let parts = text.rsplit_once('=').and_then(|(partition, offset)| {
            let (topic, partition) = partition.rsplit_once(':')?;
            let partition = partition.parse().ok().filter(|partition| *partition >= 0)?;
            let offset = offset.parse().ok().filter(|offset| *offset >= 0)?;
            (!topic.is_empty())
                .then(|| OffsetArgument { partition: TopicPartition::new(topic, partition), offset })
        });
        parts.ok_or_else(|| format!("{text:?} is not of the form TOPIC:PARTITION=OFFSET"))
    }
}

type Offsets = BTreeMap<TopicPartition, i64>;

/// Moves the offsets, after asking.
///
/// # Errors
/// A topic or partition is not there, the group has members, the user says no, or the cluster refuses.
pub async fn run(arguments: &SeekArguments, admin: &Admin) -> Result<(), Failure> {
    let offsets = if let Some(path) = &arguments.from_file {
        within_log(admin, read_file(path, &arguments.group)?).await?
    } else if arguments.set.is_empty() {
        chosen(arguments, admin).await?
    } else {
        let set = arguments.set.iter().map(|one| (one.partition.clone(), one.offset));
        within_log(admin, set.collect()).await?
    };
    let plan = OffsetPlan::new(admin, &arguments.group, offsets).await?;
    plan.carry_out(admin, arguments.dry_run, arguments.yes, arguments.output.format()).await
}

/// What `--to` or `--by` mean for the partitions that are meant.
async fn chosen(arguments: &SeekArguments, admin: &Admin) -> Result<Offsets, Failure> {
    let group = &arguments.group;
    let committed: Offsets = admin
        .group_offsets(group, None)
        .await?
        .into_iter()
        .map(|(partition, committed)| (partition, committed.offset))
        .collect();
    let partitions: Vec<TopicPartition> = if arguments.topics.is_empty() {
        committed.keys().cloned().collect()
    } else {
        partition_argument::partitions(admin, &arguments.topics).await?
    };
    if partitions.is_empty() {
        let message = format!("{group} has committed nothing, so it is not known what to move");
        return Err(Failure::failed(message).with_fix("name topics with -t"));
    }
    match (arguments.to, arguments.by) {
        (Some(Destination::Bound(bound)), _) => at(admin, &partitions, bound).await,
        (Some(Destination::Current), _) => {
            let (known, unknown): (Vec<_>, Vec<_>) =
                partitions.into_iter().partition(|partition| committed.contains_key(partition));
            let mut offsets = at(admin, &unknown, Bound::End).await?;
            offsets.extend(known.into_iter().map(|partition| (partition.clone(), committed[&partition])));
            Ok(offsets)
        }
        (None, by) => {
            let by = by.unwrap_or(0);
            if let Some(unknown) = partitions.iter().find(|partition| !committed.contains_key(partition)) {
                let message =
                    format!("{group} has committed nothing for {unknown}, so it cannot be moved by {by}");
                return Err(Failure::failed(message).with_fix("use --to, or leave it out of -t"));
            }
            let moved = partitions.into_iter().map(|partition| {
                let offset = committed[&partition].saturating_add(by);
                (partition, offset)
            });
            within_log(admin, moved.collect()).await
        }
    }
}

async fn at(admin: &Admin, partitions: &[TopicPartition], bound: Bound) -> Result<Offsets, Failure> {
    let moved = |offsets: Offsets, change: &dyn Fn(i64) -> i64| -> Offsets {
        offsets.into_iter().map(|(partition, offset)| (partition, change(offset))).collect()
    };
    match bound {
        Bound::Start => look_up(admin, partitions, OffsetSpec::Earliest).await,
        Bound::End => look_up(admin, partitions, OffsetSpec::Latest).await,
        Bound::Offset(offset) => {
            let asked = partitions.iter().map(|partition| (partition.clone(), offset)).collect();
            within_log(admin, asked).await
        }
        Bound::AfterStart(count) => {
            let starts = look_up(admin, partitions, OffsetSpec::Earliest).await?;
            within_log(admin, moved(starts, &|start| start.saturating_add(count))).await
        }
        Bound::BeforeEnd(count) => {
            let ends = look_up(admin, partitions, OffsetSpec::Latest).await?;
            within_log(admin, moved(ends, &|end| end.saturating_sub(count))).await
        }
        Bound::Time(ms) => {
            let found = look_up(admin, partitions, OffsetSpec::Timestamp(ms)).await?;
            // Where nothing is as new as that, there is nothing to read but what is to come.
            let (mut found, none): (Offsets, Offsets) =
                found.into_iter().partition(|(_, offset)| *offset >= 0);
            let none: Vec<TopicPartition> = none.into_keys().collect();
            found.extend(look_up(admin, &none, OffsetSpec::Latest).await?);
            Ok(found)
        }
    }
}

async fn look_up(admin: &Admin, partitions: &[TopicPartition], spec: OffsetSpec) -> Result<Offsets, Failure> {
    let asked: Vec<_> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    let mut found = Offsets::new();
    for (partition, listed) in admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await {
        found.insert(partition, listed?.offset);
    }
    Ok(found)
}

/// The offsets, or the ends of the log that they go beyond.
async fn within_log(admin: &Admin, asked: Offsets) -> Result<Offsets, Failure> {
    let arguments: Vec<PartitionArgument> = asked
        .keys()
        .map(|at| PartitionArgument { topic: at.topic.clone(), partitions: Some(vec![at.partition]) })
        .collect();
    let partitions = partition_argument::partitions(admin, &arguments).await?;
    let starts = look_up(admin, &partitions, OffsetSpec::Earliest).await?;
    let ends = look_up(admin, &partitions, OffsetSpec::Latest).await?;
    let within = asked.into_iter().map(|(partition, offset)| {
        let offset = offset.min(ends[&partition]).max(starts[&partition]);
        (partition, offset)
    });
    Ok(within.collect())
}

/// Offsets from a file, as Kafka's `--export` writes it.
fn read_file(path: &Path, group: &str) -> Result<Offsets, Failure> {
    let fail = |reason: String| Failure::usage(format!("{}: {reason}", path.display()));
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| fail(error.to_string()))?;
    let mut offsets = Offsets::new();
    for (number, record) in reader.records().enumerate() {
        let record = record.map_err(|error| fail(error.to_string()))?;
        let fields: Vec<&str> = record.iter().collect();
        let fields = match fields.as_slice() {
            [_, _, _] => fields.as_slice(),
            [named, rest @ ..] if rest.len() == 3 => {
                if *named != group {
                    continue;
                }
                rest
            }
            _ => return Err(fail(format!("line {} is not topic,partition,offset", number + 1))),
        };
        let text = format!("{}:{}={}", fields[0], fields[1], fields[2]);
        let OffsetArgument { partition, offset } =
            text.parse().map_err(|_| fail(format!("line {} is not topic,partition,offset", number + 1)))?;
        offsets.insert(partition, offset);
    }
    if offsets.is_empty() {
        return Err(fail(format!("there is no line for group {group}")));
    }
    Ok(offsets)
}
