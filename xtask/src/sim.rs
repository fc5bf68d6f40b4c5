//! `cargo xtask sim`: replays seeds of the whole-node simulation, as many as asked.
//!
//! Owns which seeds run and how the progress is told; the scenarios are tests of crate `sim`.

use std::ops::Range;
use std::process::Command;
use std::time::Instant;

use crate::tidy::repository_root;

const USAGE: &str = "usage: cargo xtask sim (--seed N | --seeds FROM..TO) [--page-cache] [--trace FILE]\n\
    Runs the whole node on a simulated machine with these seeds: durable, or with --page-cache as Kafka acknowledges.\n\
    --trace keeps what happened in a run that fails";

/// Seeds between two lines of progress.
const SEEDS_AT_ONCE: u64 = 10;

struct Asked {
    seeds: Range<u64>,
    scenario: &'static str,
    trace: Option<String>,
}

/// Runs the seeds; the first that fails ends it, with the command that repeats it.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let asked = read(arguments)?;
    let began = Instant::now();
    let mut from = asked.seeds.start;
    while from < asked.seeds.end {
        let to = asked.seeds.end.min(from.saturating_add(SEEDS_AT_ONCE));
        if !try_out(&asked, from..to)? {
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

fn read(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked { seeds: 0..0, scenario: "a_durable_node_loses_nothing", trace: None };
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
            _ => return Err(USAGE.to_owned()),
        }
    }
    if asked.seeds.is_empty() { Err(USAGE.to_owned()) } else { Ok(asked) }
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
