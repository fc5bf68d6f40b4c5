//! A node as a process: properties, start, the word that it is ready, signals, stop.
//!
//! What `klamm dev` and `klamm server` have in common. How a node starts and stops inside is the broker's business.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use broker::{Found, RecoveryWatcher, RunningNode, StartError, StartOptions};
use config::{BrokerConfig, ConfigError, LoadedConfig};
use platform::Platform;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::connection::key_value;
use crate::failure::{ExitStatus, Failure};
use crate::output;
use crate::recovery_bar::RecoveryBar;
use crate::runtimes::ConnectionRuntimes;

/// A node that is up.
#[derive(Debug)]
pub struct Ready {
    /// Where clients of this machine connect to.
    pub kafka: SocketAddr,
    /// From the start of the process to here.
    pub ms: u128,
    /// What the node took over.
    pub found: Option<Found>,
}

/// The line for programs that wait for the node.
#[derive(Serialize)]
struct ReadyLine {
    event: &'static str,
    kafka: String,
    pid: u32,
    ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<FoundLine>,
}

/// What the node took over, within that line.
#[derive(Serialize)]
struct FoundLine {
    clean: bool,
    topics: usize,
    partitions: usize,
    bytes: u64,
    metadata_version: i16,
    carried_features: Vec<String>,
    acls: usize,
    recovered_bytes: u64,
    cuts: Vec<String>,
    damaged: Vec<String>,
    left_alone: Vec<PathBuf>,
}

impl From<Found> for FoundLine {
    fn from(found: Found) -> FoundLine {
        FoundLine {
            clean: found.is_clean,
            topics: found.topics,
            partitions: found.partitions,
            bytes: found.bytes,
            metadata_version: found.metadata_version,
            carried_features: found.carried_features,
            acls: found.acls,
            recovered_bytes: found.recovered_bytes,
            cuts: found.cuts,
            damaged: found.damaged,
            left_alone: found.foreign,
        }
    }
}

/// Overrides properties by `--set key=value` arguments.
///
/// # Errors
/// An argument has no equals sign.
pub fn apply_settings(properties: &mut BTreeMap<String, String>, settings: &[String]) -> Result<(), Failure> {
    for setting in settings {
        let (key, value) = key_value(setting)?;
        properties.insert(key.trim().to_owned(), value.to_owned());
    }
    Ok(())
}

/// Checks properties and prints one line for each that does nothing.
///
/// # Errors
/// A key is unknown or a value is refused; all of them are named.
pub fn load(properties: BTreeMap<String, String>) -> Result<BrokerConfig, Failure> {
    let LoadedConfig { config, notices } = BrokerConfig::from_properties(properties).map_err(refused)?;
    for notice in notices {
        eprintln!("note: {notice}");
    }
    Ok(config)
}

fn refused(errors: Vec<ConfigError>) -> Failure {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failure::usage(match lines.as_slice() {
        [line] => line.clone(),
        lines => format!("the configuration has {} errors:\n  {}", lines.len(), lines.join("\n  ")),
    })
}

/// Runs a node until SIGINT or SIGTERM. `greet` speaks to a person when it is ready; a program gets a JSON line.
///
/// # Errors
/// The node does not start.
pub fn run(
    config: BrokerConfig,
    options: StartOptions,
    began: Instant,
    greet: impl FnOnce(&Ready) -> String,
) -> Result<(), Failure> {
    let no_threads = |error| Failure::failed(format!("the machine gives no threads: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_threads)?;
    let connections = ConnectionRuntimes::start().map_err(no_threads)?;
    runtime.block_on(async {
        let fail = |error: io::Error| Failure::failed(format!("signals cannot be received: {error}"));
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
        let watcher = RecoveryBar::on_terminal().map(|bar| Arc::new(bar) as Arc<dyn RecoveryWatcher>);
        let options = StartOptions { runtimes: connections.handles(), watcher, ..options };
        let node = RunningNode::start_with(Platform::os(), config, options).await.map_err(not_started)?;
        let address = node.addresses().first().map(|(_, address)| *address);
        let address = address.ok_or_else(|| Failure::failed("the node has no listener"))?;
        let found = node.found().cloned();
        announce(Ready { kafka: reachable(address), ms: began.elapsed().as_millis(), found }, greet)?;
        tokio::select! {
            biased;
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            reason = node.failed() => {
                return Err(Failure::failed(format!("the node cannot go on: {reason}"))
                    .with_fix("mend what it names and start again; what was acknowledged is kept"));
            }
        }
        tracing::info!("stopping");
        tokio::select! {
            biased;
            () = node.stop() => Ok(()),
            _ = interrupt.recv() => Err(Failure::failed("stopped at once by a second signal; the next start checks the logs")),
            _ = terminate.recv() => Err(Failure::failed("stopped at once by a second signal; the next start checks the logs")),
        }
    })
}

fn announce(ready: Ready, greet: impl FnOnce(&Ready) -> String) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        return output::print(&greet(&ready));
    }
    let line = ReadyLine {
        event: "ready",
        kafka: ready.kafka.to_string(),
        pid: std::process::id(),
        ms: ready.ms,
        found: ready.found.map(FoundLine::from),
    };
    let line = serde_json::to_string(&line).map_err(|error| Failure::failed(error.to_string()))?;
    output::print(&format!("{line}\n"))
}

/// An address to connect to: one that listens everywhere is reached by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => ([127, 0, 0, 1], v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => ([0, 0, 0, 0, 0, 0, 0, 1], v6.port()).into(),
        other => other,
    }
}

fn not_started(error: StartError) -> Failure {
    let failure = Failure::failed(error.to_string());
    match &error {
        StartError::Bind { address, source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
            let holder = crate::port::listening_process(address.port());
            let failure = match holder {
                Some(holder) => Failure::failed(format!("port {} is taken by {holder}", address.port())),
                None => failure,
            };
            failure.with_fix(
                "stop it, or choose another port: --port 0 (dev), --set listeners=PLAINTEXT://:PORT (server)",
            )
        }
        StartError::Config(_) => Failure { status: ExitStatus::Usage, ..failure },
        StartError::Refused(_) => failure.with_fix("see docs/swap.md for what can be taken over"),
        _ => failure,
    }
}

/// Memory of this process in use, in bytes, if the kernel tells.
pub fn resident_bytes() -> Option<u64> {
    const PAGE_BYTES: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    statm.split_whitespace().nth(1)?.parse::<u64>().ok().map(|pages| pages * PAGE_BYTES)
}
