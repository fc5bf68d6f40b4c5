//! `klamm topic delete`.

use std::io::{self, BufRead, IsTerminal};

use client::Admin;

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
    if !arguments.yes {
        confirm(&format!("Delete {} with all records?", arguments.topics.join(", ")))?;
    }
    let outcomes = admin.delete_topics(&arguments.topics).await?;
    report_each(outcomes, |name, ()| format!("{name} deleted"))
}

fn confirm(question: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(
            Failure::usage("deleting needs a yes, and nobody can be asked here").with_fix("add --yes")
        );
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| Failure::failed(error.to_string()))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was deleted")),
    }
}
