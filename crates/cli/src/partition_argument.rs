//! Partitions on the command line: `TOPIC`, or `TOPIC:0,2`.
//!
//! Owns the syntax, and finding out which partitions there are.

use std::str::FromStr;

use client::{Admin, Topic, TopicPartition};

use crate::failure::{ExitStatus, Failure};

/// A topic, or some of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionArgument {
    /// The topic.
    pub topic: String,
    /// The partitions; `None` for all.
    pub partitions: Option<Vec<i32>>,
}

impl FromStr for PartitionArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<PartitionArgument, String> {
        let (topic, partitions) = match text.split_once(':') {
            None => (text, None),
            Some((topic, numbers)) => {
                let number = |text: &str| match text.parse::<i32>() {
                    Ok(number) if number >= 0 => Ok(number),
                    _ => Err(format!("{text:?} is no partition; write TOPIC or TOPIC:0,2")),
                };
                let numbers: Result<Vec<i32>, String> = numbers.split(',').map(number).collect();
                (topic, Some(numbers?))
            }
        };
        if topic.is_empty() {
            return Err("there is no topic in it; write TOPIC or TOPIC:0,2".to_owned());
        }
        Ok(PartitionArgument { topic: topic.to_owned(), partitions })
    }
}

/// The topics, each once, in the order in which they are named.
///
/// # Errors
/// One is not there.
pub async fn topics(admin: &Admin, arguments: &[PartitionArgument]) -> Result<Vec<Topic>, Failure> {
    let mut names: Vec<String> = Vec::new();
    for argument in arguments {
        if !names.contains(&argument.topic) {
            names.push(argument.topic.clone());
        }
    }
    let mut found = Vec::with_capacity(names.len());
    for (name, topic) in admin.describe_topics(&names).await? {
        let topic = topic.map_err(|error| match Failure::from(error) {
            failure if failure.status == ExitStatus::NotFound => {
                Failure::new(ExitStatus::NotFound, format!("there is no topic {name}"))
                    .with_fix("klamm topic list shows those that there are")
            }
            failure => failure,
        })?;
        found.push(topic);
    }
    Ok(found)
}

/// The partitions that the arguments mean, sorted, each once.
///
/// # Errors
/// A topic or a partition is not there.
pub async fn partitions(
    admin: &Admin,
    arguments: &[PartitionArgument],
) -> Result<Vec<TopicPartition>, Failure> {
    let topics = topics(admin, arguments).await?;
    let mut found = Vec::new();
    for argument in arguments {
        let Some(topic) = topics.iter().find(|topic| topic.name == argument.topic) else { continue };
        let there: Vec<i32> = topic.partitions.iter().map(|partition| partition.index).collect();
        let wanted = argument.partitions.as_ref().unwrap_or(&there);
        if let Some(missing) = wanted.iter().find(|index| !there.contains(index)) {
            let count = there.len();
            let message =
                format!("{} has {count} partitions, so there is no partition {missing}", topic.name);
            return Err(Failure::new(ExitStatus::NotFound, message));
        }
        found.extend(wanted.iter().map(|index| TopicPartition::new(&topic.name, *index)));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests;
