//! What the clients asked for and were told, and what is known of each topic.
//!
//! Owns the truth as far as a client can know it. Never judges: that is the checker's matter.

use std::collections::{BTreeMap, BTreeSet};

use protocol::Uuid;

use crate::value::{Place, Value};

/// Something a client did or was told.
#[derive(Clone, Debug)]
pub enum Event {
    /// A record is about to be sent (again).
    Sent(Value),
    /// A record is acknowledged at an offset.
    Acked(Value, i64),
    /// A record is refused: this sending of it must not be seen.
    Refused(Value),
    /// A consumer was given a record.
    Read {
        /// Where.
        place: Place,
        /// Its offset.
        offset: i64,
        /// What it is.
        value: Value,
    },
    /// A producer id was given out.
    ProducerId(i64),
    /// A topic is about to be created.
    Creating(Topic),
    /// It is.
    Created(u32, Uuid),
    /// A topic is about to be deleted.
    Deleting(u32),
    /// It is.
    Deleted(u32),
    /// Records before an offset are about to be deleted.
    DeletingRecords(Place, i64),
    /// A group is about to commit.
    Committing(Commit),
    /// It did.
    Committed(Commit),
    /// A record of the compacted topic is about to be sent.
    Keeping(Kept),
    /// It is acknowledged at an offset.
    Kept(Kept, i64),
    /// The member of the group is this one; none while it joins or leaves.
    Member(Option<Membership>),
    /// Something that must not happen on a machine that has power.
    Wrong(String),
}

/// A record of the compacted topic; without a version it deletes its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    /// Its key.
    pub key: u32,
    /// Versions rise over all keys.
    pub version: Option<u32>,
}

/// A member of the group of members, as it was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Member id.
    pub id: String,
    /// Generation.
    pub generation: i32,
}

/// What is known of a key.
#[derive(Clone, Debug, Default)]
pub struct KeyFacts {
    /// What was acknowledged last, or found at a start; `None` inside is a deletion.
    pub acked: Option<Option<u32>>,
    /// What was asked for since.
    pub asked: Vec<Option<u32>>,
}

/// How a topic's log grows shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicKind {
    /// Only when records are deleted.
    Plain,
    /// By retention, too.
    Shrinking,
    /// By compaction; it has one partition.
    Compacted,
}

/// An offset of a group.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The group.
    pub group: String,
    /// The partition.
    pub place: Place,
    /// The offset: each commit's is higher than the one before.
    pub offset: i64,
}

/// A topic as its clients know it.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its number in the history.
    pub number: u32,
    /// Its name, which may come again.
    pub name: String,
    /// Its id, as soon as it is known.
    pub id: Uuid,
    /// Partitions.
    pub partitions: i32,
    /// How its log grows shorter.
    pub kind: TopicKind,
}

/// How far a topic's life is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It was asked for, and nobody answered.
    MayExist,
    /// It exists.
    Exists,
    /// Its deletion was asked for, and nobody answered.
    MayBeGone,
    /// It is deleted.
    Gone,
}

/// What is known of a record.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    /// Times it was sent and not refused.
    pub sent: u32,
    /// Where it was acknowledged.
    pub acked: Vec<i64>,
}

/// What is known of a partition.
#[derive(Clone, Debug, Default)]
pub struct PartitionFacts {
    /// What was acknowledged, read, or found at an earlier start, by offset.
    pub known: BTreeMap<i64, Value>,
    /// Records before this offset may be deleted.
    pub start_highest: i64,
    /// The end when it was looked at last.
    pub end: i64,
}

impl PartitionFacts {
    /// What the end reaches at least.
    pub fn end_expected(&self) -> i64 {
        self.known.last_key_value().map_or(self.end, |(last, _)| self.end.max(last + 1))
    }
}

