//! Drawing a script from a seed.
//!
//! Owns what is likely. Each seed leaves out some kinds of lines altogether (a swarm), so that what is left comes in
//! numbers that a mixture of everything would never reach.

use platform::Rng;

use crate::course::faults::{ACTIONS, PLACES};
use crate::course::rot::KINDS;
use crate::line::Line;
use crate::script::Script;

/// Logs of a history at most.
const LOGS_MAX: u64 = 3;
/// Lives of a process at most.
const LIVES_MAX: u64 = 5;
/// Lines of one life at most.
const LIFE_LINES_MAX: u64 = 70;

impl Script {
    /// The script of a seed.
    pub fn draw(seed: u64) -> Self {
        let rng = Rng::seeded(seed ^ 0x5707_a6e5);
        let mut draw =
            Draw { rng, lines: Vec::new(), logs: 0, dirs: 1, kinds: Kinds::default(), large: Vec::new() };
        draw.whole();
        Self { seed, lines: draw.lines }
    }
}

/// Which kinds of lines a history has.
#[derive(Default)]
struct Kinds {
    truncate: bool,
    delete: bool,
    retain: bool,
    recreate: bool,
    clean: bool,
    hold: bool,
    modes: bool,
    faults: bool,
    full: bool,
    epochs: bool,
    rebuild: bool,
    producers: bool,
    rot: bool,
}

struct Draw {
    rng: Rng,
    lines: Vec<Line>,
    logs: u64,
    dirs: u64,
    kinds: Kinds,
    /// Logs whose segments hold a large batch.
    large: Vec<u64>,
}

impl Draw {
    fn below(&self, bound: u64) -> u64 {
        self.rng.below(bound)
    }

    fn coin(&self) -> bool {
        self.rng.below(2) == 0
    }

    /// Small numbers are as likely as large ones.
    fn spread(&self, max: u64) -> u64 {
        let bits = u64::from(u64::BITS - max.leading_zeros());
        (1 + self.below(1 << self.below(bits + 1))).min(max)
    }

    fn whole(&mut self) {
        self.dirs = 1 + u64::from(self.below(3) == 0);
        self.logs = 1 + self.below(LOGS_MAX);
        self.kinds = Kinds {
            truncate: self.coin(),
            delete: self.coin(),
            retain: self.coin(),
            recreate: self.below(3) == 0,
            clean: self.coin(),
            hold: self.coin(),
            modes: self.below(4) == 0,
            faults: self.below(3) == 0,
            full: self.below(4) == 0,
            epochs: self.coin(),
            rebuild: self.coin(),
            producers: self.below(4) > 0,
            rot: self.below(4) == 0,
        };
        if self.kinds.rot {
            // Two reasons for one error would excuse too much.
            (self.kinds.faults, self.kinds.full) = (false, false);
        }
        let disk = Line::Disk {
            // A disk that keeps any names and drops others is one that no file system makes: the file that says whose a
            // log is, or the middle of its segments, could be missing.
            names: 1 + self.below(2),
            zero_tails: self.below(2),
            dirs: self.dirs,
            wal_kib: 16 << self.below(3),
        };
        self.lines.push(disk);
        for log in 0..self.logs {
            self.one_log(log);
        }
        for _ in 0..1 + self.below(LIVES_MAX) {
            self.life();
        }
    }

    fn one_log(&mut self, log: u64) {
        let holds_large = self.below(6) == 0;
        let segment_bytes = if holds_large { 1 << 20 } else { 300 + self.spread(6_000) };
        if holds_large {
            self.large.push(log);
        }
        let line = Line::Log {
            log,
            dir: self.below(self.dirs),
            policy: u64::from(self.kinds.clean && self.below(3) > 0),
            durable: u64::from(self.below(4) > 0),
            segment_bytes,
            index_interval: self.spread(2_000),
        };
        self.lines.push(line);
    }

    fn life(&mut self) {
        let halts = self.below(3) > 0;
        let lines = 1 + self.below(LIFE_LINES_MAX);
        let halt_at = self.below(lines);
        if self.kinds.faults && self.coin() {
            self.one_fault(self.below(4) == 0);
        }
        for number in 0..lines {
            if halts && number == halt_at {
                let effects = self.spread(120);
                self.lines.push(Line::Halt { effects });
            }
            let line = self.line();
            self.lines.push(line);
            if self.kinds.truncate && self.kinds.hold && self.below(30) == 0 {
                self.another_branch();
            }
            if self.kinds.rot && self.below(60) == 0 {
                let line = self.one_rot(false);
                self.lines.push(line);
            }
        }
        if self.kinds.rot && self.below(3) == 0 {
            let line = self.one_rot(true);
            self.lines.push(line);
        }
        let how = match self.below(20) {
            0..7 => 0,
            7..16 => 1,
            16..18 => 2,
            _ => 3,
        };
        let halt = if self.below(4) == 0 { self.spread(60) } else { 0 };
        self.lines.push(Line::Stop { how, seed: self.below(1 << 32), halt });
    }

