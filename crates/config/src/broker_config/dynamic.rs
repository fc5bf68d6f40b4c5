//! Broker keys set at run time: which may be set where, and what the node is after that.
//!
//! Owns Kafka's order of checks. Never stores anything: the controller writes what was allowed.

use std::collections::BTreeMap;

use super::{BrokerConfig, reconfiguration};
use crate::config_def::{ConfigDef, ConfigType, UpdateMode, find};
use crate::config_error::ConfigError;
use crate::keys::{BROKER, BROKER_DYNAMIC_ONLY};
use crate::layers::Layers;
use crate::synonyms::listener_override_base;
use crate::value::{self, Value};

/// Keys of key stores and trust stores: at run time they are set for a listener, never for a whole broker.
const STORE_KEYS: [&str; 10] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Keys that may be set for one listener of all brokers.
const LISTENER_KEYS_FOR_ALL: [&str; 3] =
    ["max.connection.creation.rate", "max.connections", "num.network.threads"];

/// Names of plugins that resolve indirect values. Kafka takes them out before it checks values.
const CONFIG_PROVIDERS: &str = "config.providers";

/// Assignment intervals, and the keys that hold their bounds.
const CLAMPED: [[&str; 3]; 3] = [
    [
        "group.consumer.assignment.interval.ms",
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ],
    [
        "group.share.assignment.interval.ms",
        "group.share.min.assignment.interval.ms",
        "group.share.max.assignment.interval.ms",
    ],
    [
        "group.streams.assignment.interval.ms",
        "group.streams.min.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
    ],
];

/// For whom a broker key is set at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DynamicTarget {
    /// For this broker.
    Node,
    /// For all brokers.
    Cluster,
}

impl DynamicTarget {
    /// Those of the stored settings that count: what other software wrote and no broker could use is passed over, so
    /// that a node always starts. Names that are in no table are kept, as Kafka does for plugins.
    pub fn usable(self, stored: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let is_usable = |(name, text): &(&String, &String)| {
            let is_misplaced = self == DynamicTarget::Cluster && is_per_broker(name);
            !is_misplaced && !is_static(name) && !is_store_key(name) && check_value(name, text).is_ok()
        };
        stored.iter().filter(is_usable).map(|(name, text)| (name.clone(), text.clone())).collect()
    }
}

impl BrokerConfig {
    /// The same node with what is stored for all brokers and for this one. If the stored settings contradict each other
    /// or the file, none of them counts.
    pub fn with_dynamic(
        &self,
        cluster: &BTreeMap<String, String>,
        node: &BTreeMap<String, String>,
    ) -> BrokerConfig {
        let file = self.layers.file().clone();
        let mut cluster = DynamicTarget::Cluster.usable(cluster);
        self.clamp(&mut cluster);
        let layers = Layers::new(file.clone(), cluster, DynamicTarget::Node.usable(node));
        let (config, errors) = BrokerConfig::resolve(layers);
        if errors.is_empty() {
            return config;
        }
        BrokerConfig::resolve(Layers::new(file, BTreeMap::new(), BTreeMap::new())).0
    }

    /// Validates what a change would make of the settings of `target`: `wanted` is all of them.
    ///
    /// # Errors
    /// A key is not to be changed at run time, not for this target, or not to this value. The code is always
    /// INVALID_REQUEST.
    pub fn validate_dynamic(
        &self,
        target: DynamicTarget,
        wanted: &BTreeMap<String, String>,
    ) -> Result<(), ConfigError> {
        refuse(wanted, is_static, "Cannot update these configs dynamically")?;
        refuse(
            wanted,
            is_store_key,
            "These security configs can be dynamically updated only per-listener using the listener prefix",
        )?;
        for (name, text) in wanted {
            check_value(name, text).map_err(as_request)?;
        }
        let layers = &self.layers;
        let new = match target {
            DynamicTarget::Node => {
                Layers::new(layers.file().clone(), layers.cluster().clone(), wanted.clone())
            }
            DynamicTarget::Cluster => {
                refuse(
                    wanted,
                    is_per_broker,
                    "Cannot update these configs at default cluster level, broker id must be specified",
                )?;
                Layers::new(layers.file().clone(), wanted.clone(), layers.node().clone())
            }
        };
        let (new, errors) = BrokerConfig::resolve(new);
        if let Some(error) = errors.into_iter().next() {
            return Err(as_request(error));
        }
        reconfiguration::check(self, &new).map_err(as_request)
    }

    /// Brings assignment intervals that were set at run time within bounds that the file has since changed.
    fn clamp(&self, dynamic: &mut BTreeMap<String, String>) {
        for [key, min_key, max_key] in CLAMPED {
            let bound = |key| match self.value(key) {
                Some(Value::Int(bound)) => Some(bound),
                _ => None,
            };
            let wanted = dynamic.get(key).and_then(|text| text.trim().parse::<i32>().ok());
            if let (Some(wanted), Some(min), Some(max)) = (wanted, bound(min_key), bound(max_key))
                && !(min..=max).contains(&wanted)
            {
                dynamic.insert(key.to_owned(), wanted.max(min).min(max).to_string());
            }
        }
    }
}

/// The definition of a key that may be set at run time, by its name or by the name of its override for a listener.
fn dynamic_definition(name: &str) -> Option<&'static ConfigDef> {
    let base = listener_override_base(name).unwrap_or(name);
    let def = find(BROKER, base).filter(|def| !def.is_read_only());
    def.or_else(|| find(BROKER_DYNAMIC_ONLY, base))
}

fn check_value(name: &str, text: &str) -> Result<(), ConfigError> {
    let Some(def) = dynamic_definition(name) else { return Ok(()) };
    match value::parse_type(def.name, text, def.kind)? {
        Value::List(_) if def.name == CONFIG_PROVIDERS => return Ok(()),
        Value::List(items) if has_duplicates(&items) => {
            let message = format!("Configuration '{}' values must not be duplicated.", def.name);
            return Err(ConfigError::invalid(message));
        }
        Value::Text(class) if def.kind == ConfigType::Class && def.default_text() != Some(&class) => {
            return Err(ConfigError::value(def.name, text, &format!("Class {text} could not be found.")));
        }
        _ => {}
    }
    value::parse(def, Some(text)).map(|_| ())
}

fn has_duplicates(items: &[String]) -> bool {
    items.iter().enumerate().any(|(at, item)| items[..at].contains(item))
}

fn is_static(name: &str) -> bool {
    find(BROKER, name).is_some_and(ConfigDef::is_read_only)
}

fn is_store_key(name: &str) -> bool {
    STORE_KEYS.contains(&name)
}

fn is_per_broker(name: &str) -> bool {
    match listener_override_base(name) {
        Some(base) => !LISTENER_KEYS_FOR_ALL.contains(&base),
        None => {
            let is_for_all = LISTENER_KEYS_FOR_ALL.contains(&name);
            !is_for_all && find(BROKER, name).is_some_and(|def| def.update_mode == UpdateMode::PerBroker)
        }
    }
}

fn refuse(
    wanted: &BTreeMap<String, String>,
    is_refused: fn(&str) -> bool,
    why: &str,
) -> Result<(), ConfigError> {
    let names: Vec<&str> = wanted.keys().map(String::as_str).filter(|name| is_refused(name)).collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(ConfigError::request(format!("{why}: [{}]", names.join(", ")))),
    }
}

fn as_request(error: ConfigError) -> ConfigError {
    ConfigError::request(error.message)
}
