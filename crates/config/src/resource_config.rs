//! Validation of the configs of groups and client-metrics subscriptions (KIP-848, KIP-932, KIP-714).

use std::collections::BTreeMap;

use crate::broker_config::BrokerConfig;
use crate::config_error::ConfigError;
use crate::keys::{CLIENT_METRICS, GROUP};
use crate::value::{self, Value};

/// Group key, and the broker keys that hold its smallest and largest value.
static GROUP_BOUNDS: [(&str, Option<&str>, Option<&str>); 14] = [
    (
        "consumer.heartbeat.interval.ms",
        Some("group.consumer.min.heartbeat.interval.ms"),
        Some("group.consumer.max.heartbeat.interval.ms"),
    ),
    (
        "consumer.session.timeout.ms",
        Some("group.consumer.min.session.timeout.ms"),
        Some("group.consumer.max.session.timeout.ms"),
    ),
    (
        "consumer.assignment.interval.ms",
        Some("group.consumer.min.assignment.interval.ms"),
        Some("group.consumer.max.assignment.interval.ms"),
    ),
    (
        "share.heartbeat.interval.ms",
        Some("group.share.min.heartbeat.interval.ms"),
        Some("group.share.max.heartbeat.interval.ms"),
    ),
    (
        "share.session.timeout.ms",
        Some("group.share.min.session.timeout.ms"),
        Some("group.share.max.session.timeout.ms"),
    ),
    (
        "share.record.lock.duration.ms",
        Some("group.share.min.record.lock.duration.ms"),
        Some("group.share.max.record.lock.duration.ms"),
    ),
    (
        "share.delivery.count.limit",
        Some("group.share.min.delivery.count.limit"),
        Some("group.share.max.delivery.count.limit"),
    ),
    (
        "share.partition.max.record.locks",
        Some("group.share.min.partition.max.record.locks"),
        Some("group.share.max.partition.max.record.locks"),
    ),
    (
        "share.assignment.interval.ms",
        Some("group.share.min.assignment.interval.ms"),
        Some("group.share.max.assignment.interval.ms"),
    ),
    (
        "streams.heartbeat.interval.ms",
        Some("group.streams.min.heartbeat.interval.ms"),
        Some("group.streams.max.heartbeat.interval.ms"),
    ),
    (
        "streams.session.timeout.ms",
        Some("group.streams.min.session.timeout.ms"),
        Some("group.streams.max.session.timeout.ms"),
    ),
    (
        "streams.assignment.interval.ms",
        Some("group.streams.min.assignment.interval.ms"),
        Some("group.streams.max.assignment.interval.ms"),
    ),
    ("streams.num.standby.replicas", None, Some("group.streams.max.standby.replicas")),
    ("streams.num.warmup.replicas", None, Some("group.streams.max.warmup.replicas")),
];

/// Session key, heartbeat key, and the broker keys that give their defaults.
static GROUP_TIMEOUTS: [[&str; 4]; 3] = [
    [
        "consumer.session.timeout.ms",
        "consumer.heartbeat.interval.ms",
        "group.consumer.session.timeout.ms",
        "group.consumer.heartbeat.interval.ms",
    ],
    [
        "share.session.timeout.ms",
        "share.heartbeat.interval.ms",
        "group.share.session.timeout.ms",
        "group.share.heartbeat.interval.ms",
    ],
    [
        "streams.session.timeout.ms",
        "streams.heartbeat.interval.ms",
        "group.streams.session.timeout.ms",
        "group.streams.heartbeat.interval.ms",
    ],
];

/// Validates the whole set of overrides that a group would have after a change.
///
/// # Errors
/// A key is unknown, a value is refused or outside the broker's bounds, or two keys contradict each other.
pub fn validate_group_configs(
    broker: &BrokerConfig,
    overrides: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    check_tags(overrides)?;
    let parsed = parse_all(overrides, GROUP, |name| {
        ConfigError::invalid(format!("Unknown group config name: {name}"))
    })?;
    for (key, min_key, max_key) in &GROUP_BOUNDS {
        let Some(Value::Int(value)) = parsed.get(key) else { continue };
        let min = min_key.and_then(|key| int_of(broker, key));
        let max = max_key.and_then(|key| int_of(broker, key));
        let is_inside = min.is_none_or(|min| *value >= min) && max.is_none_or(|max| *value <= max);
        match (min, max) {
            (Some(min), Some(max)) if !is_inside => {
                return Err(ConfigError::invalid(format!(
                    "{key} must be in the range {min} to {max} inclusive."
                )));
            }
            (None, Some(max)) if !is_inside => {
                return Err(ConfigError::invalid(format!("{key} must be less than or equal to {max}")));
            }
            _ => {}
        }
    }
    check_streams(broker, &parsed)?;
    for [session_key, heartbeat_key, session_default, heartbeat_default] in &GROUP_TIMEOUTS {
        let session = int_or(&parsed, session_key, broker, session_default);
        let heartbeat = int_or(&parsed, heartbeat_key, broker, heartbeat_default);
        let is_asked = parsed.contains_key(session_key) || parsed.contains_key(heartbeat_key);
        if is_asked && session <= heartbeat {
            return Err(ConfigError::invalid(format!(
                "{session_key} ({session}) must be greater than {heartbeat_key} ({heartbeat})"
            )));
        }
    }
    match parsed.get("errors.deadletterqueue.topic.name") {
        Some(Value::Text(topic)) if topic.starts_with("__") => Err(ConfigError::invalid(
            "errors.deadletterqueue.topic.name: DLQ topic name must not start with '__'",
        )),
        _ => Ok(()),
    }
}

