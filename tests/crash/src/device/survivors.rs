//! Owns the choice of what a cut leaves of the unflushed writes: any subset, in any order, torn between sectors.

use std::collections::BTreeMap;

use platform::Rng;

use super::{CutReport, Sector, State};

/// How a disk loses its cache. All of them are what real ones do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Nothing unflushed is on the platter.
    Nothing,
    /// All of it is.
    Everything,
    /// The oldest writes are, and the next one in part.
    Oldest,
    /// The newest writes are, and none before them.
    Newest,
    /// Each write is by chance, `percent` of them.
    Writes {
        /// Chance of each.
        percent: u64,
    },
    /// Each sector of each write is by chance, `percent` of them.
    Sectors {
        /// Chance of each.
        percent: u64,
    },
}

impl Survival {
    /// One of them, by chance.
    pub fn choose(rng: &Rng) -> Self {
        let percent = [5, 30, 50, 70, 95][usize::try_from(rng.below(5)).unwrap_or(0)];
        match rng.below(10) {
            0 | 1 => Self::Nothing,
            2 => Self::Everything,
            3 => Self::Oldest,
            4 => Self::Newest,
            5 | 6 => Self::Writes { percent },
            _ => Self::Sectors { percent },
        }
    }
}

impl State {
    /// What is on the platter becomes what the disk holds; the cache is empty.
    pub(super) fn settle(&mut self, survival: Survival, rng: &Rng) -> CutReport {
        let pending = std::mem::take(&mut self.pending);
        let mut settled: BTreeMap<usize, Sector> = std::mem::take(&mut self.platter);
        let middle = usize::try_from(rng.below(pending.len() as u64 + 1)).expect("a small number");
        for (index, write) in pending.iter().enumerate() {
            let whole = match survival {
                Survival::Nothing => Some(false),
                Survival::Everything => Some(true),
                Survival::Oldest if index == middle => None,
                Survival::Oldest => Some(index < middle),
                Survival::Newest => Some(index >= middle),
                Survival::Writes { percent } => Some(rng.below(100) < percent),
                Survival::Sectors { .. } => None,
            };
            let percent = if let Survival::Sectors { percent } = survival { percent } else { 50 };
            for (at, bytes) in write.bytes.chunks_exact(super::SECTOR_BYTES).enumerate() {
                if whole.unwrap_or_else(|| rng.below(100) < percent) {
                    let bytes = bytes.try_into().expect("a chunk is a sector");
                    settled.insert(write.first_sector + at, bytes);
                }
            }
        }
        let mut report =
            CutReport { pending_writes: pending.len(), pending_sectors: settled.len(), lost_sectors: 0 };
        for (sector, bytes) in settled {
            let start = sector * super::SECTOR_BYTES;
            let held = &mut self.bytes[start..start + super::SECTOR_BYTES];
            report.lost_sectors += usize::from(held != bytes.as_slice());
            held.copy_from_slice(&bytes);
        }
        report
    }
}
