//! Quotas of users, clients and addresses.
//!
//! Owns which quotas there are for whom, and how they are shown.

use client::{QuotaEntity, QuotaMatch, Quotas};

use super::{Tool, refuse, scram};
use crate::applets::ToolError;
use crate::applets::hash_order::sort_by_hash_sized;
use crate::applets::java_number::java_double;
use crate::output::print;

/// Quotas of users and clients.
const CLIENT_QUOTAS: [&str; 4] =
    ["producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"];
/// The quota of addresses.
const IP_QUOTA: &str = "connection_creation_rate";

fn is_quota(name: &str) -> bool {
    CLIENT_QUOTAS.contains(&name)
}

fn wire_type(entity_type: &str) -> Result<String, ToolError> {
    match entity_type {
        "users" => Ok("user".to_owned()),
        "clients" => Ok("client-id".to_owned()),
        "ips" => Ok("ip".to_owned()),
        other => refuse(format!("Unexpected entity type {other}")),
    }
}

/// Types and names as a filter; a type without a name means all.
async fn found(tool: &Tool<'_>) -> Result<Vec<(QuotaEntity, Quotas)>, ToolError> {
    let entities = &tool.entities;
    if entities.names.len() > entities.types.len() {
        return refuse("More entity names specified than entity types");
    }
    let mut matches = Vec::new();
    for (index, entity_type) in entities.types.iter().enumerate() {
        let wanted = match entities.names.get(index) {
            Some(name) if name.is_empty() => QuotaMatch::Default,
            Some(name) => QuotaMatch::Named(name.clone()),
            None => QuotaMatch::Any,
        };
        matches.push((wire_type(entity_type)?, wanted));
    }
    tool.admin.describe_client_quotas(&matches, true).await.map_err(|error| tool.refused(&error))
}

/// Shows quotas.
pub async fn describe(tool: &Tool<'_>) -> Result<(), ToolError> {
    for (entity, quotas) in found(tool).await? {
        let whom = [("user", "user-principal"), ("client-id", "client-id"), ("ip", "ip")];
        let whom = whom.iter().filter_map(|(wire, shown)| {
            Some(match entity.get(*wire)? {
                Some(name) => format!("{shown} '{name}'"),
                None => format!("the default {shown}"),
            })
        });
        let whom: Vec<String> = whom.collect();
        let mut quotas: Vec<(String, f64)> = quotas.into_iter().collect();
        sort_by_hash_sized(&mut quotas, |(name, _)| name);
        let quotas: Vec<String> =
            quotas.iter().map(|(name, value)| format!("{name}={}", java_double(*value))).collect();
        print(&format!("Quota configs for {} are {}\n", whom.join(", "), quotas.join(", ")))?;
    }
    Ok(())
}

/// Changes quotas of a user, a client, or a client of a user; or passwords of a user.
pub async fn alter_user_or_client(
    tool: &Tool<'_>,
    set: &[(String, String)],
    delete: &[String],
) -> Result<(), ToolError> {
    let is_scram = |name: &str| client::ScramMechanism::from_name(name).is_some();
    let set_names: Vec<&str> = set.iter().map(|(name, _)| name.as_str()).collect();
    let delete_names: Vec<&str> = delete.iter().map(String::as_str).collect();
    let is_for_client = tool.entities.head_type() == "clients" || tool.entities.types.len() == 2;
    let (allowed, whom) =
        if is_for_client { ("quota", "clients") } else { ("quota and SCRAM credential", "users") };
    let is_allowed = |name: &&&str| is_quota(name) || (!is_for_client && is_scram(name));
    for (names, verb, shown_as) in [(&set_names, "added", "Set"), (&delete_names, "deleted", "ArrayBuffer")] {
        let unknown: Vec<&str> = names.iter().filter(|name| !is_allowed(name)).copied().collect();
        if !unknown.is_empty() {
            return refuse(format!(
                "Only {allowed} configs can be {verb} for '{whom}' using --bootstrap-server. Unexpected config names: \
                 {shown_as}({})",
                unknown.join(", ")
            ));
        }
    }
    let all = || set_names.iter().chain(&delete_names);
    let has_scram = all().any(|name| is_scram(name));
    let has_quota = all().any(|name| is_quota(name));
    if has_scram {
        if tool.entities.names.iter().any(String::is_empty) {
            return refuse(
                "The use of --entity-default or --user-defaults is not allowed with User SCRAM Credentials using \
                 --bootstrap-server.",
            );
        }
        if has_quota {
            return refuse(
                "Cannot alter both quota and SCRAM credential configs simultaneously for 'users' using \
                 --bootstrap-server.",
            );
        }
        return scram::alter(tool, set, delete).await;
    }
    alter(tool, set, delete).await
}

/// Changes the quota of an address.
pub async fn alter_ip(tool: &Tool<'_>, set: &[(String, String)], delete: &[String]) -> Result<(), ToolError> {
    let names = set.iter().map(|(name, _)| name).chain(delete);
    let unknown: Vec<&str> = names.filter(|name| *name != IP_QUOTA).map(String::as_str).collect();
    if !unknown.is_empty() {
        return refuse(format!(
            "Only connection quota configs can be added for 'ips' using --bootstrap-server. Unexpected config names: {}",
            unknown.join(",")
        ));
    }
    alter(tool, set, delete).await
}

async fn alter(tool: &Tool<'_>, set: &[(String, String)], delete: &[String]) -> Result<(), ToolError> {
    let present = found(tool).await?.into_iter().next().map(|(_, quotas)| quotas).unwrap_or_default();
    let absent: Vec<&str> =
        delete.iter().filter(|name| !present.contains_key(*name)).map(String::as_str).collect();
    if !absent.is_empty() {
        return refuse(format!("Invalid config(s): {}", absent.join(",")));
    }
    let mut entity = QuotaEntity::new();
    for (entity_type, name) in tool.entities.types.iter().zip(&tool.entities.names) {
        entity.insert(wire_type(entity_type)?, (!name.is_empty()).then(|| name.clone()));
    }
    let mut changes = Vec::new();
    for (name, value) in set {
        match value.parse::<f64>() {
            Ok(number) => changes.push((name.clone(), Some(number))),
            Err(_) => return refuse(format!("Cannot parse quota configuration value for {name}: {value}")),
        }
    }
    changes.extend(delete.iter().map(|name| (name.clone(), None)));
    tool.admin.alter_client_quotas(&entity, &changes, false).await.map_err(|error| tool.refused(&error))
}
