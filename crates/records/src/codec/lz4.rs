//! LZ4 frames as Kafka writes and reads them.
//!
//! Owns the frame format in Kafka's subset: version 1, independent blocks. It never keeps a dictionary and, like
//! Kafka, skips a content checksum unverified.

use std::cell::RefCell;

use lz4_flex::block::{self, CompressTable};

use super::grow;
use super::xxh32::xxh32;
use crate::compression::{Compression, CompressionError};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// The frame Kafka's Java client starts: version 1, independent blocks of 64 KiB, nothing else; last its checksum.
const FRAME_HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const BLOCK_BYTES: usize = 64 * 1024;
const STORED: u32 = 0x8000_0000;

const FLAG_BLOCK_CHECKSUM: u8 = 0x10;
const FLAG_CONTENT_SIZE: u8 = 0x08;
const FLAG_CONTENT_CHECKSUM: u8 = 0x04;

thread_local! {
    static TABLE: RefCell<Option<CompressTable>> = const { RefCell::new(None) };
}

fn broken(detail: &'static str) -> CompressionError {
    CompressionError::Broken { codec: Compression::Lz4, detail }
}

/// Appends `plain` to `out` as one frame.
pub(crate) fn compress(plain: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
    out.extend_from_slice(&FRAME_HEADER);
    TABLE.with_borrow_mut(|table| {
        let table = table.get_or_insert_with(CompressTable::large);
        plain.chunks(BLOCK_BYTES).try_for_each(|chunk| compress_block(chunk, table, out))
    })?;
    out.extend_from_slice(&[0; 4]);
    Ok(())
}

fn compress_block(
    chunk: &[u8],
    table: &mut CompressTable,
    out: &mut Vec<u8>,
) -> Result<(), CompressionError> {
    let start = grow(out, 4 + block::get_maximum_output_size(chunk.len()));
    let written = block::compress_into_with_table(chunk, &mut out[start + 4..], table)
        .map_err(|_| CompressionError::Failed { codec: Compression::Lz4, detail: "compressing a block" })?;
    if written < chunk.len() {
        out[start..start + 4].copy_from_slice(&(written as u32).to_le_bytes());
        out.truncate(start + 4 + written);
    } else {
        // A block that does not shrink is stored as it is.
        out[start..start + 4].copy_from_slice(&(chunk.len() as u32 | STORED).to_le_bytes());
        out.truncate(start + 4);
        out.extend_from_slice(chunk);
    }
    Ok(())
}

/// One frame being read; what follows its end mark is ignored, as Kafka does.
pub(crate) struct Inflate<'a> {
    rest: &'a [u8],
    max_block_bytes: usize,
    block_checksum: bool,
    content_checksum: bool,
    ended: bool,
}

impl<'a> Inflate<'a> {
    pub fn new(packed: &'a [u8]) -> Result<Inflate<'a>, CompressionError> {
        Inflate::with_header_checksum(packed, true)
    }

    /// Magic-0 batches carry a wrong header checksum, so it is `verified` for newer ones only.
    pub fn with_header_checksum(packed: &'a [u8], verified: bool) -> Result<Inflate<'a>, CompressionError> {
        let cut = broken("the frame header is cut");
        let descriptor = packed.strip_prefix(&MAGIC).ok_or(broken("this is no LZ4 frame"))?;
        let [flags, block_size, ..] = *descriptor else { return Err(cut) };
        if flags >> 6 != 1 || flags & 0x03 != 0 || block_size & 0x8f != 0 {
            return Err(broken("unknown version or flags"));
        }
        if flags & 0x20 == 0 {
            return Err(broken("blocks that depend on each other are not supported"));
        }
        let max_block_bytes = match block_size >> 4 {
            4 => 64 * 1024,
            5 => 256 * 1024,
            6 => 1024 * 1024,
            7 => 4 * 1024 * 1024,
            _ => return Err(broken("unknown block size")),
        };
        let length = if flags & FLAG_CONTENT_SIZE == 0 { 2 } else { 10 };
        let Some((&checksum, rest)) = descriptor.get(length..).and_then(<[u8]>::split_first) else {
            return Err(cut);
        };
        if verified && (xxh32(&descriptor[..length]) >> 8) as u8 != checksum {
            return Err(broken("the frame header's checksum is wrong"));
        }
        Ok(Inflate {
            rest,
            max_block_bytes,
            block_checksum: flags & FLAG_BLOCK_CHECKSUM != 0,
            content_checksum: flags & FLAG_CONTENT_CHECKSUM != 0,
            ended: false,
        })
    }

    fn word(&mut self) -> Result<u32, CompressionError> {
        let (word, rest) = self.rest.split_first_chunk::<4>().ok_or(broken("the frame is cut"))?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*word))
    }

    pub fn pull(&mut self, out: &mut Vec<u8>, room: usize) -> Result<bool, CompressionError> {
        let before = out.len();
        // A block may be empty, and the caller asks for progress.
        while out.len() == before {
            if self.ended || !self.next_block(out, room)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn next_block(&mut self, out: &mut Vec<u8>, room: usize) -> Result<bool, CompressionError> {
        let word = self.word()?;
        let size = (word & !STORED) as usize;
        if size == 0 {
            self.ended = true;
            if self.content_checksum {
                self.word()?;
            }
            return Ok(false);
        }
        if size > self.max_block_bytes {
            return Err(broken("a block is larger than the frame allows"));
        }
        let (data, rest) = self.rest.split_at_checked(size).ok_or(broken("a block is cut"))?;
        self.rest = rest;
        if word & STORED != 0 {
            out.extend_from_slice(&data[..data.len().min(room)]);
        } else {
            // The output of a block is bounded by the frame's block size, and by the caller's room.
            let start = grow(out, self.max_block_bytes.min(room));
            let full = room <= self.max_block_bytes;
            match block::decompress_into(data, &mut out[start..]) {
                Ok(written) => out.truncate(start + written),
                // With less room than a block may need, an overflow is the caller's limit and not a broken block.
                Err(block::DecompressError::OutputTooSmall { .. }) if full => {}
                Err(_) => {
                    out.truncate(start);
                    return Err(broken("a block cannot be decoded"));
                }
            }
        }
        if self.block_checksum && xxh32(data) != self.word()? {
            return Err(broken("a block's checksum is wrong"));
        }
        Ok(true)
    }
}
