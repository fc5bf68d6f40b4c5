//! What DescribeQuorum tells about the quorum. Never the wire form: the handler owns that.

use crate::ReplicaKey;

/// The leader's view of the quorum at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumView {
    /// Node id of the leader.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: i32,
    /// First offset that is not committed; -1 until the leader has committed a batch of its own epoch.
    pub high_watermark: i64,
    /// Voters by id.
    pub voters: Vec<ReplicaView>,
    /// Observers by id: replicas that fetch the log without a vote.
    pub observers: Vec<ReplicaView>,
}

/// One replica as the leader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaView {
    /// Who.
    pub key: ReplicaKey,
    /// First offset the replica does not have.
    pub log_end_offset: i64,
    /// When it last fetched, ms since the epoch; for the leader itself the time of the question.
    pub last_fetch_ms: i64,
    /// When it last had everything, ms since the epoch; for the leader itself the time of the question.
    pub last_caught_up_ms: i64,
}
