//! `kafka-log-dirs`: what lies in the log directories of brokers, as JSON on one line.
//!
//! Owns its options and that JSON, whose members are in the order of Kafka's tool.

use std::collections::BTreeSet;

use client::{LogDirDescription, ReplicaSize};
use serde_json::json;

use crate::applets::hash_order::{partition_hash, sort_by_hash, sort_by_hash_code};
use crate::applets::options::{CommandLine, OptionDef, flag, value};
use crate::applets::tool_client::{self, properties_file};
use crate::applets::{ToolError, java_exception};
use crate::output::print;

/// The options of `kafka-log-dirs`.
pub const OPTIONS: &[OptionDef] = &[
    value("bootstrap-server", "The server(s) to use for bootstrapping", "REQUIRED: where the cluster is."),
    value("command-config", "Admin client property file", "Properties of the admin client."),
    flag("describe", "REQUIRED: describe log directories."),
    value("topic-list", "Topic list", "Topics between commas. Default: all."),
    value("broker-list", "Broker list", "Brokers between commas. Default: all."),
];

const ABOUT: &str = "This tool helps to query log directory usage on the specified brokers.";

/// Runs the tool.
///
/// # Errors
/// As Kafka's tool.
pub async fn run(arguments: &[String]) -> Result<(), ToolError> {
    let line = CommandLine::parse(OPTIONS, arguments)?;
    line.help_or_version(ABOUT)?;
    line.require(&["bootstrap-server", "describe"])?;
    let mut properties = vec![("client.id".to_owned(), "log-dirs-tool".to_owned())];
    if let Some(path) = line.one("command-config")? {
        properties.extend(properties_file(path)?);
    }
    let servers = line.one("bootstrap-server")?.unwrap_or_default();
    properties.push(("bootstrap.servers".to_owned(), servers.to_owned()));
    let admin = tool_client::admin(&properties, "listNodes").await?;

    let listed = |name: &str| -> Result<Vec<String>, ToolError> {
        let text = line.one(name)?.unwrap_or_default();
        Ok(text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect())
    };
    let topics = listed("topic-list")?;
    let mut asked = BTreeSet::new();
    for broker in listed("broker-list")? {
        let id = broker.parse::<i32>();
        asked.insert(id.map_err(|_| ToolError::failed(format!("For input string: \"{broker}\"")))?);
    }
    let cluster = admin.describe_cluster().await?;
    let present: BTreeSet<i32> = cluster.brokers.iter().map(|broker| broker.broker.id).collect();
    let absent: BTreeSet<i32> = asked.difference(&present).copied().collect();
    if !absent.is_empty() {
        return Err(ToolError::failed(format!(
            "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
            between_commas(&absent),
            between_commas(&present)
        )));
    }
    let brokers = if asked.is_empty() { present } else { asked };
    print("Querying brokers for log directories information\n")?;
    let ids: Vec<i32> = brokers.iter().copied().collect();
    let described = admin.describe_log_dirs(Some(&ids)).await?;
    print(&format!("Received log directory information from brokers {}\n", between_commas(&brokers)))?;
    let brokers = described.into_iter().map(|(broker, mut dirs)| {
        sort_by_hash(&mut dirs, |dir| &dir.path);
        let dirs: Vec<String> = dirs.into_iter().map(|dir| dir_json(dir, &topics)).collect();
        format!("{{\"broker\":{broker},\"logDirs\":[{}]}}", dirs.join(","))
    });
    let brokers: Vec<String> = brokers.collect();
    Ok(print(&format!("{{\"brokers\":[{}],\"version\":1}}\n", brokers.join(",")))?)
}

fn between_commas(numbers: &BTreeSet<i32>) -> String {
    let numbers: Vec<String> = numbers.iter().map(i32::to_string).collect();
    numbers.join(",")
}

fn dir_json(dir: LogDirDescription, topics: &[String]) -> String {
    let mut replicas = dir.replicas;
    replicas.retain(|replica| topics.is_empty() || topics.contains(&replica.partition.topic));
    sort_by_hash_code(&mut replicas, |replica| {
        partition_hash(&replica.partition.topic, replica.partition.partition)
    });
    let replicas: Vec<String> = replicas.iter().map(replica_json).collect();
    let error =
        dir.error.map(|code| format!("org.apache.kafka.common.errors.{}", java_exception::simple_name(code)));
    format!(
        "{{\"partitions\":[{}],\"error\":{},\"logDir\":{}}}",
        replicas.join(","),
        json!(error),
        json!(dir.path)
    )
}

fn replica_json(replica: &ReplicaSize) -> String {
    format!(
        "{{\"partition\":{},\"size\":{},\"offsetLag\":{},\"isFuture\":{}}}",
        json!(replica.partition.to_string()),
        replica.size_bytes,
        replica.offset_lag,
        replica.is_future
    )
}
