//! One segment: a file of batches, its two indexes, and what is known of its timestamps.
//!
//! Owns finding a batch in the file by offset, position or timestamp, for readers and writer alike. Only the log's
//! writer changes it; readers see a size that is published after the bytes. It never knows the other segments.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use parking_lot::Mutex;
use platform::{Disk, File, OpenMode};

use crate::directory::Directory;
use crate::index::{IndexTable, OffsetEntry, TimeEntry, entry_at, search_file};
use crate::layout::{
    DELETED_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, SEGMENT_SUFFIXES, TIME_INDEX_SUFFIX, segment_path,
};
use crate::proof::Cold;
use crate::scan::{BadBatch, BatchScan, FoundBatch, SMALL_WINDOW_BYTES, Step};

mod max_timestamp;
mod timestamps;
mod verify;

pub(crate) use max_timestamp::{LargestTimestamp, MaxTimestamp};
pub use timestamps::TimestampOffset;
pub(crate) use verify::digest;

/// Bytes that are walked batch by batch without asking the index: about what the look-up would cost.
const WALKED_BYTES: u64 = 32 << 10;

/// A segment of a log.
pub(crate) struct Segment {
    base_offset: i64,
    /// How often compaction has put a segment in the place of another one with this base offset: positions of one say
    /// nothing of the other.
    revision: u32,
    dir: Arc<Path>,
    size: AtomicU64,
    /// When this process first saw the segment: the age of one whose records have no timestamp.
    created_ms: AtomicI64,
    file: Mutex<Option<Arc<dyn File>>>,
    /// Whether the file holds bytes that were not flushed.
    dirty: AtomicBool,
    /// Whether the file was used since it was last considered for closing.
    used: AtomicBool,
    /// Whether the files were renamed to wait for deletion.
    deleted: AtomicBool,
    index: Mutex<SegmentIndex>,
    /// Bytes before this position may be ones of an earlier process that were not verified.
    unverified_end: AtomicU64,
    /// What is known of those.
    cold: Mutex<Option<Box<Cold>>>,
}

struct SegmentIndex {
    offsets: IndexTable<OffsetEntry>,
    times: IndexTable<TimeEntry>,
    largest: LargestTimestamp,
}

/// What came of closing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It is open, since somebody uses it.
    InUse,
    /// It is closed.
    Closed,
    /// It is closed, and had to be flushed before.
    Flushed,
}

/// What a search in a segment met instead of a batch.
#[derive(Debug)]
pub(crate) enum SegmentFault {
    /// The disk.
    Io(io::Error),
    /// Bytes that are not the batch they must be.
    Bad { position: u64, bad: BadBatch },
}

impl From<io::Error> for SegmentFault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The entries of a segment's indexes to start with.
pub(crate) struct SegmentIndexes {
    pub(crate) offsets: IndexTable<OffsetEntry>,
    pub(crate) times: IndexTable<TimeEntry>,
    pub(crate) largest: LargestTimestamp,
}

/// Flushes a file by its name; a missing one is no error.
pub(crate) fn sync_if_there(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.open(path, OpenMode::ReadWrite) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        file => file?.sync_data(),
    }
}

impl Segment {
    /// A segment without any file yet: the first append makes it.
    pub(crate) fn empty(dir: Arc<Path>, base_offset: i64, now_ms: i64) -> Self {
        let largest = LargestTimestamp::Known(MaxTimestamp::none(base_offset));
        let indexes = SegmentIndexes { offsets: IndexTable::new(), times: IndexTable::new(), largest };
        Self::existing(dir, base_offset, 0, now_ms, indexes)
    }

    /// A segment whose file holds `size` bytes of valid batches.
    pub(crate) fn existing(
        dir: Arc<Path>,
        base_offset: i64,
        size: u64,
        now_ms: i64,
        indexes: SegmentIndexes,
    ) -> Self {
        let SegmentIndexes { offsets, times, largest } = indexes;
        Self {
            base_offset,
            revision: 0,
            dir,
            size: AtomicU64::new(size),
            created_ms: AtomicI64::new(now_ms),
            file: Mutex::new(None),
            dirty: AtomicBool::new(false),
            used: AtomicBool::new(false),
            deleted: AtomicBool::new(false),
            index: Mutex::new(SegmentIndex { offsets, times, largest }),
            unverified_end: AtomicU64::new(0),
            cold: Mutex::new(None),
        }
    }

