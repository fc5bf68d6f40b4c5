//! Which records of a log must be there, which may, and which may not: L6 where nothing was compacted, C1 to C4 where
//! something was.
//!
//! Owns the rules by key. How far a cleaning may have come, the model knows from the outside.

use std::collections::BTreeMap;

use super::found::FoundBatch;
use super::{Wrong, broken};
use crate::course::DELETE_RETENTION_MS;
use crate::model::{Model, Record};

pub(super) fn records(model: &Model, found: &[FoundBatch], start: i64, end: i64) -> Result<(), Wrong> {
    let found: BTreeMap<i64, &Record> = found
        .iter()
        .flat_map(|batch| &batch.records)
        .filter(|(offset, _)| *offset >= start)
        .map(|(offset, record)| (*offset, record))
        .collect();
    let told: BTreeMap<i64, &Record> = model.records(start, end).collect();
    for (offset, record) in &found {
        if told.get(offset) != Some(record) {
            let what =
                format!("{offset}: {} instead of {}", text(Some(record)), text(told.get(offset).copied()));
            return broken("L6 nothing is made up", what);
        }
    }
    let cleaned_to = model.cleaned_to().min(end);
    if let Some((offset, _)) =
        told.range(cleaned_to.max(start)..).find(|(offset, _)| !found.contains_key(offset))
    {
        let rule = if model.cleanings.is_empty() {
            "L6 what is acknowledged is there"
        } else {
            "C4 what may change is not cleaned"
        };
        return broken(rule, format!("{offset} is missing in {start}..{end}, cleaned to {cleaned_to}"));
    }
    keys(model, &found, &told, cleaned_to)
}

/// Of every key the last record is there, or it was a tombstone whose time was over and nothing older is left.
fn keys(
    model: &Model,
    found: &BTreeMap<i64, &Record>,
    told: &BTreeMap<i64, &Record>,
    cleaned_to: i64,
) -> Result<(), Wrong> {
    let mut last: BTreeMap<&[u8], i64> = BTreeMap::new();
    for (offset, record) in told {
        last.insert(&record.key, *offset);
    }
    for (key, offset) in last.into_iter().filter(|(_, offset)| *offset < cleaned_to) {
        if found.contains_key(&offset) {
            continue;
        }
        let name = String::from_utf8_lossy(key);
        if told[&offset].value.is_some() {
            return broken("C1 the last value of a key survives", format!("{name} at {offset}"));
        }
        if let Some((older, _)) = found.iter().find(|(_, record)| record.key == key) {
            let what = format!("{name}, removed at {offset}, is there at {older}");
            return broken("C2 a removed key does not come back", what);
        }
        let mut met = model.cleanings.iter().filter(|cleaning| cleaning.bound > offset);
        let first_ms = met.next().map_or(i64::MAX, |first| first.now_ms);
        let is_over = met.any(|later| later.now_ms >= first_ms.saturating_add(DELETE_RETENTION_MS));
        if !is_over {
            return broken("C2 a tombstone stays for its time", format!("{name} at {offset}"));
        }
    }
    Ok(())
}

fn text(record: Option<&Record>) -> String {
    match record {
        None => "nothing".to_owned(),
        Some(record) => {
            let value = record.value.as_ref();
            let number = value.and_then(|value| Some(u64::from_be_bytes(*value.first_chunk()?)));
            let bytes = value.map_or(0, Vec::len);
            format!("{}={number:?} ({bytes} bytes)", String::from_utf8_lossy(&record.key))
        }
    }
}
