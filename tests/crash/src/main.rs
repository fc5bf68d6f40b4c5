//! Power cuts, kills, failing disks and rotten bits against the real `klamm server`, and the judge of what is left.
//!
//! Owns the command line. See the README beside `src`.

mod campaign;
mod clients;
mod device;
mod fuse;
mod history;
mod judge;
mod machine;
mod node;
mod rig_check;
mod value;
mod wire;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;

use crate::campaign::{Order, run_campaign};
use crate::machine::{Machine, Room};

/// What can go wrong in a tool that a person watches: the text is the whole story.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(
    name = "crash",
    about = "Cuts the power of a machine that runs klamm server, and compares what is left"
)]
struct Arguments {
    /// Power cuts.
    #[arg(long, default_value_t = 100)]
    cuts: u64,
    /// Seed of the first directory; each one after it has the next. [default: from the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Ends after so many seconds, whatever is left.
    #[arg(long)]
    seconds: Option<u64>,
    /// The program under test.
    #[arg(long)]
    klamm: PathBuf,
    /// A broker property for every node.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where what is left of a failure goes.
    #[arg(long, default_value = "target/crash-failures")]
    evidence: PathBuf,
    /// Ends at so many failures.
    #[arg(long, default_value_t = 5)]
    failures: usize,
    /// Says nothing but the result.
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("crash: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Failure> {
    if let Some(obstacle) = machine::obstacle() {
        println!("crash: power cuts are LEFT OUT on this machine: {obstacle}");
        return Ok(true);
    }
    let began = Instant::now();
    let mut properties = Vec::new();
    for setting in &arguments.set {
        let (key, value) = setting.split_once('=').ok_or("--set wants KEY=VALUE")?;
        properties.push((key.to_owned(), value.to_owned()));
    }
    let order = Order {
        klamm: arguments.klamm.canonicalize().map_err(|e| format!("{}: {e}", arguments.klamm.display()))?,
        cuts: arguments.cuts,
        seed: arguments.seed.unwrap_or_else(|| u64::from(std::process::id()) * 1_000_000),
        until: arguments.seconds.map(|seconds| began + Duration::from_secs(seconds)),
        properties,
        evidence: arguments.evidence.clone(),
        failures_max: arguments.failures,
        is_quiet: arguments.quiet,
    };
    let mut machine = Machine::new(Room::new(&std::env::temp_dir())?)?;
    rig_check::run(&mut machine)?;
    eprintln!("crash: the rig loses what is not flushed and keeps what is; seed {}", order.seed);
    let tally = run_campaign(&order, &mut machine)?;
    print!("power cuts, seed {}:\n{}", order.seed, tally.table(began.elapsed()));
    Ok(tally.failures.is_empty())
}
