//! Running many seeds, and what is kept of the one that fails.
//!
//! Owns the count over all of them. Where it is told and written is the program's.

use std::ops::Range;

use crate::run::{Outcome, Violation, run};
use crate::script::Script;

/// What many runs came to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Histories that were run to their end.
    pub histories: u64,
    /// The sum of what they counted.
    pub sum: Outcome,
}

/// A seed that fails.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its script.
    pub script: Script,
    /// What it breaks.
    pub violation: Violation,
}

/// Runs seeds one after another while `go_on` says so; the first that fails ends it.
///
/// # Errors
/// What was [`Found`].
pub fn try_seeds(
    seeds: Range<u64>,
    tally: &mut Tally,
    mut go_on: impl FnMut(&Tally) -> bool,
) -> Result<(), Box<Found>> {
    for seed in seeds {
        if !go_on(tally) {
            break;
        }
        let script = Script::draw(seed);
        match run(&script) {
            Ok(outcome) => {
                tally.histories += 1;
                tally.sum.add(&outcome);
            }
            Err(violation) => return Err(Box::new(Found { script, violation })),
        }
    }
    Ok(())
}
