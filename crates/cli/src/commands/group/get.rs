//! `klamm group get`.

use std::collections::BTreeMap;

use client::{
    Admin, CommittedOffset, ErrorCode, GroupDescription, IsolationLevel, OffsetSpec, TopicPartition,
};
use serde::Serialize;

use crate::failure::{ExitStatus, Failure};
use crate::output::{OutputArguments, print_one, table};

/// Options of `group get`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm group get billing
  klamm group get billing -o json")]
pub struct GetArguments {
    /// Id of the group
    group: String,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Serialize)]
struct ShownGroup {
    id: String,
    state: String,
    protocol_type: String,
    protocol: String,
    coordinator: String,
    members: Vec<ShownMember>,
    offsets: Vec<ShownOffset>,
}

#[derive(Debug, Serialize)]
struct ShownMember {
    id: String,
    instance_id: Option<String>,
    client_id: String,
    host: String,
    partitions: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ShownOffset {
    topic: String,
    partition: i32,
    committed: i64,
    end: Option<i64>,
    lag: Option<i64>,
    metadata: String,
    member: Option<String>,
}

/// Shows the group.
///
/// # Errors
/// There is no such group, or the cluster does not answer.
pub async fn run(arguments: &GetArguments, admin: &Admin) -> Result<(), Failure> {
    let description = existing(admin, &arguments.group).await?;
    let committed = admin.group_offsets(&arguments.group, None).await?;
    let shown = describe(admin, description, committed).await;
    print_one(arguments.output.format(), &shown, &arguments.group, || render(&shown))
}

/// A group that is there.
///
/// # Errors
/// There is no such group, or the cluster does not answer.
pub async fn existing(admin: &Admin, group: &str) -> Result<GroupDescription, Failure> {
    let not_found = || {
        Failure::new(ExitStatus::NotFound, format!("there is no group {group}"))
            .with_fix("klamm group list shows those that there are")
    };
    let mut found = admin.describe_groups(&[group.to_owned()]).await?;
    let (_, description) = found.pop().ok_or_else(not_found)?;
    match description {
        Ok(description) if description.state == "Dead" => Err(not_found()),
        Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => Err(not_found()),
        description => Ok(description?),
    }
}

async fn describe(
    admin: &Admin,
    group: GroupDescription,
    committed: BTreeMap<TopicPartition, CommittedOffset>,
) -> ShownGroup {
    let asked: Vec<(TopicPartition, OffsetSpec)> =
        committed.keys().map(|partition| (partition.clone(), OffsetSpec::Latest)).collect();
    let ends = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await;
    let owner = |partition: &TopicPartition| {
        let member = group.members.iter().find(|member| member.assignment.contains(partition));
        member.map(|member| member.id.clone())
    };
    let offsets = committed.into_iter().zip(ends).map(|((partition, committed), (_, end))| {
        let end = end.ok().map(|listed| listed.offset);
        ShownOffset {
            member: owner(&partition),
            topic: partition.topic,
            partition: partition.partition,
            committed: committed.offset,
            end,
            lag: end.map(|end| (end - committed.offset).max(0)),
            metadata: committed.metadata,
        }
    });
    let offsets = offsets.collect();
    let members = group.members.into_iter().map(|member| ShownMember {
        id: member.id,
        instance_id: member.instance_id,
        client_id: member.client_id,
        host: member.host,
        partitions: member.assignment.iter().map(|one| format!("{}-{}", one.topic, one.partition)).collect(),
    });
    ShownGroup {
        id: group.id,
        state: group.state,
        protocol_type: group.protocol_type,
        protocol: group.protocol,
        coordinator: format!("{}:{}", group.coordinator.host, group.coordinator.port),
        members: members.collect(),
        offsets,
    }
}

fn render(group: &ShownGroup) -> String {
    let mut text = format!("{}  ({}", group.id, group.state);
    if !group.protocol.is_empty() {
        text.push_str(&format!(", {}", group.protocol));
    }
    text.push_str(&format!("; coordinator {})\n", group.coordinator));
    if !group.members.is_empty() {
        text.push('\n');
        text.push_str(&table(
            &["MEMBER", "CLIENT", "HOST", "PARTITIONS"],
            group.members.iter().map(|member| {
                vec![
                    member.id.clone(),
                    member.client_id.clone(),
                    member.host.clone(),
                    member.partitions.join(" "),
                ]
            }),
        ));
    }
    if !group.offsets.is_empty() {
        let number = |number: Option<i64>| number.map_or_else(|| "?".to_owned(), |number| number.to_string());
        text.push('\n');
        text.push_str(&table(
            &["TOPIC", "PARTITION", "COMMITTED", "END", "LAG"],
            group.offsets.iter().map(|offset| {
                vec![
                    offset.topic.clone(),
                    offset.partition.to_string(),
                    offset.committed.to_string(),
                    number(offset.end),
                    number(offset.lag),
                ]
            }),
        ));
        let lag: i64 = group.offsets.iter().filter_map(|offset| offset.lag).sum();
        text.push_str(&format!("\nlag {lag} in total\n"));
    }
    text
}
