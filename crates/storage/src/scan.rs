//! Walks the batches of a segment file by their headers.
//!
//! Owns the walk: a window of the file in a buffer of the caller, moved forward as needed. It never looks inside a
//! batch except to check its checksum, and it never changes the file.

use std::fmt;
use std::io;

use platform::File;
use records::{Batch, BatchError, BatchHeader, HEADER_BYTES};

/// A window large enough for the headers between two index entries; lives on the stack of a reader.
pub(crate) const SMALL_WINDOW_BYTES: usize = 4096;
/// A window for reading much of a file, in recovery.
pub(crate) const LARGE_WINDOW_BYTES: usize = 1 << 20;

/// The largest batch of an old format whose checksum is computed, since it is read whole: far more than a broker of
/// that time took.
const LEGACY_BYTES_MAX: usize = 64 << 20;

/// Where the checksum of a magic-2 batch begins to count.
const CRC_COVERS_FROM: usize = 21;

/// A batch in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundBatch {
    /// Position of its first byte.
    pub(crate) position: u64,
    /// Its header.
    pub(crate) header: BatchHeader,
}

impl FoundBatch {
    /// Position of the first byte after it.
    pub(crate) fn end(&self) -> u64 {
        self.position + self.header.size_bytes() as u64
    }
}

/// Why the bytes at a position are not a batch that belongs there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadBatch {
    /// The file ends inside the batch.
    Torn {
        /// Bytes the batch needs.
        needed: u64,
        /// Bytes that are there.
        available: u64,
    },
    /// The bytes are zeros: the file was extended, and the data never arrived.
    Zeros,
    /// The header is impossible.
    Header(BatchError),
    /// The checksum does not match.
    Crc,
    /// The batch does not come after the one before it.
    Offset {
        /// The least base offset that may follow.
        expected: i64,
        /// The base offset found.
        found: i64,
    },
    /// The segment ends before the next one starts.
    Missing {
        /// The first offset that is missing.
        from: i64,
        /// Base offset of the next segment.
        to: i64,
    },
    /// The bytes up to `to` are not those that were written.
    Digest {
        /// Position after them.
        to: u64,
        /// The offset after their last batch.
        end_offset: i64,
    },
    /// The marker of a transaction says something else than the `.txnindex` files.
    UnknownAbort,
}

impl fmt::Display for BadBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn { needed, available } => {
                write!(f, "the batch is torn: {available} of its {needed} bytes are there")
            }
            Self::Zeros => f.write_str("there are only zeros"),
            Self::Header(e) => write!(f, "the batch header is impossible: {e}"),
            Self::Crc => f.write_str("the batch does not match its checksum"),
            Self::Offset { expected, found } => {
                write!(f, "the batch starts at offset {found}, and the next offset is {expected}")
            }
            Self::Digest { to, end_offset } => write!(
                f,
                "the bytes up to position {to}, offset {end_offset}, are not those that were written"
            ),
            Self::UnknownAbort => {
                f.write_str("a transaction's marker says something else than the .txnindex files")
            }
            Self::Missing { from, to } => write!(f, "the batches of offsets {from} to {to} are missing"),
        }
    }
}

/// One step of the walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A batch with a possible header that ends before the end of the walk.
    Batch(FoundBatch),
    /// The end of the walk.
    End,
    /// Something else. The walk cannot go on.
    Bad(BadBatch),
}

/// A walk over the batches in `position..end` of a file.
pub(crate) struct BatchScan<'a> {
    file: &'a dyn File,
    window: &'a mut [u8],
    window_start: u64,
    window_len: usize,
    position: u64,
    end: u64,
}

impl<'a> BatchScan<'a> {
    /// Starts at `position`, which must be the start of a batch. `window` must hold at least a header.
    pub(crate) fn new(file: &'a dyn File, window: &'a mut [u8], position: u64, end: u64) -> Self {
        assert!(window.len() >= HEADER_BYTES, "the window must hold a header");
        Self { file, window, window_start: position, window_len: 0, position, end }
    }

    /// Where the next step looks.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next batch. Its records are not read.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let available = self.end.saturating_sub(self.position);
        if available == 0 {
            return Ok(Step::End);
        }
        let wanted = available.min(HEADER_BYTES as u64) as usize;
        let bytes = self.bytes_at(self.position, wanted)?;
        let header = match BatchHeader::parse(bytes) {
            Ok(header) => header,
            Err(error) => return Ok(Step::Bad(classify(error, bytes, available))),
        };
        let needed = header.size_bytes() as u64;
        if needed > available {
            return Ok(Step::Bad(BadBatch::Torn { needed, available }));
        }
        if header.last_offset_delta < 0 || header.base_offset < 0 {
            let found = header.base_offset;
            return Ok(Step::Bad(BadBatch::Offset { expected: found.max(0), found: header.last_offset() }));
        }
        let batch = FoundBatch { position: self.position, header };
        self.position = batch.end();
        Ok(Step::Batch(batch))
    }

    /// Whether the checksum of a batch this walk found matches its bytes. That of the old formats is checked as well:
    /// nothing writes them any more, but a torn header whose magic byte did not arrive looks like one.
    pub(crate) fn crc_matches(&mut self, batch: &FoundBatch) -> io::Result<bool> {
        if batch.header.is_legacy() {
            if batch.header.size_bytes() > LEGACY_BYTES_MAX {
                return Ok(false);
            }
            let mut bytes = vec![0; batch.header.size_bytes()];
            self.file.read_exact_at(&mut bytes, batch.position)?;
            return Ok(Batch { header: batch.header, bytes: &bytes }.verify_crc().is_ok());
        }
        let mut position = batch.position + CRC_COVERS_FROM as u64;
        let mut crc = 0;
        while position < batch.end() {
            let left = batch.end() - position;
            let wanted = left.min(self.window.len() as u64) as usize;
            let bytes = self.bytes_at(position, wanted)?;
            if bytes.is_empty() {
                return Ok(false);
            }
            crc = crc32c::crc32c_append(crc, bytes);
            position += bytes.len() as u64;
        }
        Ok(crc == batch.header.crc)
    }

    /// Up to `wanted` bytes at `position`: fewer if the file ends.
    fn bytes_at(&mut self, position: u64, wanted: usize) -> io::Result<&[u8]> {
        let window_end = self.window_start + self.window_len as u64;
        if position < self.window_start || position + wanted as u64 > window_end {
            let room = (self.end - position).min(self.window.len() as u64) as usize;
            self.window_start = position;
            self.window_len = 0;
            self.window_len = self.file.read_full_at(&mut self.window[..room], position)?;
        }
        let from = (position - self.window_start) as usize;
        let to = (from + wanted).min(self.window_len);
        Ok(&self.window[from.min(to)..to])
    }
}

/// What is wrong with bytes that are no header; `available` bytes follow in the file.
pub(crate) fn classify(error: BatchError, bytes: &[u8], available: u64) -> BadBatch {
    if bytes.len() == HEADER_BYTES && bytes.iter().all(|b| *b == 0) {
        return BadBatch::Zeros;
    }
    match error {
        BatchError::Incomplete { needed, .. } => BadBatch::Torn { needed: needed as u64, available },
        error => BadBatch::Header(error),
    }
}