/// All of it, of one directory.
#[derive(Clone, Default)]
pub struct History {
    /// By number.
    pub topics: BTreeMap<u32, (Topic, Life)>,
    /// By place.
    pub partitions: BTreeMap<Place, PartitionFacts>,
    /// By record.
    pub fates: BTreeMap<Value, Fate>,
    /// By group and place: the acknowledged offset, and those asked for since.
    pub commits: BTreeMap<(String, Place), (i64, BTreeSet<i64>)>,
    /// By key of the compacted topic.
    pub keys: BTreeMap<u32, KeyFacts>,
    /// The end of the compacted topic at least.
    pub keys_end: i64,
    /// Records of the compacted topic that were acknowledged.
    pub kept_records: u64,
    /// The member that the group has for sure.
    pub member: Option<Membership>,
    /// All producer ids.
    pub producer_ids: BTreeSet<i64>,
    /// Producers that promise to write each record once.
    pub idempotent: BTreeSet<u16>,
    /// Records acknowledged so far.
    pub acked_records: u64,
    /// What was wrong already while it happened.
    pub wrong: Vec<String>,
}

impl History {
    /// Takes in what the clients of one life of the node saw.
    pub fn add(&mut self, events: Vec<Event>) {
        for event in events {
            self.add_one(event);
        }
    }

    fn add_one(&mut self, event: Event) {
        match event {
            Event::Sent(value) => self.fates.entry(value).or_default().sent += 1,
            Event::Refused(value) => {
                let fate = self.fates.entry(value).or_default();
                fate.sent = fate.sent.saturating_sub(1);
            }
            Event::Acked(value, offset) => {
                self.acked_records += 1;
                self.fates.entry(value).or_default().acked.push(offset);
                self.learn(value.place, offset, value, "acknowledged");
            }
            Event::Read { place, offset, value } => self.learn(place, offset, value, "read"),
            Event::ProducerId(id) => {
                if !self.producer_ids.insert(id) {
                    self.wrong.push(format!("producer id {id} is given out twice"));
                }
            }
            Event::Creating(topic) => {
                for partition in 0..topic.partitions {
                    let place = Place { topic: topic.number, partition };
                    self.partitions.insert(place, PartitionFacts::default());
                }
                self.topics.insert(topic.number, (topic, Life::MayExist));
            }
            Event::Created(number, id) => {
                if let Some((topic, life)) = self.topics.get_mut(&number) {
                    (topic.id, *life) = (id, Life::Exists);
                }
            }
            Event::Deleting(number) => self.live(number, Life::MayBeGone),
            Event::Deleted(number) => self.live(number, Life::Gone),
            Event::DeletingRecords(place, offset) => {
                let facts = self.partitions.entry(place).or_default();
                facts.start_highest = facts.start_highest.max(offset);
            }
            Event::Committing(commit) => {
                let entry = self.commits.entry((commit.group, commit.place)).or_insert((-1, BTreeSet::new()));
                entry.1.insert(commit.offset);
            }
            Event::Committed(commit) => {
                let entry = self.commits.entry((commit.group, commit.place)).or_insert((-1, BTreeSet::new()));
                entry.0 = entry.0.max(commit.offset);
                entry.1.retain(|asked| *asked > commit.offset);
            }
            Event::Keeping(kept) => self.keys.entry(kept.key).or_default().asked.push(kept.version),
            Event::Kept(kept, offset) => {
                let facts = self.keys.entry(kept.key).or_default();
                // Whoever sends one at a time has his answers in turn.
                if let Some(at) = facts.asked.iter().position(|asked| *asked == kept.version) {
                    facts.asked.drain(..=at);
                }
                facts.acked = Some(kept.version);
                self.keys_end = self.keys_end.max(offset + 1);
                self.kept_records += 1;
            }
            Event::Member(member) => self.member = member,
            Event::Wrong(what) => self.wrong.push(what),
        }
    }

    /// A topic's life goes on.
    pub fn live(&mut self, number: u32, life: Life) {
        if let Some((_, known)) = self.topics.get_mut(&number) {
            *known = life;
        }
    }

    /// Topics that are there for sure.
    pub fn topics_to_use(&self) -> Vec<Topic> {
        let exists = self.topics.values().filter(|(_, life)| *life == Life::Exists);
        exists.map(|(topic, _)| topic.clone()).collect()
    }

    fn learn(&mut self, place: Place, offset: i64, value: Value, how: &str) {
        let facts = self.partitions.entry(place).or_default();
        if let Some(other) = facts.known.insert(offset, value)
            && other != value
        {
            self.wrong.push(format!("{place}@{offset}: {value:?} is {how} where {other:?} was"));
        }
    }
}
