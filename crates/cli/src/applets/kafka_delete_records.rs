//! `kafka-delete-records`: deletes the first records of partitions.
//!
//! Owns its options and the form of its file: `{"version": 1, "partitions": [{"topic", "partition", "offset"}]}`.

use std::collections::BTreeMap;

use client::TopicPartition;
use serde_json::Value;

use crate::applets::options::{CommandLine, OptionDef, value};
use crate::applets::tool_client::{self, properties_file};
use crate::applets::{ToolError, java_exception};
use crate::output::print;

/// The options of `kafka-delete-records`.
pub const OPTIONS: &[OptionDef] = &[
    value("bootstrap-server", "server(s) to use for bootstrapping", "REQUIRED: where the cluster is."),
    value(
        "offset-json-file",
        "Offset json file path",
        "REQUIRED: the first offset to keep, per partition: {\"partitions\": [{\"topic\": \"foo\", \"partition\": 1, \
         \"offset\": 1}], \"version\": 1}",
    ),
    value("command-config", "command config property file path", "Properties of the admin client."),
];

const ABOUT: &str = "This tool helps to delete records of the given partitions down to the specified offset.";

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub async fn run(arguments: &[String]) -> Result<(), ToolError> {
    let line = CommandLine::parse(OPTIONS, arguments)?;
    line.help_or_version(ABOUT)?;
    line.require(&["bootstrap-server", "offset-json-file"])?;
    let mut properties = match line.one("command-config")? {
        Some(path) => properties_file(path)?,
        None => Vec::new(),
    };
    let servers = line.one("bootstrap-server")?.unwrap_or_default();
    properties.push(("bootstrap.servers".to_owned(), servers.to_owned()));
    let path = line.one("offset-json-file")?.unwrap_or_default();
    let unreadable = |_| ToolError::failed(format!("Unable to read file {path}"));
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let before = offsets(&text)?;

    print("Executing records delete operation\n")?;
    let admin = tool_client::admin(&properties, "deleteRecords").await?;
    let deleted = admin.delete_records(&before).await;
    print("Records delete operation completed:\n")?;
    for (partition, result) in deleted {
        let result = match result {
            Ok(first) => format!("low_watermark: {first}"),
            Err(error) => format!("error: {}", java_exception::caused_by(&error)),
        };
        print(&format!("partition: {partition}\t{result}\n"))?;
    }
    Ok(())
}

/// The first offset to keep, per partition.
fn offsets(text: &str) -> Result<Vec<(TopicPartition, i64)>, ToolError> {
    let no_json = |_| ToolError::failed("The input string is not a valid JSON");
    let json: Value = serde_json::from_str(text).map_err(no_json)?;
    let version = match json.get("version") {
        Some(version) => version.as_i64().ok_or_else(|| no_value("Integer", version))?,
        None => 1,
    };
    if version != 1 {
        return Err(ToolError::failed(format!("Not supported version field value {version}")));
    }
    let partitions = json.get("partitions").ok_or_else(|| ToolError::failed("Missing partitions field"))?;
    let partitions = partitions.as_array().ok_or_else(|| ToolError::failed("Expected JSON array"))?;
    let mut found: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    let mut twice: Vec<TopicPartition> = Vec::new();
    for entry in partitions {
        let field = |name: &str| {
            entry.get(name).ok_or_else(|| ToolError::failed(format!("No such field exists: `{name}`")))
        };
        let number = |name: &str, kind: &str| {
            let value = field(name)?;
            value.as_i64().ok_or_else(|| no_value(kind, value))
        };
        let topic = field("topic")?;
        let topic = topic.as_str().ok_or_else(|| no_value("String", topic))?;
        let partition = i32::try_from(number("partition", "Integer")?).unwrap_or(i32::MAX);
        let partition = TopicPartition::new(topic, partition);
        if found.insert(partition.clone(), number("offset", "Long")?).is_some() && !twice.contains(&partition)
        {
            twice.push(partition);
        }
    }
    if twice.is_empty() {
        return Ok(found.into_iter().collect());
    }
    let twice: Vec<String> = twice.iter().map(TopicPartition::to_string).collect();
    Err(ToolError::failed(format!(
        "Offset json file contains duplicate topic partitions: {}",
        twice.join(",")
    )))
}

fn no_value(kind: &str, value: &Value) -> ToolError {
    ToolError::failed(format!("Expected `{kind}` value, received {value}"))
}
