//! What a log needs to know of its topic's configuration.
//!
//! Owns the selection; names, ranges and defaults are `config`'s.

use config::{CompressionType, TopicConfig};
use records::{Compression, Origin, ProduceRules, TargetCompression, TimestampType};

/// Unflushed bytes of one log after which a background flush is due: it bounds what recovery reads after a kill, and
/// keeps dirty pages few enough that the kernel never makes an append wait for write-back.
pub const BACKGROUND_FLUSH_BYTES: u64 = 32 << 20;

/// Who appends to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AppendOrigin {
    /// A client's Produce request: exactly one batch, and every rule applies.
    #[default]
    Client,
    /// A coordinator of this broker: control batches are allowed.
    Coordinator,
    /// The leader of the metadata quorum: offsets and epoch are already in the batches, and their size is free.
    RaftLeader,
}

/// The configuration of one log, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment is rolled before it exceeds this.
    pub segment_bytes: u32,
    /// `segment.ms`, or `max.compaction.lag.ms` of a compacted topic if that is less: a segment is rolled once its
    /// first batch is older.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: at most this is taken off `segment_ms`, drawn anew for each segment.
    pub segment_jitter_ms: i64,
    /// `index.interval.bytes`: log bytes between two index entries.
    pub index_interval_bytes: u32,
    /// `segment.index.bytes`: largest index file; a segment with a full index is rolled.
    pub segment_index_bytes: u32,
    /// `retention.ms`; negative keeps everything.
    pub retention_ms: i64,
    /// `retention.bytes`; negative keeps everything.
    pub retention_bytes: i64,
    /// `cleanup.policy` contains `delete`.
    pub delete: bool,
    /// `cleanup.policy` contains `compact`.
    pub compact: bool,
    /// `delete.retention.ms`: how long tombstones and markers stay after the first cleaning that met them.
    pub delete_retention_ms: i64,
    /// `min.compaction.lag.ms`: younger records are not cleaned.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: older records are cleaned however few they are.
    pub max_compaction_lag_ms: i64,
    /// `min.cleanable.dirty.ratio`: the share of the log that has to be dirty.
    pub min_cleanable_dirty_ratio: f64,
    /// `max.message.bytes`: largest batch.
    pub max_message_bytes: u32,
    /// `max.decompressed.message.bytes`: largest record of a compressed batch.
    pub max_decompressed_message_bytes: u32,
    /// `compression.type`.
    pub compression: TargetCompression,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `durability.mode` is `durable`, or `flush.messages` asks for flushes: appends go to the write-ahead log, and count
    /// once they are on stable storage.
    pub durable: bool,
    /// What is flushed is copied to a second file too ([`crate::UnifiedLog::copy_tail`]), for a log whose owner flushes
    /// everything by itself before it counts.
    pub copies_tail: bool,
    /// `flush.messages`: unflushed records after which a flush is due.
    pub flush_messages: i64,
    /// `flush.ms`: age of the oldest unflushed record at which a flush is due.
    pub flush_ms: i64,
    /// `file.delete.delay.ms`: from taking a file out of use to removing it.
    pub file_delete_delay_ms: i64,
    /// `preallocate`: the first batch of a segment keeps room on the disk for all of it.
    pub preallocate: bool,
    /// `producer.id.expiration.ms` of the broker: a producer's state is dropped when it has not written for this long.
    pub producer_id_expiration_ms: i64,
}

/// `producer.id.expiration.ms` unless the broker sets it: a day.
pub const DEFAULT_PRODUCER_ID_EXPIRATION_MS: i64 = 86_400_000;

/// A topic's defaults, but for the write-ahead log: this log is flushed by whoever asks for it.
impl Default for LogConfig {
    fn default() -> Self {
        let topic = TopicConfig { durable: false, ..TopicConfig::default() };
        Self::new(&topic, DEFAULT_PRODUCER_ID_EXPIRATION_MS)
    }
}

