//! One batch in a byte slice, and the walk over a slice of batches.
//!
//! Owns finding where batches begin and end. It never copies them and never decides what a fault means.

use crate::compression::Compression;
use crate::error::BatchError;
use crate::header::{BatchHeader, HEADER_BYTES};
use crate::legacy;
use crate::record::RecordsIter;

/// A whole record batch in a borrowed slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Its header.
    pub header: BatchHeader,
    /// All of its bytes, header included, nothing after it.
    pub bytes: &'a [u8],
}

impl<'a> Batch<'a> {
    /// Reads the batch at the front of `bytes`; what follows it is ignored. The checksum is not verified.
    ///
    /// # Errors
    /// [`BatchError::Incomplete`] when the batch is cut, else as [`BatchHeader::parse`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Batch<'a>, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let needed = header.size_bytes();
        match bytes.get(..needed) {
            Some(bytes) => Ok(Batch { header, bytes }),
            None => Err(BatchError::Incomplete { needed, available: bytes.len() }),
        }
    }

    /// Compares the checksum in the header with the bytes.
    ///
    /// # Errors
    /// [`BatchError::Crc`] when they differ.
    #[inline]
    pub fn verify_crc(&self) -> Result<(), BatchError> {
        let computed = if self.header.is_legacy() {
            crc32(&self.bytes[16..])
        } else {
            crc32c::crc32c(&self.bytes[21..])
        };
        if computed == self.header.crc {
            Ok(())
        } else {
            Err(BatchError::Crc { stored: self.header.crc, computed })
        }
    }

    /// The header's bytes, for stamping. `None` for magic 0 and 1.
    #[inline]
    pub fn header_bytes(&self) -> Option<&'a [u8; HEADER_BYTES]> {
        if self.header.is_legacy() { None } else { self.bytes.first_chunk() }
    }

    /// The bytes after the 61-byte header: the records as they are stored. Empty for magic 0 and 1.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        if self.header.is_legacy() { &[] } else { &self.bytes[HEADER_BYTES..] }
    }

    /// Puts the records' plain bytes into `out`, replacing what it holds. At most `limit` bytes are produced.
    ///
    /// # Errors
    /// [`BatchError::Compression`] when the stream is broken or exceeds the limit; [`BatchError::OldMagic`] for
    /// magic 0 and 1.
    pub fn decompress(&self, limit: usize, out: &mut Vec<u8>) -> Result<(), BatchError> {
        if self.header.is_legacy() {
            return Err(BatchError::OldMagic { magic: self.header.magic });
        }
        out.clear();
        Ok(self.header.compression()?.decompress(self.payload(), limit, out)?)
    }

    /// The records of an uncompressed batch, straight from its bytes. Use [`Batch::open`] for any batch.
    ///
    /// # Errors
    /// [`BatchError::RecordsCount`] when the declared count is negative. A compressed batch yields its codec as
    /// [`BatchError::CompressionNotAllowed`], an old one [`BatchError::OldMagic`].
    #[inline]
    pub fn records(&self) -> Result<RecordsIter<'a>, BatchError> {
        if self.header.is_legacy() {
            return Err(BatchError::OldMagic { magic: self.header.magic });
        }
        match self.header.compression()? {
            Compression::None => RecordsIter::new(&self.header, self.payload()),
            compression => Err(BatchError::CompressionNotAllowed(compression)),
        }
    }

    /// The records in `plain`, which [`Batch::decompress`] of this batch produced.
    ///
    /// # Errors
    /// [`BatchError::RecordsCount`] when the declared count is negative.
    #[inline]
    pub fn records_in<'b>(&self, plain: &'b [u8]) -> Result<RecordsIter<'b>, BatchError> {
        RecordsIter::new(&self.header, plain)
    }

    /// The records of this batch whatever its codec and magic. `scratch` takes the plain bytes of a compressed or old
    /// batch (at most about `limit`) and is untouched for an uncompressed one of magic 2.
    ///
    /// # Errors
    /// As [`Batch::decompress`] and [`Batch::records`].
    pub fn open<'b>(&self, limit: usize, scratch: &'b mut Vec<u8>) -> Result<RecordsIter<'b>, BatchError>
    where
        'a: 'b,
    {
        if !self.header.is_legacy() && self.header.compression()? == Compression::None {
            return self.records();
        }
        let header = self.unpack(limit, scratch)?;
        RecordsIter::new(&header, scratch)
    }

    /// Puts the records' plain bytes in the format of magic 2 into `out`, whatever codec and magic the batch has, and
    /// returns the header they go with. `Batch { header, bytes: &[] }.records_in(out)` reads them later, when the batch
    /// itself may be gone.
    ///
    /// # Errors
    /// As [`Batch::decompress`], and faults of old entries.
    pub fn unpack(&self, limit: usize, out: &mut Vec<u8>) -> Result<BatchHeader, BatchError> {
        if self.header.is_legacy() {
            return legacy::rewrite(self, limit, out);
        }
        self.decompress(limit, out)?;
        Ok(self.header)
    }
}

/// CRC-32 (IEEE), the checksum of magic 0 and 1.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Walks the batches that lie one after another in `bytes`.
///
/// Ends at the first batch that is cut, as the last one of a Fetch response may be: [`Batches::position`] then says
/// how many bytes whole batches took. An impossible header is yielded as an error, after which the walk is over.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { bytes, position: 0, failed: false }
}

/// Iterator over the batches in a slice; see [`batches`].
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    failed: bool,
}

impl<'a> Batches<'a> {
    /// Bytes that the batches yielded so far take.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The bytes after the batches yielded so far; at the end of the walk, a batch that is cut.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<Batch<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match Batch::parse(&self.bytes[self.position..]) {
            Ok(batch) => {
                self.position += batch.bytes.len();
                Some(Ok(batch))
            }
            Err(BatchError::Incomplete { .. }) => {
                self.failed = true;
                None
            }
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}
