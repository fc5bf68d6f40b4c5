//! `kafka-consumer-groups --reset-offsets`.
//!
//! Owns the ways to choose new offsets, and what is printed of them.

use std::collections::{BTreeMap, BTreeSet};

use client::{CommittedOffset, ErrorCode, IsolationLevel, OffsetSpec, TopicPartition};

use super::reset_plan::{self, ResetPlan};
use super::{Tool, print_error, time_argument, topic_argument, wrapped};
use crate::applets::hash_order::{partition_hash, sort_by_hash, sort_by_hash_code};
use crate::applets::{ToolError, tool_client};
use crate::output::print;

type Offsets = BTreeMap<TopicPartition, i64>;
type Committed = BTreeMap<TopicPartition, CommittedOffset>;

/// Resets the groups that are meant, or says what would be done.
pub async fn reset(tool: &Tool<'_>) -> Result<(), ToolError> {
    let ids: BTreeSet<String> = tool.groups().await?.into_iter().collect();
    let mut ids: Vec<String> = ids.into_iter().collect();
    sort_by_hash(&mut ids, |id| id);
    let mut prepared: Vec<(String, Offsets)> = Vec::new();
    for (id, described) in tool.admin.describe_groups(&ids).await? {
        let state = match described {
            Ok(group) if matches!(&*group.protocol_type, "" | "consumer") => group.state,
            Ok(group) => {
                return Err(ToolError::failed(format!(
                    "java.util.concurrent.ExecutionException: java.lang.IllegalArgumentException: GroupId {id} is not \
                     a consumer group ({}).",
                    group.protocol_type
                )));
            }
            // A group that does not exist can be given offsets.
            Err(error) if error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => "Dead".to_owned(),
            Err(error) => return Err(wrapped(&error)),
        };
        let offsets = if matches!(&*state, "Empty" | "Dead") {
            reset_group(tool, &id).await?
        } else {
            print_error(&format!(
                "Assignments can only be reset if the group '{id}' is inactive, but the current state is {state}."
            ))?;
            Offsets::new()
        };
        prepared.push((id, offsets));
    }
    if tool.line.has("export") { export(tool, prepared) } else { print_table(prepared) }
}

/// Offsets in the order of Kafka's tool.
fn ordered(offsets: Offsets) -> Vec<(TopicPartition, i64)> {
    let mut offsets: Vec<(TopicPartition, i64)> = offsets.into_iter().collect();
    sort_by_hash_code(&mut offsets, |(partition, _)| partition_hash(&partition.topic, partition.partition));
    offsets
}

fn export(tool: &Tool<'_>, prepared: Vec<(String, Offsets)>) -> Result<(), ToolError> {
    let is_single = tool.line.all("group").len() == 1;
    let mut text = String::new();
    for (group, offsets) in prepared {
        let group = (!is_single).then_some(group.as_str());
        text.extend(ordered(offsets).iter().map(|(at, offset)| reset_plan::record(group, at, *offset)));
    }
    Ok(print(&(text + "\n"))?)
}

fn print_table(prepared: Vec<(String, Offsets)>) -> Result<(), ToolError> {
    let length = |text: &str| text.chars().count();
    let group_width = prepared.iter().map(|(id, _)| length(id)).max().unwrap_or(0).max(15);
    let topics = prepared.iter().flat_map(|(_, offsets)| offsets.keys());
    let topic_width = topics.map(|partition| length(&partition.topic)).max().unwrap_or(0).max(15);
    let row = |group: &str, topic: &str, partition: &str, offset: &str| {
        format!("\n{group:<group_width$} {topic:<topic_width$} {partition:<10} {offset}")
    };
    let mut text = String::new();
    if !prepared.is_empty() {
        text.push_str(&row("GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"));
    }
    for (group, offsets) in prepared {
        for (TopicPartition { topic, partition }, offset) in ordered(offsets) {
            text.push_str(&row(&group, &topic, &partition.to_string(), &offset.to_string()));
        }
    }
    Ok(print(&(text + "\n"))?)
}

