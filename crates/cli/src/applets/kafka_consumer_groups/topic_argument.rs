//! `--topic NAME:0,1,2`.
//!
//! Owns the words in which Kafka's tool refuses what is none.

use client::TopicPartition;

use crate::applets::ToolError;

/// The partitions that an argument with a colon names.
pub fn partitions(argument: &str) -> Result<Vec<TopicPartition>, ToolError> {
    let trimmed = argument.trim_end_matches(':');
    let parts: Vec<&str> = trimmed.split(':').collect();
    let [topic, numbers] = parts[..] else {
        return Err(ToolError::usage(format!(
            "Invalid topic arg '{argument}', expected topic name and partitions"
        )));
    };
    let numbers = numbers.trim_end_matches(',').split(',');
    let parsed = numbers.map(|number| {
        number.parse().map(|partition| TopicPartition::new(topic, partition)).map_err(|_| {
            ToolError::usage(format!("Invalid partition '{number}' specified in topic arg '{argument}''"))
        })
    });
    parsed.collect()
}
