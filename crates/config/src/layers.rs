//! The layers a broker value can come from, and reading through them.
//!
//! Precedence, as in Kafka: set for this broker at run time, set for the cluster at run time, set in the file or on the
//! command line, built in.

use std::collections::BTreeMap;

use crate::config_def::{ConfigDef, find};
use crate::config_error::ConfigError;
use crate::keys::BROKER;
use crate::synonyms::broker_synonyms;
use crate::value::{self, Value};

/// Where a value comes from; the numbers are those of DescribeConfigs' `ConfigSource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic = 1,
    /// Set for one broker at run time.
    DynamicBroker = 2,
    /// Set for all brokers at run time.
    DynamicDefaultBroker = 3,
    /// Set in the file or on the command line.
    StaticBroker = 4,
    /// Built in.
    Default = 5,
    /// Level of a logger.
    DynamicBrokerLogger = 6,
    /// Set on a client-metrics subscription.
    ClientMetrics = 7,
    /// Set on a group.
    Group = 8,
}

impl ConfigSource {
    /// The number on the wire.
    pub fn id(self) -> i8 {
        self as i8
    }
}

/// What somebody set, layer by layer, as text, and what of it counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layers {
    node: BTreeMap<String, String>,
    cluster: BTreeMap<String, String>,
    file: BTreeMap<String, String>,
    effective: BTreeMap<String, String>,
}

impl Layers {
    /// Puts layers on top of each other: `file` at the bottom, then what is set for all brokers, then for this one.
    ///
    /// Who sets a key at run time means the thing it stands for: the layers below lose their settings of all keys that
    /// are other names of it, be they more specific or less.
    pub fn new(
        file: BTreeMap<String, String>,
        cluster: BTreeMap<String, String>,
        node: BTreeMap<String, String>,
    ) -> Layers {
        let mut effective = file.clone();
        for layer in [&cluster, &node] {
            for (name, text) in layer {
                for synonym in broker_synonyms(name).unwrap_or_default() {
                    effective.remove(synonym.name);
                }
                effective.insert(name.clone(), text.clone());
            }
        }
        Layers { node, cluster, file, effective }
    }

    /// Set at run time for this broker.
    pub fn node(&self) -> &BTreeMap<String, String> {
        &self.node
    }

    /// Set at run time for all brokers.
    pub fn cluster(&self) -> &BTreeMap<String, String> {
        &self.cluster
    }

    /// Set in the file or on the command line.
    pub fn file(&self) -> &BTreeMap<String, String> {
        &self.file
    }

    /// The text that counts for `name`, if somebody set one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.effective.get(name).map(String::as_str)
    }

    /// Every name with the text that counts, sorted by name.
    pub fn effective(&self) -> &BTreeMap<String, String> {
        &self.effective
    }

    /// The layers as they were set, strongest first.
    pub fn iter(&self) -> impl Iterator<Item = (&BTreeMap<String, String>, ConfigSource)> {
        [
            (&self.node, ConfigSource::DynamicBroker),
            (&self.cluster, ConfigSource::DynamicDefaultBroker),
            (&self.file, ConfigSource::StaticBroker),
        ]
        .into_iter()
    }

    /// The effective value of a broker key: set or default.
    ///
    /// # Errors
    /// What was set is refused.
    pub fn value(&self, def: &ConfigDef) -> Result<Value, ConfigError> {
        match self.get(def.name) {
            Some(text) => value::parse(def, Some(text)),
            None => Ok(value::default_value(def)),
        }
    }
}

/// Reads typed values through the layers and gathers all refusals, so that a user sees them at once.
pub(crate) struct LayerReader<'a> {
    layers: &'a Layers,
    errors: Vec<ConfigError>,
}

impl<'a> LayerReader<'a> {
    pub(crate) fn new(layers: &'a Layers) -> LayerReader<'a> {
        LayerReader { layers, errors: Vec::new() }
    }

    pub(crate) fn refuse(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    /// True when somebody set the key, be it to its default.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.layers.get(name).is_some()
    }

    /// Settings of single listeners: the listener's name as written, the key, the text.
    pub(crate) fn listener_overrides(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.layers.effective().iter().filter_map(|(name, text)| {
            let (listener, key) = name.strip_prefix("listener.name.")?.split_once('.')?;
            Some((listener, key, text.as_str()))
        })
    }

    pub(crate) fn finish(self) -> Vec<ConfigError> {
        self.errors
    }

    pub(crate) fn value(&mut self, name: &str) -> Value {
        let def = find(BROKER, name).expect("broker_config.rs reads only keys of the table");
        self.layers.value(def).unwrap_or_else(|error| {
            // Every bad text is reported once, by the pass over all keys; here the default stands in.
            debug_assert!(!error.message.is_empty());
            value::default_value(def)
        })
    }

    pub(crate) fn int(&mut self, name: &str) -> i32 {
        match self.value(name) {
            Value::Int(number) => number,
            other => unreachable!("{name} is an INT with a value, not {other}"),
        }
    }

    /// A number that may be left unset.
    pub(crate) fn int_if_set(&mut self, name: &str) -> Option<i32> {
        match self.value(name) {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn long(&mut self, name: &str) -> i64 {
        match self.value(name) {
            Value::Long(number) => number,
            other => unreachable!("{name} is a LONG with a value, not {other}"),
        }
    }

    pub(crate) fn double(&mut self, name: &str) -> f64 {
        match self.value(name) {
            Value::Double(number) => number,
            other => unreachable!("{name} is a DOUBLE with a value, not {other}"),
        }
    }

    pub(crate) fn flag(&mut self, name: &str) -> bool {
        match self.value(name) {
            Value::Boolean(flag) => flag,
            other => unreachable!("{name} is a BOOLEAN with a value, not {other}"),
        }
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.value(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn list(&mut self, name: &str) -> Option<Vec<String>> {
        match self.value(name) {
            Value::List(items) => Some(items),
            _ => None,
        }
    }
}
