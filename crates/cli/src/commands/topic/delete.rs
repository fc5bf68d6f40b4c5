//! `klamm topic delete`.

use client::Admin;

use crate::confirmation::confirm;
use crate::connection::report_each;
use crate::failure::Failure;

/// Options of `topic delete`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm topic delete orders
  klamm topic delete orders payments --yes")]
pub struct DeleteArguments {
    /// Names
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
}

/// Deletes the topics, after asking.
///
/// # Errors
/// The user says no, nobody can be asked, or a topic cannot be deleted.
pub async fn run(arguments: &DeleteArguments, admin: &Admin) -> Result<(), Failure> {
    confirm(arguments.yes, &format!("Delete {} with all records?", arguments.topics.join(", ")))?;
    let outcomes = admin.delete_topics(&arguments.topics).await?;
    report_each(outcomes, |name, ()| format!("{name} deleted"))
}