impl LogConfig {
    /// The log's part of a topic's configuration.
    pub fn new(topic: &TopicConfig, producer_id_expiration_ms: i64) -> Self {
        Self {
            segment_bytes: positive(topic.segment_bytes),
            segment_ms: topic.segment_ms_max(),
            segment_jitter_ms: topic.segment_jitter_ms,
            index_interval_bytes: positive(topic.index_interval_bytes),
            segment_index_bytes: positive(topic.segment_index_bytes),
            retention_ms: topic.retention_ms,
            retention_bytes: topic.retention_bytes,
            delete: topic.cleanup_policy.delete,
            compact: topic.cleanup_policy.compact,
            delete_retention_ms: topic.delete_retention_ms,
            min_compaction_lag_ms: topic.min_compaction_lag_ms,
            max_compaction_lag_ms: topic.max_compaction_lag_ms,
            min_cleanable_dirty_ratio: topic.min_cleanable_dirty_ratio,
            max_message_bytes: positive(topic.max_message_bytes),
            max_decompressed_message_bytes: positive(topic.max_decompressed_message_bytes),
            compression: target_compression(topic),
            timestamp_type: match topic.message_timestamp_type {
                config::TimestampType::CreateTime => TimestampType::CreateTime,
                config::TimestampType::LogAppendTime => TimestampType::LogAppendTime,
            },
            timestamp_before_max_ms: topic.message_timestamp_before_max_ms,
            timestamp_after_max_ms: topic.message_timestamp_after_max_ms,
            durable: topic.durable || topic.flush_messages != i64::MAX,
            copies_tail: false,
            flush_messages: topic.flush_messages,
            flush_ms: topic.flush_ms,
            file_delete_delay_ms: topic.file_delete_delay_ms,
            preallocate: topic.preallocate,
            producer_id_expiration_ms,
        }
    }

    /// The topic's codec and its level, if it has one whatever producers send.
    pub(crate) fn fixed_codec(&self) -> Option<(Compression, Option<i32>)> {
        match self.compression {
            TargetCompression::Producer => None,
            TargetCompression::Fixed { compression, level } => Some((compression, level)),
        }
    }

    /// The rules a batch of this origin has to obey at this time.
    pub fn produce_rules(&self, origin: AppendOrigin, leader_epoch: i32, now_ms: i64) -> ProduceRules {
        ProduceRules {
            origin: match origin {
                AppendOrigin::Client => Origin::Client,
                AppendOrigin::Coordinator => Origin::Coordinator,
                AppendOrigin::RaftLeader => Origin::RaftLeader { leader_epoch },
            },
            max_message_bytes: self.max_message_bytes as usize,
            max_record_bytes: self.max_decompressed_message_bytes as usize,
            compacted: self.compact,
            timestamp_type: self.timestamp_type,
            timestamp_before_max_ms: self.timestamp_before_max_ms,
            timestamp_after_max_ms: self.timestamp_after_max_ms,
            now_ms,
            target_compression: self.compression,
            ..ProduceRules::default()
        }
    }
}

fn positive(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

fn target_compression(topic: &TopicConfig) -> TargetCompression {
    let fixed = |compression, level| TargetCompression::Fixed { compression, level };
    match topic.compression_type {
        CompressionType::Producer => TargetCompression::Producer,
        CompressionType::Uncompressed => fixed(Compression::None, None),
        // The codec's own default is -1 in Kafka's configuration.
        CompressionType::Gzip if topic.compression_gzip_level < 0 => fixed(Compression::Gzip, None),
        CompressionType::Gzip => fixed(Compression::Gzip, Some(topic.compression_gzip_level)),
        CompressionType::Snappy => fixed(Compression::Snappy, None),
        CompressionType::Lz4 => fixed(Compression::Lz4, Some(topic.compression_lz4_level)),
        CompressionType::Zstd => fixed(Compression::Zstd, Some(topic.compression_zstd_level)),
    }
}
