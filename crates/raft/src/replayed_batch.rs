//! What the quorum's rules need to know of a batch found in the log. Never its data records.

use crate::ControlRecord;

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
