//! `klamm cluster`: the cluster as a whole.

mod info;

use clap::Subcommand;

use crate::connection::ConnectionArguments;
use crate::failure::Failure;

/// Options of `cluster`.
#[derive(Debug, clap::Args)]
pub struct ClusterArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show nodes, controller, topics and disk use
    Info(info::InfoArguments),
}

/// Runs the verb.
///
/// # Errors
/// As the verb fails.
pub async fn run(arguments: &ClusterArguments, connection: &ConnectionArguments) -> Result<(), Failure> {
    let admin = connection.admin().await?;
    match &arguments.verb {
        Verb::Info(arguments) => info::run(arguments, &admin).await,
    }
}
