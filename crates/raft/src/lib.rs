//! KRaft: who leads the metadata log, what of it is committed, and when it is snapshotted.
//!
//! Owns the quorum's rules: persisted election state, epochs, the voter set, the high watermark, control records and
//! the life of snapshots. Never reads a clock, a disk or a socket (the shell carries out [`Effect`]s and reports back),
//! and never looks inside a record of its user: it knows no topic.
//!
//! The rules are written for any number of voters (majorities, voter keys with directory ids, per-voter end offsets).
//! What this crate does *not* have is the exchange between voters; [`Raft::handle_start`] therefore refuses a voter
//! set that holds anyone but the local node.

mod batch;
mod config;
mod control_record;
mod effect;
mod error;
mod leader;
mod quorum_state;
mod quorum_view;
mod raft;
mod replayed_batch;
mod replica_key;
mod snapshot;
mod voter_change;
mod voters;

pub use batch::{RecordGroup, encode_snapshot_batches};
pub use config::RaftConfig;
pub use control_record::ControlRecord;
pub use effect::{AppendedBatch, Effect};
pub use error::{QuorumStateError, RaftError};
pub use quorum_state::{QUORUM_STATE_FILE, QuorumState};
pub use quorum_view::{QuorumView, ReplicaView};
pub use raft::Raft;
pub use replayed_batch::ReplayedBatch;
pub use replica_key::ReplicaKey;
pub use snapshot::{SnapshotId, SnapshotInfo};
pub use voter_change::VoterChangeError;
pub use voters::{Endpoint, KRAFT_VERSION_LATEST, Voter, VoterSet};
