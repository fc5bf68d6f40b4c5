//! `kafka-consumer-groups --describe`: offsets and lag, members, or the state of groups.
//!
//! Owns the tables, whose columns scripts take apart.

use std::collections::{BTreeMap, BTreeSet};

use client::{CommittedOffset, GroupDescription, GroupMember, IsolationLevel, OffsetSpec, TopicPartition};

use super::{MISSING, Tool, caused, print_error, wrapped};
use crate::applets::{ToolError, tool_client};
use crate::output::print;

/// Describes the groups that are meant, by id.
pub async fn describe(tool: &Tool<'_>) -> Result<(), ToolError> {
    let ids: BTreeSet<String> = tool.groups().await?.into_iter().collect();
    let ids: Vec<String> = ids.into_iter().collect();
    let mut groups = Vec::with_capacity(ids.len());
    for (id, found) in tool.admin.describe_groups(&ids).await.map_err(|error| caused(&error))? {
        let found = found.map_err(|error| caused(&error))?;
        if !matches!(&*found.protocol_type, "" | "consumer") {
            return Err(ToolError::failed(format!(
                "java.lang.IllegalArgumentException: GroupId {id} is not a consumer group ({}).",
                found.protocol_type
            )));
        }
        groups.push(found);
    }
    if tool.line.has("members") {
        return groups.iter().try_for_each(|group| print_members(group, tool.line.has("verbose")));
    }
    if tool.line.has("state") {
        return groups.iter().try_for_each(|group| print_state(group, tool.line.has("verbose")));
    }
    let mut rows = Vec::with_capacity(groups.len());
    for group in &groups {
        rows.push(offset_rows(tool, group).await?);
    }
    groups
        .iter()
        .zip(rows)
        .try_for_each(|(group, rows)| print_offsets(group, &rows, tool.line.has("verbose")))
}

/// Says what is odd about a group, and whether there is anything to show.
fn is_shown(group: &GroupDescription, rows: usize) -> Result<bool, ToolError> {
    let id = &group.id;
    match &*group.state {
        "Dead" => {
            print_error(&format!("Consumer group '{id}' does not exist."))?;
            return Ok(false);
        }
        "Empty" => eprintln!("\nConsumer group '{id}' has no active members."),
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => {
            eprintln!("\nWarning: Consumer group '{id}' is rebalancing.");
        }
        "Stable" => {}
        other => {
            return Err(ToolError::failed(format!(
                "Expected a valid consumer group state, but found '{other}'."
            )));
        }
    }
    Ok(rows > 0)
}

/// A line of the table of offsets.
struct OffsetRow {
    partition: TopicPartition,
    committed: Option<CommittedOffset>,
    end: Option<i64>,
    member: Option<(String, String, String)>,
}

impl OffsetRow {
    fn cells(&self, group: &str, verbose: bool) -> Vec<String> {
        let shown =
            |number: Option<i64>| number.map_or_else(|| MISSING.to_owned(), |number| number.to_string());
        let offset = self.committed.as_ref().map(|committed| committed.offset);
        let epoch = self.committed.as_ref().map(|committed| i64::from(committed.leader_epoch));
        let lag = offset.filter(|offset| *offset != -1).zip(self.end).map(|(offset, end)| end - offset);
        let absent = || (MISSING.to_owned(), MISSING.to_owned(), MISSING.to_owned());
        let (member, host, client) = self.member.clone().unwrap_or_else(absent);
        let mut cells =
            vec![group.to_owned(), self.partition.topic.clone(), self.partition.partition.to_string()];
        if verbose {
            cells.push(shown(epoch.filter(|epoch| *epoch >= 0)));
        }
        cells.extend([shown(offset), shown(self.end), shown(lag), member, host, client]);
        cells
    }
}

/// Members with most partitions first, then what is committed and nobody's.
async fn offset_rows(tool: &Tool<'_>, group: &GroupDescription) -> Result<Vec<OffsetRow>, ToolError> {
    let committed = tool.admin.group_offsets(&group.id, None).await.map_err(|error| wrapped(&error))?;
    let mut members: Vec<&GroupMember> =
        group.members.iter().filter(|member| !member.assignment.is_empty()).collect();
    members.sort_by_key(|member| std::cmp::Reverse(member.assignment.len()));
    let assigned: BTreeSet<&TopicPartition> = members.iter().flat_map(|member| &member.assignment).collect();
    let mut rows = Vec::new();
    for member in members {
        let who = (member.id.clone(), member.host.clone(), member.client_id.clone());
        rows.extend(with_ends(tool, &member.assignment, &committed, Some(&who)).await?);
    }
    let rest: Vec<TopicPartition> =
        committed.keys().filter(|partition| !assigned.contains(partition)).cloned().collect();
    rows.extend(with_ends(tool, &rest, &committed, None).await?);
    Ok(rows)
}

