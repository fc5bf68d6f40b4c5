//! Owns the record of what happened in a simulation, line by line. It never decides anything: leaving it out would
//! not change a run.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use super::{SimClock, lock};

/// The ordered lines of disk, network and harness events, each beginning with the simulated time in µs. Clones
/// share the record.
#[derive(Clone)]
pub struct Trace {
    inner: Arc<Mutex<Inner>>,
    clock: SimClock,
}

struct Inner {
    lines: VecDeque<String>,
    capacity: usize,
    events_max: u64,
    total: u64,
    digest: u64,
}

impl Trace {
    pub(super) fn new(capacity: usize, events_max: u64, clock: SimClock) -> Self {
        let inner = Inner { lines: VecDeque::new(), capacity, events_max, total: 0, digest: HASH_START };
        Self { inner: Arc::new(Mutex::new(inner)), clock }
    }

    /// Adds one event. A line break inside would blur the record, so it is written as `\n`.
    ///
    /// # Panics
    /// When the world has told more events than it may ([`super::SimConfig::events_max`]).
    pub fn line(&self, event: fmt::Arguments<'_>) {
        let mut line = String::new();
        write!(line, "{} {event}", self.clock.elapsed_us())
            .expect("a string takes whatever is written to it");
        if line.contains('\n') {
            line = line.replace('\n', "\\n");
        }
        let mut inner = lock(&self.inner);
        if inner.total >= inner.events_max && !std::thread::panicking() {
            // Whoever is told may be one of many that keep each other busy: the next is told a little later.
            inner.events_max += inner.events_max / 8 + 1;
            panic!("the simulation does not come to an end: {line}");
        }
        inner.digest = hash(hash(inner.digest, line.as_bytes()), b"\n");
        inner.total += 1;
        inner.lines.push_back(line);
        if inner.lines.len() > inner.capacity {
            inner.lines.pop_front();
        }
    }

    /// A 64-bit digest over every line ever added, dropped ones too.
    pub fn digest(&self) -> u64 {
        lock(&self.inner).digest
    }

    /// How many lines were added, dropped ones too.
    pub fn total(&self) -> u64 {
        lock(&self.inner).total
    }

    /// The kept lines, each ended by a line break.
    pub fn to_text(&self) -> String {
        let inner = lock(&self.inner);
        let mut text = String::with_capacity(inner.lines.iter().map(|l| l.len() + 1).sum());
        for line in &inner.lines {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Where two traces part: the number of the first differing kept line with both lines; `None` if the kept lines
    /// are equal. A trace that ended is shown as an empty line.
    pub fn first_difference(&self, other: &Self) -> Option<(usize, String, String)> {
        let (a, b) = (self.to_text(), other.to_text());
        let (mut a, mut b) = (a.lines(), b.lines());
        let mut number = 0;
        loop {
            match (a.next(), b.next()) {
                (None, None) => return None,
                (x, y) if x == y => number += 1,
                (x, y) => {
                    let text = |line: Option<&str>| line.unwrap_or_default().to_owned();
                    return Some((number, text(x), text(y)));
                }
            }
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({} lines, {:016x})", self.total(), self.digest())
    }
}

/// Where a [`hash`] begins.
pub(super) const HASH_START: u64 = 0xcbf2_9ce4_8422_2325;

/// Continues a 64-bit hash, eight bytes at a time. Not fit against an adversary; stable for ever.
pub(super) fn hash(mut state: u64, bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("a chunk of eight bytes"));
        state = (state ^ word).wrapping_mul(PRIME).rotate_left(23);
    }
    for &byte in chunks.remainder() {
        state = (state ^ u64::from(byte)).wrapping_mul(PRIME);
    }
    state = (state ^ bytes.len() as u64).wrapping_mul(PRIME);
    state ^ (state >> 29)
}
