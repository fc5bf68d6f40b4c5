//! The properties as users write them.

use std::time::Duration;

use records::Compression;

use crate::group::Assignor;

use super::{Acks, AutoOffsetReset, ClientConfig, ConfigError, IsolationLevel, property};

fn with(pairs: &[(&str, &str)]) -> Result<ClientConfig, ConfigError> {
    ClientConfig::from_properties(pairs.iter().copied())
}

#[test]
fn values_reach_their_fields() {
    let config = with(&[
        ("bootstrap.servers", "a:1, [::1]:9093 ,PLAINTEXT://c:3"),
        ("acks", "all"),
        ("linger.ms", " 7 "),
        ("batch.size", "100"),
        ("compression.type", "zstd"),
        ("compression.zstd.level", "-5"),
        ("isolation.level", "read_committed"),
        ("auto.offset.reset", "earliest"),
        ("security.protocol", "plaintext"),
        ("key.serializer", "org.apache.kafka.StringSerializer"),
    ])
    .unwrap();
    let servers: Vec<_> = config.bootstrap_servers.iter().map(|(h, p)| (h.as_str(), *p)).collect();
    assert_eq!(servers, [("a", 1), ("::1", 9093), ("c", 3)]);
    assert_eq!(config.linger, Duration::from_millis(7));
    assert_eq!(config.batch_size_bytes, 100);
    assert_eq!(
        (config.compression, config.compression_level.of(Compression::Zstd)),
        (Compression::Zstd, Some(-5))
    );
    assert_eq!(config.isolation_level, IsolationLevel::ReadCommitted);
    assert_eq!(config.auto_offset_reset, AutoOffsetReset::Earliest);
    assert_eq!(config.ignored, ["key.serializer"]);
    assert!(config.enable_idempotence);
}

#[test]
fn assignors_are_named_as_in_java() {
    let kafka = "org.apache.kafka.clients.consumer.RoundRobinAssignor, class org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    assert_eq!(with(&[("partition.assignment.strategy", kafka)]).unwrap().assignors, [Assignor::RoundRobin]);
    assert_eq!(with(&[("group.id", "g")]).unwrap().group_id.as_deref(), Some("g"));
    assert_eq!(with(&[("group.id", "")]).unwrap().group_id, None);
}

#[test]
fn every_key_of_the_table_has_a_field() {
    for key in property::keys() {
        let works =
            ["1", "true", "all", "none", "localhost:9092", "read_committed", "PLAINTEXT", "classic", "range"];
        let accepted = works.iter().any(|value| ClientConfig::default().set(key, value).is_ok());
        assert!(accepted, "{key}");
    }
}

#[test]
fn a_slip_of_the_pen_is_answered_with_the_right_word() {
    let error = with(&[("bootstrap.server", "a:1")]).unwrap_err();
    let nearest = Some("bootstrap.servers");
    assert_eq!(error, ConfigError::UnknownKey { key: "bootstrap.server".to_owned(), nearest });
    assert!(error.to_string().contains("did you mean \"bootstrap.servers\"?"));
    let error = with(&[("something.entirely.else", "1")]).unwrap_err();
    assert!(matches!(error, ConfigError::UnknownKey { nearest: None, .. }), "{error}");
}

#[test]
fn what_is_not_there_yet_says_so() {
    for key in ["ssl.truststore.location", "sasl.mechanism", "transactional.id"] {
        let error = with(&[(key, "x")]).unwrap_err();
        assert!(error.to_string().contains("not supported"), "{error}");
    }
}

#[test]
fn impossible_values_say_what_is_possible() {
    for (key, value, says) in [
        ("acks", "2", "all, 1 or 0"),
        ("linger.ms", "-1", "from 0"),
        ("linger.ms", "soon", "whole number"),
        ("bootstrap.servers", "localhost", "host:port"),
        ("bootstrap.servers", "localhost:0", "host:port"),
        ("bootstrap.servers", ":9092", "host:port"),
        ("bootstrap.servers", " , ", "at least one broker"),
        ("compression.type", "brotli", "none, gzip, snappy, lz4 or zstd"),
        ("compression.gzip.level", "0", "1 to 9"),
        ("security.protocol", "SSL", "only PLAINTEXT"),
        ("max.in.flight.requests.per.connection", "0", "from 1"),
        ("auto.offset.reset", "smallest", "earliest, latest or none"),
        ("group.protocol", "consumer", "only classic"),
        ("partition.assignment.strategy", "org.example.Mine", "range or roundrobin"),
    ] {
        let error = with(&[(key, value)]).unwrap_err();
        assert!(matches!(error, ConfigError::Value { .. }), "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.to_string().contains(key), "{error}");
    }
}

#[test]
fn idempotence_gives_way_unless_it_was_asked_for() {
    assert!(!with(&[("acks", "1")]).unwrap().enable_idempotence);
    assert!(!with(&[("retries", "0")]).unwrap().enable_idempotence);
    assert!(!with(&[("max.in.flight.requests.per.connection", "6")]).unwrap().enable_idempotence);
    let error = with(&[("acks", "1"), ("enable.idempotence", "true")]).unwrap_err();
    assert!(error.to_string().contains("enable.idempotence=false"), "{error}");
    assert_eq!(with(&[("acks", "0")]).unwrap().acks, Acks::None);
}

#[test]
fn the_delivery_time_out_has_room_for_one_request() {
    let error = with(&[("delivery.timeout.ms", "1000")]).unwrap_err();
    assert!(error.to_string().contains("delivery.timeout.ms"), "{error}");
    with(&[("delivery.timeout.ms", "1000"), ("request.timeout.ms", "995")]).unwrap();
}