/// Lists lose their duplicates when they are parsed; of tags there may be none to lose.
fn check_tags(overrides: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let key = "streams.rack.aware.assignment.tags";
    let tags: Vec<&str> = overrides.get(key).map_or("", String::as_str).split(',').map(str::trim).collect();
    match tags.iter().enumerate().any(|(at, tag)| tags[..at].contains(tag)) {
        true => Err(ConfigError::invalid(format!("{key} must not contain duplicate tag keys."))),
        false => Ok(()),
    }
}

fn check_streams(broker: &BrokerConfig, parsed: &BTreeMap<&str, Value>) -> Result<(), ConfigError> {
    if let Some(Value::Int(value)) = parsed.get("streams.task.offset.interval.ms") {
        let min = int_of(broker, "group.streams.min.task.offset.interval.ms").unwrap_or(i32::MIN);
        if *value < min {
            let message = format!("streams.task.offset.interval.ms must be greater than or equal to {min}");
            return Err(ConfigError::invalid(message));
        }
    }
    if let Some(Value::Text(name)) = parsed.get("streams.assignor.name")
        && let Some(Value::List(known)) = broker.value("group.streams.assignors")
        && !known.contains(name)
    {
        return Err(ConfigError::invalid(format!(
            "streams.assignor.name '{name}' is not a registered task assignor. Registered assignors are: {}.",
            Value::List(known)
        )));
    }
    Ok(())
}

/// Bounds of `interval.ms` of a client-metrics subscription, in milliseconds (KIP-714).
const INTERVAL_MS: std::ops::RangeInclusive<i32> = 100..=3_600_000;

/// Memory at most that one compiled expression of `match` takes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// What a client-metrics subscription may match on (KIP-714).
const MATCH_NAMES: [&str; 6] = [
    "client_instance_id",
    "client_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// One item of `match`: what it looks at, and the expression that the whole of it must match. `None` when it is malformed.
///
/// Expressions run in time linear to their input, so that look-around and back references are malformed.
pub fn client_match(pattern: &str) -> Option<(&'static str, regex::Regex)> {
    let (name, expression) = pattern.trim_end_matches('=').split_once('=')?;
    let name = MATCH_NAMES.into_iter().find(|known| *known == name.trim())?;
    if expression.contains('=') {
        return None;
    }
    let whole = format!("^(?:{})$", expression.trim());
    let regex = regex::RegexBuilder::new(&whole).size_limit(PATTERN_BYTES_MAX).build().ok()?;
    // The parts of a broken expression could become whole between our brackets.
    regex::RegexBuilder::new(expression.trim()).size_limit(PATTERN_BYTES_MAX).build().ok()?;
    Some((name, regex))
}

/// Validates the overrides of a client-metrics subscription.
///
/// # Errors
/// The name is empty, a key is unknown, or a value is refused.
pub fn validate_client_metrics(
    subscription: &str,
    overrides: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    if subscription.is_empty() {
        return Err(ConfigError::request("Subscription name can't be empty"));
    }
    let parsed = parse_all(overrides, CLIENT_METRICS, |name| {
        ConfigError::request(format!("Unknown client metrics configuration: {name}"))
    })?;
    if let Some(Value::Int(interval)) = parsed.get("interval.ms")
        && !INTERVAL_MS.contains(interval)
    {
        return Err(ConfigError::request(format!(
            "Invalid value {interval} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
        )));
    }
    if let Some(Value::List(patterns)) = parsed.get("match")
        && let Some(pattern) = patterns.iter().find(|pattern| client_match(pattern).is_none())
    {
        return Err(ConfigError::invalid(format!("Illegal client matching pattern: {pattern}")));
    }
    Ok(())
}

fn parse_all<'a>(
    overrides: &'a BTreeMap<String, String>,
    table: &'static [crate::config_def::ConfigDef],
    unknown: impl Fn(&str) -> ConfigError,
) -> Result<BTreeMap<&'a str, Value>, ConfigError> {
    let mut parsed = BTreeMap::new();
    for (name, text) in overrides {
        let def = crate::config_def::find(table, name).ok_or_else(|| unknown(name))?;
        parsed.insert(name.as_str(), value::parse(def, Some(text))?);
    }
    Ok(parsed)
}

fn int_of(broker: &BrokerConfig, key: &str) -> Option<i32> {
    match broker.value(key) {
        Some(Value::Int(number)) => Some(number),
        _ => None,
    }
}

fn int_or(parsed: &BTreeMap<&str, Value>, key: &str, broker: &BrokerConfig, broker_key: &str) -> i32 {
    match parsed.get(key) {
        Some(Value::Int(number)) => *number,
        _ => int_of(broker, broker_key).unwrap_or(i32::MAX),
    }
}

#[cfg(test)]
mod tests;
