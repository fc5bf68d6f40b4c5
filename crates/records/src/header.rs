//! The fixed part at the front of every record batch.
//!
//! Owns the layout of the 61-byte magic-2 header (KIP-98) and the front of the older formats. It never looks at
//! a record.

use crate::compression::Compression;
use crate::error::BatchError;

/// Bytes of a magic-2 batch header.
pub const HEADER_BYTES: usize = 61;
/// Bytes of the base offset and the length field, which the length does not count.
pub const LOG_OVERHEAD_BYTES: usize = 12;
/// Bytes needed to know a batch's size and magic.
pub const PREFIX_BYTES: usize = 17;
/// Least value of the length field of a magic-0 entry: checksum, magic, attributes, key and value lengths.
pub const LEGACY_V0_OVERHEAD_BYTES: usize = 14;
/// Least value of the length field of a magic-1 entry: as magic 0, and a timestamp.
pub const LEGACY_V1_OVERHEAD_BYTES: usize = 22;

/// The producer id of a batch that is not idempotent.
pub const NO_PRODUCER_ID: i64 = -1;
/// The producer epoch of a batch that is not idempotent.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// The sequence of a batch that has none.
pub const NO_SEQUENCE: i32 = -1;
/// The leader epoch of a batch that no leader has seen.
pub const NO_PARTITION_LEADER_EPOCH: i32 = -1;
/// The timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;

const COMPRESSION_MASK: i16 = 0x07;
const TIMESTAMP_TYPE_MASK: i16 = 0x08;
const TRANSACTIONAL_MASK: i16 = 0x10;
const CONTROL_MASK: i16 = 0x20;
const DELETE_HORIZON_MASK: i16 = 0x40;

/// Who set the timestamps of a batch (KIP-32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer did: each record has its own.
    #[default]
    CreateTime,
    /// The broker did when it appended: all records share the batch's maximum timestamp.
    LogAppendTime,
}

/// The header of a record batch.
///
/// For an entry of magic 0 or 1 the fields that format lacks hold Kafka's "none" values; `base_offset` is then the
/// entry's own offset field (which is the *last* offset of a compressed entry), `last_offset_delta` is 0 and
/// `records_count` is -1, since only decompression could tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; set by the leader, not covered by the checksum.
    pub base_offset: i64,
    /// Bytes after the length field, so 12 less than the size of the batch.
    pub batch_length: i32,
    /// Epoch of the leader that appended the batch; not covered by the checksum.
    pub partition_leader_epoch: i32,
    /// Format: 2, or 0 and 1 for batches written by very old producers.
    pub magic: i8,
    /// CRC-32C of everything after this field (magic 0 and 1: CRC-32 from the magic byte on).
    pub crc: u32,
    /// Codec, timestamp type and flags.
    pub attributes: i16,
    /// Last offset minus base offset; kept by compaction even when the last record is gone.
    pub last_offset_delta: i32,
    /// Timestamp (ms) the records' deltas are relative to, or the delete horizon if that flag is set.
    pub base_timestamp: i64,
    /// Largest timestamp (ms) of the batch, or the append time.
    pub max_timestamp: i64,
    /// Producer id, -1 if the batch is not idempotent.
    pub producer_id: i64,
    /// Producer epoch, -1 if the batch is not idempotent.
    pub producer_epoch: i16,
    /// Sequence of the first record, -1 if there is none.
    pub base_sequence: i32,
    /// Number of records; 0 for an emptied batch that compaction keeps for its sequence.
    pub records_count: i32,
}

