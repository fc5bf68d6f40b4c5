//! Snappy, raw and in the framing of the Java library that Kafka uses ("xerial").
//!
//! Owns that framing: 16 bytes of header, then blocks of an int32 length and raw Snappy. It never writes raw
//! Snappy, which some clients do and which is read here too.

use std::cell::RefCell;

use super::grow;
use crate::compression::{Compression, CompressionError};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const FRAME_HEADER: [u8; 16] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1];
/// The block size of the Java library.
const BLOCK_BYTES: usize = 32 * 1024;
/// The most a raw Snappy block can inflate: a copy element of 3 bytes yields at most 64, and 22 is rounded up.
const MAX_RATIO: usize = 22;

thread_local! {
    static ENCODER: RefCell<Option<snap::raw::Encoder>> = const { RefCell::new(None) };
}

fn broken(detail: &'static str) -> CompressionError {
    CompressionError::Broken { codec: Compression::Snappy, detail }
}

/// Appends `plain` to `out` in the Java framing.
pub(crate) fn compress(plain: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
    out.extend_from_slice(&FRAME_HEADER);
    ENCODER.with_borrow_mut(|encoder| {
        let encoder = encoder.get_or_insert_with(snap::raw::Encoder::new);
        for chunk in plain.chunks(BLOCK_BYTES) {
            let start = grow(out, 4 + snap::raw::max_compress_len(chunk.len()));
            let written = encoder.compress(chunk, &mut out[start + 4..]).map_err(|_| {
                CompressionError::Failed { codec: Compression::Snappy, detail: "compressing a block" }
            })?;
            out[start..start + 4].copy_from_slice(&(written as u32).to_be_bytes());
            out.truncate(start + 4 + written);
        }
        Ok(())
    })
}

/// A framed stream or a raw block being read.
pub(crate) struct Inflate<'a> {
    rest: &'a [u8],
    framed: bool,
}

impl<'a> Inflate<'a> {
    pub fn new(packed: &'a [u8]) -> Result<Inflate<'a>, CompressionError> {
        if !packed.starts_with(&MAGIC) {
            return Ok(Inflate { rest: packed, framed: false });
        }
        match packed.split_at_checked(FRAME_HEADER.len()) {
            Some((_, rest)) => Ok(Inflate { rest, framed: true }),
            None => Err(broken("the stream header is cut")),
        }
    }

    pub fn pull(&mut self, out: &mut Vec<u8>, room: usize) -> Result<bool, CompressionError> {
        let before = out.len();
        while out.len() == before {
            let Some(block) = self.next_block()? else { return Ok(false) };
            inflate_block(block, out, room)?;
        }
        Ok(true)
    }

    fn next_block(&mut self) -> Result<Option<&'a [u8]>, CompressionError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        if !self.framed {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        // Streams may be concatenated: where a length should be, another header may stand.
        while self.rest.starts_with(&MAGIC) {
            match self.rest.split_at_checked(FRAME_HEADER.len()) {
                Some((_, rest)) => self.rest = rest,
                None => return Err(broken("a stream header is cut")),
            }
            if self.rest.is_empty() {
                return Ok(None);
            }
        }
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or(broken("a block length is cut"))?;
        let length = i32::from_be_bytes(*length);
        let length = usize::try_from(length).map_err(|_| broken("a block length is negative"))?;
        let (block, rest) = rest.split_at_checked(length).ok_or(broken("a block is cut"))?;
        self.rest = rest;
        Ok(Some(block))
    }
}

fn inflate_block(block: &[u8], out: &mut Vec<u8>, room: usize) -> Result<(), CompressionError> {
    let length = snap::raw::decompress_len(block).map_err(|_| broken("a block's header is invalid"))?;
    // The length is the sender's word: no memory for what its bytes cannot become.
    if length / MAX_RATIO > block.len() {
        return Err(broken("a block claims more than its bytes can hold"));
    }
    if length > room {
        return Err(CompressionError::Limit {
            codec: Compression::Snappy,
            limit_bytes: room.saturating_sub(1),
        });
    }
    let start = grow(out, length);
    if snap::raw::Decoder::new().decompress(block, &mut out[start..]).is_err() {
        out.truncate(start);
        return Err(broken("a block cannot be decoded"));
    }
    Ok(())
}
