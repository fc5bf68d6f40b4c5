//! `kafka-get-offsets`: the first, last or timed offsets of partitions, a `topic:partition:offset` a line.
//!
//! Owns its options, and the patterns that choose partitions.

use client::{ClientError, IsolationLevel, OffsetSpec, TopicPartition};

use crate::applets::options::{CommandLine, OptionDef, flag, value};
use crate::applets::tool_client::{self, properties_file};
use crate::applets::topic_filter::TopicFilter;
use crate::applets::{ToolError, java_exception};
use crate::output::print;

/// The options of `kafka-get-offsets`.
pub const OPTIONS: &[OptionDef] = &[
    value("bootstrap-server", "HOST1:PORT1,...,HOST3:PORT3", "REQUIRED: where the cluster is."),
    value(
        "topic-partitions",
        "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3",
        "Topics (a regular expression each) and their partitions: a number, FROM-UPTO without UPTO, or all.",
    ),
    value("topic", "topic", "Topics, as a regular expression. Default: all."),
    value("partitions", "partition ids", "Partitions between commas. Default: all."),
    value(
        "time",
        "<timestamp> / -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or \
         latest-tiered / -6 or earliest-pending-upload",
        "Which offset: that of the first record at this time in ms or later, or a name. Default: latest.",
    ),
    value("command-config", "config file", "Properties of the admin client."),
    flag("exclude-internal-topics", "Leave out internal topics."),
];

const ABOUT: &str = "An interactive shell for getting topic-partition offsets.";

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub async fn run(arguments: &[String]) -> Result<(), ToolError> {
    match execute(arguments).await {
        Err(ToolError::Failed(reason)) => Err(ToolError::failed(format!("Error occurred: {reason}"))),
        other => other,
    }
}

async fn execute(arguments: &[String]) -> Result<(), ToolError> {
    let line = CommandLine::parse(OPTIONS, arguments)?;
    line.help_or_version(ABOUT)?;
    line.require(&["bootstrap-server"])?;
    let servers = line.one("bootstrap-server")?.unwrap_or_default();
    tool_client::check_servers(servers)?;
    let by_pattern = line.has("topic-partitions");
    if by_pattern && (line.has("topic") || line.has("partitions")) {
        return Err(ToolError::failed("--topic-partitions cannot be used with --topic or --partitions"));
    }
    let spec = offset_spec(line.one("time")?.unwrap_or("latest"))?;
    let rules = match line.one("topic-partitions")? {
        Some(patterns) => patterns.split(',').map(Rule::parse).collect::<Result<Vec<Rule>, _>>()?,
        None => {
            let topics = TopicFilter::new(line.one("topic")?.unwrap_or(".*"))?;
            vec![Rule { topics, partitions: partitions(line.one("partitions")?.unwrap_or_default())? }]
        }
    };
    let mut properties = match line.one("command-config")? {
        Some(path) => properties_file(path)?,
        None => Vec::new(),
    };
    properties.push(("bootstrap.servers".to_owned(), servers.to_owned()));
    properties.push(("client.id".to_owned(), "GetOffsetShell".to_owned()));

    let admin = tool_client::admin(&properties, "listTopics").await?;
    let topics = admin.list_topics().await?;
    let internal_too = !line.has("exclude-internal-topics");
    let mut chosen: Vec<TopicPartition> = Vec::new();
    for topic in topics.iter().filter(|topic| internal_too || !topic.is_internal) {
        let partitions = topic.partitions.iter().map(|partition| partition.index);
        let partitions =
            partitions.filter(|partition| rules.iter().any(|rule| rule.allows(&topic.name, *partition)));
        chosen.extend(partitions.map(|partition| TopicPartition::new(&topic.name, partition)));
    }
    if chosen.is_empty() {
        return Err(ToolError::failed("Could not match any topic-partitions with the specified filters"));
    }
    chosen.sort_by_cached_key(TopicPartition::to_string);
    let asked: Vec<_> = chosen.into_iter().map(|partition| (partition, spec)).collect();
    for (partition, found) in admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await {
        match found {
            Ok(found) if found.offset < 0 => {}
            Ok(found) => print(&format!("{}:{}:{}\n", partition.topic, partition.partition, found.offset))?,
            Err(error) => eprintln!("{}", skipped(&partition, &error)),
        }
    }
    Ok(())
}

