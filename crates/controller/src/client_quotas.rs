//! AlterClientQuotas (KIP-546): whom a quota may be for, which keys it may have, and the records that change it.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use metadata::ClientQuotaEntity;
use protocol::alter_client_quotas_request::EntryData;
use protocol::alter_client_quotas_response as response;
use protocol::client_quota_record::EntityData;
use protocol::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, ClientQuotaRecord, ErrorCode, MetadataRecord,
};

use crate::{ApiError, Controller, Outcome, RECORDS_PER_REQUEST_MAX};

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

/// How much of a whole a value may miss and still count as whole.
const WHOLE_TOLERANCE: f64 = 1e-6;

/// What values a quota key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueKind {
    /// Any positive number.
    Double,
    /// A whole number up to 2^31 - 1.
    Int,
    /// A whole number up to 2^63 - 1.
    Long,
}

/// Keys for users, client ids and pairs of them.
const USER_AND_CLIENT_KEYS: [(&str, ValueKind); 4] = [
    ("producer_byte_rate", ValueKind::Long),
    ("consumer_byte_rate", ValueKind::Long),
    ("request_percentage", ValueKind::Double),
    ("controller_mutation_rate", ValueKind::Double),
];
/// Keys for addresses.
const IP_KEYS: [(&str, ValueKind); 1] = [("connection_creation_rate", ValueKind::Int)];

type Records = Vec<MetadataRecord<'static>>;

impl Controller {
    /// Changes client quotas. Each entity succeeds or fails by itself; the answer has each once.
    ///
    /// `known_hosts` are the host names among the request's `ip` entities that could be resolved: whether a name exists
    /// is for the shell to find out.
    pub fn handle_alter_client_quotas(
        &self,
        request: &AlterClientQuotasRequest<'_>,
        known_hosts: &BTreeSet<String>,
    ) -> Outcome<AlterClientQuotasResponse<'static>> {
        let mut order = Vec::new();
        let mut results: BTreeMap<ClientQuotaEntity, Result<(), ApiError>> = BTreeMap::new();
        let mut records = Vec::new();
        for entry in &request.entries {
            let entity = entity_of(entry);
            let has_duplicate_keys = has_duplicate_keys(entry);
            let result = if results.contains_key(&entity) || has_duplicate_keys {
                Err(invalid(format!("Ignoring duplicate entity {}", display(&entity))))
            } else {
                self.alter_entity(&entity, entry, known_hosts).map(|new| records.extend(new))
            };
            if results.insert(entity.clone(), result).is_none() {
                order.push(entity);
            }
        }
        let too_many = ApiError::from(ErrorCode::POLICY_VIOLATION);
        if records.len() > RECORDS_PER_REQUEST_MAX {
            records.clear();
            results.values_mut().for_each(|result| *result = Err(too_many.clone()));
        }
        if request.validate_only {
            records.clear();
        }
        let entries = order.into_iter().map(|entity| {
            let result = results.remove(&entity).unwrap_or(Ok(()));
            answer(entity, result)
        });
        let entries = entries.collect();
        Outcome::atomic(records, AlterClientQuotasResponse { entries, throttle_time_ms: 0 })
    }

    fn alter_entity(
        &self,
        entity: &ClientQuotaEntity,
        entry: &EntryData<'_>,
        known_hosts: &BTreeSet<String>,
    ) -> Result<Records, ApiError> {
        let keys = keys_for(entity, known_hosts)?;
        let current = self.image().client_quotas().get(entity);
        let mut records = Vec::new();
        for op in &entry.ops {
            let key = op.key.as_ref();
            let value = current.and_then(|quotas| quotas.get(key)).copied();
            if op.remove {
                if value.is_some() {
                    records.push(record(entity, key, None));
                }
                continue;
            }
            check_value(keys, key, op.value)?;
            if value != Some(op.value) {
                records.push(record(entity, key, Some(op.value)));
            }
        }
        Ok(records)
    }
}

/// Of two parts of the same type the later one counts, as in Kafka, where they meet in a map.
fn entity_of(entry: &EntryData<'_>) -> ClientQuotaEntity {
    let parts = entry.entity.iter();
    parts
        .map(|part| {
            let name = part.entity_name.as_ref().map(|name| name.clone().into_owned());
            (part.entity_type.clone().into_owned(), name)
        })
        .collect()
}

