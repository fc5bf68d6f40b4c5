//! A group while it collects frames. Owns its buffer, which lies so in memory that it can be written past the page cache.

use std::path::PathBuf;
use std::sync::Arc;

use platform::File;

use super::frame::{BLOCK_BYTES, FrameHead, GROUP_HEAD_BYTES, LOG_END_BYTES, LogEnd};
use crate::view::LogView;

/// Frames of a group, in bytes; the largest frame is far smaller.
pub(super) const GROUP_BYTES_MAX: usize = 1 << 20;
/// Entries of the table of ends; a group whose predecessor had more logs comes without a table.
const ENDS_MAX: usize = 4096;
/// Bytes that the blocks of a group take at most.
pub(super) const GROUP_BLOCKS_MAX: u64 =
    (GROUP_BYTES_MAX + ENDS_MAX * LOG_END_BYTES).next_multiple_of(BLOCK_BYTES) as u64;
/// Room of a buffer: a group with its head, table and padding, wherever the first block begins.
const BUFFER_BYTES: usize = GROUP_BYTES_MAX + ENDS_MAX * LOG_END_BYTES + 2 * BLOCK_BYTES;

/// Where a log ends with a group.
pub(super) struct End {
    pub(super) view: Arc<LogView>,
    /// Of the log when the batch was appended; a truncation since makes the end void.
    pub(super) generation: u32,
    pub(super) offset: i64,
}

impl End {
    pub(super) fn to_log_end(&self) -> Option<LogEnd> {
        let topic_id = self.view.topic_id()?.0;
        let (partition, generation) = (self.view.partition(), Some(self.generation));
        Some(LogEnd { topic_id, partition, next_offset: self.offset, generation })
    }
}

/// Frames and what has to happen with them.
pub(super) struct Group {
    pub(super) buffer: Vec<u8>,
    /// Where in the buffer the group begins, at the start of a block.
    pub(super) start: usize,
    pub(super) frames: u32,
    pub(super) ends: Vec<End>,
    /// Files to be flushed before the group is written.
    pub(super) syncs: Vec<Arc<dyn File>>,
    /// Logs whose names have to be made durable before.
    pub(super) names: Vec<PathBuf>,
}

impl Group {
    /// An empty group, in a buffer of another one if there is one.
    pub(super) fn new(buffer: Option<Vec<u8>>) -> Self {
        let mut buffer = buffer.unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES));
        buffer.clear();
        let start = buffer.as_ptr().align_offset(BLOCK_BYTES).min(BLOCK_BYTES);
        buffer.resize(start + GROUP_HEAD_BYTES, 0);
        Self { buffer, start, frames: 0, ends: Vec::new(), syncs: Vec::new(), names: Vec::new() }
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    pub(super) fn has_room(&self, frame_bytes: usize) -> bool {
        self.len() + frame_bytes <= GROUP_BYTES_MAX
    }

    pub(super) fn push(&mut self, head: &FrameHead, parts: [&[u8]; 2]) {
        let address = self.buffer.as_ptr();
        head.encode(parts[0].len() + parts[1].len(), &mut self.buffer);
        self.buffer.extend_from_slice(parts[0]);
        self.buffer.extend_from_slice(parts[1]);
        self.frames += 1;
        assert_eq!(address, self.buffer.as_ptr(), "a group's buffer never moves");
    }

    /// The log ends at `offset` with this group.
    pub(super) fn note_end(&mut self, view: &Arc<LogView>, offset: i64) {
        match self.ends.last_mut() {
            Some(last) if Arc::ptr_eq(&last.view, view) => {
                last.offset = offset;
                last.generation = view.generation();
            }
            _ => self.ends.push(End { view: Arc::clone(view), generation: view.generation(), offset }),
        }
    }

    /// Bytes of its blocks once it is complete.
    pub(super) fn block_bytes(&self, previous: &[LogEnd]) -> u64 {
        let table = table_of(previous).len() * LOG_END_BYTES;
        (self.len() + table).next_multiple_of(BLOCK_BYTES) as u64
    }
}

/// The table that is written for these ends.
pub(super) fn table_of(ends: &[LogEnd]) -> &[LogEnd] {
    if ends.len() > ENDS_MAX { &[] } else { ends }
}
