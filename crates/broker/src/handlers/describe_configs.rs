//! DescribeConfigs (key 32): every key of a topic, broker, group or client-metrics subscription, with value and source.
//!
//! What the keys mean is the `config` crate's business; here its view is put into the response.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{BrokerConfig, ConfigEntry, ConfigSource};
use metadata::{ConfigResource, ConfigResourceType, MetadataImage};
use protocol::describe_configs_request::DescribeConfigsResource;
use protocol::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use protocol::{DescribeConfigsRequest, DescribeConfigsResponse, ErrorCode, error_text};

use crate::context::RequestContext;
use crate::loggers::LogLevel;
use crate::node::Node;

/// A refused resource: error code and what to do about it.
type Refusal = (ErrorCode, String);

/// Answers each resource on its own.
pub async fn handle(
    node: &Node,
    _ctx: &RequestContext<'_>,
    request: DescribeConfigsRequest<'_>,
) -> DescribeConfigsResponse<'static> {
    let is_unknown = |resource: &DescribeConfigsResource<'_>| {
        ConfigResourceType::from_id(resource.resource_type).is_none()
    };
    if request.resources.iter().any(is_unknown) {
        // Kafka gives up the whole request when it looks up who may see what.
        let results = request.resources.iter().map(|resource| {
            let message = ErrorCode::INVALID_REQUEST.message().to_owned();
            refusal(resource, (ErrorCode::INVALID_REQUEST, message))
        });
        return DescribeConfigsResponse { throttle_time_ms: 0, results: results.collect() };
    }
    let image = node.image.load_full();
    let view = ConfigView { node, broker: node.current_config.load_full(), image, nothing: BTreeMap::new() };
    let results = request.resources.iter().map(|resource| view.result(resource, &request)).collect();
    DescribeConfigsResponse { throttle_time_ms: 0, results }
}

fn refusal(resource: &DescribeConfigsResource<'_>, refusal: Refusal) -> DescribeConfigsResult<'static> {
    DescribeConfigsResult {
        error_code: refusal.0,
        error_message: Some(error_text(refusal.1)),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone().into_owned().into(),
        ..DescribeConfigsResult::default()
    }
}

/// Everything that is shown, as of one moment.
struct ConfigView<'a> {
    node: &'a Node,
    broker: Arc<BrokerConfig>,
    image: Arc<MetadataImage>,
    nothing: BTreeMap<String, String>,
}

impl ConfigView<'_> {
    fn result(
        &self,
        resource: &DescribeConfigsResource<'_>,
        request: &DescribeConfigsRequest<'_>,
    ) -> DescribeConfigsResult<'static> {
        match self.entries(resource) {
            Ok(entries) => {
                let is_wanted = |entry: &ConfigEntry| match &resource.configuration_keys {
                    Some(keys) if !keys.is_empty() => keys.contains(&entry.name),
                    _ => true,
                };
                let wanted = entries.into_iter().filter(is_wanted);
                DescribeConfigsResult {
                    resource_type: resource.resource_type,
                    resource_name: resource.resource_name.clone().into_owned().into(),
                    configs: wanted.map(|entry| to_wire(entry, request)).collect(),
                    ..DescribeConfigsResult::default()
                }
            }
            Err(reason) => refusal(resource, reason),
        }
    }

    fn entries(&self, resource: &DescribeConfigsResource<'_>) -> Result<Vec<ConfigEntry>, Refusal> {
        let name = resource.resource_name.as_ref();
        match ConfigResourceType::from_id(resource.resource_type) {
            Some(ConfigResourceType::Topic) => self.topic(name),
            Some(ConfigResourceType::Broker) if name.is_empty() => {
                Ok(config::describe_cluster_default(&self.broker))
            }
            Some(ConfigResourceType::Broker) => {
                self.check_node_id(name, "or empty string, ")?;
                Ok(config::describe_broker(&self.broker))
            }
            Some(ConfigResourceType::BrokerLogger) => {
                self.check_node_id(name, "")?;
                Ok(self.node.loggers.describe().into_iter().map(logger_entry).collect())
            }
            Some(ConfigResourceType::ClientMetrics) => {
                refuse_empty(name, "Client metrics subscription name must not be empty")?;
                Ok(config::describe_client_metrics(self.stored(ConfigResourceType::ClientMetrics, name)))
            }
            Some(ConfigResourceType::Group) => {
                refuse_empty(name, "Group name must not be empty")?;
                Ok(config::describe_group(&self.broker, self.stored(ConfigResourceType::Group, name)))
            }
            None => invalid(format!("Unsupported resource type: {}", resource.resource_type)),
        }
    }

    fn topic(&self, name: &str) -> Result<Vec<ConfigEntry>, Refusal> {
        controller::validate_topic_name(name).map_err(|error| (error.code, error.message.into_owned()))?;
        if self.image.topics().by_name(name).is_none() {
            return Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, String::new()));
        }
        Ok(config::describe_topic(&self.broker, self.stored(ConfigResourceType::Topic, name)))
    }

    fn stored(&self, resource_type: ConfigResourceType, name: &str) -> &BTreeMap<String, String> {
        let resource = ConfigResource::new(resource_type, name);
        self.image.configs().get(&resource).map_or(&self.nothing, Arc::as_ref)
    }

    fn check_node_id(&self, name: &str, or_empty: &str) -> Result<(), Refusal> {
        refuse_empty(name, "Broker id must not be empty")?;
        match name.parse::<i32>() {
            Ok(id) if id == self.node.node_id => Ok(()),
            Ok(_) => invalid(format!(
                "Unexpected broker id, expected {} {or_empty}but received {name}",
                self.node.node_id
            )),
            Err(_) => invalid(format!("Broker id must be an integer, but it is: {name}")),
        }
    }
}

fn logger_entry((name, level): (String, LogLevel)) -> ConfigEntry {
    ConfigEntry {
        name: name.into(),
        value: Some(level.name().to_owned()),
        source: ConfigSource::DynamicBrokerLogger,
        is_read_only: false,
        is_sensitive: false,
        synonyms: Vec::new(),
        kind: None,
        documentation: Some(""),
    }
}

fn refuse_empty(name: &str, message: &str) -> Result<(), Refusal> {
    if name.is_empty() { invalid(message) } else { Ok(()) }
}

fn invalid<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err((ErrorCode::INVALID_REQUEST, message.into()))
}

fn to_wire(
    entry: ConfigEntry,
    request: &DescribeConfigsRequest<'_>,
) -> DescribeConfigsResourceResult<'static> {
    // Words about a logger come unasked, and there are none.
    let is_documented = request.include_documentation || entry.source == ConfigSource::DynamicBrokerLogger;
    let synonyms = if request.include_synonyms { entry.synonyms } else { Vec::new() };
    DescribeConfigsResourceResult {
        name: entry.name,
        value: entry.value.map(Into::into),
        read_only: entry.is_read_only,
        config_source: entry.source.id(),
        is_sensitive: entry.is_sensitive,
        synonyms: synonyms
            .into_iter()
            .map(|synonym| DescribeConfigsSynonym {
                name: synonym.name,
                value: synonym.value.map(Into::into),
                source: synonym.source.id(),
            })
            .collect(),
        config_type: entry.kind.map_or(0, config::ConfigType::id),
        documentation: entry.documentation.filter(|_| is_documented).map(Into::into),
    }
}
