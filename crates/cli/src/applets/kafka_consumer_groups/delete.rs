//! `kafka-consumer-groups --delete` and `--delete-offsets`.
//!
//! Owns what they say about what went and what did not.

use std::collections::BTreeSet;

use client::{ClientError, ErrorCode, TopicPartition};

use super::{MISSING, Tool, print_error, topic_argument};
use crate::applets::hash_order::sort_by_hash;
use crate::applets::{ToolError, java_exception, tool_client};
use crate::output::print;

/// Deletes the groups that are meant.
pub async fn groups(tool: &Tool<'_>) -> Result<(), ToolError> {
    let mut ids: Vec<String> = tool.groups().await?;
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    let mut outcomes = tool.admin.delete_groups(&ids).await?;
    sort_by_hash(&mut outcomes, |(id, _)| id);
    let deleted = outcomes.iter().filter(|(_, outcome)| outcome.is_ok());
    let deleted: Vec<String> = deleted.map(|(id, _)| format!("'{id}'")).collect();
    let deleted_list = deleted.join(", ");
    if deleted.len() == outcomes.len() {
        return Ok(print(&format!(
            "Deletion of requested consumer groups ({deleted_list}) was successful.\n"
        ))?);
    }
    print_error("Deletion of some consumer groups failed:")?;
    for (id, outcome) in &outcomes {
        if let Err(error) = outcome {
            let reason = java_exception::caused_by(error);
            print(&format!("* Group '{id}' could not be deleted due to: {reason}\n"))?;
        }
    }
    if !deleted.is_empty() {
        print(&format!("\nThese consumer groups were deleted successfully: {deleted_list}\n"))?;
    }
    Ok(())
}

type Outcome = (TopicPartition, Result<(), ClientError>);

/// Deletes what a group committed of topics.
pub async fn offsets(tool: &Tool<'_>) -> Result<(), ToolError> {
    let group = tool.line.one("group")?.unwrap_or_default();
    let arguments: BTreeSet<&String> = tool.line.all("topic").iter().collect();
    let (with_partitions, whole): (Vec<&String>, Vec<&String>) =
        arguments.into_iter().partition(|argument| argument.contains(':'));
    let mut partitions: BTreeSet<TopicPartition> = BTreeSet::new();
    for argument in with_partitions {
        partitions.extend(topic_argument::partitions(argument)?);
    }
    let mut outcomes: Vec<Outcome> = Vec::new();
    let whole: Vec<String> = whole.into_iter().cloned().collect();
    for (name, topic) in tool_client::topics(&tool.admin, &whole).await? {
        match topic {
            Ok(topic) => {
                let all = topic.partitions.iter();
                partitions.extend(all.map(|partition| TopicPartition::new(&name, partition.index)));
            }
            // A topic that is not there has no partitions to name.
            Err(error) => outcomes.push((TopicPartition::new(name, -1), Err(error))),
        }
    }
    let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
    let top = match tool.admin.delete_group_offsets(group, &partitions).await {
        Ok(deleted) => {
            let first = deleted.iter().find_map(|(_, outcome)| outcome.as_ref().err().cloned());
            outcomes.extend(deleted);
            first
        }
        Err(error) => {
            outcomes.extend(partitions.into_iter().map(|partition| (partition, Err(error.clone()))));
            Some(error)
        }
    };
    print_top(group, top.as_ref())?;
    print_outcomes(outcomes)
}

fn print_top(group: &str, error: Option<&ClientError>) -> Result<(), ToolError> {
    let Some(error) = error else {
        return Ok(print(&format!("Request succeeded for deleting offsets from group {group}.\n"))?);
    };
    match error.code() {
        Some(
            code @ (ErrorCode::INVALID_GROUP_ID
            | ErrorCode::GROUP_ID_NOT_FOUND
            | ErrorCode::GROUP_AUTHORIZATION_FAILED
            | ErrorCode::NON_EMPTY_GROUP),
        ) => print_error(java_exception::words(code)),
        Some(
            ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC
            | ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ) => print_error("Encountered some partition-level error, see the follow-up details."),
        other => {
            let name = other.map_or("UNKNOWN_SERVER_ERROR", ErrorCode::name);
            print_error(&format!("Encountered some unknown error: {name}"))
        }
    }
}

fn print_outcomes(mut outcomes: Vec<Outcome>) -> Result<(), ToolError> {
    outcomes.sort_by_cached_key(|(partition, _)| format!("{}{}", partition.topic, partition.partition));
    let longest = outcomes.iter().map(|(partition, _)| partition.topic.chars().count()).max();
    let width = longest.unwrap_or(0).max(15);
    let row = |topic: &str, partition: &str, status: &str| {
        format!("\n{topic:<width$} {partition:<10} {status:<15}")
    };
    let mut text = row("TOPIC", "PARTITION", "STATUS");
    for (TopicPartition { topic, partition }, outcome) in &outcomes {
        let number = if *partition >= 0 { partition.to_string() } else { MISSING.to_owned() };
        let status = match outcome {
            Ok(()) => "Successful".to_owned(),
            Err(error) => format!("Error: {}", java_exception::caused_by(error)),
        };
        text.push_str(&row(topic, &number, &status));
    }
    Ok(print(&(text + "\n"))?)
}
