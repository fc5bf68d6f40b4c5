//! One property at a time: from its text to its field.
//!
//! Owns the table of keys. It never decides whether several properties fit together.

use std::time::Duration;

use crate::group::Assignor;

use super::{Acks, AutoOffsetReset, ClientConfig, ConfigError, IsolationLevel};

/// The keys that mean something here.
const KEYS: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "batch.size",
    "bootstrap.servers",
    "buffer.memory",
    "check.crcs",
    "client.id",
    "compression.gzip.level",
    "compression.type",
    "compression.zstd.level",
    "connections.max.idle.ms",
    "default.api.timeout.ms",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.idempotence",
    "exclude.internal.topics",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "heartbeat.interval.ms",
    "isolation.level",
    "linger.ms",
    "max.block.ms",
    "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "max.request.size",
    "metadata.max.age.ms",
    "partition.assignment.strategy",
    "partitioner.ignore.keys",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "retries",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "security.protocol",
    "session.timeout.ms",
    "socket.connection.setup.timeout.ms",
];

/// Keys of Kafka's producer, consumer and admin client that change nothing here.
const IGNORED: &[&str] = &[
    "auto.include.jmx.reporter",
    "bootstrap.resolve.timeout.ms",
    "client.dns.lookup",
    "client.rack",
    "compression.lz4.level",
    "config.providers",
    "enable.metrics.push",
    "group.remote.assignor",
    "interceptor.classes",
    "key.deserializer",
    "key.serializer",
    "max.poll.records",
    "metadata.cluster.check.enable",
    "metadata.max.idle.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "partitioner.adaptive.partitioning.enable",
    "partitioner.availability.timeout.ms",
    "partitioner.class",
    "partitioner.rack.aware",
    "receive.buffer.bytes",
    "security.providers",
    "send.buffer.bytes",
    "socket.connection.setup.timeout.max.ms",
    "value.deserializer",
    "value.serializer",
];

/// The value of one property on its way to its field.
struct Setting<'a> {
    key: &'static str,
    value: &'a str,
}

impl Setting<'_> {
    fn refuse<T>(&self, reason: impl Into<String>) -> Result<T, ConfigError> {
        Err(ConfigError::Value { key: self.key, value: self.value.to_owned(), reason: reason.into() })
    }

    fn integer(&self, min: i64, max: i64) -> Result<i64, ConfigError> {
        match self.value.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            _ => self.refuse(format!("it must be a whole number from {min} to {max}")),
        }
    }

    fn bytes(&self) -> Result<usize, ConfigError> {
        self.integer(0, i64::from(i32::MAX)).map(|n| n as usize)
    }

    fn ms(&self) -> Result<Duration, ConfigError> {
        // A year is longer than any client waits and keeps sums of durations far from overflow.
        const YEAR_MS: i64 = 31_536_000_000;
        self.integer(0, i64::MAX).map(|n| Duration::from_millis(n.min(YEAR_MS) as u64))
    }

    fn boolean(&self) -> Result<bool, ConfigError> {
        match self.value.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => self.refuse("it must be true or false"),
        }
    }

    fn servers(&self) -> Result<Vec<(String, u16)>, ConfigError> {
        let entries = self.value.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let servers: Vec<_> = entries.map(|entry| self.server(entry)).collect::<Result<_, _>>()?;
        if servers.is_empty() {
            return self.refuse("it must name at least one broker, for example localhost:9092");
        }
        Ok(servers)
    }

    fn server(&self, entry: &str) -> Result<(String, u16), ConfigError> {
        // A listener name in front, as in advertised.listeners, is taken off.
        let address = entry.rsplit_once("://").map_or(entry, |(_, address)| address);
        let parsed = address.rsplit_once(':').and_then(|(host, port)| {
            let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
            Some((host, port.parse::<u16>().ok().filter(|&port| port > 0)?))
        });
        match parsed {
            Some((host, port)) if !host.is_empty() => Ok((host.to_owned(), port)),
            _ => self.refuse(format!("{entry:?} is not host:port, for example localhost:9092")),
        }
    }
}

