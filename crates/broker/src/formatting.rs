//! Giving log directories their identity before the first start, as Kafka's `kafka-storage format` does.
//!
//! Owns the files that a formatted directory holds: `meta.properties` and, in the directory of the metadata log, the bootstrap
//! snapshot. A node formats an empty directory by itself when it starts; this is for those who want to say beforehand which
//! cluster, features and passwords it begins with. It never opens a log, and what a directory already has is left alone.

use std::path::Path;

use platform::Platform;
use protocol::{MetadataRecord, Uuid};
use raft::{
    ControlRecord, Endpoint, RaftError, ReplicaKey, SnapshotId, Voter, VoterSet, encode_snapshot_batches,
};
use storage::{MetaProperties, StorageError};

use crate::metadata_log::METADATA_TOPIC;

/// Batch size of the bootstrap snapshot.
const BATCH_BYTES: usize = 1 << 20;

/// What `meta.properties` says of a log directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryIdentity {
    /// The cluster it belongs to.
    pub cluster_id: String,
    /// The node it belongs to.
    pub node_id: i32,
    /// The directory itself; directories of Kafka before 3.7 have no id.
    pub directory_id: Option<Uuid>,
}

/// A voter of a cluster that is yet to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapVoter {
    /// Its node id.
    pub node_id: i32,
    /// The directory of its metadata log.
    pub directory_id: Uuid,
    /// Name of its listener, host and port.
    pub endpoint: (String, String, u16),
}

/// What a cluster begins with.
#[derive(Debug, Clone)]
pub struct BootstrapMetadata {
    /// `kraft.version`: 0 for a fixed quorum, 1 for voters that the log names.
    pub kraft_version: i16,
    /// The voters, if `kraft_version` is 1 and they are known beforehand.
    pub voters: Vec<BootstrapVoter>,
    /// Features and passwords.
    pub records: Vec<MetadataRecord<'static>>,
}

impl BootstrapMetadata {
    fn encode(&self, now_ms: i64) -> Result<Vec<u8>, FormatError> {
        let mut control = Vec::new();
        if self.kraft_version > 0 {
            control.push(ControlRecord::KRaftVersion(self.kraft_version));
        }
        if !self.voters.is_empty() {
            let voters = self.voters.iter().map(|voter| {
                let (name, host, port) = voter.endpoint.clone();
                let key = ReplicaKey::new(voter.node_id, voter.directory_id);
                Voter::local(key, vec![Endpoint { name, host, port }])
            });
            control.push(ControlRecord::Voters(VoterSet::new(voters)));
        }
        let records =
            self.records.iter().map(MetadataRecord::encode_framed).collect::<Result<Vec<_>, _>>()?;
        let epoch = SnapshotId::BOOTSTRAP.epoch;
        Ok(encode_snapshot_batches(epoch, now_ms, now_ms, &control, records.into_iter(), BATCH_BYTES)?)
    }
}

/// Why a directory cannot be formatted.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The disk refuses.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// `meta.properties` cannot be read or written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A record cannot be written.
    #[error("a metadata record cannot be encoded: {0}")]
    Encode(#[from] protocol::EncodeError),
    /// The snapshot cannot be built.
    #[error(transparent)]
    Snapshot(#[from] RaftError),
}

/// Whose directory this is; `None` if it is not formatted. Blocks.
///
/// # Errors
/// `meta.properties` cannot be read or makes no sense.
pub fn read_identity(
    platform: &Platform,
    directory: &Path,
) -> Result<Option<DirectoryIdentity>, FormatError> {
    let meta = MetaProperties::read(platform.disk.as_ref(), directory)?;
    Ok(meta.map(|meta| DirectoryIdentity {
        cluster_id: meta.cluster_id,
        node_id: meta.node_id,
        directory_id: meta.directory_id,
    }))
}

/// Formats a directory, which is made if need be; `bootstrap` is for the one that has the metadata log. Everything is on
/// stable storage when it returns, the identity last: a directory that was formatted halfway is not formatted. Blocks.
///
/// # Errors
/// The disk refuses.
pub fn format_directory(
    platform: &Platform,
    directory: &Path,
    identity: DirectoryIdentity,
    bootstrap: Option<&BootstrapMetadata>,
) -> Result<(), FormatError> {
    let disk = platform.disk.as_ref();
    disk.create_dir_all_durable(directory)?;
    if let Some(bootstrap) = bootstrap {
        let log = directory.join(format!("{METADATA_TOPIC}-0"));
        disk.create_dir_all_durable(&log)?;
        let bytes = bootstrap.encode(platform.clock.wall_ms())?;
        disk.write_atomic(&log.join(SnapshotId::BOOTSTRAP.file_name()), &bytes)?;
    }
    let DirectoryIdentity { cluster_id, node_id, directory_id } = identity;
    Ok(MetaProperties { cluster_id, node_id, directory_id }.write(disk, directory)?)
}
