//! Owns the rules about what readers saw: offsets one after another, and at each place the same value for everybody,
//! which is the value at the end.

use std::collections::BTreeMap;

use super::{Judge, Promise};
use crate::history::Event;
use crate::value::Value;

impl Judge<'_> {
    pub(super) fn reads(&mut self) {
        self.readers_move_in_steps_of_one();
        self.everybody_reads_the_same();
        self.positions_stay_inside();
    }

    fn readers_move_in_steps_of_one(&mut self) {
        let mut next: BTreeMap<(&str, i32), i64> = BTreeMap::new();
        let mut wrong = Vec::new();
        for entry in self.entries {
            match &entry.event {
                Event::Seek { reader, partition, offset } => _ = next.insert((reader, *partition), *offset),
                Event::Read { reader, partition, offset, .. } => {
                    let expected = next.insert((reader, *partition), offset + 1);
                    if expected != Some(*offset) {
                        wrong.push(format!("{reader} got {partition}/{offset} instead of {expected:?}"));
                    }
                }
                _ => {}
            }
        }
        wrong.into_iter().for_each(|what| self.violation("readers move in steps of one", what));
    }

    /// Acknowledgements count as reads: they, too, say what is at a place.
    fn everybody_reads_the_same(&mut self) {
        // By place: what was seen there in each era.
        let mut seen: BTreeMap<(i32, i64), BTreeMap<u32, Value>> = BTreeMap::new();
        for entry in self.entries {
            let (partition, offset, value) = match &entry.event {
                Event::Read { reader, partition, offset, value: None } => {
                    let what = format!("{reader} got damaged bytes at {partition}/{offset}");
                    self.violation("everybody reads the same", what);
                    continue;
                }
                Event::Read { partition, offset, value: Some(value), .. } => (*partition, *offset, *value),
                Event::Acked { partition, value, offset: Some(offset) } => (*partition, *offset, *value),
                _ => continue,
            };
            // What happened around a loss of power may belong to either side.
            if self.promise == Promise::PageCache && entry.began.era != entry.ended.era {
                continue;
            }
            let era = if self.promise == Promise::Durable { 0 } else { entry.ended.era };
            let before = seen.entry((partition, offset)).or_default().insert(era, value);
            if let Some(before) = before.filter(|before| *before != value) {
                let what = format!("{partition}/{offset} was {before:?} and then {value:?}");
                self.violation("everybody reads the same", what);
            }
        }
        let last_era = if self.promise == Promise::Durable { 0 } else { self.facts.last_era };
        for ((partition, offset), eras) in seen {
            let at_the_end = self.facts.value_at(partition, offset);
            if let Some(value) = eras.get(&last_era).filter(|value| at_the_end != Some(**value)) {
                let what = format!("{partition}/{offset} was {value:?} and is {at_the_end:?} at the end");
                self.violation("everybody reads the same", what);
            }
        }
    }

    /// Nobody can read beyond what was once read, unless the power took it.
    fn positions_stay_inside(&mut self) {
        for entry in self.entries {
            if let Event::OutOfRange { reader, partition, offset } = &entry.event
                && (self.promise == Promise::Durable || entry.ended.era == 0)
            {
                let what = format!("{reader} at {partition}/{offset} is told to be outside of the log");
                self.violation("positions stay inside", what);
            }
        }
    }
}
