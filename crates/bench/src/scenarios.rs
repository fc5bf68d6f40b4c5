//! The scenarios and the order of a run: in each round every broker has its turn while the others are paused, so that
//! all meet the same machine.
//!
//! Owns the long-lived brokers. What is measured is in the modules below.

mod compaction;
mod durability;
mod fetch;
mod footprint;
mod latency;
mod partitions;
mod produce;
mod recovery;
mod rolling;
mod start;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::admin::{Admin, Topic};
use crate::broker::{Broker, Kind, PAUSED_SETTINGS, Programs};
use crate::figures::{Figures, Sample};
use crate::{Failure, RunArguments, history, table};

/// After a pause a broker gets this long to catch up with its timers.
const AFTER_RESUME: Duration = Duration::from_millis(150);
/// After deleting a topic it gets this long to remove the files.
const AFTER_DELETE: Duration = Duration::from_millis(400);

/// A scenario and what it is for.
struct Scenario {
    name: &'static str,
    about: &'static str,
    run: fn(&mut Bench, &'static str) -> Result<(), Failure>,
}

/// Scenarios that are run together, and the brokers that they are for.
pub struct Group {
    scenarios: &'static [Scenario],
    kinds: &'static [Kind],
}

/// What a broker costs and how fast it is.
pub const GENERAL: Group = Group { scenarios: &SCENARIOS, kinds: &[Kind::Klamm, Kind::Kafka, Kind::Null] };

/// What it costs to acknowledge from stable storage.
pub const DURABILITY: Group = Group {
    scenarios: &durability::SCENARIOS,
    kinds: &[Kind::Klamm, Kind::KlammReplicated, Kind::Kafka, Kind::KafkaSynced, Kind::NullDirect],
};

/// What a node costs that holds much.
pub const SIZE: Group = Group { scenarios: &SIZES, kinds: &[Kind::Klamm, Kind::Kafka] };

const SCENARIOS: [Scenario; 12] = [
    Scenario { name: "start", about: "start, recovery after kill -9, clean stop", run: start::run },
    Scenario {
        name: "footprint",
        about: "memory and CPU when idle, and 1,000 partitions",
        run: footprint::run,
    },
    Scenario {
        name: "produce-64k",
        about: "batches of 64 KiB, 4 connections, 4 in flight",
        run: produce::big,
    },
    Scenario {
        name: "produce-1",
        about: "requests of one 100 B record, 4 connections, 16 in flight",
        run: produce::small,
    },
    Scenario {
        name: "produce-1x500",
        about: "the same from 500 connections, 1 in flight",
        run: produce::small_many,
    },
    Scenario { name: "fetch-64k", about: "batches of 64 KiB, 2 connections", run: fetch::big },
    Scenario { name: "fetch-1", about: "batches of one record, 2 connections", run: fetch::small },
    Scenario { name: "ack-20k", about: "20,000 records/s: time to the answer", run: latency::ack_20k },
    Scenario { name: "ack-100k", about: "100,000 records/s: time to the answer", run: latency::ack_100k },
    Scenario {
        name: "e2e-20k",
        about: "20,000 records/s: time to the consumer",
        run: latency::end_to_end_20k,
    },
    Scenario {
        name: "e2e-100k",
        about: "100,000 records/s: time to the consumer",
        run: latency::end_to_end_100k,
    },
    Scenario {
        name: "compaction",
        about: "a log of many values of few keys is compacted",
        run: compaction::run,
    },
];

const SIZES: [Scenario; 3] = [
    Scenario {
        name: "recovery",
        about: "many GiB in many partitions: starts after kill -9 and after a clean stop",
        run: recovery::run,
    },
    Scenario {
        name: "partitions",
        about: "very many partitions: memory, CPU, descriptors, starts",
        run: partitions::run,
    },
    Scenario {
        name: "rolling",
        about: "very many partitions that roll, are compacted and lose old segments",
        run: rolling::run,
    },
];

/// A run.
pub struct Bench {
    /// Brokers that are measured.
    kinds: Vec<Kind>,
    /// Started when the first scenario needs them; paused between turns.
    brokers: Vec<Broker>,
    programs: Programs,
    directory: PathBuf,
    figures: Figures,
    quick: bool,
    rounds: usize,
    gib: Option<u64>,
    partitions: Option<i32>,
    topics: u64,
}

/// Runs what was asked for, prints the table and appends to the history.
pub fn run(arguments: &RunArguments, group: &Group) -> Result<(), Failure> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let chosen: Vec<&Scenario> = group
        .scenarios
        .iter()
        .filter(|scenario| {
            arguments.scenario.is_empty()
                || arguments.scenario.iter().any(|name| scenario.name.starts_with(name.as_str()))
        })
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = group.scenarios.iter().map(|scenario| scenario.name).collect();
        return Err(format!("no such scenario; there are {}", names.join(", ")).into());
    }
    let kinds = if arguments.brokers.is_empty() { group.kinds.to_vec() } else { arguments.brokers.clone() };
    let programs = programs(arguments, &kinds, &repository)?;
    let base = arguments.directory.clone().unwrap_or_else(std::env::temp_dir);
    let mut bench = Bench {
        kinds,
        brokers: Vec::new(),
        programs,
        directory: base.join(format!("klamm-bench-{}", std::process::id())),
        figures: Figures::default(),
        quick: arguments.quick,
        rounds: arguments.rounds.unwrap_or(if arguments.quick { 2 } else { 5 }),
        gib: arguments.gib,
        partitions: arguments.partitions,
        topics: 0,
    };
    let began = Instant::now();
    for scenario in chosen {
        eprintln!("{:>5.0} s  {}: {}", began.elapsed().as_secs_f64(), scenario.name, scenario.about);
        (scenario.run)(&mut bench, scenario.name)?;
    }
    eprintln!("{:>5.0} s  done", began.elapsed().as_secs_f64());
    bench.brokers.clear();
    let _ = std::fs::remove_dir_all(&bench.directory);
    table::print(&bench.figures, &bench.kinds);
    if !arguments.no_history {
        history::append(&repository, &bench.figures, &bench.kinds, bench.quick)?;
    }
    Ok(())
}

