//! The view of configurations that DescribeConfigs returns: every key with value, source and synonyms.
//!
//! Owns no state; everything is computed from a `BrokerConfig` and the overrides of one resource.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::broker_config::{BrokerConfig, broker_value_for_topic};
use crate::config_def::{ConfigDef, ConfigType, find};
use crate::keys::{BROKER, BROKER_DYNAMIC_ONLY, CLIENT_METRICS, GROUP, TOPIC};
use crate::layers::ConfigSource;
use crate::synonyms::{broker_synonyms, group_synonym, listener_override_key, topic_synonyms};
use crate::value::{self, Value};

/// Another name under which a value is set, strongest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// Name of the key.
    pub name: Cow<'static, str>,
    /// Its text; `None` when it is sensitive.
    pub value: Option<String>,
    /// Where it is set.
    pub source: ConfigSource,
}

/// One key as DescribeConfigs shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Name of the key.
    pub name: Cow<'static, str>,
    /// Effective value; `None` when there is none or it is sensitive.
    pub value: Option<String>,
    /// Where the effective value comes from.
    pub source: ConfigSource,
    /// True when it can only change with a restart.
    pub is_read_only: bool,
    /// True when the value is never shown.
    pub is_sensitive: bool,
    /// All places that set it.
    pub synonyms: Vec<ConfigSynonym>,
    /// Type; `None` for a key that is in no table (`UNKNOWN` on the wire).
    pub kind: Option<ConfigType>,
    /// What it does; `None` for a name that is in no table of documented keys.
    pub documentation: Option<&'static str>,
}

impl ConfigEntry {
    /// True when nobody set the key (`IsDefault` of DescribeConfigs v0).
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }
}

/// Sorted keys of a topic with these overrides.
pub fn describe_topic(broker: &BrokerConfig, overrides: &BTreeMap<String, String>) -> Vec<ConfigEntry> {
    let is_shown = |def: &&ConfigDef| !def.internal || overrides.contains_key(def.name);
    let known = TOPIC.iter().filter(is_shown).map(|def| {
        let inherited =
            || broker_value_for_topic(&broker.layers, def.name).unwrap_or_else(|| value::default_value(def));
        let synonyms = match topic_synonyms(def.name).first() {
            Some(first) => broker_synonym_list(broker, first.name, def.is_sensitive()),
            None => Vec::new(),
        };
        let own = overrides.get(def.name).map(|text| (text, ConfigSource::Topic));
        resource_entry(def, own, inherited, synonyms)
    });
    let unknown = overrides.iter().filter(|(name, _)| find(TOPIC, name).is_none()).map(unknown_entry);
    sorted(known.chain(unknown))
}

/// Sorted keys of a group with these overrides.
pub fn describe_group(broker: &BrokerConfig, overrides: &BTreeMap<String, String>) -> Vec<ConfigEntry> {
    let is_shown = |def: &&ConfigDef| !def.internal || overrides.contains_key(def.name);
    let known = GROUP.iter().filter(is_shown).map(|def| {
        let own = overrides.get(def.name).map(|text| (text, ConfigSource::Group));
        match group_synonym(def.name) {
            Some(broker_key) => {
                let inherited = || first_item(def, broker.value(broker_key).unwrap_or(Value::Null));
                resource_entry(def, own, inherited, broker_synonym_list(broker, broker_key, false))
            }
            None => {
                let built_in = def.default_text().map(|text| ConfigSynonym {
                    name: Cow::Borrowed(def.name),
                    value: Some(text.to_owned()),
                    source: ConfigSource::Default,
                });
                resource_entry(def, own, || value::default_value(def), built_in.into_iter().collect())
            }
        }
    });
    sorted(known)
}

/// Sorted keys of a client-metrics subscription with these overrides.
pub fn describe_client_metrics(overrides: &BTreeMap<String, String>) -> Vec<ConfigEntry> {
    sorted(CLIENT_METRICS.iter().map(|def| {
        let own = overrides.get(def.name).map(|text| (text, ConfigSource::ClientMetrics));
        resource_entry(def, own, || value::default_value(def), Vec::new())
    }))
}

/// Keys of a topic that is being created with these overrides, sorted: texts as somebody wrote them, never parsed, and
/// no synonyms. CreateTopics answers with them.
pub fn describe_new_topic(broker: &BrokerConfig, overrides: &BTreeMap<String, String>) -> Vec<ConfigEntry> {
    let is_shown = |def: &&ConfigDef| !def.internal || overrides.contains_key(def.name);
    let entries = TOPIC.iter().filter(is_shown).map(|def| {
        let (value, source) = match overrides.get(def.name) {
            Some(text) => (Some(text.clone()), ConfigSource::Topic),
            None => written_for_topic(broker, def)
                .unwrap_or_else(|| (value::default_value(def).to_text(), ConfigSource::Default)),
        };
        ConfigEntry {
            name: Cow::Borrowed(def.name),
            value,
            source,
            is_read_only: false,
            is_sensitive: def.is_sensitive(),
            synonyms: Vec::new(),
            kind: Some(def.kind),
            documentation: Some(def.documentation),
        }
    });
    sorted(entries)
}

/// What is written under the broker keys that stand in for a topic key: strongest layer first, in it the finest unit.
fn written_for_topic(broker: &BrokerConfig, def: &ConfigDef) -> Option<(Option<String>, ConfigSource)> {
    broker.layers.iter().find_map(|(layer, source)| {
        topic_synonyms(def.name).iter().find_map(|synonym| {
            let text = layer.get(synonym.name)?;
            let text = match synonym.factor {
                1 => text.clone(),
                factor => (text.trim().parse::<i64>().unwrap_or(0).saturating_mul(factor)).to_string(),
            };
            Some((Some(text), source))
        })
    })
}

