//! `klamm group delete`.

use client::{Admin, ErrorCode};

use crate::confirmation::confirm;
use crate::connection::report_each;
use crate::failure::Failure;

/// Options of `group delete`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm group delete billing
  klamm group delete billing shipping --yes
  klamm group list --state Empty -o name | xargs klamm group delete --yes")]
pub struct DeleteArguments {
    /// Ids
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<String>,
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
}

/// Deletes the groups, after asking.
///
/// # Errors
/// The user says no, nobody can be asked, or a group cannot be deleted.
pub async fn run(arguments: &DeleteArguments, admin: &Admin) -> Result<(), Failure> {
    confirm(arguments.yes, &format!("Delete {} with all committed offsets?", arguments.groups.join(", ")))?;
    let outcomes = admin.delete_groups(&arguments.groups).await?;
    let is_busy = outcomes.iter().any(|(_, outcome)| {
        outcome.as_ref().is_err_and(|error| error.code() == Some(ErrorCode::NON_EMPTY_GROUP))
    });
    report_each(outcomes, |name, ()| format!("{name} deleted")).map_err(|failure| match is_busy {
        true => failure.with_fix("stop its members first; klamm group members GROUP names them"),
        false => failure,
    })
}
