//! What a world is about: each one puts its lives where something else may go wrong.
//!
//! Owns the settings and the chances that make a flavor. All by the world's seed.

use std::time::Duration;

use platform::Rng;

use crate::device::{Call, Trigger, Trouble};

/// The flavors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Flavor {
    /// A node as people run it.
    Plain,
    /// Files of the write-ahead log so small that they are made and used again all the time, and cuts right there.
    Log,
    /// Processes killed, started again on the same page cache, and the power gone soon after.
    Restarts,
    /// A disk that takes long for its flushes.
    Slow,
}

/// How a life is to end.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// A cut during the start.
    CutAtStart(Trigger),
    /// A cut at some moment.
    CutAfter(Duration),
    /// A cut at a call.
    CutAt(Trigger),
    /// kill -9; then another process on the same mount, or a cut.
    Kill {
        /// Whether another process starts on the same mount.
        restarts: bool,
    },
    /// A clean stop, then a cut.
    StopThenCut,
    /// The disk fails.
    Fail(Trigger, Trouble),
}

impl End {
    /// Whether the node should soon be told that its disk fails.
    pub fn tells_the_node(self) -> bool {
        matches!(self, Self::Fail(Trigger { call: Call::Flush, .. }, Trouble::FailFromHere))
    }
}

impl Flavor {
    /// One of them, by chance.
    pub fn choose(rng: &Rng) -> Self {
        match rng.below(20) {
            0..=8 => Self::Plain,
            9..=14 => Self::Log,
            15..=17 => Self::Restarts,
            _ => Self::Slow,
        }
    }

    /// Settings of the node that make it.
    pub fn properties(self, rng: &Rng) -> Vec<(String, String)> {
        if self != Self::Log {
            return Vec::new();
        }
        let file_bytes: u64 = 65_536 << rng.below(3);
        let set = |key: &str, bytes: u64| (format!("internal.wal.{key}"), bytes.to_string());
        vec![
            set("file.bytes.min", file_bytes),
            set("file.bytes.max", file_bytes << rng.below(3)),
            set("bytes.max", 16 << 20),
            set("checkpoint.bytes", 16_384 << rng.below(5)),
            set("beside.bytes", 65_536 * rng.below(2)),
        ]
    }

    /// How the next life ends.
    pub fn choose_end(self, rng: &Rng) -> End {
        let later =
            |call: Call, bound| Trigger { later: rng.below(14), ..Trigger::at(call, 1 + rng.below(bound)) };
        match self {
            Self::Log => match rng.below(10) {
                0..=2 => return End::CutAt(later(Call::Header, 12)),
                3..=5 => return End::CutAt(later(Call::Zeros, 6)),
                6 => return End::CutAtStart(later(Call::Header, 2)),
                _ => {}
            },
            Self::Restarts if rng.below(3) > 0 => return End::Kill { restarts: !rng.one_in(4) },
            _ => {}
        }
        choose_any_end(rng)
    }

    /// How the life of a process ends that started on the page cache of a killed one.
    pub fn choose_end_after_kill(self, rng: &Rng) -> End {
        match rng.below(3) {
            0 => End::Kill { restarts: rng.one_in(2) },
            1 => End::CutAfter(Duration::from_millis(5 + rng.below(90))),
            _ => self.choose_end(rng),
        }
    }

    /// How long clients have, at most.
    pub fn longest(self, rng: &Rng, is_flood: bool) -> Duration {
        let ms = match self {
            Self::Restarts => 10 + rng.below(if rng.one_in(3) { 600 } else { 90 }),
            Self::Slow => 300 + rng.below(3_000),
            _ => 30 + rng.below(if is_flood { 2_500 } else { 900 }),
        };
        Duration::from_millis(ms)
    }

    /// How long a flush of the disk takes in a life.
    pub fn flush_delay(self, rng: &Rng) -> Duration {
        match self {
            Self::Slow if rng.one_in(5) => Duration::from_millis(1_000 + rng.below(2_000)),
            Self::Slow => Duration::from_millis(10 + rng.below(400)),
            _ => Duration::ZERO,
        }
    }
}

fn choose_any_end(rng: &Rng) -> End {
    let flush = |bound| Trigger::at(Call::Flush, 1 + rng.below(bound));
    let write = |bound| Trigger::at(Call::Write, 1 + rng.below(bound));
    match rng.below(100) {
        0..=9 => End::CutAtStart(flush(15)),
        10..=17 => End::CutAtStart(write(40)),
        18..=54 => End::CutAfter(Duration::from_millis(20 + rng.below(600))),
        55..=74 => End::CutAt(flush(250)),
        75..=84 => End::CutAt(write(500)),
        85..=88 => End::Kill { restarts: rng.one_in(2) },
        89..=92 => End::StopThenCut,
        93..=94 => End::Fail(flush(100), Trouble::FailOnce),
        95..=97 => End::Fail(flush(100), Trouble::FailFromHere),
        98 => End::Fail(write(300), Trouble::FailOnce),
        _ => End::Fail(write(300), Trouble::FailFromHere),
    }
}
