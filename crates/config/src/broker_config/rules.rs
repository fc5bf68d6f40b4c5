//! Rules that span broker keys, in the order in which Kafka checks them.
//!
//! Owns whether the keys of one node fit together. Never the rules of a single key: those stand in its row.

use super::{BrokerConfig, LayerReader};
use crate::config_error::ConfigError;
use crate::listener::SecurityProtocol;
use crate::value::Value;

/// How the values of two keys must stand to each other.
#[derive(Clone, Copy)]
enum Relation {
    AtLeast,
    AtMost,
    Below,
}
use Relation::{AtLeast, AtMost, Below};

/// Timeouts and sizes of groups, and the bounds that groups may choose within. All are INT.
#[rustfmt::skip]
static GROUP_RELATIONS: [(&str, Relation, &str); 39] = [
    ("group.consumer.max.heartbeat.interval.ms", AtLeast, "group.consumer.min.heartbeat.interval.ms"),
    ("group.consumer.heartbeat.interval.ms", AtLeast, "group.consumer.min.heartbeat.interval.ms"),
    ("group.consumer.heartbeat.interval.ms", AtMost, "group.consumer.max.heartbeat.interval.ms"),
    ("group.consumer.max.session.timeout.ms", AtLeast, "group.consumer.min.session.timeout.ms"),
    ("group.consumer.session.timeout.ms", AtLeast, "group.consumer.min.session.timeout.ms"),
    ("group.consumer.session.timeout.ms", AtMost, "group.consumer.max.session.timeout.ms"),
    ("group.consumer.heartbeat.interval.ms", Below, "group.consumer.session.timeout.ms"),
    ("group.consumer.max.assignment.interval.ms", AtLeast, "group.consumer.min.assignment.interval.ms"),
    ("group.consumer.assignment.interval.ms", AtLeast, "group.consumer.min.assignment.interval.ms"),
    ("group.consumer.assignment.interval.ms", AtMost, "group.consumer.max.assignment.interval.ms"),
    ("group.share.max.heartbeat.interval.ms", AtLeast, "group.share.min.heartbeat.interval.ms"),
    ("group.share.heartbeat.interval.ms", AtLeast, "group.share.min.heartbeat.interval.ms"),
    ("group.share.heartbeat.interval.ms", AtMost, "group.share.max.heartbeat.interval.ms"),
    ("group.share.max.session.timeout.ms", AtLeast, "group.share.min.session.timeout.ms"),
    ("group.share.session.timeout.ms", AtLeast, "group.share.min.session.timeout.ms"),
    ("group.share.session.timeout.ms", AtMost, "group.share.max.session.timeout.ms"),
    ("group.share.heartbeat.interval.ms", Below, "group.share.session.timeout.ms"),
    ("group.share.max.assignment.interval.ms", AtLeast, "group.share.min.assignment.interval.ms"),
    ("group.share.assignment.interval.ms", AtLeast, "group.share.min.assignment.interval.ms"),
    ("group.share.assignment.interval.ms", AtMost, "group.share.max.assignment.interval.ms"),
    ("group.streams.max.heartbeat.interval.ms", AtLeast, "group.streams.min.heartbeat.interval.ms"),
    ("group.streams.heartbeat.interval.ms", AtLeast, "group.streams.min.heartbeat.interval.ms"),
    ("group.streams.heartbeat.interval.ms", AtMost, "group.streams.max.heartbeat.interval.ms"),
    ("group.streams.max.session.timeout.ms", AtLeast, "group.streams.min.session.timeout.ms"),
    ("group.streams.session.timeout.ms", AtLeast, "group.streams.min.session.timeout.ms"),
    ("group.streams.session.timeout.ms", AtMost, "group.streams.max.session.timeout.ms"),
    ("group.streams.heartbeat.interval.ms", Below, "group.streams.session.timeout.ms"),
    ("group.streams.max.assignment.interval.ms", AtLeast, "group.streams.min.assignment.interval.ms"),
    ("group.streams.assignment.interval.ms", AtLeast, "group.streams.min.assignment.interval.ms"),
    ("group.streams.assignment.interval.ms", AtMost, "group.streams.max.assignment.interval.ms"),
    ("group.streams.num.standby.replicas", AtMost, "group.streams.max.standby.replicas"),
    ("group.streams.task.offset.interval.ms", AtLeast, "group.streams.min.task.offset.interval.ms"),
    ("group.streams.num.warmup.replicas", AtMost, "group.streams.max.warmup.replicas"),
    ("group.share.max.delivery.count.limit", AtLeast, "group.share.delivery.count.limit"),
    ("group.share.delivery.count.limit", AtLeast, "group.share.min.delivery.count.limit"),
    ("group.share.max.partition.max.record.locks", AtLeast, "group.share.partition.max.record.locks"),
    ("group.share.partition.max.record.locks", AtLeast, "group.share.min.partition.max.record.locks"),
    ("group.share.record.lock.duration.ms", AtLeast, "group.share.min.record.lock.duration.ms"),
    ("group.share.max.record.lock.duration.ms", AtLeast, "group.share.record.lock.duration.ms"),
];

