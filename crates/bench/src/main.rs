//! Benchmarks of whole brokers: Klamm, Apache Kafka and a null broker, alternating in one run, printed as ratios.
//!
//! Owns the command line. Never part of Klamm: it reaches every broker over the network, as a client does.

mod admin;
mod broker;
mod figures;
mod frames;
mod history;
mod load;
mod null_broker;
mod process;
mod scenarios;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::broker::Kind;

/// What can go wrong in a tool that a person watches: the text is the whole story.
type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
#[command(name = "bench", about = "Benchmarks of Klamm beside Apache Kafka and a null broker")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure and print ratios.
    Run(RunArguments),
    /// Measure what it costs to acknowledge from stable storage, beside brokers that do and brokers that do not.
    Durability(RunArguments),
    /// Measure what a node costs that holds many GiB or very many partitions. Takes 12 GiB of disk.
    Size(RunArguments),
    /// Serve as the null broker, the kernel's own cost.
    #[command(hide = true)]
    NullBroker {
        /// Directory for the partitions' files.
        #[arg(long)]
        directory: PathBuf,
        /// Port on 127.0.0.1.
        #[arg(long)]
        port: u16,
        /// One log past the page cache, durable before it is acknowledged.
        #[arg(long)]
        direct: bool,
    },
}

/// Options of a run.
#[derive(clap::Args, Clone)]
pub struct RunArguments {
    /// Brokers to measure, in the order of each round (klamm, klamm-replicated, kafka, kafka-synced, null, null-direct);
    /// those that the scenarios are for when left out.
    #[arg(long, value_delimiter = ',')]
    brokers: Vec<Kind>,
    /// Scenarios by name or beginning of a name; all when left out.
    #[arg(long, value_delimiter = ',')]
    scenario: Vec<String>,
    /// Fewer rounds and less data: at most three minutes.
    #[arg(long)]
    quick: bool,
    /// Rounds for each scenario; the table shows medians over them.
    #[arg(long)]
    rounds: Option<usize>,
    /// GiB of the scenario `recovery` of `bench size`; 10, or 1 in a quick run, when left out.
    #[arg(long)]
    gib: Option<u64>,
    /// Partitions of the scenarios `recovery` (1,000 when left out), `partitions` (10,000, or 1,000 in a quick run) and `rolling`
    /// (20,000, or 1,000 in a quick run).
    #[arg(long)]
    partitions: Option<i32>,
    /// The klamm binary; target/release/klamm when left out.
    #[arg(long, env = "KLAMM_BIN")]
    klamm: Option<PathBuf>,
    /// A setting for klamm alone, such as log.durability.mode=replicated: Kafka's promise, beside Kafka.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where brokers keep their data.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Do not append to bench/history.jsonl.
    #[arg(long)]
    no_history: bool,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => scenarios::run(&arguments, &scenarios::GENERAL),
        Command::Durability(arguments) => scenarios::run(&arguments, &scenarios::DURABILITY),
        Command::Size(arguments) => scenarios::run(&arguments, &scenarios::SIZE),
        Command::NullBroker { directory, port, direct } => {
            null_broker::serve(&directory, port, direct).map_err(Failure::from)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}
