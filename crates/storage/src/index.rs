//! The two sparse indexes of a segment: offset to position, and timestamp to offset.
//!
//! Owns the layout of `.index` and `.timeindex` and the search in them. It never trusts them: an entry is a hint where
//! to look, and whoever uses one checks it against the batch it points to. A missing entry costs time, never
//! correctness.
//!
//! The newest entries wait in memory until there are enough of them to be worth a write, so that an append costs one
//! system call and an idle log none; recovery rebuilds what a crash took. No index file is kept open.

use std::io;
use std::path::Path;

use platform::{Disk, File, OpenMode};

/// Entries that wait in memory before they are written.
const PENDING_ENTRIES: usize = 64;
/// Entries looked at in memory once a search in a file has come close.
const BLOCK_ENTRIES: u32 = 256;
/// Bytes of the largest entry.
const MAX_ENTRY_BYTES: usize = 12;

/// A fixed-size entry of an index, big-endian in the file.
pub(crate) trait IndexEntry: Copy + PartialEq {
    /// Bytes in the file.
    const BYTES: usize;
    /// Appends the file form.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads the file form, which has exactly [`Self::BYTES`] bytes.
    fn decode(bytes: &[u8]) -> Self;
    /// Whether this entry may follow `previous`.
    fn follows(&self, previous: &Self) -> bool;
}

/// The batch at `position` ends with the offset `relative_offset` after the segment's base offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) relative_offset: u32,
    pub(crate) position: u32,
}

/// `timestamp` (ms) is the largest up to the batch that ends with this offset, which is the one that brought it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: i64,
    pub(crate) relative_offset: u32,
}

impl IndexEntry for OffsetEntry {
    const BYTES: usize = 8;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        Self { relative_offset: u32_at(bytes, 0), position: u32_at(bytes, 4) }
    }

    fn follows(&self, previous: &Self) -> bool {
        self.relative_offset > previous.relative_offset && self.position > previous.position
    }
}

impl IndexEntry for TimeEntry {
    const BYTES: usize = 12;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        let mut long = [0; 8];
        long.copy_from_slice(&bytes[..8]);
        Self { timestamp: i64::from_be_bytes(long), relative_offset: u32_at(bytes, 8) }
    }

    fn follows(&self, previous: &Self) -> bool {
        self.timestamp > previous.timestamp && self.relative_offset >= previous.relative_offset
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(word)
}

/// One index of one segment: entries in the file, then entries in memory.
#[derive(Debug)]
pub(crate) struct IndexTable<E> {
    /// Entries in the file that count; the file may hold more, which a later write overwrites or cuts.
    written: u32,
    /// Whether the file may hold bytes after the written entries.
    stale_tail: bool,
    pending: Vec<E>,
    last: Option<E>,
}

/// Where a search that did not end in memory goes on: the number of entries in the file.
pub(crate) struct InFile(u32);

impl InFile {
    pub(crate) fn is_empty(&self) -> bool {
        self.0 == 0
    }
}

impl<E: IndexEntry> IndexTable<E> {
    /// An index without a file.
    pub(crate) fn new() -> Self {
        Self { written: 0, stale_tail: false, pending: Vec::new(), last: None }
    }

    /// The index in a file of this length whose last entry is not known yet.
    pub(crate) fn in_file(len_bytes: u64) -> Self {
        let written = u32::try_from(len_bytes / E::BYTES as u64).unwrap_or(u32::MAX);
        Self {
            written,
            stale_tail: !len_bytes.is_multiple_of(E::BYTES as u64),
            pending: Vec::new(),
            last: None,
        }
    }