fn has_duplicate_keys(entry: &EntryData<'_>) -> bool {
    let mut seen = BTreeSet::new();
    !entry.ops.iter().all(|op| seen.insert(op.key.as_ref()))
}

/// Checks whom a quota is for, and gives the keys it may have.
fn keys_for(
    entity: &ClientQuotaEntity,
    known_hosts: &BTreeSet<String>,
) -> Result<&'static [(&'static str, ValueKind)], ApiError> {
    for (entity_type, name) in entity {
        if ![USER, CLIENT_ID, IP].contains(&entity_type.as_str()) {
            return Err(invalid(format!("Unhandled client quota entity type: {entity_type}")));
        }
        if name.as_deref() == Some("") {
            return Err(invalid(format!("Empty {entity_type} not supported")));
        }
    }
    match entity.get(IP) {
        Some(_) if entity.len() > 1 => {
            // Kafka's words, the missing space included.
            let message =
                "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId";
            Err(invalid(message.to_owned()))
        }
        Some(Some(ip)) if address_of(ip).is_none() && !known_hosts.contains(ip) => {
            Err(invalid(format!("{ip} is not a valid IP or resolvable host.")))
        }
        Some(_) => Ok(&IP_KEYS),
        None if entity.is_empty() => Err(invalid("Invalid empty client quota entity".to_owned())),
        None => Ok(&USER_AND_CLIENT_KEYS),
    }
}

/// The address that the name of an `ip` entity spells out; brackets around one of IPv6 are Java's custom.
pub fn address_of(ip: &str) -> Option<IpAddr> {
    let bracketed = ip.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(v6) => v6.parse().ok().map(IpAddr::V6),
        None => ip.parse().ok(),
    }
}

fn check_value(keys: &[(&str, ValueKind)], key: &str, value: f64) -> Result<(), ApiError> {
    let Some((_, kind)) = keys.iter().find(|(name, _)| *name == key) else {
        return Err(invalid(format!("Invalid configuration key {key}")));
    };
    if !value.is_finite() {
        return Err(invalid(format!("Quota {key} must be a finite number")));
    }
    if value <= 0.0 {
        return Err(invalid(format!("Quota {key} must be greater than 0")));
    }
    let (value_max, name) = match kind {
        ValueKind::Double => return Ok(()),
        ValueKind::Int => (f64::from(i32::MAX), "an INT"),
        ValueKind::Long => (i64::MAX as f64, "a LONG"),
    };
    if value > value_max {
        return Err(invalid(format!("Proposed value for {key} is too large for {name}.")));
    }
    if (value % 1.0).abs() > WHOLE_TOLERANCE {
        return Err(invalid(format!("{key} cannot be a fractional value.")));
    }
    Ok(())
}

fn record(entity: &ClientQuotaEntity, key: &str, value: Option<f64>) -> MetadataRecord<'static> {
    let parts = entity.iter().map(|(entity_type, name)| EntityData {
        entity_type: entity_type.clone().into(),
        entity_name: name.clone().map(Into::into),
    });
    MetadataRecord::ClientQuota(ClientQuotaRecord {
        entity: parts.collect(),
        key: key.to_owned().into(),
        value: value.unwrap_or(0.0),
        remove: value.is_none(),
    })
}

fn answer(entity: ClientQuotaEntity, result: Result<(), ApiError>) -> response::EntryData<'static> {
    let (error_code, error_message) = match result {
        Ok(()) => (ErrorCode::NONE, None),
        Err(error) => (error.code, Some(error.message)),
    };
    let parts = entity.into_iter().map(|(entity_type, name)| response::EntityData {
        entity_type: entity_type.into(),
        entity_name: name.map(Into::into),
    });
    response::EntryData { error_code, error_message, entity: parts.collect() }
}

/// An entity in Kafka's words, for messages.
fn display(entity: &ClientQuotaEntity) -> String {
    let parts = entity.iter().map(|(entity_type, name)| match name {
        Some(name) => format!("{entity_type}={name}"),
        None => format!("{entity_type}=null"),
    });
    format!("ClientQuotaEntity(entries={{{}}})", parts.collect::<Vec<_>>().join(", "))
}

fn invalid(message: String) -> ApiError {
    ApiError::new(ErrorCode::INVALID_REQUEST, message)
}
