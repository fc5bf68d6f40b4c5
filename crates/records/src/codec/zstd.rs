//! Zstandard frames.
//!
//! Owns the use of the zstd library's contexts. It never trusts a frame's stated content size and refuses windows
//! larger than the library's default bound.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use zstd::bulk::Compressor;
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use super::{CHUNK_BYTES, grow};
use crate::compression::{Compression, CompressionError};

/// The level Kafka uses unless `compression.zstd.level` says otherwise.
const DEFAULT_LEVEL: i32 = 3;
/// The levels the library knows.
const LEVELS: RangeInclusive<i32> = -131_072..=22;

/// Contexts that served a window larger than 2^23 bytes (what level 19 uses) are not kept.
const LARGEST_KEPT_WINDOW_LOG: u8 = 23;

thread_local! {
    static INFLATE: RefCell<Option<Decoder<'static>>> = const { RefCell::new(None) };
    static DEFLATE: RefCell<Option<(i32, Compressor<'static>)>> = const { RefCell::new(None) };
}

fn broken(detail: &'static str) -> CompressionError {
    CompressionError::Broken { codec: Compression::Zstd, detail }
}

fn failed(detail: &'static str) -> CompressionError {
    CompressionError::Failed { codec: Compression::Zstd, detail }
}

/// Appends `plain` to `out` as one frame.
pub(crate) fn compress(level: Option<i32>, plain: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
    let level = level.unwrap_or(DEFAULT_LEVEL);
    if !LEVELS.contains(&level) {
        return Err(CompressionError::Level { codec: Compression::Zstd, level });
    }
    let mut compressor = match DEFLATE.take() {
        Some((kept, compressor)) if kept == level => compressor,
        _ => Compressor::new(level).map_err(|_| failed("creating a context"))?,
    };
    let start = grow(out, zstd::zstd_safe::compress_bound(plain.len()));
    let written = compressor.compress_to_buffer(plain, &mut out[start..]);
    DEFLATE.set(Some((level, compressor)));
    match written {
        Ok(written) => {
            out.truncate(start + written);
            Ok(())
        }
        Err(_) => {
            out.truncate(start);
            Err(failed("compressing"))
        }
    }
}

/// Frames being read one after another.
pub(crate) struct Inflate<'a> {
    rest: &'a [u8],
    decoder: Option<Decoder<'static>>,
    in_frame: bool,
    /// Whether the context is small enough to be kept for the next stream.
    keep: bool,
}

impl Drop for Inflate<'_> {
    fn drop(&mut self) {
        if self.keep {
            INFLATE.set(self.decoder.take());
        }
    }
}

/// Whether the frame at the front of `rest` makes its reader allocate more than a context kept for good should hold.
/// (RFC 8878, 3.1.1.1: a descriptor byte, then a window byte unless the frame is a single segment.)
fn wants_large_window(rest: &[u8]) -> bool {
    match *rest {
        [0x28, 0xb5, 0x2f, 0xfd, descriptor, window, ..] => {
            // A single segment's window is its content, whose size field is long when it is large.
            if descriptor & 0x20 != 0 {
                descriptor >> 6 >= 2
            } else {
                (window >> 3) + 10 > LARGEST_KEPT_WINDOW_LOG
            }
        }
        _ => false,
    }
}

impl<'a> Inflate<'a> {
    pub fn new(packed: &'a [u8]) -> Result<Inflate<'a>, CompressionError> {
        let mut decoder = match INFLATE.take() {
            Some(decoder) => decoder,
            None => Decoder::new().map_err(|_| failed("creating a context"))?,
        };
        decoder.reinit().map_err(|_| failed("resetting a context"))?;
        Ok(Inflate {
            rest: packed,
            decoder: Some(decoder),
            in_frame: true,
            keep: !wants_large_window(packed),
        })
    }

    pub fn pull(&mut self, out: &mut Vec<u8>, room: usize) -> Result<bool, CompressionError> {
        let Some(decoder) = &mut self.decoder else { return Ok(false) };
        loop {
            if self.rest.is_empty() && !self.in_frame {
                return Ok(false);
            }
            let start = grow(out, room.min(CHUNK_BYTES));
            let mut input = InBuffer::around(self.rest);
            let mut output = OutBuffer::around(&mut out[start..]);
            let hint = decoder.run(&mut input, &mut output);
            let (consumed, produced) = (input.pos(), output.pos());
            out.truncate(start + produced);
            self.rest = &self.rest[consumed..];
            let hint = hint.map_err(|_| broken("a frame cannot be decoded"))?;
            // A hint of 0 says that a frame is complete and its output handed out.
            self.in_frame = hint != 0;
            if !self.in_frame && wants_large_window(self.rest) {
                self.keep = false;
            }
            if produced > 0 {
                return Ok(true);
            }
            if consumed == 0 && self.in_frame {
                return Err(broken("a frame is cut"));
            }
        }
    }
}
