//! `klamm group members`.

use client::Admin;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{OutputArguments, print_list};

/// Options of `group members`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm group members billing
  klamm group members billing -o name
  klamm group members billing --json")]
pub struct MembersArguments {
    /// Id of the group
    group: String,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Serialize)]
struct ListedMember {
    id: String,
    instance_id: Option<String>,
    client_id: String,
    host: String,
    partitions: Vec<String>,
}

/// Lists members by id.
///
/// # Errors
/// There is no such group, or the cluster does not answer.
pub async fn run(arguments: &MembersArguments, admin: &Admin) -> Result<(), Failure> {
    let group = super::get::existing(admin, &arguments.group).await?;
    let mut members: Vec<ListedMember> = group
        .members
        .into_iter()
        .map(|member| ListedMember {
            id: member.id,
            instance_id: member.instance_id,
            client_id: member.client_id,
            host: member.host,
            partitions: member.assignment.iter().map(ToString::to_string).collect(),
        })
        .collect();
    members.sort_by(|one, other| one.id.cmp(&other.id));
    let columns = ["MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS"];
    print_list(arguments.output.format(), &columns, &members, |member| {
        vec![
            member.id.clone(),
            member.instance_id.clone().unwrap_or_default(),
            member.client_id.clone(),
            member.host.clone(),
            member.partitions.join(" "),
        ]
    })
}
