//! The brokers that are compared: started through tests/compat on empty directories, ended with this process.
//!
//! Owns the child processes. Never installs: tests/compat does, and says so.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;

use crate::Failure;

/// Heap of Apache Kafka: enough for some hundred small topics.
const KAFKA_HEAP: &str = "320m";

/// Settings of both brokers beyond those of tests/compat: nothing happens by the clock while cases run, and a log that
/// holds records of 2023 keeps them.
const SETTINGS: &[&str] = &[
    "controller.quorum.append.linger.ms=0",
    "num.partitions=2",
    "offsets.topic.num.partitions=1",
    "group.initial.rebalance.delay.ms=0",
    "group.min.session.timeout.ms=1000",
    "log.retention.ms=-1",
    "log.index.size.max.bytes=4096",
    "log.segment.delete.delay.ms=1000",
    "offsets.retention.check.interval.ms=86400000",
    "log.retention.check.interval.ms=86400000",
    "log.initial.task.delay.ms=86400000",
    "max.request.partition.size.limit=100",
    "message.max.bytes=100000",
    "offset.metadata.max.bytes=100",
    "group.max.size=4",
    "max.incremental.fetch.session.cache.slots=20000",
];

/// A broker that answers.
pub struct Broker {
    pub bootstrap: String,
    /// The folder of its files, if we started it.
    pub folder: Option<String>,
    child: Option<Child>,
}

impl Broker {
    /// Starts `kafka` or `klamm`, or takes host:port for one that runs. `binary` is the `klamm` to run.
    pub fn start(repository: &Path, kind: &str, binary: Option<&Path>) -> Result<Broker, Failure> {
        if kind.contains(':') {
            return Ok(Broker { bootstrap: kind.to_owned(), folder: None, child: None });
        }
        let mut command = Command::new(repository.join("tests/compat/run"));
        command.args(["--serve", "--broker", kind, "--heap", KAFKA_HEAP, "--set"]).args(SETTINGS);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // A run is too short for the second compiler to pay.
        command.env("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1");
        if let Some(binary) = binary {
            command.env("KLAMM_BIN", binary);
        }
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or("a pipe was asked for")?;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            match serde_json::from_str::<Json>(&line) {
                Ok(said) if said["bootstrap"].is_string() => {
                    let bootstrap = said["bootstrap"].as_str().unwrap_or_default().to_owned();
                    let log = said["log"].as_str().unwrap_or_default();
                    eprintln!("{kind} at {bootstrap}, log {log}");
                    let folder = Path::new(log).parent().map(|folder| folder.display().to_string());
                    return Ok(Broker { bootstrap, folder, child: Some(child) });
                }
                _ => eprintln!("{line}"),
            }
        }
        let _ = child.wait();
        Err(format!("{kind} did not start").into())
    }
}

impl Drop for Broker {
    /// The end of its input ends the child, which ends the broker and removes its files.
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}
