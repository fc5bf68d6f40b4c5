//! Small histories, each with one thing wrong (or nothing), written by hand.

use super::{Promise, check};
use crate::history::{Entry, Event, Stamp};
use crate::value::Value;

fn value(number: u32) -> Value {
    Value { producer: 1, identity: 0, number, padding_bytes: 0 }
}

fn at(at_us: u64) -> Stamp {
    Stamp { era: 0, at_us }
}

/// Events in order, each asked for and answered in its own millisecond; a loss of power begins a new era.
fn told(events: Vec<Event>) -> Vec<Entry> {
    let mut era = 0;
    let entry = |(number, event): (u64, Event)| {
        era += u32::from(event == Event::PowerLost);
        let stamp = |at_us| Stamp { era, at_us };
        Entry { began: stamp(number * 1000), ended: stamp(number * 1000 + 1), event }
    };
    (0..).zip(events).map(entry).collect()
}

fn sent(number: u32) -> Event {
    Event::Sent { partition: 0, value: value(number) }
}

fn acked(number: u32, offset: i64) -> Event {
    Event::Acked { partition: 0, value: value(number), offset: Some(offset) }
}

fn read(reader: &str, number: u32, offset: i64) -> Event {
    Event::Read { reader: reader.to_owned(), partition: 0, offset, value: Some(value(number)) }
}

fn seek(reader: &str, offset: i64) -> Event {
    Event::Seek { reader: reader.to_owned(), partition: 0, offset }
}

fn last(numbers: &[u32]) -> Event {
    let records = (0..).zip(numbers).map(|(offset, number)| (offset, Some(value(*number)))).collect();
    Event::Final { partition: 0, records }
}

fn assigned(member: &str, generation: i32, partitions: &[i32]) -> Event {
    Event::Assigned { member: member.to_owned(), generation, partitions: partitions.to_vec() }
}

fn committed(member: &str, generation: i32, offset: i64) -> Event {
    Event::Committed { member: member.to_owned(), generation, partition: 0, offset }
}

fn committed_is(offset: i64) -> Event {
    Event::CommittedIs { partition: 0, offset }
}

fn bounds(start: i64, end: i64) -> Event {
    Event::Bounds { partition: 0, start, end }
}

/// The rules that a history breaks.
fn broken(promise: Promise, events: Vec<Event>) -> Vec<&'static str> {
    let mut rules: Vec<_> = check(&told(events), promise).into_iter().map(|v| v.rule).collect();
    rules.dedup();
    rules
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_quiet_history_breaks_nothing() {
    let events = vec![
        sent(0),
        sent(1),
        acked(0, 0),
        seek("m", 0),
        bounds(0, 1),
        assigned("m", 1, &[0]),
        read("m", 0, 0),
        committed("m", 1, 1),
        acked(1, 1),
        read("m", 1, 1),
        committed_is(1),
        bounds(0, 2),
        last(&[0, 1]),
    ];
    assert_eq!(broken(Promise::Durable, events.clone()), NOTHING);
    assert_eq!(broken(Promise::PageCache, events), NOTHING);
}

#[test]
fn a_lost_acknowledged_value_is_excused_only_by_power_and_page_cache() {
    let events = |event| vec![sent(0), sent(1), acked(0, 0), acked(1, 1), event, last(&[0])];
    let rule = "what is acknowledged is there";
    let reads = "everybody reads the same";
    assert_eq!(broken(Promise::Durable, events(Event::PowerLost)), [rule, reads]);
    assert_eq!(broken(Promise::PageCache, events(Event::Stopped)), [rule, reads]);
    assert_eq!(broken(Promise::PageCache, events(Event::PowerLost)), NOTHING);
}

#[test]
fn power_takes_tails_only() {
    let events = vec![
        sent(0),
        sent(1),
        sent(2),
        acked(0, 0),
        acked(1, 1),
        acked(2, 2),
        Event::PowerLost,
        last(&[0, 9, 2]),
    ];
    assert!(broken(Promise::PageCache, events).contains(&"what is lost is a tail"));
}