fn skipped(partition: &TopicPartition, error: &ClientError) -> String {
    let reason = java_exception::caused_by(error);
    format!("Skip getting offsets for topic-partition {partition} due to error: {reason}")
}

/// `--time`.
fn offset_spec(text: &str) -> Result<OffsetSpec, ToolError> {
    Ok(match text {
        "latest" | "-1" => OffsetSpec::Latest,
        "earliest" | "-2" => OffsetSpec::Earliest,
        "max-timestamp" | "-3" => OffsetSpec::MaxTimestamp,
        "earliest-local" | "-4" => OffsetSpec::EarliestLocal,
        "latest-tiered" | "-5" => OffsetSpec::LatestTiered,
        "earliest-pending-upload" | "-6" => OffsetSpec::EarliestPendingUpload,
        _ => OffsetSpec::Timestamp(text.parse().map_err(|_| {
            ToolError::failed(format!(
                "Malformed time argument {text}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or \
                 earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format \
                 timestamp"
            ))
        })?),
    })
}

/// `--partitions`: numbers between commas; none means all.
fn partitions(text: &str) -> Result<Partitions, ToolError> {
    if text.is_empty() {
        return Ok(Partitions::Range(0, i32::MAX));
    }
    let numbers = text.trim_end_matches(',').split(',').map(str::parse::<i32>);
    numbers.collect::<Result<_, _>>().map(Partitions::Set).map_err(|_| {
        ToolError::failed(format!(
            "--partitions expects a comma separated list of numeric partition ids, but received: {text}"
        ))
    })
}

#[derive(Debug)]
enum Partitions {
    Set(Vec<i32>),
    /// From the first on, up to and without the second.
    Range(i32, i32),
}

/// A choice of partitions.
#[derive(Debug)]
struct Rule {
    topics: TopicFilter,
    partitions: Partitions,
}

impl Rule {
    /// One pattern of `--topic-partitions`: a topic pattern and, after a colon, a number or a range.
    fn parse(text: &str) -> Result<Rule, ToolError> {
        let wrong = || {
            ToolError::failed(format!(
                "org.apache.kafka.tools.TerseException: Invalid rule specification: {text}"
            ))
        };
        let (topics, partitions) = text.split_once(':').unwrap_or((text, ""));
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let number = |text: &str, absent: i32| match text {
            "" => Ok(absent),
            digits => digits
                .parse::<i32>()
                .map_err(|_| ToolError::failed(format!("For input string: \"{digits}\""))),
        };
        let partitions = match partitions.split_once('-') {
            Some((from, upto)) if is_digits(from) && is_digits(upto) => {
                Partitions::Range(number(from, 0)?, number(upto, i32::MAX)?)
            }
            None if is_digits(partitions) && !partitions.is_empty() => {
                Partitions::Set(vec![number(partitions, 0)?])
            }
            None if partitions.is_empty() => Partitions::Range(0, i32::MAX),
            _ => return Err(wrong()),
        };
        let topics = TopicFilter::new(if topics.is_empty() { ".*" } else { topics })?;
        Ok(Rule { topics, partitions })
    }

    fn allows(&self, topic: &str, partition: i32) -> bool {
        let allows_partition = match &self.partitions {
            Partitions::Set(numbers) => numbers.contains(&partition),
            Partitions::Range(from, upto) => (*from..*upto).contains(&partition),
        };
        allows_partition && self.topics.allows(topic)
    }
}
