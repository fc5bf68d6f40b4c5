//! A subscription: which metrics, how often, of which clients.

use std::collections::BTreeMap;

use protocol::Uuid;
use regex::Regex;

use crate::client::Client;

/// Milliseconds between pushes unless a subscription says less.
pub(crate) const INTERVAL_MS_DEFAULT: i32 = 300_000;
/// The metric name that stands for all of them.
pub(crate) const ALL_METRICS: &str = "*";

/// A client-metrics resource with its defaults filled in.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    /// Prefixes of the metrics' names.
    pub(crate) metrics: Vec<String>,
    /// Milliseconds between two pushes.
    pub(crate) interval_ms: i32,
    /// What a client's attributes have to be, by the attribute's name.
    matches: BTreeMap<&'static str, Regex>,
}

impl Subscription {
    /// Reads a resource's configuration. What was refused when it was set cannot be here; if it is, it counts as unset.
    pub(crate) fn new(configs: &BTreeMap<String, String>) -> Self {
        let list = |key: &str| configs.get(key).map(String::as_str).unwrap_or_default();
        let items = |key: &'static str| list(key).split(',').map(str::trim).filter(|item| !item.is_empty());
        let interval_ms = list("interval.ms").trim().parse().unwrap_or(INTERVAL_MS_DEFAULT);
        Self {
            metrics: items("metrics").map(str::to_owned).collect(),
            interval_ms,
            matches: items("match").filter_map(config::client_match).collect(),
        }
    }

    /// Says whether a client is meant. Nothing to match means every client.
    pub(crate) fn fits(&self, instance_id: Uuid, client: &Client) -> bool {
        self.matches.iter().all(|(name, expression)| {
            client.attribute(instance_id, name).is_some_and(|value| expression.is_match(&value))
        })
    }
}
