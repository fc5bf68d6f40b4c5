//! The harness on a tiny node: a right one passes under all faults, a run can be repeated byte for byte, and every
//! wrong one is found.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod tiny_log;
mod tiny_node;

use std::time::Duration;

use platform::Rng;
use platform::sim::{SimConfig, Trace};
use sim::{Failure, Plan, check, execute, run};
use tiny_node::{Mutant, starter};

const LIMIT: Duration = Duration::from_secs(3_600);

fn plan(seed: u64, mutant: Mutant) -> Plan {
    let rng = Rng::seeded(seed);
    // Which promise is tried is the mutant's choice: some are wrong only about flushing.
    let is_about_flushing = matches!(mutant, Mutant::AcksBeforeFlush | Mutant::ServesUncommitted);
    let durable = is_about_flushing || rng.one_in(2);
    let mut plan = if durable { Plan::durable(&rng) } else { Plan::page_cache(&rng) };
    plan.members = 0;
    plan.faults
        .retain(|f| !matches!(f.fault, sim::Fault::MemberLeaves { .. } | sim::Fault::MemberDies { .. }));
    for timed in &mut plan.faults {
        if let sim::Fault::Cut { client, .. } = &mut timed.fault {
            *client %= plan.producers + plan.readers;
        }
    }
    plan.values_per_producer = 150;
    plan
}

/// What a run found: violations, or why it did not come to its end.
fn try_out(seed: u64, mutant: Mutant) -> Result<(Vec<String>, Trace), Failure> {
    let plan = plan(seed, mutant);
    let promise = plan.promise;
    let run =
        run(seed, SimConfig::default(), LIMIT, async |world| execute(world, starter(mutant), plan).await)?;
    let violations = check(&run.outcome.entries(), promise);
    Ok((violations.iter().map(ToString::to_string).collect(), run.trace))
}

#[test]
fn a_right_node_passes_under_all_faults() {
    for seed in 0..40 {
        let (violations, trace) = try_out(seed, Mutant::None).unwrap();
        assert_eq!(violations, Vec::<String>::new(), "seed {seed}");
        assert!(trace.total() > 1_000, "seed {seed}: {trace:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let mut digests = std::collections::BTreeSet::new();
    for seed in 100..106 {
        let (first, second) =
            (try_out(seed, Mutant::None).unwrap().1, try_out(seed, Mutant::None).unwrap().1);
        assert_eq!(first.first_difference(&second), None, "seed {seed}");
        assert_eq!((first.digest(), first.total()), (second.digest(), second.total()), "seed {seed}");
        digests.insert(first.digest());
    }
    assert_eq!(digests.len(), 6);
}

/// Seeds in which a mutant is looked for.
const SEEDS: u64 = 60;

/// Tries seeds until a mutant is found by the rule that is about its fault. Other rules may find it as well.
fn hunt(mutant: Mutant, rule: &str) {
    let mut others = 0;
    for seed in 0..SEEDS {
        let found = match try_out(seed, mutant) {
            Ok((violations, _)) => violations,
            Err(failure) => vec![failure.what],
        };
        if found.iter().any(|what| what.contains(rule)) {
            return;
        }
        others += u64::from(!found.is_empty());
    }
    panic!("{mutant:?} was not found by its rule, but in {others} of {SEEDS} seeds by others");
}

macro_rules! mutants {
    ($($name:ident: $mutant:ident is found by $rule:literal),* $(,)?) => {
        $( #[test] fn $name() { hunt(Mutant::$mutant, $rule); } )*
    };
}

mutants!(
    acks_before_flush: AcksBeforeFlush is found by "what is acknowledged is there",
    serves_uncommitted: ServesUncommitted is found by "is beyond the high watermark",
    forgets_producers: ForgetsProducers is found by "nothing is there twice",
    appends_twice: AppendsTwice is found by "nothing is there twice",
    drops_a_batch: DropsABatch is found by "readers move in steps of one",
    trusts_the_tail: TrustsTheTail is found by "its checksum is",
    swaps_answers: SwapsAnswers is found by "answers come in the order of the requests",
    misstates_the_end: MisstatesTheEnd is found by "bounds never go back",
    dies_at_start: DiesAtStart is found by "the node refuses to start: this mutant never comes back",
    panics: Panics is found by "this mutant panics",
);
