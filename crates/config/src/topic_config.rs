//! The configuration of one topic, resolved: overrides over broker defaults over built-in defaults.
//!
//! Owns the typed values that storage and the broker use. Knows no partition and no file.

use std::collections::BTreeMap;

use crate::broker_config::BrokerConfig;
use crate::config_def::{ConfigDef, find};
use crate::config_error::ConfigError;
use crate::keys::TOPIC;
use crate::value::{self, Value};

/// What happens to old records (`cleanup.policy`); both may be off, then nothing is ever removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Old segments are deleted by time and size.
    pub delete: bool,
    /// Only the last record of each key is kept.
    pub compact: bool,
}

/// Codec that the broker writes (`compression.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressionType {
    /// Whatever the producer chose.
    Producer,
    /// None.
    Uncompressed,
    /// gzip at `compression.gzip.level`.
    Gzip,
    /// snappy.
    Snappy,
    /// lz4 at `compression.lz4.level`.
    Lz4,
    /// zstd at `compression.zstd.level`.
    Zstd,
}

/// Who stamps records (`message.timestamp.type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer.
    CreateTime,
    /// The broker, when it appends.
    LogAppendTime,
}

/// All values of one topic.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    /// `cleanup.policy`.
    pub cleanup_policy: CleanupPolicy,
    /// `compression.type`.
    pub compression_type: CompressionType,
    /// `compression.gzip.level`, 1 to 9, or -1 for the codec's own choice.
    pub compression_gzip_level: i32,
    /// `compression.lz4.level`.
    pub compression_lz4_level: i32,
    /// `compression.zstd.level`.
    pub compression_zstd_level: i32,
    /// `delete.retention.ms`: how long tombstones outlive compaction.
    pub delete_retention_ms: i64,
    /// `durability.mode` is `durable`: a batch counts once it is on stable storage.
    pub durable: bool,
    /// `errors.deadletterqueue.group.enable`.
    pub errors_deadletterqueue_group_enable: bool,
    /// `file.delete.delay.ms`: from renaming to unlinking.
    pub file_delete_delay_ms: i64,
    /// `flush.messages`: records between forced flushes.
    pub flush_messages: i64,
    /// `flush.ms`: time between forced flushes.
    pub flush_ms: i64,
    /// `index.interval.bytes`: log bytes between two index entries.
    pub index_interval_bytes: i32,
    /// `follower.replication.throttled.replicas`.
    pub follower_replication_throttled_replicas: Vec<String>,
    /// `leader.replication.throttled.replicas`.
    pub leader_replication_throttled_replicas: Vec<String>,
    /// `local.retention.bytes`; -2 follows `retention_bytes`.
    pub local_retention_bytes: i64,
    /// `local.retention.ms`; -2 follows `retention_ms`.
    pub local_retention_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `max.decompressed.message.bytes`: largest record after decompression.
    pub max_decompressed_message_bytes: i32,
    /// `max.message.bytes`: largest record batch, log overhead included.
    pub max_message_bytes: i32,
    /// `message.timestamp.after.max.ms`: how far ahead of the broker's clock a CreateTime may be.
    pub message_timestamp_after_max_ms: i64,
    /// `message.timestamp.before.max.ms`: how far behind it may be.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.type`.
    pub message_timestamp_type: TimestampType,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `min.insync.replicas`.
    pub min_insync_replicas: i32,
    /// `preallocate`.
    pub preallocate: bool,
    /// `remote.copy.lag.bytes`.
    pub remote_copy_lag_bytes: i64,
    /// `remote.copy.lag.ms`.
    pub remote_copy_lag_ms: i64,
    /// `remote.log.copy.disable`.
    pub remote_log_copy_disable: bool,
    /// `remote.log.delete.on.disable`.
    pub remote_log_delete_on_disable: bool,
    /// `remote.storage.enable`.
    pub remote_storage_enable: bool,
    /// `retention.bytes` per partition; negative keeps everything.
    pub retention_bytes: i64,
    /// `retention.ms`; negative keeps everything.
    pub retention_ms: i64,
    /// `segment.bytes`, or `internal.segment.bytes` where a test sets it.
    pub segment_bytes: i32,
    /// `segment.index.bytes`: largest offset or time index.
    pub segment_index_bytes: i32,
    /// `segment.jitter.ms`: at most this much is taken off `segment_ms`.
    pub segment_jitter_ms: i64,
    /// `segment.ms`: a segment older than this is rolled.
    pub segment_ms: i64,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election_enable: bool,
}