async fn reset_group(tool: &Tool<'_>, group: &str) -> Result<Offsets, ToolError> {
    let partitions = scope(tool, group).await?;
    check_partitions(tool, &partitions).await?;
    let offsets = chosen(tool, group, &partitions).await?;
    if tool.line.has("execute") && !tool.line.has("dry-run") && !offsets.is_empty() {
        let committed = offsets.iter().map(|(partition, offset)| {
            let committed = CommittedOffset { offset: *offset, leader_epoch: -1, metadata: String::new() };
            (partition.clone(), committed)
        });
        let results = tool.admin.alter_group_offsets(group, &committed.collect()).await?;
        let failed: Vec<_> = results.iter().filter(|(_, result)| result.is_err()).collect();
        if let Some((_, Err(_))) = failed.first() {
            let failed: Vec<String> = failed.iter().map(|(partition, _)| partition.to_string()).collect();
            return Err(ToolError::failed(format!(
                "Failed altering group offsets for the following partitions: [{}]",
                failed.join(", ")
            )));
        }
    }
    Ok(offsets)
}

/// The partitions that `--all-topics` or `--topic` mean.
async fn scope(tool: &Tool<'_>, group: &str) -> Result<Vec<TopicPartition>, ToolError> {
    if tool.line.has("all-topics") {
        return Ok(committed(tool, group).await?.into_keys().collect());
    }
    if !tool.line.has("topic") {
        if tool.line.has("from-file") {
            return Ok(Vec::new());
        }
        return Err(ToolError::usage("One of the reset scopes should be defined: --all-topics, --topic."));
    }
    let (with_partitions, whole): (Vec<&String>, Vec<&String>) =
        tool.line.all("topic").iter().partition(|argument| argument.contains(':'));
    let mut partitions = Vec::new();
    for argument in with_partitions {
        partitions.extend(topic_argument::partitions(argument)?);
    }
    let whole: Vec<String> = whole.into_iter().cloned().collect();
    for (name, topic) in tool_client::topics(&tool.admin, &whole).await? {
        let all = topic?.partitions;
        partitions.extend(all.iter().map(|partition| TopicPartition::new(&name, partition.index)));
    }
    Ok(partitions)
}

async fn committed(tool: &Tool<'_>, group: &str) -> Result<Committed, ToolError> {
    tool.admin.group_offsets(group, None).await.map_err(|error| wrapped(&error))
}

/// Refuses partitions that do not exist or have no leader.
async fn check_partitions(tool: &Tool<'_>, partitions: &[TopicPartition]) -> Result<(), ToolError> {
    let topics: BTreeSet<String> = partitions.iter().map(|partition| partition.topic.clone()).collect();
    let topics: Vec<String> = topics.into_iter().collect();
    let mut leaders: BTreeMap<TopicPartition, bool> = BTreeMap::new();
    for (name, topic) in tool_client::topics(&tool.admin, &topics).await.map_err(|error| wrapped(&error))? {
        let topic = topic.map_err(|error| wrapped(&error))?;
        let all = topic.partitions.iter();
        leaders.extend(all.map(|one| (TopicPartition::new(&name, one.index), one.leader >= 0)));
    }
    for (has_leader, fault) in [(None, "do not exist"), (Some(false), "have no leader")] {
        let wrong = partitions.iter().filter(|partition| leaders.get(partition).copied() == has_leader);
        let wrong: Vec<String> = wrong.map(TopicPartition::to_string).collect();
        if !wrong.is_empty() {
            return Err(ToolError::failed(format!("The partitions \"{}\" {fault}", wrong.join(","))));
        }
    }
    Ok(())
}

