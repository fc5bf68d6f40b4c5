//! The files of `--export` and `--from-file`: `topic,partition,offset` a line, with the group in front where there may be
//! several.
//!
//! Owns reading and writing them. It never looks at a cluster.

use std::collections::BTreeMap;

use client::TopicPartition;

use crate::applets::ToolError;

/// What to reset: offsets by partition, by group.
pub type ResetPlan = BTreeMap<String, BTreeMap<TopicPartition, i64>>;

/// Texts longer than this are written in quotes without a look at what is in them.
const UNQUOTED_LENGTH_MAX: usize = 24;

/// Reads a file. `only_group` is the group whose file may leave it out.
///
/// # Errors
/// A line is no such record.
pub fn parse(text: &str, only_group: Option<&str>) -> Result<ResetPlan, ToolError> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut plan = ResetPlan::new();
    for record in reader.records() {
        let record = record.map_err(|error| wrong(&error.to_string()))?;
        let fields: Vec<&str> = record.iter().map(str::trim).collect();
        let (group, topic, partition, offset) = match (fields.as_slice(), only_group) {
            ([topic, partition, offset], Some(group)) => (group, *topic, *partition, *offset),
            ([group, topic, partition, offset], _) => (*group, *topic, *partition, *offset),
            _ => return Err(wrong(&format!("{} is no record", fields.join(",")))),
        };
        let number = |text: &str| text.parse::<i64>().map_err(|_| wrong(&format!("{text:?} is no number")));
        let partition = i32::try_from(number(partition)?).map_err(|error| wrong(&error.to_string()))?;
        let offset = number(offset)?;
        plan.entry(group.to_owned()).or_default().insert(TopicPartition::new(topic, partition), offset);
    }
    Ok(plan)
}

fn wrong(reason: &str) -> ToolError {
    ToolError::failed(format!("the reset plan cannot be read: {reason}"))
}

/// A line of the file.
pub fn record(group: Option<&str>, partition: &TopicPartition, offset: i64) -> String {
    let mut line = group.map_or_else(String::new, |group| format!("{},", quoted(group)));
    line.push_str(&format!("{},{},{offset}\n", quoted(&partition.topic), partition.partition));
    line
}

fn quoted(text: &str) -> String {
    let is_plain = text.chars().count() <= UNQUOTED_LENGTH_MAX && text.chars().all(|c| c >= '-');
    if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests;
