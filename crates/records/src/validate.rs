//! Kafka's rules for batches that are about to be appended.
//!
//! Owns what a leader checks in a produced batch, in the order in which Kafka checks it, and what a follower checks
//! in batches it copies. It never knows the log: offsets and producer state are judged elsewhere.
//!
//! Two rules are stricter than Kafka's. A record's offset delta must be its position also in an uncompressed batch
//! (Kafka writes such a batch to the log, where offsets then repeat), and a record's declared length must be true
//! also in a compressed one (Kafka lets it through, and every consumer fails on it).

use crate::batch::{Batch, batches};
use crate::compression::{Compression, DEFAULT_DECOMPRESSED_LIMIT_BYTES};
use crate::error::BatchError;
use crate::header::{BatchHeader, HEADER_BYTES, NO_PARTITION_LEADER_EPOCH, TimestampType};
use crate::stamp;
use crate::walk;

/// Who appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Origin {
    /// A client's Produce request: every rule applies.
    #[default]
    Client,
    /// A coordinator of this broker: control batches are allowed and counts are trusted.
    Coordinator,
    /// The leader of the metadata quorum: as a coordinator, of any size, and with this epoch already in the batch.
    RaftLeader {
        /// The leader's epoch.
        leader_epoch: i32,
    },
}

/// The codec a topic stores, its `compression.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TargetCompression {
    /// Whatever the producer used.
    #[default]
    Producer,
    /// Always this one.
    Fixed {
        /// The codec.
        compression: Compression,
        /// Its level, `None` for the default.
        level: Option<i32>,
    },
}

/// What a topic takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProduceRules {
    /// Who appends.
    pub origin: Origin,
    /// `max.message.bytes`: the largest batch, in bytes.
    pub max_message_bytes: usize,
    /// Whether `cleanup.policy` contains `compact`, so that every record needs a key.
    pub compacted: bool,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how old a record may be.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far in the future a record may be.
    pub timestamp_after_max_ms: i64,
    /// The time of the append, in ms.
    pub now_ms: i64,
    /// `compression.type`.
    pub target_compression: TargetCompression,
    /// Whether zstd is allowed: Produce from version 7 on (KIP-110).
    pub zstd_allowed: bool,
    /// Whether the records of a compressed batch are looked at, as Kafka does. If not, the header's timestamps are
    /// believed (and checked), and a broken record inside is found by its first reader.
    pub inspect_compressed: bool,
    /// `max.decompressed.message.bytes`: the largest record in a compressed batch, in bytes without its length prefix.
    pub max_record_bytes: usize,
    /// The most bytes the records of one batch may take uncompressed; Kafka has no such bound.
    pub max_decompressed_bytes: usize,
}

impl Default for ProduceRules {
    /// Kafka's defaults for a topic, for a client's batch at time 0.
    fn default() -> Self {
        ProduceRules {
            origin: Origin::Client,
            max_message_bytes: 1_048_588,
            compacted: false,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            now_ms: 0,
            target_compression: TargetCompression::Producer,
            zstd_allowed: true,
            inspect_compressed: true,
            max_record_bytes: i32::MAX as usize - 8,
            max_decompressed_bytes: DEFAULT_DECOMPRESSED_LIMIT_BYTES,
        }
    }
}

/// What has to change in a batch before it is appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewrite {
    /// Offset and leader epoch only.
    Offsets,
    /// Also the timestamp type or the maximum timestamp, and so the checksum.
    Timestamps,
    /// The records: the topic stores another codec. See [`crate::recompress`].
    Records {
        /// The codec to store.
        compression: Compression,
        /// Its level.
        level: Option<i32>,
    },
}

/// A batch that may be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidBatch {
    /// Its header, as received.
    pub header: BatchHeader,
    /// Its size in bytes; bytes after that in the request are a cut second batch and are dropped, as Kafka does.
    pub size_bytes: usize,
    /// The timestamp type to store.
    pub timestamp_type: TimestampType,
    /// The maximum timestamp to store, in ms.
    pub max_timestamp: i64,
    /// What has to change.
    pub rewrite: Rewrite,
}

