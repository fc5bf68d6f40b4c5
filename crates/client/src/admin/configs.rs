//! Reading and changing configs.
//!
//! Owns the requests for it. It never judges a value: the cluster does.

use std::collections::BTreeMap;

use protocol::describe_configs_request::DescribeConfigsResource;
use protocol::describe_configs_response::DescribeConfigsResourceResult;
use protocol::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::{
    DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, ListConfigResourcesRequest, ListConfigResourcesResponse,
};

use super::{Admin, Outcomes};
use crate::cluster::Lane;
use crate::connection::Connection;
use crate::error::ClientError;

/// What has configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ResourceKind {
    /// A topic.
    Topic = 2,
    /// A broker by its node id; an empty name is the default of all brokers.
    Broker = 4,
    /// The loggers of a broker.
    BrokerLogger = 8,
    /// A subscription of client metrics (KIP-714).
    ClientMetrics = 16,
    /// A group (KIP-848).
    Group = 32,
}

/// A thing that has configs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigResource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name.
    pub name: String,
}

impl ConfigResource {
    /// A topic's configs.
    pub fn topic(name: impl Into<String>) -> ConfigResource {
        ConfigResource { kind: ResourceKind::Topic, name: name.into() }
    }

    /// A broker's configs.
    pub fn broker(id: i32) -> ConfigResource {
        ConfigResource { kind: ResourceKind::Broker, name: id.to_string() }
    }

    /// The node that must be asked, if it cannot be any.
    fn node(&self) -> Option<i32> {
        match self.kind {
            ResourceKind::Broker | ResourceKind::BrokerLogger => self.name.parse().ok(),
            _ => None,
        }
    }
}

impl std::fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            ResourceKind::Topic => "topic",
            ResourceKind::Broker => "broker",
            ResourceKind::BrokerLogger => "loggers of broker",
            ResourceKind::ClientMetrics => "client metrics",
            ResourceKind::Group => "group",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// Where a config's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// Set on this broker at run time.
    DynamicBroker,
    /// Set on all brokers at run time.
    DynamicDefaultBroker,
    /// From the broker's properties file.
    StaticBroker,
    /// Nobody set it.
    Default,
    /// Set on the broker's logger.
    BrokerLogger,
    /// Set on the client-metrics subscription.
    ClientMetrics,
    /// Set on the group.
    Group,
    /// A source this client does not know, by its number.
    Unknown(i8),
}

impl ConfigSource {
    fn from_wire(source: i8) -> ConfigSource {
        match source {
            1 => ConfigSource::Topic,
            2 => ConfigSource::DynamicBroker,
            3 => ConfigSource::DynamicDefaultBroker,
            4 => ConfigSource::StaticBroker,
            5 => ConfigSource::Default,
            6 => ConfigSource::BrokerLogger,
            7 => ConfigSource::ClientMetrics,
            8 => ConfigSource::Group,
            other => ConfigSource::Unknown(other),
        }
    }
}

/// One config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Name.
    pub name: String,
    /// Value; `None` if it is secret or unset.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it can only be changed by a restart.
    pub is_read_only: bool,
    /// Whether the value is a secret, which is never shown.
    pub is_sensitive: bool,
    /// The values it would have without the one in force, nearest first.
    pub synonyms: Vec<ConfigSynonym>,
    /// What it does, if the broker was asked and knows.
    pub documentation: Option<String>,
}

/// A value in the order of precedence of a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// Name there.
    pub name: String,
    /// Value there.
    pub value: Option<String>,
    /// Where.
    pub source: ConfigSource,
}

/// A change to one config (KIP-339).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// Sets the value.
    Set(String),
    /// Takes the value away, so that the next source counts.
    Delete,
    /// Adds to a list.
    Append(String),
    /// Takes from a list.
    Subtract(String),
}

/// Changes to one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigAlteration {
    /// What is changed.
    pub resource: ConfigResource,
    /// Config names and changes.
    pub changes: Vec<(String, ConfigChange)>,
}

