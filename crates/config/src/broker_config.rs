//! The configuration of one node, resolved into small structs with one field per value that the broker uses.
//!
//! Owns the rules that span broker keys. Opens no file: the command line reads the text and passes it in.

use std::collections::BTreeMap;

use crate::config_def::{DefaultValue, find};
use crate::config_error::ConfigError;
use crate::keys::{BROKER, BROKER_DYNAMIC_ONLY, TOPIC, obsolete};
use crate::layers::{LayerReader, Layers};
use crate::listener::{self, Endpoint, SecurityProtocol};
use crate::notice::{self, Notice};
use crate::synonyms::{listener_override_base, topic_synonyms};
use crate::topic_config::TopicConfig;
use crate::value::{self, Value};

mod sections;

pub use sections::{
    CleanerConfig, ConnectionConfig, GroupConfig, LogDirConfig, MetadataLogConfig, QuorumConfig,
    TransactionConfig,
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
    /// The log of cluster metadata and registration with the controller.
    pub metadata_log: MetadataLogConfig,
    /// Raft.
    pub quorum: QuorumConfig,
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
        let layers = Layers { file, ..Layers::default() };
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

    /// The same node after a change at run time: `cluster` is set for all brokers, `node` for this one.
    /// A stored value that is refused is passed over, so that a node always starts.
    pub fn with_dynamic(
        &self,
        cluster: &BTreeMap<String, String>,
        node: &BTreeMap<String, String>,
    ) -> BrokerConfig {
        let keep = |layer: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let is_good = |(name, text): &(&String, &String)| check_dynamic(name, text).is_ok();
            layer.iter().filter(is_good).map(|(name, text)| (name.clone(), text.clone())).collect()
        };
        let layers = Layers { file: self.layers.file.clone(), cluster: keep(cluster), node: keep(node) };
        let (config, errors) = BrokerConfig::resolve(layers);
        if errors.is_empty() { config } else { self.clone() }
    }

    /// Validates a change of broker configs: `is_cluster_default` when it is for all brokers.
    ///
    /// # Errors
    /// A key is unknown, read-only, not to be set for all brokers, or its value is refused.
    pub fn validate_dynamic(
        &self,
        changes: &BTreeMap<String, String>,
        is_cluster_default: bool,
    ) -> Result<(), ConfigError> {
        use crate::config_def::UpdateMode;
        for (name, text) in changes {
            let def = check_dynamic(name, text)?;
            let is_listener_key = listener_override_base(name).is_some();
            if is_cluster_default && (def.update_mode == UpdateMode::PerBroker || is_listener_key) {
                return Err(ConfigError::request(format!(
                    "Cannot update these configs at default cluster level: {name}. It is set for one broker."
                )));
            }
        }
        let mut layers = self.layers.clone();
        let layer = if is_cluster_default { &mut layers.cluster } else { &mut layers.node };
        layer.extend(changes.iter().map(|(name, text)| (name.clone(), text.clone())));
        match BrokerConfig::resolve(layers).1.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(()),
        }
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
            inter_broker_listener_name: addresses.inter_broker,
            auto_create_topics_enable: read.flag("auto.create.topics.enable"),
            delete_topic_enable: read.flag("delete.topic.enable"),
            num_partitions: read.int("num.partitions"),
            default_replication_factor: read.int("default.replication.factor"),
            fetch_max_bytes: read.int("fetch.max.bytes"),
            max_incremental_fetch_session_cache_slots: read.int("max.incremental.fetch.session.cache.slots"),
            max_request_partition_size_limit: read.int("max.request.partition.size.limit"),
            request_timeout_ms: read.int("request.timeout.ms"),
            unstable_api_versions_enable: read.flag("unstable.api.versions.enable"),
            connection: ConnectionConfig::read(read),
            log_dir: LogDirConfig::read(read),
            cleaner: CleanerConfig::read(read),
            group: GroupConfig::read(read),
            transaction: TransactionConfig::read(read),
            metadata_log: MetadataLogConfig::read(read),
            quorum: QuorumConfig::read(read),
            topic_defaults: topic_defaults(&layers),
            layers: Layers::default(),
        };
        check_rules(&config, read);
        let errors = reader.finish();
        (BrokerConfig { layers, ..config }, errors)
    }
}

/// Checks a key of a file by name and value.
fn check_key(name: &str, text: &str) -> Result<Option<Notice>, ConfigError> {
    if let Some(def) = find(BROKER, name) {
        value::parse(def, Some(text))?;
        return Ok(notice::of_known_key(def, text));
    }
    if let Some(base) = listener_override_base(name) {
        let is_known = BROKER.iter().any(|def| base == def.name || base.ends_with(&format!(".{}", def.name)));
        if is_known {
            return Ok(Some(Notice::not_yet(name, "settings for single listeners are not built yet")));
        }
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

fn check_dynamic(name: &str, text: &str) -> Result<&'static crate::config_def::ConfigDef, ConfigError> {
    let base = listener_override_base(name).unwrap_or(name);
    let Some(def) = find(BROKER, base).or_else(|| find(BROKER_DYNAMIC_ONLY, base)) else {
        return Err(ConfigError::invalid(notice::unknown_key(name)));
    };
    if def.is_read_only() {
        return Err(ConfigError::request(format!("Cannot update these configs dynamically: {name}")));
    }
    value::parse(def, Some(text)).map(|_| def)
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
        let (controller, listeners) = all.into_iter().partition(|endpoint| is_controller(endpoint));
        let advertised = advertised.map(|all| all.into_iter().filter(|one| !is_controller(one)).collect());
        let inter_broker = read
            .text("inter.broker.listener.name")
            .or_else(|| read.text("security.inter.broker.protocol"))
            .unwrap_or_default()
            .to_ascii_uppercase();
        Addresses { listeners, advertised, controller, inter_broker }
    }
}

