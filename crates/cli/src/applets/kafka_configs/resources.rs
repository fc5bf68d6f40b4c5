//! Configs of topics, brokers, groups, client metrics and loggers.
//!
//! Owns how they are shown and changed.

use client::{
    ClientError, ConfigAlteration, ConfigChange, ConfigEntry, ConfigResource, ConfigSource, ErrorCode,
    ResourceKind,
};

use super::{Tool, refuse};
use crate::applets::ToolError;
use crate::output::print;

fn resource_kind(entity_type: &str) -> ResourceKind {
    match entity_type {
        "topics" => ResourceKind::Topic,
        "brokers" => ResourceKind::Broker,
        "broker-loggers" => ResourceKind::BrokerLogger,
        "client-metrics" => ResourceKind::ClientMetrics,
        _ => ResourceKind::Group,
    }
}

/// The source of configs that were set on the thing itself.
fn own_source(kind: ResourceKind, name: &str) -> Option<ConfigSource> {
    match kind {
        ResourceKind::Topic => Some(ConfigSource::Topic),
        ResourceKind::Broker if name.is_empty() => Some(ConfigSource::DynamicDefaultBroker),
        ResourceKind::Broker => Some(ConfigSource::DynamicBroker),
        ResourceKind::ClientMetrics => Some(ConfigSource::ClientMetrics),
        ResourceKind::Group => Some(ConfigSource::Group),
        ResourceKind::BrokerLogger => None,
    }
}

/// Shows configs of one thing, or of all of its type.
pub async fn describe(tool: &Tool<'_>) -> Result<(), ToolError> {
    let entity_type = tool.entities.head_type();
    let all = tool.line.has("all");
    let names = match tool.entities.names.first() {
        Some(name) => {
            if !all && !exists(tool, entity_type, name).await? {
                let one = &entity_type[..entity_type.len() - 1];
                return Ok(print(&format!(
                    "The {one} '{name}' doesn't exist and doesn't have dynamic config.\n"
                ))?);
            }
            vec![name.clone()]
        }
        None => all_names(tool, entity_type).await?,
    };
    for name in names {
        if name.is_empty() {
            print(&format!("Default configs for {entity_type} in the cluster are:\n"))?;
        } else {
            let which = if all { "All" } else { "Dynamic" };
            let one = &entity_type[..entity_type.len() - 1];
            print(&format!("{which} configs for {one} {name} are:\n"))?;
        }
        for entry in entries(tool, entity_type, &name, all).await? {
            print(&shown(&entry))?;
        }
    }
    Ok(())
}

async fn exists(tool: &Tool<'_>, entity_type: &str, name: &str) -> Result<bool, ToolError> {
    match entity_type {
        "topics" => {
            check_topic_name(name)?;
            let topics = tool.admin.list_topics().await.map_err(|error| tool.unexpected(&error))?;
            Ok(topics.iter().any(|topic| topic.name == name))
        }
        "brokers" | "broker-loggers" => {
            let cluster = tool.admin.describe_cluster().await.map_err(|error| tool.unexpected(&error))?;
            Ok(name.is_empty() || cluster.brokers.iter().any(|broker| broker.broker.id.to_string() == name))
        }
        "client-metrics" => {
            let known = tool.admin.list_config_resources(ResourceKind::ClientMetrics).await;
            Ok(known.map_err(|error| tool.unexpected(&error))?.iter().any(|known| known == name))
        }
        _ => {
            let groups = tool.admin.list_groups(&[], &[]).await.map_err(|error| tool.unexpected(&error))?;
            // Clusters that cannot say which groups have configs have the benefit of the doubt.
            let is_configured =
                |known: Option<Vec<String>>| known.is_none_or(|known| known.iter().any(|one| one == name));
            Ok(groups.iter().any(|group| group.id == name) || is_configured(group_resources(tool).await?))
        }
    }
}

/// Groups that have configs, if the cluster says so.
async fn group_resources(tool: &Tool<'_>) -> Result<Option<Vec<String>>, ToolError> {
    match tool.admin.list_config_resources(ResourceKind::Group).await {
        Ok(known) => Ok(Some(known)),
        Err(ClientError::UnsupportedVersion { .. }) => Ok(None),
        Err(error) if error.code() == Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => Ok(None),
        Err(error) => Err(tool.unexpected(&error)),
    }
}

async fn all_names(tool: &Tool<'_>, entity_type: &str) -> Result<Vec<String>, ToolError> {
    let unexpected = |error: ClientError| tool.unexpected(&error);
    Ok(match entity_type {
        "topics" => {
            let topics = tool.admin.list_topics().await.map_err(unexpected)?;
            topics.into_iter().map(|topic| topic.name).collect()
        }
        "brokers" | "broker-loggers" => {
            let cluster = tool.admin.describe_cluster().await.map_err(unexpected)?;
            let ids = cluster.brokers.iter().map(|broker| broker.broker.id.to_string());
            ids.chain([String::new()]).collect()
        }
        "client-metrics" => {
            tool.admin.list_config_resources(ResourceKind::ClientMetrics).await.map_err(unexpected)?
        }
        _ => {
            let groups = tool.admin.list_groups(&[], &[]).await.map_err(unexpected)?;
            let mut names: Vec<String> = groups.into_iter().map(|group| group.id).collect();
            names.extend(group_resources(tool).await?.unwrap_or_default());
            names.sort();
            names.dedup();
            names
        }
    })
}

