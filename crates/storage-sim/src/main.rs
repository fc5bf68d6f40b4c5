//! `storage-sim`: histories of log directories by the thousand, one again, or a hunt for a mutant.
//!
//! Owns its arguments, the progress it tells, and the files it leaves. `cargo xtask sim` and `cargo xtask mutants` are
//! its users.

use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

use storage_sim::{Found, Script, Tally, run_traced, shrink, try_seeds};

const USAGE: &str = "usage: storage-sim (--seeds FROM..TO | --replay FILE | --mutants) [--repro FILE] [--trace FILE] [--mutant NAME] [--cpu-seconds N]\n\
    Runs the histories of these seeds, or one from a file. What fails is made short, printed, and written to --repro.\n\
    --mutant switches a historic bug on (needs the feature `mutants`), --mutants names them; --cpu-seconds ends a hunt";

/// Histories between two lines of progress.
const PROGRESS: u64 = 1_000;

#[derive(Default)]
struct Asked {
    seeds: Range<u64>,
    replay: Option<String>,
    repro: Option<String>,
    trace: Option<String>,
    mutant: Option<String>,
    cpu_seconds: Option<u64>,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some("--mutants") {
        mutants().iter().for_each(|name| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    match read(std::env::args().skip(1)).and_then(|asked| go(&asked)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("storage-sim: {error}");
            ExitCode::from(2)
        }
    }
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<Asked, String> {
    let mut asked = Asked::default();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| USAGE.to_owned());
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}\n{USAGE}"));
        match argument.as_str() {
            "--seeds" => {
                let (from, to) =
                    value()?.split_once("..").map(|(a, b)| (a.to_owned(), b.to_owned())).ok_or(USAGE)?;
                asked.seeds = number(&from)?..number(&to)?;
            }
            "--replay" => asked.replay = Some(value()?),
            "--repro" => asked.repro = Some(value()?),
            "--trace" => asked.trace = Some(value()?),
            "--mutant" => asked.mutant = Some(value()?),
            "--cpu-seconds" => asked.cpu_seconds = Some(number(&value()?)?),
            _ => return Err(USAGE.to_owned()),
        }
    }
    if asked.seeds.is_empty() == asked.replay.is_none() { Err(USAGE.to_owned()) } else { Ok(asked) }
}

fn go(asked: &Asked) -> Result<ExitCode, String> {
    if let Some(name) = &asked.mutant {
        switch_on(name)?;
    }
    // What panics is a finding, told once it is short.
    std::panic::set_hook(Box::new(|_| {}));
    match &asked.replay {
        Some(path) => replay(path, asked.trace.as_deref()),
        None => many(asked),
    }
}

#[cfg(feature = "mutants")]
fn switch_on(name: &str) -> Result<(), String> {
    let mutant =
        storage::mutant::Mutant::from_name(name).ok_or_else(|| format!("no mutant is called {name}"))?;
    storage::mutant::switch_on(Some(mutant));
    Ok(())
}

#[cfg(feature = "mutants")]
fn mutants() -> Vec<&'static str> {
    storage::mutant::Mutant::ALL.iter().map(|mutant| mutant.name()).collect()
}

#[cfg(not(feature = "mutants"))]
fn mutants() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(not(feature = "mutants"))]
fn switch_on(name: &str) -> Result<(), String> {
    Err(format!("{name} can be switched on only in a build with the feature `mutants`"))
}

fn replay(path: &str, trace_path: Option<&str>) -> Result<ExitCode, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let script: Script = text.parse()?;
    let (ended, trace) = run_traced(&script);
    if let Some(path) = trace_path {
        std::fs::write(path, trace.to_text()).map_err(|error| format!("{path}: {error}"))?;
    }
    match ended {
        Ok(outcome) => {
            println!("{path} breaks nothing: {outcome:?}");
            Ok(ExitCode::SUCCESS)
        }
        Err(violation) => {
            println!("{path}: {violation}");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn many(asked: &Asked) -> Result<ExitCode, String> {
    let began = Instant::now();
    let mut tally = Tally::default();
    let limit = asked.cpu_seconds.map_or(f64::INFINITY, |limit| limit as f64);
    let ended = try_seeds(asked.seeds.clone(), &mut tally, |tally| {
        if asked.mutant.is_none() && tally.histories > 0 && tally.histories.is_multiple_of(PROGRESS) {
            eprintln!("{} histories, {:.0} s", tally.histories, began.elapsed().as_secs_f64());
        }
        cpu_seconds() < limit
    });
    let spent = cpu_seconds();
    match ended {
        Ok(()) => {
            println!("{}", summary(&tally, spent));
            Ok(ExitCode::SUCCESS)
        }
        Err(found) => {
            let rule = found.violation.rule;
            println!(
                "FOUND seed={} histories={} cpu_seconds={spent:.1} rule={rule}",
                found.script.seed, tally.histories
            );
            tell(asked, &found)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn summary(tally: &Tally, spent: f64) -> String {
    let sum = &tally.sum;
    format!(
        "{} histories: {} crashes ({} in the middle of something), {} starts, {} clean stops, {} records acknowledged, \
         {} compared, {} injected errors met, {} bits rotted ({} logs offline, {} back with their files), {} cleanings, {} calls on the disk; 0 lost, 0 duplicated, 0 failed starts; \
         {spent:.0} CPU seconds; digest {:016x}",
        tally.histories,
        sum.crashes,
        sum.halts,
        sum.restarts,
        sum.clean_stops,
        sum.acked_records,
        sum.compared_records,
        sum.faults,
        sum.rotten_bits,
        sum.damaged_logs,
        sum.mended_logs,
        sum.cleanings,
        sum.calls,
        sum.digest
    )
}

fn tell(asked: &Asked, found: &Found) -> Result<(), String> {
    let short = shrink(&found.script, &found.violation);
    let title = format!(
        "# {}\n# shrunk from {} lines in {} runs\n",
        short.violation,
        found.script.lines.len(),
        short.runs
    );
    let (from, lines) = (found.script.lines.len(), short.script.lines.len());
    println!("SHRUNK from={from} lines={lines} runs={}", short.runs);
    println!("{title}{}", short.script);
    if let Some(path) = &asked.repro {
        let mutant =
            asked.mutant.as_ref().map(|name| format!("# with --mutant {name}\n")).unwrap_or_default();
        let text = format!("{title}{mutant}{}", short.script);
        std::fs::write(path, text).map_err(|error| format!("{path}: {error}"))?;
        println!("written to {path}: `cargo xtask sim --replay {path}` repeats it");
    }
    Ok(())
}

/// CPU time of this process so far: what a hunt costs on a machine that does other things, too.
fn cpu_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}