    fn one_fault(&mut self, at_start: bool) {
        let action = self.below(ACTIONS.len() as u64);
        let place = self.below(PLACES.len() as u64);
        let (skip, errno) = (self.spread(60) - 1, u64::from(self.below(4) == 0));
        let times = if self.below(4) == 0 { u64::MAX } else { self.spread(8) };
        self.lines.push(match at_start {
            true => Line::FaultAtStart { action, place, skip, times, errno },
            false => Line::Fault { action, place, skip, times, errno },
        });
    }

    /// A flush that was done before another leader's branch began, and of which the log hears when it has grown again.
    fn another_branch(&mut self) {
        let log = self.below(self.logs);
        self.lines.push(Line::Prepare { log });
        self.lines.push(Line::RunPrepared { log });
        self.lines.push(Line::Truncate { log, records: self.spread(12) });
        for _ in 0..1 + self.below(4) {
            let line = self.produce(log);
            self.lines.push(line);
        }
        self.lines.push(Line::Hear { log });
    }

    fn one_rot(&self, at_start: bool) -> Line {
        let (dir, which, bit) = (self.below(self.dirs), self.below(64), self.below(1 << 32));
        // Most bytes are those of segments.
        let kind = if self.below(3) == 0 { 0 } else { self.below(KINDS.len() as u64) };
        match at_start {
            true => Line::RotAtStart { dir, kind, which, bit },
            false => Line::Rot { dir, kind, which, bit },
        }
    }

    fn line(&mut self) -> Line {
        let log = self.below(self.logs);
        let dir = self.below(self.dirs);
        match self.below(100) {
            0..38 => self.produce(log),
            38..50 => Line::Pump { dir, tickets: self.below(3) },
            50..55 => Line::Flush { log },
            55..60 => Line::Checkpoint { dir },
            60..62 => Line::Offsets { dir },
            62..64 => Line::Watermarks { dir },
            64..66 => Line::Prove { dir },
            66..70 => Line::Roll { log },
            70..73 => Line::Read { log, eighths: self.below(9), bytes: self.spread(5_000) },
            73..75 => Line::Times { log, back_ms: self.below(60) },
            75..77 => Line::Expire { dir },
            _ => self.rarer(log, dir),
        }
    }

    /// The kinds that not every history has; what it lacks becomes a batch.
    fn rarer(&mut self, log: u64, dir: u64) -> Line {
        let kinds = &self.kinds;
        match self.below(12) {
            0 if kinds.truncate => Line::Truncate { log, records: self.spread(20) },
            1 if kinds.delete => Line::DeleteRecords { log, eighths: self.below(9) },
            2 if kinds.retain && self.coin() => Line::RetainBytes { log, bytes: self.spread(8_000) },
            2 if kinds.retain => Line::RetainTime { log, ms: self.spread(100) },
            3 if kinds.recreate && self.coin() => Line::Recreate { log },
            4 | 5 if kinds.clean => Line::Clean {
                log,
                keys: 1 + self.spread(64),
                later_ms: if self.coin() { 0 } else { self.spread(2_500) },
                pieces: if self.coin() { 0 } else { self.spread(8) },
                settle: u64::from(self.below(4) > 0),
            },
            6 if kinds.clean => Line::CleanOn { log, pieces: self.below(9) },
            7 if kinds.hold && self.coin() => Line::Hold { dir },
            7 if kinds.hold => Line::Release { newest: self.below(2) },
            8 if kinds.hold && self.coin() => Line::RunPrepared { log },
            8 if kinds.hold => Line::Prepare { log },
            8 if kinds.modes => Line::Mode { log, durable: self.below(2) },
            9 if kinds.epochs => Line::Epoch { log },
            10 if kinds.full && self.coin() => Line::Full { spare: self.spread(40_000) },
            10 if kinds.full => Line::Free {},
            10 if kinds.rebuild && self.below(3) == 0 => Line::Rebuild { dir, without: self.below(32) },
            11 if kinds.producers => {
                let producer = 1 + self.below(3);
                match self.below(5) {
                    0..2 => Line::Again { log, producer },
                    2..4 => Line::Gap { log, producer },
                    _ => Line::Bump { log, producer },
                }
            }
            _ => self.produce(log),
        }
    }

    fn produce(&self, log: u64) -> Line {
        let producer = if self.kinds.producers { self.below(4) } else { 0 };
        if self.large.contains(&log) && self.below(6) == 0 {
            return Line::Large { log, producer, kib: 250 + self.below(60) };
        }
        Line::Produce {
            log,
            producer,
            records: self.spread(8),
            padding: if self.below(3) == 0 { self.spread(3_000) } else { self.spread(200) },
            first_key: self.below(6),
            tombstone_in: if self.kinds.clean { self.below(4) } else { 0 },
            codec: u64::from(self.below(4) == 0),
            back_ms: self.spread(40),
        }
    }
}
