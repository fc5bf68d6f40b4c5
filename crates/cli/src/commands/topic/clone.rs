//! `klamm topic clone`.

use client::{Admin, ConfigResource, ConfigSource, NewTopic};

use crate::connection::report_each;
use crate::failure::Failure;
use crate::partition_argument::{self, PartitionArgument};

/// Options of `topic clone`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm topic clone orders orders-test
  klamm topic clone orders orders-test --dry-run
  klamm topic clone orders copy && klamm consume orders --exit | klamm produce copy")]
pub struct CloneArguments {
    /// The topic that is the pattern
    from: String,
    /// The new topic
    to: String,
    /// Only check whether it could be created
    #[arg(long)]
    dry_run: bool,
}

/// Creates the topic.
///
/// # Errors
/// The pattern is not there, or the new topic cannot be created.
pub async fn run(arguments: &CloneArguments, admin: &Admin) -> Result<(), Failure> {
    let asked = [PartitionArgument { topic: arguments.from.clone(), partitions: None }];
    let found = partition_argument::topics(admin, &asked).await?;
    let Some(pattern) = found.first() else { return Ok(()) };
    let mut new = NewTopic::new(&arguments.to);
    new.partitions = i32::try_from(pattern.partitions.len()).unwrap_or(-1);
    let replicas = pattern.partitions.first().map_or(0, |partition| partition.replicas.len());
    new.replication_factor = i16::try_from(replicas).unwrap_or(-1);
    for entry in admin.describe_configs(&ConfigResource::topic(&arguments.from), false).await? {
        if let (ConfigSource::Topic, Some(value)) = (entry.source, entry.value) {
            new = new.with_config(entry.name, value);
        }
    }
    let verb = if arguments.dry_run { "could be created" } else { "created" };
    let configs = new.configs.len();
    let outcomes = admin.create_topics(std::slice::from_ref(&new), arguments.dry_run).await?;
    report_each(outcomes, |name, _| {
        format!("{name} {verb}: {} partitions, {configs} configs", new.partitions)
    })
}
