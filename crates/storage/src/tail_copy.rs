//! A second copy of the end of a log that is flushed by itself and not through the write-ahead log.
//!
//! Owns the file `klamm-tail.deleted`: where the next copy goes, and what of it counts at a start. A rotten bit in the last
//! batches of a log looks like a write that was torn, and what is torn is cut. So the batches are flushed to two files, side
//! by side, and are promised to nobody before both flushes are done: rot in either is mended from the other, and what is
//! in neither was never promised. Below the recovery point on disk the proof speaks for the log, and a copy is of no more
//! use. The file has a fixed size, so that its flushes write nothing else. Its last sectors hold marks: where a full disk has
//! no place for the recovery point, a mark tells how far the log was flushed, and counts as much. It never judges the
//! batches themselves.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use platform::{Disk, OpenMode};

use crate::mutant::mutant;

mod frame;

use frame::encode_file_head;
pub(crate) use frame::{FILE_HEAD_BYTES, SLOT_BYTES, TailFrame, TailPlace, decode_file_head, is_frame_begun};

/// The file's name in a partition's directory. Kafka removes what ends so whenever it opens a log, as it should: what it
/// then writes is not in the copy.
pub const TAIL_FILE: &str = "klamm-tail.deleted";
/// Its size.
pub(crate) const TAIL_BYTES: u64 = 256 << 10;
/// Marks there is place for: while one is written, the one before it stands.
const MARKS: u64 = 2;
/// Where copies end and marks begin.
const COPIES_END: u64 = TAIL_BYTES - MARKS * SLOT_BYTES as u64;
/// Most bytes of one copy.
const COPY_BYTES_MAX: u64 = COPIES_END - (FILE_HEAD_BYTES + SLOT_BYTES) as u64;

/// The writer's half: what was appended since the last copy, and where the next one goes.
#[derive(Debug)]
pub(crate) struct TailCopy {
    /// At random, so that nobody outside can know how a frame of this file looks.
    salt: u64,
    /// Whether the file is there, in its full size.
    is_made: Arc<AtomicBool>,
    /// Where the next copy goes.
    at: u64,
    /// Until the recovery point on disk is there, no copy may be overwritten.
    needed_to: i64,
    /// Number of the next mark's place.
    next_mark: u64,
    pending: Pending,
}

/// Batches that were appended since the last copy.
#[derive(Debug, Default)]
enum Pending {
    #[default]
    Nothing,
    /// In one piece.
    Batches(TailPlace, Vec<u8>),
    /// More than fits, in two segments, or of a branch that was cut.
    NotToCopy,
}

/// A copy or a mark on its way to the file.
#[derive(Debug)]
pub(crate) struct TailWrite {
    salt: u64,
    is_made: Arc<AtomicBool>,
    at: u64,
    bytes: Vec<u8>,
}

impl TailCopy {
    /// Of a log that has no file yet.
    pub(crate) fn new(salt: u64) -> Self {
        let is_made = Arc::new(AtomicBool::new(false));
        let at = FILE_HEAD_BYTES as u64;
        Self { salt, is_made, at, needed_to: 0, next_mark: 0, pending: Pending::Nothing }
    }

    /// Notes a batch that was appended, whose bytes come in two parts.
    pub(crate) fn note(&mut self, place: TailPlace, parts: [&[u8]; 2]) {
        let len = (parts[0].len() + parts[1].len()) as u64;
        let (known, bytes) = match &mut self.pending {
            Pending::Nothing => {
                self.pending =
                    Pending::Batches(TailPlace { next_offset: place.first_offset, ..place }, Vec::new());
                return self.note(place, parts);
            }
            Pending::Batches(known, bytes) => (known, bytes),
            Pending::NotToCopy => return,
        };
        let follows = known.segment == place.segment && known.position + bytes.len() as u64 == place.position;
        if !follows || bytes.len() as u64 + len > COPY_BYTES_MAX {
            self.pending = Pending::NotToCopy;
            return;
        }
        known.next_offset = place.next_offset;
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
    }

    /// What was appended is about to be cut.
    pub(crate) fn void(&mut self) {
        self.pending = Pending::NotToCopy;
    }