/// Sets the field that `key` names.
pub(super) fn set(config: &mut ClientConfig, key: &str, value: &str) -> Result<(), ConfigError> {
    if let Some(key) = KEYS.iter().find(|known| **known == key) {
        let setting = Setting { key, value };
        let is_set =
            set_common(config, &setting)? || set_producer(config, &setting)? || set_group(config, &setting)?;
        return if is_set { Ok(()) } else { set_consumer(config, &setting) };
    }
    if IGNORED.contains(&key) {
        config.ignored.push(key.to_owned());
        return Ok(());
    }
    if key.starts_with("ssl.") || key.starts_with("sasl.") || key.starts_with("transaction") {
        return Err(ConfigError::Conflict(format!(
            "{key}: TLS, SASL and transactions are not supported by this client so far"
        )));
    }
    Err(ConfigError::UnknownKey { key: key.to_owned(), nearest: nearest(key) })
}

fn set_common(config: &mut ClientConfig, setting: &Setting<'_>) -> Result<bool, ConfigError> {
    match setting.key {
        "bootstrap.servers" => config.bootstrap_servers = setting.servers()?,
        "client.id" => setting.value.clone_into(&mut config.client_id),
        "connections.max.idle.ms" => config.connections_max_idle = setting.ms()?,
        "default.api.timeout.ms" => config.default_api_timeout = setting.ms()?,
        "metadata.max.age.ms" => config.metadata_max_age = setting.ms()?,
        "reconnect.backoff.max.ms" => config.reconnect_backoff_max = setting.ms()?,
        "reconnect.backoff.ms" => config.reconnect_backoff = setting.ms()?,
        "request.timeout.ms" => config.request_timeout = setting.ms()?,
        "retry.backoff.max.ms" => config.retry_backoff_max = setting.ms()?,
        "retry.backoff.ms" => config.retry_backoff = setting.ms()?,
        "security.protocol" => {
            if !setting.value.eq_ignore_ascii_case("PLAINTEXT") {
                return setting.refuse("only PLAINTEXT is supported so far");
            }
        }
        "socket.connection.setup.timeout.ms" => config.connection_setup_timeout = setting.ms()?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn set_producer(config: &mut ClientConfig, setting: &Setting<'_>) -> Result<bool, ConfigError> {
    match setting.key {
        "acks" => {
            config.acks = match setting.value {
                "all" | "-1" => Acks::All,
                "1" => Acks::Leader,
                "0" => Acks::None,
                _ => return setting.refuse("it must be all, 1 or 0"),
            }
        }
        "batch.size" => config.batch_size_bytes = setting.bytes()?,
        "buffer.memory" => config.buffer_memory_bytes = setting.bytes()?,
        "compression.gzip.level" => config.compression_level.gzip = Some(gzip_level(setting)?),
        "compression.zstd.level" => {
            config.compression_level.zstd = Some(setting.integer(-131_072, 22)? as i32);
        }
        "compression.type" => match setting.value.parse() {
            Ok(compression) => config.compression = compression,
            Err(_) => return setting.refuse("it must be none, gzip, snappy, lz4 or zstd"),
        },
        "delivery.timeout.ms" => config.delivery_timeout = setting.ms()?,
        "enable.idempotence" => {
            config.enable_idempotence = setting.boolean()?;
            config.idempotence_is_explicit = true;
        }
        "linger.ms" => config.linger = setting.ms()?,
        "max.block.ms" => config.max_block = setting.ms()?,
        "max.in.flight.requests.per.connection" => {
            config.max_in_flight = setting.integer(1, MAX_IN_FLIGHT_LIMIT)? as usize;
        }
        "max.request.size" => config.max_request_size_bytes = setting.bytes()?,
        "partitioner.ignore.keys" => config.partitioner_ignore_keys = setting.boolean()?,
        "retries" => config.retries = setting.integer(0, i64::from(i32::MAX))? as u32,
        _ => return Ok(false),
    }
    Ok(true)
}

/// More requests in flight on one connection than this help nobody and are a queue that nothing bounds.
const MAX_IN_FLIGHT_LIMIT: i64 = 1_000;

fn gzip_level(setting: &Setting<'_>) -> Result<i32, ConfigError> {
    match setting.integer(-1, 9)? {
        0 => setting.refuse("it must be from 1 to 9, or -1 for the default"),
        level => Ok(level as i32),
    }
}

fn set_consumer(config: &mut ClientConfig, setting: &Setting<'_>) -> Result<(), ConfigError> {
    match setting.key {
        "allow.auto.create.topics" => config.allow_auto_create_topics = setting.boolean()?,
        "auto.offset.reset" => {
            config.auto_offset_reset = match setting.value {
                "earliest" => AutoOffsetReset::Earliest,
                "latest" => AutoOffsetReset::Latest,
                "none" => AutoOffsetReset::None,
                _ => return setting.refuse("it must be earliest, latest or none"),
            }
        }
        "check.crcs" => config.check_crcs = setting.boolean()?,
        "fetch.max.bytes" => config.fetch_max_bytes = setting.bytes()? as i32,
        "fetch.max.wait.ms" => config.fetch_max_wait = setting.ms()?,
        "fetch.min.bytes" => config.fetch_min_bytes = setting.bytes()? as i32,
        "isolation.level" => {
            config.isolation_level = match setting.value {
                "read_uncommitted" => IsolationLevel::ReadUncommitted,
                "read_committed" => IsolationLevel::ReadCommitted,
                _ => return setting.refuse("it must be read_uncommitted or read_committed"),
            }
        }
        "max.partition.fetch.bytes" => config.max_partition_fetch_bytes = setting.bytes()? as i32,
        _ => return setting.refuse("it is in the table of keys without a field"),
    }
    Ok(())
}

fn set_group(config: &mut ClientConfig, setting: &Setting<'_>) -> Result<bool, ConfigError> {
    let named = || (!setting.value.is_empty()).then(|| setting.value.to_owned());
    match setting.key {
        "auto.commit.interval.ms" => config.auto_commit_interval = setting.ms()?,
        "enable.auto.commit" => config.enable_auto_commit = setting.boolean()?,
        "exclude.internal.topics" => config.exclude_internal_topics = setting.boolean()?,
        "group.id" => config.group_id = named(),
        "group.instance.id" => config.group_instance_id = named(),
        "group.protocol" => {
            if !setting.value.eq_ignore_ascii_case("classic") {
                return setting.refuse("only classic is supported so far");
            }
        }
        "heartbeat.interval.ms" => config.heartbeat_interval = setting.ms()?,
        "max.poll.interval.ms" => config.max_poll_interval = setting.ms()?,
        "partition.assignment.strategy" => config.assignors = assignors(setting)?,
        "session.timeout.ms" => config.session_timeout = setting.ms()?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Names or Java classes of assignors. Those that this client lacks are passed over as long as there is another.
fn assignors(setting: &Setting<'_>) -> Result<Vec<Assignor>, ConfigError> {
    let known = |name: &str| match name.trim().rsplit('.').next().unwrap_or_default() {
        "range" | "RangeAssignor" => Some(Assignor::Range),
        "roundrobin" | "RoundRobinAssignor" => Some(Assignor::RoundRobin),
        _ => None,
    };
    let found: Vec<Assignor> = setting.value.split(',').filter_map(known).collect();
    if found.is_empty() {
        return setting.refuse("it must name range or roundrobin");
    }
    Ok(found)
}

/// The known key that takes the fewest edits, if they are few enough to be a slip.
fn nearest(key: &str) -> Option<&'static str> {
    let known = KEYS.iter().chain(IGNORED);
    let (distance, nearest) = known.map(|known| (edits(key, known), *known)).min()?;
    (distance <= 2 + key.len() / 5).then_some(nearest)
}

/// Edit distance (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replace = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
pub(super) fn keys() -> &'static [&'static str] {
    KEYS
}
