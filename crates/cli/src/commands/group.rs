//! `klamm group`: consumer groups, their members and offsets.

mod clone;
mod delete;
mod delete_offsets;
mod get;
mod lag;
mod list;
mod members;
mod offset_plan;
mod seek;

use clap::Subcommand;

use crate::connection::ConnectionArguments;
use crate::failure::Failure;

/// Options of `group`.
#[derive(Debug, clap::Args)]
pub struct GroupArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List groups
    #[command(visible_alias = "ls")]
    List(list::ListArguments),
    /// Show one group: members, committed offsets and lag
    #[command(visible_alias = "describe")]
    Get(get::GetArguments),
    /// Show how far groups are behind
    Lag(lag::LagArguments),
    /// Show the members of a group and their partitions
    Members(members::MembersArguments),
    /// Move a group's offsets: to the start, the end, an offset, a time, by so many, from a file
    #[command(visible_alias = "reset")]
    Seek(seek::SeekArguments),
    /// Give one group the offsets of another
    Clone(clone::CloneArguments),
    /// Delete groups with all they committed
    #[command(visible_alias = "rm")]
    Delete(delete::DeleteArguments),
    /// Forget what a group committed for topics
    DeleteOffsets(delete_offsets::DeleteOffsetsArguments),
}

/// Runs the verb.
///
/// # Errors
/// As the verb fails.
pub async fn run(arguments: &GroupArguments, connection: &ConnectionArguments) -> Result<(), Failure> {
    let admin = connection.admin().await?;
    match &arguments.verb {
        Verb::List(arguments) => list::run(arguments, &admin).await,
        Verb::Get(arguments) => get::run(arguments, &admin).await,
        Verb::Lag(arguments) => lag::run(arguments, &admin).await,
        Verb::Members(arguments) => members::run(arguments, &admin).await,
        Verb::Seek(arguments) => seek::run(arguments, &admin).await,
        Verb::Clone(arguments) => clone::run(arguments, &admin).await,
        Verb::Delete(arguments) => delete::run(arguments, &admin).await,
        Verb::DeleteOffsets(arguments) => delete_offsets::run(arguments, &admin).await,
    }
}
