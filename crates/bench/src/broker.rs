//! The brokers as processes: start on an empty directory, pause, resume, stop, kill, restart.
//!
//! Owns command lines and settings of each kind. Never measures and speaks no protocol but a first ApiVersions.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Failure;

/// How long a broker may take to answer for the first time, or to stop.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two questions whether it is there; small beside the start times that are measured.
const PROBE_PAUSE: Duration = Duration::from_micros(500);

/// Settings for Klamm and Kafka alike. Deleted topics must not be cleaned up during another broker's turn. The rest is
/// each broker's default.
const SETTINGS: &str = "process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
offsets.topic.replication.factor=1
log.segment.delete.delay.ms=0
";

/// A node that is paused while others are measured must not be fenced for it.
pub const PAUSED_SETTINGS: &str = "broker.session.timeout.ms=3600000\n";

const LOG4J: &str = "status = error
appender.console.type = Console
appender.console.name = C
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.c.ref = C
";

/// Which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Ours.
    Klamm,
    /// Ours with Kafka's promise: it acknowledges from the page cache.
    KlammReplicated,
    /// Apache Kafka 4.4.0 with a heap of 1 GiB.
    Kafka,
    /// The same with our promise: it flushes before it acknowledges.
    KafkaSynced,
    /// Our null broker.
    Null,
    /// The same with one log past the page cache, written before it acknowledges.
    NullDirect,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 6] =
        [Kind::Klamm, Kind::KlammReplicated, Kind::Kafka, Kind::KafkaSynced, Kind::Null, Kind::NullDirect];

    fn name(self) -> &'static str {
        match self {
            Kind::Klamm => "klamm",
            Kind::KlammReplicated => "klamm-replicated",
            Kind::Kafka => "kafka",
            Kind::KafkaSynced => "kafka-synced",
            Kind::Null => "null",
            Kind::NullDirect => "null-direct",
        }
    }

    /// Whether it is Klamm.
    pub fn is_klamm(self) -> bool {
        matches!(self, Kind::Klamm | Kind::KlammReplicated)
    }

    /// Whether it is Apache Kafka.
    pub fn is_kafka(self) -> bool {
        matches!(self, Kind::Kafka | Kind::KafkaSynced)
    }

    /// Whether it is the null broker.
    pub fn is_null(self) -> bool {
        matches!(self, Kind::Null | Kind::NullDirect)
    }

    /// What it is told beside the settings of all brokers.
    fn settings(self) -> &'static str {
        match self {
            Kind::KlammReplicated => "log.durability.mode=replicated\n",
            Kind::KafkaSynced => "log.flush.interval.messages=1\n",
            _ => "",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Kind, String> {
        let known = || format!("brokers are {}", Kind::ALL.map(Kind::name).join(", "));
        Kind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(known)
    }
}

/// What starting needs besides the kind.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The klamm binary.
    pub klamm: PathBuf,
    /// Settings for klamm alone.
    pub klamm_settings: Vec<String>,
    /// Class path of Apache Kafka.
    pub kafka_class_path: String,
}

/// One broker process and its directory.
#[derive(Debug)]
pub struct Broker {
    /// Which broker.
    pub kind: Kind,
    /// Where clients connect.
    pub address: SocketAddr,
    /// From the start of the first command (a format step included) to the first answer.
    pub ready_after: Duration,
    programs: Programs,
    directory: PathBuf,
    child: Child,
}

