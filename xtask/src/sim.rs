//! `cargo xtask sim`: histories of log directories by the thousand, one again, and seeds of the whole-node simulation.
//!
//! Owns which program runs with which seeds and how the progress is told; the histories are `storage-sim`'s, the whole
//! nodes are tests of crate `sim`.

use std::ops::Range;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::tidy::repository_root;

const USAGE: &str = "usage: cargo xtask sim (--histories N [--from SEED] | --replay FILE [--trace FILE]\n\
    | (--seed N | --seeds FROM..TO) [--page-cache] [--trace FILE])\n\
    --histories runs so many histories of log directories under crashes; one that fails is made short and kept in\n\
    target/repro.history, which --replay runs again. --seed and --seeds run the whole node on a simulated machine with\n\
    these seeds: durable, or with --page-cache as Kafka acknowledges. --trace keeps what happened";

/// Seeds of whole nodes between two lines of progress.
const SEEDS_AT_ONCE: u64 = 10;

struct Asked {
    seeds: Range<u64>,
    scenario: &'static str,
    trace: Option<String>,
    histories: Option<u64>,
    from: u64,
    replay: Option<String>,
}

/// Runs what was asked for; the first failure ends it, with the command that repeats it.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let asked = read(arguments)?;
    if let Some(histories) = asked.histories {
        return many_histories(asked.from..asked.from.saturating_add(histories));
    }
    if let Some(path) = &asked.replay {
        let mut arguments = vec!["--replay", path.as_str()];
        arguments.extend(asked.trace.iter().flat_map(|trace| ["--trace", trace.as_str()]));
        // A script that names a mutant needs it to be there.
        let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        let mutant = text.lines().find_map(|line| line.strip_prefix("# with --mutant "));
        arguments.extend(mutant.iter().flat_map(|name| ["--mutant", *name]));
        return build(mutant.is_some())?.show(&arguments);
    }
    whole_nodes(&asked)
}

fn read(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked {
        seeds: 0..0,
        scenario: "a_durable_node_loses_nothing",
        trace: None,
        histories: None,
        from: 0,
        replay: None,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| USAGE.to_owned());
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}\n{USAGE}"));
        match argument.as_str() {
            "--seed" => {
                let seed = number(value()?)?;
                asked.seeds = seed..seed.checked_add(1).ok_or_else(|| USAGE.to_owned())?;
            }
            "--seeds" => {
                let (from, to) = value()?.split_once("..").ok_or_else(|| USAGE.to_owned())?;
                asked.seeds = number(from)?..number(to)?;
            }
            "--page-cache" => {
                asked.scenario = "a_node_on_the_page_cache_loses_only_tails_and_only_with_the_power"
            }
            "--trace" => asked.trace = Some(value()?.clone()),
            "--histories" => asked.histories = Some(number(value()?)?),
            "--from" => asked.from = number(value()?)?,
            "--replay" => asked.replay = Some(value()?.clone()),
            _ => return Err(USAGE.to_owned()),
        }
    }
    let kinds = [!asked.seeds.is_empty(), asked.histories.is_some(), asked.replay.is_some()];
    if kinds.iter().filter(|is_asked| **is_asked).count() == 1 { Ok(asked) } else { Err(USAGE.to_owned()) }
}

fn many_histories(seeds: Range<u64>) -> Result<(), String> {
    let sim = build(false)?;
    let repro = sim.path.parent().and_then(|dir| dir.parent()).map(|target| target.join("repro.history"));
    let repro = repro.unwrap_or_default().display().to_string();
    sim.show(&["--seeds", &format!("{}..{}", seeds.start, seeds.end), "--repro", &repro])
}

/// The program `storage-sim`, built.
pub(crate) struct StorageSim {
    path: PathBuf,
}

/// Builds it, optimised and with every assertion on; with or without the mutants.
pub(crate) fn build(with_mutants: bool) -> Result<StorageSim, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "--profile", "sim", "--package", "storage-sim"]);
    build.args(["--message-format", "json-render-diagnostics"]).current_dir(repository_root());
    if with_mutants {
        build.args(["--features", "mutants"]);
    }
    let done = build.stderr(std::process::Stdio::inherit()).output();
    let done = done.map_err(|error| format!("cargo build: {error}"))?;
    if !done.status.success() {
        return Err("cargo build --profile sim --package storage-sim failed".to_owned());
    }
    let messages = String::from_utf8_lossy(&done.stdout);
    let executable = messages.lines().rev().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    });
    let path = executable.ok_or("cargo build names no program")?;
    Ok(StorageSim { path })
}

impl StorageSim {
    /// Runs it and gives what it says. Whether it found nothing.
    pub(crate) fn output(&self, arguments: &[&str]) -> Result<(bool, String), String> {
        let done = Command::new(&self.path).args(arguments).output();
        let done = done.map_err(|error| format!("{}: {error}", self.path.display()))?;
        if done.status.code() == Some(2) {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        Ok((done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned()))
    }

    fn show(&self, arguments: &[&str]) -> Result<(), String> {
        let status = Command::new(&self.path).args(arguments).current_dir(repository_root()).status();
        let status = status.map_err(|error| format!("{}: {error}", self.path.display()))?;
        if status.success() { Ok(()) } else { Err("sim: something was found, see above".to_owned()) }
    }
}

fn whole_nodes(asked: &Asked) -> Result<(), String> {
    let began = Instant::now();
    let mut from = asked.seeds.start;
    while from < asked.seeds.end {
        let to = asked.seeds.end.min(from.saturating_add(SEEDS_AT_ONCE));
        if !try_out(asked, from..to)? {
            return Err(format!(
                "sim: a seed of {from}..{to} fails, see above; `cargo xtask sim --seed N` repeats it"
            ));
        }
        let done = to - asked.seeds.start;
        eprintln!(
            "sim: {done} of {} seeds, {:.0} s",
            asked.seeds.end - asked.seeds.start,
            began.elapsed().as_secs_f64()
        );
        from = to;
    }
    Ok(())
}

/// Whether these seeds pass.
fn try_out(asked: &Asked, seeds: Range<u64>) -> Result<bool, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut test = Command::new(cargo);
    test.args(["test", "--quiet", "--locked", "--package", "sim", "--test", "whole_broker", "--", "--exact"])
        .arg(asked.scenario)
        .env("KLAMM_SIM_SEEDS", format!("{}..{}", seeds.start, seeds.end))
        .current_dir(repository_root());
    if let Some(trace) = &asked.trace {
        test.env("KLAMM_SIM_TRACE", trace);
    }
    let done = test.output().map_err(|error| format!("cargo test: {error}"))?;
    let (said, wrong) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if done.status.success() && said.contains("1 passed") {
        return Ok(true);
    }
    eprintln!("{said}{wrong}");
    Ok(false)
}
