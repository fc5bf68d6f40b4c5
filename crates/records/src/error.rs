//! What can be wrong with a record batch, and which of Kafka's errors that is.
//!
//! Owns the error values of this crate. It never formats anything but short facts: the words a client sees are
//! made from these values by the broker.

use std::fmt;

use crate::compression::{Compression, CompressionError};

/// The Kafka error a fault is answered with, named as in Kafka's error table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// `UNKNOWN_SERVER_ERROR` (-1): what Kafka answers where it trips over an exception that it did not expect.
    UnknownServerError,
    /// `CORRUPT_MESSAGE` (2): the bytes are not what the sender wrote; a retry may succeed.
    CorruptMessage,
    /// `MESSAGE_TOO_LARGE` (10): the batch is larger than `max.message.bytes`.
    MessageTooLarge,
    /// `INVALID_TIMESTAMP` (32): at least one record's timestamp is outside the topic's bounds.
    InvalidTimestamp,
    /// `UNSUPPORTED_COMPRESSION_TYPE` (76): the codec is unknown or not allowed at this request version.
    UnsupportedCompressionType,
    /// `INVALID_RECORD` (87): the batch or a record in it breaks a rule.
    InvalidRecord,
}

impl ErrorKind {
    /// Kafka's error code.
    pub fn code(self) -> i16 {
        match self {
            ErrorKind::UnknownServerError => -1,
            ErrorKind::CorruptMessage => 2,
            ErrorKind::MessageTooLarge => 10,
            ErrorKind::InvalidTimestamp => 32,
            ErrorKind::UnsupportedCompressionType => 76,
            ErrorKind::InvalidRecord => 87,
        }
    }
}

/// How the bytes of one record break the record format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFault {
    /// The record ends before its fields do.
    Truncated,
    /// A variable-length integer is longer than its type allows.
    Varint,
    /// The declared length is negative or reaches past the end of the batch.
    Length,
    /// The fields do not fill exactly the declared length.
    Size,
    /// The number of headers is negative or larger than what the record's bytes can hold.
    HeadersCount,
    /// A header has no key.
    HeaderKey,
    /// The offset delta is not the record's position in the batch.
    OffsetDelta,
    /// It is larger, uncompressed, than the topic allows (`max.decompressed.message.bytes`).
    TooLarge,
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordFault::Truncated => "its bytes end too early",
            RecordFault::Varint => "a variable-length integer is too long",
            RecordFault::Length => "its declared length does not fit into the batch",
            RecordFault::Size => "its fields do not fill its declared length",
            RecordFault::HeadersCount => "its number of headers is impossible",
            RecordFault::HeaderKey => "a header has no key",
            RecordFault::OffsetDelta => "its offset delta is not its position in the batch",
            RecordFault::TooLarge => "it is larger than max.decompressed.message.bytes allows",
        })
    }
}

/// Why a well-formed record is refused by the rules of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The topic is compacted and the record has no key.
    NoKey,
    /// The timestamp (ms) is outside `[min_ms, max_ms]`.
    TimestampOutOfRange {
        /// The record's timestamp, in ms.
        timestamp_ms: i64,
        /// The earliest timestamp the topic takes now, in ms.
        min_ms: i64,
        /// The latest timestamp the topic takes now, in ms.
        max_ms: i64,
    },
    /// The client marked its batch as stamped by the log, which only a broker may do.
    LogAppendTimeFromClient,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::NoKey => f.write_str("a compacted topic takes no record without a key"),
            Rejection::TimestampOutOfRange { timestamp_ms, min_ms, max_ms } => {
                write!(
                    f,
                    "timestamp {timestamp_ms} is out of range: it should be within [{min_ms}, {max_ms}]"
                )
            }
            Rejection::LogAppendTimeFromClient => {
                f.write_str("a producer must not set the timestamp type to LogAppendTime")
            }
        }
    }
}

/// One refused record: Produce's `RecordErrors` entry (KIP-467).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordError {
    /// The record's position in its batch, from 0.
    pub batch_index: i32,
    /// Why it was refused.
    pub rejection: Rejection,
}

