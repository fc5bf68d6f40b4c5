//! Running one script, whatever comes of it.
//!
//! Owns what a run gives back: counts, or the rule that was broken. A panic of the code under test is a finding, too.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use platform::sim::Trace;

use crate::course::Course;
use crate::script::Script;

/// What happened in a run that found nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Lines that were done.
    pub lines: u64,
    /// Kills and losses of power.
    pub crashes: u64,
    /// Those of them that came in the middle of something.
    pub halts: u64,
    /// Starts that came through.
    pub restarts: u64,
    /// Clean stops.
    pub clean_stops: u64,
    /// Records whose batch was durable, or acknowledged as the mode says.
    pub acked_records: u64,
    /// Records that were compared with what was sent.
    pub compared_records: u64,
    /// Injected errors that were met.
    pub faults: u64,
    /// Bits that rotted.
    pub rotten_bits: u64,
    /// Logs that a start kept offline because of it, or that the comparison after it met an error in.
    pub damaged_logs: u64,
    /// Logs that were offline and came back whole with their files.
    pub mended_logs: u64,
    /// Cleanings that came to their end.
    pub cleanings: u64,
    /// A digest of every call on the disk, for comparing two runs.
    pub digest: u64,
    /// How many calls that were.
    pub calls: u64,
}

impl Outcome {
    /// Adds another run's counts.
    pub fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.crashes += other.crashes;
        self.halts += other.halts;
        self.restarts += other.restarts;
        self.clean_stops += other.clean_stops;
        self.acked_records += other.acked_records;
        self.compared_records += other.compared_records;
        self.faults += other.faults;
        self.rotten_bits += other.rotten_bits;
        self.damaged_logs += other.damaged_logs;
        self.mended_logs += other.mended_logs;
        self.cleanings += other.cleanings;
        self.calls += other.calls;
        self.digest = self.digest.rotate_left(7) ^ other.digest;
    }
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The invariant: an id of docs/testing.md.
    pub rule: &'static str,
    /// How it is broken.
    pub what: String,
    /// The number of the line that found it, from 0.
    pub at: usize,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}: {}", self.rule, self.at, self.what)
    }
}

/// The rule that a panic breaks.
pub(crate) const PANIC: &str = "Z0 no panic";

/// Runs a script to its end, or to the first violation.
///
/// # Errors
/// The [`Violation`].
pub fn run(script: &Script) -> Result<Outcome, Violation> {
    run_traced(script).0
}

/// As [`run`], with the trace of all calls on the disk.
pub fn run_traced(script: &Script) -> (Result<Outcome, Violation>, Trace) {
    let mut course = Course::new(script);
    let trace = course.trace();
    let ended = catch_unwind(AssertUnwindSafe(|| course.go()));
    let result = match ended {
        Ok(Ok(())) => {
            let mut outcome = course.outcome.clone();
            (outcome.digest, outcome.calls) = (trace.digest(), trace.total());
            Ok(outcome)
        }
        Ok(Err((rule, what))) => Err(Violation { rule, what, at: course.at() }),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            let what = text.unwrap_or("a panic without a text").to_owned();
            Err(Violation { rule: PANIC, what, at: course.at() })
        }
    };
    (result, trace)
}
