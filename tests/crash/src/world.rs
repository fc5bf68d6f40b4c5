//! One directory over many lives of its node, with the clients that outlive them.
//!
//! Owns who the clients are and what the node's settings are, all by a seed. It neither starts nor cuts anything.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use platform::Rng;
use protocol::{ErrorCode, FindCoordinatorRequest, FindCoordinatorResponse, Uuid};

use crate::clients::keeper::Keeper;
use crate::clients::member::{MEMBERS_GROUP, Member};
use crate::clients::reader::Reader;
use crate::clients::{Administrator, Client, Committer, Producer, Scene, create, play};
use crate::flavor::Flavor;
use crate::history::{Event, History, Topic, TopicKind};
use crate::judge::{PATIENCE, Verdict, judge};
use crate::wire::{Lost, Wire};

/// The groups.
const GROUPS: [&str; 2] = ["group-a", "group-b"];

/// Longest wait for the coordinators; what is wrong then shows when they are asked.
const COORDINATOR_LONGEST: Duration = Duration::from_secs(10);

/// Number of the compacted topic.
const COMPACTED_TOPIC: u32 = 50;

/// Numbers of topics that are made just before an end.
const FIRST_LATE_TOPIC: u32 = 60;

/// Numbers of topics that come and go begin here.
const FIRST_PASSING_TOPIC: u32 = 100;

/// How a file system is mounted: all of it is legal, some of it is harsh.
const MOUNT_OPTIONS: [&str; 5] = [
    "data=ordered",
    "data=ordered,noauto_da_alloc",
    "data=writeback,noauto_da_alloc",
    "data=writeback,noauto_da_alloc,commit=1",
    "data=ordered,nodelalloc",
];

/// The directory and its people.
pub struct World {
    /// All chances of this world, in turn.
    pub rng: Rng,
    /// What is known.
    pub history: History,
    /// What it is about.
    pub flavor: Flavor,
    /// How its file system is mounted.
    pub mount_options: &'static str,
    /// The node's properties.
    pub properties: Vec<(String, String)>,
    lasting: Vec<Topic>,
    producers: Vec<Producer>,
    committers: Vec<Committer>,
    readers: Vec<Reader>,
    keeper: Keeper,
    member: Member,
    administrator: Administrator,
}

impl World {
    /// A world that has not begun, of this flavor or of one by chance.
    pub fn new(seed: u64, flavor: Option<Flavor>) -> Self {
        let rng = Rng::seeded(seed);
        let chosen = Flavor::choose(&rng);
        let flavor = flavor.unwrap_or(chosen);
        let mut history = History::default();
        let lasting = (0..2 + u32::try_from(rng.below(2)).unwrap_or(0)).map(|number| Topic {
            number,
            name: format!("lasting-{number}"),
            id: Uuid::ZERO,
            partitions: 1 + i32::try_from(rng.below(3)).unwrap_or(0),
            kind: if number == 2 { TopicKind::Shrinking } else { TopicKind::Plain },
        });
        let compacted = Topic {
            number: COMPACTED_TOPIC,
            name: "compacted".to_owned(),
            id: Uuid::ZERO,
            partitions: 1,
            kind: TopicKind::Compacted,
        };
        let lasting = lasting.chain([compacted]).collect();
        let producers: Vec<_> = (0..3 + u16::try_from(rng.below(3)).unwrap_or(0))
            .map(|number| {
                let is_idempotent = number < 2 || rng.one_in(2);
                if is_idempotent {
                    history.idempotent.insert(number);
                }
                Producer::new(number, is_idempotent, rng.fork())
            })
            .collect();
        let mount_options = MOUNT_OPTIONS[usize::try_from(rng.below(5)).unwrap_or(0)];
        let mut properties = properties(&rng);
        properties.extend(flavor.properties(&rng));
        let committers = GROUPS.map(|group| Committer::new(group, rng.fork()));
        let readers = (0..1 + rng.below(2)).map(|_| Reader::new(rng.fork())).collect();
        let administrator = Administrator::new(FIRST_PASSING_TOPIC, rng.fork());
        let (keeper, member) = (Keeper::new(rng.fork()), Member::new(rng.fork()));
        let committers = Vec::from(committers);
        Self {
            rng,
            history,
            flavor,
            mount_options,
            properties,
            lasting,
            producers,
            committers,
            readers,
            keeper,
            member,
            administrator,
        }
    }

    /// For clients that begin anew on a history: what they number goes on far behind what it knows.
    pub fn skip_numbers(&mut self) {
        self.producers.iter_mut().for_each(Producer::skip_numbers);
        self.committers.iter_mut().for_each(Committer::skip_numbers);
        self.keeper.skip_numbers();
        self.member.resume(self.history.member.as_ref());
        self.administrator.skip_numbers();
    }

