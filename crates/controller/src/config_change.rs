//! What a change of dynamic configuration would make of a resource, and whether that is allowed. Never the requests.

use std::collections::BTreeMap;

use config::keys::{BROKER, TOPIC};
use config::{ConfigType, find};
use metadata::{ConfigResource, ConfigResourceType};
use protocol::create_topics_request::CreatableTopic;
use protocol::{ClearElrRecord, ConfigRecord, ErrorCode, MetadataRecord};

use crate::bootstrap::MIN_INSYNC_REPLICAS;
use crate::config_alterations::{AlterOperation, KeyAlteration};
use crate::topic_name::validate_topic_name;
use crate::{ApiError, Controller};

/// Longest stored value, counted as Java counts: strings of older protocol versions carry their length in 15 bits.
const CONFIG_VALUE_LENGTH_MAX: usize = i16::MAX as usize;

/// The configuration a topic is created with.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewTopicConfigs {
    overrides: BTreeMap<String, String>,
}

impl NewTopicConfigs {
    pub(crate) fn overrides(&self) -> &BTreeMap<String, String> {
        &self.overrides
    }

    pub(crate) fn records(&self, topic: &str) -> Vec<MetadataRecord<'static>> {
        let resource = ConfigResource::topic(topic);
        self.overrides.iter().map(|(key, value)| config_record(&resource, key, Some(value))).collect()
    }
}

/// A change of one resource: what to write, and what the resource is then.
pub(crate) struct ConfigChange<'a> {
    pub(crate) resource: &'a ConfigResource,
    /// Key to new value; `None` takes the key away.
    pub(crate) altered: BTreeMap<String, Option<String>>,
}

impl Controller {
    /// Checks the configuration of a topic to be created.
    pub(crate) fn new_topic_configs(&self, topic: &CreatableTopic<'_>) -> Result<NewTopicConfigs, ApiError> {
        let nulls: Vec<&str> =
            topic.configs.iter().filter(|c| c.value.is_none()).map(|c| c.name.as_ref()).collect();
        if !nulls.is_empty() {
            let message = format!("Null value not supported for topic configs: {}", nulls.join(","));
            return Err(ApiError::new(ErrorCode::INVALID_CONFIG, message));
        }
        let pairs = topic.configs.iter().filter_map(|config| {
            config.value.as_ref().map(|value| (config.name.clone().into_owned(), value.clone().into_owned()))
        });
        let overrides: BTreeMap<String, String> = pairs.collect();
        overrides.values().try_for_each(|value| check_length(value))?;
        config::validate_topic_configs(&self.config, &BTreeMap::new(), &overrides)?;
        Ok(NewTopicConfigs { overrides })
    }

    /// The present configuration of a resource.
    pub(crate) fn current_configs(&self, resource: &ConfigResource) -> BTreeMap<String, String> {
        self.image().configs().get(resource).map(|configs| configs.as_ref().clone()).unwrap_or_default()
    }

    /// What an alteration makes of a key; `None` takes it away.
    pub(crate) fn operate(
        &self,
        resource: &ConfigResource,
        alteration: &KeyAlteration,
    ) -> Result<Option<String>, ApiError> {
        let KeyAlteration { key, operation, value } = alteration;
        let operand = value.as_deref().unwrap_or_default();
        let verb = match operation {
            AlterOperation::Set => return Ok(Some(operand.to_owned())),
            AlterOperation::Delete | AlterOperation::Unknown(_) => return Ok(None),
            AlterOperation::Append => "APPEND",
            AlterOperation::Subtract => "SUBTRACT",
        };
        let def = match resource.resource_type {
            ConfigResourceType::Topic => find(TOPIC, key),
            ConfigResourceType::Broker => find(BROKER, key),
            _ => None,
        };
        let Some(def) = def.filter(|def| def.kind == ConfigType::List) else {
            let message = format!("Can't {verb} to key {key} because its type is not LIST.");
            return Err(ApiError::new(ErrorCode::INVALID_CONFIG, message));
        };
        let current = self.image().configs().value(resource, key).or(def.default_text()).unwrap_or("");
        Ok(Some(change_list(current, *operation, operand)))
    }

