//! Dynamic configuration per resource, as stored. Never what a key means: the `config` crate knows that.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::{ConfigRecord, MetadataRecord};

use crate::ReplayError;

/// What a dynamic configuration belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigResourceType {
    /// A topic.
    Topic,
    /// One broker, or all of them when the resource's name is empty.
    Broker,
    /// Log levels of one broker; never stored.
    BrokerLogger,
    /// A subscription to client metrics.
    ClientMetrics,
    /// A group.
    Group,
}

impl ConfigResourceType {
    /// The number in requests and records.
    pub fn id(self) -> i8 {
        match self {
            ConfigResourceType::Topic => 2,
            ConfigResourceType::Broker => 4,
            ConfigResourceType::BrokerLogger => 8,
            ConfigResourceType::ClientMetrics => 16,
            ConfigResourceType::Group => 32,
        }
    }

    /// From the number in requests and records.
    pub fn from_id(id: i8) -> Option<ConfigResourceType> {
        match id {
            2 => Some(ConfigResourceType::Topic),
            4 => Some(ConfigResourceType::Broker),
            8 => Some(ConfigResourceType::BrokerLogger),
            16 => Some(ConfigResourceType::ClientMetrics),
            32 => Some(ConfigResourceType::Group),
            _ => None,
        }
    }
}

/// A resource that has dynamic configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// Kind.
    pub resource_type: ConfigResourceType,
    /// Name; empty for the default of all brokers.
    pub name: String,
}

impl ConfigResource {
    /// A resource from its parts.
    pub fn new(resource_type: ConfigResourceType, name: impl Into<String>) -> ConfigResource {
        ConfigResource { resource_type, name: name.into() }
    }

    /// A topic.
    pub fn topic(name: impl Into<String>) -> ConfigResource {
        ConfigResource::new(ConfigResourceType::Topic, name)
    }

    /// One broker.
    pub fn broker(id: i32) -> ConfigResource {
        ConfigResource::new(ConfigResourceType::Broker, id.to_string())
    }

    /// The default of all brokers.
    pub fn cluster() -> ConfigResource {
        ConfigResource::new(ConfigResourceType::Broker, "")
    }
}

/// All dynamic configurations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigsImage {
    resources: BTreeMap<ConfigResource, Arc<BTreeMap<String, String>>>,
}

impl ConfigsImage {
    /// Configuration of a resource by key; `None` if it has none.
    pub fn get(&self, resource: &ConfigResource) -> Option<&Arc<BTreeMap<String, String>>> {
        self.resources.get(resource)
    }

    /// One value.
    pub fn value(&self, resource: &ConfigResource, key: &str) -> Option<&str> {
        self.resources.get(resource)?.get(key).map(String::as_str)
    }

    /// Configuration of a topic; `None` if it has none.
    pub fn topic(&self, name: &str) -> Option<&Arc<BTreeMap<String, String>>> {
        self.resources.get(&ConfigResource::topic(name))
    }

    /// Resources that have configuration, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &Arc<BTreeMap<String, String>>)> {
        self.resources.iter()
    }

    /// Applies a record; returns which resource it was for.
    pub(crate) fn replay(&mut self, record: &ConfigRecord<'_>) -> Result<ConfigResource, ReplayError> {
        let resource_type = ConfigResourceType::from_id(record.resource_type).ok_or(ReplayError::Value {
            record: "ConfigRecord",
            field: "ResourceType",
            value: record.resource_type.into(),
        })?;
        let resource = ConfigResource::new(resource_type, record.resource_name.clone());
        let key = record.name.as_ref();
        match &record.value {
            Some(value) => {
                let configs = self.resources.entry(resource.clone()).or_default();
                Arc::make_mut(configs).insert(key.to_owned(), value.clone().into_owned());
            }
            None => {
                if let Some(configs) = self.resources.get_mut(&resource) {
                    Arc::make_mut(configs).remove(key);
                    if configs.is_empty() {
                        self.resources.remove(&resource);
                    }
                }
            }
        }
        Ok(resource)
    }

    /// A topic is gone, and its configuration with it. Returns the resource if it had any.
    pub(crate) fn remove_topic(&mut self, name: &str) -> Option<ConfigResource> {
        let resource = ConfigResource::topic(name);
        self.resources.remove(&resource).map(|_| resource)
    }

    pub(crate) fn write(&self, out: &mut Vec<MetadataRecord<'static>>) {
        for (resource, configs) in &self.resources {
            out.extend(configs.iter().map(|(name, value)| {
                MetadataRecord::Config(ConfigRecord {
                    resource_type: resource.resource_type.id(),
                    resource_name: resource.name.clone().into(),
                    name: name.clone().into(),
                    value: Some(value.clone().into()),
                })
            }));
        }
    }
}
