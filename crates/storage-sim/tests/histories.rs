//! Histories of log directories in every test run: those that once found something, some fresh ones, the same one twice,
//! and a script's way into text and back.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use storage_sim::{Script, Tally, run, run_traced, try_seeds};

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