    /// Checks a change against the rules of its resource and turns it into records.
    pub(crate) fn change_records(
        &self,
        change: &ConfigChange<'_>,
    ) -> Result<Vec<MetadataRecord<'static>>, ApiError> {
        let resource = change.resource;
        let before = self.current_configs(resource);
        let mut after = before.clone();
        for (key, value) in &change.altered {
            self.check_min_isr_change(resource, key, value.is_none())?;
            match value {
                Some(value) => {
                    check_length(value)?;
                    after.insert(key.clone(), value.clone());
                }
                None => {
                    after.remove(key);
                }
            }
        }
        self.validate_resource(resource, &before, &after)?;
        self.check_existence(resource)?;
        let is_broker = resource.resource_type == ConfigResourceType::Broker;
        // A broker re-reads files that a value names, so for brokers a value that stays the same is written too.
        let written =
            change.altered.iter().filter(|(key, value)| is_broker || before.get(*key) != value.as_ref());
        Ok(written.map(|(key, value)| config_record(resource, key, value.as_deref())).collect())
    }

    fn validate_resource(
        &self,
        resource: &ConfigResource,
        before: &BTreeMap<String, String>,
        after: &BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        let name = resource.name.as_str();
        match resource.resource_type {
            ConfigResourceType::Topic => {
                if name.is_empty() {
                    return Err(invalid_request("Default topic resources are not allowed."));
                }
                validate_topic_name(name)?;
                config::validate_topic_configs(&self.config, before, after)?;
            }
            ConfigResourceType::Broker => validate_broker_name(name)?,
            ConfigResourceType::ClientMetrics => config::validate_client_metrics(name, after)?,
            ConfigResourceType::Group => {
                if name.is_empty() {
                    return Err(invalid_request("Default group resources are not allowed."));
                }
                config::validate_group_configs(&self.config, after)?;
            }
            ConfigResourceType::BrokerLogger => {
                return Err(invalid_request("Levels of loggers are not stored."));
            }
        }
        Ok(())
    }

    fn check_existence(&self, resource: &ConfigResource) -> Result<(), ApiError> {
        match resource.resource_type {
            ConfigResourceType::Topic if self.image().topics().by_name(&resource.name).is_none() => {
                let message = format!("The topic '{}' does not exist.", resource.name);
                Err(ApiError::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message))
            }
            ConfigResourceType::Broker if !resource.name.is_empty() => {
                let id: i32 = resource.name.parse().map_err(|_| {
                    ApiError::new(
                        ErrorCode::INVALID_REQUEST,
                        format!("Invalid broker name {}", resource.name),
                    )
                })?;
                let cluster = self.image().cluster();
                if cluster.broker(id).is_none() && cluster.controller(id).is_none() && id != self.node_id {
                    let message = format!("No node with id {id} found.");
                    return Err(ApiError::new(ErrorCode::BROKER_ID_NOT_REGISTERED, message));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// With ELR on, `min.insync.replicas` decides which replicas stay eligible, so that it must be one value for the
    /// cluster and always explicit.
    fn check_min_isr_change(
        &self,
        resource: &ConfigResource,
        key: &str,
        is_removal: bool,
    ) -> Result<(), ApiError> {
        let is_broker = resource.resource_type == ConfigResourceType::Broker;
        if key != MIN_INSYNC_REPLICAS || !is_broker || !self.features().eligible_leader_replicas() {
            return Ok(());
        }
        if !resource.name.is_empty() {
            let message =
                format!("Broker-level {MIN_INSYNC_REPLICAS} cannot be altered while ELR is enabled.");
            return Err(ApiError::new(ErrorCode::INVALID_CONFIG, message));
        }
        if is_removal {
            let message =
                format!("Cluster-level {MIN_INSYNC_REPLICAS} cannot be removed while ELR is enabled.");
            return Err(ApiError::new(ErrorCode::INVALID_CONFIG, message));
        }
        Ok(())
    }
}

/// After a change of `min.insync.replicas` nobody knows which replicas outside the ISR have everything committed.
pub(crate) fn clear_elr_records(
    is_elr_enabled: bool,
    config_records: &[MetadataRecord<'static>],
) -> Vec<MetadataRecord<'static>> {
    let clear = |record: &MetadataRecord<'static>| match record {
        MetadataRecord::Config(record) if is_elr_enabled && record.name == MIN_INSYNC_REPLICAS => {
            let is_topic = record.resource_type == ConfigResourceType::Topic.id();
            let topic_name = if is_topic { record.resource_name.clone() } else { "".into() };
            Some(MetadataRecord::ClearElr(ClearElrRecord { topic_name }))
        }
        _ => None,
    };
    config_records.iter().filter_map(clear).collect()
}

pub(crate) fn config_record(
    resource: &ConfigResource,
    key: &str,
    value: Option<&str>,
) -> MetadataRecord<'static> {
    MetadataRecord::Config(ConfigRecord {
        resource_type: resource.resource_type.id(),
        resource_name: resource.name.clone().into(),
        name: key.to_owned().into(),
        value: value.map(|value| value.to_owned().into()),
    })
}

/// A list, as text, with the items of `operand` added to it or taken out of it.
///
/// Items are compared letter for letter, and only what the present list says twice can be taken out twice.
pub fn change_list(current: &str, operation: AlterOperation, operand: &str) -> String {
    let mut parts: Vec<&str> = current.split(',').filter(|part| !part.is_empty()).collect();
    for part in operand.split(',') {
        match operation {
            AlterOperation::Append if !parts.contains(&part) => parts.push(part),
            AlterOperation::Subtract => {
                if let Some(index) = parts.iter().position(|present| *present == part) {
                    parts.remove(index);
                }
            }
            _ => {}
        }
    }
    parts.join(",")
}

fn validate_broker_name(name: &str) -> Result<(), ApiError> {
    if name.is_empty() {
        return Ok(());
    }
    match name.parse::<i32>() {
        Err(_) => Err(invalid_request("Unable to parse broker name as a base 10 number.")),
        Ok(id) if id < 0 => Err(invalid_request("Invalid negative broker ID.")),
        Ok(_) => Ok(()),
    }
}

fn check_length(value: &str) -> Result<(), ApiError> {
    if value.encode_utf16().count() > CONFIG_VALUE_LENGTH_MAX {
        let message = format!(
            "The configuration value cannot be added because it exceeds the maximum value size of \
             {CONFIG_VALUE_LENGTH_MAX} bytes."
        );
        return Err(ApiError::new(ErrorCode::INVALID_CONFIG, message));
    }
    Ok(())
}

fn invalid_request(message: &'static str) -> ApiError {
    ApiError::new(ErrorCode::INVALID_REQUEST, message)
}
