//! Reading a segment's file batch by batch, without trust.
//!
//! Owns the window over the file, the checksum of what is found, and the search for the next batch behind damage. It never
//! judges offsets or epochs.

use std::io;
use std::sync::Arc;

use platform::File;
use records::{Batch, BatchHeader, DEFAULT_DECOMPRESSED_LIMIT_BYTES, HEADER_BYTES};

use crate::scan::{BadBatch, classify};

/// Bytes read at a time.
const WINDOW_BYTES: usize = 1 << 20;
/// The largest batch that is read whole: what a length that is damaged may cost.
const WHOLE_BYTES_MAX: usize = 256 << 20;
/// Where the checksum of a magic-2 batch begins to count.
const CRC_COVERS_FROM: u64 = 21;
/// Where the format's number lies.
const MAGIC_AT: usize = 16;

/// A batch whose bytes match its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sound {
    pub(super) position: u64,
    pub(super) header: BatchHeader,
}

impl Sound {
    pub(super) fn end(&self) -> u64 {
        self.position + self.header.size_bytes() as u64
    }
}

/// What lies at a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// The file ends here.
    End,
    Batch(Sound),
    /// No batch, or one that does not match its checksum; with the position after it, if its header says something possible.
    Bad {
        bad: BadBatch,
        end: Option<u64>,
    },
}

/// A file of batches.
pub(super) struct BatchReader {
    file: Arc<dyn File>,
    len: u64,
    window: Vec<u8>,
    window_at: u64,
    filled: usize,
    plain: Vec<u8>,
    /// The last thing found, since a look ahead is followed by the step there.
    last: Option<(u64, Found)>,
}

