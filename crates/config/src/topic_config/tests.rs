//! Resolution and validation of topic keys.

use std::collections::BTreeMap;

use super::{CleanupPolicy, CompressionType, TimestampType, TopicConfig, validate_topic_configs};
use crate::broker_config::BrokerConfig;
use crate::config_def::find;
use crate::keys::TOPIC;
use crate::value;

fn overrides(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn broker(pairs: &[(&str, &str)]) -> BrokerConfig {
    BrokerConfig::from_pairs(pairs).expect("valid")
}

fn refusal(pairs: &[(&str, &str)]) -> String {
    let previous = BTreeMap::new();
    validate_topic_configs(&broker(&[]), &previous, &overrides(pairs)).expect_err("a refusal").message
}

#[test]
fn the_struct_and_the_table_have_the_same_defaults() {
    let mut from_table = TopicConfig { segment_ms: 0, retention_ms: 0, ..TopicConfig::default() };
    for def in TOPIC {
        from_table.set(def, &value::default_value(def));
    }
    assert_eq!(from_table, TopicConfig::default());
}

#[test]
fn every_key_of_the_table_reaches_a_field() {
    let sample = |name: &str| match name {
        "cleanup.policy" => "compact",
        "compression.type" => "zstd",
        "durability.mode" => "replicated",
        "message.timestamp.type" => "LogAppendTime",
        "min.cleanable.dirty.ratio" => "0.25",
        "leader.replication.throttled.replicas" | "follower.replication.throttled.replicas" => "0:1",
        "segment.bytes" => "1048577",
        name if find(TOPIC, name).expect("known").default_text() == Some("false") => "true",
        _ => "7",
    };
    for def in TOPIC {
        let resolved = TopicConfig::resolve(&broker(&[]), &overrides(&[(def.name, sample(def.name))]));
        assert_ne!(resolved, TopicConfig::default(), "{} changes nothing", def.name);
    }
}

#[test]
fn overrides_stand_over_broker_defaults() {
    let broker =
        broker(&[("log.segment.bytes", "2000000"), ("compression.type", "lz4"), ("log.cleanup.policy", "")]);
    let config =
        TopicConfig::resolve(&broker, &overrides(&[("compression.type", "zstd"), ("segment.ms", "5")]));
    assert_eq!((config.segment_bytes, config.segment_ms), (2_000_000, 5));
    assert_eq!(config.compression_type, CompressionType::Zstd);
    assert_eq!(config.cleanup_policy, CleanupPolicy { delete: false, compact: false });
    assert_eq!(config.message_timestamp_type, TimestampType::CreateTime);
}

#[test]
fn what_other_software_stored_is_passed_over() {
    let stored = overrides(&[("segment.bytes", "tiny"), ("made.up", "1"), ("retention.ms", "9")]);
    let config = TopicConfig::resolve(&broker(&[]), &stored);
    assert_eq!((config.segment_bytes, config.retention_ms), (1 << 30, 9));
}

#[test]
fn a_test_may_set_tiny_segments() {
    let config = TopicConfig::resolve(&broker(&[]), &overrides(&[("internal.segment.bytes", "100")]));
    assert_eq!(config.segment_bytes, 100);
}

#[test]
fn compaction_may_roll_early() {
    let config = TopicConfig::resolve(
        &broker(&[]),
        &overrides(&[("cleanup.policy", "compact"), ("max.compaction.lag.ms", "60000")]),
    );
    assert_eq!(config.segment_ms_max(), 60_000);
    assert_eq!(TopicConfig::default().segment_ms_max(), 604_800_000);
}

#[test]
fn refusals_are_kafkas() {
    assert_eq!(refusal(&[("segmant.ms", "1")]), "Unknown topic config name: segmant.ms");
    assert_eq!(
        refusal(&[("segment.bytes", "1000")]),
        "Invalid value 1000 for configuration segment.bytes: Value must be at least 1048576"
    );
    assert_eq!(
        refusal(&[("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")]),
        "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"
    );
    assert!(
        refusal(&[("remote.storage.enable", "true")]).starts_with("Tiered Storage functionality is disabled")
    );
}