/// Sorted keys of this broker.
pub fn describe_broker(broker: &BrokerConfig) -> Vec<ConfigEntry> {
    let is_shown = |def: &ConfigDef| !def.internal;
    let known = BROKER.iter().filter(|def| is_shown(def)).map(|def| {
        let shown = broker.layers.value(def).unwrap_or_else(|_| value::default_value(def));
        broker_entry(broker, Cow::Borrowed(def.name), shown.to_text())
    });
    let is_other = |name: &str| find(BROKER, name).is_none_or(|def| def.internal);
    let others = broker.layers.effective().iter().filter(|(name, _)| is_other(name));
    let others =
        others.map(|(name, text)| broker_entry(broker, Cow::Owned(name.clone()), Some(text.clone())));
    sorted(known.chain(others))
}

/// What is set for all brokers at run time, sorted.
pub fn describe_cluster_default(broker: &BrokerConfig) -> Vec<ConfigEntry> {
    let entries = broker.layers.cluster().iter().map(|(name, text)| {
        let mut entry = broker_entry(broker, Cow::Owned(name.clone()), Some(text.clone()));
        entry.synonyms.retain(|synonym| synonym.source == ConfigSource::DynamicDefaultBroker);
        entry.source = entry.synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source);
        entry
    });
    sorted(entries)
}

/// The key that gives a broker setting its type: itself, or what it overrides for one listener.
fn typing_definition(name: &str) -> Option<&'static ConfigDef> {
    let own = find(BROKER, name).or_else(|| find(BROKER_DYNAMIC_ONLY, name));
    own.or_else(|| find(BROKER, listener_override_key(name)?))
}

fn broker_entry(broker: &BrokerConfig, name: Cow<'static, str>, value: Option<String>) -> ConfigEntry {
    let kind = typing_definition(&name).map(|def| def.kind);
    let is_sensitive = kind.is_none_or(|kind| kind == ConfigType::Password);
    let synonyms = broker_synonym_list(broker, &name, is_sensitive);
    let documented = find(BROKER, &name);
    let is_dynamic =
        documented.or_else(|| find(BROKER_DYNAMIC_ONLY, &name)).is_some_and(|def| !def.is_read_only());
    ConfigEntry {
        value: if is_sensitive { None } else { value },
        source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
        is_read_only: !is_dynamic,
        is_sensitive,
        synonyms,
        kind,
        documentation: documented.map(|def| def.documentation),
        name,
    }
}

/// All settings of a broker key under its own and its other names, strongest first. Settings that stand before the first
/// one under the key's own name are left out, as in Kafka: they override other keys, not this one.
fn broker_synonym_list(broker: &BrokerConfig, name: &str, is_sensitive: bool) -> Vec<ConfigSynonym> {
    let overridden = listener_override_key(name);
    let names: Vec<&str> = match broker_synonyms(name) {
        Some(group) => group.iter().map(|synonym| synonym.name).collect(),
        None => std::iter::once(name).chain(overridden).collect(),
    };
    let shown = |text: &str| (!is_sensitive).then(|| text.to_owned());
    let mut list = Vec::new();
    for (layer, source) in broker.layers.iter() {
        for name in &names {
            if let Some(text) = layer.get(*name) {
                list.push(ConfigSynonym { name: key_name(name), value: shown(text), source });
            }
        }
    }
    for name in &names {
        if let Some(text) = find(BROKER, name).and_then(ConfigDef::default_text) {
            list.push(ConfigSynonym {
                name: key_name(name),
                value: shown(text),
                source: ConfigSource::Default,
            });
        }
    }
    let start = list.iter().position(|synonym| synonym.name == name).unwrap_or(list.len());
    list.split_off(start)
}

fn key_name(name: &str) -> Cow<'static, str> {
    match find(BROKER, name) {
        Some(def) => Cow::Borrowed(def.name),
        None => Cow::Owned(name.to_owned()),
    }
}

/// A STRING key that inherits from a LIST key takes the first item.
fn first_item(def: &ConfigDef, value: Value) -> Value {
    match value {
        Value::List(items) if def.kind != ConfigType::List => {
            items.into_iter().next().map_or(Value::Null, Value::Text)
        }
        other => other,
    }
}

fn resource_entry(
    def: &'static ConfigDef,
    own: Option<(&String, ConfigSource)>,
    inherited: impl FnOnce() -> Value,
    mut synonyms: Vec<ConfigSynonym>,
) -> ConfigEntry {
    let value = match own {
        Some((text, source)) => {
            let text = value::parse(def, Some(text)).ok().and_then(|value| value.to_text());
            synonyms.insert(0, ConfigSynonym { name: Cow::Borrowed(def.name), value: text.clone(), source });
            text
        }
        None => inherited().to_text(),
    };
    ConfigEntry {
        name: Cow::Borrowed(def.name),
        value,
        source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
        is_read_only: false,
        is_sensitive: false,
        synonyms,
        kind: Some(def.kind),
        documentation: Some(def.documentation),
    }
}

/// A stored override that is in no table (written by other software): shown by name, never by value.
fn unknown_entry((name, _): (&String, &String)) -> ConfigEntry {
    ConfigEntry {
        name: Cow::Owned(name.clone()),
        value: None,
        source: ConfigSource::Topic,
        is_read_only: false,
        is_sensitive: true,
        synonyms: vec![ConfigSynonym {
            name: Cow::Owned(name.clone()),
            value: None,
            source: ConfigSource::Topic,
        }],
        kind: None,
        documentation: None,
    }
}

fn sorted(entries: impl Iterator<Item = ConfigEntry>) -> Vec<ConfigEntry> {
    let mut entries: Vec<ConfigEntry> = entries.collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

#[cfg(test)]
mod tests;