impl ValidBatch {
    /// The header to store, unless the records have to be rewritten first.
    #[inline]
    pub fn stamp(
        &self,
        header: &[u8; HEADER_BYTES],
        base_offset: i64,
        partition_leader_epoch: i32,
    ) -> [u8; HEADER_BYTES] {
        match self.rewrite {
            Rewrite::Offsets => stamp::stamp(header, base_offset, partition_leader_epoch),
            _ => stamp::stamp_timestamps(
                header,
                base_offset,
                partition_leader_epoch,
                self.timestamp_type,
                self.max_timestamp,
            ),
        }
    }
}

/// Checks the records of one partition in a Produce request: exactly one batch that obeys the rules.
///
/// The order is Kafka's: framing and magic, codec against request version, one batch only, base offset, size, checksum,
/// counts, control flag, sequence, then the records one by one.
///
/// # Errors
/// The first rule that is broken; all refused records together as [`BatchError::Rejected`].
pub fn validate_produce(bytes: &[u8], rules: &ProduceRules) -> Result<ValidBatch, BatchError> {
    validate_batch(&sole_batch(bytes)?, rules)
}

/// Checks a batch whose framing is known to be good: that of [`validate_produce`] from the codec on.
///
/// # Errors
/// As [`validate_produce`].
pub fn validate_batch(batch: &Batch<'_>, rules: &ProduceRules) -> Result<ValidBatch, BatchError> {
    check_batch(batch, rules)?;
    let source = batch.header.compression()?;
    let (target, level) = match rules.target_compression {
        TargetCompression::Producer => (source, None),
        TargetCompression::Fixed { compression, level } => (compression, level),
    };
    // A control batch that came uncompressed stays so.
    let recompress = source != target && !(source == Compression::None && batch.header.is_control());
    let found = match source {
        Compression::None => walk::walk_plain(&batch.header, batch.payload(), rules)?,
        _ if rules.inspect_compressed || recompress => walk::walk_stream(batch, source, rules)?,
        _ => believe_header(&batch.header, rules)?,
    };
    let max_timestamp = match rules.timestamp_type {
        TimestampType::CreateTime => found,
        TimestampType::LogAppendTime => rules.now_ms,
    };
    let stored =
        batch.header.timestamp_type() == rules.timestamp_type && batch.header.max_timestamp == max_timestamp;
    let rewrite = match (recompress, stored) {
        (true, _) => Rewrite::Records { compression: target, level },
        (false, true) => Rewrite::Offsets,
        (false, false) => Rewrite::Timestamps,
    };
    Ok(ValidBatch {
        header: batch.header,
        size_bytes: batch.bytes.len(),
        timestamp_type: rules.timestamp_type,
        max_timestamp,
        rewrite,
    })
}

/// Looks at every record of a compressed batch the way Kafka's leader does, chunk by chunk, and returns the largest
/// timestamp (ms). For callers that validated with `inspect_compressed` off and want to know after all.
///
/// # Errors
/// As [`validate_produce`], for the records.
pub fn validate_compressed(batch: &Batch<'_>, rules: &ProduceRules) -> Result<i64, BatchError> {
    match batch.header.compression()? {
        Compression::None => walk::walk_plain(&batch.header, batch.payload(), rules),
        codec => walk::walk_stream(batch, codec, rules),
    }
}

/// The one magic-2 batch that a Produce request may hold per partition.
///
/// # Errors
/// What Kafka finds before it looks for the log: no batch, one that lies about its frame, an old format, a second batch.
pub fn sole_batch(bytes: &[u8]) -> Result<Batch<'_>, BatchError> {
    let mut walk = batches(bytes);
    let batch = walk.next().ok_or(BatchError::NoBatch)??;
    if batch.header.is_legacy() {
        return Err(BatchError::OldMagic { magic: batch.header.magic });
    }
    if walk.rest().is_empty() {
        return Ok(batch);
    }
    match walk.next() {
        None => Ok(batch),
        Some(Ok(_)) => Err(BatchError::MoreThanOneBatch),
        Some(Err(error)) => Err(error),
    }
}