/// What is wrong with a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end before the batch does.
    #[error("the batch needs {needed} bytes and only {available} are there")]
    Incomplete {
        /// Bytes the batch needs, as far as its bytes say.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// The length field is smaller than the smallest batch of its magic.
    #[error("the batch length {batch_length} is less than the smallest possible {minimum}")]
    Length {
        /// The length field, in bytes after the first 12.
        batch_length: i32,
        /// The least it can be.
        minimum: i32,
    },
    /// The magic byte is none of 0, 1 and 2.
    #[error("the batch has magic {magic}, which does not exist")]
    Magic {
        /// The magic byte.
        magic: i8,
    },
    /// The checksum does not match the bytes.
    #[error("the batch is corrupt: its checksum is {stored:#010x} and its bytes give {computed:#010x}")]
    Crc {
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// No batch where one is required.
    #[error("there is no record batch at all")]
    NoBatch,
    /// More than one batch where exactly one is allowed.
    #[error("there is more than one record batch")]
    MoreThanOneBatch,
    /// A batch of an old format where magic 2 is required.
    #[error("the batch has magic {magic}, and only magic 2 is allowed here")]
    OldMagic {
        /// The magic byte.
        magic: i8,
    },
    /// A client's batch starts at another offset than 0.
    #[error("the base offset of a produced batch should be 0, and it is {base_offset}")]
    BaseOffset {
        /// The base offset found.
        base_offset: i64,
    },
    /// The batch carries another leader epoch than the leader that appends it.
    #[error("the batch has leader epoch {found}, and the leader's is {expected}")]
    LeaderEpoch {
        /// The epoch in the batch.
        found: i32,
        /// The epoch of the leader.
        expected: i32,
    },
    /// The batch is larger than allowed.
    #[error("the batch has {size_bytes} bytes, and the largest allowed is {max_bytes}")]
    TooLarge {
        /// Size of the whole batch, in bytes.
        size_bytes: usize,
        /// The largest allowed, in bytes.
        max_bytes: usize,
    },
    /// The last offset is before the first.
    #[error("the batch has an invalid offset range: last offset delta {last_offset_delta}")]
    OffsetRange {
        /// The last offset delta.
        last_offset_delta: i32,
    },
    /// The number of records is not positive.
    #[error("the batch has an invalid number of records: {records_count}")]
    RecordsCount {
        /// The number of records declared.
        records_count: i32,
    },
    /// The offset range and the number of records disagree.
    #[error("the last offset delta {last_offset_delta} does not fit {records_count} records")]
    CountMismatch {
        /// The last offset delta.
        last_offset_delta: i32,
        /// The number of records declared.
        records_count: i32,
    },
    /// A client tried to write a control batch.
    #[error("clients are not allowed to write control records")]
    ControlBatch,
    /// An idempotent batch without a sequence number.
    #[error("invalid sequence number {base_sequence} with producer id {producer_id}")]
    Sequence {
        /// The producer id.
        producer_id: i64,
        /// The base sequence.
        base_sequence: i32,
    },
    /// The codec bits name no codec.
    #[error("the batch names compression type {id}, which does not exist")]
    UnknownCompression {
        /// The codec bits.
        id: u8,
    },
    /// The codec is not allowed at this version of Produce (zstd before version 7, KIP-110).
    #[error("{0} is not allowed at this version of Produce")]
    CompressionNotAllowed(Compression),
    /// A record breaks the record format.
    #[error("record {index} is invalid: {fault}")]
    Record {
        /// The record's position in its batch, from 0.
        index: u32,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// Bytes are left after the declared number of records.
    #[error("bytes are left in the batch after its declared number of records")]
    BytesRemaining,
    /// The records could not be compressed or decompressed, or exceed the limit.
    #[error("{0}")]
    Compression(#[from] CompressionError),
    /// Records were refused by the rules of the topic.
    #[error("{}", rejected(.0))]
    Rejected(Vec<RecordError>),
    /// The batch's timestamps, as its header states them, are outside the topic's bounds.
    #[error("the batch's timestamps are refused: {0}")]
    HeaderTimestamp(Rejection),
    /// Batches that must follow one another do not.
    #[error("out of order offsets: last offset {last_offset} does not come after {previous}")]
    OutOfOrder {
        /// The last offset of the earlier batch.
        previous: i64,
        /// The last offset of the later batch.
        last_offset: i64,
    },
}

fn rejected(errors: &[RecordError]) -> String {
    match errors.first() {
        Some(first) => {
            format!(
                "{} records were refused; the first is record {}: {}",
                errors.len(),
                first.batch_index,
                first.rejection
            )
        }
        None => "records were refused".to_owned(),
    }
}

impl BatchError {
    /// The Kafka error this fault is answered with.
    ///
    /// Kafka trips over an unknown codec id, a broken compressed stream and an overlong variable-length integer, and
    /// answers `UNKNOWN_SERVER_ERROR`: a code that no client tries again for. So does this crate.
    pub fn kind(&self) -> ErrorKind {
        match self {
            BatchError::Incomplete { .. }
            | BatchError::Length { .. }
            | BatchError::Magic { .. }
            | BatchError::Crc { .. } => ErrorKind::CorruptMessage,
            // A batch that inflates beyond the limit is too large as well, and a client that splits it may get it through.
            BatchError::TooLarge { .. } | BatchError::Compression(CompressionError::Limit { .. }) => {
                ErrorKind::MessageTooLarge
            }
            BatchError::CompressionNotAllowed(_) => ErrorKind::UnsupportedCompressionType,
            BatchError::UnknownCompression { .. }
            | BatchError::Compression(_)
            | BatchError::Record { fault: RecordFault::Varint, .. } => ErrorKind::UnknownServerError,
            BatchError::Rejected(errors) if errors.iter().any(|e| e.rejection != Rejection::NoKey) => {
                ErrorKind::InvalidTimestamp
            }
            BatchError::HeaderTimestamp(_) => ErrorKind::InvalidTimestamp,
            _ => ErrorKind::InvalidRecord,
        }
    }

    /// The records that were refused one by one, empty when the batch was refused as a whole.
    pub fn record_errors(&self) -> &[RecordError] {
        match self {
            BatchError::Rejected(errors) => errors,
            _ => &[],
        }
    }
}
