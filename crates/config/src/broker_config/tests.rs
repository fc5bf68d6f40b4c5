//! Resolution of broker keys: precedence, synonyms, rules that span keys, messages.

use std::collections::BTreeMap;

use super::{BrokerConfig, DynamicTarget};
use crate::config_def::{ConfigDef, ConfigType};
use crate::config_error::ConfigErrorKind;
use crate::keys::BROKER;
use crate::value::Value;

fn refusals(pairs: &[(&str, &str)]) -> String {
    let errors = BrokerConfig::from_pairs(pairs).expect_err("a refusal");
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn notices(pairs: &[(&str, &str)]) -> Vec<String> {
    let properties = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let loaded = BrokerConfig::from_properties(properties).expect("a good configuration");
    loaded.notices.iter().map(ToString::to_string).collect()
}

fn layer(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn nothing_set_is_a_single_node_with_kafkas_defaults() {
    let config = BrokerConfig::from_pairs(&[]).expect("defaults are valid");
    assert_eq!(config.node_id, 1);
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.listeners[0].to_string(), "PLAINTEXT://:9092");
    assert_eq!(config.advertised_listeners, None);
    assert_eq!(config.log_dir.log_dirs, ["/tmp/kafka-logs"]);
    assert_eq!(config.group.offsets_topic_replication_factor, 1);
    assert_eq!(config.group.offsets_retention_ms, 7 * 24 * 3_600_000);
    assert_eq!(config.topic_defaults, crate::topic_config::TopicConfig::default());
    assert_eq!(config.layers.get("node.id"), Some("1"));
}

#[test]
fn a_combined_server_file_of_kafka_is_accepted() {
    let config = BrokerConfig::from_pairs(&[
        ("process.roles", "broker,controller"),
        ("node.id", "7"),
        ("controller.quorum.voters", "7@localhost:9093"),
        ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
        ("inter.broker.listener.name", "PLAINTEXT"),
        ("advertised.listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
        ("controller.listener.names", "CONTROLLER"),
        (
            "listener.security.protocol.map",
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
        ),
        ("num.network.threads", "3"),
        ("log.dirs", "/data/a, /data/b"),
        ("offsets.topic.replication.factor", "1"),
        ("log.retention.hours", "168"),
    ])
    .expect("Kafka's own config/server.properties");
    assert_eq!(config.node_id, 7);
    assert_eq!(config.listeners[0].to_string(), "PLAINTEXT://:9092");
    assert_eq!(config.controller_listeners[0].to_string(), "CONTROLLER://:9093");
    assert_eq!(config.advertised_controller_listeners[0].to_string(), "CONTROLLER://localhost:9093");
    let advertised = config.advertised_listeners.expect("set");
    assert_eq!(
        advertised.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["PLAINTEXT://localhost:9092"]
    );
    assert_eq!(config.log_dir.log_dirs, ["/data/a", "/data/b"]);
}

#[test]
fn the_most_specific_unit_wins() {
    let retention =
        |pairs: &[(&str, &str)]| BrokerConfig::from_pairs(pairs).expect("valid").topic_defaults.retention_ms;
    assert_eq!(retention(&[("log.retention.hours", "2")]), 7_200_000);
    assert_eq!(retention(&[("log.retention.hours", "2"), ("log.retention.minutes", "3")]), 180_000);
    assert_eq!(retention(&[("log.retention.minutes", "3"), ("log.retention.ms", "4")]), 4);
    assert_eq!(retention(&[("log.retention.hours", "-1")]), -1);
    let config = BrokerConfig::from_pairs(&[("log.flush.scheduler.interval.ms", "9")]).expect("valid");
    assert_eq!(config.topic_defaults.flush_ms, 9);
}

#[test]
fn run_time_layers_override_the_file() {
    let config = BrokerConfig::from_pairs(&[("message.max.bytes", "100")]).expect("valid");
    let cluster = layer(&[("message.max.bytes", "200"), ("log.retention.ms", "5")]);
    let changed = config.with_dynamic(&cluster, &layer(&[("message.max.bytes", "300")]));
    assert_eq!(changed.topic_defaults.max_message_bytes, 300);
    assert_eq!(changed.topic_defaults.retention_ms, 5);
    assert_eq!(changed.with_dynamic(&cluster, &BTreeMap::new()).topic_defaults.max_message_bytes, 200);
    assert_eq!(
        changed.with_dynamic(&BTreeMap::new(), &BTreeMap::new()).topic_defaults.max_message_bytes,
        100
    );
}

#[test]
fn a_bad_stored_value_is_passed_over() {
    let config = BrokerConfig::from_pairs(&[]).expect("valid");
    let stored = layer(&[("message.max.bytes", "many"), ("node.id", "4"), ("log.retention.bytes", "77")]);
    let changed = config.with_dynamic(&BTreeMap::new(), &stored);
    assert_eq!((changed.node_id, changed.topic_defaults.retention_bytes), (1, 77));
    assert_eq!(changed.topic_defaults.max_message_bytes, 1_048_588);
}

/// What a running broker says to these settings, being all that its target has.
fn change(config: &BrokerConfig, target: DynamicTarget, wanted: &[(&str, &str)]) -> String {
    match config.validate_dynamic(target, &layer(wanted)) {
        Ok(()) => "fine".to_owned(),
        Err(error) => {
            assert_eq!(error.kind, ConfigErrorKind::InvalidRequest, "{}", error.message);
            error.message
        }
    }
}

#[test]
fn dynamic_changes_are_validated() {
    let config = BrokerConfig::from_pairs(&[]).expect("valid");
    let node = |wanted: &[(&str, &str)]| change(&config, DynamicTarget::Node, wanted);
    let cluster = |wanted: &[(&str, &str)]| change(&config, DynamicTarget::Cluster, wanted);
    assert_eq!(cluster(&[("log.retention.ms", "1000")]), "fine");
    assert_eq!(node(&[("leader.replication.throttled.rate", "1000")]), "fine");
    assert_eq!(node(&[("a.plugins.key", "1"), ("listener.name.plaintext.num.partitions", "x")]), "fine");
    assert_eq!(
        node(&[("num.partitions", "3"), ("auto.create.topics.enable", "no"), ("message.max.bytes", "x")]),
        "Cannot update these configs dynamically: [auto.create.topics.enable, num.partitions]"
    );
    assert_eq!(
        cluster(&[("listeners", "PLAINTEXT://:1")]),
        "Cannot update these configs at default cluster level, broker id must be specified: [listeners]"
    );
    assert_eq!(
        cluster(&[("log.retention.ms", "0")]),
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1"
    );
    assert_eq!(
        cluster(&[("message.max.bytes", "-1")]),
        "Invalid value -1 for configuration message.max.bytes: Value must be at least 0"
    );
    assert_eq!(
        node(&[("listener.name.plaintext.max.connections", "x")]),
        "Invalid value x for configuration max.connections: Not a number of type INT"
    );
    assert!(node(&[("ssl.keystore.password", "x")]).ends_with("listener prefix: [ssl.keystore.password]"));
    assert_eq!(node(&[("listener.name.plaintext.ssl.keystore.password", "x")]), "fine");
    assert_eq!(cluster(&[("listener.name.plaintext.max.connections", "9")]), "fine");
    assert!(cluster(&[("listener.name.plaintext.ssl.keystore.password", "x")]).contains("cluster level"));
    assert_eq!(
        cluster(&[("group.share.assignment.interval.ms", "15001")]),
        "group.share.assignment.interval.ms must be less than or equal to group.share.max.assignment.interval.ms"
    );
}

#[test]
fn a_running_broker_takes_small_steps() {
    let config = BrokerConfig::from_pairs(&[("log.cleaner.threads", "4")]).expect("valid");
    let node = |wanted: &[(&str, &str)]| change(&config, DynamicTarget::Node, wanted);
    for (threads, is_fine) in [("3", false), ("4", true), ("16", true), ("17", false)] {
        let answer = node(&[("num.io.threads", threads)]);
        assert_eq!(answer == "fine", is_fine, "{threads}: {answer}");
    }
    assert!(node(&[("log.cleaner.threads", "9")]).ends_with("more than double the current value 4"));
    assert!(node(&[("log.cleaner.threads", "1")]).ends_with("less than half the current value 4"));
    assert!(node(&[("log.cleaner.dedupe.buffer.size", "4194304")]).contains("at least 1MB per cleaner"));
    assert_eq!(node(&[("metric.reporters", "")]), "fine");
    assert!(node(&[("metric.reporters", "a.Class")]).contains("cannot be loaded"));
    assert!(
        node(&[("log.retention.bytes", "9"), ("log.local.retention.bytes", "10")])
            .ends_with("Value must not be more than log.retention.bytes property value: 9")
    );
    assert!(node(&[("cordoned.log.dirs", "/nowhere")]).ends_with("Missing entries : /nowhere"));
    assert_eq!(node(&[("cordoned.log.dirs", "*")]), "fine");
    assert!(node(&[("listeners", "OTHER://:1")]).contains("No security protocol"));
    assert!(node(&[("listeners", "SSL://:1")]).contains("only PLAINTEXT"));
    let more = ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT");
    assert_eq!(node(&[("listeners", "PLAINTEXT://:9092,OTHER://:1"), more]), "fine");
    assert!(node(&[("listeners", "OTHER://:1"), more]).starts_with("PLAINTEXT: a listener"));
}

#[test]
fn a_setting_at_run_time_hides_other_names_of_the_same_thing() {
    let config = BrokerConfig::from_pairs(&[("log.retention.hours", "24"), ("log.roll.hours", "3")]);
    let changed = config.expect("valid").with_dynamic(&layer(&[("log.retention.ms", "5")]), &BTreeMap::new());
    assert_eq!(changed.topic_defaults.retention_ms, 5);
    assert_eq!(changed.value("log.retention.hours"), Some(Value::Int(168)), "the file's 24 is hidden");
    assert_eq!(changed.value("log.roll.hours"), Some(Value::Int(3)));
}

#[test]
fn an_interval_outside_of_new_bounds_is_brought_within_them() {
    let config = BrokerConfig::from_pairs(&[("group.consumer.max.assignment.interval.ms", "2000")]);
    let stored = layer(&[("group.consumer.assignment.interval.ms", "9000")]);
    let changed = config.expect("valid").with_dynamic(&stored, &BTreeMap::new());
    assert_eq!(changed.value("group.consumer.assignment.interval.ms"), Some(Value::Int(2000)));
}

#[test]
fn all_refusals_come_at_once_and_name_the_fix() {
    let text = refusals(&[("log.retention.hrs", "1"), ("num.partitions", "0"), ("port", "9092")]);
    assert_eq!(
        text,
        "Unknown configuration log.retention.hrs. Did you mean log.retention.hours?\n\
         Invalid value 0 for configuration num.partitions: Value must be at least 1\n\
         port is gone: set listeners=PLAINTEXT://:PORT"
    );
}

#[test]
fn what_is_not_possible_yet_is_refused_not_ignored() {
    assert!(refusals(&[("process.roles", "broker")]).contains("process.roles=broker is not possible yet"));
    assert!(refusals(&[("controller.quorum.voters", "1@a:1,2@b:1")]).contains("names other nodes"));
    assert!(refusals(&[("listeners", "SSL://:9093")]).contains("only PLAINTEXT is possible yet"));
}

#[test]
fn what_forbids_and_cannot_be_asked_is_refused() {
    let text = refusals(&[
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("create.topic.policy.class.name", "a.b.Policy"),
    ]);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("create.topic.policy.class.name=a.b.Policy is not possible"), "{text}");
    assert_eq!(notices(&[("authorizer.class.name", "")]), [""; 0]);
}

/// Every key that names a class of its author's is refused by name: none is ignored.
#[test]
fn a_class_that_cannot_be_loaded_ends_the_start() {
    let names_classes = |def: &&ConfigDef| {
        let lists = ["config.providers", "kafka.metrics.reporters", "metric.reporters", "security.providers"];
        let assignors = ["group.consumer.assignors", "group.share.assignors", "group.streams.assignors"];
        def.kind == ConfigType::Class
            || def.name.ends_with(".class")
            || def.name.ends_with(".class.name")
            || lists.contains(&def.name)
            || assignors.contains(&def.name)
    };
    let keys: Vec<&ConfigDef> = BROKER.iter().filter(names_classes).collect();
    assert_eq!(keys.len(), 25);
    for def in keys {
        let text = refusals(&[(def.name, "org.example.Thing")]);
        assert!(text.contains(def.name) && text.contains("org.example.Thing"), "{text}");
        assert!(text.contains("Java class") || text.contains("authorization"), "{text}");
        if let Some(default) = def.default_text() {
            assert!(BrokerConfig::from_pairs(&[(def.name, default)]).is_ok(), "{}", def.name);
        }
    }
    let key = "listener.name.plaintext.principal.builder.class";
    assert!(
        refusals(&[(key, "a.B")]).starts_with("listener.name.plaintext.principal.builder.class=a.B is not")
    );
    let rack_aware = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
    assert!(BrokerConfig::from_pairs(&[("replica.selector.class", rack_aware)]).is_ok());
    let uniform = "org.apache.kafka.coordinator.group.assignor.UniformAssignor";
    assert!(BrokerConfig::from_pairs(&[("group.consumer.assignors", uniform)]).is_ok());
}

#[test]
fn what_counts_on_security_is_refused_where_it_would_be_ignored() {
    let refused = |key, text| refusals(&[(key, text)]);
    assert!(refused("super.users", "User:admin").starts_with("super.users=User:admin is not possible"));
    assert!(refused("allow.everyone.if.no.acl.found", "false").contains("authorization is not built yet"));
    assert_eq!(notices(&[("allow.everyone.if.no.acl.found", "true")]).len(), 1);
    assert!(refused("security.inter.broker.protocol", "SASL_SSL").contains("only PLAINTEXT is"));
    for protocol in ["SSL", "SASL_PLAINTEXT", "SASL_SSL"] {
        let text = refusals(&[
            ("listeners", "IN://:9093"),
            ("listener.security.protocol.map", &format!("IN:{protocol}")),
        ]);
        assert!(text.contains(&format!("listener IN://:9093 speaks {protocol}")), "{text}");
    }
    let text = refusals(&[
        ("listeners", "PLAINTEXT://:9092,CONTROLLER://:9093"),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:SASL_SSL"),
    ]);
    assert!(text.contains("speaks SASL_SSL"), "{text}");
}

#[test]
fn keys_of_single_listeners_say_what_they_do() {
    let notice = |key: &str, text: &str| notices(&[(key, text)]).join("\n");
    assert_eq!(notice("listener.name.plaintext.max.connections", "5"), "");
    assert!(notice("listener.name.x.ssl.keystore.location", "/a").contains("TLS, SASL and authorization"));
    assert!(notice("listener.name.x.scram-sha-512.sasl.jaas.config", "a").contains("has no effect yet"));
    assert!(notice("listener.name.x.num.network.threads", "3").contains("sizes its own threads"));
    assert!(notice("listener.name.x.num.partitions", "3").contains("in Kafka neither"));
    assert!(refusals(&[("listener.name.x.max.connections", "many")]).contains("max.connections"));
    assert!(refusals(&[("listener.name.x.num.partition", "3")]).contains("Unknown configuration"));
}

#[test]
fn listener_keys_must_agree() {
    let refused = |key, text| refusals(&[(key, text)]);
    assert!(
        refused("advertised.listeners", "PLAINTEXT://0.0.0.0:9092").contains("no address they can reach")
    );
    assert!(refused("advertised.listeners", "OUT://host:9092").contains("No security protocol defined"));
    assert!(refused("listeners", "A://:1").contains("add A:PLAINTEXT to listener.security.protocol.map"));
    assert!(refused("inter.broker.listener.name", "INTERNAL").contains("not among listeners"));
    assert!(refused("listeners", "CONTROLLER://:9093").contains("at least one broker listener"));
}

#[test]
fn keys_without_effect_get_one_line() {
    let lines =
        notices(&[("zookeeper.connect", "x:2181"), ("num.io.threads", "16"), ("num.partitions", "3")]);
    assert_eq!(
        lines,
        [
            "num.io.threads is ignored: Klamm sizes its own threads",
            "zookeeper.connect is ignored: there is no ZooKeeper"
        ]
    );
    assert_eq!(notices(&[("listener.name.internal.ssl.keystore.location", "/a")]).len(), 1);
}

#[test]
fn connection_overrides_are_parsed() {
    let config = BrokerConfig::from_pairs(&[("max.connections.per.ip.overrides", "host:7, 10.0.0.1:9")]);
    let overrides = config.expect("valid").connection.max_connections_per_ip_overrides;
    assert_eq!(overrides, [("host".to_owned(), 7), ("10.0.0.1".to_owned(), 9)]);
    assert!(refusals(&[("max.connections.per.ip.overrides", "host")]).contains("ADDRESS:LIMIT"));
}

#[test]
fn any_key_can_be_read_by_name() {
    let config = BrokerConfig::from_pairs(&[("quota.window.num", "12")]).expect("valid");
    assert_eq!(config.value("quota.window.num"), Some(Value::Int(12)));
    assert_eq!(config.value("nothing"), None);
}
