//! The judge: compares what a started node tells with what its clients know.
//!
//! Owns the rules. After a judgement the history holds what was found, which from then on must stay.

mod compacted;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use protocol::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::{ErrorCode, MetadataRequest, MetadataResponse, OffsetFetchRequest, OffsetFetchResponse, Uuid};

use crate::clients::member::heartbeat;
use crate::clients::reader::{EARLIEST, Fetched, LATEST, fetch, offset_of};
use crate::history::{History, Life, PartitionFacts, Topic, TopicKind};
use crate::value::{Place, Value};
use crate::wire::{Lost, Wire};

/// Longest time after its start in which a sound node may refuse to answer.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Longest wait for the end of a partition to come into view.
const END_LONGEST: Duration = Duration::from_secs(3);

/// Bytes asked for at once.
const FETCH_BYTES: i32 = 4 << 20;

/// Violations of one kind that are told of one place.
const TOLD_MAX: usize = 3;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something acknowledged or seen is gone, and nobody was told.
    Lost,
    /// Something is there more often than it was sent.
    Duplicated,
    /// Something is served that nobody wrote, or in a wrong place or order.
    Invented,
    /// Bytes are served whose checksum does not fit: whoever reads them finds out.
    Rotten,
    /// A partition is not served; the node says so.
    Offline,
    /// Anything else.
    Other,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Of what kind.
    pub kind: Kind,
    /// What.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

/// What a judgement came to.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Records that were read.
    pub records: u64,
    /// Records that compaction left of those it may take.
    pub kept: u64,
    /// How long the node may refuse to answer.
    patience: Duration,
    /// What is wrong.
    pub violations: Vec<Violation>,
}

impl Verdict {
    fn add(&mut self, kind: Kind, what: String) {
        if self.violations.iter().filter(|v| v.kind == kind).count() < TOLD_MAX * 4 {
            self.violations.push(Violation { kind, what });
        }
    }
}

/// Reads everything and judges it.
///
/// # Errors
/// The connection is gone before all is read.
pub fn judge(history: &mut History, address: SocketAddr, patience: Duration) -> Result<Verdict, Lost> {
    let mut wire = Wire::connect(address)?;
    let mut verdict = Verdict { patience, ..Verdict::default() };
    for what in std::mem::take(&mut history.wrong) {
        verdict.add(Kind::Other, what);
    }
    let topics = topics(history, &mut wire, &mut verdict)?;
    for topic in topics {
        if topic.kind == TopicKind::Compacted {
            compacted::judge(history, &topic, &mut wire, &mut verdict)?;
            continue;
        }
        for partition in 0..topic.partitions {
            let place = Place { topic: topic.number, partition };
            let expected = history.partitions.get(&place).map_or(0, PartitionFacts::end_expected);
            if let Some((start, end, found)) = read(&topic, place, expected, &mut wire, &mut verdict)? {
                verdict.records += found.len() as u64;
                compare(history, &topic, place, start, end, &found, &mut verdict);
                let facts = history.partitions.entry(place).or_default();
                (facts.known, facts.end) = (found.into_iter().collect(), end);
            }
        }
    }
    groups(history, &mut wire, &mut verdict)?;
    member(history, &mut wire, &mut verdict)?;
    Ok(verdict)
}

/// Judges the list of topics, and gives those that exist.
fn topics(history: &mut History, wire: &mut Wire, verdict: &mut Verdict) -> Result<Vec<Topic>, Lost> {
    let told = told_topics(wire, verdict)?;
    let known_ids: BTreeSet<Uuid> = history.topics.values().map(|(topic, _)| topic.id).collect();
    let mut existing = Vec::new();
    for (topic, life) in history.topics.values_mut() {
        let found = match life {
            Life::MayExist => {
                told.iter().find(|(id, (name, _))| *name == topic.name && !known_ids.contains(*id))
            }
            _ => told.get_key_value(&topic.id),
        };
        match (*life, found) {
            (Life::Gone, Some(_)) => {
                verdict.add(Kind::Lost, format!("topic {} is deleted, and there", topic.name))
            }
            (Life::Exists, None) => verdict.add(Kind::Lost, format!("topic {} exists no more", topic.name)),
            (Life::MayExist | Life::MayBeGone, None) => *life = Life::Gone,
            (Life::Gone, None) => {}
            (_, Some((id, (name, partitions)))) => {
                if *life == Life::MayExist {
                    (topic.id, *life) = (*id, Life::Exists);
                }
                if (name, *partitions) != (&topic.name, topic.partitions) {
                    verdict.add(
                        Kind::Other,
                        format!("{topic:?} is told as {name} with {partitions} partitions"),
                    );
                }
                existing.push(topic.clone());
            }
        }
    }
    let ids: BTreeSet<Uuid> = history.topics.values().map(|(topic, _)| topic.id).collect();
    for (id, (name, _)) in told.iter().filter(|(id, (name, _))| !ids.contains(id) && !name.starts_with("__"))
    {
        verdict.add(Kind::Invented, format!("topic {name} ({id}) was asked for by nobody"));
    }
    Ok(existing)
}

