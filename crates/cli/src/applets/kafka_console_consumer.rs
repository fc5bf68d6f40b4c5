//! `kafka-console-consumer`: prints records of topics.
//!
//! Owns its options, how they become properties of a consumer, and the loop that reads and prints.

mod deserializer;
mod formatter;
mod source;

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use platform::Platform;
use tokio::time::Instant;

use crate::applets::options::{CommandLine, OptionDef, flag, value};
use crate::applets::tool_client::{self, key_values, properties_file};
use crate::applets::{ToolError, java_exception};
use crate::output::{broken_output, print};
use formatter::Formatter;
use source::{Place, Source};

/// The options of `kafka-console-consumer`.
pub const OPTIONS: &[OptionDef] = &[
    value("topic", "topic", "The topic."),
    value("include", "Java regex (String)", "Topics, as a regular expression."),
    value("partition", "partition", "Only this partition, from its end on unless there is an --offset."),
    value("offset", "consume offset", "With --partition: an offset, earliest or latest."),
    value("consumer-property", "consumer_prop", "The old name of --command-property."),
    value("command-property", "consumer_prop", "A property of the consumer, key=value."),
    value("consumer.config", "config file", "The old name of --command-config."),
    value("command-config", "config file", "Properties of the consumer."),
    value("formatter", "class", "DefaultMessageFormatter, LoggingMessageFormatter or NoOpMessageFormatter."),
    value("property", "prop", "The old name of --formatter-property."),
    value(
        "formatter-property",
        "prop",
        "What is printed: print.timestamp, print.key, print.offset, print.epoch, print.partition, print.headers, \
         print.value (true or false), key.separator, line.separator, headers.separator, null.literal, key.deserializer, \
         value.deserializer, headers.deserializer.",
    ),
    value("formatter-config", "config file", "A file with such properties."),
    flag("from-beginning", "Begin at the first record, if the group has committed nothing."),
    value("max-messages", "num_messages", "Stop after so many records."),
    value("timeout-ms", "timeout_ms", "Stop when no record came for so long."),
    flag("skip-message-on-error", "Go on after a record that cannot be printed."),
    value("bootstrap-server", "server to connect to", "REQUIRED: where the cluster is."),
    value("key-deserializer", "deserializer for keys", "How keys are read."),
    value("value-deserializer", "deserializer for values", "How values are read."),
    flag("enable-systest-events", "Say when the consumer has been shut down."),
    value("isolation-level", "level", "read_uncommitted (the default) or read_committed."),
    value("group", "consumer group id", "Read as a member of this group."),
];

const ABOUT: &str = "This tool helps to read data from Kafka topics and outputs it to standard output.";

/// How long one look for records takes at most, so that signals are heeded.
const LOOK: Duration = Duration::from_millis(500);

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub async fn run(arguments: &[String]) -> Result<(), ToolError> {
    // What is wrong with an option is answered with all options.
    let line = CommandLine::parse(OPTIONS, arguments).map_err(ToolError::into_usage)?;
    let plan = Plan::read(&line)?;
    let mut printed: u64 = 0;
    let result = consume(&plan, &mut printed).await;
    eprintln!("Processed a total of {printed} messages");
    if let Err(ToolError::Failed(reason)) = &result {
        eprintln!("ERROR Unknown error when running consumer: {reason}");
        return Err(ToolError::Exit(1));
    }
    if line.has("enable-systest-events") {
        print("shutdown_complete\n")?;
    }
    result
}

/// What is to be read and how it is printed.
struct Plan {
    properties: Vec<(String, String)>,
    place: Place,
    formatter: Formatter,
    max: Option<u64>,
    timeout: Option<Duration>,
    skips_errors: bool,
}

