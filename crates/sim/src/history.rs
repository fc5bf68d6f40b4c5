//! Owns what the clients of a simulation saw, in order. It never judges: that is the checker's matter.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platform::sim::Trace;
use tokio::time::Instant;

use crate::value::Value;

/// A moment in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// How many losses of power the node had suffered.
    pub era: u32,
    /// Simulated time since the history began, µs.
    pub at_us: u64,
}

/// Something a client did or saw, or that happened to the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The node was started.
    Started,
    /// The node was stopped cleanly or killed; its written bytes stay.
    Stopped,
    /// The node's machine lost its power.
    PowerLost,
    /// A producer is about to send a value for the first time.
    Sent {
        /// The partition.
        partition: i32,
        /// The value.
        value: Value,
    },
    /// A value is acknowledged.
    Acked {
        /// The partition.
        partition: i32,
        /// The value.
        value: Value,
        /// Its offset, unless the node said only that it has the value already.
        offset: Option<i64>,
    },
    /// A value is refused for good: it must never be read.
    Refused {
        /// The partition.
        partition: i32,
        /// The value.
        value: Value,
        /// The error code's name.
        error: &'static str,
    },
    /// A producer gives a value up; it may or may not be read.
    GivenUp {
        /// The partition.
        partition: i32,
        /// The value.
        value: Value,
    },
    /// A reader starts at a position.
    Seek {
        /// Who reads.
        reader: String,
        /// The partition.
        partition: i32,
        /// The next offset to read.
        offset: i64,
    },
    /// A reader got a record.
    Read {
        /// Who reads.
        reader: String,
        /// The partition.
        partition: i32,
        /// The record's offset.
        offset: i64,
        /// Its value; `None` if its bytes are not those of any value.
        value: Option<Value>,
    },
    /// A reader was told that its position is outside of the log.
    OutOfRange {
        /// Who reads.
        reader: String,
        /// The partition.
        partition: i32,
        /// The position.
        offset: i64,
    },
    /// Somebody was told the bounds of a partition.
    Bounds {
        /// The partition.
        partition: i32,
        /// The first offset.
        start: i64,
        /// The offset after the last.
        end: i64,
    },
    /// A member got its assignment.
    Assigned {
        /// Who.
        member: String,
        /// The group's generation.
        generation: i32,
        /// The partitions that are its own.
        partitions: Vec<i32>,
    },
    /// A member is about to commit.
    Committing {
        /// The partition.
        partition: i32,
        /// The next offset to read.
        offset: i64,
    },
    /// A member's commit was accepted.
    Committed {
        /// Who.
        member: String,
        /// The generation it was sent with.
        generation: i32,
        /// The partition.
        partition: i32,
        /// The next offset to read.
        offset: i64,
    },
    /// Somebody was told what is committed.
    CommittedIs {
        /// The partition.
        partition: i32,
        /// The next offset to read; -1 if nothing is committed.
        offset: i64,
    },
    /// The records of a partition when everything was over.
    Final {
        /// The partition.
        partition: i32,
        /// Offset and value of each record; `None` for bytes that are not those of any value.
        records: Vec<(i64, Option<Value>)>,
    },
}

/// An event with the span of time in which it happened at the node: after it was asked for, before it was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was asked for.
    pub began: Stamp,
    /// When the answer came.
    pub ended: Stamp,
    /// What happened.
    pub event: Event,
}

/// The shared record of a simulation. Clones share it.
#[derive(Clone)]
pub struct History {
    inner: Arc<Mutex<Inner>>,
    trace: Trace,
}

struct Inner {
    entries: Vec<Entry>,
    era: u32,
    started: Instant,
}

impl History {
    /// An empty history, which tells the trace all it is told.
    pub fn new(trace: Trace) -> Self {
        let inner = Inner { entries: Vec::new(), era: 0, started: Instant::now() };
        Self { inner: Arc::new(Mutex::new(inner)), trace }
    }

    /// The present moment, to be given to [`Self::add_since`] when the answer is there.
    pub fn now(&self) -> Stamp {
        self.lock().now()
    }

    /// Adds what happened in this moment.
    pub fn add(&self, event: Event) {
        self.add_since(self.now(), event);
    }

    /// Adds what was asked for at `began` and is answered now.
    pub fn add_since(&self, began: Stamp, event: Event) {
        self.trace.line(format_args!("client {event:?}"));
        let mut inner = self.lock();
        if event == Event::PowerLost {
            inner.era += 1;
        }
        let ended = inner.now();
        inner.entries.push(Entry { began, ended, event });
    }

    /// Tells the trace alone.
    pub(crate) fn note(&self, what: std::fmt::Arguments<'_>) {
        self.trace.line(format_args!("client {what}"));
    }

    /// All entries, in the order of their answers.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn now(&self) -> Stamp {
        let at_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Stamp { era: self.era, at_us }
    }
}
