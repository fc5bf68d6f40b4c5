//! The election state a node must remember, and its file form. Never touches the file.

use protocol::Uuid;
use serde_json::{Map, Value};

use crate::{QuorumStateError, ReplicaKey};

/// Name of the file beside the metadata log.
pub const QUORUM_STATE_FILE: &str = "quorum-state";

/// `-1` stands for "nobody" in the file.
const NO_NODE: i32 = -1;

/// What a node must never forget about elections: the newest epoch it has seen, who leads it, and whom it voted for.
///
/// The file is Kafka's `quorum-state` (schema QuorumStateData): one JSON object with `data_version`. Version 1 carries
/// directory ids and is written; version 0 (static voters) is read too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QuorumState {
    /// Newest epoch seen; 0 on a node that has seen none.
    pub epoch: i32,
    /// The leader of that epoch, if known.
    pub leader_id: Option<i32>,
    /// Whom this node voted for in that epoch, if it voted.
    pub voted: Option<ReplicaKey>,
}

impl QuorumState {
    /// The file's content (`data_version` 1), one line without an end.
    pub fn to_json(&self) -> String {
        let voted_id = self.voted.map_or(NO_NODE, |key| key.id);
        let voted_directory = self.voted.map_or(Uuid::ZERO, |key| key.directory_id);
        let leader_id = self.leader_id.unwrap_or(NO_NODE);
        // Every value is a number or base64, so that nothing needs to be escaped.
        format!(
            "{{\"leaderId\":{leader_id},\"leaderEpoch\":{},\"votedId\":{voted_id},\
             \"votedDirectoryId\":\"{voted_directory}\",\"data_version\":1}}",
            self.epoch
        )
    }

    /// Reads the file's content.
    pub fn from_json(text: &str) -> Result<QuorumState, QuorumStateError> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| QuorumStateError::Malformed(error.to_string()))?;
        let object =
            value.as_object().ok_or_else(|| QuorumStateError::Malformed("another JSON type".to_owned()))?;
        let version = integer(object, "data_version")?;
        if !(0..=1).contains(&version) {
            return Err(QuorumStateError::Version(version));
        }
        let epoch = node_or_epoch(object, "leaderEpoch")?;
        let leader_id = node_or_epoch(object, "leaderId")?;
        let voted_id = node_or_epoch(object, "votedId")?;
        let voted_directory = match version {
            0 => Uuid::ZERO,
            _ => directory_id(object)?,
        };
        Ok(QuorumState {
            epoch: epoch.max(0),
            leader_id: (leader_id >= 0).then_some(leader_id),
            voted: (voted_id >= 0).then(|| ReplicaKey::new(voted_id, voted_directory)),
        })
    }
}

fn integer(object: &Map<String, Value>, name: &'static str) -> Result<i64, QuorumStateError> {
    object.get(name).and_then(Value::as_i64).ok_or(QuorumStateError::Field(name))
}

fn node_or_epoch(object: &Map<String, Value>, name: &'static str) -> Result<i32, QuorumStateError> {
    i32::try_from(integer(object, name)?).map_err(|_| QuorumStateError::Field(name))
}

fn directory_id(object: &Map<String, Value>) -> Result<Uuid, QuorumStateError> {
    let name = "votedDirectoryId";
    let text = object.get(name).and_then(Value::as_str).ok_or(QuorumStateError::Field(name))?;
    text.parse().map_err(|_| QuorumStateError::Field(name))
}

#[cfg(test)]
mod tests;
