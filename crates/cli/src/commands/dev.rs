//! `klamm dev`: a node for development that needs nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use broker::{Formatting, StartOptions};
use tracing_subscriber::filter::LevelFilter;

use crate::failure::Failure;
use crate::memory_dir::MemoryDir;
use crate::node_process::{self, Ready};
use crate::{logging, output, port};

/// Kafka's port.
const KAFKA_PORT: u16 = 9092;
const DEFAULT_DIR: &str = ".klamm-dev";

/// Options of `dev`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  klamm dev
  klamm dev --memory --port 0
  klamm dev --data /tmp/try --set num.partitions=3")]
pub struct DevArguments {
    /// Where records are kept
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR, conflicts_with = "memory")]
    pub data: PathBuf,
    /// Keep nothing: records lie in memory and are gone at the end
    #[arg(long)]
    pub memory: bool,
    /// Port on the loopback address; 0 takes any free one [9092, or the next free one]
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// A broker property under Kafka's name
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Runs the node until it is told to stop.
///
/// # Errors
/// The node does not start.
pub fn run(arguments: &DevArguments, began: Instant) -> Result<(), Failure> {
    let loggers = logging::begin(LevelFilter::WARN)?;
    let memory = if arguments.memory { Some(make_memory_dir()?) } else { None };
    let dir = memory.as_ref().map_or(arguments.data.as_path(), MemoryDir::path);
    let mut properties = defaults(choose_port(arguments)?, dir);
    node_process::apply_settings(&mut properties, &arguments.set)?;
    let config = node_process::load(properties)?;
    let place = match arguments.memory {
        true => "data in memory, gone at the end".to_owned(),
        false => {
            let dirs: Vec<String> = config.log_dir.log_dirs.iter().map(|dir| shown_path(dir)).collect();
            format!("data in {} (use --memory to keep nothing)", dirs.join(" and "))
        }
    };
    // A developer who adds a directory wants it to be used.
    let options = StartOptions { loggers, formatting: Formatting::Missing, ..StartOptions::default() };
    node_process::run(config, options, began, |ready| banner(ready, &place))
}

/// What a node for development has otherwise than a server, unless `--set` says something else.
fn defaults(port: u16, dir: &Path) -> BTreeMap<String, String> {
    let set = [
        ("listeners", format!("PLAINTEXT://127.0.0.1:{port}")),
        ("log.dirs", dir.display().to_string()),
        // A lone developer's first consumer should not wait three seconds for others.
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
        // The disk of a developer's machine belongs to other things: that they fill it is no reason to refuse records.
        ("log.dir.full.percent", "100".to_owned()),
    ];
    set.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn make_memory_dir() -> Result<MemoryDir, Failure> {
    MemoryDir::create().map_err(|error| {
        Failure::failed(format!("no folder in memory: {error}"))
            .with_fix("leave --memory out, or give --data DIR")
    })
}

fn shown_path(path: &str) -> String {
    if Path::new(path).is_absolute() { path.to_owned() } else { format!("./{path}") }
}

/// The port asked for; else Kafka's, or the next free one, which is said aloud.
fn choose_port(arguments: &DevArguments) -> Result<u16, Failure> {
    let is_listener_set = arguments.set.iter().any(|setting| setting.starts_with("listeners="));
    match arguments.port {
        Some(port) => Ok(port),
        None if is_listener_set => Ok(KAFKA_PORT),
        None => {
            let fail = |error: std::io::Error| {
                Failure::failed(format!("the loopback address cannot be used: {error}"))
            };
            let free = port::next_free(KAFKA_PORT).map_err(fail)?;
            let free = free.ok_or_else(|| {
                Failure::failed(format!("port {KAFKA_PORT} and the next hundred are taken"))
                    .with_fix("give --port 0")
            })?;
            if free != KAFKA_PORT {
                let holder =
                    port::listening_process(KAFKA_PORT).unwrap_or_else(|| "another process".to_owned());
                eprintln!("note: port {KAFKA_PORT} is taken by {holder}; using {free}");
            }
            Ok(free)
        }
    }
}

fn banner(ready: &Ready, place: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let memory = node_process::resident_bytes()
        .map_or_else(String::new, |bytes| format!(" · {}", output::humanized_bytes(bytes)));
    let address = ready.kafka.to_string();
    let bootstrap = match ready.kafka.port() {
        KAFKA_PORT => String::new(),
        _ => format!(" -b {address}"),
    };
    format!(
        "klamm {version}  ·  one node, {place}\n\n  \
           Kafka        {address:<17}  PLAINTEXT, any Kafka client\n  \
           ready in {} ms{memory}\n\n  \
           Try   klamm produce{bootstrap} hello \"first record\"      klamm consume{bootstrap} hello\n  \
           Ctrl-C stops everything. Nothing leaves this machine.\n",
        ready.ms
    )
}

#[cfg(test)]
mod tests;