fn check_batch(batch: &Batch<'_>, rules: &ProduceRules) -> Result<(), BatchError> {
    let header = &batch.header;
    if header.compression()? == Compression::Zstd && !rules.zstd_allowed {
        return Err(BatchError::CompressionNotAllowed(Compression::Zstd));
    }
    match rules.origin {
        Origin::Client if header.base_offset != 0 => {
            return Err(BatchError::BaseOffset { base_offset: header.base_offset });
        }
        Origin::RaftLeader { leader_epoch } if header.partition_leader_epoch != leader_epoch => {
            return Err(BatchError::LeaderEpoch {
                found: header.partition_leader_epoch,
                expected: leader_epoch,
            });
        }
        _ => {}
    }
    let any_size = matches!(rules.origin, Origin::RaftLeader { .. });
    if !any_size && batch.bytes.len() > rules.max_message_bytes {
        return Err(BatchError::TooLarge {
            size_bytes: batch.bytes.len(),
            max_bytes: rules.max_message_bytes,
        });
    }
    batch.verify_crc()?;
    if rules.origin == Origin::Client { check_client_header(header) } else { Ok(()) }
}

fn check_client_header(header: &BatchHeader) -> Result<(), BatchError> {
    let &BatchHeader { last_offset_delta, records_count, .. } = header;
    if last_offset_delta < 0 {
        return Err(BatchError::OffsetRange { last_offset_delta });
    }
    if records_count <= 0 {
        return Err(BatchError::RecordsCount { records_count });
    }
    if i64::from(last_offset_delta) + 1 != i64::from(records_count) {
        return Err(BatchError::CountMismatch { last_offset_delta, records_count });
    }
    if header.is_control() {
        return Err(BatchError::ControlBatch);
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        return Err(BatchError::Sequence {
            producer_id: header.producer_id,
            base_sequence: header.base_sequence,
        });
    }
    Ok(())
}

/// The maximum timestamp of a compressed batch by its header alone.
fn believe_header(header: &BatchHeader, rules: &ProduceRules) -> Result<i64, BatchError> {
    let log_append_time = header.timestamp_type() == TimestampType::LogAppendTime;
    match walk::timestamp_rejection(header.max_timestamp, log_append_time, rules) {
        None => Ok(header.max_timestamp),
        Some(rejection) => Err(BatchError::HeaderTimestamp(rejection)),
    }
}

/// What a follower (or a quorum member) expects of the batches it copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerRules {
    /// The epoch in which the batches were fetched. From the first batch of a later epoch on, nothing is taken: it
    /// comes from an answer that outlived a change of leader.
    pub leader_epoch: i32,
}

/// What a run of batches holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendedBatches {
    /// Offset of the first record; for an old format the last offset of the first entry. -1 without a batch.
    pub first_offset: i64,
    /// Offset of the last record, -1 without a batch.
    pub last_offset: i64,
    /// Leader epoch of the last batch, -1 if it has none.
    pub last_leader_epoch: i32,
    /// Largest timestamp of the headers, in ms.
    pub max_timestamp: i64,
    /// Bytes that the taken batches have; anything after that is cut or of a later epoch.
    pub size_bytes: usize,
    /// How many batches were taken.
    pub batches_count: usize,
}

/// Checks batches of any number and magic that another replica's log held: headers, checksums and rising offsets.
///
/// # Errors
/// [`BatchError::Crc`] and header faults; [`BatchError::OutOfOrder`] when offsets do not rise.
pub fn validate_follower(bytes: &[u8], rules: &FollowerRules) -> Result<AppendedBatches, BatchError> {
    let mut found = AppendedBatches {
        first_offset: -1,
        last_offset: -1,
        last_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        max_timestamp: -1,
        size_bytes: 0,
        batches_count: 0,
    };
    for batch in batches(bytes) {
        let batch = batch?;
        let header = &batch.header;
        if header.partition_leader_epoch > rules.leader_epoch {
            break;
        }
        batch.verify_crc()?;
        let last_offset = header.last_offset();
        if found.batches_count > 0 && last_offset <= found.last_offset {
            return Err(BatchError::OutOfOrder { previous: found.last_offset, last_offset });
        }
        if found.batches_count == 0 {
            found.first_offset = header.base_offset;
        }
        found.last_offset = last_offset;
        found.last_leader_epoch = header.partition_leader_epoch;
        found.max_timestamp = found.max_timestamp.max(header.max_timestamp);
        found.size_bytes += batch.bytes.len();
        found.batches_count += 1;
    }
    Ok(found)
}
