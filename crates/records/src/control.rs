//! Control batches: transaction markers and the records KRaft keeps for itself.
//!
//! Owns their keys, their values and how a batch of them is built. It never interprets one: what a leader change
//! means is for `raft` to say.

use crate::builder::{BatchBuilder, BatchSettings};
use crate::error::BatchError;
use crate::varint::write_unsigned;

/// What a control record is, by the type in its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum ControlRecordType {
    /// A transaction was aborted (KIP-98).
    Abort = 0,
    /// A transaction was committed (KIP-98).
    Commit = 1,
    /// A new quorum leader started its epoch (KIP-595).
    LeaderChange = 2,
    /// First record of a snapshot (KIP-630).
    SnapshotHeader = 3,
    /// Last record of a snapshot (KIP-630).
    SnapshotFooter = 4,
    /// Version of the quorum's own protocol (KIP-853).
    KRaftVersion = 5,
    /// The set of voters (KIP-853).
    KRaftVoters = 6,
}

impl ControlRecordType {
    /// The type with this number.
    pub fn from_id(id: i16) -> Option<ControlRecordType> {
        use ControlRecordType::*;
        [Abort, Commit, LeaderChange, SnapshotHeader, SnapshotFooter, KRaftVersion, KRaftVoters]
            .into_iter()
            .find(|kind| *kind as i16 == id)
    }

    /// The type that a control record's key names; `None` for a key that is too short or of an unknown type, which
    /// readers skip.
    pub fn from_key(key: &[u8]) -> Option<ControlRecordType> {
        // An int16 version, of which newer ones may only append fields, then the type.
        let [version_high, _, type_high, type_low, ..] = *key else { return None };
        if version_high >= 0x80 {
            return None;
        }
        ControlRecordType::from_id(i16::from_be_bytes([type_high, type_low]))
    }

    /// The key of a control record of this type.
    pub fn key(self) -> [u8; 4] {
        let [high, low] = (self as i16).to_be_bytes();
        [0, 0, high, low]
    }
}

/// A batch of control records, all with this timestamp (ms). The settings' codec is ignored: control records are
/// never compressed.
///
/// # Errors
/// [`BatchError::TooLarge`] when the values do not fit into a batch.
pub fn control_batch(
    settings: BatchSettings,
    timestamp: i64,
    records: &[(ControlRecordType, &[u8])],
) -> Result<Vec<u8>, BatchError> {
    let settings = BatchSettings { control: true, compression: crate::Compression::None, ..settings };
    let mut builder = BatchBuilder::new(settings);
    for (kind, value) in records {
        builder.append(Some(&kind.key()), Some(value), &[], timestamp)?;
    }
    builder.build()
}

/// The batch that ends a transaction of `producer_id` in a partition.
///
/// # Errors
/// None that a caller can cause.
pub fn end_txn_marker_batch(
    base_offset: i64,
    partition_leader_epoch: i32,
    timestamp: i64,
    producer_id: i64,
    producer_epoch: i16,
    commit: bool,
    coordinator_epoch: i32,
) -> Result<Vec<u8>, BatchError> {
    let settings = BatchSettings {
        base_offset,
        partition_leader_epoch,
        producer_id,
        producer_epoch,
        transactional: true,
        ..BatchSettings::default()
    };
    let kind = if commit { ControlRecordType::Commit } else { ControlRecordType::Abort };
    let mut value = [0; 6];
    value[2..].copy_from_slice(&coordinator_epoch.to_be_bytes());
    control_batch(settings, timestamp, &[(kind, &value)])
}

/// A voter: node id and the id of its metadata directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoterId {
    /// Node id.
    pub id: i32,
    /// Directory id, zero when unknown.
    pub directory_id: [u8; 16],
}

/// A voter with all that the voters record says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoterSet<'a> {
    /// Who it is.
    pub voter: VoterId,
    /// Where it is reached.
    pub endpoints: Vec<VoterEndpoint<'a>>,
    /// Lowest version of the quorum protocol it speaks.
    pub min_kraft_version: i16,
    /// Highest version of the quorum protocol it speaks.
    pub max_kraft_version: i16,
}

/// A listener of a voter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoterEndpoint<'a> {
    /// Listener name.
    pub name: &'a str,
    /// Host.
    pub host: &'a str,
    /// Port.
    pub port: u16,
}

/// Value of a leader-change record. Version 1 adds the directory ids.
pub fn leader_change_value(
    version: i16,
    leader_id: i32,
    voters: &[VoterId],
    granting: &[VoterId],
) -> Vec<u8> {
    let mut out = version.to_be_bytes().to_vec();
    out.extend_from_slice(&leader_id.to_be_bytes());
    for set in [voters, granting] {
        write_unsigned(set.len() as u64 + 1, &mut out);
        for voter in set {
            out.extend_from_slice(&voter.id.to_be_bytes());
            if version >= 1 {
                out.extend_from_slice(&voter.directory_id);
            }
            out.push(0);
        }
    }
    out.push(0);
    out
}

/// Value of a snapshot header; `last_contained_log_timestamp` in ms.
pub fn snapshot_header_value(last_contained_log_timestamp: i64) -> Vec<u8> {
    let mut out = vec![0, 0];
    out.extend_from_slice(&last_contained_log_timestamp.to_be_bytes());
    out.push(0);
    out
}

/// Value of a snapshot footer.
pub fn snapshot_footer_value() -> Vec<u8> {
    vec![0, 0, 0]
}

/// Value of a record that sets the version of the quorum protocol.
pub fn kraft_version_value(kraft_version: i16) -> Vec<u8> {
    let [high, low] = kraft_version.to_be_bytes();
    vec![0, 0, high, low, 0]
}

/// Value of a voters record.
pub fn voters_value(voters: &[VoterSet<'_>]) -> Vec<u8> {
    fn string(text: &str, out: &mut Vec<u8>) {
        write_unsigned(text.len() as u64 + 1, out);
        out.extend_from_slice(text.as_bytes());
    }
    let mut out = vec![0, 0];
    write_unsigned(voters.len() as u64 + 1, &mut out);
    for entry in voters {
        out.extend_from_slice(&entry.voter.id.to_be_bytes());
        out.extend_from_slice(&entry.voter.directory_id);
        write_unsigned(entry.endpoints.len() as u64 + 1, &mut out);
        for endpoint in &entry.endpoints {
            string(endpoint.name, &mut out);
            string(endpoint.host, &mut out);
            out.extend_from_slice(&endpoint.port.to_be_bytes());
            out.push(0);
        }
        out.extend_from_slice(&entry.min_kraft_version.to_be_bytes());
        out.extend_from_slice(&entry.max_kraft_version.to_be_bytes());
        // Tag sections of the feature range and of the voter.
        out.extend_from_slice(&[0, 0]);
    }
    out.push(0);
    out
}
