//! The five codecs of Kafka by name, number and deed.
//!
//! Owns the codec's identity and the two operations on whole buffers. It never produces more than the caller's
//! limit: a client's few bytes may claim to be any number of gigabytes.

use std::fmt;
use std::str::FromStr;

use crate::codec::{self, Inflate};

/// A sensible limit for the plain bytes of one batch where a caller has no better one: 256 MiB.
pub const DEFAULT_DECOMPRESSED_LIMIT_BYTES: usize = 256 * 1024 * 1024;

/// A codec of record batches, by the id in the batch attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Compression {
    /// Stored as is.
    #[default]
    None = 0,
    /// Gzip streams.
    Gzip = 1,
    /// Snappy blocks in the framing of the Java library, or one raw block.
    Snappy = 2,
    /// LZ4 frames of independent 64 KiB blocks.
    Lz4 = 3,
    /// Zstandard frames (KIP-110).
    Zstd = 4,
}

/// Why bytes could not be compressed or decompressed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompressionError {
    /// The bytes are not what this codec writes.
    #[error("the {codec} data is broken: {detail}")]
    Broken {
        /// The codec.
        codec: Compression,
        /// What is wrong.
        detail: &'static str,
    },
    /// The plain bytes would exceed the limit.
    #[error("the {codec} data inflates to more than {limit_bytes} bytes")]
    Limit {
        /// The codec.
        codec: Compression,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The level is outside what the codec knows.
    #[error("{level} is no compression level of {codec}")]
    Level {
        /// The codec.
        codec: Compression,
        /// The level asked for.
        level: i32,
    },
    /// The codec's library refused to work (out of memory).
    #[error("{codec} failed: {detail}")]
    Failed {
        /// The codec.
        codec: Compression,
        /// What the library was doing.
        detail: &'static str,
    },
}

/// A name that is no codec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no compression type; there are none, gzip, snappy, lz4 and zstd")]
pub struct UnknownCompressionName(pub String);

impl Compression {
    /// All codecs, in the order of their ids.
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// The codec with this id.
    pub fn from_id(id: u8) -> Option<Compression> {
        Compression::ALL.get(usize::from(id)).copied()
    }

    /// The id, as in the batch attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The name in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// Appends `plain`, compressed, to `out`. `level` is for gzip (-1 or 0..=9) and zstd (-131072..=22); the other
    /// codecs have none and ignore it. `None` is Kafka's default (gzip -1, zstd 3).
    ///
    /// # Errors
    /// [`CompressionError::Level`] for a level the codec does not know.
    pub fn compress(
        self,
        level: Option<i32>,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        match self {
            Compression::None => {
                out.extend_from_slice(plain);
                Ok(())
            }
            Compression::Gzip => codec::gzip::compress(level, plain, out),
            Compression::Snappy => codec::snappy::compress(plain, out),
            Compression::Lz4 => codec::lz4::compress(plain, out),
            Compression::Zstd => codec::zstd::compress(level, plain, out),
        }
    }

    /// Appends the plain bytes of `packed` to `out`: at most `limit` of them.
    ///
    /// # Errors
    /// [`CompressionError::Limit`] as soon as more would come, [`CompressionError::Broken`] when the bytes are not
    /// this codec's or end too early. `out` then holds what was decompressed before.
    pub fn decompress(self, packed: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), CompressionError> {
        if self == Compression::None {
            if packed.len() > limit {
                return Err(CompressionError::Limit { codec: self, limit_bytes: limit });
            }
            out.extend_from_slice(packed);
            return Ok(());
        }
        let start = out.len();
        let mut inflate = Inflate::new(self, packed)?;
        loop {
            let produced = out.len() - start;
            // Ask for one byte more than the limit allows: its arrival is the proof that the limit is broken.
            let room = (limit - produced).saturating_add(1);
            if !inflate.pull(out, room)? {
                return Ok(());
            }
            if out.len() - start > limit {
                out.truncate(start + limit);
                return Err(CompressionError::Limit { codec: self, limit_bytes: limit });
            }
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = UnknownCompressionName;

    /// Parses the name in `compression.type`; `uncompressed` (the broker's word) is `none`.
    fn from_str(name: &str) -> Result<Compression, UnknownCompressionName> {
        match name {
            "uncompressed" => Ok(Compression::None),
            _ => Compression::ALL
                .into_iter()
                .find(|c| c.name() == name)
                .ok_or_else(|| UnknownCompressionName(name.to_owned())),
        }
    }
}
