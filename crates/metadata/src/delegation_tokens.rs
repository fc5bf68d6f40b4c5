//! Delegation tokens, as stored. Never their secrets: those follow from the cluster's key.

use std::collections::BTreeMap;

use protocol::{DelegationTokenRecord, MetadataRecord};

use crate::ReplayError;

/// A delegation token (KIP-48).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegationToken {
    /// Whom it stands for, as `Type:name`.
    pub owner: String,
    /// Who asked for it.
    pub requester: String,
    /// Who may renew it.
    pub renewers: Vec<String>,
    /// ms since the epoch.
    pub issue_timestamp_ms: i64,
    /// End of its life whatever is renewed, ms since the epoch.
    pub max_timestamp_ms: i64,
    /// End of its life unless renewed, ms since the epoch.
    pub expiration_timestamp_ms: i64,
}

/// All delegation tokens, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DelegationTokensImage {
    tokens: BTreeMap<String, DelegationToken>,
}

impl DelegationTokensImage {
    /// Tokens by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &DelegationToken)> {
        self.tokens.iter().map(|(id, token)| (id.as_str(), token))
    }

    pub(crate) fn replay(&mut self, record: &DelegationTokenRecord<'_>) {
        let token = DelegationToken {
            owner: record.owner.clone().into_owned(),
            requester: record.requester.clone().into_owned(),
            renewers: record.renewers.iter().map(|renewer| renewer.clone().into_owned()).collect(),
            issue_timestamp_ms: record.issue_timestamp,
            max_timestamp_ms: record.max_timestamp,
            expiration_timestamp_ms: record.expiration_timestamp,
        };
        self.tokens.insert(record.token_id.clone().into_owned(), token);
    }

    pub(crate) fn replay_remove(&mut self, token_id: &str) -> Result<(), ReplayError> {
        self.tokens.remove(token_id).map(|_| ()).ok_or_else(|| ReplayError::Missing {
            record: "RemoveDelegationTokenRecord",
            what: format!("token {token_id:?}"),
        })
    }

    pub(crate) fn write(&self, out: &mut Vec<MetadataRecord<'static>>) {
        out.extend(self.tokens.iter().map(|(id, token)| {
            MetadataRecord::DelegationToken(DelegationTokenRecord {
                owner: token.owner.clone().into(),
                requester: token.requester.clone().into(),
                renewers: token.renewers.iter().map(|renewer| renewer.clone().into()).collect(),
                issue_timestamp: token.issue_timestamp_ms,
                max_timestamp: token.max_timestamp_ms,
                expiration_timestamp: token.expiration_timestamp_ms,
                token_id: id.clone().into(),
            })
        }));
    }
}