    /// Prepares the copy of what was appended since the last one, of a log that is durable up to `durable` and whose recovery
    /// point on disk is `checkpointed`. `None` if there is no place for it, or if it would not be everything that is not
    /// durable yet: then the recovery point has to be written before anything is promised.
    pub(crate) fn take(&mut self, durable: i64, checkpointed: i64, generation: u32) -> Option<TailWrite> {
        let Pending::Batches(place, bytes) = std::mem::take(&mut self.pending) else { return None };
        if place.first_offset != durable {
            return None;
        }
        if checkpointed >= self.needed_to {
            self.at = FILE_HEAD_BYTES as u64;
        }
        let at = self.at;
        let bytes = TailFrame { place, generation, bytes: &bytes }.encode(self.salt);
        if at + bytes.len() as u64 > COPIES_END {
            return None;
        }
        self.at += bytes.len() as u64;
        self.needed_to = self.needed_to.max(place.next_offset);
        Some(TailWrite { salt: self.salt, is_made: Arc::clone(&self.is_made), at, bytes })
    }

    /// Prepares the mark of a log that is durable up to `durable`.
    pub(crate) fn mark(&mut self, durable: i64, generation: u32) -> TailWrite {
        let at = COPIES_END + self.next_mark * SLOT_BYTES as u64;
        self.next_mark = (self.next_mark + 1) % MARKS;
        let place = TailPlace { segment: 0, position: 0, first_offset: durable, next_offset: durable };
        let bytes = TailFrame { place, generation, bytes: &[] }.encode(self.salt);
        TailWrite { salt: self.salt, is_made: Arc::clone(&self.is_made), at, bytes }
    }
}

