//! Which broker keys a topic or group key falls back to, and which broker keys mean the same thing.
//!
//! From Kafka's documented rule: the most specific unit first (`ms`, then `minutes`, then `hours`).

/// A broker key that stands in for another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synonym {
    /// Name of the broker key.
    pub name: &'static str,
    /// Multiplies its value into the unit of the key it stands in for.
    pub factor: i64,
}

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

const fn same(name: &'static str) -> Synonym {
    Synonym { name, factor: 1 }
}

static ROLL: [Synonym; 2] = [same("log.roll.ms"), Synonym { name: "log.roll.hours", factor: HOUR_MS }];
static ROLL_JITTER: [Synonym; 2] =
    [same("log.roll.jitter.ms"), Synonym { name: "log.roll.jitter.hours", factor: HOUR_MS }];
static RETENTION: [Synonym; 3] = [
    same("log.retention.ms"),
    Synonym { name: "log.retention.minutes", factor: MINUTE_MS },
    Synonym { name: "log.retention.hours", factor: HOUR_MS },
];
static FLUSH: [Synonym; 2] = [same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")];

/// Topic key and broker key of the same unit, sorted by topic key.
static TOPIC_SINGLE: [(&str, Synonym); 28] = [
    ("cleanup.policy", same("log.cleanup.policy")),
    ("compression.gzip.level", same("compression.gzip.level")),
    ("compression.lz4.level", same("compression.lz4.level")),
    ("compression.type", same("compression.type")),
    ("compression.zstd.level", same("compression.zstd.level")),
    ("delete.retention.ms", same("log.cleaner.delete.retention.ms")),
    ("durability.mode", same("log.durability.mode")),
    ("file.delete.delay.ms", same("log.segment.delete.delay.ms")),
    ("flush.messages", same("log.flush.interval.messages")),
    ("index.interval.bytes", same("log.index.interval.bytes")),
    ("local.retention.bytes", same("log.local.retention.bytes")),
    ("local.retention.ms", same("log.local.retention.ms")),
    ("max.compaction.lag.ms", same("log.cleaner.max.compaction.lag.ms")),
    ("max.decompressed.message.bytes", same("max.decompressed.message.bytes")),
    ("max.message.bytes", same("message.max.bytes")),
    ("message.timestamp.after.max.ms", same("log.message.timestamp.after.max.ms")),
    ("message.timestamp.before.max.ms", same("log.message.timestamp.before.max.ms")),
    ("message.timestamp.type", same("log.message.timestamp.type")),
    ("min.cleanable.dirty.ratio", same("log.cleaner.min.cleanable.ratio")),
    ("min.compaction.lag.ms", same("log.cleaner.min.compaction.lag.ms")),
    ("min.insync.replicas", same("min.insync.replicas")),
    ("preallocate", same("log.preallocate")),
    ("remote.copy.lag.bytes", same("log.remote.copy.lag.bytes")),
    ("remote.copy.lag.ms", same("log.remote.copy.lag.ms")),
    ("retention.bytes", same("log.retention.bytes")),
    ("segment.bytes", same("log.segment.bytes")),
    ("segment.index.bytes", same("log.index.size.max.bytes")),
    ("unclean.leader.election.enable", same("unclean.leader.election.enable")),
];

/// Broker keys that give a topic key its default, most specific first; empty when there are none.
pub fn topic_synonyms(topic_key: &str) -> &'static [Synonym] {
    match topic_key {
        "segment.ms" => &ROLL,
        "segment.jitter.ms" => &ROLL_JITTER,
        "retention.ms" => &RETENTION,
        "flush.ms" => &FLUSH,
        _ => match TOPIC_SINGLE.binary_search_by(|(name, _)| (*name).cmp(topic_key)) {
            Ok(at) => std::slice::from_ref(&TOPIC_SINGLE[at].1),
            Err(_) => &[],
        },
    }
}

/// Broker key that gives a group key its default.
pub fn group_synonym(group_key: &str) -> Option<&'static str> {
    GROUP.binary_search_by(|(name, _)| (*name).cmp(group_key)).ok().map(|at| GROUP[at].1)
}

static GROUP: [(&str, &str); 22] = [
    ("consumer.assignment.interval.ms", "group.consumer.assignment.interval.ms"),
    ("consumer.assignor.offload.enable", "group.consumer.assignor.offload.enable"),
    ("consumer.heartbeat.interval.ms", "group.consumer.heartbeat.interval.ms"),
    ("consumer.session.timeout.ms", "group.consumer.session.timeout.ms"),
    ("share.assignment.interval.ms", "group.share.assignment.interval.ms"),
    ("share.assignor.offload.enable", "group.share.assignor.offload.enable"),
    ("share.delivery.count.limit", "group.share.delivery.count.limit"),
    ("share.heartbeat.interval.ms", "group.share.heartbeat.interval.ms"),
    ("share.partition.max.record.locks", "group.share.partition.max.record.locks"),
    ("share.record.lock.duration.ms", "group.share.record.lock.duration.ms"),
    ("share.session.timeout.ms", "group.share.session.timeout.ms"),
    ("streams.acceptable.recovery.lag", "group.streams.acceptable.recovery.lag"),
    ("streams.assignment.interval.ms", "group.streams.assignment.interval.ms"),
    ("streams.assignor.name", "group.streams.assignors"),
    ("streams.assignor.offload.enable", "group.streams.assignor.offload.enable"),
    ("streams.heartbeat.interval.ms", "group.streams.heartbeat.interval.ms"),
    ("streams.initial.rebalance.delay.ms", "group.streams.initial.rebalance.delay.ms"),
    ("streams.num.standby.replicas", "group.streams.num.standby.replicas"),
    ("streams.num.warmup.replicas", "group.streams.num.warmup.replicas"),
    ("streams.rack.aware.assignment.tags", "group.streams.rack.aware.assignment.tags"),
    ("streams.session.timeout.ms", "group.streams.session.timeout.ms"),
    ("streams.task.offset.interval.ms", "group.streams.task.offset.interval.ms"),
];

/// All broker keys that speak of the same thing as `name`, in order of precedence; `None` when there is only `name`.
pub fn broker_synonyms(name: &str) -> Option<&'static [Synonym]> {
    let groups: [&'static [Synonym]; 3] = [&ROLL, &ROLL_JITTER, &RETENTION];
    if name == FLUSH[0].name {
        return Some(&FLUSH);
    }
    groups.into_iter().find(|group| group.iter().any(|synonym| synonym.name == name))
}

/// The base key of a listener override (`listener.name.<listener>.<key>`), if `name` has that form.
pub fn listener_override_base(name: &str) -> Option<&str> {
    name.strip_prefix("listener.name.")?.split_once('.').map(|(_, base)| base)
}

/// Keys that are set for one SASL mechanism of a listener: `listener.name.<listener>.<mechanism>.<key>`.
const MECHANISM_KEYS: [&str; 5] = [
    "connections.max.reauth.ms",
    "sasl.jaas.config",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.server.callback.handler.class",
];

/// The key that a listener override stands before: its base key without the name of a SASL mechanism.
pub fn listener_override_key(name: &str) -> Option<&str> {
    let base = listener_override_base(name)?;
    Some(MECHANISM_KEYS.into_iter().find(|key| base.ends_with(key)).unwrap_or(base))
}
