//! The segment that takes the place of others, while it is written.
//!
//! Owns its files, which have names of their own until the log's writer swaps them in, and its indexes. When it is
//! finished, all of it is on stable storage.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::{Disk, File, OpenMode};
use records::BatchHeader;

use crate::index::{IndexEntry, IndexTable, OffsetEntry, TimeEntry};
use crate::layout::{
    CLEANED_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, SEGMENT_SUFFIXES, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX,
    segment_path,
};
use crate::mutant::mutant;
use crate::proof::{Ledger, ProofEntry};
use crate::segment::{LargestTimestamp, MaxTimestamp, Segment, SegmentIndexes};
use crate::txn_index::{self, AbortedTxn};

/// Positions of an index are 32 bits, with a sign where Java reads them.
const SEGMENT_BYTES_LIMIT: u64 = i32::MAX as u64;

/// See the module's documentation.
pub(crate) struct Output {
    base_offset: i64,
    dir: Arc<Path>,
    file: Arc<dyn File>,
    /// Bytes in the file.
    written: u64,
    /// Bytes that wait for their write.
    pub(crate) pending: Vec<u8>,
    /// From how many on they are written.
    pending_max: usize,
    offsets: Vec<u8>,
    times: Vec<u8>,
    last_offset_entry: Option<OffsetEntry>,
    last_time_entry: Option<TimeEntry>,
    bytes_since_index: u64,
    index_interval_bytes: u64,
    largest: MaxTimestamp,
    aborted: Vec<AbortedTxn>,
    ledger: Ledger,
}

impl Output {
    /// Begins a segment. What an interrupted cleaning left under its name is overwritten.
    pub(crate) fn create(
        disk: &dyn Disk,
        dir: &Arc<Path>,
        base_offset: i64,
        index_interval_bytes: u32,
        mut pending: Vec<u8>,
        pending_max: usize,
    ) -> io::Result<Self> {
        discard(disk, dir, base_offset);
        let file = disk.open(&cleaned_path(dir, base_offset, LOG_SUFFIX), OpenMode::Create)?;
        file.set_len(0)?;
        pending.clear();
        Ok(Self {
            base_offset,
            dir: Arc::clone(dir),
            file,
            written: 0,
            pending,
            pending_max,
            offsets: Vec::new(),
            times: Vec::new(),
            last_offset_entry: None,
            last_time_entry: None,
            bytes_since_index: 0,
            index_interval_bytes: u64::from(index_interval_bytes),
            largest: MaxTimestamp::none(base_offset),
            aborted: Vec::new(),
            ledger: Ledger::start(base_offset, 0),
        })
    }

    /// Takes in a batch that was just added to `pending`. Whether it fits into a segment.
    pub(crate) fn note(&mut self, header: &BatchHeader) -> bool {
        let bytes = header.size_bytes() as u64;
        let end = self.written + self.pending.len() as u64;
        let Ok(relative_offset) = u32::try_from(header.last_offset() - self.base_offset) else {
            return false;
        };
        if end > SEGMENT_BYTES_LIMIT || relative_offset > i32::MAX as u32 {
            return false;
        }
        self.largest.note(header.max_timestamp, header.last_offset());
        if self.bytes_since_index > self.index_interval_bytes {
            let entry = OffsetEntry { relative_offset, position: (end - bytes) as u32 };
            entry.encode(&mut self.offsets);
            self.last_offset_entry = Some(entry);
            self.push_time();
            self.bytes_since_index = 0;
        }
        self.bytes_since_index += bytes;
        let batch = &self.pending[self.pending.len() - header.size_bytes()..];
        self.ledger.append(header, batch, &[]);
        true
    }

    fn push_time(&mut self) {
        let MaxTimestamp { timestamp, offset } = self.largest;
        if timestamp > self.last_time_entry.map_or(-1, |entry| entry.timestamp) {
            let entry = TimeEntry { timestamp, relative_offset: (offset - self.base_offset) as u32 };
            entry.encode(&mut self.times);
            self.last_time_entry = Some(entry);
        }
    }

    pub(crate) fn add_aborted(&mut self, transactions: Vec<AbortedTxn>) {
        self.aborted.extend(transactions);
    }

    /// Writes what waits, if that is enough. Gives the bytes written.
    pub(crate) fn write_if_full(&mut self) -> io::Result<u64> {
        if self.pending.len() < self.pending_max { Ok(0) } else { self.write() }
    }

    fn write(&mut self) -> io::Result<u64> {
        if self.pending.is_empty() {
            return Ok(0);
        }
        self.file.write_at(&self.pending, self.written)?;
        let bytes = self.pending.len() as u64;
        self.written += bytes;
        self.pending.clear();
        Ok(bytes)
    }

    /// Completes the files and flushes them. Gives the segment as it will be once its files have their names, its proof,
    /// and the buffer back.
    pub(crate) fn finish(
        mut self,
        disk: &dyn Disk,
        created_ms: i64,
        revision: u32,
    ) -> io::Result<(Segment, Vec<ProofEntry>, Vec<u8>)> {
        self.write()?;
        if !mutant!(SwapWithoutFlush) {
            self.file.sync_data()?;
        }
        self.push_time();
        self.write_file(disk, INDEX_SUFFIX, &self.offsets)?;
        self.write_file(disk, TIME_INDEX_SUFFIX, &self.times)?;
        if !self.aborted.is_empty() {
            self.write_file(disk, TXN_INDEX_SUFFIX, &txn_index::encode(&self.aborted))?;
        }
        let indexes = SegmentIndexes {
            offsets: table(&self.offsets, self.last_offset_entry),
            times: table(&self.times, self.last_time_entry),
            largest: LargestTimestamp::Known(self.largest),
        };
        let segment = Segment::existing(self.dir, self.base_offset, self.written, created_ms, indexes);
        Ok((segment.with_revision(revision), self.ledger.into_content(), self.pending))
    }

    fn write_file(&self, disk: &dyn Disk, suffix: &str, bytes: &[u8]) -> io::Result<()> {
        let file = disk.open(&cleaned_path(&self.dir, self.base_offset, suffix), OpenMode::Create)?;
        file.set_len(0)?;
        if !bytes.is_empty() {
            file.write_at(bytes, 0)?;
        }
        file.sync_data()
    }
}

fn table<E: IndexEntry>(bytes: &[u8], last: Option<E>) -> IndexTable<E> {
    IndexTable::kept((bytes.len() / E::BYTES) as u32, bytes.len() as u64, last)
}

/// The name of a file that is not finished.
pub(crate) fn cleaned_path(dir: &Path, base_offset: i64, suffix: &str) -> PathBuf {
    segment_path(dir, base_offset, &format!("{suffix}{CLEANED_SUFFIX}"))
}

/// Removes the files of a segment that is not wanted after all.
pub(crate) fn discard(disk: &dyn Disk, dir: &Path, base_offset: i64) {
    for suffix in SEGMENT_SUFFIXES {
        if let Err(error) = disk.remove_file(&cleaned_path(dir, base_offset, suffix))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a file of an unfinished compaction could not be removed");
        }
    }
}
