//! `klamm topic`: topics and their configuration.

mod alter;
mod clone;
mod create;
mod delete;
mod get;
mod list;
mod offsets;
mod partitions;
mod trim;

use clap::Subcommand;
use client::Admin;

use crate::connection::ConnectionArguments;
use crate::failure::Failure;
use crate::offline_notice::telling;

/// Options of `topic`.
#[derive(Debug, clap::Args)]
pub struct TopicArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List topics
    #[command(visible_alias = "ls")]
    List(list::ListArguments),
    /// Create topics
    Create(create::CreateArguments),
    /// Show one topic: partitions, offsets and configuration
    #[command(visible_alias = "describe")]
    Get(get::GetArguments),
    /// Change a topic's configuration or add partitions
    Alter(alter::AlterArguments),
    /// Delete topics with all their records
    #[command(visible_alias = "rm")]
    Delete(delete::DeleteArguments),
    /// Create a topic with the partitions and the configuration of another, without its records
    Clone(clone::CloneArguments),
    /// Show the offsets of topics: first, next, and those of a time
    Offsets(offsets::OffsetsArguments),
    /// Delete the first records of topics
    Trim(trim::TrimArguments),
    /// Where partitions are, moving them, electing their leaders
    Partitions(partitions::PartitionsArguments),
}

/// Runs the verb.
///
/// # Errors
/// As the verb fails.
pub async fn run(arguments: &TopicArguments, connection: &ConnectionArguments) -> Result<(), Failure> {
    let admin = connection.admin().await?;
    telling(admin.offline(), run_verb(&arguments.verb, &admin)).await
}

async fn run_verb(verb: &Verb, admin: &Admin) -> Result<(), Failure> {
    match verb {
        Verb::List(arguments) => list::run(arguments, admin).await,
        Verb::Create(arguments) => create::run(arguments, admin).await,
        Verb::Get(arguments) => get::run(arguments, admin).await,
        Verb::Alter(arguments) => alter::run(arguments, admin).await,
        Verb::Delete(arguments) => delete::run(arguments, admin).await,
        Verb::Clone(arguments) => clone::run(arguments, admin).await,
        Verb::Offsets(arguments) => offsets::run(arguments, admin).await,
        Verb::Trim(arguments) => trim::run(arguments, admin).await,
        Verb::Partitions(arguments) => partitions::run(arguments, admin).await,
    }
}
