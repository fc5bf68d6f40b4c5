//! Power cuts, kills, failing disks and rotten bits against the real `klamm server`, and the judge of what is left.
//!
//! Owns the command line. See the README beside `src`.

mod campaign;
mod clients;
mod device;
mod flavor;
mod flips;
mod fuse;
mod history;
mod judge;
mod kills;
mod machine;
mod node;
mod rig_check;
mod sites;
mod traces;
mod value;
mod wire;
mod world;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;

use crate::campaign::{Order, run_campaign};
use crate::flips::{FlipOrder, Flips, run_flips};
use crate::kills::{KillOrder, run_kills};
use crate::machine::{Machine, Room};
use crate::sites::{SiteOrder, run_sites};

/// What can go wrong in a tool that a person watches: the text is the whole story.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(
    name = "crash",
    about = "Cuts the power of a machine that runs klamm server, and compares what is left"
)]
struct Arguments {
    /// Power cuts. [default: 100, if nothing else is asked for]
    #[arg(long)]
    cuts: Option<u64>,
    /// Kills without a cut.
    #[arg(long, default_value_t = 0)]
    kills: u64,
    /// System calls that fail, by strace.
    #[arg(long, default_value_t = 0)]
    faults: u64,
    /// Lets every place that changes the disk fail once, by strace.
    #[arg(long)]
    sites: bool,
    /// Flipped bits; `all` flips one in every byte of every kind of small file.
    #[arg(long, value_name = "N|all", default_value = "0")]
    flips: Flips,
    /// Seed of the first directory; each one after it has the next. [default: from the clock]
    #[arg(long)]
    seed: Option<u64>,
    /// Ends after so many seconds, whatever is left.
    #[arg(long)]
    seconds: Option<u64>,
    /// Flips no bit in files whose path has this in it.
    #[arg(long, value_name = "TEXT")]
    spare: Option<String>,
    /// Flips only bits in files whose path has this in it.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// What all worlds of power cuts are about. [default: each something else]
    #[arg(long, value_enum)]
    focus: Option<flavor::Flavor>,
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
    let klamm = arguments.klamm.canonicalize().map_err(|e| format!("{}: {e}", arguments.klamm.display()))?;
    let seed = arguments.seed.unwrap_or_else(|| u64::from(std::process::id()) * 1_000_000);
    let is_nothing =
        arguments.kills + arguments.faults == 0 && arguments.flips == Flips::Some(0) && !arguments.sites;
    let cuts = arguments.cuts.unwrap_or(if is_nothing { 100 } else { 0 });
    let mut is_fine = true;
    if cuts > 0 {
        is_fine &= cut_power(arguments, klamm.clone(), cuts, seed)?;
    }
    if arguments.kills + arguments.faults > 0 {
        is_fine &= kill(arguments, klamm.clone(), seed)?;
    }
    if arguments.sites {
        is_fine &= fail_sites(arguments, klamm.clone(), seed)?;
    }
    if arguments.flips != Flips::Some(0) {
        is_fine &= flip(arguments, klamm, seed)?;
    }
    Ok(is_fine)
}

/// The end of one part, if the time is limited.
fn until(arguments: &Arguments) -> Option<Instant> {
    arguments.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds))
}

fn cut_power(arguments: &Arguments, klamm: PathBuf, cuts: u64, seed: u64) -> Result<bool, Failure> {
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
        klamm,
        cuts,
        seed,
        until: until(arguments),
        flavor: arguments.focus,
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

fn kill(arguments: &Arguments, klamm: PathBuf, seed: u64) -> Result<bool, Failure> {
    let has_strace = Command::new("strace").arg("--version").output().is_ok();
    if !has_strace && arguments.faults > 0 {
        println!("crash: failing system calls are LEFT OUT on this machine: the program strace is missing");
    }
    let faults = if has_strace { arguments.faults } else { 0 };
    let order = KillOrder { klamm, kills: arguments.kills, faults, seed, until: until(arguments) };
    let tally = run_kills(&order, &Room::new(&std::env::temp_dir())?)?;
    println!(
        "kill -9, seed {seed}: {} kills, {} failing calls ({} fail stops), {} records acknowledged, {} compared, {} failures",
        tally.kills,
        tally.faults,
        tally.fail_stops,
        tally.acked,
        tally.read,
        tally.failures.len()
    );
    tally.failures.iter().for_each(|failure| println!("  {failure}"));
    Ok(tally.failures.is_empty())
}

fn fail_sites(arguments: &Arguments, klamm: PathBuf, seed: u64) -> Result<bool, Failure> {
    if Command::new("strace").arg("--version").output().is_err() {
        println!("crash: failing system calls are LEFT OUT on this machine: the program strace is missing");
        return Ok(true);
    }
    let order = SiteOrder { klamm, seed, until: until(arguments) };
    let tally = run_sites(&order, &Room::new(&std::env::temp_dir())?)?;
    println!(
        "failing places, seed {seed}: {} places, {} tried, {} met and failed, {} failing calls ({} fail stops), {} failures",
        tally.sites,
        tally.tried,
        tally.hit,
        tally.faults,
        tally.fail_stops,
        tally.failures.len()
    );
    tally.missed.iter().for_each(|missed| println!("  not met again: {missed}"));
    tally.failures.iter().for_each(|failure| println!("  {failure}"));
    Ok(tally.failures.is_empty())
}

fn flip(arguments: &Arguments, klamm: PathBuf, seed: u64) -> Result<bool, Failure> {
    let spare = arguments.spare.clone();
    if let Some(part) = &spare {
        println!("crash: no bits are flipped in files with {part} in their path");
    }
    let order = FlipOrder {
        klamm,
        flips: arguments.flips,
        seed,
        spare,
        only: arguments.only.clone(),
        until: until(arguments),
    };
    let tally = run_flips(&order, &Room::new(&std::env::temp_dir())?)?;
    println!(
        "flipped bits, seed {seed}: {} flips, {} starts refused, {} offline, {} caught by the reader's checksum, {} harmless, \
         {} wrong {:?}",
        tally.flips,
        tally.refused,
        tally.offline,
        tally.caught_by_client,
        tally.harmless,
        tally.failures.len(),
        tally.wrong
    );
    tally.failures.iter().for_each(|failure| println!("  {failure}"));
    Ok(tally.failures.is_empty())
}
