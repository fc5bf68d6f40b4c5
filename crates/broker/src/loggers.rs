//! Levels of the node's loggers, shown and changed through the BROKER_LOGGER resource (KIP-412). They are not stored: a
//! start begins with the levels that the program was given.
//!
//! Owns the names, the levels and the rules. Writes no log line: whoever starts the node hands in what applies the levels.

use std::collections::BTreeMap;

use controller::{AlterOperation, ApiError, KeyAlteration, ResourceAlteration};
use parking_lot::Mutex;
use protocol::ErrorCode;

/// The logger that all others inherit from.
pub const ROOT: &str = "root";

/// The loggers beside the root: the crates of the program that write log lines.
pub const LOGGERS: [&str; 5] = ["broker", "cli", "client", "network", "storage"];

/// How much a logger says, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing: no line of this program is worse than an error.
    Fatal,
    /// Errors.
    Error,
    /// Warnings, and all above.
    Warn,
    /// What happens now and then.
    Info,
    /// What happens often.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// All levels by name, in the order in which they are listed to people.
    const NAMES: [(&'static str, LogLevel); 6] = [
        ("DEBUG", LogLevel::Debug),
        ("ERROR", LogLevel::Error),
        ("FATAL", LogLevel::Fatal),
        ("INFO", LogLevel::Info),
        ("TRACE", LogLevel::Trace),
        ("WARN", LogLevel::Warn),
    ];

    fn from_name(name: &str) -> Option<LogLevel> {
        LogLevel::NAMES.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
    }

    /// Kafka's name of the level.
    #[must_use]
    pub fn name(self) -> &'static str {
        LogLevel::NAMES.iter().find(|(_, level)| *level == self).map_or("", |(name, _)| name)
    }
}

/// The levels as they are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevels {
    /// Of every logger without a level of its own.
    pub root: LogLevel,
    /// Of single loggers, by name.
    pub own: BTreeMap<String, LogLevel>,
}

/// The loggers of a node.
pub struct Loggers {
    levels: Mutex<LogLevels>,
    apply: Box<dyn Fn(&LogLevels) + Send + Sync>,
}

impl Loggers {
    /// Loggers with these levels. `apply` makes changed levels count.
    #[must_use]
    pub fn new(levels: LogLevels, apply: impl Fn(&LogLevels) + Send + Sync + 'static) -> Loggers {
        Loggers { levels: Mutex::new(levels), apply: Box::new(apply) }
    }

    /// Loggers of a node whose lines nobody reads.
    #[must_use]
    pub fn silent() -> Loggers {
        Loggers::new(LogLevels { root: LogLevel::Info, own: BTreeMap::new() }, |_| {})
    }

    /// Every logger with the level that counts for it, sorted by name.
    #[must_use]
    pub fn describe(&self) -> Vec<(String, LogLevel)> {
        let levels = self.levels.lock();
        let own = levels.own.keys().map(String::as_str);
        let mut names: Vec<&str> = LOGGERS.into_iter().chain([ROOT]).chain(own).collect();
        names.sort_unstable();
        names.dedup();
        let level = |name: &str| levels.own.get(name).copied().unwrap_or(levels.root);
        names.into_iter().map(|name| (name.to_owned(), level(name))).collect()
    }

    /// Changes levels, all of a request or none.
    ///
    /// # Errors
    /// INVALID_REQUEST: the resource is not this node, or an operation is not for loggers. INVALID_CONFIG: a logger or a
    /// level is unknown.
    pub fn alter(
        &self,
        node_id: i32,
        alteration: &ResourceAlteration,
        validate_only: bool,
    ) -> Result<(), ApiError> {
        check_node_id(node_id, &alteration.name)?;
        let changes: Vec<_> =
            alteration.keys.iter().map(|key| self.check(key)).collect::<Result<Vec<_>, _>>()?;
        if validate_only || changes.is_empty() {
            return Ok(());
        }
        let mut levels = self.levels.lock();
        for (name, level) in changes {
            match level {
                Some(level) if name == ROOT => levels.root = level,
                Some(level) => {
                    levels.own.insert(name.to_owned(), level);
                }
                None => {
                    levels.own.remove(name);
                }
            }
        }
        (self.apply)(&levels);
        Ok(())
    }

    fn check<'a>(&self, change: &'a KeyAlteration) -> Result<(&'a str, Option<LogLevel>), ApiError> {
        let name = change.key.as_str();
        let refuse = |code, message: String| Err(ApiError::new(code, message));
        let refuse_list = |operation: &str| {
            let message = format!("{operation} operation is not allowed for the BROKER_LOGGER resource");
            refuse(ErrorCode::INVALID_REQUEST, message)
        };
        match change.operation {
            AlterOperation::Unknown(id) => {
                let message =
                    format!("Unknown operation type {id} is not allowed for the BROKER_LOGGER resource");
                return refuse(ErrorCode::INVALID_REQUEST, message);
            }
            AlterOperation::Append => return refuse_list("APPEND"),
            AlterOperation::Subtract => return refuse_list("SUBTRACT"),
            AlterOperation::Set | AlterOperation::Delete => {}
        }
        if !self.describe().iter().any(|(known, _)| known == name) {
            return refuse(ErrorCode::INVALID_CONFIG, format!("Logger {name} does not exist!"));
        }
        if change.operation == AlterOperation::Delete {
            if name == ROOT {
                let message = format!("Removing the log level of the {ROOT} logger is not allowed");
                return refuse(ErrorCode::INVALID_REQUEST, message);
            }
            return Ok((name, None));
        }
        let text = change.value.as_deref().unwrap_or_default();
        let Some(level) = LogLevel::from_name(text) else {
            let known: Vec<&str> = LogLevel::NAMES.iter().map(|(name, _)| *name).collect();
            let message = format!(
                "Cannot set the log level of {name} to {text} as it is not a supported log level. Valid log levels are {}",
                known.join(", ")
            );
            return refuse(ErrorCode::INVALID_CONFIG, message);
        };
        Ok((name, Some(level)))
    }
}

fn check_node_id(node_id: i32, name: &str) -> Result<(), ApiError> {
    let message = match name.parse::<i32>() {
        Ok(id) if id == node_id => return Ok(()),
        Ok(id) => format!("Unexpected node id. Expected {node_id}, but received {id}"),
        Err(_) => format!("Node id must be an integer, but it is: {name}"),
    };
    Err(ApiError::new(ErrorCode::INVALID_REQUEST, message))
}

#[cfg(test)]
mod tests;
