//! Making a script that fails as short as it gets.
//!
//! Owns the search: whole logs and directories first, then ever smaller pieces of the list (delta debugging), then the
//! numbers of what is left. Each try is a run; what fails by the same rule is kept.

use crate::line::Line;
use crate::run::{Violation, run};
use crate::script::Script;

/// Runs that a search may take.
const RUNS_MAX: usize = 10_000;

/// A short script.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The script.
    pub script: Script,
    /// What it breaks: the same rule as the long one.
    pub violation: Violation,
    /// Runs that it took.
    pub runs: usize,
}

/// Shortens a script that breaks a rule.
pub fn shrink(script: &Script, violation: &Violation) -> Shrunk {
    shrink_by(script, violation, |script| run(script).err())
}

/// As [`shrink`], where `breaks` says what a script breaks.
pub fn shrink_by(
    script: &Script,
    violation: &Violation,
    breaks: impl FnMut(&Script) -> Option<Violation>,
) -> Shrunk {
    let best = Shrunk { script: script.clone(), violation: violation.clone(), runs: 0 };
    let mut search = Search { best, breaks };
    search.cut_end();
    loop {
        let before = search.best.script.clone();
        search.leave_out_logs();
        search.leave_out_pieces();
        search.lower_numbers();
        if search.best.script == before || search.best.runs >= RUNS_MAX {
            return search.best;
        }
    }
}

struct Search<B> {
    best: Shrunk,
    breaks: B,
}

impl<B: FnMut(&Script) -> Option<Violation>> Search<B> {
    /// Takes a list of lines if it fails, too. Whether it does.
    fn take(&mut self, lines: Vec<Line>) -> bool {
        if self.best.runs >= RUNS_MAX || lines == self.best.script.lines {
            return false;
        }
        self.best.runs += 1;
        let script = Script { seed: self.best.script.seed, lines };
        match (self.breaks)(&script) {
            Some(violation) if violation.rule == self.best.violation.rule => {
                self.best.script = script;
                self.best.violation = violation;
                true
            }
            _ => false,
        }
    }

    /// What comes after the line that found it cannot matter.
    fn cut_end(&mut self) {
        let mut lines = self.best.script.lines.clone();
        lines.truncate(self.best.violation.at + 1);
        self.take(lines);
    }

    fn leave_out_logs(&mut self) {
        let logs = self.best.script.lines.iter().filter_map(|line| match line {
            Line::Log { log, .. } => Some(*log),
            _ => None,
        });
        for log in logs.collect::<Vec<_>>() {
            let is_of = |line: &Line| line.fields().contains(&("log", log));
            let lines = self.best.script.lines.iter().filter(|line| !is_of(line)).cloned().collect();
            self.take(lines);
        }
    }

    fn leave_out_pieces(&mut self) {
        let mut size = self.best.script.lines.len().div_ceil(2);
        loop {
            let mut at = 0;
            while at < self.best.script.lines.len() {
                let mut lines = self.best.script.lines.clone();
                lines.drain(at..(at + size).min(lines.len()));
                if !self.take(lines) {
                    at += size;
                }
            }
            if size == 1 {
                return;
            }
            size = size.div_ceil(2);
        }
    }

    fn lower_numbers(&mut self) {
        for at in 0..self.best.script.lines.len() {
            let fields = self.best.script.lines[at].fields();
            for (number, (name, value)) in fields.into_iter().enumerate() {
                if matches!(name, "log" | "seed" | "how" | "dir" | "without") {
                    continue;
                }
                for lower in [0, 1, value / 2, value.saturating_sub(1)] {
                    if lower >= value {
                        continue;
                    }
                    let mut lines = self.best.script.lines.clone();
                    *lines[at].fields_mut()[number].1 = lower;
                    if self.take(lines) {
                        break;
                    }
                }
            }
        }
    }
}
