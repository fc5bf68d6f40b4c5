//! What must hold, by the ids of the list in docs/testing.md: a log against the model of what it was told.
//!
//! Owns the comparisons. It reads through the log's own view as clients do, and the files as `files` finds them; it
//! changes nothing but for the one question that only an append can ask.

mod compaction;
mod files;
mod found;

use std::collections::BTreeMap;

use storage::{AppendError, AppendOrigin, LogView, ReadError, StorageError, UnifiedLog};

use crate::course::Broken;
use crate::model::Model;
pub(crate) use files::check as files;
use found::{FoundBatch, read_all, read_slice};

/// Why a line was broken off.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// A rule does not hold.
    Broken(&'static str, String),
    /// The disk, or what it did to the log; whether that has a cause, the course knows.
    Error(StorageError),
}

impl From<StorageError> for Wrong {
    fn from(error: StorageError) -> Self {
        Self::Error(error)
    }
}

impl From<std::io::Error> for Wrong {
    fn from(error: std::io::Error) -> Self {
        Self::Error(error.into())
    }
}

impl From<ReadError> for Wrong {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Storage(error) => Self::Error(error),
            other => Self::Broken("X2 what is in the log can be read", other.to_string()),
        }
    }
}

fn broken<T>(rule: &'static str, what: String) -> Result<T, Wrong> {
    Err(Wrong::Broken(rule, what))
}

/// How much of a log has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// What was durable: the power was lost.
    Acked,
    /// All that was appended.
    Written,
}

/// The order of a log's offsets, and that none goes back: L3, D1.
pub(crate) fn bounds(model: &Model, view: &LogView) -> Result<(), Broken> {
    let (start, end, high) = (view.log_start_offset(), view.log_end_offset(), view.high_watermark());
    let (recovery, durable) = (view.recovery_point(), view.durable_end_offset());
    let told =
        || format!("{view:?}: high watermark {high}, recovery point {recovery}, durable end {durable}");
    if !(start <= view.last_stable_offset() && view.last_stable_offset() <= high && high <= end) {
        return Err(("L3 log start ≤ LSO ≤ high watermark ≤ log end", told()));
    }
    if !(recovery <= durable && durable <= end) {
        return Err(("L3 recovery point ≤ durable end ≤ log end", told()));
    }
    if durable < model.acked {
        return Err(("L3 the durable end never goes back", format!("{}, it was {}", told(), model.acked)));
    }
    if end != model.end() && start != end {
        return Err(("L6 the log ends where it was told", format!("{}, not {}", told(), model.end())));
    }
    if start > model.start_allowed || start < model.start_kept {
        let allowed = format!("{}..={}", model.start_kept, model.start_allowed);
        return Err(("D1 the log start moves only as asked", format!("{}, allowed {allowed}", told())));
    }
    Ok(())
}

/// A log that was opened, as a whole. Gives the count of records that were compared.
pub(crate) fn whole(model: &Model, log: &UnifiedLog, need: Need) -> Result<u64, Wrong> {
    let view = log.view();
    let (start, end) = (view.log_start_offset(), view.log_end_offset());
    let told = || format!("{view:?}, {} acknowledged, {} written", model.acked, model.written);
    let least = if need == Need::Acked { model.acked } else { model.written };
    if end < least {
        return broken("L6 what is acknowledged is there", format!("{} wanted of {}", least, told()));
    }
    if view.durable_end_offset() > end || view.recovery_point() > view.durable_end_offset() {
        return broken("L3 recovery point ≤ durable end ≤ log end", told());
    }
    // Of a log of which nothing was durable, a loss of power may leave any part, as far as it is whole.
    let nothing_was_promised = need == Need::Acked && model.acked <= model.start_allowed;
    if start > model.start_allowed && !nothing_was_promised {
        return broken(
            "D1 the log start moves only as asked",
            format!("{} of {}", told(), model.start_allowed),
        );
    }
    let all_may_be_lost = need == Need::Acked && model.acked == 0;
    if start < model.start_kept && !all_may_be_lost {
        return broken(
            "D1 the log start never goes back",
            format!("{}, it was {}", told(), model.start_kept),
        );
    }
    if end > model.end().max(model.start_allowed) {
        return broken("L6 nothing is made up", format!("{} of {}", told(), model.end()));
    }
    let is_boundary =
        end == start || end == model.floor || model.batches.iter().any(|told| told.end() == end);
    if !is_boundary {
        return broken("L6 a log ends with a whole batch", told());
    }
    let found = read_all(&view, start, end)?;
    compaction::records(model, &found, start, end)?;
    batches(model, &found, start)?;
    epochs_of(model, &view, &found)?;
    producers(model, log, start, end)?;
    times(&view, &found, start)?;
    lookups(&view, &found, end)?;
    Ok(found.iter().map(|batch| batch.records.len() as u64).sum())
}