impl Bench {
    /// One round to warm up, whose figures are dropped, then the counted rounds; in each, every broker has its turn.
    fn alternate(
        &mut self,
        scenario: &'static str,
        mut sample: impl FnMut(&mut Turn<'_>) -> Result<Sample, Failure>,
    ) -> Result<(), Failure> {
        self.start_brokers()?;
        for round in 0..=self.rounds {
            for broker in &mut self.brokers {
                // Only Kafka's just-in-time compiler needs warming; a quick run spares the others the round.
                if round == 0 && self.quick && !broker.kind.is_kafka() {
                    continue;
                }
                broker.resume()?;
                sleep(AFTER_RESUME);
                broker.check_alive()?;
                let kind = broker.kind;
                let last = round == self.rounds;
                let mut turn = Turn { broker, quick: self.quick, last, topics: &mut self.topics };
                let figures =
                    sample(&mut turn).map_err(|reason| format!("{scenario} on {kind}: {reason}"))?;
                broker.pause()?;
                if round > 0 {
                    self.figures.add(scenario, kind, figures);
                }
            }
        }
        Ok(())
    }

    fn start_brokers(&mut self) -> Result<(), Failure> {
        if self.brokers.is_empty() {
            for kind in self.kinds.clone() {
                let broker = Broker::start(
                    kind,
                    &self.programs,
                    &self.directory.join(kind.to_string()),
                    PAUSED_SETTINGS,
                )?;
                broker.pause()?;
                self.brokers.push(broker);
            }
        }
        Ok(())
    }

    /// A broker of its own for a scenario that kills it or looks at it idle.
    fn fresh_broker(&self, kind: Kind) -> Result<Broker, Failure> {
        self.fresh_broker_with(kind, "")
    }

    /// The same, with settings of its own.
    fn fresh_broker_with(&self, kind: Kind, settings: &str) -> Result<Broker, Failure> {
        Broker::start(kind, &self.programs, &self.directory.join(format!("fresh-{kind}")), settings)
    }

    /// `quick` or `full`, whichever this run is.
    fn choose<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// One broker's turn.
struct Turn<'a> {
    broker: &'a mut Broker,
    quick: bool,
    /// Whether it is the broker's last turn in this scenario.
    last: bool,
    topics: &'a mut u64,
}

impl Turn<'_> {
    fn choose<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }

    /// A new topic.
    fn create_topic(&mut self, partitions: i32) -> Result<Topic, Failure> {
        *self.topics += 1;
        Admin::connect(self.broker.address)?.create_topic(&format!("bench-{}", self.topics), partitions, &[])
    }

    /// Deletes a topic and lets the broker remove its files while nobody measures.
    fn delete_topic(&mut self, topic: &Topic) -> Result<(), Failure> {
        Admin::connect(self.broker.address)?.delete_topic(topic)?;
        sleep(AFTER_DELETE);
        Ok(())
    }
}

/// Finds the programs, and fetches Apache Kafka's jars when they are wanted and not there.
fn programs(arguments: &RunArguments, kinds: &[Kind], repository: &Path) -> Result<Programs, Failure> {
    let klamm = match &arguments.klamm {
        Some(path) => path.clone(),
        None => {
            let target =
                std::env::var_os("CARGO_TARGET_DIR").map_or(repository.join("target"), PathBuf::from);
            target.join("release/klamm")
        }
    };
    if kinds.iter().any(|kind| kind.is_klamm()) && !klamm.is_file() {
        return Err(format!(
            "no klamm at {}: run `cargo build --release -p cli` or give --klamm (or --brokers kafka,null)",
            klamm.display()
        )
        .into());
    }
    let kafka_class_path =
        if kinds.iter().any(|kind| kind.is_kafka()) { kafka_class_path(repository)? } else { String::new() };
    Ok(Programs { klamm, klamm_settings: arguments.set.clone(), kafka_class_path })
}

/// The compatibility tests know how to fetch the jars; they print the folder on their last line.
fn kafka_class_path(repository: &Path) -> Result<String, Failure> {
    let output = Command::new(repository.join("tests/compat/run"))
        .arg("--kafka-jars")
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let folder =
        text.lines().last().filter(|_| output.status.success()).ok_or("Apache Kafka's jars are not there")?;
    Ok(format!("{folder}/*"))
}