/// Id, name and number of partitions of all topics.
fn told_topics(wire: &mut Wire, verdict: &mut Verdict) -> Result<BTreeMap<Uuid, (String, i32)>, Lost> {
    let began = Instant::now();
    loop {
        let answer: MetadataResponse<'_> =
            wire.call(&MetadataRequest { topics: None, ..Default::default() })?;
        let is_led = answer.topics.iter().flat_map(|topic| &topic.partitions).all(|p| p.leader_id >= 0);
        if is_led || began.elapsed() > verdict.patience {
            if !is_led {
                let unled = answer.topics.iter().filter(|t| t.partitions.iter().any(|p| p.leader_id < 0));
                let names: Vec<_> = unled.filter_map(|topic| topic.name.as_deref()).collect();
                verdict.add(Kind::Offline, format!("no leader for all of {names:?}"));
            }
            let told = answer.topics.iter().map(|topic| {
                let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
                (topic.topic_id, (topic.name.as_deref().unwrap_or_default().to_owned(), partitions))
            });
            return Ok(told.collect());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

type Content = (i64, i64, Vec<(i64, Value)>);

/// Reads a partition from its start to its end. What was unproven at the start comes into view a little later: the end that
/// is expected is waited for.
fn read(
    topic: &Topic,
    place: Place,
    expected: i64,
    wire: &mut Wire,
    verdict: &mut Verdict,
) -> Result<Option<Content>, Lost> {
    let began = Instant::now();
    let mut content = None;
    loop {
        let refused = match content.take() {
            None => match (
                offset_of(wire, topic, place.partition, EARLIEST)?,
                offset_of(wire, topic, place.partition, LATEST)?,
            ) {
                (Ok(_), Ok(end)) if end < expected && began.elapsed() < verdict.patience.min(END_LONGEST) => {
                    thread::sleep(Duration::from_millis(20));
                    continue;
                }
                (Ok(start), Ok(end)) => {
                    content = Some((start, end, start, Vec::new()));
                    continue;
                }
                (Err(error), _) | (_, Err(error)) => error,
            },
            // What was unproven at the start may have become visible while it was read.
            Some((start, end, position, found)) if position >= end => {
                let end = found.last().map_or(end, |(offset, _): &(i64, Value)| end.max(offset + 1));
                return Ok(Some((start, end, found)));
            }
            Some((start, end, position, mut found)) => {
                match fetch(wire, topic, place.partition, position, FETCH_BYTES)? {
                    Fetched::Records(records, next) => {
                        found.extend(records);
                        content = Some((start, end, next, found));
                        if next > position || began.elapsed() < verdict.patience {
                            continue;
                        }
                        verdict.add(Kind::Lost, format!("{place}: nothing at {position} of {start}..{end}"));
                        return Ok(None);
                    }
                    Fetched::Rotten(what, by_checksum) => {
                        let kind = if by_checksum { Kind::Rotten } else { Kind::Invented };
                        verdict.add(kind, what);
                        return Ok(None);
                    }
                    Fetched::Refused(error) => error,
                }
            }
        };
        let is_final = refused == ErrorCode::KAFKA_STORAGE_ERROR || !refused.is_retriable();
        if is_final || began.elapsed() > verdict.patience {
            verdict.add(Kind::Offline, format!("{place} is not served: {refused}"));
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The rules about a partition's records.
fn compare(
    history: &History,
    topic: &Topic,
    place: Place,
    start: i64,
    end: i64,
    found: &[(i64, Value)],
    verdict: &mut Verdict,
) {
    let facts = history.partitions.get(&place).cloned().unwrap_or_default();
    let bounds = format!("{place} {start}..{end}");
    if start > facts.start_highest && topic.kind == TopicKind::Plain {
        verdict.add(Kind::Lost, format!("{bounds}: deleted was up to {}", facts.start_highest));
    }
    if end < facts.end {
        verdict.add(Kind::Lost, format!("{bounds}: its end was {}", facts.end));
    }
    let by_offset: BTreeMap<i64, Value> = found.iter().copied().collect();
    for (offset, value) in facts.known.range(start..) {
        match by_offset.get(offset) {
            Some(there) if there == value => {}
            there => {
                let acked = history.fates.get(value).is_some_and(|fate| !fate.acked.is_empty());
                let how = if acked { "acknowledged" } else { "seen" };
                verdict.add(
                    Kind::Lost,
                    format!("{bounds}: {value:?} was {how} at {offset}, where there is {there:?}"),
                );
            }
        }
    }
    let offsets = found.iter().map(|(offset, _)| *offset);
    if !offsets.eq(start..end) {
        let gap = (start..).zip(found).find(|(expected, (offset, _))| expected != offset);
        verdict.add(Kind::Lost, format!("{bounds}: offsets have a gap or come twice: {gap:?}"));
    }
    copies_and_order(history, &bounds, found, verdict);
}

fn copies_and_order(history: &History, bounds: &str, found: &[(i64, Value)], verdict: &mut Verdict) {
    let mut copies: BTreeMap<Value, u32> = BTreeMap::new();
    let mut newest: BTreeMap<u16, u32> = BTreeMap::new();
    for (offset, value) in found {
        let fate = history.fates.get(value).cloned().unwrap_or_default();
        let count = copies.entry(*value).or_insert(0);
        *count += 1;
        let is_idempotent = history.idempotent.contains(&value.producer);
        let most = if is_idempotent { fate.sent.min(1) } else { fate.sent };
        if *count > most {
            let kind = if most == 0 { Kind::Invented } else { Kind::Duplicated };
            verdict.add(
                kind,
                format!("{bounds}: {value:?} at {offset}, copy {count}, sent {} times", fate.sent),
            );
        }
        if fate.acked.windows(2).any(|pair| pair[0] != pair[1]) {
            verdict
                .add(Kind::Duplicated, format!("{bounds}: {value:?} was acknowledged at {:?}", fate.acked));
        }
        if is_idempotent {
            let before = newest.insert(value.producer, value.number);
            if before.is_some_and(|before| before > value.number) {
                verdict
                    .add(Kind::Invented, format!("{bounds}: {value:?} at {offset} after number {before:?}"));
            }
        }
    }
}

/// The rules about committed offsets.
fn groups(history: &mut History, wire: &mut Wire, verdict: &mut Verdict) -> Result<(), Lost> {
    let mut by_group: BTreeMap<String, Vec<Topic>> = BTreeMap::new();
    for (group, place) in history.commits.keys() {
        if let Some((topic, Life::Exists)) = history.topics.get(&place.topic) {
            let topics = by_group.entry(group.clone()).or_default();
            if topics.last().is_none_or(|last| last.number != topic.number) {
                topics.push(topic.clone());
            }
        }
    }
    for (group, topics) in by_group {
        let Some(told) = committed(&group, &topics, wire, verdict)? else { continue };
        for (place, offset) in told {
            let Some((acked, asked)) = history.commits.get_mut(&(group.clone(), place)) else { continue };
            if offset != *acked && !asked.contains(&offset) {
                verdict.add(
                    Kind::Lost,
                    format!("{group} {place}: {offset} is committed, {acked} was acknowledged, {asked:?} asked for"),
                );
            }
            (*acked, *asked) = (offset, BTreeSet::new());
        }
    }
    Ok(())
}

/// A member that was acknowledged is one still: a start ends no session.
fn member(history: &mut History, wire: &mut Wire, verdict: &mut Verdict) -> Result<(), Lost> {
    let Some(member) = &history.member else { return Ok(()) };
    let began = Instant::now();
    loop {
        let error = heartbeat(wire, member)?;
        if error.is_retriable() && began.elapsed() < verdict.patience {
            thread::sleep(Duration::from_millis(20));
            continue;
        }
        match error {
            ErrorCode::NONE | ErrorCode::REBALANCE_IN_PROGRESS => {}
            _ if error.is_retriable() => verdict.add(Kind::Offline, format!("{member:?} is told {error}")),
            _ => verdict.add(Kind::Lost, format!("{member:?} was acknowledged and is told {error}")),
        }
        return Ok(());
    }
}

fn committed(
    group: &str,
    topics: &[Topic],
    wire: &mut Wire,
    verdict: &mut Verdict,
) -> Result<Option<Vec<(Place, i64)>>, Lost> {
    let asked = topics.iter().map(|topic| OffsetFetchRequestTopics {
        topic_id: topic.id,
        partition_indexes: (0..topic.partitions).collect(),
        ..OffsetFetchRequestTopics::default()
    });
    let group_asked = OffsetFetchRequestGroup {
        group_id: group.to_owned().into(),
        topics: Some(asked.collect()),
        ..OffsetFetchRequestGroup::default()
    };
    let request = OffsetFetchRequest { groups: vec![group_asked], ..OffsetFetchRequest::default() };
    let numbers: BTreeMap<Uuid, u32> = topics.iter().map(|topic| (topic.id, topic.number)).collect();
    let began = Instant::now();
    loop {
        let answer: OffsetFetchResponse<'_> = wire.call(&request)?;
        let Some(told) = answer.groups.first() else {
            return Err(Lost("OffsetFetch tells nothing".to_owned()));
        };
        let partitions =
            || told.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |p| (topic, p)));
        let errors = partitions().map(|(_, p)| p.error_code).chain([told.error_code]);
        let Some(error) = errors.into_iter().find(|error| *error != ErrorCode::NONE) else {
            let told = partitions().filter_map(|(topic, p)| {
                let topic = *numbers.get(&topic.topic_id)?;
                Some((Place { topic, partition: p.partition_index }, p.committed_offset))
            });
            return Ok(Some(told.collect()));
        };
        if !error.is_retriable() || began.elapsed() > verdict.patience {
            verdict.add(Kind::Offline, format!("offsets of {group} are not served: {error}"));
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(20));
    }
}