    /// The segment as the successor of others.
    pub(crate) fn with_revision(self, revision: u32) -> Self {
        Self { revision, ..self }
    }

    /// What tells it from every other segment of the log, also from those of the same name.
    pub(crate) fn place(&self) -> (i64, u32) {
        (self.base_offset, self.revision)
    }

    pub(crate) fn revision(&self) -> u32 {
        self.revision
    }

    /// Whether the files were renamed to wait for deletion.
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Bytes of valid batches.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn set_size(&self, size: u64) {
        self.size.store(size, Ordering::Release);
    }

    /// The file was cut to this size.
    pub(crate) fn note_cut(&self, size: u64) {
        self.set_size(size);
        self.cut_unverified(size);
    }

    pub(crate) fn created_ms(&self) -> i64 {
        self.created_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_created_ms(&self, now_ms: i64) {
        self.created_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(crate) fn set_dirty(&self, dirty: bool) {
        self.dirty.store(dirty, Ordering::Release);
    }

    /// The path of one of the segment's files.
    pub(crate) fn path(&self, suffix: &str) -> PathBuf {
        segment_path(&self.dir, self.base_offset, suffix)
    }

    /// The open file of records. A missing one is created only for the writer.
    pub(crate) fn file(self: &Arc<Self>, directory: &Directory, create: bool) -> io::Result<Arc<dyn File>> {
        self.open(directory, create, false)
    }

    /// The same for an append: from here on the file has bytes that are not flushed.
    pub(crate) fn file_to_append(self: &Arc<Self>, directory: &Directory) -> io::Result<Arc<dyn File>> {
        self.open(directory, true, true)
    }

    fn open(self: &Arc<Self>, directory: &Directory, create: bool, dirty: bool) -> io::Result<Arc<dyn File>> {
        self.used.store(true, Ordering::Relaxed);
        let mut slot = self.file.lock();
        if dirty {
            // Under the lock, so that nobody closes the file between this and the write.
            self.set_dirty(true);
        }
        if let Some(file) = &*slot {
            return Ok(Arc::clone(file));
        }
        let file = directory.watch(self.open_file(directory.disk().as_ref(), create)?);
        *slot = Some(Arc::clone(&file));
        drop(slot);
        directory.open_files().opened(self, directory)?;
        Ok(file)
    }

    /// Closes the file, whatever was not flushed of it: the segment is out of use.
    pub(crate) fn close_file(&self) {
        *self.file.lock() = None;
    }

    fn open_file(&self, disk: &dyn Disk, create: bool) -> io::Result<Arc<dyn File>> {
        let path = self.path(LOG_SUFFIX);
        let mode = if create { OpenMode::Create } else { OpenMode::ReadWrite };
        match disk.open(&path, mode) {
            // A reader that took its segment list before the deletion still gets its bytes.
            Err(e) if e.kind() == io::ErrorKind::NotFound && self.deleted.load(Ordering::Acquire) => {
                disk.open(&self.path(&format!("{LOG_SUFFIX}{DELETED_SUFFIX}")), OpenMode::Read)
            }
            other => other,
        }
    }

    /// Closes the file unless it was used since the last call or has unflushed bytes. Whether none is open now.
    pub(crate) fn try_close_idle_file(&self) -> bool {
        // Of a segment that was replaced only the open file is the right one.
        let is_needed = self.dirty.load(Ordering::Acquire) || self.is_deleted();
        if is_needed || self.used.swap(false, Ordering::Relaxed) {
            return false;
        }
        let Some(mut slot) = self.file.try_lock() else { return false };
        if self.dirty.load(Ordering::Acquire) || self.is_deleted() {
            return false;
        }
        *slot = None;
        true
    }

    /// Flushes what was not flushed and closes the file, unless somebody is using it. What was flushed this way counts as
    /// little as before: only a later flush of the log says so. Blocks.
    ///
    /// # Errors
    /// The flush failed.
    pub(crate) fn flush_and_close(&self) -> io::Result<Closing> {
        let Some(mut slot) = self.file.try_lock() else { return Ok(Closing::InUse) };
        let Some(file) = &*slot else { return Ok(Closing::Closed) };
        // Whoever writes or flushes holds the file, and can get it only with the lock.
        if self.is_deleted() || Arc::strong_count(file) > 1 {
            return Ok(Closing::InUse);
        }
        let is_dirty = self.dirty.load(Ordering::Acquire);
        if is_dirty {
            file.sync_data()?;
            self.set_dirty(false);
        }
        *slot = None;
        Ok(if is_dirty { Closing::Flushed } else { Closing::Closed })
    }

    /// As [`Segment::mark_deleted`], for a segment whose name another one is about to take: who reads it goes on in the
    /// file that is open.
    pub(crate) fn mark_replaced(self: &Arc<Self>, directory: &Directory) -> io::Result<Vec<PathBuf>> {
        self.deleted.store(true, Ordering::Release);
        if self.size() > 0 {
            self.file(directory, false)?;
        }
        self.mark_deleted(directory.disk().as_ref())
    }

    /// Renames the segment's files so that they wait for deletion; missing ones are passed over.
    pub(crate) fn mark_deleted(&self, disk: &dyn Disk) -> io::Result<Vec<PathBuf>> {
        self.deleted.store(true, Ordering::Release);
        let mut waiting = Vec::new();
        for suffix in SEGMENT_SUFFIXES {
            let from = self.path(suffix);
            let to = self.path(&format!("{suffix}{DELETED_SUFFIX}"));
            match disk.rename(&from, &to) {
                Ok(()) => waiting.push(to),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(waiting)
    }

    // ---- writer ----

    /// Notes an appended batch: its timestamp, and index entries if they are due. Whether enough entries wait to be
    /// written.
    pub(crate) fn note_batch(
        &self,
        position: u64,
        last_offset: i64,
        max_timestamp: i64,
        index_due: bool,
    ) -> bool {
        let relative_offset = (last_offset - self.base_offset) as u32;
        let mut index = self.index.lock();
        index.largest.note(max_timestamp, last_offset);
        if !index_due {
            return false;
        }
        let full = index.offsets.push(OffsetEntry { relative_offset, position: position as u32 });
        let times_full = match index.largest {
            LargestTimestamp::Known(max) => self.push_time(&mut index, max),
            // An entry may only tell the largest timestamp so far.
            LargestTimestamp::Unknown { .. } => false,
        };
        full || times_full
    }

    fn push_time(&self, index: &mut SegmentIndex, max: MaxTimestamp) -> bool {
        let last = index.times.last().map_or(-1, |entry| entry.timestamp);
        if max.timestamp <= last {
            return false;
        }
        let relative_offset = (max.offset - self.base_offset) as u32;
        index.times.push(TimeEntry { timestamp: max.timestamp, relative_offset })
    }

    /// Adds the closing entry of the time index, as Kafka does when a segment is rolled or closed: the largest timestamp.
    pub(crate) fn close_time_index(&self, max: MaxTimestamp) {
        let mut index = self.index.lock();
        self.push_time(&mut index, max);
    }

    /// Numbers of entries in the offset and time index.
    pub(crate) fn index_entries(&self) -> (u32, u32) {
        let index = self.index.lock();
        (index.offsets.len(), index.times.len())
    }

    /// Writes the index entries that wait in memory; with `create`, both files exist afterwards even if empty.
    pub(crate) fn write_indexes(&self, disk: &dyn Disk, create: bool) -> io::Result<()> {
        let (offsets, times) = {
            let index = self.index.lock();
            (index.offsets.pending_bytes(), index.times.pending_bytes())
        };
        match &offsets {
            Some(write) => write.run(disk, &self.path(INDEX_SUFFIX))?,
            None if create => drop(disk.open(&self.path(INDEX_SUFFIX), OpenMode::Create)?),
            None => {}
        }
        match &times {
            Some(write) => write.run(disk, &self.path(TIME_INDEX_SUFFIX))?,
            None if create => drop(disk.open(&self.path(TIME_INDEX_SUFFIX), OpenMode::Create)?),
            None => {}
        }
        let mut index = self.index.lock();
        offsets.iter().for_each(|write| index.offsets.written(write));
        times.iter().for_each(|write| index.times.written(write));
        Ok(())
    }

    /// Cuts the indexes to the entries before `offset`, which is at position `size`; the largest timestamp has to be
    /// found anew.
    pub(crate) fn truncate_indexes(&self, disk: &dyn Disk, offset: i64, size: u64) -> io::Result<()> {
        self.write_indexes(disk, false)?;
        let relative = u32::try_from(offset - self.base_offset).unwrap_or(0);
        let mut index = self.index.lock();
        let count = index.offsets.len();
        let kept =
            self.count_in_file(disk, INDEX_SUFFIX, count, |e: &OffsetEntry| e.relative_offset < relative)?;
        index.offsets.truncate(kept.0, kept.1);
        let count = index.times.len();
        let kept =
            self.count_in_file(disk, TIME_INDEX_SUFFIX, count, |e: &TimeEntry| e.relative_offset < relative)?;
        index.times.truncate(kept.0, kept.1);
        index.largest = LargestTimestamp::unknown(self.base_offset, size, false);
        drop(index);
        // Were the old entries to come back after a crash, some might fit the batches of the new branch, and not be the first
        // of their time.
        self.write_indexes(disk, false)?;
        for suffix in [INDEX_SUFFIX, TIME_INDEX_SUFFIX] {
            // Where nothing was indexed, a full disk need not have space for an empty file.
            sync_if_there(disk, &self.path(suffix))?;
        }
        Ok(())
    }

    fn count_in_file<E: crate::index::IndexEntry>(
        &self,
        disk: &dyn Disk,
        suffix: &str,
        entries: u32,
        keep: impl Fn(&E) -> bool,
    ) -> io::Result<(u32, Option<E>)> {
        if entries == 0 {
            return Ok((0, None));
        }
        let file = disk.open(&self.path(suffix), OpenMode::Read)?;
        let (mut low, mut high) = (0, entries);
        while low < high {
            let middle = low + (high - low) / 2;
            if keep(&entry_at(file.as_ref(), middle)?) { low = middle + 1 } else { high = middle }
        }
        let last = low.checked_sub(1).map(|number| entry_at(file.as_ref(), number)).transpose()?;
        Ok((low, last))
    }

    // ---- search ----

    /// The last offset-index entry that is not after what `at_most` allows. `part` guesses how far into the index it is,
    /// from 0 to 1.
    fn offset_entry(
        &self,
        disk: &dyn Disk,
        part: f64,
        at_most: impl Fn(&OffsetEntry) -> bool,
    ) -> Option<OffsetEntry> {
        let in_file = match self.index.lock().offsets.search_memory(&at_most) {
            Ok(entry) => return Some(entry),
            Err(in_file) => in_file,
        };
        if in_file.is_empty() {
            return None;
        }
        // An index that cannot be read only costs a longer walk.
        let file = disk.open(&self.path(INDEX_SUFFIX), OpenMode::Read).ok()?;
        search_file(file.as_ref(), in_file, part, at_most).ok().flatten()
    }

    /// The last entry of the offset index.
    pub(crate) fn last_offset_entry(&self, disk: &dyn Disk) -> Option<OffsetEntry> {
        self.offset_entry(disk, 1.0, |_| true)
    }

    /// The first batch whose last offset is not before `offset`, among the first `size` bytes.
    pub(crate) fn find(
        self: &Arc<Self>,
        directory: &Directory,
        offset: i64,
        size: u64,
    ) -> Result<Option<FoundBatch>, SegmentFault> {
        if size == 0 {
            return Ok(None);
        }
        let relative = u32::try_from(offset - self.base_offset).unwrap_or(0);
        let file = self.file(directory, false)?;
        let mut window = [0; SMALL_WINDOW_BYTES];
        // The end of the segment's offsets is not known here; where offsets are evenly spread the first guess may be far
        // off and the search still ends soon.
        let hint = self.offset_entry(directory.disk().as_ref(), 0.5, |e| e.relative_offset <= relative);
        let start = hint.filter(|entry| u64::from(entry.position) < size);
        if let Some(entry) = start {
            let mut scan = BatchScan::new(file.as_ref(), &mut window, u64::from(entry.position), size);
            match self.confirmed(directory, &mut scan, entry)? {
                Some(batch) if batch.header.last_offset() >= offset => return Ok(Some(batch)),
                Some(_) => return self.walk(directory, scan, |batch| batch.header.last_offset() >= offset),
                None => {
                    tracing::warn!(path = %self.path(INDEX_SUFFIX).display(), "an offset index entry is wrong")
                }
            }
        }
        let scan = BatchScan::new(file.as_ref(), &mut window, 0, size);
        self.walk(directory, scan, |batch| batch.header.last_offset() >= offset)
    }

    /// The batch an index entry points to, where `scan` starts, if it is the one the entry means.
    fn confirmed(
        self: &Arc<Self>,
        directory: &Directory,
        scan: &mut BatchScan<'_>,
        entry: OffsetEntry,
    ) -> Result<Option<FoundBatch>, SegmentFault> {
        let last_offset = self.base_offset + i64::from(entry.relative_offset);
        let batch = match scan.step()? {
            Step::Batch(batch) if batch.header.last_offset() == last_offset => batch,
            _ => return Ok(None),
        };
        match self.verify(directory, batch.position, batch.position + 1) {
            Ok(()) => Ok(Some(batch)),
            // Either is wrong, the batch or the entry. A walk from the front finds out.
            Err(SegmentFault::Bad { .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The next batch of a walk, verified.
    fn step(
        self: &Arc<Self>,
        directory: &Directory,
        scan: &mut BatchScan<'_>,
    ) -> Result<Option<FoundBatch>, SegmentFault> {
        let position = scan.position();
        self.verify(directory, position, position + 1)?;
        match scan.step()? {
            Step::Batch(batch) => Ok(Some(batch)),
            Step::End => Ok(None),
            Step::Bad(bad) => Err(SegmentFault::Bad { position, bad }),
        }
    }

    /// Goes on to the first batch that is `wanted`.
    fn walk(
        self: &Arc<Self>,
        directory: &Directory,
        mut scan: BatchScan<'_>,
        wanted: impl Fn(&FoundBatch) -> bool,
    ) -> Result<Option<FoundBatch>, SegmentFault> {
        while let Some(batch) = self.step(directory, &mut scan)? {
            if wanted(&batch) {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// The last end of a batch in `from..=limit`, and the offset after that batch; `None` if the first batch is longer.
    /// `from` must be the start of a batch.
    pub(crate) fn last_batch_end(
        self: &Arc<Self>,
        directory: &Directory,
        from: u64,
        limit: u64,
    ) -> Result<Option<(u64, i64)>, SegmentFault> {
        let size = self.size();
        let file = self.file(directory, false)?;
        let mut window = [0; SMALL_WINDOW_BYTES];
        let mut best = None;
        if limit - from > WALKED_BYTES
            && let Some(entry) =
                self.offset_entry(directory.disk().as_ref(), limit as f64 / size as f64, |e| {
                    u64::from(e.position) <= limit
                })
            && u64::from(entry.position) > from
        {
            let mut scan = BatchScan::new(file.as_ref(), &mut window, u64::from(entry.position), size);
            if let Some(batch) = self.confirmed(directory, &mut scan, entry)? {
                best = Some((batch.position, batch.header.base_offset));
            }
        }
        let start = best.map_or(from, |(position, _)| position);
        let mut scan = BatchScan::new(file.as_ref(), &mut window, start, size);
        while scan.position() < limit
            && let Some(batch) = self.step(directory, &mut scan)?
            && batch.end() <= limit
        {
            best = Some((batch.end(), batch.header.next_offset()));
        }
        Ok(best)
    }

    /// The end of the batch that starts at `position`, and the offset after it.
    pub(crate) fn batch_end(
        self: &Arc<Self>,
        directory: &Directory,
        position: u64,
    ) -> Result<(u64, i64), SegmentFault> {
        let size = self.size();
        let file = self.file(directory, false)?;
        let mut window = [0; records::HEADER_BYTES];
        let mut scan = BatchScan::new(file.as_ref(), &mut window, position, size);
        match self.step(directory, &mut scan)? {
            Some(batch) => Ok((batch.end(), batch.header.next_offset())),
            None => {
                let bad = BadBatch::Torn { needed: records::HEADER_BYTES as u64, available: 0 };
                Err(SegmentFault::Bad { position, bad })
            }
        }
    }
}
