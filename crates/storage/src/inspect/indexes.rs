//! Whether the indexes of a segment lead where they should.
//!
//! Owns the judgement, batch by batch as the segment is read. A wrong index costs time and never a record, so it is never
//! more than a warning.

use std::io;
use std::path::{Path, PathBuf};

use platform::Disk;

use super::batch_reader::Sound;
use super::finding::Finding;
use crate::index::{IndexEntry, OffsetEntry, TimeEntry};
use crate::layout::{INDEX_SUFFIX, TIME_INDEX_SUFFIX, segment_path};

/// The entries that are still to be confirmed by batches.
pub(super) struct IndexCheck {
    base: i64,
    offsets: Entries<OffsetEntry>,
    times: Entries<TimeEntry>,
    last_offset: i64,
    max_timestamp: i64,
}

struct Entries<E> {
    path: PathBuf,
    entries: Vec<E>,
    next: usize,
    wrong: Option<String>,
}

impl IndexCheck {
    /// Reads both index files. Kafka makes a file large at once, and leaves it so if it is killed, and that of the metadata
    /// log's last segment always: `has_room` says that zeros at the end are no entries.
    pub(super) fn read(disk: &dyn Disk, dir: &Path, base: i64, has_room: bool) -> io::Result<Self> {
        Ok(Self {
            base,
            offsets: Entries::read(disk, segment_path(dir, base, INDEX_SUFFIX), has_room)?,
            times: Entries::read(disk, segment_path(dir, base, TIME_INDEX_SUFFIX), has_room)?,
            last_offset: -1,
            max_timestamp: -1,
        })
    }

    pub(super) fn take(&mut self, batch: &Sound) {
        let (base, last_before) = (self.base, self.last_offset);
        self.last_offset = batch.header.last_offset();
        self.max_timestamp = self.max_timestamp.max(batch.header.max_timestamp);
        let position = |entry: &OffsetEntry| u64::from(entry.position);
        while let Some(entry) = self.offsets.peek().filter(|entry| position(entry) <= batch.position) {
            let offset = base + i64::from(entry.relative_offset);
            if position(&entry) < batch.position {
                self.offsets.refuse(format!("position {} is not the start of a batch", entry.position));
            } else if last_before >= offset {
                self.offsets.refuse(format!("offset {offset} is before position {}", entry.position));
            }
            self.offsets.next += 1;
        }
        while let Some(entry) = self.times.peek() {
            let offset = base + i64::from(entry.relative_offset);
            if offset > self.last_offset {
                break;
            }
            if entry.timestamp > self.max_timestamp {
                let text = format!("no record up to offset {offset} has timestamp {}", entry.timestamp);
                self.times.refuse(text);
            }
            self.times.next += 1;
        }
    }

    /// Goes past damaged bytes: what leads there is not judged.
    pub(super) fn pass(&mut self, to: u64) {
        while self.offsets.peek().is_some_and(|entry| u64::from(entry.position) < to) {
            self.offsets.next += 1;
        }
    }

    /// What is wrong, once all batches were taken. `is_sealed` says whether both files have to be there.
    pub(super) fn findings(mut self, is_sealed: bool, findings: &mut Vec<Finding>) {
        if let Some(entry) = self.offsets.peek() {
            self.offsets.refuse(format!("position {} is behind the last batch", entry.position));
        }
        if self.times.peek().is_some() {
            self.times.refuse("it goes on behind the last batch".to_owned());
        }
        self.offsets.finding(is_sealed, findings);
        self.times.finding(is_sealed, findings);
    }
}

impl<E: IndexEntry> Entries<E> {
    fn read(disk: &dyn Disk, path: PathBuf, has_room: bool) -> io::Result<Self> {
        if !disk.exists(&path) {
            return Ok(Self { path, entries: Vec::new(), next: 0, wrong: Some(String::new()) });
        }
        let mut bytes = disk.read(&path)?;
        if has_room {
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(used.next_multiple_of(E::BYTES));
        }
        let mut all = Self { path, entries: Vec::new(), next: 0, wrong: None };
        if !bytes.len().is_multiple_of(E::BYTES) {
            all.wrong = Some("it ends inside an entry".to_owned());
        }
        for entry in bytes.chunks_exact(E::BYTES).map(E::decode) {
            if all.entries.last().is_some_and(|last: &E| !entry.follows(last)) {
                all.wrong = Some(format!("entry {} does not rise", all.entries.len()));
                break;
            }
            all.entries.push(entry);
        }
        Ok(all)
    }

    fn peek(&self) -> Option<E> {
        self.entries.get(self.next).copied()
    }

    fn refuse(&mut self, reason: String) {
        self.wrong.get_or_insert(reason);
    }

    fn finding(self, is_sealed: bool, findings: &mut Vec<Finding>) {
        match self.wrong {
            Some(missing) if missing.is_empty() && !is_sealed => {}
            Some(missing) if missing.is_empty() => findings.push(Finding::warning(self.path, "is missing")),
            Some(wrong) => {
                findings.push(Finding::warning(self.path, format!("does not fit the log: {wrong}")))
            }
            None => {}
        }
    }
}