impl TailWrite {
    /// Writes it and flushes it. Whether it is there; if there is no space for the file it is not. Blocks.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn run(&self, disk: &dyn Disk, dir: &Path) -> io::Result<bool> {
        match self.write(disk, dir) {
            Ok(()) => Ok(true),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn write(&self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        let path = dir.join(TAIL_FILE);
        let is_made = self.is_made.load(Ordering::Acquire);
        let file = disk.open(&path, OpenMode::Create)?;
        if !is_made {
            file.set_len(0)?;
            let mut blank = vec![0; TAIL_BYTES as usize];
            blank[..FILE_HEAD_BYTES].copy_from_slice(&encode_file_head(self.salt));
            file.write_at(&blank, 0)?;
        }
        file.write_at(&self.bytes, self.at)?;
        file.sync_data()?;
        if !is_made {
            disk.sync_dir(dir)?;
            self.is_made.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// What a start found.
pub(crate) struct FoundTail {
    salt: u64,
    /// Everything before it had been flushed when the last copy was made.
    pub(crate) promised: i64,
    /// Where copies end that are needed, and the offset where they end.
    end: (u64, i64),
    /// Number of the place for the next mark.
    next_mark: u64,
    /// Segments whose end was not as it had been written, with the size that they have now.
    pub(crate) mended: Vec<(i64, u64)>,
}

impl FoundTail {
    /// The writer that goes on with the file.
    pub(crate) fn into_writer(self) -> TailCopy {
        let (at, needed_to) = self.end;
        let (is_made, next_mark) = (Arc::new(AtomicBool::new(true)), self.next_mark);
        TailCopy { needed_to, at, is_made, next_mark, ..TailCopy::new(self.salt) }
    }
}

/// Has the segments in `dir` end with what the copies of them say, as far as those are beyond the recovery point on disk, and
/// makes void what cannot be in the log. `size` tells the size of a segment's file, `path` its path. `None` if there is no
/// file, or none that can be read: then the log is all there is.
///
/// # Errors
/// The disk's.
pub(crate) fn mend_tail(
    disk: &dyn Disk,
    dir: &Path,
    (recovery_point, generation): (i64, u32),
    mut size: impl FnMut(i64) -> Option<u64>,
    path: impl Fn(i64) -> std::path::PathBuf,
) -> io::Result<Option<FoundTail>> {
    let file = match disk.open(&dir.join(TAIL_FILE), OpenMode::ReadWrite) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !mutant!(PageCacheTrusted) {
        // The last process may have ended because a flush of it had failed.
        file.forget_cached(0)?;
    }
    let mut bytes = vec![0; TAIL_BYTES as usize];
    let count = file.read_full_at(&mut bytes, 0)?;
    let Some(salt) = decode_file_head(&bytes[..count]).filter(|_| count as u64 == TAIL_BYTES) else {
        return Ok(None);
    };
    let next_mark = newest_mark(&bytes[COPIES_END as usize..], salt, generation)
        .map_or(0, |(number, _)| (number + 1) % MARKS);
    let end = (FILE_HEAD_BYTES as u64, 0);
    let mut found = FoundTail { salt, promised: recovery_point, end, next_mark, mended: Vec::new() };
    let mut void = Vec::new();
    let mut at = FILE_HEAD_BYTES;
    while at < bytes.len() {
        let Some(frame) = TailFrame::decode(&bytes[at..], salt) else {
            at += SLOT_BYTES;
            continue;
        };
        let next = at + frame.size_bytes();
        if frame.generation == generation && frame.place.next_offset > recovery_point && !frame.is_mark() {
            let known = found.mended.iter().rev().find(|(segment, _)| *segment == frame.place.segment);
            let len = known.map(|(_, len)| *len).or_else(|| size(frame.place.segment));
            found.promised = found.promised.max(frame.place.first_offset);
            found.end = (next as u64, frame.place.next_offset.max(found.end.1));
            match len.filter(|len| *len >= frame.place.position) {
                Some(len) => {
                    if let Some(len) = mend(disk, &path(frame.place.segment), len, &frame)? {
                        found.mended.push((frame.place.segment, len));
                    }
                }
                // Its flush was under way, and what came before it never arrived.
                None => void.push(at as u64),
            }
        }
        at = next;
    }
    for at in &void {
        file.write_at(&[0; SLOT_BYTES], *at)?;
    }
    if !void.is_empty() {
        file.sync_data()?;
    }
    Ok(Some(found))
}

/// How far the log in `dir` was flushed, by its newest mark; 0 if there is none of this generation.
///
/// # Errors
/// The disk's.
pub(crate) fn marked_to(disk: &dyn Disk, dir: &Path, generation: u32) -> io::Result<i64> {
    let file = match disk.open(&dir.join(TAIL_FILE), OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    if !mutant!(PageCacheTrusted) {
        file.forget_cached(0)?;
    }
    let mut head = [0; FILE_HEAD_BYTES];
    let count = file.read_full_at(&mut head, 0)?;
    let Some(salt) = decode_file_head(&head[..count]) else { return Ok(0) };
    let mut marks = [0; MARKS as usize * SLOT_BYTES];
    let count = file.read_full_at(&mut marks, COPIES_END)?;
    Ok(newest_mark(&marks[..count], salt, generation).map_or(0, |(_, offset)| offset))
}

/// The number of the newest mark's place, and its offset.
fn newest_mark(places: &[u8], salt: u64, generation: u32) -> Option<(u64, i64)> {
    let marks = (0..).zip(places.chunks_exact(SLOT_BYTES)).filter_map(|(number, place)| {
        let frame = TailFrame::decode(place, salt)?;
        (frame.is_mark() && frame.generation == generation).then_some((number, frame.place.next_offset))
    });
    marks.max_by_key(|(_, offset)| *offset)
}

/// Has a segment's file of `len` bytes hold what a copy says. Its new length, if anything had to be written.
fn mend(disk: &dyn Disk, path: &Path, len: u64, frame: &TailFrame<'_>) -> io::Result<Option<u64>> {
    let file = disk.open(path, OpenMode::ReadWrite)?;
    if !mutant!(PageCacheTrusted) {
        file.forget_cached(0)?;
    }
    let mut there = vec![0; frame.bytes.len()];
    let count = file.read_full_at(&mut there, frame.place.position)?;
    if there[..count] == *frame.bytes {
        return Ok(None);
    }
    file.write_at(frame.bytes, frame.place.position)?;
    file.sync_data()?;
    Ok(Some(len.max(frame.place.position + frame.bytes.len() as u64)))
}

#[cfg(test)]
mod tests;
