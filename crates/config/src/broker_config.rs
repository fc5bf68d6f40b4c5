//! The configuration of one node, resolved into small structs with one field per value that the broker uses.
//!
//! Owns the rules that span broker keys. Opens no file: the command line reads the text and passes it in.

use std::collections::BTreeMap;

use crate::config_def::{ConfigDef, DefaultValue, Effect, find};
use crate::config_error::ConfigError;
use crate::keys::{BROKER, TOPIC, obsolete};
use crate::layers::{LayerReader, Layers};
use crate::listener::{self, Endpoint, SecurityProtocol};
use crate::notice::{self, Notice};
use crate::synonyms::{listener_override_base, topic_synonyms};
use crate::topic_config::TopicConfig;
use crate::value::{self, Value};

mod dynamic;
mod reconfiguration;
mod rules;
mod sections;

pub use dynamic::DynamicTarget;
pub use sections::{
    CleanerConfig, ConnectionConfig, GroupConfig, ListenerConnectionConfig, LogDirConfig, MetadataLogConfig,
    QuorumConfig, QuotaConfig, StateTopicConfig, TransactionConfig, WalSizes,
};

/// Prefixes of keys that belong to plugins and are kept unchecked.
const PLUGIN_PREFIXES: [&str; 3] = ["config.providers.", "rlmm.config.", "rsm.config."];

