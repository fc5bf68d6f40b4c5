//! Owns the rules about the bounds of partitions: they never go back, and reach what was acknowledged.

use std::collections::BTreeMap;

use super::Judge;
use crate::history::{Event, Stamp};

impl Judge<'_> {
    pub(super) fn ends(&mut self) {
        self.bounds_never_go_back();
        self.ends_reach_what_is_acknowledged();
    }

    fn bounds_never_go_back(&mut self) {
        // By partition: every answer so far.
        let mut before: BTreeMap<i32, Vec<(Stamp, i64, i64)>> = BTreeMap::new();
        let mut wrong = Vec::new();
        for entry in self.entries {
            let Event::Bounds { partition, start, end } = entry.event else { continue };
            let before = before.entry(partition).or_default();
            for (then, then_start, then_end) in before.iter() {
                // Only an answer that was there before this one was asked for can bind it.
                let is_earlier = *then < entry.began && self.binds(*then, entry.ended.era);
                if is_earlier && (start < *then_start || end < *then_end) {
                    wrong.push(format!(
                        "partition {partition}: {start}..{end} after {then_start}..{then_end} was told"
                    ));
                }
            }
            before.push((entry.ended, start, end));
        }
        wrong.into_iter().for_each(|what| self.violation("bounds never go back", what));
    }

    fn ends_reach_what_is_acknowledged(&mut self) {
        // By partition: when which offset was known to be written, ever growing.
        let mut acked: BTreeMap<i32, Vec<(Stamp, i64)>> = BTreeMap::new();
        let mut wrong = Vec::new();
        for entry in self.entries {
            match entry.event {
                Event::Acked { partition, offset: Some(offset), .. } => {
                    // The era of an acknowledgement around a loss of power is the older one: it binds less.
                    let at = Stamp { era: entry.began.era, ..entry.ended };
                    acked.entry(partition).or_default().push((at, offset));
                }
                Event::Bounds { partition, end, .. } => {
                    let acked = acked.get(&partition).into_iter().flatten();
                    let told = acked
                        .filter(|(at, _)| at.at_us < entry.began.at_us && self.binds(*at, entry.ended.era));
                    let highest = told.map(|(_, offset)| *offset).max();
                    if let Some(offset) = highest.filter(|offset| *offset >= end) {
                        wrong.push(format!(
                            "{partition}/{offset} was acknowledged before the end {end} was told"
                        ));
                    }
                }
                _ => {}
            }
        }
        wrong.into_iter().for_each(|what| self.violation("ends reach what is acknowledged", what));
    }
}
