//! Rules and their messages, through the keys that use them.

use crate::config_def::find;
use crate::keys::{BROKER, GROUP, TOPIC};
use crate::value;

fn check(key: &str, text: &str, expect: &str) {
    let def =
        find(TOPIC, key).or_else(|| find(BROKER, key)).or_else(|| find(GROUP, key)).expect("a known key");
    let shown = match value::parse(def, Some(text)) {
        Ok(value) => format!("ok {value}"),
        Err(error) => error.message,
    };
    assert_eq!(shown, expect, "{key}={text}");
}

#[test]
fn ranges() {
    check("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1");
    check(
        "min.cleanable.dirty.ratio",
        "1.5",
        "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
    );
    check("min.cleanable.dirty.ratio", "1", "ok 1.0");
    check(
        "compression.zstd.level",
        "23",
        "Invalid value 23 for configuration compression.zstd.level: Value must be no more than 22",
    );
    check("compression.gzip.level", "-1", "ok -1");
    check(
        "compression.gzip.level",
        "0",
        "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
    );
}

#[test]
fn words() {
    check(
        "compression.type",
        "brotli",
        "Invalid value brotli for configuration compression.type: String must be one of: \
         uncompressed, zstd, lz4, snappy, gzip, producer",
    );
    check("group.consumer.migration.policy", "upgrade", "ok upgrade");
    check(
        "remote.log.metadata.manager.impl.prefix",
        "",
        "Invalid value  for configuration remote.log.metadata.manager.impl.prefix: String must be non-empty",
    );
}

#[test]
fn lists() {
    check("cleanup.policy", "compact,delete,compact", "ok [compact, delete]");
    check("cleanup.policy", "", "ok []");
    check(
        "cleanup.policy",
        "purge",
        "Invalid value purge for configuration cleanup.policy: String must be one of: compact, delete",
    );
    check("cleanup.policy", "delete,", "Configuration 'cleanup.policy' values must not be empty.");
    check(
        "process.roles",
        "",
        "Configuration 'process.roles' must not be empty. Valid values include: [broker, controller]",
    );
    check(
        "log.dirs",
        "",
        "Configuration 'log.dirs' must not be empty. Valid values include: any non-empty value",
    );
}

#[test]
fn servers_and_voters() {
    check("controller.quorum.voters", "1@a:9093,2@[::1]:9093", "ok [1@a:9093, 2@[::1]:9093]");
    check(
        "controller.quorum.voters",
        "a:9093",
        "Invalid value a:9093 for configuration controller.quorum.voters: each entry should be in the form `{id}@{host}:{port}`.",
    );
    check(
        "controller.quorum.bootstrap.servers",
        "a",
        "Invalid value a for configuration controller.quorum.bootstrap.servers: each entry should be in the form `host:port`.",
    );
}

#[test]
fn throttled_replicas() {
    let key = "leader.replication.throttled.replicas";
    check(key, "0:1, 1:2", "ok [0:1, 1:2]");
    check(key, "*", "ok [*]");
    check(
        key,
        "0-1",
        "Invalid value [0-1] for configuration leader.replication.throttled.replicas: \
         leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],...",
    );
}

#[test]
fn share_offset_reset_takes_durations() {
    for good in [
        "latest",
        "earliest",
        "by_duration:P1D",
        "by_duration:PT1H30M",
        "by_duration:P2DT0.5S",
        "by_duration:pt5m",
        "by_duration:-PT-1S",
        "by_duration:P1DT-1H+2,5S",
        "by_duration:PT0S",
    ] {
        check("share.auto.offset.reset", good, &format!("ok {good}"));
    }
    let def = find(GROUP, "share.auto.offset.reset").expect("known");
    for bad in [
        "none",
        "Latest",
        "BY_DURATION:P1D",
        "by_duration",
        "by_duration:",
        "by_duration:P",
        "by_duration:PT",
        "by_duration:P1DT",
        "by_duration:P1H",
        "by_duration:PT-1S",
        "by_duration:-P1D",
        "by_duration:PT1S1M",
        "by_duration:PT9223372036854775808S",
        "by_duration:PT1.0123456789S",
    ] {
        assert!(value::parse(def, Some(bad)).is_err(), "{bad}");
    }
}
