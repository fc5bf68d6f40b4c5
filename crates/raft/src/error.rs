//! What can go wrong in the quorum's rules. Never a panic, never an I/O error: those belong to the shell.

use crate::ReplicaKey;

/// A request or a persisted state that the quorum cannot accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RaftError {
    /// Records were offered to a node that does not lead.
    #[error("not the leader of the metadata log; the epoch is {epoch}")]
    NotLeader {
        /// Current epoch.
        epoch: i32,
    },
    /// Records that must be written together do not fit a batch.
    #[error("records of one operation take {size_bytes} bytes, more than a batch may have ({max_bytes})")]
    BatchTooLarge {
        /// Bytes of the encoded batch.
        size_bytes: usize,
        /// [`crate::RaftConfig::batch_bytes_max`].
        max_bytes: usize,
    },
    /// Neither the log nor a snapshot names a voter.
    #[error("the metadata log names no voters; format the directory before the first start")]
    NoVoters,
    /// The local node is not in the voter set.
    #[error("node {local} is not among the voters ({voters}); was the directory formatted for another node?")]
    NotVoter {
        /// The local replica.
        local: ReplicaKey,
        /// The voter set, for people.
        voters: String,
    },
    /// The voter set holds other nodes.
    #[error("the metadata quorum has {count} voters ({voters}); only a quorum of one can be formed")]
    QuorumOfMany {
        /// Number of voters.
        count: usize,
        /// The voter set, for people.
        voters: String,
    },
    /// Epochs are 32 bits and have run out.
    #[error("the epoch cannot grow beyond {epoch}")]
    EpochExhausted {
        /// Current epoch.
        epoch: i32,
    },
    /// A batch of the log does not follow the previous one.
    #[error(
        "a batch at offset {base_offset} epoch {epoch} does not follow offset {end_offset} epoch {last_epoch}"
    )]
    OutOfOrderBatch {
        /// First offset of the batch.
        base_offset: i64,
        /// Leader epoch of the batch.
        epoch: i32,
        /// Where the next batch must start.
        end_offset: i64,
        /// Epoch of the last batch.
        last_epoch: i32,
    },
    /// A control record could not be read.
    #[error("malformed control record: {0}")]
    ControlRecord(String),
}

/// A `quorum-state` file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuorumStateError {
    /// Not JSON, or not a JSON object.
    #[error("quorum-state is not a JSON object: {0}")]
    Malformed(String),
    /// A field is missing or of another type.
    #[error("quorum-state has no usable field {0:?}")]
    Field(&'static str),
    /// `data_version` is one this code does not know.
    #[error("quorum-state has data_version {0}; known are 0 and 1")]
    Version(i64),
}
