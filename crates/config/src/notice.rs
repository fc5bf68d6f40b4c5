//! What an author of a configuration should hear: keys that do nothing, and the nearest name for a key that is unknown.

use std::fmt;

use crate::config_def::{ConfigDef, Effect};
use crate::config_error::ConfigError;
use crate::keys::BROKER;

/// Longest name that is compared with known ones; the longest real key has 70 letters.
const NAME_BYTES_MAX: usize = 200;

/// Classes beside the defaults that Kafka brings along and that a node needs not load: with one replica there is none to
/// choose between.
const KAFKAS_OWN: [(&str, &[&str]); 1] = [(
    "replica.selector.class",
    &[
        "org.apache.kafka.common.replica.LeaderSelector",
        "org.apache.kafka.common.replica.RackAwareReplicaSelector",
    ],
)];

/// What holds while there is no authorizer.
const EVERYBODY: &str = "authorization is not built yet, so that everybody may do everything";

/// One line about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The key.
    pub key: String,
    /// True when the key will work one day, false when it never will.
    pub is_not_yet: bool,
    /// Why it does nothing.
    pub reason: &'static str,
}

impl Notice {
    pub(crate) fn not_yet(key: &str, reason: &'static str) -> Notice {
        Notice { key: key.to_owned(), is_not_yet: true, reason }
    }

    pub(crate) fn meaningless(key: &str, reason: &'static str) -> Notice {
        Notice { key: key.to_owned(), is_not_yet: false, reason }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.is_not_yet { "has no effect yet" } else { "is ignored" };
        write!(f, "{} {verb}: {}", self.key, self.reason)
    }
}

/// A line about a known key that was set, if it deserves one. Setting a key to its default says nothing.
pub(crate) fn of_known_key(def: &ConfigDef, text: &str) -> Option<Notice> {
    let is_default = def.default_text().is_some_and(|default| default.eq_ignore_ascii_case(text.trim()));
    match def.effect {
        Effect::NotYet(reason) if !is_default => Some(Notice::not_yet(def.name, reason)),
        Effect::Meaningless(reason) => Some(Notice::meaningless(def.name, reason)),
        _ => None,
    }
}

/// Refuses a key that must not be ignored and cannot be honoured, unless it is set to what counts without it. `name` is
/// the key as it was set, with the prefix of its listener.
pub(crate) fn check_refused(def: &ConfigDef, name: &str, text: &str) -> Result<(), ConfigError> {
    let Effect::Refused(reason) = def.effect else { return Ok(()) };
    let wanted = text.trim();
    let is_own = KAFKAS_OWN.iter().any(|(key, classes)| *key == def.name && classes.contains(&wanted));
    if wanted.is_empty() || def.default_text() == Some(wanted) || is_own {
        return Ok(());
    }
    Err(ConfigError::invalid(format!("{name}={text} is not possible: {reason}; remove the line")))
}

/// A key that Kafka hands to its authorizer, of which no table knows: a line about it, `None` if it is another key.
///
/// # Errors
/// Its author counts on an authorizer.
pub(crate) fn of_authorizer_key(name: &str, text: &str) -> Result<Option<Notice>, ConfigError> {
    match name {
        "allow.everyone.if.no.acl.found" if text.trim().eq_ignore_ascii_case("true") => {
            Ok(Some(Notice::not_yet(name, EVERYBODY)))
        }
        "allow.everyone.if.no.acl.found" | "super.users" => Err(ConfigError::invalid(format!(
            "{name}={text} is not possible: {EVERYBODY}, whoever this line names or shuts out; remove the line"
        ))),
        _ => Ok(None),
    }
}

/// The refusal of an unknown broker key.
pub(crate) fn unknown_key(name: &str) -> String {
    match nearest(name, BROKER.iter().map(|def| def.name)) {
        Some(known) => format!("Unknown configuration {name}. Did you mean {known}?"),
        None => {
            format!("Unknown configuration {name}. Kafka's broker property names are the ones that count.")
        }
    }
}

/// The candidate closest to `name`, if it is close: at most a third of its letters differ.
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
fn edit_distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = last[j] + usize::from(a != b);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests;
