//! Configuration: one definition per key, and everything that follows from it.
//!
//! Owns names, types, defaults, rules, documentation and the resolved structs that other rooms receive.
//! Never opens a file, reads a clock or knows the wire protocol: text comes in, values go out.

mod config_def;
mod config_error;
mod value;

mod validator;

pub mod keys;

mod broker_config;
mod layers;
mod listener;
mod notice;
mod properties;
mod resource_config;
mod synonyms;
mod topic_config;

mod describe;

pub use broker_config::{
    BrokerConfig, CleanerConfig, ConnectionConfig, DynamicTarget, GroupConfig, ListenerConnectionConfig,
    LoadedConfig, LogDirConfig, MetadataLogConfig, QuorumConfig, QuotaConfig, StateTopicConfig,
    TransactionConfig, WalSizes,
};
pub use config_def::{ConfigDef, ConfigType, DefaultValue, Effect, Importance, UpdateMode, find};
pub use config_error::{ConfigError, ConfigErrorKind};
pub use describe::{
    ConfigEntry, ConfigSynonym, describe_broker, describe_client_metrics, describe_cluster_default,
    describe_group, describe_new_topic, describe_topic,
};
pub use layers::{ConfigSource, Layers};
pub use listener::{Endpoint, SecurityProtocol, parse_endpoints, parse_protocol_map};
pub use notice::{Notice, nearest};
pub use properties::{PROPERTIES_BYTES_MAX, parse_properties};
pub use resource_config::{client_match, validate_client_metrics, validate_group_configs};
pub use synonyms::{Synonym, broker_synonyms, group_synonym, topic_synonyms};
pub use topic_config::{
    CleanupPolicy, CompressionType, TimestampType, TopicConfig, validate_topic_config, validate_topic_configs,
};
pub use validator::Validator;
pub use value::{Value, parse, parse_type};
