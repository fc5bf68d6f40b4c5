//! The second copy of a log's end, read without a log to apply it to, and compared with one.
//!
//! Owns telling the copies and marks of the file apart, and what the next start makes of them. It changes nothing.

use std::collections::BTreeMap;
use std::io;

use platform::{Disk, OpenMode};

use super::finding::Finding;
use super::log::LogInspection;
use super::wal::WalRange;
use crate::tail_copy::{
    FILE_HEAD_BYTES, SLOT_BYTES, TAIL_BYTES, TAIL_FILE, TailFrame, decode_file_head, is_frame_begun,
};

/// What is at a place of the file.
pub(super) enum TailEntry<'a> {
    /// A copy of batches; without any of them, it tells how far the log was flushed.
    Frame(TailFrame<'a>),
    /// One was begun here, and it is not whole.
    Bad,
}

/// Everything in a file that can be told, with its position. `None` if its header is not whole: then nothing can.
pub(super) fn tail_entries(bytes: &[u8]) -> Option<Vec<(u64, TailEntry<'_>)>> {
    let salt = decode_file_head(bytes)?;
    let mut entries = Vec::new();
    let mut at = FILE_HEAD_BYTES;
    while at < bytes.len() {
        let (entry, next) = match TailFrame::decode(&bytes[at..], salt) {
            Some(frame) => {
                let next = at + frame.size_bytes();
                (Some(TailEntry::Frame(frame)), next)
            }
            None => (is_frame_begun(&bytes[at..], salt).then_some(TailEntry::Bad), at + SLOT_BYTES),
        };
        entries.extend(entry.map(|entry| (at as u64, entry)));
        at = next;
    }
    Some(entries)
}

impl LogInspection {
    /// Compares the log with the second copy of its end, if there is one, as the next start will.
    pub(super) fn judge_tail_copy(&mut self, disk: &dyn Disk) -> io::Result<()> {
        let path = self.path.join(TAIL_FILE);
        if !disk.exists(&path) {
            return Ok(());
        }
        let bytes = disk.read(&path)?;
        let entries = tail_entries(&bytes).filter(|_| bytes.len() as u64 == TAIL_BYTES);
        let Some(entries) = entries else {
            let text =
                "is not whole: the log is all there is of its last batches, and the node begins it anew";
            self.findings.push(Finding::warning(path, text));
            return Ok(());
        };
        // After a clean stop nothing in it is needed.
        let Some(flushed) = self.flushed_offset else { return Ok(()) };
        let mut sizes: BTreeMap<i64, u64> =
            self.segments.iter().map(|segment| (segment.base_offset, segment.bytes)).collect();
        for (position, entry) in entries {
            let frame = match entry {
                TailEntry::Frame(frame) => frame,
                TailEntry::Bad => {
                    let text = format!(
                        "has a copy at position {position} that was torn or has rotted: it does not count"
                    );
                    self.findings.push(Finding::warning(&path, text));
                    continue;
                }
            };
            let is_needed = frame.generation == self.generation && frame.place.next_offset > flushed;
            if !is_needed || frame.bytes.is_empty() {
                continue;
            }
            let offsets = format!("offsets {}..{}", frame.place.first_offset, frame.place.next_offset);
            let text = match self.compare(disk, &frame, &mut sizes)? {
                Compared::Same => continue,
                Compared::Other(file) => {
                    format!("holds {offsets}, and {file} has other bytes there: the next start restores them")
                }
                Compared::Unreached => {
                    format!("holds {offsets}, and the log does not reach so far: the next start drops them")
                }
            };
            self.findings.push(Finding::warning(&path, text));
        }
        if let Some(WalRange { first_offset, end_offset }) = self.tail {
            let text = format!(
                "holds offsets {first_offset}..{end_offset}, which the next start compares with the log"
            );
            self.findings.push(Finding::note(path, text));
        }
        Ok(())
    }

    fn compare(
        &mut self,
        disk: &dyn Disk,
        frame: &TailFrame<'_>,
        sizes: &mut BTreeMap<i64, u64>,
    ) -> io::Result<Compared> {
        let place = frame.place;
        let segment = self.segments.iter().find(|segment| segment.base_offset == place.segment);
        let size = sizes.get(&place.segment).copied().filter(|size| *size >= place.position);
        let (Some(segment), Some(size)) = (segment, size) else { return Ok(Compared::Unreached) };
        let (first_offset, end_offset) = (place.first_offset, place.next_offset);
        let range = self.tail.get_or_insert(WalRange { first_offset, end_offset });
        range.first_offset = range.first_offset.min(first_offset);
        range.end_offset = range.end_offset.max(end_offset);
        let mut there = vec![0; frame.bytes.len()];
        let count = disk.open(&segment.path, OpenMode::Read)?.read_full_at(&mut there, place.position)?;
        sizes.insert(place.segment, size.max(place.position + frame.bytes.len() as u64));
        if there[..count] == *frame.bytes {
            return Ok(Compared::Same);
        }
        let name = segment.path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Compared::Other(name.unwrap_or_default()))
    }
}

/// What a log has where a copy says that batches are.
enum Compared {
    Same,
    /// Other bytes, in this file.
    Other(String),
    /// The segment is not there or ends before.
    Unreached,
}
