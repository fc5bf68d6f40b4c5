//! What must be true of a change of the voter set before it may be written (KIP-853). Never writes it.

use protocol::Uuid;

use crate::{Raft, ReplicaKey};

/// Why the voter set stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VoterChangeError {
    /// The request names no replica.
    #[error("the voter {0} is none: a voter has an id that is not negative and a directory id")]
    NoVoter(ReplicaKey),
    /// The request does not say where the voter listens.
    #[error("the voter must have an endpoint for the listener {0}")]
    NoEndpoint(String),
    /// `kraft.version` is 0: the voters are not in the log.
    #[error("voters can be changed only at kraft.version 1")]
    StaticVoters,
    /// Its id is in the set.
    #[error("node {0} is a voter")]
    Duplicate(i32),
    /// A replica votes only after it has caught up with the log, and this one does not fetch it.
    #[error("the replica {0} does not fetch the metadata log, so it cannot become a voter")]
    NotCaughtUp(ReplicaKey),
    /// It is not in the set.
    #[error("the replica {0} is no voter")]
    Unknown(ReplicaKey),
    /// Without it there would be no voter.
    #[error("the replica {0} is the last voter and cannot be removed")]
    Last(ReplicaKey),
}

impl Raft {
    /// Why a voter cannot be added.
    ///
    /// A replica may join the voters when it has caught up with the log. As no replica but the local one has it (see the
    /// crate's description), there is always a reason.
    pub fn reason_against_adding(
        &self,
        voter: ReplicaKey,
        listener_names: &[&str],
        default_listener: &str,
    ) -> VoterChangeError {
        if !is_replica(voter) {
            return VoterChangeError::NoVoter(voter);
        }
        if !listener_names.contains(&default_listener) {
            return VoterChangeError::NoEndpoint(default_listener.to_owned());
        }
        if self.kraft_version() == 0 {
            return VoterChangeError::StaticVoters;
        }
        match self.voters().get(voter.id) {
            Some(_) => VoterChangeError::Duplicate(voter.id),
            None => VoterChangeError::NotCaughtUp(voter),
        }
    }

    /// Why a voter cannot be removed: a quorum of one has no voter to spare.
    pub fn reason_against_removing(&self, voter: ReplicaKey) -> VoterChangeError {
        if !is_replica(voter) {
            return VoterChangeError::NoVoter(voter);
        }
        if self.kraft_version() == 0 {
            return VoterChangeError::StaticVoters;
        }
        match self.voters().contains(&voter) {
            true => VoterChangeError::Last(voter),
            false => VoterChangeError::Unknown(voter),
        }
    }
}

fn is_replica(key: ReplicaKey) -> bool {
    key.id >= 0 && key.directory_id != Uuid::ZERO
}

#[cfg(test)]
mod tests;
