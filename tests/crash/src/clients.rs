//! The clients that keep a node busy during one of its lives.
//!
//! Owns their threads: each runs until it is told to stop or its connection is gone, and gives what it saw. A client
//! that is to outlive the node keeps its own state.

mod admin;
mod committer;
pub mod keeper;
pub mod member;
mod producer;
pub mod reader;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use platform::Rng;

use crate::history::{Event, Topic, TopicKind};
use crate::wire::Lost;

pub use admin::{Administrator, create};
pub use producer::Producer;

/// By how much the numbers of clients that begin anew on an old history go on.
const SKIPPED: u32 = 1_000_000;

/// What the clients of one life share.
pub struct Scene {
    /// Where the node is.
    pub address: SocketAddr,
    topics: RwLock<Vec<Topic>>,
    is_over: AtomicBool,
    lost: AtomicU32,
    /// Whether producers send as much as they can.
    pub is_flood: bool,
}

impl Scene {
    /// A scene with these topics.
    pub fn new(address: SocketAddr, topics: Vec<Topic>, is_flood: bool) -> Self {
        let topics = RwLock::new(topics);
        Self { address, topics, is_over: AtomicBool::new(false), lost: AtomicU32::new(0), is_flood }
    }

    /// Tells everybody to stop.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Whether everybody is to stop.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Connections that ended before anybody was told to stop.
    pub fn lost(&self) -> u32 {
        self.lost.load(Ordering::Acquire)
    }

    /// A topic that may be used, by chance; what is compacted has a client of its own.
    fn any_topic(&self, rng: &Rng) -> Option<Topic> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let plain = || topics.iter().filter(|topic| topic.kind != TopicKind::Compacted);
        let index = usize::try_from(rng.below(plain().count() as u64)).unwrap_or(0);
        plain().nth(index).cloned()
    }

    /// The first topic of a kind.
    fn topic_of(&self, kind: TopicKind) -> Option<Topic> {
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        topics.iter().find(|topic| topic.kind == kind).cloned()
    }

    fn is_used(&self, number: u32) -> bool {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).iter().any(|topic| topic.number == number)
    }

    fn add_topic(&self, topic: Topic) {
        self.topics.write().unwrap_or_else(PoisonError::into_inner).push(topic);
    }

    fn retire_topic(&self, number: u32) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.retain(|topic| topic.number != number);
    }

    fn pause(&self, rng: &Rng, longest_ms: u64) {
        let pause_ms = if self.is_flood { 0 } else { rng.below(longest_ms + 1) };
        thread::sleep(Duration::from_millis(pause_ms));
    }
}

/// One client's part of a scene.
pub trait Client: Send {
    /// Plays it to its end.
    ///
    /// # Errors
    /// The connection is gone.
    fn play(&mut self, scene: &Scene, events: &mut Vec<Event>) -> Result<(), Lost>;
}

/// Plays a scene to its end; `course` runs beside it and says when that is. Gives what all clients saw.
pub fn play(scene: &Scene, clients: &mut [&mut dyn Client], course: impl FnOnce()) -> Vec<Event> {
    thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                scope.spawn(move || {
                    let mut events = Vec::new();
                    if client.play(scene, &mut events).is_err() && !scene.is_over() {
                        scene.lost.fetch_add(1, Ordering::AcqRel);
                    }
                    events
                })
            })
            .collect();
        course();
        scene.end();
        threads.into_iter().flat_map(|thread| thread.join().expect("a client does not panic")).collect()
    })
}

pub use committer::Committer;
