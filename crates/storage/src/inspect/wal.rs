//! What the write-ahead log of a directory holds, read without a log to apply it to.
//!
//! Owns counting groups and the range of offsets of each log. It never judges whether a log has them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use platform::{Disk, File, OpenMode};
use protocol::Uuid;

use super::finding::Finding;
use crate::error::StorageError;
use crate::layout::is_wal_file;
use crate::wal::{BLOCK_BYTES, BlockReader, FileHead, ReadGroup};

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
