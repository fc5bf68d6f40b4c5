//! `kafka-topics`: creates, lists, describes, grows and deletes topics.
//!
//! Owns its options and which of them go together.

mod change;
mod describe;

use client::Admin;

use crate::applets::ToolError;
use crate::applets::options::{CommandLine, OptionDef, flag, value};
use crate::applets::tool_client::{self, properties_file};
use crate::applets::topic_filter::TopicFilter;
use crate::output::print;

/// The options of `kafka-topics`.
pub const OPTIONS: &[OptionDef] = &[
    value("bootstrap-server", "server to connect to", "REQUIRED: where the cluster is."),
    value("command-config", "command config property file", "Properties of the admin client."),
    flag("list", "List all topics."),
    flag("create", "Create a topic."),
    flag("delete", "Delete topics."),
    flag("alter", "Give topics more partitions. (kafka-configs changes their configs.)"),
    flag("describe", "Show topics and their partitions."),
    value("topic", "topic", "The topic; a regular expression, except with --create."),
    value("topic-id", "topic-id", "The id of the topic to describe."),
    value("config", "name=value", "A config of the topic to create; may be given often."),
    value("delete-config", "name", "No longer has a meaning, as in Kafka since 4.0."),
    value("partitions", "# of partitions", "How many partitions the topic is to have."),
    value("replication-factor", "replication factor", "How many replicas each partition is to have."),
    value(
        "replica-assignment",
        "broker_id_for_part1_replica1 : broker_id_for_part1_replica2 , ...",
        "The brokers of each partition, instead of both numbers.",
    ),
    flag("under-replicated-partitions", "With --describe: only partitions with replicas out of sync."),
    flag("unavailable-partitions", "With --describe: only partitions without a leader."),
    flag("under-min-isr-partitions", "With --describe: only partitions below min.insync.replicas."),
    flag("at-min-isr-partitions", "With --describe: only partitions at exactly min.insync.replicas."),
    flag("topics-with-overrides", "With --describe: only topics with configs of their own."),
    flag("if-exists", "With --alter, --delete, --describe: no topic is no error."),
    flag("if-not-exists", "With --create: an existing topic is no error."),
    flag("exclude-internal", "With --list, --describe: leave out internal topics."),
    value(
        "partition-size-limit-per-response",
        "maximum number of partitions per response",
        "How many partitions one answer may describe.",
    ),
];

const ABOUT: &str = "This tool helps to create, delete, describe, or change a topic.";
const ABOUT_EMPTY: &str = "Create, delete, describe, or change a topic.";
const ACTIONS: [&str; 5] = ["create", "list", "alter", "describe", "delete"];
const REPORTS: [&str; 4] = [
    "under-replicated-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
    "unavailable-partitions",
];

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub async fn run(arguments: &[String]) -> Result<(), ToolError> {
    let line = CommandLine::parse(OPTIONS, arguments)?;
    check(&line)?;
    let mut properties = match line.one("command-config")? {
        Some(path) => properties_file(path)?,
        None => Vec::new(),
    };
    if let Some(servers) = line.one("bootstrap-server")? {
        properties.push(("bootstrap.servers".to_owned(), servers.to_owned()));
    }
    match execute(&line, &properties).await {
        Ok(()) => Ok(()),
        Err(ToolError::Failed(reason)) => {
            print(&format!("Error while executing topic command : {reason}\n"))?;
            Err(ToolError::Exit(1))
        }
        Err(other) => Err(other),
    }
}

async fn execute(line: &CommandLine, properties: &[(String, String)]) -> Result<(), ToolError> {
    let first_call = if line.has("create") { "createTopics" } else { "listTopics" };
    let admin = match tool_client::admin(properties, first_call).await {
        Err(error) if error.is_config() => {
            eprintln!("{error}");
            return Err(ToolError::Exit(1));
        }
        other => other?,
    };
    if line.has("create") {
        change::create(line, &admin).await
    } else if line.has("alter") {
        change::alter(line, &admin).await
    } else if line.has("delete") {
        change::delete(line, &admin).await
    } else if line.has("list") {
        let topics = matching(line, &admin).await?;
        Ok(print(&format!("{}\n", topics.join("\n")))?)
    } else {
        describe::describe(line, &admin).await
    }
}

fn check(line: &CommandLine) -> Result<(), ToolError> {
    line.help_or_version(if line.is_empty() { ABOUT_EMPTY } else { ABOUT })?;
    if ACTIONS.iter().filter(|action| line.has(action)).count() != 1 {
        return Err(ToolError::usage(
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
        ));
    }
    if line.has("delete-config") {
        eprintln!(
            "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully \
             removed in future releases."
        );
    }
    check_required(line)?;
    let unless = |option: &str, allowed: &[&str], also: &[&str]| {
        let mut others: Vec<&str> =
            ACTIONS.iter().copied().filter(|action| !allowed.contains(action)).collect();
        others.extend(also);
        line.refuse_with(option, &others)
    };
    unless("config", &["alter", "create"], &[])?;
    unless("partitions", &["alter", "create"], &[])?;
    unless("replication-factor", &["create"], &[])?;
    unless("replica-assignment", &["alter", "create"], &[])?;
    if line.has("create") {
        line.refuse_with("replica-assignment", &["partitions", "replication-factor"])?;
    }
    for report in REPORTS {
        unless(report, &["describe"], &["topics-with-overrides"])?;
    }
    unless("topics-with-overrides", &["describe"], &REPORTS)?;
    unless("if-exists", &["alter", "delete", "describe"], &[])?;
    unless("if-not-exists", &["create"], &[])?;
    unless("exclude-internal", &["list", "describe"], &[])
}

fn check_required(line: &CommandLine) -> Result<(), ToolError> {
    if !line.has("bootstrap-server") {
        return Err(ToolError::failed("--bootstrap-server must be specified"));
    }
    if line.has("describe") && line.has("if-exists") {
        match (line.has("topic"), line.has("topic-id")) {
            (false, false) => {
                return Err(ToolError::usage("--topic or --topic-id is required to describe a topic"));
            }
            (true, true) => print(
                "Only topic id will be used when both --topic and --topic-id are specified and topicId is not \
                 Uuid.ZERO_UUID\n",
            )?,
            _ => {}
        }
    }
    if !line.has("list") && !line.has("describe") {
        line.require(&["topic"])?;
    }
    if line.has("alter") {
        if line.has("config") {
            return Err(ToolError::usage(
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (To alter \
                 topic configurations, the kafka-configs tool can be used.)",
            ));
        }
        line.require(&["partitions"])?;
    }
    Ok(())
}

/// The topics that `--topic` and `--exclude-internal` choose, by name.
async fn matching(line: &CommandLine, admin: &Admin) -> Result<Vec<String>, ToolError> {
    let internal_too = !line.has("exclude-internal");
    let filter = line.one("topic")?.map(TopicFilter::new).transpose()?;
    let topics = admin.list_topics().await?;
    let chosen = topics.into_iter().filter(|topic| {
        (internal_too || !topic.is_internal)
            && filter.as_ref().is_none_or(|filter| filter.allows(&topic.name))
    });
    Ok(chosen.map(|topic| topic.name).collect())
}

/// What is missing when `--topic` names nothing.
fn ensure_found(line: &CommandLine, topics: &[String]) -> Result<(), ToolError> {
    match line.one("topic")? {
        Some(asked) if !asked.is_empty() && topics.is_empty() && !line.has("if-exists") => {
            Err(ToolError::failed(format!("Topic '{asked}' does not exist as expected")))
        }
        _ => Ok(()),
    }
}
