//! `klamm server`: a node from a Kafka properties file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use broker::{Found, StartOptions};
use tracing_subscriber::filter::LevelFilter;

use crate::failure::Failure;
use crate::logging;
use crate::node_process::{self, Ready};

/// Where a node without `log.dirs` keeps its logs.
const DEFAULT_LOG_DIR: &str = "/var/lib/klamm";

/// Foreign names that the greeting shows.
const FOREIGN_SHOWN_MAX: usize = 20;

/// Options of `server`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm server -c server.properties
  klamm server --set log.dirs=/var/lib/klamm --set listeners=PLAINTEXT://:9092
  klamm server -c server.properties --set num.partitions=6")]
pub struct ServerArguments {
    /// A Kafka properties file
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A broker property under Kafka's name; stronger than the file
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Runs the node until it is told to stop.
///
/// # Errors
/// The file cannot be read or the node does not start.
pub fn run(arguments: &ServerArguments, began: Instant) -> Result<(), Failure> {
    let loggers = logging::begin(LevelFilter::INFO)?;
    let mut properties = match &arguments.config {
        Some(path) => read_properties(path)?,
        None => BTreeMap::new(),
    };
    node_process::apply_settings(&mut properties, &arguments.set)?;
    if !properties.contains_key("log.dirs") && !properties.contains_key("log.dir") {
        properties.insert("log.dirs".to_owned(), DEFAULT_LOG_DIR.to_owned());
    }
    let config = node_process::load(properties)?;
    let (node_id, dirs) = (config.node_id, config.log_dir.log_dirs.join(", "));
    let options = StartOptions { loggers, ..StartOptions::default() };
    node_process::run(config, options, began, |ready| greeting(ready, node_id, &dirs))
}

fn read_properties(path: &PathBuf) -> Result<BTreeMap<String, String>, Failure> {
    let fail = |error: String| Failure::usage(format!("{}: {error}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    let pairs = config::parse_properties(&bytes).map_err(|error| fail(error.to_string()))?;
    Ok(pairs.into_iter().collect())
}

fn greeting(ready: &Ready, node_id: i32, dirs: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "klamm {version}: node {node_id} serves Kafka at {} after {} ms, data in {dirs}\n",
        ready.kafka, ready.ms
    );
    if let Some(found) = &ready.found {
        text.push_str(&taken_over(found));
    }
    text
}

/// What the node took over, a line for each thing that is to be known.
fn taken_over(found: &Found) -> String {
    let state = if found.is_clean { "after a clean stop" } else { "after a stop without warning" };
    let mut lines = vec![format!(
        "took over {} topics with {} partitions, {} bytes, metadata.version {}, {state}",
        found.topics, found.partitions, found.bytes, found.metadata_version
    )];
    if found.recovered_bytes > 0 {
        lines.push(format!("recovered: {} bytes were read and checked", found.recovered_bytes));
    }
    lines.extend(found.cuts.iter().map(|cut| format!("recovered: {cut}")));
    lines.extend(found.damaged.iter().map(|log| format!("damaged, offline and untouched: {log}")));
    if !found.carried_features.is_empty() {
        let features = found.carried_features.join(", ");
        lines.push(format!("kept for Kafka and not served yet: {features}"));
    }
    if found.acls > 0 {
        lines.push(format!("NOT enforced: {} access control entries (they are kept)", found.acls));
    }
    if found.pending_deletes > 0 {
        lines.push(format!("still to be removed: {} logs of deleted topics", found.pending_deletes));
    }
    let foreign = found.foreign.iter().take(FOREIGN_SHOWN_MAX);
    lines.extend(foreign.map(|path| format!("left alone: {}", path.display())));
    let more = (found.foreign.len() + found.foreign_unlisted).saturating_sub(FOREIGN_SHOWN_MAX);
    if more > 0 {
        lines.push(format!("left alone: {more} more"));
    }
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_said() {
        let found = Found {
            is_clean: false,
            topics: 3,
            partitions: 5,
            bytes: 1234,
            metadata_version: 33,
            carried_features: vec!["group.version".into(), "transaction.version".into()],
            acls: 2,
            recovered_bytes: 99,
            cuts: vec!["log t-0 was cut at offset 7".into()],
            damaged: vec!["t-1: it ends at offset 3".into()],
            foreign: vec!["/data/notes.txt".into()],
            foreign_unlisted: 4,
            pending_deletes: 1,
        };
        let text = "  took over 3 topics with 5 partitions, 1234 bytes, metadata.version 33, after a stop without warning
  recovered: 99 bytes were read and checked
  recovered: log t-0 was cut at offset 7
  damaged, offline and untouched: t-1: it ends at offset 3
  kept for Kafka and not served yet: group.version, transaction.version
  NOT enforced: 2 access control entries (they are kept)
  still to be removed: 1 logs of deleted topics
  left alone: /data/notes.txt
";
        assert_eq!(taken_over(&found), text);
        let found = Found { foreign: vec!["/data/x".into(); 25], ..found };
        assert!(taken_over(&found).ends_with("  left alone: /data/x\n  left alone: 9 more\n"));
    }
}
