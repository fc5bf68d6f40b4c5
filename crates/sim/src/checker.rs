//! Owns the judgement over a history: what was acknowledged must be there, once, in order, and what was seen must fit.
//! It is a pure function of the history and the promise, whoever made the history.

mod ends;
mod groups;
mod logs;
mod reads;

use std::collections::BTreeMap;
use std::fmt;

use crate::history::{Entry, Event, Stamp};
use crate::value::Value;

/// What a node promises about a loss of power. Nothing less may ever lose an acknowledged record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Nothing acknowledged or read is lost: it was flushed before.
    Durable,
    /// The newest records of a partition may be lost, from some offset on, acknowledged or not.
    PageCache,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The rule that is broken.
    pub rule: &'static str,
    /// How.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

/// Judges a history. An empty answer means that nothing wrong was seen.
pub fn check(entries: &[Entry], promise: Promise) -> Vec<Violation> {
    let mut judge = Judge { facts: Facts::gather(entries), entries, promise, found: Vec::new() };
    judge.logs();
    judge.reads();
    judge.ends();
    judge.groups();
    judge.found
}

/// Violations of one rule that are told; more of the same say nothing new.
const MAX_PER_RULE: usize = 5;

struct Judge<'a> {
    entries: &'a [Entry],
    facts: Facts,
    promise: Promise,
    found: Vec<Violation>,
}

/// A history's facts, sorted by what they are about.
#[derive(Default)]
struct Facts {
    /// The records at the end, by partition and offset.
    last: BTreeMap<i32, BTreeMap<i64, Value>>,
    /// Values that were sent, with their partition.
    sent: BTreeMap<Value, i32>,
    /// The era at the end.
    last_era: u32,
}

impl Facts {
    fn gather(entries: &[Entry]) -> Self {
        let mut facts = Self::default();
        for entry in entries {
            facts.last_era = facts.last_era.max(entry.ended.era);
            match &entry.event {
                Event::Sent { partition, value } => _ = facts.sent.insert(*value, *partition),
                Event::Final { partition, records } => {
                    let records = records.iter().filter_map(|(offset, value)| Some((*offset, (*value)?)));
                    facts.last.insert(*partition, records.collect());
                }
                _ => {}
            }
        }
        facts
    }

    /// The value at a place of the log at the end.
    fn value_at(&self, partition: i32, offset: i64) -> Option<Value> {
        self.last.get(&partition)?.get(&offset).copied()
    }
}

impl Judge<'_> {
    fn violation(&mut self, rule: &'static str, what: String) {
        if self.found.iter().filter(|v| v.rule == rule).count() < MAX_PER_RULE {
            self.found.push(Violation { rule, what });
        }
    }

    /// Whether what was so at `then` must still be so at `now`.
    fn binds(&self, then: Stamp, now_era: u32) -> bool {
        self.promise == Promise::Durable || then.era == now_era
    }
}

#[cfg(test)]
mod tests;
