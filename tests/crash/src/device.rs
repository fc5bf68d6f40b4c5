//! A disk in memory that loses what was not flushed.
//!
//! Owns the disk's bytes, which of them are on the platter and which only in its volatile cache, when the power goes,
//! and which calls fail. It knows neither FUSE nor what is stored.

mod survivors;

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platform::Rng;

pub use survivors::Survival;

/// What a disk writes as a whole. Anything larger may be torn.
pub const SECTOR_BYTES: usize = 512;

type Sector = [u8; SECTOR_BYTES];

/// What the kernel asks of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Sectors come into the volatile cache.
    Write,
    /// All that was written before is to be on the platter.
    Flush,
    /// A write of nothing but zeros, and not a short one: a file of the write-ahead log is being made.
    Zeros,
    /// A write that begins with the header of such a file: it is used, or used again.
    Header,
}

/// Something that happens at the n-th call of a kind, counted from the moment it was armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Which calls are counted.
    pub call: Call,
    /// Which one of them, from 1.
    pub number: u64,
    /// A cut comes so many calls of any kind later.
    pub later: u64,
}

/// How a write-ahead log's files begin.
const HEADER_MAGIC: &[u8] = b"KLAMMWAL";

/// Shorter writes of zeros are too many to mean anything.
const ZEROS_BYTES_MIN: usize = 32 << 10;

/// How an armed device misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The power goes: the call does not happen, nor does anything after it.
    Cut,
    /// The call fails with EIO; what a write had is lost. Later calls work.
    FailOnce,
    /// The call and all of its kind after it fail.
    FailFromHere,
}

/// What becomes of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// It is done.
    Done(T),
    /// It fails with EIO.
    Failed,
    /// The power is off: nobody is answered until the machine is taken apart.
    Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    On,
    /// Off, and whoever asks waits: what the processes of a dead machine do.
    Off,
    /// Off, and whoever asks gets an error.
    Dead,
}

/// Counts of a device's life.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Writes since it was armed.
    pub writes: u64,
    /// Flushes since it was armed.
    pub flushes: u64,
    /// Long writes of zeros since it was armed.
    pub zeros: u64,
    /// Headers of the write-ahead log since it was armed.
    pub headers: u64,
    /// Calls that failed on purpose since it was armed.
    pub failed: u64,
}

/// What a cut found in the volatile cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutReport {
    /// Writes that no flush had covered.
    pub pending_writes: usize,
    /// Sectors of these writes.
    pub pending_sectors: usize,
    /// Sectors whose newest content is gone.
    pub lost_sectors: usize,
}

struct PendingWrite {
    first_sector: usize,
    bytes: Vec<u8>,
}

struct State {
    /// What a reader sees: platter and cache together.
    bytes: Vec<u8>,
    /// What the platter holds of the sectors that the cache holds, too.
    platter: BTreeMap<usize, Sector>,
    pending: Vec<PendingWrite>,
    power: Power,
    armed: Option<(Trigger, Trouble)>,
    /// The trigger was met, and the cut comes after so many calls.
    cut_in: Option<u64>,
    counts: Counts,
    flush_delay: Duration,
}

/// The disk. Shared by the file system that offers it and the rig that cuts its power.
pub struct Device {
    state: Mutex<State>,
    changed: Condvar,
}

