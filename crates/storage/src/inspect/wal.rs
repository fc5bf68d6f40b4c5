//! What the write-ahead log of a directory holds, read without a log to apply it to.
//!
//! Owns counting groups and the range of offsets of each log. It never judges whether a log has them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::{Disk, File, OpenMode};
use protocol::Uuid;
use records::BatchHeader;

use super::finding::Finding;
use crate::error::StorageError;
use crate::layout::{is_wal_aside, is_wal_file};
use crate::wal::{BLOCK_BYTES, BlockReader, FileHead, FrameKind, ReadGroup};

/// The groups of a write-ahead log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalContents {
    /// Files.
    pub files: usize,
    /// Groups that can be read.
    pub groups: u64,
    /// By topic id and partition: what frames hold of it.
    pub(super) logs: BTreeMap<([u8; 16], i32), BTreeMap<u32, WalRange>>,
}

/// The offsets that the frames of one log span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalRange {
    /// The first.
    pub first_offset: i64,
    /// The offset after the last.
    pub end_offset: i64,
}

impl WalContents {
    pub(super) fn read(
        disk: &dyn Disk,
        path: &Path,
        id: Uuid,
        findings: &mut Vec<Finding>,
    ) -> io::Result<Self> {
        let mut contents = Self::default();
        for entry in disk.list(path)? {
            if entry.is_dir || !is_wal_file(&entry.name) {
                continue;
            }
            contents.files += 1;
            let file = path.join(&entry.name);
            if let Err(reason) = contents.read_file(disk, &file, id)? {
                findings.push(Finding::warning(file, reason));
            }
        }
        Ok(contents)
    }

    fn read_file(&mut self, disk: &dyn Disk, path: &Path, id: Uuid) -> io::Result<Result<(), String>> {
        let file = disk.open(path, OpenMode::Read)?;
        let mut block = vec![0; BLOCK_BYTES];
        let count = file.read_full_at(&mut block, 0)?;
        let Some(head) = FileHead::decode(&block[..count]) else {
            let is_blank = block[..count].iter().all(|byte| *byte == 0);
            return Ok(if is_blank { Ok(()) } else { Err("its header cannot be read".to_owned()) });
        };
        if head.id != id.0 {
            return Ok(Err("it belongs to another directory".to_owned()));
        }
        for_each_group(file, &head, |_, group| {
            self.groups += 1;
            for (frame, _) in group.frames() {
                let log = self.logs.entry((frame.topic_id, frame.partition)).or_default();
                let new = WalRange { first_offset: frame.base_offset, end_offset: frame.next_offset };
                let range = log.entry(frame.generation).or_insert(new);
                range.first_offset = range.first_offset.min(frame.base_offset);
                range.end_offset = range.end_offset.max(frame.next_offset);
            }
            Ok(true)
        })?;
        Ok(Ok(()))
    }

    /// What it holds of a log that was cut so often; older frames are void.
    pub fn of_log(&self, topic_id: Uuid, partition: i32, generation: u32) -> Option<WalRange> {
        self.logs.get(&(topic_id.0, partition))?.get(&generation).copied()
    }
}

/// Which log of which generation: what was written before a truncation is void.
pub(super) type WalLog = ([u8; 16], i32, u32);

/// Batches in files of the write-ahead log that a start put aside. Of two at one offset the one that was written later
/// counts.
#[derive(Debug, Clone, Default)]
pub(super) struct WalAside {
    /// By the first offset: the offset after the last.
    logs: BTreeMap<WalLog, BTreeMap<i64, i64>>,
}

impl WalAside {
    pub(super) fn read(disk: &dyn Disk, directory: &Path) -> io::Result<Self> {
        let mut aside = Self::default();
        for_each_aside(disk, directory, |log, header, _| {
            _ = aside.logs.entry(log).or_default().insert(header.base_offset, header.next_offset());
        })?;
        Ok(aside)
    }

    /// How far a log that ends at `end` gets with them.
    pub(super) fn reach(&self, log: WalLog, end: i64) -> i64 {
        let mut end = end;
        while let Some(next) = self.logs.get(&log).and_then(|batches| batches.get(&end)) {
            end = *next;
        }
        end
    }
}

/// Shows every batch in files that were put aside, in the order in which they were written.
///
/// # Errors
/// The disk's.
pub(super) fn for_each_aside(
    disk: &dyn Disk,
    directory: &Path,
    mut visit: impl FnMut(WalLog, BatchHeader, &[u8]),
) -> io::Result<()> {
    for (head, path) in files_aside(disk, directory)? {
        for_each_group(disk.open(&path, OpenMode::Read)?, &head, |_, group| {
            for (frame, body) in group.frames().filter(|(frame, _)| frame.kind == FrameKind::Batch) {
                let log = (frame.topic_id, frame.partition, frame.generation);
                batches_of(body).for_each(|(header, bytes)| visit(log, header, bytes));
            }
            Ok(true)
        })?;
    }
    Ok(())
}

/// The batches of a frame: there may be several, of which a log has the first ones.
fn batches_of(body: &[u8]) -> impl Iterator<Item = (BatchHeader, &[u8])> {
    records::batches(body).map_while(Result::ok).map(|batch| (batch.header, batch.bytes))
}

/// Files that were put aside, in the order of their use.
///
/// # Errors
/// The disk's.
fn files_aside(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<(FileHead, PathBuf)>> {
    let mut files = Vec::new();
    for entry in disk.list(directory)? {
        if entry.is_dir || !is_wal_aside(&entry.name) {
            continue;
        }
        let path = directory.join(&entry.name);
        let mut block = vec![0; BLOCK_BYTES];
        let count = disk.open(&path, OpenMode::Read)?.read_full_at(&mut block, 0)?;
        if let Some(head) = FileHead::decode(&block[..count]) {
            files.push((head, path));
        }
    }
    files.sort_by_key(|(head, _)| head.of_use.sequence);
    Ok(files)
}

/// Shows every group of a file that can be read, with its position, until `visit` says that it has seen enough.
///
/// # Errors
/// The disk's, and those of `visit`.
pub(super) fn for_each_group(
    file: Arc<dyn File>,
    head: &FileHead,
    mut visit: impl FnMut(u64, &ReadGroup<'_>) -> io::Result<bool>,
) -> io::Result<()> {
    let mut reader = BlockReader::new(file, head.size);
    let mut position = BLOCK_BYTES as u64;
    while position + BLOCK_BYTES as u64 <= head.size {
        let bytes = reader.group_at(position, head.of_use).map_err(disk_error)?;
        let group = bytes.and_then(|bytes| ReadGroup::decode(bytes, head.of_use));
        if let Some(group) = &group
            && !visit(position, group)?
        {
            return Ok(());
        }
        position += group.map_or(BLOCK_BYTES, |group| group.block_bytes) as u64;
    }
    Ok(())
}

fn disk_error(error: StorageError) -> io::Error {
    match error {
        StorageError::Io(error) => io::Error::new(error.kind(), error.to_string()),
        other => io::Error::other(other.to_string()),
    }
}