/// The records of a log, as far as it goes.
pub(crate) fn content(model: &Model, view: &LogView) -> Result<u64, Wrong> {
    let (start, end) = (view.log_start_offset(), view.log_end_offset());
    let found = read_all(view, start, end)?;
    compaction::records(model, &found, start, end)?;
    batches(model, &found, start)?;
    Ok(found.iter().map(|batch| batch.records.len() as u64).sum())
}

/// Batches lie one after another, and are, where nothing was compacted, byte for byte what was sent: L1, L6.
fn batches(model: &Model, found: &[FoundBatch], start: i64) -> Result<(), Wrong> {
    for pair in found.windows(2) {
        if pair[1].base < pair[0].end {
            return broken("L1 batches never overlap", format!("{} after {}", pair[1].base, pair[0].end));
        }
    }
    let by_base: BTreeMap<i64, &crate::model::Told> =
        model.batches.iter().map(|told| (told.base, told)).collect();
    for batch in found {
        let Some(told) = by_base.get(&batch.base) else {
            return broken("L6 nothing is made up", format!("a batch at {}", batch.base));
        };
        if batch.leader_epoch != told.leader_epoch || batch.end != told.end() {
            let what = format!("the batch at {}: epoch {}, to {}", batch.base, batch.leader_epoch, batch.end);
            return broken("L2 batches keep their epoch and end", what);
        }
        let is_cleaned = batch.base < model.cleaned_to();
        let is_as_sent = batch.bytes.get(AFTER_EPOCH..) == told.bytes.get(AFTER_EPOCH..);
        if !is_cleaned && !is_as_sent && batch.end > start {
            return broken("L8 what is read is what was sent", format!("the batch at {}", batch.base));
        }
    }
    Ok(())
}

/// Where in a batch lies what the broker does not write: all but base offset, length and leader epoch.
const AFTER_EPOCH: usize = 16;

/// One fetch: whole batches from the offset on, as they were sent.
pub(crate) fn fetch(model: &Model, view: &LogView, offset: i64, bytes: usize) -> Result<u64, Wrong> {
    let high = view.high_watermark();
    let Some(found) = read_slice(view, offset, bytes, high)? else {
        let mut whole = model.between(offset.max(model.cleaned_to()), high).filter(|told| told.end() <= high);
        let is_there = whole.next().is_some();
        return if is_there {
            broken("X2 what is in the log can be read", format!("at {offset}"))
        } else {
            Ok(0)
        };
    };
    if found.first().is_none_or(|batch| batch.end <= offset) {
        return broken("L4 a fetch begins where it is asked to", format!("at {offset}"));
    }
    let skipped = model.records(offset.max(model.cleaned_to()), found[0].base).next();
    if let Some((skipped, _)) = skipped {
        return broken(
            "L4 a fetch begins where it is asked to",
            format!("{skipped} is left out at {offset}"),
        );
    }
    if let Some(batch) = found.iter().find(|batch| batch.end > high) {
        return broken("L3 nothing beyond the high watermark is read", format!("{} of {high}", batch.end));
    }
    batches(model, &found, offset)?;
    Ok(found.iter().map(|batch| batch.records.len() as u64).sum())
}

/// One ListOffsets: L9.
pub(crate) fn time(model: &Model, view: &LogView, timestamp: i64) -> Result<(), Wrong> {
    let (start, end) = (view.log_start_offset(), view.log_end_offset());
    if model.cleaned_to() > start {
        let found = read_all(view, start, end)?;
        return time_in(view, &found, start, timestamp);
    }
    let expected = model.records(start, end).find(|(_, record)| record.timestamp >= timestamp);
    let expected = expected.map(|(offset, record)| (record.timestamp, offset));
    same_time(view, timestamp, expected)
}

fn same_time(view: &LogView, timestamp: i64, expected: Option<(i64, i64)>) -> Result<(), Wrong> {
    let found = view.offset_for_timestamp(timestamp)?.map(|found| (found.timestamp, found.offset));
    match found == expected {
        true => Ok(()),
        false => broken(
            "L9 ListOffsets finds the first",
            format!("{view:?} at {timestamp}: {found:?}, not {expected:?}"),
        ),
    }
}

fn time_in(view: &LogView, found: &[FoundBatch], start: i64, timestamp: i64) -> Result<(), Wrong> {
    let mut records = found.iter().flat_map(|batch| &batch.records).filter(|(offset, _)| *offset >= start);
    let expected = records.find(|(_, record)| record.timestamp >= timestamp);
    same_time(view, timestamp, expected.map(|(offset, record)| (record.timestamp, *offset)))
}

/// Lookups asked of each log that is opened.
const LOOKUPS: usize = 6;

/// ListOffsets at some of the timestamps that are there, and beyond them.
fn times(view: &LogView, found: &[FoundBatch], start: i64) -> Result<(), Wrong> {
    for batch in some_of(found) {
        let Some((_, record)) = batch.records.first() else { continue };
        time_in(view, found, start, record.timestamp)?;
        time_in(view, found, start, record.timestamp + 1)?;
    }
    Ok(())
}