impl ConfigAlteration {
    fn wire(&self) -> AlterConfigsResource<'_> {
        let configs = self.changes.iter().map(|(name, change)| {
            let (config_operation, value) = match change {
                ConfigChange::Set(value) => (0, Some(value)),
                ConfigChange::Delete => (1, None),
                ConfigChange::Append(value) => (2, Some(value)),
                ConfigChange::Subtract(value) => (3, Some(value)),
            };
            let value = value.map(|value| value.as_str().into());
            AlterableConfig { name: name.as_str().into(), config_operation, value }
        });
        AlterConfigsResource {
            resource_type: self.resource.kind as i8,
            resource_name: self.resource.name.as_str().into(),
            configs: configs.collect(),
        }
    }
}

impl Admin {
    async fn for_resource(
        &self,
        resource: &ConfigResource,
    ) -> Result<std::sync::Arc<Connection>, ClientError> {
        match resource.node() {
            Some(id) => self.cluster.node(id, Lane::Prompt).await,
            None => self.cluster.any().await,
        }
    }

    /// The configs of one resource, by name. `documentation` asks for what each does.
    ///
    /// # Errors
    /// As the broker says, for example `UNKNOWN_TOPIC_OR_PARTITION`.
    pub async fn describe_configs(
        &self,
        resource: &ConfigResource,
        documentation: bool,
    ) -> Result<Vec<ConfigEntry>, ClientError> {
        let mut retry = self.cluster.retry("describing configs");
        loop {
            match self.ask_configs(resource, documentation).await {
                Ok(entries) => return Ok(entries),
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    async fn ask_configs(
        &self,
        resource: &ConfigResource,
        documentation: bool,
    ) -> Result<Vec<ConfigEntry>, ClientError> {
        let connection = self.for_resource(resource).await?;
        let asked = std::slice::from_ref(resource);
        let mut answers = ask_at(&connection, asked, documentation).await?;
        answers.pop().map_or_else(|| Ok(Vec::new()), |(_, result)| result)
    }

    /// The configs of many topics in one request, by name. The results are in order.
    ///
    /// # Errors
    /// Per topic as the broker says.
    pub async fn describe_topic_configs(
        &self,
        topics: &[String],
    ) -> Result<Outcomes<Vec<ConfigEntry>>, ClientError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let mut retry = self.cluster.retry("describing configs");
        let resources: Vec<ConfigResource> = topics.iter().map(ConfigResource::topic).collect();
        loop {
            let answers = match self.cluster.any().await {
                Ok(connection) => ask_at(&connection, &resources, false).await,
                Err(error) => Err(error),
            };
            match answers {
                Ok(answers) => {
                    let mut answers: BTreeMap<String, _> = answers.into_iter().collect();
                    let in_order = topics.iter().filter_map(|topic| answers.remove_entry(topic));
                    return Ok(in_order.collect());
                }
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    /// Which things of a kind there are that have configs.
    ///
    /// # Errors
    /// [`ClientError::UnsupportedVersion`] from brokers that cannot say: before 4.1 for all kinds but client metrics.
    pub async fn list_config_resources(&self, kind: ResourceKind) -> Result<Vec<String>, ClientError> {
        let mut retry = self.cluster.retry("listing resources");
        loop {
            match self.ask_config_resources(kind).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn ask_config_resources(&self, kind: ResourceKind) -> Result<Vec<String>, ClientError> {
        let connection = self.cluster.any().await?;
        // Version 0 is about client metrics alone and takes no kinds.
        let min = i16::from(kind != ResourceKind::ClientMetrics);
        let api = protocol::ApiKey::ListConfigResources;
        let version = connection.versions().pick(api, min, api.max_version())?;
        let resource_types = if version > 0 { vec![kind as i8] } else { Vec::new() };
        let response = connection.call_at(&ListConfigResourcesRequest { resource_types }, version).await?;
        let answer = response.decode::<ListConfigResourcesResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api("resources", answer.error_code, None));
        }
        Ok(answer.config_resources.iter().map(|resource| resource.resource_name.to_string()).collect())
    }

    /// Changes configs, or only checks whether they could be changed. The results are in order.
    ///
    /// # Errors
    /// Per resource as the cluster says, for example `INVALID_CONFIG`.
    pub async fn alter_configs(
        &self,
        alterations: &[ConfigAlteration],
        validate_only: bool,
    ) -> Result<Vec<(ConfigResource, Result<(), ClientError>)>, ClientError> {
        let mut results = Vec::with_capacity(alterations.len());
        for alteration in alterations {
            let mut retry = self.cluster.retry("changing configs");
            let result = loop {
                match self.alter_one(alteration, validate_only).await {
                    Ok(()) => break Ok(()),
                    Err(error) => {
                        if let Err(error) = retry.pause(error).await {
                            break Err(error);
                        }
                    }
                }
            };
            results.push((alteration.resource.clone(), result));
        }
        Ok(results)
    }

    async fn alter_one(&self, alteration: &ConfigAlteration, validate_only: bool) -> Result<(), ClientError> {
        let connection = self.for_resource(&alteration.resource).await?;
        let request = IncrementalAlterConfigsRequest { resources: vec![alteration.wire()], validate_only };
        let response = connection.call(&request).await?;
        let answer = response.decode::<IncrementalAlterConfigsResponse<'_>>()?;
        match answer.responses.iter().find(|result| result.error_code.is_error()) {
            None => Ok(()),
            Some(result) => {
                let subject = alteration.resource.to_string();
                Err(ClientError::api(subject, result.error_code, result.error_message.as_deref()))
            }
        }
    }
}

/// Asks one broker. The answers are in the broker's order, by the resources' names.
async fn ask_at(
    connection: &Connection,
    resources: &[ConfigResource],
    documentation: bool,
) -> Result<Outcomes<Vec<ConfigEntry>>, ClientError> {
    let version = super::newest(connection, protocol::ApiKey::DescribeConfigs)?;
    let asked = resources.iter().map(|resource| DescribeConfigsResource {
        resource_type: resource.kind as i8,
        resource_name: resource.name.as_str().into(),
        configuration_keys: None,
    });
    let request = DescribeConfigsRequest {
        resources: asked.collect(),
        include_synonyms: true,
        // Version 3 brought documentation.
        include_documentation: documentation && version >= 3,
    };
    let response = connection.call_at(&request, version).await?;
    let answer = response.decode::<DescribeConfigsResponse<'_>>()?;
    let outcomes = answer.results.iter().map(|result| {
        let name = result.resource_name.to_string();
        if result.error_code.is_error() {
            let named = resources.iter().find(|resource| resource.name == name);
            let subject = named.map_or_else(|| name.clone(), ConfigResource::to_string);
            return (
                name,
                Err(ClientError::api(subject, result.error_code, result.error_message.as_deref())),
            );
        }
        let mut entries: Vec<ConfigEntry> = result.configs.iter().map(entry).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        (name, Ok(entries))
    });
    Ok(outcomes.collect())
}

fn entry(config: &DescribeConfigsResourceResult<'_>) -> ConfigEntry {
    ConfigEntry {
        name: config.name.to_string(),
        value: config.value.as_deref().map(str::to_owned),
        source: ConfigSource::from_wire(config.config_source),
        is_read_only: config.read_only,
        is_sensitive: config.is_sensitive,
        synonyms: config
            .synonyms
            .iter()
            .map(|synonym| ConfigSynonym {
                name: synonym.name.to_string(),
                value: synonym.value.as_deref().map(str::to_owned),
                source: ConfigSource::from_wire(synonym.source),
            })
            .collect(),
        documentation: config.documentation.as_deref().map(str::to_owned),
    }
}