/// The configs of one thing by name: all, or those set on itself.
async fn entries(
    tool: &Tool<'_>,
    entity_type: &str,
    name: &str,
    all: bool,
) -> Result<Vec<ConfigEntry>, ToolError> {
    let kind = resource_kind(entity_type);
    if kind == ResourceKind::Topic && !name.is_empty() {
        check_topic_name(name)?;
    }
    check_broker_id(kind, entity_type, name)?;
    let resource = ConfigResource { kind, name: name.to_owned() };
    let entries =
        tool.admin.describe_configs(&resource, false).await.map_err(|error| tool.unexpected(&error))?;
    let wanted = if all { None } else { own_source(kind, name) };
    Ok(entries.into_iter().filter(|entry| wanted.is_none_or(|wanted| entry.source == wanted)).collect())
}

fn check_broker_id(kind: ResourceKind, entity_type: &str, name: &str) -> Result<(), ToolError> {
    let is_broker = matches!(kind, ResourceKind::Broker | ResourceKind::BrokerLogger);
    if is_broker && !name.is_empty() && name.parse::<i32>().is_err() {
        return refuse(format!(
            "The entity name for {entity_type} must be a valid integer broker id, found: {name}"
        ));
    }
    Ok(())
}

/// Names that no topic can have are refused before the cluster is asked.
fn check_topic_name(name: &str) -> Result<(), ToolError> {
    const LENGTH_MAX: usize = 249;
    let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fault = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." | ".." => format!("'{name}' is not allowed"),
        _ if name.len() > LENGTH_MAX => {
            format!("the length of '{name}' is longer than the max allowed length {LENGTH_MAX}")
        }
        _ if !name.chars().all(is_legal) => {
            format!(
                "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
            )
        }
        _ => return Ok(()),
    };
    refuse(format!("Topic name is invalid: {fault}"))
}

fn shown(entry: &ConfigEntry) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
    let synonyms = entry
        .synonyms
        .iter()
        .map(|synonym| format!("{}:{}={}", source_name(synonym.source), synonym.name, text(&synonym.value)));
    let synonyms: Vec<String> = synonyms.collect();
    format!(
        "  {}={} sensitive={} synonyms={{{}}}\n",
        entry.name,
        text(&entry.value),
        entry.is_sensitive,
        synonyms.join(", ")
    )
}

fn source_name(source: ConfigSource) -> &'static str {
    match source {
        ConfigSource::Topic => "DYNAMIC_TOPIC_CONFIG",
        ConfigSource::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
        ConfigSource::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
        ConfigSource::StaticBroker => "STATIC_BROKER_CONFIG",
        ConfigSource::Default => "DEFAULT_CONFIG",
        ConfigSource::BrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
        ConfigSource::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
        ConfigSource::Group => "DYNAMIC_GROUP_CONFIG",
        ConfigSource::Unknown(_) => "UNKNOWN",
    }
}

/// Sets configs of one thing and takes others away.
pub async fn alter(tool: &Tool<'_>, set: &[(String, String)], delete: &[String]) -> Result<(), ToolError> {
    let entity_type = tool.entities.head_type();
    let name = tool.entities.head_name();
    let kind = resource_kind(entity_type);
    check_broker_id(kind, entity_type, name)?;
    if kind == ResourceKind::BrokerLogger {
        let known = entries(tool, entity_type, name, false).await?;
        let named = delete.iter().chain(set.iter().map(|(key, _)| key));
        let unknown: Vec<&str> = named
            .filter(|logger| !known.iter().any(|entry| entry.name == **logger))
            .map(String::as_str)
            .collect();
        if !unknown.is_empty() {
            return refuse(format!("Invalid broker logger(s): {}", unknown.join(",")));
        }
    }
    let mut changes: Vec<(String, ConfigChange)> =
        set.iter().map(|(key, value)| (key.clone(), ConfigChange::Set(value.clone()))).collect();
    changes.extend(delete.iter().map(|key| (key.clone(), ConfigChange::Delete)));
    let alteration = ConfigAlteration { resource: ConfigResource { kind, name: name.to_owned() }, changes };
    let outcomes =
        tool.admin.alter_configs(&[alteration], false).await.map_err(|error| tool.refused(&error))?;
    outcomes.into_iter().try_for_each(|(_, outcome)| outcome.map_err(|error| tool.refused(&error)))
}
