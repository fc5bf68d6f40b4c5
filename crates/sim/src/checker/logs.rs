//! Owns the rules about what is in the log at the end: every acknowledged value at its offset, each value once, in
//! its producer's order, and nothing that nobody wrote.

use std::collections::{BTreeMap, BTreeSet};

use super::{Judge, Promise};
use crate::history::Event;
use crate::value::Value;

impl Judge<'_> {
    pub(super) fn logs(&mut self) {
        self.nothing_is_made_up();
        self.offsets_are_gapless();
        self.nothing_is_there_twice();
        self.producers_keep_their_order();
        self.what_is_acknowledged_is_there();
        self.what_is_lost_is_a_tail();
        self.what_is_refused_is_not_there();
    }

    fn nothing_is_made_up(&mut self) {
        for entry in self.entries {
            let Event::Final { partition, records } = &entry.event else { continue };
            for (offset, value) in records {
                let what = match value {
                    None => format!("partition {partition}, offset {offset}: damaged bytes"),
                    Some(value) if self.facts.sent.get(value) != Some(partition) => {
                        format!("partition {partition}, offset {offset}: {value:?} was not sent there")
                    }
                    Some(_) => continue,
                };
                self.violation("nothing is made up", what);
            }
        }
    }

    fn offsets_are_gapless(&mut self) {
        for entry in self.entries {
            let Event::Final { partition, records } = &entry.event else { continue };
            for pair in records.windows(2) {
                if pair[1].0 != pair[0].0 + 1 {
                    let what = format!("partition {partition}: {} follows {}", pair[1].0, pair[0].0);
                    self.violation("offsets are gapless", what);
                }
            }
        }
    }

    fn nothing_is_there_twice(&mut self) {
        let mut seen: BTreeMap<Value, (i32, i64)> = BTreeMap::new();
        let mut twice = Vec::new();
        for (partition, records) in &self.facts.last {
            for (offset, value) in records {
                if let Some((other, at)) = seen.insert(*value, (*partition, *offset)) {
                    twice.push(format!("{value:?} at {other}/{at} and {partition}/{offset}"));
                }
            }
        }
        twice.into_iter().for_each(|what| self.violation("nothing is there twice", what));
    }

    /// Order is promised within one identity of a producer: under a new producer id, requests of the old one may
    /// still be on their way.
    fn producers_keep_their_order(&mut self) {
        let mut wrong = Vec::new();
        for (partition, records) in &self.facts.last {
            let mut newest: BTreeMap<(u16, u16), u32> = BTreeMap::new();
            for (offset, value) in records {
                let before = newest.insert((value.producer, value.identity), value.number);
                if let Some(before) = before.filter(|before| *before > value.number) {
                    wrong.push(format!(
                        "partition {partition}, offset {offset}: {value:?} after number {before}"
                    ));
                }
            }
        }
        wrong.into_iter().for_each(|what| self.violation("producers keep their order", what));
    }

    fn what_is_acknowledged_is_there(&mut self) {
        let there: BTreeSet<Value> = self.facts.last.values().flat_map(|r| r.values().copied()).collect();
        for entry in self.entries {
            let Event::Acked { partition, value, offset } = &entry.event else { continue };
            // A loss of power between the request and the end excuses the loss of the newest records.
            if !self.binds(entry.began, self.facts.last_era) {
                continue;
            }
            let found = offset.and_then(|offset| self.facts.value_at(*partition, offset));
            let what = match offset {
                Some(offset) if found != Some(*value) => {
                    format!("{value:?} acknowledged at {partition}/{offset}, where there is {found:?}")
                }
                None if !there.contains(value) => {
                    format!("{value:?} acknowledged, but nowhere in {partition}")
                }
                _ => continue,
            };
            self.violation("what is acknowledged is there", what);
        }
    }

    /// In the page cache, power takes from some offset on: whatever survived, everything acknowledged before it did.
    fn what_is_lost_is_a_tail(&mut self) {
        if self.promise != Promise::PageCache {
            return;
        }
        // By partition: the acknowledged (offset, era, value) of all eras but the last.
        let mut acked: BTreeMap<i32, Vec<(i64, u32, Value)>> = BTreeMap::new();
        for entry in self.entries {
            if let Event::Acked { partition, value, offset: Some(offset) } = entry.event
                && entry.began.era == entry.ended.era
                && entry.ended.era < self.facts.last_era
            {
                acked.entry(partition).or_default().push((offset, entry.ended.era, value));
            }
        }
        for (partition, acked) in acked {
            let survives = |(offset, _, value): &&(i64, u32, Value)| {
                self.facts.value_at(partition, *offset) == Some(*value)
            };
            // The highest surviving offset of each era; what a later era survived says nothing of an earlier one,
            // whose tail it may have overwritten.
            let mut highest: BTreeMap<u32, i64> = BTreeMap::new();
            for (offset, era, _) in acked.iter().filter(survives) {
                let highest = highest.entry(*era).or_insert(*offset);
                *highest = (*highest).max(*offset);
            }
            let lost = acked.iter().filter(|acked| !survives(acked));
            let holes: Vec<_> = lost
                .filter(|(offset, era, _)| highest.get(era).is_some_and(|highest| offset < highest))
                .map(|(offset, era, value)| {
                    let after = highest[era];
                    format!("{value:?} at {partition}/{offset} is lost, {partition}/{after} is not")
                })
                .collect();
            holes.into_iter().for_each(|what| self.violation("what is lost is a tail", what));
        }
    }

    fn what_is_refused_is_not_there(&mut self) {
        let there: BTreeSet<Value> = self.facts.last.values().flat_map(|r| r.values().copied()).collect();
        for entry in self.entries {
            if let Event::Refused { partition, value, error } = &entry.event
                && there.contains(value)
            {
                let what = format!("{value:?} was refused with {error} and is in {partition}");
                self.violation("what is refused is not there", what);
            }
        }
    }
}