impl Broker {
    /// Starts on an empty directory, with these settings too, and waits for the first answer. A broker that is stopped
    /// with [`Broker::pause`] for long needs [`PAUSED_SETTINGS`]; such a node must not be killed and restarted.
    pub fn start(
        kind: Kind,
        programs: &Programs,
        directory: &Path,
        settings: &str,
    ) -> Result<Broker, Failure> {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory)?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let controller = free_port()?;
        let data = directory.join("data");
        fs::write(
            directory.join("server.properties"),
            format!(
                "{SETTINGS}{}{settings}listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller}\n\
                 advertised.listeners=PLAINTEXT://{address}\n\
                 controller.quorum.bootstrap.servers=127.0.0.1:{controller}\nlog.dirs={}\n",
                kind.settings(),
                data.display()
            ),
        )?;
        fs::write(directory.join("log4j2.properties"), LOG4J)?;
        let began = Instant::now();
        if kind.is_kafka() {
            format_kafka(programs, directory)?;
        }
        let child = spawn(kind, programs, directory, address)?;
        let mut broker = Broker {
            kind,
            address,
            ready_after: Duration::ZERO,
            programs: programs.clone(),
            directory: directory.to_owned(),
            child,
        };
        broker.wait_for_answer()?;
        broker.ready_after = began.elapsed();
        Ok(broker)
    }

    /// Starts again on the same data and port, without waiting.
    pub fn restart(&mut self) -> Result<(), Failure> {
        self.child = spawn(self.kind, &self.programs, &self.directory, self.address)?;
        Ok(())
    }

    /// The folder of its logs.
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails if the process has ended.
    pub fn check_alive(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                Err(format!("{} ended by itself ({status}):\n{}", self.kind, self.log_tail()).into())
            }
        }
    }

    /// SIGSTOP: it costs nothing while another broker is measured.
    pub fn pause(&self) -> Result<(), Failure> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<(), Failure> {
        self.signal(Signal::CONT)
    }

    /// SIGKILL.
    pub fn kill9(&mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM; returns how long the process took to go.
    pub fn stop(&mut self) -> Result<Duration, Failure> {
        let began = Instant::now();
        self.signal(Signal::TERM)?;
        while self.child.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                self.kill9()?;
                return Err(format!("{} did not stop on SIGTERM", self.kind).into());
            }
            sleep(PROBE_PAUSE);
        }
        Ok(began.elapsed())
    }

    /// Waits until ApiVersions is answered.
    pub fn wait_for_answer(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        while !answers(self.address) {
            self.check_alive()?;
            if began.elapsed() > PATIENCE {
                return Err(format!("{} does not answer:\n{}", self.kind, self.log_tail()).into());
            }
            sleep(PROBE_PAUSE);
        }
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
        Ok(kill_process(pid, signal)?)
    }

    fn log_tail(&self) -> String {
        let text = fs::read(self.directory.join("broker.log")).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(1500)..]).into_owned()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn java(programs: &Programs, directory: &Path) -> Command {
    let mut command = Command::new("java");
    // Apache Kafka's own start script passes these, but for the heap of 1 GiB that it has as well.
    command
        .args(["-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"])
        .args([
            "-XX:InitiatingHeapOccupancyPercent=35",
            "-XX:+ExplicitGCInvokesConcurrent",
            "-Djava.awt.headless=true",
        ])
        .arg(format!("-Dlog4j2.configurationFile={}", directory.join("log4j2.properties").display()))
        .arg("-cp")
        .arg(&programs.kafka_class_path)
        .stdin(Stdio::null());
    command
}

fn format_kafka(programs: &Programs, directory: &Path) -> Result<(), Failure> {
    let done = java(programs, directory)
        .args(["kafka.tools.StorageTool", "format", "--standalone", "-t", "YmVuY2hDbHVzdGVyLS0tLQ", "-c"])
        .arg(directory.join("server.properties"))
        .output()?;
    if !done.status.success() {
        return Err(format!("format failed: {}", String::from_utf8_lossy(&done.stderr)).into());
    }
    Ok(())
}

fn spawn(kind: Kind, programs: &Programs, directory: &Path, address: SocketAddr) -> Result<Child, Failure> {
    let properties = directory.join("server.properties");
    let mut command = match kind {
        Kind::Kafka | Kind::KafkaSynced => {
            let mut command = java(programs, directory);
            command.arg("kafka.Kafka").arg(properties);
            command
        }
        Kind::Klamm | Kind::KlammReplicated => {
            let mut command = Command::new(&programs.klamm);
            command.args(["server", "-c"]).arg(properties);
            // Kafka writes to a nearly full disk as to any other, so both are measured on whatever disk there is.
            command.args(["--set", "log.dir.full.percent=100"]);
            programs.klamm_settings.iter().for_each(|setting| _ = command.args(["--set", setting]));
            command
        }
        Kind::Null | Kind::NullDirect => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["null-broker", "--port", &address.port().to_string(), "--directory"]);
            command.arg(directory.join("data"));
            if kind == Kind::NullDirect {
                command.arg("--direct");
            }
            command
        }
    };
    let log = File::options().create(true).append(true).open(directory.join("broker.log"))?;
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
    child.map_err(|reason| format!("{kind} cannot be started: {reason}").into())
}

/// A free port below the range that the kernel hands to clients.
fn free_port() -> Result<u16, Failure> {
    let start = 20_000 + (std::process::id() % 1_000) as u16 * 11;
    (start..32_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok() && claim(*port))
        .ok_or_else(|| "no free port".into())
}

/// Ports once given are not given again by this process, even before somebody listens on them.
fn claim(port: u16) -> bool {
    static LAST: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    LAST.fetch_max(port, std::sync::atomic::Ordering::Relaxed) < port
}

/// Does a broker answer ApiVersions there?
fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0, 0])?;
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        Ok(head[4..] == [0, 0, 0, 7])
    };
    ask().unwrap_or(false)
}
