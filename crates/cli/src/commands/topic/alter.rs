//! `klamm topic alter`.

use client::{Admin, ConfigAlteration, ConfigChange, ConfigResource, NewPartitions};

use crate::connection::{key_value, report_each};
use crate::failure::Failure;
use crate::output;

/// Options of `topic alter`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm topic alter orders --set retention.ms=604800000
  klamm topic alter orders --unset retention.ms --append cleanup.policy=compact
  klamm topic alter orders --partitions 12")]
pub struct AlterArguments {
    /// Name
    topic: String,
    /// Set a config
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Take a config away, so that the broker's default counts
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    /// Add to a list
    #[arg(long, value_name = "KEY=VALUE")]
    append: Vec<String>,
    /// Take from a list
    #[arg(long, value_name = "KEY=VALUE")]
    subtract: Vec<String>,
    /// New total of partitions; keys may then go to other partitions
    #[arg(short = 'p', long, value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Only check whether it could be done
    #[arg(long)]
    dry_run: bool,
}

/// Changes the topic.
///
/// # Errors
/// Nothing is asked for, or the cluster refuses.
pub async fn run(arguments: &AlterArguments, admin: &Admin) -> Result<(), Failure> {
    let changes = changes(arguments)?;
    if changes.is_empty() && arguments.partitions.is_none() {
        return Err(Failure::usage("nothing to change")
            .with_fix("give --set, --unset, --append, --subtract or --partitions"));
    }
    let verb = if arguments.dry_run { "could be changed" } else { "changed" };
    if !changes.is_empty() {
        let keys: Vec<String> = changes.iter().map(|(key, _)| key.clone()).collect();
        let alteration = ConfigAlteration { resource: ConfigResource::topic(&arguments.topic), changes };
        for (_, outcome) in admin.alter_configs(&[alteration], arguments.dry_run).await? {
            outcome?;
        }
        output::print(&format!("{} {verb}: {}\n", arguments.topic, keys.join(", ")))?;
    }
    if let Some(total) = arguments.partitions {
        let outcomes = admin
            .create_partitions(&[NewPartitions::increase_to(&arguments.topic, total)], arguments.dry_run)
            .await?;
        report_each(outcomes, |name, ()| format!("{name} {verb}: {total} partitions"))?;
    }
    Ok(())
}

fn changes(arguments: &AlterArguments) -> Result<Vec<(String, ConfigChange)>, Failure> {
    let mut changes = Vec::new();
    for pair in &arguments.set {
        let (key, value) = key_value(pair)?;
        changes.push((key.to_owned(), ConfigChange::Set(value.to_owned())));
    }
    for pair in &arguments.append {
        let (key, value) = key_value(pair)?;
        changes.push((key.to_owned(), ConfigChange::Append(value.to_owned())));
    }
    for pair in &arguments.subtract {
        let (key, value) = key_value(pair)?;
        changes.push((key.to_owned(), ConfigChange::Subtract(value.to_owned())));
    }
    changes.extend(arguments.unset.iter().map(|key| (key.clone(), ConfigChange::Delete)));
    Ok(changes)
}
