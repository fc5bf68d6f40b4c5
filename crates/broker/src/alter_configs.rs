//! What this broker itself decides of AlterConfigs and IncrementalAlterConfigs, before the controller is asked: the form
//! of each resource, levels of its loggers, and whether its own keys may have these values while it runs.
//!
//! The controller is asked for all resources that are left, at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use config::{BrokerConfig, ConfigType, DynamicTarget, find, keys};
use controller::{
    AlterOperation, ApiError, ConfigAlterations, KeyAlteration, ResourceAlteration, change_list,
};
use metadata::{ConfigResource, ConfigResourceType};
use protocol::ErrorCode;

use crate::node::Node;

/// Makes the changes; one result for each resource, in their order. When the answer leaves, they are in force here.
pub(crate) async fn alter(node: &Node, request: &ConfigAlterations) -> Vec<Result<(), ApiError>> {
    let mut results = Vec::with_capacity(request.resources.len());
    let mut forwarded = Vec::new();
    for (resource, is_repeated) in request.resources.iter().zip(request.repeated()) {
        let decided = match is_repeated {
            true => Err(ConfigAlterations::repeated_resource()),
            false => decide(node, resource, request.validate_only),
        };
        results.push(match decided {
            Ok(Decided::Here) => Some(Ok(())),
            Ok(Decided::Forward) => {
                forwarded.push(resource.clone());
                None
            }
            Err(error) => Some(Err(error)),
        });
    }
    let mut answers = forward(node, forwarded, request.validate_only).await.into_iter();
    let missing = || Err(ErrorCode::UNKNOWN_SERVER_ERROR.into());
    results.into_iter().map(|result| result.or_else(|| answers.next()).unwrap_or_else(missing)).collect()
}

/// Who has the last word on a resource.
enum Decided {
    Here,
    Forward,
}

async fn forward(
    node: &Node,
    resources: Vec<ResourceAlteration>,
    validate_only: bool,
) -> Vec<Result<(), ApiError>> {
    let count = resources.len();
    if count == 0 {
        return Vec::new();
    }
    match node.controller.alter_configs(ConfigAlterations { resources, validate_only }).await {
        Ok(results) => results,
        Err(error) => (0..count).map(|_| Err(error.clone())).collect(),
    }
}

fn decide(node: &Node, resource: &ResourceAlteration, validate_only: bool) -> Result<Decided, ApiError> {
    resource.check_form()?;
    match ConfigResourceType::from_id(resource.resource_type) {
        Some(ConfigResourceType::BrokerLogger) if !resource.replaces_all => {
            node.loggers.alter(node.node_id, resource, validate_only)?;
            Ok(Decided::Here)
        }
        Some(ConfigResourceType::Broker) => {
            if !resource.name.is_empty() {
                check_own_id(node.node_id, &resource.name)?;
            }
            let stored = ConfigResource::new(ConfigResourceType::Broker, resource.name.as_str());
            let image = node.image.load();
            let stored = image.configs().get(&stored).map(Arc::as_ref);
            check_broker_keys(&node.current_config.load(), stored, resource)?;
            Ok(Decided::Forward)
        }
        Some(ConfigResourceType::Topic | ConfigResourceType::ClientMetrics | ConfigResourceType::Group) => {
            Ok(Decided::Forward)
        }
        Some(ConfigResourceType::BrokerLogger) | None => {
            let message = format!("Unknown resource type {}", resource.resource_type);
            Err(ApiError::new(ErrorCode::INVALID_REQUEST, message))
        }
    }
}

fn check_own_id(node_id: i32, name: &str) -> Result<(), ApiError> {
    let message = match name.parse::<i32>() {
        Ok(id) if id == node_id => return Ok(()),
        Ok(_) => format!("Unexpected broker id, expected {node_id}, but received {name}"),
        Err(_) => format!("Node id must be an integer, but it is: {name}"),
    };
    Err(ApiError::new(ErrorCode::INVALID_REQUEST, message))
}

/// Checks what the broker would be with the change.
fn check_broker_keys(
    config: &BrokerConfig,
    stored: Option<&BTreeMap<String, String>>,
    resource: &ResourceAlteration,
) -> Result<(), ApiError> {
    let target = if resource.name.is_empty() { DynamicTarget::Cluster } else { DynamicTarget::Node };
    let mut wanted = match stored {
        Some(stored) if !resource.replaces_all => target.usable(stored),
        _ => BTreeMap::new(),
    };
    for key in &resource.keys {
        apply(&mut wanted, key)?;
    }
    Ok(config.validate_dynamic(target, &wanted)?)
}

fn apply(wanted: &mut BTreeMap<String, String>, change: &KeyAlteration) -> Result<(), ApiError> {
    let KeyAlteration { key, operation, value } = change;
    let value = value.as_deref().unwrap_or_default();
    let verb = match operation {
        AlterOperation::Set => {
            wanted.insert(key.clone(), value.to_owned());
            return Ok(());
        }
        AlterOperation::Delete => {
            wanted.remove(key);
            return Ok(());
        }
        AlterOperation::Append => "append",
        AlterOperation::Subtract => "subtract",
        AlterOperation::Unknown(id) => {
            let message = format!("Unknown operations type {id}");
            return Err(ApiError::new(ErrorCode::INVALID_REQUEST, message));
        }
    };
    let Some(def) = find(keys::BROKER, key) else {
        return Err(ApiError::new(ErrorCode::INVALID_CONFIG, format!("Unknown config name: {key}")));
    };
    if def.kind != ConfigType::List {
        let message = format!("Config value {verb} is not allowed for config key: {key}");
        return Err(ApiError::new(ErrorCode::INVALID_CONFIG, message));
    }
    let current = wanted.get(key).map(String::as_str).or(def.default_text()).unwrap_or_default();
    let changed = change_list(current, *operation, value);
    wanted.insert(key.clone(), changed);
    Ok(())
}