impl Plan {
    fn read(line: &CommandLine) -> Result<Plan, ToolError> {
        line.help_or_version(ABOUT)?;
        check_required(line)?;
        for [old, new] in [["consumer-property", "command-property"], ["consumer.config", "command-config"]] {
            if line.has(old) && line.has(new) {
                return Err(ToolError::usage(format!(
                    "Options --{old} and --{new} cannot be specified together."
                )));
            }
        }
        for [old, new] in [["consumer-property", "command-property"], ["consumer.config", "command-config"]] {
            warn_deprecated(line, old, new)?;
        }
        let given = match either(line, "command-config", "consumer.config").first() {
            Some(path) => properties_file(path)?,
            None => Vec::new(),
        };
        let extra = key_values(either(line, "command-property", "consumer-property"));
        let group = group(line, &given, &extra)?;
        let properties = consumer_properties(line, given, extra, group.as_deref())?;
        let place = place(line, group.is_some())?;
        let timeout_ms = line.number::<i64>("timeout-ms")?.and_then(|ms| u64::try_from(ms).ok());
        let formatter = formatter(line)?;
        let max = line.number::<i32>("max-messages")?;
        Ok(Plan {
            properties,
            place,
            formatter,
            max: max.and_then(|max| u64::try_from(max).ok()),
            timeout: timeout_ms.map(Duration::from_millis),
            skips_errors: line.has("skip-message-on-error"),
        })
    }
}

fn warn_deprecated(line: &CommandLine, old: &str, new: &str) -> Result<(), ToolError> {
    if line.has(old) {
        print(&format!(
            "Option --{old} is deprecated and will be removed in a future version. Use --{new} instead.\n"
        ))?;
    }
    Ok(())
}

/// The values of an option under its new or its old name.
fn either<'a>(line: &'a CommandLine, new: &str, old: &str) -> &'a [String] {
    if line.has(new) { line.all(new) } else { line.all(old) }
}

fn check_required(line: &CommandLine) -> Result<(), ToolError> {
    line.require_one_of(&["topic", "include"])?;
    if line.has("partition") {
        if !line.has("topic") {
            return Err(ToolError::usage("The topic is required when partition is specified."));
        }
        if line.has("from-beginning") && line.has("offset") {
            return Err(ToolError::usage("Options from-beginning and offset cannot be specified together."));
        }
    } else if line.has("offset") {
        return Err(ToolError::usage("The partition is required when offset is specified."));
    }
    line.require(&["bootstrap-server"])
}

type Properties = [(String, String)];

fn property<'a>(properties: &'a Properties, key: &str) -> Option<&'a str> {
    properties.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
}

/// The group that was named, in whichever way.
fn group(line: &CommandLine, given: &Properties, extra: &Properties) -> Result<Option<String>, ToolError> {
    let named = [line.one("group")?, property(given, "group.id"), property(extra, "group.id")];
    let named: BTreeSet<&str> = named.into_iter().flatten().collect();
    if named.len() > 1 {
        let named: Vec<String> = named.iter().map(|group| format!("'{group}'")).collect();
        return Err(ToolError::usage(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '--consumer.config') do not match. Detected group ids: {}",
            named.join(", ")
        )));
    }
    if !named.is_empty() && line.has("partition") {
        return Err(ToolError::usage("Options group and partition cannot be specified together."));
    }
    Ok(named.into_iter().next().map(str::to_owned))
}

fn consumer_properties(
    line: &CommandLine,
    given: Vec<(String, String)>,
    extra: Vec<(String, String)>,
    group: Option<&str>,
) -> Result<Vec<(String, String)>, ToolError> {
    let mut properties = vec![("client.id".to_owned(), "console-consumer".to_owned())];
    properties.extend(given);
    properties.extend(extra);
    let from_beginning = line.has("from-beginning");
    match property(&properties, "auto.offset.reset") {
        Some(reset) if from_beginning && reset != "earliest" => {
            eprintln!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
            );
            return Err(ToolError::Exit(1));
        }
        Some(_) => {}
        None => {
            let reset = if from_beginning { "earliest" } else { "latest" };
            properties.push(("auto.offset.reset".to_owned(), reset.to_owned()));
        }
    }
    let servers = line.one("bootstrap-server")?.unwrap_or_default();
    properties.push(("bootstrap.servers".to_owned(), servers.to_owned()));
    if let Some(level) = line.one("isolation-level")? {
        properties.push(("isolation.level".to_owned(), level.to_owned()));
    }
    if let Some(group) = group {
        properties.push(("group.id".to_owned(), group.to_owned()));
    }
    Ok(properties)
}

fn place(line: &CommandLine, in_group: bool) -> Result<Place, ToolError> {
    let offset = offset(line)?;
    if let Some(partition) = line.number::<i32>("partition")? {
        let topic = line.one("topic")?.unwrap_or_default().to_owned();
        return Ok(Place::Partition { topic, partition, offset });
    }
    Ok(match line.one("topic")? {
        Some(topic) => Place::Topic { topic: topic.to_owned(), in_group },
        None => Place::Matching { expression: line.one("include")?.unwrap_or_default().to_owned(), in_group },
    })
}

