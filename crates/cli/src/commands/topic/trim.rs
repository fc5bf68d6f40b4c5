//! `klamm topic trim`.

use client::{Admin, IsolationLevel, OffsetSpec, TopicPartition};

use crate::confirmation::confirm;
use crate::connection::report_each;
use crate::failure::Failure;
use crate::offset_range::{Bound, parse_range};
use crate::partition_argument::{self, PartitionArgument};

/// Options of `topic trim`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm topic trim orders --before @-7d          records older than a week
  klamm topic trim orders:0 --before 4711 --yes  records before an offset
  klamm topic trim orders --before end           all records")]
pub struct TrimArguments {
    /// Topics, or partitions of them
    #[arg(required = true, value_name = "TOPIC[:P,…]")]
    topics: Vec<PartitionArgument>,
    /// The first record to stay: end, an offset, +5, -5 or @TIME, as in consume -o
    #[arg(long, value_name = "WHERE", allow_hyphen_values = true)]
    before: String,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
}

/// Deletes the records, after asking.
///
/// # Errors
/// A topic or partition is not there, the user says no, nobody can be asked, or the cluster refuses.
pub async fn run(arguments: &TrimArguments, admin: &Admin) -> Result<(), Failure> {
    let now_ms = platform::Platform::os().clock.wall_ms();
    let range = parse_range(&arguments.before, now_ms).map_err(Failure::usage)?;
    if range.to.is_some() {
        return Err(Failure::usage(format!("{:?} is a range, and one place is wanted", arguments.before)));
    }
    let partitions = partition_argument::partitions(admin, &arguments.topics).await?;
    let starts = look_up(admin, &partitions, OffsetSpec::Earliest).await?;
    let ends = look_up(admin, &partitions, OffsetSpec::Latest).await?;
    let times = match range.from {
        Bound::Time(ms) => look_up(admin, &partitions, OffsetSpec::Timestamp(ms)).await?,
        _ => ends.clone(),
    };
    let mut before = Vec::new();
    let mut records = 0;
    for (index, partition) in partitions.into_iter().enumerate() {
        let (start, end, time) = (starts[index], ends[index], times[index]);
        let wanted = match range.from {
            Bound::Start => start,
            Bound::End => end,
            Bound::Offset(offset) => offset,
            Bound::AfterStart(count) => start.saturating_add(count),
            Bound::BeforeEnd(count) => end.saturating_sub(count),
            // Nothing is as new as that, so everything is older.
            Bound::Time(_) if time < 0 => end,
            Bound::Time(_) => time,
        };
        let offset = wanted.clamp(start, end.max(start));
        records += offset - start;
        before.push((partition, offset));
    }
    let question = format!("Delete the records of {records} offsets in {} partitions?", before.len());
    confirm(arguments.yes, &question)?;
    let outcomes = admin.delete_records(&before).await.into_iter();
    let outcomes = outcomes.map(|(partition, outcome)| (partition.to_string(), outcome));
    report_each(outcomes.collect(), |name, start| format!("{name} begins at {start}"))
}

async fn look_up(
    admin: &Admin,
    partitions: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<Vec<i64>, Failure> {
    let asked: Vec<_> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    let found = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await;
    found.into_iter().map(|(_, listed)| Ok(listed?.offset)).collect()
}
