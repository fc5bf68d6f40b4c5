//! Reads the batches of a segment file whole, one after another.
//!
//! Owns the buffer, which grows to the largest batch and never beyond the segment. Every batch is checked against its
//! checksum: what is written anew gets a new one, so rot must not get that far.

use platform::File;
use records::{Batch, BatchHeader, HEADER_BYTES, PREFIX_BYTES};

use crate::scan::BadBatch;
use crate::segment::SegmentFault;

/// See the module's documentation.
pub(crate) struct BatchReader {
    buffer: Vec<u8>,
    buffer_bytes: usize,
    filled: usize,
    /// Where in the buffer the next batch starts.
    at: usize,
    /// Where in the file the next batch starts.
    position: u64,
    size: u64,
}

impl BatchReader {
    pub(crate) fn new(buffer_bytes: usize) -> Self {
        let buffer_bytes = buffer_bytes.max(HEADER_BYTES);
        Self { buffer: Vec::new(), buffer_bytes, filled: 0, at: 0, position: 0, size: 0 }
    }

    /// Goes to the batch that starts at `position` of another file, of which `size` bytes count.
    pub(crate) fn start(&mut self, position: u64, size: u64) {
        if self.buffer.len() != self.buffer_bytes {
            self.buffer = vec![0; self.buffer_bytes];
        }
        (self.filled, self.at, self.position, self.size) = (0, 0, position, size);
    }

    /// Where in the file the next batch starts.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Whether every batch was read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.position >= self.size
    }

    /// The next batch; `None` at the end.
    pub(crate) fn next(&mut self, file: &dyn File) -> Result<Option<Batch<'_>>, SegmentFault> {
        if self.is_at_end() {
            return Ok(None);
        }
        let position = self.position;
        let bad = |bad| SegmentFault::Bad { position, bad };
        let left = self.size - position;
        let head = left.min(HEADER_BYTES as u64) as usize;
        self.fill(file, head)?;
        let header = BatchHeader::parse(&self.buffer[self.at..self.filled]).map_err(|error| match error {
            records::BatchError::Incomplete { needed, .. } => {
                bad(BadBatch::Torn { needed: (needed.max(PREFIX_BYTES)) as u64, available: left })
            }
            error => bad(BadBatch::Header(error)),
        })?;
        let needed = header.size_bytes();
        if needed as u64 > left {
            return Err(bad(BadBatch::Torn { needed: needed as u64, available: left }));
        }
        self.fill(file, needed)?;
        let start = self.at;
        self.at += needed;
        self.position += needed as u64;
        let batch = Batch { header, bytes: &self.buffer[start..start + needed] };
        if header.last_offset_delta < 0 || header.base_offset < 0 {
            let expected = header.base_offset.max(0);
            return Err(bad(BadBatch::Offset { expected, found: header.last_offset() }));
        }
        batch.verify_crc().map_err(|_| bad(BadBatch::Crc))?;
        Ok(Some(batch))
    }

    /// Has `wanted` bytes from `at` on in the buffer.
    fn fill(&mut self, file: &dyn File, wanted: usize) -> Result<(), SegmentFault> {
        if self.filled - self.at >= wanted {
            return Ok(());
        }
        self.buffer.copy_within(self.at..self.filled, 0);
        self.filled -= self.at;
        self.at = 0;
        if wanted > self.buffer.len() {
            self.buffer.resize(wanted, 0);
        }
        let from = self.position + self.filled as u64;
        let room = ((self.size - from).min((self.buffer.len() - self.filled) as u64)) as usize;
        let end = self.filled + room;
        let count = file.read_full_at(&mut self.buffer[self.filled..end], from)?;
        self.filled += count;
        if self.filled < wanted {
            let bad = BadBatch::Torn { needed: wanted as u64, available: self.filled as u64 };
            return Err(SegmentFault::Bad { position: self.position, bad });
        }
        Ok(())
    }
}