impl BatchReader {
    pub(super) fn new(file: Arc<dyn File>) -> io::Result<Self> {
        let len = file.len()?;
        let window = vec![0; WINDOW_BYTES.min(len as usize).max(HEADER_BYTES)];
        Ok(Self { file, len, window, window_at: 0, filled: 0, plain: Vec::new(), last: None })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Up to `wanted` bytes at `position`: fewer if the file ends.
    pub(super) fn bytes(&mut self, position: u64, wanted: usize) -> io::Result<&[u8]> {
        let is_there =
            position >= self.window_at && position + wanted as u64 <= self.window_at + self.filled as u64;
        if !is_there {
            if self.window.len() < wanted {
                self.window.resize(wanted, 0);
            }
            self.window_at = position;
            self.filled = 0;
            self.filled = self.file.read_full_at(&mut self.window, position)?;
        }
        let from = (position - self.window_at) as usize;
        let to = (from + wanted).min(self.filled);
        Ok(&self.window[from.min(to)..to])
    }

    /// What lies at `position`.
    pub(super) fn at(&mut self, position: u64) -> io::Result<Found> {
        if let Some((known, found)) = &self.last
            && *known == position
        {
            return Ok(found.clone());
        }
        let found = self.look_at(position)?;
        self.last = Some((position, found.clone()));
        Ok(found)
    }

    fn look_at(&mut self, position: u64) -> io::Result<Found> {
        let available = self.len.saturating_sub(position);
        if available == 0 {
            return Ok(Found::End);
        }
        let wanted = available.min(HEADER_BYTES as u64) as usize;
        let bytes = self.bytes(position, wanted)?;
        let header = match BatchHeader::parse(bytes) {
            Ok(header) => header,
            Err(error) => return Ok(Found::Bad { bad: classify(error, bytes, available), end: None }),
        };
        let needed = header.size_bytes() as u64;
        if needed > available {
            return Ok(Found::Bad { bad: BadBatch::Torn { needed, available }, end: None });
        }
        let end = Some(position + needed);
        if header.last_offset_delta < 0 || header.base_offset < 0 {
            let (expected, found) = (header.base_offset.max(0), header.last_offset());
            return Ok(Found::Bad { bad: BadBatch::Offset { expected, found }, end });
        }
        if !self.crc_matches(position, &header)? {
            return Ok(Found::Bad { bad: BadBatch::Crc, end });
        }
        Ok(Found::Batch(Sound { position, header }))
    }

    fn crc_matches(&mut self, position: u64, header: &BatchHeader) -> io::Result<bool> {
        let size = header.size_bytes();
        if size <= WHOLE_BYTES_MAX {
            let bytes = self.bytes(position, size)?;
            return Ok(bytes.len() == size && Batch { header: *header, bytes }.verify_crc().is_ok());
        }
        if header.is_legacy() {
            return Ok(false);
        }
        let crc = self.crc_of(position + CRC_COVERS_FROM, position + size as u64)?;
        Ok(crc == header.crc)
    }

    /// CRC-32C of a range of bytes.
    pub(super) fn crc_of(&mut self, from: u64, to: u64) -> io::Result<u32> {
        let (mut position, mut crc) = (from, 0);
        while position < to {
            let wanted = (to - position).min(WINDOW_BYTES as u64) as usize;
            let bytes = self.bytes(position, wanted)?;
            if bytes.is_empty() {
                break;
            }
            crc = crc32c::crc32c_append(crc, bytes);
            position += bytes.len() as u64;
        }
        Ok(crc)
    }

    /// The first batch from `from` on whose offsets lie in `floor..ceiling` and that is followed by another or by the end of
    /// the file: a batch inside a record is followed by neither, but for a lucky one.
    pub(super) fn search(&mut self, from: u64, floor: i64, ceiling: i64) -> io::Result<Option<Sound>> {
        let mut position = from;
        while position + HEADER_BYTES as u64 <= self.len {
            let left = self.len - position;
            let bytes = self.bytes(position, left.min(WINDOW_BYTES as u64) as usize)?;
            let is_likely = |at: &usize| is_likely(&bytes[*at..], floor, ceiling);
            let likely = (0..=bytes.len().saturating_sub(HEADER_BYTES)).find(is_likely);
            let Some(at) = likely else {
                position += (bytes.len() - HEADER_BYTES + 1) as u64;
                continue;
            };
            position += at as u64;
            if let Found::Batch(sound) = self.look_at(position)?
                && sound.header.last_offset() < ceiling
                && self.goes_on(&sound)?
            {
                return Ok(Some(sound));
            }
            position += 1;
        }
        Ok(None)
    }

    /// Whether something follows that may be the next batch, or the end of the file.
    pub(super) fn goes_on(&mut self, sound: &Sound) -> io::Result<bool> {
        Ok(match self.look_at(sound.end())? {
            Found::End => true,
            Found::Batch(next) => next.header.base_offset > sound.header.last_offset(),
            // More damage may follow, right behind it.
            Found::Bad { bad: BadBatch::Crc, .. } => true,
            Found::Bad { .. } => false,
        })
    }

    /// Reads a batch's records. How many there are, and what is wrong with them or with what the header says of them.
    pub(super) fn check_records(&mut self, sound: &Sound) -> io::Result<(u64, Option<String>)> {
        let header = sound.header;
        let size = header.size_bytes();
        if size > WHOLE_BYTES_MAX {
            return Ok((header.records_count.max(0) as u64, None));
        }
        let mut plain = std::mem::take(&mut self.plain);
        let bytes = self.bytes(sound.position, size)?;
        let checked = count_records(&Batch { header, bytes }, &mut plain);
        self.plain = plain;
        Ok(checked)
    }

    /// The bytes of a batch, unless it is too large.
    pub(super) fn batch_bytes(&mut self, sound: &Sound) -> io::Result<Option<&[u8]>> {
        let size = sound.header.size_bytes();
        if size > WHOLE_BYTES_MAX {
            return Ok(None);
        }
        self.bytes(sound.position, size).map(Some)
    }
}

/// Whether bytes may be the header of a batch among these offsets.
fn is_likely(bytes: &[u8], floor: i64, ceiling: i64) -> bool {
    if bytes.len() < HEADER_BYTES || bytes[MAGIC_AT] != 2 {
        return false;
    }
    BatchHeader::parse(bytes).is_ok_and(|header| {
        header.base_offset >= floor && header.base_offset < ceiling && header.last_offset_delta >= 0
    })
}

fn count_records(batch: &Batch<'_>, plain: &mut Vec<u8>) -> (u64, Option<String>) {
    let header = &batch.header;
    let records = match batch.open(DEFAULT_DECOMPRESSED_LIMIT_BYTES, plain) {
        Ok(records) => records,
        Err(error) => return (0, Some(error.to_string())),
    };
    let (mut count, mut last) = (0, None);
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(error) => return (count, Some(error.to_string())),
        };
        if last.is_some_and(|last| record.offset <= last) {
            return (count, Some(format!("the offset of record {count} does not rise")));
        }
        last = Some(record.offset);
        count += 1;
    }
    let beyond = last.is_some_and(|last| !header.is_legacy() && last > header.last_offset());
    let wrong = match () {
        () if beyond => Some(format!("its records go beyond offset {}", header.last_offset())),
        () if !header.is_legacy() && count != header.records_count.max(0) as u64 => {
            Some(format!("it holds {count} records, and its header says {}", header.records_count))
        }
        () => None,
    };
    (count, wrong)
}
