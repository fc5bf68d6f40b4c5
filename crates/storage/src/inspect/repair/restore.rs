//! Bringing back what only the write-ahead log has of a log that was damaged.
//!
//! Owns appending batches of files that a start put aside because the log could not take them. A batch is appended only where
//! the log ends exactly where it begins, and never in the place of another one.

use std::io;
use std::path::Path;

use platform::{Disk, OpenMode};

use super::look_again;
use crate::inspect::batch_reader::{BatchReader, Found};
use crate::inspect::target::Target;
use crate::inspect::wal::{WalRange, for_each_group};
use crate::layout::{CUT_SUFFIX, DirKind, dir_kind, is_wal_file};
use crate::wal::{BLOCK_BYTES, FileHead, FrameKind};

/// Appends what the files that were put aside hold of a repaired log. The offsets that came back, if any.
///
/// # Errors
/// The disk's. What was appended is whole batches; the same can be tried again.
pub(super) fn restore(disk: &dyn Disk, directory: &Path, target: &Target) -> io::Result<Option<WalRange>> {
    let files = files_aside(disk, directory)?;
    if files.is_empty() {
        return Ok(None);
    }
    let log = look_again(disk, target)?;
    let (Some(topic_id), Some(last)) = (log.topic_id, log.segments.last()) else { return Ok(None) };
    let partition = match dir_kind(&log.name) {
        DirKind::Log { partition, .. } => partition,
        _ => return Ok(None),
    };
    let file = disk.open(&last.path, OpenMode::ReadWrite)?;
    let mut position = sound_bytes(&mut BatchReader::new(disk.open(&last.path, OpenMode::Read)?)?)?;
    if position < last.bytes {
        // What was not flushed is the next start's to judge.
        return Ok(None);
    }
    let (first_offset, mut end_offset) = (log.end_offset, log.end_offset);
    for (_, head, path) in &files {
        for_each_group(disk.open(path, OpenMode::Read)?, head, |_, group| {
            for (frame, body) in group.frames() {
                let is_next = frame.kind == FrameKind::Batch
                    && (frame.topic_id, frame.partition) == (topic_id.0, partition)
                    && frame.generation == log.generation
                    && frame.base_offset == end_offset;
                if is_next {
                    file.write_at(body, position)?;
                    position += body.len() as u64;
                    end_offset = frame.next_offset;
                }
            }
            Ok(true)
        })?;
    }
    if end_offset == first_offset {
        return Ok(None);
    }
    file.sync_data()?;
    Ok(Some(WalRange { first_offset, end_offset }))
}

/// Bytes of batches that are whole.
fn sound_bytes(reader: &mut BatchReader) -> io::Result<u64> {
    let mut position = 0;
    while let Found::Batch(batch) = reader.at(position)? {
        position = batch.end();
    }
    Ok(position)
}

/// Files that were put aside, in the order of their use.
fn files_aside(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<(u64, FileHead, std::path::PathBuf)>> {
    let mut files = Vec::new();
    for entry in disk.list(directory)? {
        let is_aside = entry.name.strip_suffix(CUT_SUFFIX).is_some_and(is_wal_file);
        if entry.is_dir || !is_aside {
            continue;
        }
        let path = directory.join(&entry.name);
        let mut block = vec![0; BLOCK_BYTES];
        let count = disk.open(&path, OpenMode::Read)?.read_full_at(&mut block, 0)?;
        if let Some(head) = FileHead::decode(&block[..count]) {
            files.push((head.of_use.sequence, head, path));
        }
    }
    files.sort_by_key(|(sequence, ..)| *sequence);
    Ok(files)
}
