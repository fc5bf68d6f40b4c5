//! Everything the quorum's rules can ask of the world.

use crate::{QuorumState, SnapshotId};

/// An order to the shell. Orders are carried out in the order given, each before the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Put the election state on stable storage before anything that follows.
    PersistQuorumState(QuorumState),
    /// Write a batch at the end of the log. Stable storage is asked for by [`Effect::Flush`].
    Append(AppendedBatch),
    /// Bring the log to stable storage, then call [`crate::Raft::handle_flushed`].
    Flush {
        /// End of what must be stable.
        end_offset: i64,
    },
    /// This node leads: the state machine on top may offer records.
    BecomeLeader {
        /// Epoch of the leadership.
        epoch: i32,
    },
    /// This node leads no more: the state machine on top must stop offering records.
    Resign {
        /// Epoch that was led.
        epoch: i32,
    },
    /// Everything below `offset` is committed.
    AdvanceHighWatermark {
        /// First offset that is not committed.
        offset: i64,
        /// Epoch of the last committed batch.
        epoch: i32,
    },
    /// Write a snapshot of the state at exactly `id.offset`, then call [`crate::Raft::handle_snapshot_written`] (or
    /// [`crate::Raft::handle_snapshot_failed`]).
    TakeSnapshot {
        /// Which.
        id: SnapshotId,
    },
    /// Older snapshots and the log before `id.offset` are no longer needed: move the log's start there and delete.
    DeleteBefore {
        /// Oldest snapshot that stays.
        id: SnapshotId,
    },
}

/// A finished batch with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendedBatch {
    /// First offset.
    pub base_offset: i64,
    /// Last offset.
    pub last_offset: i64,
    /// Leader epoch, already in the batch's header.
    pub epoch: i32,
    /// The batch as it lies in the log.
    pub bytes: Vec<u8>,
}
