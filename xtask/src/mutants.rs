//! `cargo xtask mutants`: switches historic bugs of storage on, one after another, and sees that histories find them; and
//! those of the broker, in seeds of whole nodes.
//!
//! Owns the table of what was found by which invariant and what it cost. The bugs are `storage::mutant`'s and
//! `broker::mutant`'s, the hunts are `storage-sim`'s and a test of `sim`.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::sim::{StorageSim, build};
use crate::tidy::repository_root;

const USAGE: &str = "usage: cargo xtask mutants [--only NAME,NAME…] [--some N] [--seconds-each N] [--from SEED]\n\
    Looks for each mutant in fresh seeds for at most so many CPU seconds (600 unless told); fails if one is not found,\n\
    or if the same seeds break something without any mutant. --some takes so many of them, others on each day.\n\
    Without --only and --some the broker's are looked for as well";

struct Asked {
    only: Vec<String>,
    some: Option<usize>,
    seconds_each: u64,
    from: u64,
}

/// One line of the table.
struct Row {
    mutant: String,
    rule: String,
    histories: u64,
    cpu_seconds: f64,
    /// Lines of the script that found it, and of what was left of it.
    lines: (u64, u64),
}

/// Hunts for the mutants that were asked for.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let asked = read(arguments)?;
    let sim = build(true)?;
    let names = choose(&asked, &sim.output(&["--mutants"])?.1)?;
    eprintln!("mutants: {} of them, seeds from {}", names.len(), asked.from);
    let mut rows = Vec::new();
    let mut missed = Vec::new();
    for name in &names {
        match hunt(&sim, name, &asked)? {
            Some(row) => rows.push(row),
            None => missed.push(name.as_str()),
        }
    }
    println!("| mutant | found as | histories | CPU s | lines, made short |\n|---|---|---|---|---|");
    for Row { mutant, rule, histories, cpu_seconds, lines: (from, to) } in &rows {
        println!("| {mutant} | {rule} | {histories} | {cpu_seconds:.1} | {from} → {to} |");
    }
    if let Some(row) = rows.iter().find(|row| row.lines.1 == 0 || row.lines.1 >= row.lines.0) {
        return Err(format!("mutants: the script that finds {} was not made shorter", row.mutant));
    }
    // The shrinker's own test needs the mutants, too.
    test(
        "storage-sim",
        &["--profile", "sim", "--test", "histories"],
        "what_a_mutant_breaks_is_made_short_and_breaks_it_again",
    )?;
    if asked.only.is_empty() && asked.some.is_none() {
        let name = "what_the_broker_once_did_wrong_is_found";
        test("sim", &["--test", "whole_broker"], name)?;
    }
    let histories = rows.iter().map(|row| row.histories).max().unwrap_or(0) + 1;
    let seeds = format!("{}..{}", asked.from, asked.from + histories.max(100));
    let (is_clean, said) = sim.output(&["--seeds", &seeds])?;
    println!("without any, seeds {seeds}: {}", said.trim());
    match (missed.as_slice(), is_clean) {
        ([], true) => Ok(()),
        ([], false) => Err("mutants: something is found without any of them, see above".to_owned()),
        (missed, _) => Err(format!("mutants: not found: {}", missed.join(", "))),
    }
}

/// Runs a test that is there only with the feature `mutants`.
fn test(package: &str, options: &[&str], name: &str) -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut test = Command::new(cargo);
    test.args(["test", "--quiet", "--locked", "--package", package, "--features", "mutants"]).args(options);
    test.args(["--", "--exact", name, "--nocapture"]).current_dir(repository_root());
    let done = test.output().map_err(|error| format!("cargo test: {error}"))?;
    let (said, told) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if done.status.success() && said.contains("1 passed") {
        told.lines().filter(|line| line.contains(": seed ")).for_each(|line| println!("{line}"));
        println!("{name}: passed");
        return Ok(());
    }
    Err(format!("mutants: {name} of {package} fails:\n{said}{told}"))
}

fn read(arguments: &[String]) -> Result<Asked, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?.as_secs();
    let mut asked = Asked { only: Vec::new(), some: None, seconds_each: 600, from: now << 20 };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| USAGE.to_owned());
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}\n{USAGE}"));
        match argument.as_str() {
            "--only" => asked.only = value()?.split(',').map(str::to_owned).collect(),
            "--some" => asked.some = Some(usize::try_from(number(value()?)?).unwrap_or(usize::MAX)),
            "--seconds-each" => asked.seconds_each = number(value()?)?,
            "--from" => asked.from = number(value()?)?,
            _ => return Err(USAGE.to_owned()),
        }
    }
    Ok(asked)
}

fn choose(asked: &Asked, all: &str) -> Result<Vec<String>, String> {
    let all: Vec<String> = all.lines().map(str::to_owned).collect();
    if let Some(stranger) = asked.only.iter().find(|name| !all.contains(name)) {
        return Err(format!("mutants: none is called {stranger}; there are {}", all.join(", ")));
    }
    let mut names = if asked.only.is_empty() { all } else { asked.only.clone() };
    if let Some(some) = asked.some {
        let days = usize::try_from((asked.from >> 20) / 86_400).unwrap_or(0);
        let count = names.len().max(1);
        names.rotate_left(days * some % count);
        names.truncate(some);
    }
    Ok(names)
}

fn hunt(sim: &StorageSim, name: &str, asked: &Asked) -> Result<Option<Row>, String> {
    let seeds = format!("{}..{}", asked.from, u64::MAX);
    let seconds = asked.seconds_each.to_string();
    let arguments = ["--seeds", &seeds, "--mutant", name, "--cpu-seconds", &seconds];
    let (_, said) = sim.output(&arguments)?;
    let Some(found) = said.lines().find_map(|line| line.strip_prefix("FOUND ")) else {
        eprintln!("mutants: {name} is NOT found in {seconds} CPU seconds");
        return Ok(None);
    };
    let shrunk = said.lines().find_map(|line| line.strip_prefix("SHRUNK ")).unwrap_or_default();
    let number = |name: &str| -> f64 {
        let both = format!("{found} {shrunk}");
        let text = both.split_once(&format!(" {name}=")).map_or("", |(_, text)| text);
        text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0.0)
    };
    let rule = found.split_once("rule=").map_or("", |(_, rule)| rule).to_owned();
    let row = Row {
        mutant: name.to_owned(),
        rule,
        histories: number("histories") as u64 + 1,
        cpu_seconds: number("cpu_seconds"),
        lines: (number("from") as u64, number("lines") as u64),
    };
    eprintln!("mutants: {name}: {}, {:.1} CPU s", row.rule, row.cpu_seconds);
    Ok(Some(row))
}
