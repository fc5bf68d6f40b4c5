//! Steps that a running broker does not take, though a start with the same values would be fine.
//!
//! Owns the comparison of the present and the wanted configuration, by Kafka's rules. Changes nothing.

use super::BrokerConfig;
use crate::config_error::ConfigError;
use crate::value::Value;

/// Counts of threads: each change at most halves or doubles them.
const THREADS: [&str; 9] = [
    "background.threads",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.per.data.dir",
    "num.replica.fetchers",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.follower.thread.pool.size",
    "remote.log.reader.threads",
];

/// The one class of metrics reporters that every Kafka has; it is accepted, and there is nothing to load.
const JMX_REPORTER: &str = "org.apache.kafka.common.metrics.JmxReporter";

/// Checks the way from `now` to `new`.
///
/// # Errors
/// The step is too large, or leads where only a restart can.
pub(super) fn check(now: &BrokerConfig, new: &BrokerConfig) -> Result<(), ConfigError> {
    check_threads(now, new)?;
    check_cleaner_threads(now, new)?;
    check_reporters(now, new)?;
    check_listeners(now, new)?;
    check_connection_limits(now, new)?;
    let is_log_key = |name: &&String| name.starts_with("log.") || name.starts_with("cordoned.");
    let texts = |config: &BrokerConfig| -> Vec<(String, String)> {
        let effective = config.layers.effective().iter();
        effective.filter(|(name, _)| is_log_key(name)).map(|(n, t)| (n.clone(), t.clone())).collect()
    };
    if texts(now) == texts(new) { Ok(()) } else { check_local_retention(new) }
}

fn int(config: &BrokerConfig, key: &str) -> i32 {
    match config.value(key) {
        Some(Value::Int(number)) => number,
        other => unreachable!("{key} is an INT with a value, not {other:?}"),
    }
}

fn check_threads(now: &BrokerConfig, new: &BrokerConfig) -> Result<(), ConfigError> {
    for key in THREADS {
        let (current, wanted) = (int(now, key), int(new, key));
        let refuse = |why: &str| {
            Err(ConfigError::invalid(format!(
                "Dynamic thread count update validation failed for {key}={wanted}, value should {why} the current value \
                 {current}"
            )))
        };
        if wanted < current / 2 {
            return refuse("be at least half");
        }
        if i64::from(wanted) > i64::from(current) * 2 {
            return refuse("not be greater than double");
        }
    }
    Ok(())
}

fn check_cleaner_threads(now: &BrokerConfig, new: &BrokerConfig) -> Result<(), ConfigError> {
    let (current, wanted) = (now.cleaner.threads, new.cleaner.threads);
    if wanted < current / 2 {
        return Err(ConfigError::invalid(format!(
            "Log cleaner threads cannot be reduced to less than half the current value {current}"
        )));
    }
    if i64::from(wanted) > i64::from(current) * 2 {
        return Err(ConfigError::invalid(format!(
            "Log cleaner threads cannot be increased to more than double the current value {current}"
        )));
    }
    Ok(())
}

fn check_reporters(now: &BrokerConfig, new: &BrokerConfig) -> Result<(), ConfigError> {
    let key = "metric.reporters";
    let (Some(now), Some(Value::List(new))) = (now.value(key), new.value(key)) else { return Ok(()) };
    match new.iter().find(|class| *class != JMX_REPORTER) {
        Some(class) if now != Value::List(new.clone()) => Err(ConfigError::invalid(format!(
            "{key} names the class {class}, which cannot be loaded: this broker is no Java program"
        ))),
        _ => Ok(()),
    }
}

/// What clients were told about a listener holds until the next start.
fn check_listeners(now: &BrokerConfig, new: &BrokerConfig) -> Result<(), ConfigError> {
    if now.controller_listeners != new.controller_listeners {
        return Err(ConfigError::invalid("The controller's listeners cannot change while the node runs"));
    }
    for listener in &now.listeners {
        let name = &listener.listener_name;
        let Some(same) = new.listeners.iter().find(|other| other.listener_name == *name) else {
            let why = "a listener that clients were told of cannot be removed while the node runs";
            return Err(ConfigError::invalid(format!("{name}: {why}")));
        };
        if same.security_protocol != listener.security_protocol {
            let why = "Security protocol cannot be updated for existing listener";
            return Err(ConfigError::invalid(format!("{why} {name}")));
        }
    }
    Ok(())
}

/// A start may shut everybody out, a running broker may not.
fn check_connection_limits(now: &BrokerConfig, new: &BrokerConfig) -> Result<(), ConfigError> {
    for key in ["max.connection.creation.rate", "max.connections"] {
        if int(new, key) == 0 && int(now, key) != 0 {
            return Err(ConfigError::invalid(format!("Invalid {key} 0")));
        }
    }
    Ok(())
}

/// What is kept on the local disk of a log in remote storage is a part of all that is kept.
fn check_local_retention(new: &BrokerConfig) -> Result<(), ConfigError> {
    let long = |key: &str| match new.value(key) {
        Some(Value::Long(number)) => number,
        other => unreachable!("{key} is a LONG with a value, not {other:?}"),
    };
    let parts = [
        ("ms", "log.retention.ms", new.topic_defaults.retention_ms),
        ("bytes", "log.retention.bytes", new.topic_defaults.retention_bytes),
    ];
    for (unit, total_key, total) in parts {
        let local_key = format!("log.local.retention.{unit}");
        let local = long(&local_key);
        if total > -1 && local == -1 {
            let why = format!("Value must not be -1 as {total_key} value is set as {total}.");
            return Err(ConfigError::value(&local_key, local, &why));
        }
        if total > -1 && local > total {
            let why = format!("Value must not be more than {total_key} property value: {total}");
            return Err(ConfigError::value(&local_key, local, &why));
        }
        let kept = if local == -2 { total } else { local };
        let lag_key = format!("log.remote.copy.lag.{unit}");
        let lag = long(&lag_key);
        if lag > 0 && kept >= 0 && lag > kept {
            let why = format!("Value must not exceed {local_key} (effective value: {kept})");
            return Err(ConfigError::value(&lag_key, lag, &why));
        }
    }
    Ok(())
}
