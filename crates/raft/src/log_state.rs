//! What the quorum's rules know of the log: offsets, epochs, sizes. Never its bytes.

use crate::{ControlRecord, SnapshotInfo};

/// The log as found on disk at start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogState {
    /// First offset still in the log.
    pub start_offset: i64,
    /// Complete snapshots beside the log, in any order, the bootstrap snapshot among them.
    pub snapshots: Vec<SnapshotInfo>,
}

/// One batch of the log, told to [`crate::Raft::replay_batch`] in log order at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayedBatch {
    /// First offset.
    pub base_offset: i64,
    /// Last offset.
    pub last_offset: i64,
    /// Leader epoch.
    pub epoch: i32,
    /// Bytes in the log.
    pub size_bytes: u64,
    /// Its control records; empty for a data batch.
    pub control: Vec<ControlRecord>,
}