    /// The index in a file of this length of which the first `written` entries count, `last` being the last of them.
    pub(crate) fn kept(written: u32, len_bytes: u64, last: Option<E>) -> Self {
        let stale_tail = len_bytes != u64::from(written) * E::BYTES as u64;
        Self { written, stale_tail, pending: Vec::new(), last }
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> u32 {
        self.written + self.pending.len() as u32
    }

    /// The last entry, if it was added or loaded in this run.
    pub(crate) fn last(&self) -> Option<E> {
        self.last
    }

    /// Adds an entry. Whether enough wait to be written.
    pub(crate) fn push(&mut self, entry: E) -> bool {
        self.pending.push(entry);
        self.last = Some(entry);
        self.pending.len() >= PENDING_ENTRIES
    }

    /// The last entry for which `at_most` holds, if it is in memory; else where to go on in the file.
    pub(crate) fn search_memory(&self, at_most: impl Fn(&E) -> bool) -> Result<E, InFile> {
        match self.pending.partition_point(at_most) {
            0 => Err(InFile(self.written)),
            found => Ok(self.pending[found - 1]),
        }
    }

    /// The entries that wait, ready to be written; `None` if the file is as it should be.
    pub(crate) fn pending_bytes(&self) -> Option<PendingWrite> {
        if self.pending.is_empty() && !self.stale_tail {
            return None;
        }
        let mut bytes = Vec::with_capacity(self.pending.len() * E::BYTES);
        self.pending.iter().for_each(|entry| entry.encode(&mut bytes));
        let position = u64::from(self.written) * E::BYTES as u64;
        Some(PendingWrite { position, bytes, cut: self.stale_tail, entries: self.pending.len() })
    }

    /// Notes that `write` is in the file.
    pub(crate) fn written(&mut self, write: &PendingWrite) {
        self.pending.drain(..write.entries);
        self.written += write.entries as u32;
        self.stale_tail = false;
    }

    /// Keeps the first `count` entries; `last` is the last of them.
    pub(crate) fn truncate(&mut self, count: u32, last: Option<E>) {
        if count < self.written {
            self.written = count;
            self.stale_tail = true;
        }
        self.pending.truncate((count - self.written) as usize);
        self.last = last;
    }
}

/// Entries on their way into the file.
pub(crate) struct PendingWrite {
    position: u64,
    bytes: Vec<u8>,
    cut: bool,
    entries: usize,
}

impl PendingWrite {
    /// Writes them into the file, which is created if missing.
    pub(crate) fn run(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        let file = disk.open(path, OpenMode::Create)?;
        if self.cut {
            file.set_len(self.position)?;
        }
        if self.bytes.is_empty() { Ok(()) } else { file.write_at(&self.bytes, self.position) }
    }
}

/// The last entry of a file for which `at_most` holds, which must hold for a prefix of the entries. The search begins
/// around `part` of the way (0 to 1): indexes are about evenly spread, so a good guess needs one read.
pub(crate) fn search_file<E: IndexEntry>(
    file: &dyn File,
    InFile(entries): InFile,
    part: f64,
    at_most: impl Fn(&E) -> bool,
) -> io::Result<Option<E>> {
    let mut block = [0; BLOCK_ENTRIES as usize * MAX_ENTRY_BYTES];
    // The first entry that is too far, or the end, is in `low..=high`.
    let (mut low, mut high) = (0, entries);
    let guess = (f64::from(entries) * part.clamp(0.0, 1.0)) as u32;
    let mut from = guess.saturating_sub(BLOCK_ENTRIES / 2);
    let mut before = None;
    while low < high {
        from = from.clamp(low, high.saturating_sub(BLOCK_ENTRIES).max(low));
        let count = BLOCK_ENTRIES.min(high - from);
        let bytes = &mut block[..count as usize * E::BYTES];
        file.read_exact_at(bytes, u64::from(from) * E::BYTES as u64)?;
        let kept = bytes.chunks_exact(E::BYTES).map(E::decode).take_while(|e| at_most(e));
        let (kept, last) = kept.fold((0, None), |(n, _), entry| (n + 1, Some(entry)));
        match last {
            None => high = from,
            Some(_) => {
                before = last;
                low = from + kept;
                if kept < count {
                    break;
                }
            }
        }
        from = low + (high - low) / 2;
    }
    Ok(before)
}

/// The entry with this number.
pub(crate) fn entry_at<E: IndexEntry>(file: &dyn File, number: u32) -> io::Result<E> {
    let mut bytes = [0; MAX_ENTRY_BYTES];
    let bytes = &mut bytes[..E::BYTES];
    file.read_exact_at(bytes, u64::from(number) * E::BYTES as u64)?;
    Ok(E::decode(bytes))
}

/// All entries of a file that rise as they must; reading stops at the first that does not.
pub(crate) fn rising_prefix<E: IndexEntry>(bytes: &[u8]) -> Vec<E> {
    let mut entries: Vec<E> = Vec::with_capacity(bytes.len() / E::BYTES);
    for entry in bytes.chunks_exact(E::BYTES).map(E::decode) {
        if entries.last().is_some_and(|last| !entry.follows(last)) {
            break;
        }
        entries.push(entry);
    }
    entries
}

#[cfg(test)]
mod tests;
