//! Handing appended batches to the write-ahead log.
//!
//! Owns what a durable log puts there, and in which order: names before batches, flushes before the references that rely
//! on them.

use std::sync::Arc;

use platform::File;

use super::UnifiedLog;
use super::append::Prepared;
use crate::error::StorageError;
use crate::mutant::mutant;
use crate::wal::{BYPASS_BYTES, FrameHead, FrameKind, encode_reference};

/// Bytes of an end that a recovery found and that are not known to be durable, up to which they are copied into the
/// write-ahead log; more are flushed where they lie.
const TAIL_BYTES_MAX: usize = 1 << 20;

impl UnifiedLog {
    /// Makes sure that what was appended becomes durable with the next group of the write-ahead log, if the log is
    /// durable.
    pub(super) fn write_ahead(&mut self, prepared: &[Prepared<'_>]) -> Result<(), StorageError> {
        if !self.config.durable {
            return Ok(());
        }
        self.names_ahead();
        for batch in prepared {
            let head = self.frame(FrameKind::Batch, batch.header.base_offset, batch.header.next_offset());
            if batch.size() < BYPASS_BYTES as u64 {
                self.directory().wal().push(&self.view, &head, [&batch.stamped, batch.payload()]);
                continue;
            }
            let crc = crc32c::crc32c_append(crc32c::crc32c(&batch.stamped), batch.payload());
            let body = encode_reference(batch.size() as usize, crc);
            let head = FrameHead { kind: FrameKind::Reference, ..head };
            // A batch that is in the log and not in the write-ahead log must not be followed by others.
            let files = self.unflushed_files().map_err(|error| self.directory().take_offline(error))?;
            let names = self.unflushed.names.is_pending().then(|| self.view.dir().to_path_buf());
            self.directory().wal().push_reference(&self.view, &head, &body, files, names);
        }
        Ok(())
    }

    /// The segments that a recovery walks through to reach the end: before a batch that lies there alone nothing may be
    /// missing, in a segment that was rolled a moment ago neither.
    fn unflushed_files(&self) -> std::io::Result<Vec<Arc<dyn File>>> {
        if mutant!(ReferenceWithoutFlush) {
            return Ok(Vec::new());
        }
        let segments = self.segments();
        let durable = self.view.recovery_point();
        if mutant!(RolledSegmentNotFlushed) {
            return Ok(vec![self.active.segment.file(self.directory(), false)?]);
        }
        let first = segments.partition_point(|segment| segment.base_offset() <= durable).saturating_sub(1);
        let with_bytes = segments[first..].iter().filter(|segment| segment.size() > 0);
        with_bytes.map(|segment| segment.file(self.directory(), false)).collect()
    }

    /// Has everything in a durable log made durable: what comes now is durable only if what is there is.
    pub(crate) fn secure_tail(&mut self) -> Result<(), StorageError> {
        let (durable, end) = (self.view.durable_end_offset(), self.end_offset());
        if !self.config.durable || durable == end {
            return Ok(());
        }
        if durable < self.view.log_start_offset() {
            // What comes before the log start cannot be read for it, and what follows would have nothing to follow.
            return self.flush_now();
        }
        let mut tail = Vec::new();
        let mut next = durable.max(self.view.log_start_offset());
        while next < end
            && tail.iter().map(|(_, _, bytes): &(i64, i64, Vec<u8>)| bytes.len()).sum::<usize>()
                < TAIL_BYTES_MAX
        {
            let slice = self.view.read(next, BYPASS_BYTES, end, true).map_err(|error| match error {
                crate::ReadError::Storage(error) => error,
                crate::ReadError::OffsetOutOfRange { .. } => StorageError::Unknown { log: self.view.name() },
            })?;
            let Some(slice) = slice else { break };
            let bytes = slice.to_vec()?;
            // The first batch may begin before the log start.
            let base_offset = records::BatchHeader::parse(&bytes).map_or(next, |header| header.base_offset);
            tail.push((base_offset, slice.next_offset, bytes));
            next = slice.next_offset;
        }
        if next < end || tail.iter().any(|(_, _, bytes)| bytes.len() >= BYPASS_BYTES) {
            return self.flush_now();
        }
        self.names_ahead();
        for (base_offset, next_offset, bytes) in &tail {
            let head = self.frame(FrameKind::Batch, *base_offset, *next_offset);
            self.directory().wal().push(&self.view, &head, [bytes, &[]]);
        }
        Ok(())
    }

    fn names_ahead(&mut self) {
        if !self.names_ahead {
            self.names_ahead = true;
            self.directory().wal().push_names(self.view.dir().to_path_buf());
        }
    }

    fn frame(&self, kind: FrameKind, base_offset: i64, next_offset: i64) -> FrameHead {
        let topic_id = self.view.topic_id().map_or([0; 16], |id| id.0);
        let (partition, generation) = (self.view.partition(), self.view.generation());
        FrameHead { kind, topic_id, partition, base_offset, next_offset, generation }
    }
}
