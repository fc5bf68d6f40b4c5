//! `klamm group`: consumer groups, their members and offsets.

mod get;
mod list;

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
    }
}