#[test]
fn an_acknowledgement_on_its_way_while_the_power_fails_binds_nobody() {
    let mut entries = told(vec![sent(0), Event::PowerLost, acked(0, 0), last(&[])]);
    assert_eq!(check(&entries, Promise::PageCache).len(), 2);
    entries[2].began.era = 0;
    assert_eq!(check(&entries, Promise::PageCache), []);
}

#[test]
fn an_acknowledgement_without_an_offset_still_counts() {
    let acked = Event::Acked { partition: 0, value: value(0), offset: None };
    assert_eq!(broken(Promise::Durable, vec![sent(0), acked.clone(), last(&[0])]), NOTHING);
    assert_eq!(broken(Promise::Durable, vec![sent(0), acked, last(&[])]), ["what is acknowledged is there"]);
}

#[test]
fn what_nobody_sent_is_made_up() {
    assert_eq!(broken(Promise::Durable, vec![last(&[0])]), ["nothing is made up"]);
    let elsewhere = Event::Sent { partition: 1, value: value(0) };
    assert_eq!(broken(Promise::Durable, vec![elsewhere, last(&[0])]), ["nothing is made up"]);
    let damaged = Event::Final { partition: 0, records: vec![(0, None)] };
    assert_eq!(broken(Promise::Durable, vec![damaged]), ["nothing is made up"]);
}

#[test]
fn the_log_is_gapless_ordered_and_holds_each_value_once() {
    let gap = Event::Final { partition: 0, records: vec![(0, Some(value(0))), (2, Some(value(1)))] };
    assert_eq!(broken(Promise::Durable, vec![sent(0), sent(1), gap]), ["offsets are gapless"]);
    assert_eq!(broken(Promise::Durable, vec![sent(0), last(&[0, 0])]), ["nothing is there twice"]);
    assert_eq!(
        broken(Promise::Durable, vec![sent(0), sent(1), last(&[1, 0])]),
        ["producers keep their order"]
    );
}

#[test]
fn another_identity_may_be_overtaken() {
    let old = Value { identity: 0, ..value(0) };
    let new = Value { identity: 1, ..value(1) };
    let both = [old, new].map(|value| Event::Sent { partition: 0, value });
    let last = Event::Final { partition: 0, records: vec![(0, Some(new)), (1, Some(old))] };
    assert_eq!(broken(Promise::Durable, both.into_iter().chain([last]).collect()), NOTHING);
}

#[test]
fn what_is_refused_must_not_appear() {
    let refused = Event::Refused { partition: 0, value: value(0), error: "MESSAGE_TOO_LARGE" };
    let events = vec![sent(0), refused, last(&[0])];
    assert_eq!(broken(Promise::Durable, events), ["what is refused is not there"]);
}

#[test]
fn readers_neither_skip_nor_repeat() {
    let events = |offset, number| {
        vec![
            sent(0),
            sent(1),
            sent(2),
            seek("r", 0),
            read("r", 0, 0),
            read("r", number, offset),
            last(&[0, 1, 2]),
        ]
    };
    assert_eq!(broken(Promise::Durable, events(1, 1)), NOTHING);
    assert_eq!(broken(Promise::Durable, events(2, 2)), ["readers move in steps of one"]);
    assert_eq!(broken(Promise::Durable, events(0, 0)), ["readers move in steps of one"]);
}

#[test]
fn one_place_holds_one_value() {
    let events = |between: Event| {
        vec![
            sent(0),
            sent(1),
            seek("r", 0),
            read("r", 0, 0),
            between,
            seek("s", 0),
            read("s", 1, 0),
            last(&[1]),
        ]
    };
    let rule = "everybody reads the same";
    assert_eq!(broken(Promise::Durable, events(Event::PowerLost)), [rule]);
    assert_eq!(broken(Promise::PageCache, events(Event::Stopped)), [rule]);
    assert_eq!(broken(Promise::PageCache, events(Event::PowerLost)), NOTHING);
    let damaged = Event::Read { reader: "r".to_owned(), partition: 0, offset: 0, value: None };
    assert_eq!(broken(Promise::PageCache, vec![seek("r", 0), damaged]), [rule]);
}

