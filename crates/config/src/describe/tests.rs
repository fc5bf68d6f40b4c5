//! What DescribeConfigs shows, entry by entry: `name=value (source) [synonyms]`.

use std::collections::BTreeMap;

use super::{
    ConfigEntry, describe_broker, describe_client_metrics, describe_cluster_default, describe_group,
    describe_topic,
};
use crate::broker_config::BrokerConfig;
use crate::properties::parse_properties;

fn broker(pairs: &[(&str, &str)]) -> BrokerConfig {
    BrokerConfig::from_pairs(pairs).expect("valid")
}

fn overrides(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn check(entries: &[ConfigEntry], name: &str, expect: &str) {
    let entry = entries.iter().find(|entry| entry.name == name).expect("described");
    let mut shown = format!("{} {:?}", entry.value.as_deref().unwrap_or("null"), entry.source);
    for flag in [(entry.is_read_only, " read-only"), (entry.is_sensitive, " sensitive")] {
        shown.push_str(if flag.0 { flag.1 } else { "" });
    }
    for synonym in &entry.synonyms {
        let value = synonym.value.as_deref().unwrap_or("null");
        shown.push_str(&format!(" {}={value}:{:?}", synonym.name, synonym.source));
    }
    assert_eq!(shown, expect, "{name}");
}

#[test]
fn a_topic_without_overrides_shows_the_brokers_defaults() {
    let entries = describe_topic(&broker(&[]), &BTreeMap::new());
    assert_eq!(entries.len(), 37, "the internal key is hidden");
    assert!(entries.windows(2).all(|pair| pair[0].name < pair[1].name));
    assert!(entries.iter().all(ConfigEntry::is_default));
    check(&entries, "segment.bytes", "1073741824 Default log.segment.bytes=1073741824:Default");
    // The key that stands first (log.retention.ms) has no default, so Kafka lists nothing.
    check(&entries, "retention.ms", "604800000 Default");
    check(&entries, "remote.storage.enable", "false Default");
}

#[test]
fn a_topic_lists_all_places_that_set_a_key() {
    let broker = broker(&[("log.retention.hours", "1"), ("log.retention.ms", "1000")]);
    let broker = broker.with_dynamic(&overrides(&[("log.retention.ms", "2000")]), &BTreeMap::new());
    let entries =
        describe_topic(&broker, &overrides(&[("retention.ms", "3000"), ("internal.segment.bytes", "9")]));
    check(
        &entries,
        "retention.ms",
        "3000 Topic retention.ms=3000:Topic log.retention.ms=2000:DynamicDefaultBroker \
         log.retention.ms=1000:StaticBroker log.retention.hours=1:StaticBroker log.retention.hours=168:Default",
    );
    check(&entries, "internal.segment.bytes", "9 Topic internal.segment.bytes=9:Topic");
    let inherited = describe_topic(&broker, &BTreeMap::new());
    assert_eq!(
        inherited.iter().find(|entry| entry.name == "retention.ms").and_then(|e| e.value.clone()),
        Some("2000".into())
    );
}

#[test]
fn a_foreign_override_is_shown_without_its_value() {
    let entries = describe_topic(&broker(&[]), &overrides(&[("made.up", "secret")]));
    check(&entries, "made.up", "null Topic sensitive made.up=null:Topic");
}

#[test]
fn a_broker_shows_every_public_key_and_hides_secrets() {
    let broker =
        broker(&[("ssl.key.password", "hunter2"), ("zookeeper.connect", "x:1"), ("num.partitions", "3")]);
    let entries = describe_broker(&broker);
    check(&entries, "ssl.key.password", "null StaticBroker sensitive ssl.key.password=null:StaticBroker");
    check(
        &entries,
        "num.partitions",
        "3 StaticBroker read-only num.partitions=3:StaticBroker num.partitions=1:Default",
    );
    check(
        &entries,
        "zookeeper.connect",
        "null StaticBroker read-only sensitive zookeeper.connect=null:StaticBroker",
    );
    check(&entries, "log.roll.ms", "null Default");
    check(
        &entries,
        "unclean.leader.election.enable",
        "false Default unclean.leader.election.enable=false:Default",
    );
    assert!(!entries.iter().any(|entry| entry.name == "unstable.api.versions.enable"), "internal");
    assert!(!format!("{entries:?}").contains("hunter2"));
}

#[test]
fn the_cluster_default_shows_only_what_is_set_for_all() {
    let node = overrides(&[("message.max.bytes", "5")]);
    let broker = broker(&[]).with_dynamic(&overrides(&[("message.max.bytes", "7")]), &node);
    let entries = describe_cluster_default(&broker);
    assert_eq!(entries.len(), 1);
    check(&entries, "message.max.bytes", "7 DynamicDefaultBroker message.max.bytes=7:DynamicDefaultBroker");
}

#[test]
fn groups_and_client_metrics() {
    let entries = describe_group(
        &broker(&[("group.consumer.session.timeout.ms", "50000")]),
        &overrides(&[("share.isolation.level", "read_committed")]),
    );
    check(
        &entries,
        "consumer.session.timeout.ms",
        "50000 StaticBroker group.consumer.session.timeout.ms=50000:StaticBroker \
         group.consumer.session.timeout.ms=45000:Default",
    );
    check(
        &entries,
        "share.isolation.level",
        "read_committed Group share.isolation.level=read_committed:Group share.isolation.level=read_uncommitted:Default",
    );
    check(&entries, "streams.assignor.name", "sticky Default group.streams.assignors=sticky:Default");
    let metrics = describe_client_metrics(&overrides(&[("interval.ms", "1000")]));
    check(&metrics, "interval.ms", "1000 ClientMetrics interval.ms=1000:ClientMetrics");
    check(&metrics, "match", " Default");
}

/// Every entry that Kafka itself returned, with value, source, flags and synonyms.
#[test]
fn kafka_returns_the_same() {
    let properties = parse_properties(include_bytes!("../../testdata/server.properties")).expect("readable");
    let loaded = BrokerConfig::from_properties(properties.into_iter().collect()).expect("valid");
    let cluster = overrides(&[("min.insync.replicas", "1")]);
    let node = overrides(&[("message.max.bytes", "888888"), ("log.cleaner.threads", "2")]);
    let broker = loaded.config.with_dynamic(&cluster, &node);
    let topic = overrides(&[
        ("retention.ms", "3000"),
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048577"),
        ("min.cleanable.dirty.ratio", "0.250"),
    ]);
    let mut ours = lines("BROKER/1", &describe_broker(&broker));
    ours.extend(lines("TOPIC/t1", &describe_topic(&broker, &BTreeMap::new())));
    ours.extend(lines("TOPIC/t2", &describe_topic(&broker, &topic)));
    let golden = include_str!("../../testdata/describe_configs.txt");
    let theirs: Vec<&str> = golden.lines().filter(|line| !line.starts_with('#')).collect();
    ours.sort();
    assert_eq!(ours, theirs);
}

fn lines(resource: &str, entries: &[ConfigEntry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| {
            // The client that printed Kafka's answer keeps one synonym per name: the last.
            let mut synonyms: Vec<(&str, String)> = Vec::new();
            for synonym in &entry.synonyms {
                let value = synonym.value.as_deref().unwrap_or("None");
                let shown = format!("{}={value}:{}", synonym.name, synonym.source.id());
                match synonyms.iter_mut().find(|(name, _)| *name == synonym.name) {
                    Some(known) => known.1 = shown,
                    None => synonyms.push((&synonym.name, shown)),
                }
            }
            let synonyms: Vec<String> = synonyms.into_iter().map(|(_, shown)| shown).collect();
            format!(
                "{resource}|{}|{}|{}|ro={}|sens={}|{}",
                entry.name,
                entry.value.as_deref().unwrap_or("None"),
                entry.source.id(),
                u8::from(entry.is_read_only),
                u8::from(entry.is_sensitive),
                synonyms.join(" ")
            )
        })
        .collect()
}
