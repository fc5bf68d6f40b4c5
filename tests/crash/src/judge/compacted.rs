//! The rules about the compacted topic: of each key the last value stays, and nothing comes back.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use protocol::ErrorCode;

use super::{END_LONGEST, Kind, Verdict};
use crate::clients::keeper::{Held, read_kept};
use crate::clients::reader::{EARLIEST, LATEST, offset_of};
use crate::history::{History, Kept, Topic};
use crate::wire::{Lost, Wire};

/// Reads the topic and judges it; from then on what was found must stay.
///
/// # Errors
/// The connection is gone.
pub(super) fn judge(
    history: &mut History,
    topic: &Topic,
    wire: &mut Wire,
    verdict: &mut Verdict,
) -> Result<(), Lost> {
    let Some((end, found)) = read(topic, history.keys_end, wire, verdict)? else { return Ok(()) };
    verdict.records += found.len() as u64;
    verdict.kept += found.len() as u64;
    if end < history.keys_end {
        verdict
            .add(Kind::Lost, format!("{}: it ends at {end}, its end was {}", topic.name, history.keys_end));
    }
    history.keys_end = history.keys_end.max(end);
    let mut last: BTreeMap<u32, Kept> = BTreeMap::new();
    let mut newest: BTreeMap<u32, u32> = BTreeMap::new();
    for (offset, kept) in &found {
        if let Some(version) = kept.version {
            let before = newest.insert(kept.key, version);
            if before.is_some_and(|before| before >= version) {
                verdict.add(
                    Kind::Duplicated,
                    format!("{}: {kept:?} at {offset} after version {before:?}", topic.name),
                );
            }
        }
        last.insert(kept.key, *kept);
    }
    for key in last.keys() {
        history.keys.entry(*key).or_default();
    }
    for (key, facts) in &mut history.keys {
        // A deletion may be gone together with all before it.
        let found = last.get(key).and_then(|kept| kept.version);
        let is_acked = facts.acked.unwrap_or(None) == found;
        if !is_acked && !facts.asked.contains(&found) {
            verdict.add(
                Kind::Lost,
                format!("{}: key {key} has {found:?}, known is {facts:?} (versions)", topic.name),
            );
        }
        // What is not committed yet may come into view later, in the order in which it was sent.
        if !is_acked && let Some(at) = facts.asked.iter().position(|asked| *asked == found) {
            facts.asked.drain(..=at);
        }
        facts.acked = Some(found);
    }
    Ok(())
}

type Content = (i64, Vec<(i64, Kept)>);

fn read(
    topic: &Topic,
    expected: i64,
    wire: &mut Wire,
    verdict: &mut Verdict,
) -> Result<Option<Content>, Lost> {
    let began = Instant::now();
    loop {
        match read_once(topic, expected, began, wire, verdict)? {
            Ok(content) => return Ok(content),
            Err(error) => {
                let is_final = error == ErrorCode::KAFKA_STORAGE_ERROR || !error.is_retriable();
                // A cleaning may swap a segment between two reads.
                if is_final || began.elapsed() > verdict.patience {
                    verdict.add(Kind::Offline, format!("{} is not served: {error}", topic.name));
                    return Ok(None);
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn read_once(
    topic: &Topic,
    expected: i64,
    began: Instant,
    wire: &mut Wire,
    verdict: &mut Verdict,
) -> Result<Result<Option<Content>, ErrorCode>, Lost> {
    let mut end;
    loop {
        end = match offset_of(wire, topic, 0, LATEST)? {
            Ok(end) => end,
            Err(error) => return Ok(Err(error)),
        };
        if end >= expected || began.elapsed() > verdict.patience.min(END_LONGEST) {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let mut position = match offset_of(wire, topic, 0, EARLIEST)? {
        Ok(start) => start,
        Err(error) => return Ok(Err(error)),
    };
    let mut found: Vec<(i64, Kept)> = Vec::new();
    while position < end {
        match read_kept(wire, topic, position)? {
            Held::Records(records, next) => {
                if next <= position && began.elapsed() > verdict.patience {
                    verdict.add(Kind::Lost, format!("{}: nothing at {position} of ..{end}", topic.name));
                    return Ok(Ok(None));
                }
                found.extend(records);
                position = next;
            }
            Held::Rotten(what, by_checksum) => {
                verdict.add(if by_checksum { Kind::Rotten } else { Kind::Invented }, what);
                return Ok(Ok(None));
            }
            Held::Refused(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(Some((end.max(position), found))))
}