async fn with_ends(
    tool: &Tool<'_>,
    partitions: &[TopicPartition],
    committed: &BTreeMap<TopicPartition, CommittedOffset>,
    member: Option<&(String, String, String)>,
) -> Result<Vec<OffsetRow>, ToolError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let without_leader = leaderless(tool, partitions).await?;
    let asked: Vec<(TopicPartition, OffsetSpec)> = partitions
        .iter()
        .filter(|partition| !without_leader.contains(*partition))
        .map(|partition| (partition.clone(), OffsetSpec::Latest))
        .collect();
    let mut ends = BTreeMap::new();
    for (partition, end) in tool.admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await {
        ends.insert(partition, end.map_err(|error| wrapped(&error))?.offset);
    }
    let mut sorted = partitions.to_vec();
    sorted.sort();
    let rows = sorted.into_iter().map(|partition| OffsetRow {
        committed: committed.get(&partition).cloned(),
        end: ends.get(&partition).copied(),
        member: member.cloned(),
        partition,
    });
    Ok(rows.collect())
}

/// The partitions without a leader, whose ends nobody can tell. A topic that is gone is an error, as in Kafka.
async fn leaderless(
    tool: &Tool<'_>,
    partitions: &[TopicPartition],
) -> Result<BTreeSet<TopicPartition>, ToolError> {
    let topics: BTreeSet<&String> = partitions.iter().map(|partition| &partition.topic).collect();
    let topics: Vec<String> = topics.into_iter().cloned().collect();
    let mut found = BTreeSet::new();
    for (name, topic) in tool_client::topics(&tool.admin, &topics).await.map_err(|error| wrapped(&error))? {
        let topic = topic.map_err(|error| wrapped(&error))?;
        let leaderless = topic.partitions.iter().filter(|partition| partition.leader < 0);
        found.extend(leaderless.map(|partition| TopicPartition::new(&name, partition.index)));
    }
    Ok(found)
}

fn print_offsets(group: &GroupDescription, rows: &[OffsetRow], verbose: bool) -> Result<(), ToolError> {
    if !is_shown(group, rows.len())? {
        return Ok(());
    }
    let header = [
        "GROUP",
        "TOPIC",
        "PARTITION",
        "LEADER-EPOCH",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ];
    let header = header.iter().filter(|name| verbose || **name != "LEADER-EPOCH");
    let mut table: Vec<Vec<String>> = vec![header.map(|name| (*name).to_owned()).collect()];
    table.extend(rows.iter().map(|row| row.cells(&group.id, verbose)));
    let last = table[0].len() - 1;
    // Group, topic, consumer and host are as wide as what is in them.
    let fitted = [0, 1, last - 2, last - 1];
    let widths: Vec<usize> = (0..last)
        .map(|column| match column {
            2 => 10,
            _ if fitted.contains(&column) => widest(&table, column, 15),
            _ => 15,
        })
        .collect();
    let lines: String = table.iter().map(|cells| format!("\n{}", padded(cells, &widths))).collect();
    Ok(print(&(lines + "\n"))?)
}

/// Cells with one blank between them; those beyond the widths as they are.
fn padded(cells: &[String], widths: &[usize]) -> String {
    let cells = cells.iter().enumerate().map(|(column, cell)| {
        let width = widths.get(column).copied().unwrap_or(0);
        format!("{cell:<width$}")
    });
    cells.collect::<Vec<_>>().join(" ")
}

fn widest(table: &[Vec<String>], column: usize, least: usize) -> usize {
    table.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0).max(least)
}

/// `topic:0,1;other:2`.
fn assignment(partitions: &[TopicPartition]) -> String {
    if partitions.is_empty() {
        return MISSING.to_owned();
    }
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let topics = topics.into_iter().map(|(topic, mut numbers)| {
        numbers.sort_unstable();
        let numbers: Vec<String> = numbers.iter().map(i32::to_string).collect();
        format!("{topic}:{}", numbers.join(","))
    });
    let mut topics: Vec<String> = topics.collect();
    topics.sort();
    topics.join(";")
}