/// Everything a node is told at its start, and what was changed since.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerConfig {
    /// `node.id`.
    pub node_id: i32,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `listeners` without those of the controller.
    pub listeners: Vec<Endpoint>,
    /// `advertised.listeners` of the broker; `None` when unset: then each connection is told an address it can reach.
    pub advertised_listeners: Option<Vec<Endpoint>>,
    /// Those of `listeners` that `controller.listener.names` names.
    pub controller_listeners: Vec<Endpoint>,
    /// What voters and clients are told of them: the entries of `advertised.listeners`, else the listeners themselves.
    pub advertised_controller_listeners: Vec<Endpoint>,
    /// `inter.broker.listener.name`, or the listener of `security.inter.broker.protocol`.
    pub inter_broker_listener_name: String,
    /// `auto.create.topics.enable`.
    pub auto_create_topics_enable: bool,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`.
    pub default_replication_factor: i32,
    /// `fetch.max.bytes`: most bytes in one fetch response.
    pub fetch_max_bytes: i32,
    /// `max.incremental.fetch.session.cache.slots`.
    pub max_incremental_fetch_session_cache_slots: i32,
    /// `max.request.partition.size.limit`: most partitions in one DescribeTopicPartitions answer.
    pub max_request_partition_size_limit: i32,
    /// `request.timeout.ms`.
    pub request_timeout_ms: i32,
    /// `server.max.startup.time.ms`: a node that is not ready by then ends.
    pub server_max_startup_time_ms: i64,
    /// `unstable.api.versions.enable`.
    pub unstable_api_versions_enable: bool,
    /// Sockets.
    pub connection: ConnectionConfig,
    /// Log directories and their upkeep.
    pub log_dir: LogDirConfig,
    /// Compaction.
    pub cleaner: CleanerConfig,
    /// Groups and committed offsets.
    pub group: GroupConfig,
    /// Producer ids and transactions.
    pub transaction: TransactionConfig,
    /// `share.coordinator.state.topic.*`.
    pub share_state_topic: StateTopicConfig,
    /// The log of cluster metadata and registration with the controller.
    pub metadata_log: MetadataLogConfig,
    /// Raft.
    pub quorum: QuorumConfig,
    /// `metrics.http.listener`: where metrics are shown.
    pub metrics_http_listener: Option<String>,
    /// `telemetry.max.bytes`: largest push of a client's metrics.
    pub telemetry_max_bytes: i32,
    /// Client quotas.
    pub quota: QuotaConfig,
    /// What a topic without overrides gets.
    pub topic_defaults: TopicConfig,
    /// What was set, for DescribeConfigs.
    pub layers: Layers,
}

/// A configuration, and what its author should hear about it.
#[derive(Debug, Clone)]
pub struct LoadedConfig {
    /// The configuration.
    pub config: BrokerConfig,
    /// One line each, in the order of the keys.
    pub notices: Vec<Notice>,
}

impl BrokerConfig {
    /// Builds the configuration from what the file and the command line set.
    ///
    /// Unset keys that Kafka wants set (`node.id`, `process.roles`, `controller.listener.names`) default to a single
    /// node that is broker and controller; the replication factors of internal topics then default to 1.
    ///
    /// # Errors
    /// All refusals at once: unknown keys (with the nearest known one), bad values, keys that contradict each other.
    pub fn from_properties(properties: BTreeMap<String, String>) -> Result<LoadedConfig, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut notices = Vec::new();
        for (name, text) in &properties {
            match check_key(name, text) {
                Ok(notice) => notices.extend(notice),
                Err(error) => errors.push(error),
            }
        }
        let mut file = properties;
        apply_single_node_defaults(&mut file);
        let layers = Layers::new(file, BTreeMap::new(), BTreeMap::new());
        let (config, rule_errors) = BrokerConfig::resolve(layers);
        errors.extend(rule_errors);
        if !config.controller_listeners.is_empty() {
            let reason = "no other node joins the quorum yet, so the controller's listener is not opened";
            notices.push(Notice::not_yet("controller.listener.names", reason));
        }
        if errors.is_empty() { Ok(LoadedConfig { config, notices }) } else { Err(errors) }
    }

    /// As [`BrokerConfig::from_properties`], from literal pairs.
    ///
    /// # Errors
    /// As there.
    pub fn from_pairs(pairs: &[(&str, &str)]) -> Result<BrokerConfig, Vec<ConfigError>> {
        let properties = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        BrokerConfig::from_properties(properties).map(|loaded| loaded.config)
    }

    /// The effective value of any broker key, `None` for a name that is in no table.
    pub fn value(&self, name: &str) -> Option<Value> {
        find(BROKER, name).map(|def| self.layers.value(def).unwrap_or_else(|_| value::default_value(def)))
    }

    /// Resolves the layers; every value that cannot be used is among the errors.
    fn resolve(layers: Layers) -> (BrokerConfig, Vec<ConfigError>) {
        let mut reader = LayerReader::new(&layers);
        let read = &mut reader;
        let addresses = Addresses::read(read);
        let config = BrokerConfig {
            node_id: read.int("node.id"),
            rack: read.text("broker.rack"),
            listeners: addresses.listeners,
            advertised_listeners: addresses.advertised,
            controller_listeners: addresses.controller,
            advertised_controller_listeners: addresses.advertised_controller,
            inter_broker_listener_name: addresses.inter_broker,
            auto_create_topics_enable: read.flag("auto.create.topics.enable"),
            delete_topic_enable: read.flag("delete.topic.enable"),
            num_partitions: read.int("num.partitions"),
            default_replication_factor: read.int("default.replication.factor"),
            fetch_max_bytes: read.int("fetch.max.bytes"),
            max_incremental_fetch_session_cache_slots: read.int("max.incremental.fetch.session.cache.slots"),
            max_request_partition_size_limit: read.int("max.request.partition.size.limit"),
            request_timeout_ms: read.int("request.timeout.ms"),
            server_max_startup_time_ms: read.long("server.max.startup.time.ms"),
            unstable_api_versions_enable: read.flag("unstable.api.versions.enable"),
            connection: ConnectionConfig::read(read),
            log_dir: LogDirConfig::read(read),
            cleaner: CleanerConfig::read(read),
            group: GroupConfig::read(read),
            transaction: TransactionConfig::read(read),
            share_state_topic: StateTopicConfig::of_share_groups(read),
            metadata_log: MetadataLogConfig::read(read),
            quorum: QuorumConfig::read(read),
            metrics_http_listener: read.text("metrics.http.listener"),
            telemetry_max_bytes: read.int("telemetry.max.bytes"),
            quota: QuotaConfig::read(read),
            topic_defaults: topic_defaults(&layers),
            layers: Layers::default(),
        };
        rules::check(&config, read);
        let errors = reader.finish();
        (BrokerConfig { layers, ..config }, errors)
    }
}

/// Keys that a listener may have for itself.
const LISTENER_LIMITS: [&str; 2] = ["max.connection.creation.rate", "max.connections"];

/// The key behind the prefix of a listener, and perhaps that of a SASL mechanism.
fn overridden(base: &str) -> Option<&'static ConfigDef> {
    find(BROKER, base).or_else(|| BROKER.iter().find(|def| base.ends_with(&format!(".{}", def.name))))
}

/// Checks a key of a file by name and value.
fn check_key(name: &str, text: &str) -> Result<Option<Notice>, ConfigError> {
    if let Some(def) = find(BROKER, name) {
        value::parse(def, Some(text))?;
        notice::check_refused(def, name, text)?;
        return Ok(notice::of_known_key(def, text));
    }
    if let Some(def) = listener_override_base(name).and_then(overridden) {
        value::parse(def, Some(text))?;
        notice::check_refused(def, name, text)?;
        return Ok(match def.effect {
            Effect::Enforced if LISTENER_LIMITS.contains(&def.name) => None,
            Effect::NotYet(reason) => Some(Notice::not_yet(name, reason)),
            Effect::Meaningless(reason) => Some(Notice::meaningless(name, reason)),
            Effect::Enforced | Effect::Refused(_) => {
                Some(Notice::meaningless(name, "it cannot be set for a single listener, in Kafka neither"))
            }
        });
    }
    if let Some(notice) = notice::of_authorizer_key(name, text)? {
        return Ok(Some(notice));
    }
    if PLUGIN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(Some(Notice::meaningless(name, "it configures a Java plugin, and Klamm loads none")));
    }
    match obsolete(name) {
        Some(old) if old.is_refused => Err(ConfigError::invalid(format!("{name} is gone: {}", old.reason))),
        Some(old) => Ok(Some(Notice::meaningless(name, old.reason))),
        None => Err(ConfigError::invalid(notice::unknown_key(name))),
    }
}

/// Fills what a node that stands alone need not say.
fn apply_single_node_defaults(file: &mut BTreeMap<String, String>) {
    const DEFAULTS: [(&str, &str); 7] = [
        ("process.roles", "broker,controller"),
        ("controller.listener.names", "CONTROLLER"),
        ("offsets.topic.replication.factor", "1"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("share.coordinator.state.topic.replication.factor", "1"),
        ("share.coordinator.state.topic.min.isr", "1"),
    ];
    for (name, text) in DEFAULTS {
        file.entry(name.to_owned()).or_insert_with(|| text.to_owned());
    }
    // `broker.id` and `node.id` are two names of one value.
    let id = file.get("node.id").or_else(|| file.get("broker.id")).cloned().unwrap_or_else(|| "1".to_owned());
    for name in ["node.id", "broker.id"] {
        file.entry(name.to_owned()).or_insert_with(|| id.clone());
    }
}

fn topic_defaults(layers: &Layers) -> TopicConfig {
    let mut config = TopicConfig::default();
    for def in TOPIC {
        let value = broker_value_for_topic(layers, def.name);
        if let Some(value) = value {
            config.set(def, &value);
        }
    }
    config
}

/// What the broker keys say about a topic key; `None` when no broker key stands in for it.
pub(crate) fn broker_value_for_topic(layers: &Layers, topic_key: &str) -> Option<Value> {
    topic_synonyms(topic_key).iter().find_map(|synonym| {
        let def = find(BROKER, synonym.name).expect("synonyms.rs names only keys of the table");
        let is_unset = layers.get(def.name).is_none();
        if is_unset && def.default == DefaultValue::Null {
            return None;
        }
        let value = layers.value(def).unwrap_or_else(|_| value::default_value(def));
        Some(match (value, topic_key) {
            (Value::Int(number), _) if synonym.factor > 1 => {
                let product = i64::from(number) * synonym.factor;
                Value::Long(if topic_key == "retention.ms" { product.max(-1) } else { product })
            }
            (Value::Long(number), "retention.ms") => Value::Long(number.max(-1)),
            (value, _) => value,
        })
    })
}

/// All that follows from the listener keys.
struct Addresses {
    listeners: Vec<Endpoint>,
    advertised: Option<Vec<Endpoint>>,
    controller: Vec<Endpoint>,
    advertised_controller: Vec<Endpoint>,
    inter_broker: String,
}

impl Addresses {
    fn read(read: &mut LayerReader<'_>) -> Addresses {
        let upper =
            |names: Vec<String>| names.iter().map(|name| name.to_ascii_uppercase()).collect::<Vec<_>>();
        let controller_names = upper(read.list("controller.listener.names").unwrap_or_default());
        let map_text = read.text("listener.security.protocol.map").unwrap_or_default();
        let mut protocols = listener::parse_protocol_map(&map_text).unwrap_or_else(|error| {
            read.refuse(error);
            BTreeMap::new()
        });
        for name in &controller_names {
            protocols.entry(name.clone()).or_insert(SecurityProtocol::Plaintext);
        }
        let mut endpoints = |key: &str| {
            let entries = read.list(key)?;
            match listener::parse_endpoints(key, &entries, &protocols) {
                Ok(endpoints) => Some(endpoints),
                Err(error) => {
                    read.refuse(error);
                    None
                }
            }
        };
        let all = endpoints("listeners").unwrap_or_default();
        let advertised = endpoints("advertised.listeners");
        if let Err(error) = listener::check_distinct_ports(&all) {
            read.refuse(error);
        }
        let is_controller = |endpoint: &Endpoint| controller_names.contains(&endpoint.listener_name);
        let (controller, listeners): (Vec<_>, _) =
            all.into_iter().partition(|endpoint| is_controller(endpoint));
        let said = |own: &Endpoint| {
            let advertised = advertised.iter().flatten().find(|one| one.listener_name == own.listener_name);
            advertised.unwrap_or(own).clone()
        };
        let advertised_controller = controller.iter().map(said).collect();
        let advertised = advertised.map(|all| all.into_iter().filter(|one| !is_controller(one)).collect());
        let inter_broker = read
            .text("inter.broker.listener.name")
            .or_else(|| read.text("security.inter.broker.protocol"))
            .unwrap_or_default()
            .to_ascii_uppercase();
        Addresses { listeners, advertised, controller, advertised_controller, inter_broker }
    }
}

#[cfg(test)]
mod tests;