#[test]
fn positions_leave_the_log_only_with_the_power() {
    let outside = Event::OutOfRange { reader: "r".to_owned(), partition: 0, offset: 5 };
    assert_eq!(broken(Promise::PageCache, vec![outside.clone()]), ["positions stay inside"]);
    assert_eq!(broken(Promise::PageCache, vec![Event::PowerLost, outside.clone()]), NOTHING);
    assert_eq!(broken(Promise::Durable, vec![Event::PowerLost, outside]), ["positions stay inside"]);
}

#[test]
fn bounds_move_forward_and_reach_what_is_acknowledged() {
    assert_eq!(broken(Promise::PageCache, vec![bounds(0, 5), bounds(0, 4)]), ["bounds never go back"]);
    assert_eq!(broken(Promise::PageCache, vec![bounds(2, 5), bounds(1, 5)]), ["bounds never go back"]);
    assert_eq!(broken(Promise::PageCache, vec![bounds(0, 5), Event::PowerLost, bounds(0, 4)]), NOTHING);
    let events = vec![sent(0), acked(0, 0), bounds(0, 0), last(&[0])];
    assert_eq!(broken(Promise::PageCache, events), ["ends reach what is acknowledged"]);
}

#[test]
fn answers_that_crossed_do_not_bind_each_other() {
    let mut entries = told(vec![bounds(0, 5), bounds(0, 4)]);
    entries[1].began = at(0);
    assert_eq!(check(&entries, Promise::Durable), []);
}

#[test]
fn a_partition_belongs_to_one_member_of_a_generation() {
    let events = |generation| vec![assigned("m", 3, &[0, 1]), assigned("n", generation, &[1])];
    assert_eq!(broken(Promise::Durable, events(3)), ["a partition has one owner"]);
    assert_eq!(broken(Promise::Durable, events(4)), NOTHING);
}

#[test]
fn an_old_generation_commits_nothing() {
    let events = vec![assigned("m", 3, &[0]), assigned("n", 4, &[0]), committed("m", 3, 0)];
    assert_eq!(broken(Promise::Durable, events), ["old generations commit nothing"]);
    let mut entries = told(vec![assigned("n", 4, &[0]), committed("m", 3, 0)]);
    entries[1].began = at(0);
    assert_eq!(check(&entries, Promise::Durable), [], "it was on its way when the generation began");
}

#[test]
fn commits_stay_unless_the_power_takes_them() {
    let reads = [sent(0), seek("m", 0), assigned("m", 1, &[0]), read("m", 0, 0), committed("m", 1, 1)];
    let events =
        |middle: Event| reads.iter().cloned().chain([middle, committed_is(-1), last(&[0])]).collect();
    assert_eq!(broken(Promise::PageCache, events(Event::Stopped)), ["commits stay"]);
    assert_eq!(broken(Promise::PageCache, events(Event::PowerLost)), NOTHING);
    assert_eq!(broken(Promise::Durable, events(Event::PowerLost)), ["commits stay"]);
}

#[test]
fn a_member_may_go_back() {
    let trying = |offset| Event::Committing { partition: 0, offset };
    let events = |back: Vec<Event>| {
        let start = [assigned("m", 1, &[0]), trying(5), committed("m", 1, 5)];
        start.into_iter().chain(back).chain([committed_is(2)]).collect::<Vec<_>>()
    };
    let commits_stay = |events| broken(Promise::Durable, events).contains(&"commits stay");
    assert!(commits_stay(events(vec![])));
    assert!(!commits_stay(events(vec![trying(2), committed("m", 1, 2)])));
    assert!(!commits_stay(events(vec![trying(2)])), "it may have happened without an answer");
    assert!(commits_stay(events(vec![trying(3)])));
}

#[test]
fn what_is_committed_went_to_a_member() {
    let events = |reader: &str| {
        vec![
            sent(0),
            assigned("m", 1, &[0]),
            seek(reader, 0),
            read(reader, 0, 0),
            committed_is(1),
            last(&[0]),
        ]
    };
    assert_eq!(broken(Promise::Durable, events("m")), NOTHING);
    assert_eq!(broken(Promise::Durable, events("r")), ["what is committed was delivered"]);
}

#[test]
fn a_rule_is_told_a_few_times_only() {
    let events = (0..50).map(|n| bounds(0, 50 - n)).collect();
    assert_eq!(check(&told(events), Promise::Durable).len(), 5);
}