/// The new offsets.
async fn chosen(tool: &Tool<'_>, group: &str, partitions: &[TopicPartition]) -> Result<Offsets, ToolError> {
    let line = tool.line;
    if let Some(offset) = line.all("to-offset").first() {
        let offset = offset.parse::<i64>();
        let offset = offset.map_err(|_| {
            ToolError::failed(format!(
                "Cannot parse argument '{}' of option to-offset",
                line.all("to-offset")[0]
            ))
        })?;
        let asked = partitions.iter().map(|partition| (partition.clone(), offset)).collect();
        return within_log(tool, asked).await;
    }
    if line.has("to-earliest") {
        return at(tool, partitions, OffsetSpec::Earliest).await;
    }
    if line.has("to-latest") {
        return at(tool, partitions, OffsetSpec::Latest).await;
    }
    if let Some(shift) = line.number::<i64>("shift-by")? {
        let committed = committed(tool, group).await?;
        let mut asked = Offsets::new();
        for partition in partitions {
            let Some(current) = committed.get(partition) else {
                return Err(ToolError::usage(format!(
                    "Cannot shift offset for partition {partition} since there is no current committed offset"
                )));
            };
            asked.insert(partition.clone(), current.offset.saturating_add(shift));
        }
        return within_log(tool, asked).await;
    }
    if let Some(text) = line.all("to-datetime").first() {
        return at_time(tool, partitions, time_argument::timestamp_ms(text)?).await;
    }
    if let Some(text) = line.one("by-duration")? {
        let now_ms = platform::Platform::os().clock.wall_ms();
        let ms = now_ms.saturating_sub(time_argument::duration_ms(text)?);
        return at_time(tool, partitions, ms).await;
    }
    if let Some(path) = line.all("from-file").first() {
        return from_file(tool, group, path).await;
    }
    if line.has("to-current") {
        return to_current(tool, group, partitions).await;
    }
    let scenarios: Vec<String> = super::SCENARIOS.iter().map(|scenario| format!("[{scenario}]")).collect();
    Err(ToolError::usage(format!(
        "Option '[reset-offsets]' requires one of the following scenarios: [{}]",
        scenarios.join(", ")
    )))
}

/// The offsets that a specification means.
async fn at(tool: &Tool<'_>, partitions: &[TopicPartition], spec: OffsetSpec) -> Result<Offsets, ToolError> {
    let asked: Vec<_> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
    let mut found = Offsets::new();
    for (partition, listed) in tool.admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await {
        found.insert(partition, listed.map_err(|error| wrapped(&error))?.offset);
    }
    Ok(found)
}

/// The offsets, or the ends of the log that they go beyond.
async fn within_log(tool: &Tool<'_>, asked: Offsets) -> Result<Offsets, ToolError> {
    let partitions: Vec<TopicPartition> = asked.keys().cloned().collect();
    let starts = at(tool, &partitions, OffsetSpec::Earliest).await?;
    let ends = at(tool, &partitions, OffsetSpec::Latest).await?;
    let within = asked.into_iter().map(|(partition, offset)| {
        let end = ends.get(&partition).copied().unwrap_or(offset);
        let start = starts.get(&partition).copied().unwrap_or(offset);
        let offset = if offset > end { end } else { offset.max(start) };
        (partition, offset)
    });
    Ok(within.collect())
}

/// The first offsets that are not older; where there is none, the ends.
async fn at_time(tool: &Tool<'_>, partitions: &[TopicPartition], ms: i64) -> Result<Offsets, ToolError> {
    let found = at(tool, partitions, OffsetSpec::Timestamp(ms)).await?;
    let (mut found, none): (Offsets, Offsets) = found.into_iter().partition(|(_, offset)| *offset != -1);
    let mut none: Vec<TopicPartition> = none.into_keys().collect();
    sort_by_hash_code(&mut none, |partition| partition_hash(&partition.topic, partition.partition));
    for TopicPartition { topic, partition } in &none {
        print(&format!(
            "\nWarn: Partition {partition} from topic {topic} is empty. Falling back to latest known offset.\n"
        ))?;
    }
    found.extend(at(tool, &none, OffsetSpec::Latest).await?);
    Ok(found)
}

async fn from_file(tool: &Tool<'_>, group: &str, path: &str) -> Result<Offsets, ToolError> {
    let unreadable = |_| ToolError::failed(format!("java.io.IOException: Unable to read file {path}"));
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let only_group = match tool.line.all("group") {
        [one] => Some(one.as_str()),
        _ => None,
    };
    let mut plan: ResetPlan = reset_plan::parse(&text, only_group)?;
    match plan.remove(group) {
        Some(offsets) => within_log(tool, offsets).await,
        None => {
            print_error(&format!("No reset plan for group {group} found"))?;
            Ok(Offsets::new())
        }
    }
}

async fn to_current(
    tool: &Tool<'_>,
    group: &str,
    partitions: &[TopicPartition],
) -> Result<Offsets, ToolError> {
    let committed = committed(tool, group).await?;
    let (known, unknown): (Vec<TopicPartition>, Vec<TopicPartition>) =
        partitions.iter().cloned().partition(|partition| committed.contains_key(partition));
    let mut offsets: Offsets =
        known.into_iter().map(|partition| (partition.clone(), committed[&partition].offset)).collect();
    offsets.extend(at(tool, &unknown, OffsetSpec::Latest).await?);
    Ok(offsets)
}