/// Bytes of its table of keys that each compaction needs at least.
const DEDUPE_BUFFER_BYTES_MIN: i64 = 1 << 20;

/// Assignors by Kafka's short names and by those of their classes.
const ASSIGNORS: [(&str, &[&str]); 3] = [
    (
        "group.consumer.assignors",
        &[
            "uniform",
            "range",
            "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
            "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
        ],
    ),
    ("group.share.assignors", &["simple", "org.apache.kafka.coordinator.group.assignor.SimpleAssignor"]),
    (
        "group.streams.assignors",
        &["sticky", "org.apache.kafka.coordinator.group.streams.assignor.StickyTaskAssignor"],
    ),
];

/// Numbers of codecs: none, gzip, snappy, lz4, zstd.
const CODECS: std::ops::RangeInclusive<i32> = 0..=4;

/// Refuses what does not fit together.
pub(super) fn check(config: &BrokerConfig, read: &mut LayerReader<'_>) {
    check_groups(config, read);
    check_roles(config, read);
    check_logs(config, read);
    check_replication(read);
    check_listeners(config, read);
    check_cordoned_dirs(config, read);
    check_connections(config, read);
}

fn require(read: &mut LayerReader<'_>, is_met: bool, message: &str) {
    if !is_met {
        read.refuse(ConfigError::invalid(message));
    }
}

fn check_groups(config: &BrokerConfig, read: &mut LayerReader<'_>) {
    for (left, relation, right) in GROUP_RELATIONS {
        let (value, other) = (read.int(left), read.int(right));
        let (is_met, words) = match relation {
            AtLeast => (value >= other, "greater than or equal to"),
            AtMost => (value <= other, "less than or equal to"),
            Below => (value < other, "less than"),
        };
        require(read, is_met, &format!("{left} must be {words} {right}"));
    }
    let sessions_are_enough = read.int("group.share.max.share.sessions") >= read.int("group.share.max.size");
    let message = "group.share.max.share.sessions must be greater than or equal to group.share.max.size";
    require(read, sessions_are_enough, message);
    for (key, known) in ASSIGNORS {
        for assignor in read.list(key).unwrap_or_default() {
            let message = format!(
                "{key} names {assignor}, which would be a Java class, and Klamm can load none; there is {}",
                known.iter().filter(|name| !name.contains('.')).copied().collect::<Vec<_>>().join(" and ")
            );
            require(read, known.contains(&assignor.as_str()), &message);
        }
    }
    let share_assignors = read.list("group.share.assignors").unwrap_or_default().len();
    let message =
        format!("group.share.assignors must contain exactly one assignor, but found {share_assignors}");
    require(read, share_assignors == 1, &message);
    let group = &config.group;
    let message = "group.min.session.timeout.ms must not be greater than group.max.session.timeout.ms";
    require(read, group.min_session_timeout_ms <= group.max_session_timeout_ms, message);
    let codec = group.offsets_topic_compression_codec;
    let message = format!("offsets.topic.compression.codec: Unknown compression type id: {codec}");
    require(read, CODECS.contains(&codec), &message);
    let message = "offset.metadata.max.bytes must not be negative";
    require(read, group.offset_metadata_max_bytes >= 0, message);
}

fn check_logs(config: &BrokerConfig, read: &mut LayerReader<'_>) {
    let topic = &config.topic_defaults;
    require(read, topic.segment_ms >= 1, "log.roll.ms must be greater than or equal to 1");
    require(read, topic.segment_jitter_ms >= 0, "log.roll.jitter.ms must be greater than or equal to 0");
    let is_retention = topic.retention_ms >= 1 || topic.retention_ms == -1;
    let message = "log.retention.ms must be unlimited (-1) or, greater than or equal to 1";
    require(read, is_retention, message);
    let cleaner = &config.cleaner;
    require(read, cleaner.threads >= 1, "Log cleaner threads should be at least 1");
    let buffer_bytes = cleaner.dedupe_buffer_size / i64::from(cleaner.threads.max(1));
    let message = "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.";
    require(read, buffer_bytes > DEDUPE_BUFFER_BYTES_MIN, message);
}

fn check_replication(read: &mut LayerReader<'_>) {
    let wait_ms = read.int("replica.fetch.wait.max.ms");
    let message = "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent unnecessary \
                   socket timeouts";
    let is_met = wait_ms <= read.int("replica.socket.timeout.ms");
    require(read, is_met, message);
    let message = "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to prevent \
                   frequent changes in ISR";
    let is_met = i64::from(wait_ms) <= read.long("replica.lag.time.max.ms");
    require(read, is_met, message);
}

