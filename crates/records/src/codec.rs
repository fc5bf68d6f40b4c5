//! The codecs behind [`crate::Compression`], as streams that are pulled chunk by chunk.
//!
//! Owns the framings and, per thread, the codecs' working memory, which is costly to create (a zstd context is
//! hundreds of KiB). It never grows an output by more than the caller asked for.

pub(crate) mod gzip;
pub(crate) mod lz4;
pub(crate) mod snappy;
pub(crate) mod xxh32;
pub(crate) mod zstd;

use crate::compression::{Compression, CompressionError};

/// How much plain data a streaming codec produces at once.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;

/// A compressed buffer being read from its front.
pub(crate) enum Inflate<'a> {
    Plain(&'a [u8]),
    Gzip(gzip::Inflate<'a>),
    Snappy(snappy::Inflate<'a>),
    Lz4(lz4::Inflate<'a>),
    Zstd(zstd::Inflate<'a>),
}

impl<'a> Inflate<'a> {
    /// Starts reading `packed`.
    pub fn new(compression: Compression, packed: &'a [u8]) -> Result<Inflate<'a>, CompressionError> {
        Ok(match compression {
            Compression::None => Inflate::Plain(packed),
            Compression::Gzip => Inflate::Gzip(gzip::Inflate::new(packed)),
            Compression::Snappy => Inflate::Snappy(snappy::Inflate::new(packed)?),
            Compression::Lz4 => Inflate::Lz4(lz4::Inflate::new(packed)?),
            Compression::Zstd => Inflate::Zstd(zstd::Inflate::new(packed)?),
        })
    }

    /// Appends the next plain bytes to `out`: at least one unless the stream is over, which `false` says. About
    /// `room` bytes at most; a codec made of blocks may refuse a block that is larger than that with
    /// [`CompressionError::Limit`].
    pub fn pull(&mut self, out: &mut Vec<u8>, room: usize) -> Result<bool, CompressionError> {
        match self {
            Inflate::Plain(rest) => {
                let (now, later) = rest.split_at(rest.len().min(room));
                out.extend_from_slice(now);
                *rest = later;
                Ok(!now.is_empty())
            }
            Inflate::Gzip(inflate) => inflate.pull(out, room),
            Inflate::Snappy(inflate) => inflate.pull(out, room),
            Inflate::Lz4(inflate) => inflate.pull(out, room),
            Inflate::Zstd(inflate) => inflate.pull(out, room),
        }
    }
}

/// Grows `out` by `extra` zero bytes and hands back the index where they start.
pub(crate) fn grow(out: &mut Vec<u8>, extra: usize) -> usize {
    let start = out.len();
    out.resize(start + extra, 0);
    start
}
