//! `klamm server`: a node from a Kafka properties file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use broker::StartOptions;
use tracing_subscriber::filter::LevelFilter;

use crate::failure::Failure;
use crate::logging;
use crate::node_process::{self, Ready};

/// Where a node without `log.dirs` keeps its logs.
const DEFAULT_LOG_DIR: &str = "/var/lib/klamm";

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
    format!(
        "klamm {version}: node {node_id} serves Kafka at {} after {} ms, data in {dirs}\n",
        ready.kafka, ready.ms
    )
}
