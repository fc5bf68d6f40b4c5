//! `klamm group list`.

use client::Admin;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{OutputArguments, print_list};

/// Options of `group list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm group list
  klamm group list --state Empty -o name
  klamm group list -o json")]
pub struct ListArguments {
    /// Only groups in this state: Empty, PreparingRebalance, CompletingRebalance, Stable, Dead
    #[arg(long, value_name = "STATE")]
    state: Vec<String>,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Serialize)]
struct ListedGroup {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    protocol_type: String,
    state: String,
    coordinator: i32,
}

/// Lists groups by id.
///
/// # Errors
/// The cluster does not answer.
pub async fn run(arguments: &ListArguments, admin: &Admin) -> Result<(), Failure> {
    let groups = admin.list_groups(&arguments.state, &[]).await?;
    let groups: Vec<ListedGroup> = groups
        .into_iter()
        .map(|group| ListedGroup {
            id: group.id,
            kind: group.kind,
            protocol_type: group.protocol_type,
            state: group.state,
            coordinator: group.coordinator,
        })
        .collect();
    print_list(
        arguments.output.format(),
        &["GROUP", "TYPE", "PROTOCOL", "STATE", "COORDINATOR"],
        &groups,
        |group| {
            vec![
                group.id.clone(),
                group.kind.clone(),
                group.protocol_type.clone(),
                group.state.clone(),
                group.coordinator.to_string(),
            ]
        },
    )
}
