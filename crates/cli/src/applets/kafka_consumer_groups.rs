//! `kafka-consumer-groups`: lists, describes and deletes groups of consumers, and moves or deletes what they committed.
//!
//! Owns its options, which of them go together, and how it fails: as in Kafka, most failures are a line on standard output
//! and exit code 0.

mod delete;
mod describe;
mod list;
mod reset;
mod reset_plan;
mod time_argument;
mod topic_argument;

use client::{Admin, ClientError, GroupListing};

use crate::applets::options::{CommandLine, OptionDef, flag, optional_value, value};
use crate::applets::tool_client::{self, properties_file};
use crate::applets::{ToolError, java_exception};
use crate::output::print;

/// The options of `kafka-consumer-groups`.
pub const OPTIONS: &[OptionDef] = &[
    value(
        "bootstrap-server",
        "server to connect to",
        "REQUIRED, unless --validate-regex: where the cluster is.",
    ),
    value("group", "consumer group", "The group; may be given often."),
    value(
        "topic",
        "topic",
        "With --reset-offsets, --delete-offsets: a topic, or topic:0,1,2; may be given often.",
    ),
    flag("all-topics", "With --reset-offsets: all topics the group has committed offsets of."),
    flag("list", "List groups."),
    flag("describe", "Show groups: what they committed and how far that is from the end."),
    flag("all-groups", "All groups."),
    flag("delete", "Delete groups with all they committed."),
    value("timeout", "timeout (ms)", "How long an operation may take. Default: 30000."),
    value("command-config", "command config property file", "Properties of the admin client."),
    flag(
        "reset-offsets",
        "Commit other offsets for a group without members. Says what it would do, unless --execute.",
    ),
    flag("delete-offsets", "Delete what a group committed of topics."),
    flag("dry-run", "With --reset-offsets: only say what would be done."),
    flag("execute", "With --reset-offsets: do it."),
    flag("export", "With --reset-offsets: print CSV, as --from-file reads it."),
    value("to-offset", "offset", "Reset to this offset."),
    value("from-file", "path to CSV file", "Reset to the offsets in a file."),
    value(
        "to-datetime",
        "datetime",
        "Reset to the first record at this time or later: YYYY-MM-DDThh:mm:ss.sss",
    ),
    value("by-duration", "duration", "Reset to the first record so long ago or later: PnDTnHnMnS"),
    flag("to-earliest", "Reset to the first record."),
    flag("to-latest", "Reset to the end."),
    flag("to-current", "Reset to what is committed, or to the end."),
    value("shift-by", "number-of-offsets", "Reset by so many records on, or back."),
    flag("members", "With --describe: the members."),
    flag("verbose", "With --describe: more columns."),
    flag("offsets", "With --describe: what is committed. The default."),
    optional_value("state", "state", "With --describe: the state. With --list: show states, or only some."),
    optional_value("type", "type", "With --list: show types, or only some."),
    value("validate-regex", "regex", "Say whether this is a regular expression."),
];

const ABOUT: &str = "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or \
                     reset consumer group offsets.";
const ACTIONS: [&str; 6] =
    ["list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex"];
const SCENARIOS: [&str; 8] = [
    "to-offset",
    "shift-by",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "from-file",
];
/// What stands in a column without a value.
const MISSING: &str = "-";

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub async fn run(arguments: &[String]) -> Result<(), ToolError> {
    let line = CommandLine::parse(OPTIONS, arguments)?;
    check(&line)?;
    if ACTIONS.iter().filter(|action| line.has(action)).count() != 1 {
        let actions: Vec<String> = ACTIONS.iter().map(|action| format!("--{action}")).collect();
        return Err(ToolError::usage(format!(
            "Command must include exactly one action: {}",
            actions.join(", ")
        )));
    }
    if let Some(expression) = line.one("validate-regex")? {
        return Ok(print(&format!("{}\n", list::regex_verdict(expression)))?);
    }
    match execute(&line).await {
        Err(ToolError::Failed(reason)) => {
            print_error(&format!("Executing consumer group command failed due to {reason}"))
        }
        other => other,
    }
}

async fn execute(line: &CommandLine) -> Result<(), ToolError> {
    let tool = Tool::connect(line).await?;
    if line.has("list") {
        list::list(&tool).await
    } else if line.has("describe") {
        describe::describe(&tool).await
    } else if line.has("delete") {
        delete::groups(&tool).await
    } else if line.has("delete-offsets") {
        delete::offsets(&tool).await
    } else {
        reset::reset(&tool).await
    }
}

/// A failure that does not end the tool.
fn print_error(reason: &str) -> Result<(), ToolError> {
    Ok(print(&format!("\nError: {reason}\n"))?)
}

/// The command line and the cluster.
struct Tool<'a> {
    line: &'a CommandLine,
    admin: Admin,
}