fn check_rules(config: &BrokerConfig, read: &mut LayerReader<'_>) {
    check_roles(config, read);
    check_listeners(config, read);
    let mut require = |is_met: bool, message: &str| {
        if !is_met {
            read.refuse(ConfigError::invalid(message));
        }
    };
    let topic = &config.topic_defaults;
    require(topic.segment_ms >= 1, "log.roll.ms must be greater than or equal to 1");
    require(topic.segment_jitter_ms >= 0, "log.roll.jitter.ms must be greater than or equal to 0");
    require(
        topic.retention_ms >= 1 || topic.retention_ms == -1,
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    );
    require(
        topic.min_compaction_lag_ms <= topic.max_compaction_lag_ms,
        "log.cleaner.min.compaction.lag.ms must not be greater than log.cleaner.max.compaction.lag.ms",
    );
    let connection = &config.connection;
    require(
        connection.queued_max_request_bytes <= 0
            || connection.queued_max_request_bytes >= i64::from(connection.socket_request_max_bytes),
        "queued.max.request.bytes must be larger or equal to socket.request.max.bytes",
    );
    let group = &config.group;
    require(
        group.min_session_timeout_ms <= group.max_session_timeout_ms,
        "group.min.session.timeout.ms must not be greater than group.max.session.timeout.ms",
    );
    require(group.offset_metadata_max_bytes >= 0, "offset.metadata.max.bytes must not be negative");
}

fn check_roles(config: &BrokerConfig, read: &mut LayerReader<'_>) {
    let broker_id = read.int("broker.id");
    let roles = read.list("process.roles").unwrap_or_default();
    let voters = read.list("controller.quorum.voters").unwrap_or_default();
    if broker_id != config.node_id {
        read.refuse(ConfigError::invalid(format!(
            "node.id ({}) and broker.id ({broker_id}) are two names of one value; remove broker.id",
            config.node_id
        )));
    }
    if roles.len() != 2 {
        read.refuse(ConfigError::invalid(format!(
            "process.roles={} is not possible yet: every Klamm node is broker and controller; \
             set process.roles=broker,controller or remove the line",
            roles.join(",")
        )));
    }
    let own = format!("{}@", config.node_id);
    let has_others = voters.len() > 1 || voters.first().is_some_and(|voter| !voter.starts_with(&own));
    if has_others {
        read.refuse(ConfigError::invalid(format!(
            "controller.quorum.voters={} names other nodes, and clusters of several nodes are not possible yet; \
             name only node {} or remove the line",
            voters.join(","),
            config.node_id
        )));
    }
}

fn check_listeners(config: &BrokerConfig, read: &mut LayerReader<'_>) {
    if config.listeners.is_empty() {
        read.refuse(ConfigError::invalid(
            "There must be at least one broker listener. Perhaps all listeners appear in controller.listener.names?",
        ));
    }
    for endpoint in config.listeners.iter().chain(&config.controller_listeners) {
        if endpoint.security_protocol != SecurityProtocol::Plaintext {
            read.refuse(ConfigError::invalid(format!(
                "listener {endpoint} speaks {}, and only PLAINTEXT is possible yet; \
                 change listeners or listener.security.protocol.map",
                endpoint.security_protocol.name()
            )));
        }
    }
    let is_bound = |name: &str| config.listeners.iter().any(|endpoint| endpoint.listener_name == name);
    for endpoint in config.advertised_listeners.iter().flatten() {
        if !is_bound(&endpoint.listener_name) {
            read.refuse(ConfigError::invalid(format!(
                "advertised.listeners names {}, which is not among listeners",
                endpoint.listener_name
            )));
        }
        if matches!(endpoint.host.as_deref(), None | Some("0.0.0.0" | "::")) {
            read.refuse(ConfigError::invalid(format!(
                "advertised.listeners={endpoint} gives clients no address they can reach; \
                 write a host name or address, or remove the line and Klamm answers each client with one that it can reach"
            )));
        }
    }
    let named_inter_broker = read.text("inter.broker.listener.name");
    if let Some(name) = named_inter_broker.filter(|name| !is_bound(&name.to_ascii_uppercase())) {
        read.refuse(ConfigError::invalid(format!(
            "inter.broker.listener.name={name} is not among listeners"
        )));
    }
}

#[cfg(test)]
mod tests;
