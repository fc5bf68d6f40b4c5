//! Histories of log directories in every test run: those that once found something, some fresh ones, the same one twice,
//! and a script's way into text and back.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use storage_sim::{Script, Tally, Violation, run, run_traced, shrink_by, try_seeds};

/// Every script that once found a bug.
fn found_once() -> Vec<(String, Script)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
    let mut found: Vec<(String, Script)> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let script = std::fs::read_to_string(&path).unwrap().parse().unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), script)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

#[test]
fn what_was_found_once_stays_mended() {
    let scripts = found_once();
    assert!(scripts.len() >= 10);
    for (name, script) in scripts {
        if let Err(violation) = run(&script) {
            panic!("{name}: {violation}");
        }
    }
}

#[test]
fn fresh_histories_break_nothing() {
    let mut tally = Tally::default();
    if let Err(found) = try_seeds(0..40, &mut tally, |_| true) {
        panic!("{}\n{}", found.violation, found.script);
    }
    let sum = &tally.sum;
    assert!(
        sum.crashes > 50 && sum.clean_stops > 2 && sum.cleanings > 2 && sum.acked_records > 500,
        "{sum:?}"
    );
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let mut digests = std::collections::BTreeSet::new();
    for seed in 100..106 {
        let script = Script::draw(seed);
        let ((first, first_trace), (second, second_trace)) = (run_traced(&script), run_traced(&script));
        assert_eq!(first_trace.first_difference(&second_trace), None, "seed {seed}");
        assert_eq!(first.unwrap(), second.unwrap(), "seed {seed}");
        digests.insert(first_trace.digest());
    }
    assert_eq!(digests.len(), 6);
}

#[test]
fn a_script_survives_its_text() {
    for seed in 0..50 {
        let script = Script::draw(seed);
        assert_eq!(script.to_string().parse(), Ok(script));
    }
    assert!("klamm storage history seed=1\nproduce logs=1".parse::<Script>().is_err());
    assert!("produce log=1".parse::<Script>().is_err());
}

/// A stand-in for a bug: a roll, later a truncation of the same log, later a stop by loss of power.
fn stand_in(script: &Script) -> Option<Violation> {
    let words = ["roll log=0", "truncate log=0", "stop how=1"];
    let mut wanted = words.iter().peekable();
    for line in &script.lines {
        if wanted.peek().is_some_and(|word| line.to_string().starts_with(**word)) {
            wanted.next();
        }
    }
    let at = script.lines.len().saturating_sub(1);
    wanted.peek().is_none().then(|| Violation { rule: "stand-in", what: String::new(), at })
}

#[test]
fn what_fails_is_made_as_short_as_it_gets() {
    let mut shrunk = 0;
    for script in (0..400).map(Script::draw) {
        let Some(violation) = stand_in(&script) else { continue };
        let short = shrink_by(&script, &violation, stand_in);
        let words: Vec<&str> = short.script.lines.iter().map(storage_sim::Line::word).collect();
        assert_eq!(words, ["roll", "truncate", "stop"], "{}", short.script);
        shrunk += 1;
    }
    assert!(shrunk > 3);
}

#[cfg(feature = "mutants")]
#[test]
fn what_a_mutant_breaks_is_made_short_and_breaks_it_again() {
    use storage::mutant::{Mutant, switch_on};
    switch_on(Some(Mutant::RecoveryPointBeforeFlush));
    let found = try_seeds(0..10_000, &mut Tally::default(), |_| true).unwrap_err();
    let short = storage_sim::shrink(&found.script, &found.violation);
    assert!(short.script.lines.len() <= 12, "{}", short.script);
    let again: Script = short.script.to_string().parse().unwrap();
    assert_eq!(run(&again), Err(short.violation));
    switch_on(None);
    run(&again).unwrap();
}