fn offset(line: &CommandLine) -> Result<client::StartOffset, ToolError> {
    use client::StartOffset;
    let Some(text) = line.one("offset")? else {
        return Ok(if line.has("from-beginning") { StartOffset::Beginning } else { StartOffset::End });
    };
    match text.to_ascii_lowercase().as_str() {
        "earliest" => Ok(StartOffset::Beginning),
        "latest" => Ok(StartOffset::End),
        number => match number.parse::<i64>() {
            Ok(offset) if offset >= 0 => Ok(StartOffset::Offset(offset)),
            _ => Err(ToolError::usage(format!(
                "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative \
                 long."
            ))),
        },
    }
}

fn formatter(line: &CommandLine) -> Result<Formatter, ToolError> {
    if line.has("formatter-property") && line.has("property") {
        return Err(ToolError::usage(
            "Options --property and --formatter-property cannot be specified together.",
        ));
    }
    warn_deprecated(line, "property", "formatter-property")?;
    let mut properties = match line.one("formatter-config")? {
        Some(path) => properties_file(path).map_err(ToolError::into_usage)?,
        None => Vec::new(),
    };
    for (option, key) in
        [("key-deserializer", "key.deserializer"), ("value-deserializer", "value.deserializer")]
    {
        if let Some(class) = line.one(option)?.filter(|class| !class.is_empty()) {
            properties.push((key.to_owned(), class.to_owned()));
        }
    }
    properties.extend(key_values(either(line, "formatter-property", "property")));
    Formatter::new(line.one("formatter")?, &properties)
}

/// Reads and prints until there is enough, nothing comes any more, or the user ends it.
async fn consume(plan: &Plan, printed: &mut u64) -> Result<(), ToolError> {
    let config = tool_client::client_config(&plan.properties).map_err(|error| {
        ToolError::failed(format!("org.apache.kafka.common.config.ConfigException: {error}"))
    })?;
    let mut source = Source::open(&Platform::os(), config, &plan.place).await?;
    let result = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminated() => Ok(()),
        result = print_records(plan, &mut source, printed) => result,
    };
    let closed = source.close().await;
    result?;
    closed
}

/// Ends when the process is asked to end.
async fn terminated() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    }
}

async fn print_records(plan: &Plan, source: &mut Source, printed: &mut u64) -> Result<(), ToolError> {
    let mut last = Instant::now();
    while plan.max.is_none_or(|max| *printed < max) {
        let wait = plan.timeout.map_or(LOOK, |timeout| timeout.saturating_sub(last.elapsed()).min(LOOK));
        let found = match source.poll(wait).await {
            Ok(found) => found,
            // As in Kafka, what goes wrong while reading ends the tool without a failure.
            Err(error) => {
                let reason = java_exception::caused_by(&error);
                eprintln!("ERROR Error processing message, terminating consumer process: {reason}");
                return Ok(());
            }
        };
        if found.iter().all(|records| records.records_count() == 0) {
            if plan.timeout.is_some_and(|timeout| last.elapsed() >= timeout) {
                eprintln!(
                    "ERROR Error processing message, terminating consumer process: \
                     org.apache.kafka.common.errors.TimeoutException"
                );
                return Ok(());
            }
            continue;
        }
        let mut text = Vec::new();
        let result = format_records(plan, source, &found, printed, &mut text);
        let mut out = std::io::stdout().lock();
        out.write_all(&text).and_then(|()| out.flush()).map_err(|error| broken_output(&error))?;
        result?;
        last = Instant::now();
    }
    Ok(())
}

/// Formats records until there are enough. What is left over counts as not read.
fn format_records(
    plan: &Plan,
    source: &mut Source,
    found: &[client::PartitionRecords],
    printed: &mut u64,
    out: &mut Vec<u8>,
) -> Result<(), ToolError> {
    for records in found {
        for record in records.records() {
            let record = record?;
            if plan.max.is_some_and(|max| *printed >= max) {
                source.unread(&record)?;
                break;
            }
            *printed += 1;
            if let Err(error) = plan.formatter.write(&record, out) {
                if !plan.skips_errors {
                    return Err(error);
                }
                eprintln!("ERROR Error processing message, skipping this message: {error}");
            }
        }
    }
    Ok(())
}
