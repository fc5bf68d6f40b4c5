//! Owns what a loss of power leaves: a seeded, legal part of what was not synced. It never touches what was.
//!
//! Legal is what the POSIX calls allow and real file systems do: each 512-byte sector of an unsynced write is there
//! or not, whatever the order of the writes; a longer file may show zeros where its bytes did not arrive; changes of
//! names are there or not, in the order that the disk's configuration says, a rename whole.

use super::store::{Change, FileBody, Inode, Store, apply, write_into};
use super::{DiskConfig, NameOrder};
use crate::Rng;

/// The unit that a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// How much of the pending changes of one kind stays.
#[derive(Clone, Copy)]
enum Kept {
    Nothing,
    Everything,
    /// The oldest changes, the last of them torn.
    Prefix(u64),
    /// Any part.
    Some,
}

impl Kept {
    /// Nothing and prefixes are what most crashes leave, so they come more often than their share.
    fn choose(rng: &Rng, changes: usize) -> Self {
        match rng.below(8) {
            0 | 1 => Self::Nothing,
            2 => Self::Everything,
            3..6 => Self::Prefix(rng.below(changes as u64 + 1)),
            _ => Self::Some,
        }
    }
}

/// Turns the disk into what is found after the power came back.
pub(super) fn lose_power(store: &mut Store, config: &DiskConfig, rng: &Rng) {
    keep_names(store, config, rng);
    for inode in store.inodes.values_mut() {
        match inode {
            Inode::Dir(dir) => dir.current.clone_from(&dir.durable),
            Inode::File(file) => {
                let kept = Kept::choose(rng, file.pending.len());
                file.keep(kept, config.zero_tails, rng);
                file.current.clone_from(&file.durable);
            }
        }
    }
    store.drop_unreachable();
}

fn keep_names(store: &mut Store, config: &DiskConfig, rng: &Rng) {
    let pending = std::mem::take(&mut store.pending_names);
    let kept = match Kept::choose(rng, pending.len()) {
        Kept::Some if config.names != NameOrder::Any => Kept::Prefix(rng.below(pending.len() as u64 + 1)),
        other => other,
    };
    for (number, change) in (0..).zip(&pending) {
        let keep = match kept {
            Kept::Nothing => false,
            Kept::Everything => true,
            Kept::Prefix(count) => number < count,
            Kept::Some => rng.below(2) == 0,
        };
        if keep {
            store.apply_name(change);
        }
    }
}

impl FileBody {
    /// A sync that failed: some of the pending bytes arrived, and the kernel calls all of them clean, so that no
    /// later sync writes the rest. Readers go on seeing them until the power is lost.
    pub(super) fn fail_sync(&mut self, rng: &Rng) {
        let kept = Kept::choose(rng, self.pending.len());
        self.keep(kept, false, rng);
    }

    /// Applies the kept part of the pending changes to the durable bytes and forgets the rest.
    fn keep(&mut self, kept: Kept, zero_tails: bool, rng: &Rng) {
        let pending = std::mem::take(&mut self.pending);
        for (number, change) in (0..).zip(&pending) {
            match kept {
                Kept::Nothing => break,
                Kept::Everything => apply(&mut self.durable, change),
                Kept::Prefix(count) if number < count => apply(&mut self.durable, change),
                Kept::Prefix(count) if number == count => keep_torn(&mut self.durable, change, rng),
                Kept::Prefix(_) => break,
                Kept::Some => keep_sectors(&mut self.durable, change, rng),
            }
        }
        if zero_tails && self.durable.len() < self.current.len() && rng.one_in(4) {
            self.durable.resize(self.current.len(), 0);
        }
    }
}

/// A change of which only the beginning arrived.
fn keep_torn(durable: &mut Vec<u8>, change: &Change, rng: &Rng) {
    if let Change::Write { position, bytes } = change {
        let sectors = sectors(*position, bytes.len());
        let count = rng.below(sectors.len() as u64 + 1);
        for (_, (start, end)) in (0..count).zip(sectors) {
            write_into(durable, position + start, &bytes[start..end]);
        }
    }
}

/// A change of which any part arrived.
fn keep_sectors(durable: &mut Vec<u8>, change: &Change, rng: &Rng) {
    match change {
        Change::Resize(_) if rng.below(2) == 0 => apply(durable, change),
        Change::Resize(_) => {}
        Change::Write { position, bytes } => {
            for (start, end) in sectors(*position, bytes.len()) {
                if rng.below(2) == 0 {
                    write_into(durable, position + start, &bytes[start..end]);
                }
            }
        }
    }
}

/// The pieces of a write that fall into separate sectors of the file, as ranges of the written bytes.
fn sectors(position: usize, len: usize) -> Vec<(usize, usize)> {
    let mut pieces = Vec::with_capacity(len / SECTOR_BYTES + 2);
    let mut start = 0;
    while start < len {
        let end = (start + SECTOR_BYTES - (position + start) % SECTOR_BYTES).min(len);
        pieces.push((start, end));
        start = end;
    }
    pieces
}