fn check_cordoned_dirs(config: &BrokerConfig, read: &mut LayerReader<'_>) {
    let cordoned = read.list("cordoned.log.dirs").unwrap_or_default();
    if cordoned.iter().any(|dir| dir == "*") {
        let message = "When cordoned.log.dirs is set to *, it must not contain other values";
        return require(read, cordoned.len() == 1, message);
    }
    let unknown: Vec<&str> = cordoned
        .iter()
        .map(String::as_str)
        .filter(|dir| !config.log_dir.log_dirs.iter().any(|d| d == dir))
        .collect();
    let message = format!(
        "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : {}",
        unknown.join(", ")
    );
    require(read, unknown.is_empty(), &message);
}

fn check_connections(config: &BrokerConfig, read: &mut LayerReader<'_>) {
    let connection = &config.connection;
    let is_met = connection.queued_max_request_bytes <= 0
        || connection.queued_max_request_bytes >= i64::from(connection.socket_request_max_bytes);
    require(read, is_met, "queued.max.request.bytes must be larger or equal to socket.request.max.bytes");
    let is_met =
        connection.max_connections_per_ip > 0 || !connection.max_connections_per_ip_overrides.is_empty();
    let message =
        "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set.";
    require(read, is_met, message);
    let (delay_ms, idle_ms) = (connection.failed_authentication_delay_ms, connection.connections_max_idle_ms);
    let message = format!(
        "connection.failed.authentication.delay.ms={delay_ms} should always be less than \
         connections.max.idle.ms={idle_ms} to prevent failed authentication responses from timing out"
    );
    require(read, idle_ms < 0 || i64::from(delay_ms) < idle_ms, &message);
    let has_builder = matches!(read.value("principal.builder.class"), Value::Text(_));
    require(read, has_builder, "principal.builder.class must be non-null");
}

fn check_roles(config: &BrokerConfig, read: &mut LayerReader<'_>) {
    let broker_id = read.int("broker.id");
    let roles = read.list("process.roles").unwrap_or_default();
    let voters = read.list("controller.quorum.voters").unwrap_or_default();
    if broker_id != config.node_id {
        read.refuse(ConfigError::invalid(format!(
            "node.id ({}) and broker.id ({broker_id}) are two names of one value; remove broker.id",
            config.node_id
        )));
    }
    if roles.len() != 2 {
        read.refuse(ConfigError::invalid(format!(
            "process.roles={} is not possible yet: every Klamm node is broker and controller; \
             set process.roles=broker,controller or remove the line",
            roles.join(",")
        )));
    }
    let own = format!("{}@", config.node_id);
    let has_others = voters.len() > 1 || voters.first().is_some_and(|voter| !voter.starts_with(&own));
    if has_others {
        read.refuse(ConfigError::invalid(format!(
            "controller.quorum.voters={} names other nodes, and clusters of several nodes are not possible yet; \
             name only node {} or remove the line",
            voters.join(","),
            config.node_id
        )));
    }
}

fn check_listeners(config: &BrokerConfig, read: &mut LayerReader<'_>) {
    if config.listeners.is_empty() {
        read.refuse(ConfigError::invalid(
            "There must be at least one broker listener. Perhaps all listeners appear in controller.listener.names?",
        ));
    }
    for endpoint in config.listeners.iter().chain(&config.controller_listeners) {
        if endpoint.security_protocol != SecurityProtocol::Plaintext {
            read.refuse(ConfigError::invalid(format!(
                "listener {endpoint} speaks {}, and only PLAINTEXT is possible yet; \
                 change listeners or listener.security.protocol.map",
                endpoint.security_protocol.name()
            )));
        }
    }
    let is_bound = |name: &str| config.listeners.iter().any(|endpoint| endpoint.listener_name == name);
    for endpoint in config.advertised_listeners.iter().flatten() {
        if !is_bound(&endpoint.listener_name) {
            read.refuse(ConfigError::invalid(format!(
                "advertised.listeners names {}, which is not among listeners",
                endpoint.listener_name
            )));
        }
        if matches!(endpoint.host.as_deref(), None | Some("0.0.0.0" | "::")) {
            read.refuse(ConfigError::invalid(format!(
                "advertised.listeners={endpoint} gives clients no address they can reach; \
                 write a host name or address, or remove the line and Klamm answers each client with one that it can reach"
            )));
        }
    }
    let protocol = read.text("security.inter.broker.protocol").filter(|name| *name != "PLAINTEXT");
    if let Some(protocol) = protocol {
        read.refuse(ConfigError::invalid(format!(
            "security.inter.broker.protocol={protocol} is not possible yet: only PLAINTEXT is; remove the line"
        )));
    }
    let named_inter_broker = read.text("inter.broker.listener.name");
    if let Some(name) = named_inter_broker.filter(|name| !is_bound(&name.to_ascii_uppercase())) {
        read.refuse(ConfigError::invalid(format!(
            "inter.broker.listener.name={name} is not among listeners"
        )));
    }
}