fn some_of(found: &[FoundBatch]) -> impl Iterator<Item = &FoundBatch> {
    found.iter().step_by(found.len() / LOOKUPS + 1)
}

/// A fetch at any offset gives what a scan finds there: L4.
fn lookups(view: &LogView, found: &[FoundBatch], end: i64) -> Result<(), Wrong> {
    let start = view.log_start_offset();
    for batch in some_of(found) {
        let offset = (batch.end - 1).max(start);
        let slice = read_slice(view, offset, 1, end)?;
        let base = slice.as_ref().and_then(|found| found.first()).map(|batch| batch.base);
        if base != Some(batch.base) {
            let what = format!("{view:?}, {offset}: {base:?}, not {}", batch.base);
            return broken("L4 a lookup equals a scan", what);
        }
    }
    Ok(())
}

/// The epochs of a log that was not compacted away: L2.
pub(crate) fn epochs(model: &Model, view: &LogView) -> Result<(), Wrong> {
    let found = read_all(view, view.log_start_offset(), view.log_end_offset())?;
    epochs_of(model, view, &found)
}

fn epochs_of(model: &Model, view: &LogView, found: &[FoundBatch]) -> Result<(), Wrong> {
    if model.epochs_are_unsure {
        return Ok(());
    }
    let (start, end) = (view.log_start_offset(), view.log_end_offset());
    for batch in found {
        let (at, epoch) = (batch.base.max(start), batch.leader_epoch);
        let known = view.epoch_of_offset(at);
        if known != Some(epoch) {
            return broken(
                "L2 the epoch cache is what a scan yields",
                format!("{view:?}, {at}: {known:?}, not {epoch}"),
            );
        }
    }
    // Epochs are told by what was appended: where the last batch of one was compacted away, it still ends there.
    let mut told: BTreeMap<i32, i64> = BTreeMap::new();
    for batch in model.batches.iter().filter(|told| told.end() <= end && told.end() > start) {
        told.entry(batch.leader_epoch).or_insert(batch.base);
    }
    let latest = view.latest_epoch().map(|entry| entry.epoch);
    if let Some((last, _)) = told.last_key_value()
        && latest.is_none_or(|latest| latest < *last || latest > model.leader_epoch)
    {
        return broken(
            "L2 the epoch cache is what a scan yields",
            format!("{view:?}: latest {latest:?}, not {last}"),
        );
    }
    for (epoch, next) in told.keys().zip(told.values().skip(1)) {
        let known = view.end_offset_for_epoch(*epoch);
        let is_cleaned = *next < model.cleaned_to();
        if known != (*epoch, *next) && !is_cleaned {
            let what = format!("{view:?}: epoch {epoch} ends at {known:?}, not at {next}");
            return broken("L2 the epoch cache is what a scan yields", what);
        }
    }
    Ok(())
}

/// The producers a log knows are those whose batches are in it: L5.
fn producers(model: &Model, log: &UnifiedLog, start: i64, end: i64) -> Result<(), Wrong> {
    let known: BTreeMap<i64, (i16, i32)> = log
        .active_producers()
        .into_iter()
        .map(|producer| (producer.producer_id, (producer.producer_epoch, producer.last_sequence)))
        .collect();
    let last = model.last_batches(end);
    for (id, told) in &last {
        let sequence = told.sequence.expect("batches of producers were asked for");
        let expected = (sequence.epoch, sequence.last);
        let found = known.get(id);
        let must_be_known = told.base >= start;
        if found.is_none() && !must_be_known {
            continue;
        }
        if found != Some(&expected) {
            let what = format!("{:?}, producer {id}: {found:?}, not {expected:?}", log.view());
            return broken("L5 producers are known by what the log holds", what);
        }
    }
    let stranger = known.keys().find(|id| !last.contains_key(id) && !model.ghosts.contains(id));
    match stranger.filter(|_| start < end) {
        Some(id) => {
            broken("L5 producers are known by what the log holds", format!("{:?}: stranger {id}", log.view()))
        }
        None => Ok(()),
    }
}

/// A producer that did not hear of its last batch sends it again after the start: P3, P5.
pub(crate) fn last_batches_are_known(model: &Model, log: &mut UnifiedLog) -> Result<(), Wrong> {
    const NOW_MS: i64 = 1_767_225_700_000;
    let view = log.view();
    for (id, told) in model.last_batches(view.log_end_offset()) {
        if told.base < view.log_start_offset() {
            continue;
        }
        match log.append_as_leader(&told.bytes, told.leader_epoch, AppendOrigin::Client, NOW_MS) {
            Ok(info) if info.duplicate && info.first_offset == told.base => {}
            Err(AppendError::Storage(error)) => return Err(error.into()),
            other => {
                let what = format!("{view:?}, producer {id}, {}: {other:?}", told.base);
                return broken("P5 a start answers a duplicate as before", what);
            }
        }
    }
    Ok(())
}