/// The built-in defaults.
impl Default for TopicConfig {
    fn default() -> TopicConfig {
        TopicConfig {
            cleanup_policy: CleanupPolicy { delete: true, compact: false },
            compression_type: CompressionType::Producer,
            compression_gzip_level: -1,
            compression_lz4_level: 9,
            compression_zstd_level: 3,
            delete_retention_ms: 86_400_000,
            durable: true,
            errors_deadletterqueue_group_enable: false,
            file_delete_delay_ms: 60_000,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            index_interval_bytes: 4096,
            follower_replication_throttled_replicas: Vec::new(),
            leader_replication_throttled_replicas: Vec::new(),
            local_retention_bytes: -2,
            local_retention_ms: -2,
            max_compaction_lag_ms: i64::MAX,
            max_decompressed_message_bytes: i32::MAX - 8,
            max_message_bytes: 1_048_588,
            message_timestamp_after_max_ms: 3_600_000,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_type: TimestampType::CreateTime,
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            min_insync_replicas: 1,
            preallocate: false,
            remote_copy_lag_bytes: -1,
            remote_copy_lag_ms: 0,
            remote_log_copy_disable: false,
            remote_log_delete_on_disable: false,
            remote_storage_enable: false,
            retention_bytes: -1,
            retention_ms: 604_800_000,
            segment_bytes: 1 << 30,
            segment_index_bytes: 10 << 20,
            segment_jitter_ms: 0,
            segment_ms: 604_800_000,
            unclean_leader_election_enable: false,
        }
    }
}

impl TopicConfig {
    /// The configuration of a topic with these overrides on this broker.
    ///
    /// Overrides were validated before they were stored. One that is unknown or unreadable all the same
    /// (written by other software) is passed over, so that the topic stays usable.
    pub fn resolve(broker: &BrokerConfig, overrides: &BTreeMap<String, String>) -> TopicConfig {
        let mut config = broker.topic_defaults.clone();
        for (name, text) in overrides {
            if let Some(def) = find(TOPIC, name)
                && let Ok(value) = value::parse(def, Some(text))
            {
                config.set(def, &value);
            }
        }
        if let Some(Ok(bytes)) = overrides.get("internal.segment.bytes").map(|text| text.trim().parse()) {
            config.segment_bytes = bytes;
        }
        config
    }

    /// Longest time a segment stays active: compaction may ask for less than `segment.ms`.
    pub fn segment_ms_max(&self) -> i64 {
        match self.cleanup_policy.compact && self.max_compaction_lag_ms > 0 {
            true => self.segment_ms.min(self.max_compaction_lag_ms),
            false => self.segment_ms,
        }
    }

    /// Puts a validated value in its field.
    pub(crate) fn set(&mut self, def: &ConfigDef, value: &Value) {
        match value {
            Value::Int(number) => self.set_int(def.name, *number),
            Value::Long(number) => self.set_long(def.name, *number),
            Value::Boolean(flag) => self.set_flag(def.name, *flag),
            Value::Double(number) => self.min_cleanable_dirty_ratio = *number,
            Value::Text(text) => self.set_text(def.name, text),
            Value::List(items) => self.set_list(def.name, items),
            Value::Null => {}
        }
    }

    fn set_int(&mut self, name: &str, number: i32) {
        match name {
            "compression.gzip.level" => self.compression_gzip_level = number,
            "compression.lz4.level" => self.compression_lz4_level = number,
            "compression.zstd.level" => self.compression_zstd_level = number,
            "index.interval.bytes" => self.index_interval_bytes = number,
            "max.decompressed.message.bytes" => self.max_decompressed_message_bytes = number,
            "max.message.bytes" => self.max_message_bytes = number,
            "min.insync.replicas" => self.min_insync_replicas = number,
            "segment.bytes" => self.segment_bytes = number,
            "segment.index.bytes" => self.segment_index_bytes = number,
            _ => {}
        }
    }