impl Tool<'_> {
    async fn connect(line: &CommandLine) -> Result<Tool<'_>, ToolError> {
        let mut properties = match line.one("command-config")? {
            Some(path) => properties_file(path)
                .map_err(|error| ToolError::failed(format!("java.nio.file.NoSuchFileException: {error}")))?,
            None => Vec::new(),
        };
        let timeout_ms = line.number::<i64>("timeout")?.unwrap_or(30_000);
        let servers = line.one("bootstrap-server")?.unwrap_or_default();
        properties.push(("bootstrap.servers".to_owned(), servers.to_owned()));
        properties.push(("default.api.timeout.ms".to_owned(), timeout_ms.max(0).to_string()));
        let admin = match tool_client::admin(&properties, "findAllBrokers").await {
            Err(error) if !error.is_config() => {
                return Err(ToolError::failed(format!(
                    "java.util.concurrent.ExecutionException: \
                     org.apache.kafka.common.errors.TimeoutException: {error}"
                )));
            }
            other => other?,
        };
        Ok(Tool { line, admin })
    }

    /// The groups of consumers, without those whose members are something else.
    async fn consumer_groups(
        &self,
        states: &[String],
        kinds: &[String],
    ) -> Result<Vec<GroupListing>, ToolError> {
        let listed = self.admin.list_groups(states, kinds).await.map_err(|error| wrapped(&error))?;
        let is_consumers = |group: &GroupListing| matches!(&*group.protocol_type, "" | "consumer");
        Ok(listed.into_iter().filter(is_consumers).collect())
    }

    /// The ids of the groups that are meant.
    async fn groups(&self) -> Result<Vec<String>, ToolError> {
        if !self.line.has("all-groups") {
            return Ok(self.line.all("group").to_vec());
        }
        let all = self.consumer_groups(&[], &consumer_kinds()).await?;
        Ok(all.into_iter().map(|group| group.id).collect())
    }
}

/// Types of groups that consumers form.
fn consumer_kinds() -> [String; 2] {
    ["Classic".to_owned(), "Consumer".to_owned()]
}

/// An error as it comes out of a future that was waited for in a place where Kafka's tool did not expect errors.
fn wrapped(error: &ClientError) -> ToolError {
    ToolError::failed(format!(
        "java.util.concurrent.ExecutionException: {}",
        java_exception::caused_by(error)
    ))
}

/// An error as it comes out of a future.
fn caused(error: &ClientError) -> ToolError {
    ToolError::failed(java_exception::caused_by(error))
}

fn check(line: &CommandLine) -> Result<(), ToolError> {
    check_available(line)?;
    line.help_or_version(ABOUT)?;
    if !line.has("validate-regex") {
        line.require(&["bootstrap-server"])?;
    }
    let has_scope = line.has("group") || line.has("all-groups");
    let needs_scope = |action: &str| {
        ToolError::usage(format!("Option [{action}] takes one of these options: [group], [all-groups]"))
    };
    if line.has("describe") {
        if !has_scope {
            return Err(needs_scope("describe"));
        }
        if ["members", "offsets", "state"].iter().filter(|option| line.has(option)).count() > 1 {
            return Err(ToolError::usage(
                "Option [describe] takes at most one of these options: [members], [offsets], [state]",
            ));
        }
        if line.one("state")?.is_some() {
            return Err(ToolError::usage("Option [describe] does not take a value for [state]"));
        }
    }
    if line.has("delete") {
        if !has_scope {
            return Err(needs_scope("delete"));
        }
        if line.has("topic") {
            return Err(ToolError::usage(
                "The consumer does not support topic-specific offset deletion from a consumer group.",
            ));
        }
    }
    if line.has("delete-offsets") && !(line.has("group") && line.has("topic")) {
        return Err(ToolError::usage(
            "Option [delete-offsets] takes the following options: [group], [topic]",
        ));
    }
    if line.has("reset-offsets") {
        check_reset(line, has_scope)?;
    }
    line.refuse_with("group", &["all-groups"])?;
    line.refuse_with("group", &["list"])?;
    line.refuse_with("topic", &["list", "describe"])
}

/// Options that only go with others.
fn check_available(line: &CommandLine) -> Result<(), ToolError> {
    let needs: [(&str, &[&str]); 5] = [
        ("members", &["describe"]),
        ("verbose", &["describe"]),
        ("offsets", &["describe"]),
        ("state", &["describe", "list"]),
        ("type", &["list"]),
    ];
    let missing: Vec<&str> = needs
        .iter()
        .filter(|(option, others)| line.has(option) && !others.iter().any(|other| line.has(other)))
        .map(|(option, _)| *option)
        .collect();
    if missing.is_empty() || line.has("help") || line.has("version") {
        return Ok(());
    }
    Err(ToolError::failed(format!(
        "Option(s) [{}] are unavailable given other options on the command line",
        missing.join(", ")
    )))
}

fn check_reset(line: &CommandLine, has_scope: bool) -> Result<(), ToolError> {
    if line.has("dry-run") && line.has("execute") {
        return Err(ToolError::usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]"));
    }
    if !line.has("dry-run") && !line.has("execute") {
        eprintln!(
            "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will \
             require either --dry-run or --execute to be specified. You should add the --dry-run option explicitly if \
             you are scripting this command and want to keep the current default behavior without prompting."
        );
    }
    if !has_scope {
        return Err(ToolError::usage(
            "Option [reset-offsets] takes one of these options: [group], [all-groups]",
        ));
    }
    for scenario in SCENARIOS {
        let others: Vec<&str> = SCENARIOS.into_iter().filter(|other| *other != scenario).collect();
        line.refuse_with(scenario, &others)?;
    }
    Ok(())
}