    /// Judges a node that has just started, and makes the topics that are still missing.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn welcome(&mut self, address: SocketAddr) -> Result<Verdict, Lost> {
        let mut wire = Wire::connect(address)?;
        find_coordinators(&mut wire)?;
        let verdict = judge(&mut self.history, address, PATIENCE)?;
        for index in 0..self.lasting.len() {
            let topic = self.lasting[index].clone();
            let exists = self.history.topics_to_use().iter().any(|known| known.name == topic.name);
            if !exists && verdict.violations.is_empty() {
                // Under a number of its own, should a creation that nobody answered have come to nothing.
                let number = self.history.topics.keys().filter(|n| **n < COMPACTED_TOPIC).count();
                let number = u32::try_from(number).unwrap_or(0);
                let is_compacted = topic.kind == TopicKind::Compacted;
                let topic = Topic { number: if is_compacted { COMPACTED_TOPIC } else { number }, ..topic };
                let mut events = Vec::new();
                let created = create(&mut wire, &topic, &self.rng, &mut events);
                self.history.add(events);
                created?;
            }
        }
        self.administrator.set_topics(self.history.topics_to_use());
        Ok(verdict)
    }

    /// Makes topics, one after another, and nothing after them.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn create_late(&mut self, address: SocketAddr, count: u32) -> Result<(), Lost> {
        let mut wire = Wire::connect(address)?;
        for number in FIRST_LATE_TOPIC..FIRST_LATE_TOPIC + count {
            let topic = Topic {
                number,
                name: format!("late-{number}"),
                id: Uuid::ZERO,
                partitions: 1,
                kind: TopicKind::Plain,
            };
            let mut events = Vec::new();
            let created = create(&mut wire, &topic, &self.rng, &mut events);
            self.history.add(events);
            created?;
        }
        Ok(())
    }

    /// Lets everybody loose on the node while `course` runs. Gives the number of connections lost before its end.
    pub fn live(&mut self, address: SocketAddr, is_flood: bool, course: impl FnOnce(&Scene)) -> u32 {
        let scene = Scene::new(address, self.history.topics_to_use(), is_flood);
        let mut clients: Vec<&mut dyn Client> = Vec::new();
        clients.extend(self.producers.iter_mut().map(|client| client as &mut dyn Client));
        clients.extend(self.committers.iter_mut().map(|client| client as &mut dyn Client));
        clients.extend(self.readers.iter_mut().map(|client| client as &mut dyn Client));
        clients.push(&mut self.keeper);
        clients.push(&mut self.member);
        clients.push(&mut self.administrator);
        let mut events: Vec<Event> = play(&scene, &mut clients, || course(&scene));
        // What was asked for is known before what was answered to somebody else.
        events.sort_by_key(|event| !matches!(event, Event::Sent(_) | Event::Creating(_)));
        self.history.add(events);
        scene.lost()
    }
}

/// Makes the topic of committed offsets, as the first consumer does, and waits for it.
fn find_coordinators(wire: &mut Wire) -> Result<(), Lost> {
    let coordinator_keys = GROUPS.iter().chain([&MEMBERS_GROUP]).map(|group| (*group).into()).collect();
    let request = FindCoordinatorRequest { coordinator_keys, ..FindCoordinatorRequest::default() };
    let began = Instant::now();
    loop {
        let answer: FindCoordinatorResponse<'_> = wire.call(&request)?;
        let is_found = answer.coordinators.iter().all(|told| told.error_code == ErrorCode::NONE);
        if is_found || began.elapsed() > COORDINATOR_LONGEST {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Small files, so that they roll, and all in a hurry.
fn properties(rng: &Rng) -> Vec<(String, String)> {
    let mut properties = Vec::new();
    let mut set = |key: &str, value: String| properties.push((key.to_owned(), value));
    set("offsets.topic.num.partitions", (1 + rng.below(3)).to_string());
    set("offsets.topic.replication.factor", "1".to_owned());
    set("group.initial.rebalance.delay.ms", "0".to_owned());
    set("log.cleaner.backoff.ms", (20 + rng.below(200)).to_string());
    set("offsets.topic.segment.bytes", (1 << 20).to_string());
    set("log.segment.bytes", (1 << 20).to_string());
    set("log.retention.check.interval.ms", (200 + rng.below(400)).to_string());
    set("log.flush.offset.checkpoint.interval.ms", (100 << rng.below(4)).to_string());
    set("log.flush.start.offset.checkpoint.interval.ms", (100 << rng.below(4)).to_string());
    if rng.one_in(2) {
        set("internal.metadata.log.segment.bytes", (4_000 << rng.below(4)).to_string());
        set("metadata.log.max.record.bytes.between.snapshots", (4_000 << rng.below(3)).to_string());
    }
    properties
}