impl Device {
    /// A disk that holds `image`; its size is a multiple of a sector's.
    pub fn new(image: Vec<u8>) -> Self {
        assert!(image.len().is_multiple_of(SECTOR_BYTES), "a disk has whole sectors");
        let state = State {
            bytes: image,
            platter: BTreeMap::new(),
            pending: Vec::new(),
            power: Power::On,
            armed: None,
            cut_in: None,
            counts: Counts::default(),
            flush_delay: Duration::ZERO,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Size, bytes.
    pub fn len(&self) -> u64 {
        self.lock().bytes.len() as u64
    }

    /// Counts calls anew and lets trouble come at one of them.
    pub fn arm(&self, trouble: Option<(Trigger, Trouble)>) {
        let mut state = self.lock();
        state.armed = trouble;
        state.cut_in = None;
        state.counts = Counts::default();
    }

    /// Every flush takes so long from now on.
    pub fn slow_down(&self, flush_delay: Duration) {
        self.lock().flush_delay = flush_delay;
    }

    /// How long a flush takes now.
    pub fn flush_delay(&self) -> Duration {
        self.lock().flush_delay
    }

    /// Calls since the device was armed.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Cuts the power now, unless it is off already.
    pub fn cut(&self) {
        self.lock().cut();
        self.changed.notify_all();
    }

    /// Whether the power is off.
    pub fn is_cut(&self) -> bool {
        self.lock().power != Power::On
    }

    /// Waits for the power to go.
    pub fn wait_for_cut(&self, longest: Duration) -> bool {
        let on = |state: &mut State| state.power == Power::On;
        let waited = self.changed.wait_timeout_while(self.lock(), longest, on);
        waited.unwrap_or_else(PoisonError::into_inner).0.power != Power::On
    }

    /// Answers errors from here on: the processes that wait for the disk are to end.
    pub fn give_errors(&self) {
        self.lock().power = Power::Dead;
        self.changed.notify_all();
    }

    /// Whether calls wait for the machine to be taken apart.
    pub fn is_holding(&self) -> bool {
        self.lock().power == Power::Off
    }

    /// Chance decides which of the unflushed sectors are on the platter; then the power is on again.
    pub fn power_on(&self, survival: Survival, rng: &Rng) -> CutReport {
        let mut state = self.lock();
        let report = state.settle(survival, rng);
        state.power = Power::On;
        state.armed = None;
        state.cut_in = None;
        state.flush_delay = Duration::ZERO;
        self.changed.notify_all();
        report
    }

    /// The bytes as a reader sees them.
    #[cfg(test)]
    pub fn image(&self) -> Vec<u8> {
        self.lock().bytes.clone()
    }

    /// Puts another disk in.
    pub fn replace(&self, image: &[u8]) {
        let mut state = self.lock();
        state.bytes.copy_from_slice(image);
        state.platter.clear();
        state.pending.clear();
        state.power = Power::On;
        state.armed = None;
        state.cut_in = None;
    }

    /// Reads `len` bytes, fewer at the end of the disk.
    pub fn read(&self, position: u64, len: usize) -> Answer<Vec<u8>> {
        let state = self.lock();
        match state.power {
            Power::On => {}
            Power::Off => return Answer::Held,
            Power::Dead => return Answer::Failed,
        }
        let start = usize::try_from(position).map_or(state.bytes.len(), |p| p.min(state.bytes.len()));
        let end = start.saturating_add(len).min(state.bytes.len());
        Answer::Done(state.bytes[start..end].to_vec())
    }

    /// Takes whole sectors into the cache.
    pub fn write(&self, position: u64, bytes: &[u8]) -> Answer<()> {
        let mut state = self.lock();
        let answer = state.call(Call::Write, bytes);
        if answer == Answer::Done(()) {
            state.write(position, bytes);
        }
        self.changed.notify_all();
        answer
    }

    /// Brings the cache to the platter.
    pub fn flush(&self) -> Answer<()> {
        let mut state = self.lock();
        let answer = state.call(Call::Flush, &[]);
        if answer == Answer::Done(()) {
            state.platter.clear();
            state.pending.clear();
        }
        self.changed.notify_all();
        answer
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trigger {
    /// The n-th call of a kind itself.
    pub fn at(call: Call, number: u64) -> Self {
        Self { call, number, later: 0 }
    }

    fn is_met_by(&self, call: Call, bytes: &[u8]) -> bool {
        match self.call {
            Call::Write | Call::Flush => self.call == call,
            Call::Zeros => is_zeros(call, bytes),
            Call::Header => is_header(call, bytes),
        }
    }
}

fn is_zeros(call: Call, bytes: &[u8]) -> bool {
    call == Call::Write && bytes.len() >= ZEROS_BYTES_MIN && bytes.iter().all(|byte| *byte == 0)
}

fn is_header(call: Call, bytes: &[u8]) -> bool {
    call == Call::Write && bytes.starts_with(HEADER_MAGIC)
}

impl Counts {
    fn note(&mut self, call: Call, bytes: &[u8]) {
        match call {
            Call::Flush => self.flushes += 1,
            _ => self.writes += 1,
        }
        self.zeros += u64::from(is_zeros(call, bytes));
        self.headers += u64::from(is_header(call, bytes));
    }

    fn of(&self, call: Call) -> u64 {
        match call {
            Call::Write => self.writes,
            Call::Flush => self.flushes,
            Call::Zeros => self.zeros,
            Call::Header => self.headers,
        }
    }
}

impl State {
    /// Counts a call and says what becomes of it.
    fn call(&mut self, call: Call, bytes: &[u8]) -> Answer<()> {
        match self.power {
            Power::On => {}
            Power::Off => return Answer::Held,
            Power::Dead => return Answer::Failed,
        }
        if let Some(left) = self.cut_in.as_mut() {
            if *left == 0 {
                self.cut();
                return Answer::Held;
            }
            *left -= 1;
        }
        self.counts.note(call, bytes);
        let Some((trigger, trouble)) = self.armed.filter(|(trigger, _)| trigger.is_met_by(call, bytes))
        else {
            return Answer::Done(());
        };
        let count = self.counts.of(trigger.call);
        let fails = match trouble {
            Trouble::Cut if count >= trigger.number && trigger.later == 0 => {
                self.cut();
                return Answer::Held;
            }
            Trouble::Cut => {
                if count >= trigger.number && self.cut_in.is_none() {
                    self.cut_in = Some(trigger.later - 1);
                }
                false
            }
            Trouble::FailOnce => count == trigger.number,
            Trouble::FailFromHere => count >= trigger.number,
        };
        if fails {
            self.counts.failed += 1;
            return Answer::Failed;
        }
        Answer::Done(())
    }

    fn cut(&mut self) {
        if self.power == Power::On {
            self.power = Power::Off;
        }
    }

    fn write(&mut self, position: u64, bytes: &[u8]) {
        let start = usize::try_from(position).expect("the kernel writes inside of the disk");
        let is_whole = start.is_multiple_of(SECTOR_BYTES) && bytes.len().is_multiple_of(SECTOR_BYTES);
        assert!(is_whole, "the kernel writes whole sectors, not {} bytes at {start}", bytes.len());
        let first_sector = start / SECTOR_BYTES;
        for (index, old) in self.bytes[start..start + bytes.len()].chunks_exact(SECTOR_BYTES).enumerate() {
            let old = old.try_into().expect("a chunk is a sector");
            self.platter.entry(first_sector + index).or_insert(old);
        }
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        self.pending.push(PendingWrite { first_sector, bytes: bytes.to_vec() });
    }
}

#[cfg(test)]
mod tests;