fn print_members(group: &GroupDescription, verbose: bool) -> Result<(), ToolError> {
    // The header stands there even when there is nothing below it.
    let has_rows = is_shown(group, group.members.len())?;
    let members: &[GroupMember] = if has_rows { &group.members } else { &[] };
    let is_static = members.iter().any(|member| member.instance_id.as_ref().is_some_and(|id| !id.is_empty()));
    let is_mixed = [true, false]
        .iter()
        .all(|upgraded| members.iter().any(|member| member.is_upgraded == Some(*upgraded)));
    let fit = |least: usize, text: &dyn Fn(&GroupMember) -> usize| {
        members.iter().map(text).max().unwrap_or(0).max(least)
    };
    let length = |text: &str| text.chars().count();
    let mut columns = vec![
        ("GROUP", if has_rows { length(&group.id).max(15) } else { 15 }),
        ("CONSUMER-ID", fit(15, &|member| length(&member.id))),
    ];
    if is_static {
        let instance = fit(17, &|member| length(member.instance_id.as_deref().unwrap_or_default()));
        columns.push(("GROUP-INSTANCE-ID", instance));
    }
    columns.extend([
        ("HOST", fit(15, &|member| length(&member.host))),
        ("CLIENT-ID", fit(15, &|member| length(&member.client_id))),
        ("#PARTITIONS", 15),
    ]);
    let target = |member: &GroupMember| assignment(member.target.as_deref().unwrap_or_default());
    if verbose {
        columns.extend([
            ("CURRENT-EPOCH", 15),
            ("CURRENT-ASSIGNMENT", fit(20, &|member| length(&assignment(&member.assignment)))),
            ("TARGET-EPOCH", 15),
            ("TARGET-ASSIGNMENT", fit(20, &|member| length(&target(member)))),
        ]);
        if is_mixed {
            columns.push(("UPGRADED", 0));
        }
    }
    let widths: Vec<usize> = columns.iter().map(|(_, width)| *width).collect();
    // Without the columns of --verbose, the blank before them is left.
    let end = if verbose { "" } else { " " };
    let header: Vec<String> = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut text = format!("\n{}{end}\n", padded(&header, &widths));
    for member in &group.members {
        let mut cells = vec![group.id.clone(), member.id.clone()];
        if is_static {
            cells.push(member.instance_id.clone().unwrap_or_default());
        }
        cells.extend([member.host.clone(), member.client_id.clone(), member.assignment.len().to_string()]);
        if verbose {
            let epoch =
                |epoch: Option<i32>| epoch.map_or_else(|| MISSING.to_owned(), |epoch| epoch.to_string());
            cells.extend([
                epoch(member.epoch),
                assignment(&member.assignment),
                epoch(group.assignment_epoch),
                target(member),
            ]);
            if is_mixed {
                cells.push(member.is_upgraded.map_or_else(|| MISSING.to_owned(), |is| is.to_string()));
            }
        }
        text.push_str(&format!("{}{end}\n", padded(&cells, &widths)));
    }
    Ok(print(&text)?)
}

fn print_state(group: &GroupDescription, verbose: bool) -> Result<(), ToolError> {
    if !is_shown(group, 1)? {
        return Ok(());
    }
    let node = &group.coordinator;
    let coordinator = format!("{}:{}  ({})", node.host, node.port, node.id);
    let strategy = if group.protocol.is_empty() { MISSING } else { &group.protocol };
    let epoch = |epoch: Option<i32>| epoch.map_or_else(|| MISSING.to_owned(), |epoch| epoch.to_string());
    let owned = |cells: &[&str]| -> Vec<String> { cells.iter().map(|cell| (*cell).to_owned()).collect() };
    let mut header = owned(&["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE"]);
    let mut cells = owned(&[&group.id, &coordinator, strategy, &group.state]);
    let mut widths = vec![group.id.chars().count().max(15), coordinator.chars().count().max(25), 20, 20];
    if verbose {
        header.extend(owned(&["GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH"]));
        cells.extend([epoch(group.epoch), epoch(group.assignment_epoch)]);
        widths.extend([15, 25]);
    }
    header.push("#MEMBERS".to_owned());
    cells.push(group.members.len().to_string());
    Ok(print(&format!("\n{}\n{}\n", padded(&header, &widths), padded(&cells, &widths)))?)
}
