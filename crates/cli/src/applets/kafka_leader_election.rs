//! `kafka-leader-election`: elects leaders of partitions.
//!
//! Owns its options and the form of its file: `{"partitions": [{"topic", "partition"}]}`.

use client::{ElectionType, ErrorCode, TopicPartition};
use serde_json::Value;

use crate::applets::hash_order::{partition_hash, sort_by_hash_code};
use crate::applets::options::{CommandLine, OptionDef, flag, value};
use crate::applets::tool_client::{self, properties_file};
use crate::applets::{ToolError, java_exception};
use crate::output::print;

/// The options of `kafka-leader-election`.
pub const OPTIONS: &[OptionDef] = &[
    value("bootstrap-server", "host:port", "REQUIRED: where the cluster is."),
    value("admin.config", "config file", "The old name of --command-config."),
    value("command-config", "Config file", "Properties of the admin client."),
    value("election-type", "[PREFERRED,UNCLEAN]", "REQUIRED: preferred, or unclean, which may lose records."),
    value("topic", "topic name", "The topic of one partition."),
    value("partition", "partition id", "With --topic: the partition."),
    flag("all-topic-partitions", "All partitions that need a leader."),
    value(
        "path-to-json-file",
        "Path to JSON file",
        "Partitions: {\"partitions\": [{\"topic\": \"foo\", \"partition\": 1}]}",
    ),
];

const ABOUT: &str = "This tool attempts to elect a new leader for a set of topic partitions. The type of elections supported are \
                     preferred replicas and unclean replicas.";

/// Ways to say which partitions are meant, of which there must be one.
const SCOPES: [&str; 3] = ["topic", "all-topic-partitions", "path-to-json-file"];

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub async fn run(arguments: &[String]) -> Result<(), ToolError> {
    let line = CommandLine::parse(OPTIONS, arguments)?;
    line.help_or_version(ABOUT)?;
    line.refuse_with("admin.config", &["command-config"])?;
    let election = check(&line)?;
    let partitions = partitions(&line)?;
    if line.has("admin.config") {
        print(
            "Option --admin.config has been deprecated and will be removed in a future version. Use --command-config \
             instead.\n",
        )?;
    }
    let config = line.one("command-config")?.or(line.one("admin.config")?);
    let mut properties = config.map_or(Ok(Vec::new()), properties_file)?;
    let servers = line.one("bootstrap-server")?.unwrap_or_default();
    properties.push(("bootstrap.servers".to_owned(), servers.to_owned()));
    let admin = tool_client::admin(&properties, "electLeaders").await?;
    let outcomes = admin.elect_leaders(election, partitions.as_deref()).await?;

    let name = if election == ElectionType::Preferred { "PREFERRED" } else { "UNCLEAN" };
    let (mut elected, mut kept, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (partition, outcome) in outcomes {
        match outcome {
            Ok(()) => elected.push(partition),
            Err(error) if error.code() == Some(ErrorCode::ELECTION_NOT_NEEDED) => kept.push(partition),
            Err(error) => failed.push((partition, error)),
        }
    }
    for (what, mut found) in [
        (format!("Successfully completed leader election ({name}) for partitions"), elected),
        ("Valid replica already elected for partitions".to_owned(), kept),
    ] {
        if !found.is_empty() {
            sort_by_hash_code(&mut found, |at| partition_hash(&at.topic, at.partition));
            let found: Vec<String> = found.iter().map(TopicPartition::to_string).collect();
            print(&format!("{what} {}\n", found.join(", ")))?;
        }
    }
    for (partition, error) in &failed {
        let reason = java_exception::caused_by(error);
        print(&format!("Error completing leader election ({name}) for partition: {partition}: {reason}\n"))?;
    }
    match failed.len() {
        0 => Ok(()),
        count => Err(ToolError::failed(format!("{count} replica(s) could not be elected"))),
    }
}

/// Refuses a command line that says too little or too much.
fn check(line: &CommandLine) -> Result<ElectionType, ToolError> {
    let election = match line.one("election-type")? {
        None => None,
        Some(text) if text.eq_ignore_ascii_case("preferred") => Some(ElectionType::Preferred),
        Some(text) if text.eq_ignore_ascii_case("unclean") => Some(ElectionType::Unclean),
        Some(text) => {
            return Err(ToolError::failed(format!("Cannot parse argument '{text}' of option election-type")));
        }
    };
    let missing: Vec<&str> =
        ["bootstrap-server", "election-type"].into_iter().filter(|name| !line.has(name)).collect();
    if !missing.is_empty() {
        return Err(ToolError::failed(format!("Missing required option(s): {}", missing.join(", "))));
    }
    if SCOPES.iter().filter(|scope| line.has(scope)).count() != 1 {
        return Err(ToolError::failed(format!(
            "One and only one of the following options is required: {}",
            SCOPES.join(", ")
        )));
    }
    if line.has("topic") && !line.has("partition") {
        return Err(ToolError::failed("Missing required option(s): partition"));
    }
    election.ok_or_else(|| ToolError::failed("Missing required option(s): election-type"))
}

/// The partitions that are meant; `None` for all.
fn partitions(line: &CommandLine) -> Result<Option<Vec<TopicPartition>>, ToolError> {
    if let Some(topic) = line.one("topic")? {
        let partition = line.number::<i32>("partition")?.unwrap_or_default();
        return Ok(Some(vec![TopicPartition::new(topic, partition)]));
    }
    let Some(path) = line.one("path-to-json-file")? else { return Ok(None) };
    let unreadable = |_| ToolError::failed(format!("java.io.IOException: Unable to read file {path}"));
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    Ok(Some(from_json(&text)?))
}

fn from_json(text: &str) -> Result<Vec<TopicPartition>, ToolError> {
    let json: Value =
        serde_json::from_str(text).map_err(|_| ToolError::failed("Replica election data is empty"))?;
    let received =
        |kind: &str, value: &Value| ToolError::failed(format!("Expected {kind}, received {value}"));
    let object = json.as_object().ok_or_else(|| received("JSON object", &json))?;
    let partitions = object
        .get("partitions")
        .ok_or_else(|| ToolError::failed("Replica election data is missing \"partitions\" field"))?;
    let partitions = partitions.as_array().ok_or_else(|| received("JSON array", partitions))?;
    let mut found: Vec<TopicPartition> = Vec::new();
    let mut twice: Vec<String> = Vec::new();
    for entry in partitions {
        let entry = entry.as_object().ok_or_else(|| received("JSON object", entry))?;
        let field = |name: &str| {
            entry.get(name).ok_or_else(|| ToolError::failed(format!("No such field exists: `{name}`")))
        };
        let topic = field("topic")?;
        let topic = topic.as_str().ok_or_else(|| received("`String` value", topic))?;
        let partition = field("partition")?;
        let number = partition.as_i64().and_then(|number| i32::try_from(number).ok());
        let partition = number.ok_or_else(|| received("`Integer` value", partition))?;
        let partition = TopicPartition::new(topic, partition);
        if found.contains(&partition) {
            twice.push(partition.to_string());
        }
        found.push(partition);
    }
    if twice.is_empty() {
        return Ok(found);
    }
    let twice = twice.join(", ");
    Err(ToolError::failed(format!("Replica election data contains duplicate partitions: [{twice}]")))
}
