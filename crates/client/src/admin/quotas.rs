//! Quotas of users, clients and addresses (KIP-546).
//!
//! Owns the requests for them. It never judges a quota: the controller does.

use std::collections::BTreeMap;

use protocol::alter_client_quotas_request::{EntityData, EntryData, OpData};
use protocol::describe_client_quotas_request::ComponentData;
use protocol::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest,
    DescribeClientQuotasResponse,
};

use super::Admin;
use crate::error::ClientError;

/// Whom quotas are for: entity types (`user`, `client-id`, `ip`) and names; `None` is the default of a type.
pub type QuotaEntity = BTreeMap<String, Option<String>>;

/// Quotas by name, for example `producer_byte_rate`.
pub type Quotas = BTreeMap<String, f64>;

/// Which entities of a type are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaMatch {
    /// The one of this name.
    Named(String),
    /// The default.
    Default,
    /// All that have quotas, the default too.
    Any,
}

impl Admin {
    /// Quotas of the entities that match on each of these types; if `strict`, only of those without other types.
    ///
    /// # Errors
    /// As the broker says.
    pub async fn describe_client_quotas(
        &self,
        matches: &[(String, QuotaMatch)],
        strict: bool,
    ) -> Result<Vec<(QuotaEntity, Quotas)>, ClientError> {
        let mut retry = self.cluster.retry("describing quotas");
        loop {
            match self.ask_quotas(matches, strict).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn ask_quotas(
        &self,
        matches: &[(String, QuotaMatch)],
        strict: bool,
    ) -> Result<Vec<(QuotaEntity, Quotas)>, ClientError> {
        let components = matches.iter().map(|(entity_type, wanted)| {
            let (match_type, name) = match wanted {
                QuotaMatch::Named(name) => (0, Some(name.as_str().into())),
                QuotaMatch::Default => (1, None),
                QuotaMatch::Any => (2, None),
            };
            ComponentData { entity_type: entity_type.as_str().into(), match_type, r#match: name }
        });
        let request = DescribeClientQuotasRequest { components: components.collect(), strict };
        let response = self.any(&request).await?;
        let answer = response.decode::<DescribeClientQuotasResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api("quotas", answer.error_code, answer.error_message.as_deref()));
        }
        let entries = answer.entries.iter().flatten().map(|entry| {
            let entity = entry
                .entity
                .iter()
                .map(|part| (part.entity_type.to_string(), part.entity_name.as_deref().map(str::to_owned)));
            let values = entry.values.iter().map(|value| (value.key.to_string(), value.value));
            (entity.collect(), values.collect())
        });
        Ok(entries.collect())
    }

    /// Sets quotas of one entity; `None` takes one away.
    ///
    /// # Errors
    /// As the controller says, for example `INVALID_REQUEST`.
    pub async fn alter_client_quotas(
        &self,
        entity: &QuotaEntity,
        changes: &[(String, Option<f64>)],
        validate_only: bool,
    ) -> Result<(), ClientError> {
        let mut retry = self.cluster.retry("changing quotas");
        loop {
            match self.ask_alter_quotas(entity, changes, validate_only).await {
                Err(error) => retry.pause(error).await?,
                done => return done,
            }
        }
    }

    async fn ask_alter_quotas(
        &self,
        entity: &QuotaEntity,
        changes: &[(String, Option<f64>)],
        validate_only: bool,
    ) -> Result<(), ClientError> {
        let parts = entity.iter().map(|(entity_type, name)| EntityData {
            entity_type: entity_type.as_str().into(),
            entity_name: name.as_deref().map(Into::into),
        });
        let ops = changes.iter().map(|(key, value)| OpData {
            key: key.as_str().into(),
            value: value.unwrap_or_default(),
            remove: value.is_none(),
        });
        let request = AlterClientQuotasRequest {
            entries: vec![EntryData { entity: parts.collect(), ops: ops.collect() }],
            validate_only,
        };
        let response = self.any(&request).await?;
        let answer = response.decode::<AlterClientQuotasResponse<'_>>()?;
        match answer.entries.iter().find(|entry| entry.error_code.is_error()) {
            None => Ok(()),
            Some(entry) => Err(ClientError::api("quotas", entry.error_code, entry.error_message.as_deref())),
        }
    }
}
