//! The node under test: `klamm server` as a process.
//!
//! Owns how it is started, waited for and ended. Never looks into its files.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::device::Device;

/// Longest time that a start may take. Directories are small: nothing but a hang takes that long.
const START_LONGEST: Duration = Duration::from_secs(40);

/// Lines of the node's log shown with a failure.
const SHOWN_LINES: usize = 25;

/// How a node is started.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// The program.
    pub klamm: PathBuf,
    /// `log.dirs`.
    pub data: PathBuf,
    /// Further properties.
    pub properties: Vec<(String, String)>,
    /// Where its log goes; each start begins it anew.
    pub log: PathBuf,
    /// Where its process id goes.
    pub pid_file: PathBuf,
    /// Words before the program: something that runs it.
    pub wrapper: Vec<String>,
}

/// A node that runs.
pub struct NodeProcess {
    child: Child,
    /// Where it serves.
    pub address: SocketAddr,
    log: PathBuf,
}

/// How a start ended.
pub enum Start {
    /// It serves.
    Ready(NodeProcess),
    /// The power went before it served.
    PowerLost,
    /// It ended by itself.
    Exited {
        /// Its status.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
}

impl NodeSettings {
    /// Starts the node and waits until it serves, ends, or loses its power.
    ///
    /// # Errors
    /// It neither serves nor ends; or there is no such program.
    pub fn start(&self, device: Option<&Device>) -> Result<Start, Failure> {
        let mut child = self.spawn()?;
        fs::write(&self.pid_file, child.id().to_string())?;
        let stdout = child.stdout.take().expect("the output is piped");
        let (told, ready) = mpsc::channel();
        // Ends with the node, whose output it reads to the end.
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            let mut line = String::new();
            if lines.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                _ = told.send(line);
            }
            _ = lines.read_to_end(&mut Vec::new());
        });
        let began = Instant::now();
        loop {
            if let Ok(line) = ready.recv_timeout(Duration::from_millis(10)) {
                let address = address_in(&line).ok_or_else(|| format!("no address in {line:?}"))?;
                return Ok(Start::Ready(NodeProcess { child, address, log: self.log.clone() }));
            }
            if device.is_some_and(Device::is_cut) {
                _ = child.kill();
                return Ok(Start::PowerLost.after(child, device));
            }
            if let Some(status) = child.try_wait()? {
                return Ok(Start::Exited { status, log: tail(&self.log) });
            }
            if began.elapsed() > START_LONGEST {
                _ = child.kill();
                return Err(format!("it does not serve after {START_LONGEST:?}:\n{}", tail(&self.log)).into());
            }
        }
    }

    fn spawn(&self) -> Result<Child, Failure> {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(&self.klamm),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.klamm);
                command
            }
        };
        command.args(["server", "--set", "listeners=PLAINTEXT://127.0.0.1:0"]);
        command.arg("--set").arg(format!("log.dirs={}", self.data.display()));
        // How full the disk of this machine is is no part of a run.
        command.args(["--set", "log.dir.full.percent=100"]);
        for (key, value) in &self.properties {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        let log = File::create(&self.log)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).current_dir("/");
        let spawned = command.spawn();
        Ok(spawned.map_err(|error| format!("{}: {error}", self.klamm.display()))?)
    }
}

impl Start {
    /// A killed process may wait for a disk that answers nobody: it ends when the machine is taken apart.
    fn after(self, mut child: Child, device: Option<&Device>) -> Self {
        if let Some(device) = device
            && device.is_holding()
        {
            thread::spawn(move || child.wait());
        } else {
            _ = child.wait();
        }
        self
    }
}

impl NodeProcess {
    /// Kills it as `kill -9` does. It may end only when its disk answers.
    pub fn kill(&mut self) {
        _ = self.child.kill();
    }

    /// Waits for a killed process.
    pub fn wait(&mut self) {
        _ = self.child.wait();
    }

    /// Its status if it ended by itself.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for it to end by itself.
    pub fn exits_within(&mut self, longest: Duration) -> Option<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.exited() {
                return Some(status);
            }
            if began.elapsed() > longest {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to stop (SIGTERM) and waits.
    ///
    /// # Errors
    /// It does not end, or with another status than success.
    pub fn stop(&mut self) -> Result<(), Failure> {
        let pid = self.child.id().to_string();
        crate::machine::run(Command::new("kill").args(["-TERM", &pid]))?;
        match self.exits_within(START_LONGEST) {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("a clean stop ends with {status}:\n{}", self.log_tail()).into()),
            None => Err(format!("it does not stop within {START_LONGEST:?}:\n{}", self.log_tail()).into()),
        }
    }

    /// Asks it to stop (SIGTERM) and waits; whether it ended with success.
    pub fn stop_within(&mut self, longest: Duration) -> bool {
        let pid = self.child.id().to_string();
        _ = crate::machine::run(Command::new("kill").args(["-TERM", &pid]));
        self.exits_within(longest).is_some_and(|status| status.success())
    }

    /// The most memory that it took so far, KiB.
    pub fn memory_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        _ = self.child.kill();
    }
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    line["kafka"].as_str()?.parse().ok()
}

/// The last lines of a log.
pub fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
}
