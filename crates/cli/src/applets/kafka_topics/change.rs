//! `kafka-topics --create`, `--alter` and `--delete`.
//!
//! Owns what is read from their options. It never changes the configs of a topic that exists.

use std::collections::BTreeSet;

use client::{Admin, ErrorCode, NewPartitions, NewTopic, Outcomes};

use super::{ensure_found, matching};
use crate::applets::options::CommandLine;
use crate::applets::{ToolError, tool_client};
use crate::output::print;

/// Creates a topic.
pub async fn create(line: &CommandLine, admin: &Admin) -> Result<(), ToolError> {
    let new = new_topic(line)?;
    if new.name.contains(['.', '_']) {
        print(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. \
             To avoid issues it is best to use either, but not both.\n",
        )?;
    }
    let name = new.name.clone();
    match first_error(admin.create_topics(&[new], false).await?) {
        Ok(()) => Ok(print(&format!("Created topic {name}.\n"))?),
        Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) && line.has("if-not-exists") => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn new_topic(line: &CommandLine) -> Result<NewTopic, ToolError> {
    let mut new = NewTopic::new(line.one("topic")?.unwrap_or_default());
    let partitions = line.number::<i32>("partitions")?;
    let replication_factor = line.number::<i32>("replication-factor")?;
    new.assignments = (0..).zip(assignment(line)?).collect();
    new.configs = configs(line)?;
    if let Some(factor) = replication_factor {
        let within = i16::try_from(factor).ok().filter(|factor| *factor >= 1);
        new.replication_factor = within.ok_or_else(|| {
            ToolError::failed("The replication factor must be between 1 and 32767 inclusive")
        })?;
    }
    if let Some(partitions) = partitions {
        if partitions < 1 {
            return Err(ToolError::failed("The partitions must be greater than 0"));
        }
        new.partitions = partitions;
    }
    Ok(new)
}

/// `--config`; white space around the equals sign does not count.
fn configs(line: &CommandLine) -> Result<Vec<(String, String)>, ToolError> {
    let wrong = || {
        ToolError::failed(
            "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
        )
    };
    line.all("config")
        .iter()
        .map(|config| match config.split('=').collect::<Vec<_>>()[..] {
            [key, value] if !value.is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
            _ => Err(wrong()),
        })
        .collect()
}

/// `--replica-assignment`: partitions between commas, their brokers between colons.
fn assignment(line: &CommandLine) -> Result<Vec<Vec<i32>>, ToolError> {
    let text = line.one("replica-assignment")?.unwrap_or_default();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut all: Vec<Vec<i32>> = Vec::new();
    for (index, partition) in text.trim_end_matches(',').split(',').enumerate() {
        let mut brokers = Vec::new();
        for broker in partition.trim_end_matches(':').split(':') {
            let broker = broker.trim();
            let id = broker.parse::<i32>();
            brokers.push(id.map_err(|_| ToolError::failed(format!("For input string: \"{broker}\"")))?);
        }
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<String> =
            brokers.iter().filter(|id| !seen.insert(**id)).map(|id| id.to_string()).collect();
        if !twice.is_empty() {
            let twice = Vec::from_iter(twice).join(",");
            return Err(ToolError::failed(format!(
                "Partition replica lists may not contain duplicate entries: {twice}"
            )));
        }
        if all.first().is_some_and(|first| first.len() != brokers.len()) {
            return Err(ToolError::failed(format!(
                "Partition {index} has different replication factor: {brokers:?}"
            )));
        }
        all.push(brokers);
    }
    Ok(all)
}

/// Gives topics more partitions.
pub async fn alter(line: &CommandLine, admin: &Admin) -> Result<(), ToolError> {
    let total = line.number::<i32>("partitions")?.unwrap_or_default();
    let assignment = assignment(line)?;
    let topics = matching(line, admin).await?;
    ensure_found(line, &topics)?;
    if topics.is_empty() {
        return Ok(());
    }
    let mut wanted = Vec::new();
    for (name, described) in tool_client::topics(admin, &topics).await? {
        let present = described?.partitions.len();
        let new = assignment.iter().skip(present).cloned().collect();
        let assignments = (!assignment.is_empty()).then_some(new);
        wanted.push(NewPartitions { topic: name, total, assignments });
    }
    Ok(first_error(admin.create_partitions(&wanted, false).await?)?)
}

/// Deletes topics.
pub async fn delete(line: &CommandLine, admin: &Admin) -> Result<(), ToolError> {
    let topics = matching(line, admin).await?;
    ensure_found(line, &topics)?;
    if topics.is_empty() {
        return Ok(());
    }
    Ok(first_error(admin.delete_topics(&topics).await?)?)
}

fn first_error<T>(outcomes: Outcomes<T>) -> Result<(), client::ClientError> {
    outcomes.into_iter().try_for_each(|(_, outcome)| outcome.map(drop))
}