    fn set_long(&mut self, name: &str, number: i64) {
        match name {
            "delete.retention.ms" => self.delete_retention_ms = number,
            "file.delete.delay.ms" => self.file_delete_delay_ms = number,
            "flush.messages" => self.flush_messages = number,
            "flush.ms" => self.flush_ms = number,
            "local.retention.bytes" => self.local_retention_bytes = number,
            "local.retention.ms" => self.local_retention_ms = number,
            "max.compaction.lag.ms" => self.max_compaction_lag_ms = number,
            "message.timestamp.after.max.ms" => self.message_timestamp_after_max_ms = number,
            "message.timestamp.before.max.ms" => self.message_timestamp_before_max_ms = number,
            "min.compaction.lag.ms" => self.min_compaction_lag_ms = number,
            "remote.copy.lag.bytes" => self.remote_copy_lag_bytes = number,
            "remote.copy.lag.ms" => self.remote_copy_lag_ms = number,
            "retention.bytes" => self.retention_bytes = number,
            "retention.ms" => self.retention_ms = number,
            "segment.jitter.ms" => self.segment_jitter_ms = number,
            "segment.ms" => self.segment_ms = number,
            _ => {}
        }
    }

    fn set_flag(&mut self, name: &str, flag: bool) {
        match name {
            "errors.deadletterqueue.group.enable" => self.errors_deadletterqueue_group_enable = flag,
            "preallocate" => self.preallocate = flag,
            "remote.log.copy.disable" => self.remote_log_copy_disable = flag,
            "remote.log.delete.on.disable" => self.remote_log_delete_on_disable = flag,
            "remote.storage.enable" => self.remote_storage_enable = flag,
            "unclean.leader.election.enable" => self.unclean_leader_election_enable = flag,
            _ => {}
        }
    }

    fn set_text(&mut self, name: &str, text: &str) {
        match (name, text) {
            ("compression.type", "producer") => self.compression_type = CompressionType::Producer,
            ("compression.type", "uncompressed") => self.compression_type = CompressionType::Uncompressed,
            ("compression.type", "gzip") => self.compression_type = CompressionType::Gzip,
            ("compression.type", "snappy") => self.compression_type = CompressionType::Snappy,
            ("compression.type", "lz4") => self.compression_type = CompressionType::Lz4,
            ("compression.type", "zstd") => self.compression_type = CompressionType::Zstd,
            ("durability.mode", mode) => self.durable = mode == "durable",
            ("message.timestamp.type", "CreateTime") => {
                self.message_timestamp_type = TimestampType::CreateTime
            }
            ("message.timestamp.type", "LogAppendTime") => {
                self.message_timestamp_type = TimestampType::LogAppendTime;
            }
            _ => {}
        }
    }

    fn set_list(&mut self, name: &str, items: &[String]) {
        let has = |policy: &str| items.iter().any(|item| item == policy);
        match name {
            "cleanup.policy" => {
                self.cleanup_policy = CleanupPolicy { delete: has("delete"), compact: has("compact") };
            }
            "follower.replication.throttled.replicas" => {
                self.follower_replication_throttled_replicas = items.to_vec();
            }
            "leader.replication.throttled.replicas" => {
                self.leader_replication_throttled_replicas = items.to_vec()
            }
            _ => {}
        }
    }
}

/// Validates one topic key by itself.
///
/// # Errors
/// The key is unknown or the value is refused; messages are Kafka's.
pub fn validate_topic_config(name: &str, value: &str) -> Result<(), ConfigError> {
    let Some(def) = find(TOPIC, name) else {
        return Err(ConfigError::invalid(format!("Unknown topic config name: {name}")));
    };
    value::parse(def, Some(value)).map(|_| ())
}

/// Validates the whole set of overrides that a topic would have after a change; `previous` is the set before it.
///
/// # Errors
/// As [`validate_topic_config`], and rules that span keys.
pub fn validate_topic_configs(
    broker: &BrokerConfig,
    previous: &BTreeMap<String, String>,
    overrides: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    if let Some(name) = overrides.keys().find(|name| find(TOPIC, name).is_none()) {
        return Err(ConfigError::invalid(format!("Unknown topic config name: {name}")));
    }
    for (name, value) in overrides {
        validate_topic_config(name, value)?;
    }
    let config = TopicConfig::resolve(broker, overrides);
    if config.min_compaction_lag_ms > config.max_compaction_lag_ms {
        return Err(ConfigError::invalid(format!(
            "conflict topic config setting min.compaction.lag.ms ({}) > max.compaction.lag.ms ({})",
            config.min_compaction_lag_ms, config.max_compaction_lag_ms
        )));
    }
    if config.remote_storage_enable {
        return Err(ConfigError::invalid(
            "Tiered Storage functionality is disabled in the broker. \
             Topic cannot be configured with remote log storage.",
        ));
    }
    let was_remote =
        previous.get("remote.storage.enable").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    if was_remote && !config.remote_log_delete_on_disable {
        return Err(ConfigError::invalid(
            "remote.storage.enable can only be turned off together with remote.log.delete.on.disable=true",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
