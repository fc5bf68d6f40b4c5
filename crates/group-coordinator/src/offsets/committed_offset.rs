//! One committed offset.

use protocol::Uuid;

/// Where a group stands in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    /// The next offset to read.
    pub offset: i64,
    /// Leader epoch of the last record read, -1 if unknown.
    pub leader_epoch: i32,
    /// What the client wants to keep with the offset.
    pub metadata: Box<str>,
    /// When the offset was committed.
    pub commit_timestamp_ms: i64,
    /// When the offset expires, if the client said so (OffsetCommit 2 to 4).
    pub expire_timestamp_ms: Option<i64>,
    /// The topic's id, zero if it was not known at the commit.
    pub topic_id: Uuid,
}
