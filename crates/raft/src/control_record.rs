//! Control records of the metadata log and of snapshots: their meaning and their bytes.

use protocol::leader_change_message::Voter;
use protocol::{
    KRaftVersionRecord, LeaderChangeMessage, Message, SnapshotFooterRecord, SnapshotHeaderRecord, Uuid,
    VotersRecord, from_slice, to_vec,
};
use records::ControlRecordType;

use crate::{RaftError, ReplicaKey, VoterSet};

/// The version of the leader-change message that Kafka 4.4 writes, whatever `kraft.version` is. It reads no other: version
/// 1, with directory ids, stops its start.
const LEADER_CHANGE_VERSION: i16 = 0;

/// A record that the quorum writes for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlRecord {
    /// A leader begins its epoch (KIP-595).
    LeaderChange {
        /// The leader.
        leader_id: i32,
        /// All voters; their directory ids are not stored.
        voters: Vec<ReplicaKey>,
        /// Those that elected it; likewise.
        granting_voters: Vec<ReplicaKey>,
    },
    /// First record of a snapshot (KIP-630).
    SnapshotHeader {
        /// Timestamp of the last batch the snapshot stands for, ms since the epoch.
        last_contained_log_timestamp_ms: i64,
    },
    /// Last record of a snapshot: it is complete (KIP-630).
    SnapshotFooter,
    /// `kraft.version` (KIP-853).
    KRaftVersion(i16),
    /// The voters from here on (KIP-853).
    Voters(VoterSet),
}

impl ControlRecord {
    /// The type in the record's key.
    pub fn record_type(&self) -> ControlRecordType {
        match self {
            ControlRecord::LeaderChange { .. } => ControlRecordType::LeaderChange,
            ControlRecord::SnapshotHeader { .. } => ControlRecordType::SnapshotHeader,
            ControlRecord::SnapshotFooter => ControlRecordType::SnapshotFooter,
            ControlRecord::KRaftVersion(_) => ControlRecordType::KRaftVersion,
            ControlRecord::Voters(_) => ControlRecordType::KRaftVoters,
        }
    }

    /// The record's value.
    ///
    /// # Errors
    /// A name longer than the format can carry.
    pub fn value(&self) -> Result<Vec<u8>, RaftError> {
        match self {
            ControlRecord::LeaderChange { leader_id, voters, granting_voters } => encode(
                &LeaderChangeMessage {
                    version: LEADER_CHANGE_VERSION,
                    leader_id: *leader_id,
                    voters: to_voters(voters),
                    granting_voters: to_voters(granting_voters),
                },
                LEADER_CHANGE_VERSION,
            ),
            ControlRecord::SnapshotHeader { last_contained_log_timestamp_ms } => encode(
                &SnapshotHeaderRecord {
                    version: 0,
                    last_contained_log_timestamp: *last_contained_log_timestamp_ms,
                },
                0,
            ),
            ControlRecord::SnapshotFooter => encode(&SnapshotFooterRecord { version: 0 }, 0),
            ControlRecord::KRaftVersion(level) => {
                encode(&KRaftVersionRecord { version: 0, kraft_version: *level }, 0)
            }
            ControlRecord::Voters(voters) => encode(&voters.to_record(), 0),
        }
    }

    /// Reads a control record. `None` for a type that is not the quorum's, which readers skip.
    ///
    /// # Errors
    /// The value is malformed or of a version this code does not know.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Option<ControlRecord>, RaftError> {
        let Some(record_type) = ControlRecordType::from_key(key) else { return Ok(None) };
        Ok(Some(match record_type {
            ControlRecordType::Abort | ControlRecordType::Commit => return Ok(None),
            ControlRecordType::LeaderChange => {
                let message: LeaderChangeMessage = decode(value)?;
                ControlRecord::LeaderChange {
                    leader_id: message.leader_id,
                    voters: from_voters(&message.voters),
                    granting_voters: from_voters(&message.granting_voters),
                }
            }
            ControlRecordType::SnapshotHeader => {
                let message: SnapshotHeaderRecord = decode(value)?;
                let last_contained_log_timestamp_ms = message.last_contained_log_timestamp;
                ControlRecord::SnapshotHeader { last_contained_log_timestamp_ms }
            }
            ControlRecordType::SnapshotFooter => {
                let _: SnapshotFooterRecord = decode(value)?;
                ControlRecord::SnapshotFooter
            }
            ControlRecordType::KRaftVersion => {
                let message: KRaftVersionRecord = decode(value)?;
                ControlRecord::KRaftVersion(message.kraft_version)
            }
            ControlRecordType::KRaftVoters => {
                let message: VotersRecord<'_> = decode(value)?;
                ControlRecord::Voters(VoterSet::from_record(&message))
            }
        }))
    }
}

fn encode<'a, M: Message<'a>>(message: &M, version: i16) -> Result<Vec<u8>, RaftError> {
    to_vec(message, version).map_err(|error| RaftError::ControlRecord(error.to_string()))
}

/// The version of a control record is its first field.
fn decode<'a, M: Message<'a>>(value: &'a [u8]) -> Result<M, RaftError> {
    let [high, low, ..] = *value else {
        return Err(RaftError::ControlRecord("the value is shorter than its version".to_owned()));
    };
    let version = i16::from_be_bytes([high, low]);
    from_slice(value, version).map_err(|error| RaftError::ControlRecord(error.to_string()))
}

fn to_voters(keys: &[ReplicaKey]) -> Vec<Voter> {
    keys.iter().map(|key| Voter { voter_id: key.id, voter_directory_id: Uuid::ZERO }).collect()
}

fn from_voters(voters: &[Voter]) -> Vec<ReplicaKey> {
    voters.iter().map(|voter| ReplicaKey::new(voter.voter_id, voter.voter_directory_id)).collect()
}

#[cfg(test)]
mod tests;
