//! Bringing back what only the write-ahead log has of a log that was damaged.
//!
//! Owns appending batches of files that a start put aside because the log could not take them. A batch is appended only where
//! the log ends exactly where it begins, never in the place of another one, and only up to where the log should end. What
//! cannot be brought back here, since the log's end is torn, the next start brings back.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use platform::{Disk, OpenMode};

use super::look_again;
use crate::inspect::batch_reader::{BatchReader, Found};
use crate::inspect::target::Target;
use crate::inspect::wal::{WalRange, for_each_aside};
use crate::layout::{DirKind, dir_kind};

/// Appends what the files that were put aside hold of a repaired log. The offsets that came back, if any.
///
/// # Errors
/// The disk's. What was appended is whole batches; the same can be tried again.
pub(super) fn restore(disk: &dyn Disk, directory: &Path, target: &Target) -> io::Result<Option<WalRange>> {
    let log = look_again(disk, target)?;
    let (Some(topic_id), Some(last), Some(until)) = (log.topic_id, log.segments.last(), log.missing_until)
    else {
        return Ok(None);
    };
    let DirKind::Log { partition, .. } = dir_kind(&log.name) else { return Ok(None) };
    let file = disk.open(&last.path, OpenMode::ReadWrite)?;
    let mut position = sound_bytes(&mut BatchReader::new(disk.open(&last.path, OpenMode::Read)?)?)?;
    if position < last.bytes {
        // What was not flushed is the next start's to judge.
        return Ok(None);
    }
    let own = (topic_id.0, partition, log.generation);
    let (first_offset, mut end_offset) = (log.end_offset, log.end_offset);
    let mut batches = BTreeMap::new();
    for_each_aside(disk, directory, |found, header, bytes| {
        let is_wanted = found == own && header.base_offset >= first_offset && header.next_offset() <= until;
        if is_wanted {
            batches.insert(header.base_offset, (header.next_offset(), bytes.to_vec()));
        }
    })?;
    while let Some((next, bytes)) = batches.remove(&end_offset) {
        file.write_at(&bytes, position)?;
        position += bytes.len() as u64;
        end_offset = next;
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