/// The bytes of `buf` from `at` on, as an array. Callers check the length once, at their start.
#[inline(always)]
fn take<const N: usize>(buf: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&buf[at..at + N]);
    out
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`, which may end anywhere after it.
    ///
    /// # Errors
    /// [`BatchError::Incomplete`] when the header itself is cut, [`BatchError::Length`] and [`BatchError::Magic`]
    /// when its fields are impossible. Whether the whole batch is there is [`crate::Batch::parse`]'s question.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        match bytes.first_chunk::<HEADER_BYTES>() {
            Some(header) if header[16] == 2 => BatchHeader::parse_v2(header),
            _ => BatchHeader::parse_other(bytes),
        }
    }

    #[inline]
    fn parse_v2(b: &[u8; HEADER_BYTES]) -> Result<BatchHeader, BatchError> {
        let header = BatchHeader {
            base_offset: i64::from_be_bytes(take(b, 0)),
            batch_length: i32::from_be_bytes(take(b, 8)),
            partition_leader_epoch: i32::from_be_bytes(take(b, 12)),
            magic: 2,
            crc: u32::from_be_bytes(take(b, 17)),
            attributes: i16::from_be_bytes(take(b, 21)),
            last_offset_delta: i32::from_be_bytes(take(b, 23)),
            base_timestamp: i64::from_be_bytes(take(b, 27)),
            max_timestamp: i64::from_be_bytes(take(b, 35)),
            producer_id: i64::from_be_bytes(take(b, 43)),
            producer_epoch: i16::from_be_bytes(take(b, 51)),
            base_sequence: i32::from_be_bytes(take(b, 53)),
            records_count: i32::from_be_bytes(take(b, 57)),
        };
        const MINIMUM: i32 = (HEADER_BYTES - LOG_OVERHEAD_BYTES) as i32;
        if header.batch_length < MINIMUM {
            return Err(BatchError::Length { batch_length: header.batch_length, minimum: MINIMUM });
        }
        Ok(header)
    }

    /// Everything that is not a whole magic-2 header: old formats, cut headers, garbage.
    #[cold]
    fn parse_other(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let Some(prefix) = bytes.first_chunk::<PREFIX_BYTES>() else {
            return Err(BatchError::Incomplete { needed: PREFIX_BYTES, available: bytes.len() });
        };
        let batch_length = i32::from_be_bytes([prefix[8], prefix[9], prefix[10], prefix[11]]);
        let magic = prefix[16] as i8;
        let (minimum, needed) = match magic {
            0 => (LEGACY_V0_OVERHEAD_BYTES, 18),
            1 => (LEGACY_V1_OVERHEAD_BYTES, 26),
            2 => (HEADER_BYTES - LOG_OVERHEAD_BYTES, HEADER_BYTES),
            _ => return Err(BatchError::Magic { magic }),
        };
        if batch_length < minimum as i32 {
            return Err(BatchError::Length { batch_length, minimum: minimum as i32 });
        }
        if bytes.len() < needed {
            return Err(BatchError::Incomplete { needed, available: bytes.len() });
        }
        Ok(BatchHeader::parse_legacy(bytes, batch_length, magic))
    }

    /// A magic-0 or magic-1 header, whose fields `parse_other` found to be there.
    fn parse_legacy(bytes: &[u8], batch_length: i32, magic: i8) -> BatchHeader {
        let long = |at: usize| {
            let mut raw = [0; 8];
            raw.copy_from_slice(&bytes[at..at + 8]);
            i64::from_be_bytes(raw)
        };
        let timestamp = if magic == 0 { NO_TIMESTAMP } else { long(18) };
        BatchHeader {
            base_offset: long(0),
            batch_length,
            partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
            magic,
            crc: u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]),
            attributes: i16::from(bytes[17])
                & (COMPRESSION_MASK | if magic == 0 { 0 } else { TIMESTAMP_TYPE_MASK }),
            last_offset_delta: 0,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_PRODUCER_EPOCH,
            base_sequence: NO_SEQUENCE,
            records_count: -1,
        }
    }

    /// The header's bytes. Meaningful for magic 2 only.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        out[8..12].copy_from_slice(&self.batch_length.to_be_bytes());
        out[12..16].copy_from_slice(&self.partition_leader_epoch.to_be_bytes());
        out[16] = self.magic as u8;
        out[17..21].copy_from_slice(&self.crc.to_be_bytes());
        out[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        out[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        out[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        out[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        out[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        out[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        out[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        out[57..61].copy_from_slice(&self.records_count.to_be_bytes());
        out
    }

    /// Size of the whole batch, in bytes.
    #[inline]
    pub fn size_bytes(&self) -> usize {
        // The length was checked to be positive when the header was read.
        self.batch_length as usize + LOG_OVERHEAD_BYTES
    }

    /// Offset of the last record, even if compaction removed it.
    #[inline]
    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    /// The offset after this batch: where the next batch starts and where a reader goes on.
    #[inline]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// The codec of the records.
    ///
    /// # Errors
    /// [`BatchError::UnknownCompression`] when the codec bits name none.
    #[inline]
    pub fn compression(&self) -> Result<Compression, BatchError> {
        let id = (self.attributes & COMPRESSION_MASK) as u8;
        Compression::from_id(id).ok_or(BatchError::UnknownCompression { id })
    }

    /// Whether bytes begin with the header of a batch of the current format that belongs to no transaction, by a look at
    /// three of its fields. What else may be wrong with the bytes is not looked at.
    #[inline]
    pub fn begins_outside_transaction(bytes: &[u8]) -> bool {
        let Some(b) = bytes.first_chunk::<HEADER_BYTES>() else { return false };
        let attributes = i16::from_be_bytes(take(b, 21));
        b[16] == 2
            && attributes & TRANSACTIONAL_MASK == 0
            && i32::from_be_bytes(take(b, 8)) >= (HEADER_BYTES - LOG_OVERHEAD_BYTES) as i32
    }

    /// Whether the batch belongs to a transaction.
    #[inline]
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_MASK != 0
    }

    /// Whether the batch holds control records, which are never shown to applications.
    #[inline]
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_MASK != 0
    }

    /// Whether the base timestamp holds the time at which compaction may drop this batch's tombstones (KIP-534).
    #[inline]
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & DELETE_HORIZON_MASK != 0
    }

    /// The time (ms) after which tombstones and markers of this batch may be dropped, if compaction set one.
    #[inline]
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.has_delete_horizon().then_some(self.base_timestamp)
    }

    /// Who set the timestamps.
    #[inline]
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & TIMESTAMP_TYPE_MASK != 0 {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// Whether an idempotent producer wrote the batch.
    #[inline]
    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// Sequence of the last record, -1 if the batch has no sequence.
    #[inline]
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence == NO_SEQUENCE {
            NO_SEQUENCE
        } else {
            increment_sequence(self.base_sequence, self.last_offset_delta)
        }
    }

    /// Whether this is a magic-0 or magic-1 entry.
    #[inline]
    pub fn is_legacy(&self) -> bool {
        self.magic < 2
    }

    /// The attributes with this timestamp type, and without any bit Kafka does not know.
    #[inline]
    pub(crate) fn attributes_with(&self, timestamp_type: TimestampType) -> i16 {
        let kept = COMPRESSION_MASK | TRANSACTIONAL_MASK | CONTROL_MASK | DELETE_HORIZON_MASK;
        (self.attributes & kept) | timestamp_bit(timestamp_type)
    }
}

#[inline]
fn timestamp_bit(timestamp_type: TimestampType) -> i16 {
    match timestamp_type {
        TimestampType::CreateTime => 0,
        TimestampType::LogAppendTime => TIMESTAMP_TYPE_MASK,
    }
}

/// The attributes of a batch built here.
pub(crate) fn attributes(
    compression: Compression,
    timestamp_type: TimestampType,
    transactional: bool,
    control: bool,
) -> i16 {
    i16::from(compression.id())
        | timestamp_bit(timestamp_type)
        | if transactional { TRANSACTIONAL_MASK } else { 0 }
        | if control { CONTROL_MASK } else { 0 }
}

/// Attributes with the bit that makes the base timestamp a delete horizon, or without.
pub(crate) fn with_delete_horizon(attributes: i16, has_one: bool) -> i16 {
    if has_one { attributes | DELETE_HORIZON_MASK } else { attributes & !DELETE_HORIZON_MASK }
}

/// The sequence `increment` records after `sequence`: after the largest 32-bit integer comes 0.
#[inline]
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(increment);
    if sum > i64::from(i32::MAX) { (sum - i64::from(i32::MAX) - 1) as i32 } else { sum as i32 }
}
