//! What the quorum's rules need from the configuration. Never parses a property.

use protocol::Uuid;

use crate::{Endpoint, ReplicaKey};

/// Settings of one node's Raft state.
#[derive(Debug, Clone)]
pub struct RaftConfig {
    /// `node.id`.
    pub node_id: i32,
    /// `directory.id` of the directory that holds the metadata log.
    pub directory_id: Uuid,
    /// Listeners of the local voter, written into the voter set (KIP-853).
    pub endpoints: Vec<Endpoint>,
    /// Whether `controller.quorum.voters` names this node: then it is the voter of a log that names none (`kraft.version`
    /// 0, as Kafka formats a directory for a fixed quorum).
    pub is_static_voter: bool,
    /// `metadata.log.max.record.bytes.between.snapshots`: committed bytes after which a snapshot is due.
    pub snapshot_record_bytes_max: u64,
    /// `metadata.log.max.snapshot.interval.ms`: time after which a snapshot is due if anything was committed since the
    /// last one; 0 turns the rule off.
    pub snapshot_interval_ms_max: i64,
    /// `metadata.max.retention.bytes`: log and snapshots together, above which older snapshots go; -1 is no limit.
    pub retention_bytes_max: i64,
    /// `metadata.max.retention.ms`: age above which older snapshots go; -1 is no limit.
    pub retention_ms_max: i64,
    /// Largest record batch in the log; one group of records that must stay together may not be larger.
    pub batch_bytes_max: usize,
}

impl RaftConfig {
    /// `metadata.log.max.record.bytes.between.snapshots` unless configured.
    pub const SNAPSHOT_RECORD_BYTES_MAX_DEFAULT: u64 = 20 * 1024 * 1024;
    /// `metadata.log.max.snapshot.interval.ms` unless configured.
    pub const SNAPSHOT_INTERVAL_MS_MAX_DEFAULT: i64 = 60 * 60 * 1000;
    /// `metadata.max.retention.bytes` unless configured.
    pub const RETENTION_BYTES_MAX_DEFAULT: i64 = 100 * 1024 * 1024;
    /// `metadata.max.retention.ms` unless configured.
    pub const RETENTION_MS_MAX_DEFAULT: i64 = 7 * 24 * 60 * 60 * 1000;
    /// `internal.metadata.max.batch.size.in.bytes` unless configured.
    pub const BATCH_BYTES_MAX_DEFAULT: usize = 8 * 1024 * 1024;

    /// Kafka's defaults for a node.
    pub fn new(node_id: i32, directory_id: Uuid) -> RaftConfig {
        RaftConfig {
            node_id,
            directory_id,
            endpoints: Vec::new(),
            is_static_voter: false,
            snapshot_record_bytes_max: Self::SNAPSHOT_RECORD_BYTES_MAX_DEFAULT,
            snapshot_interval_ms_max: Self::SNAPSHOT_INTERVAL_MS_MAX_DEFAULT,
            retention_bytes_max: Self::RETENTION_BYTES_MAX_DEFAULT,
            retention_ms_max: Self::RETENTION_MS_MAX_DEFAULT,
            batch_bytes_max: Self::BATCH_BYTES_MAX_DEFAULT,
        }
    }

    /// The local replica.
    pub fn local_key(&self) -> ReplicaKey {
        ReplicaKey::new(self.node_id, self.directory_id)
    }
}
