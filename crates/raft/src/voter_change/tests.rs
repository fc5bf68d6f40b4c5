//! Every reason there is.

use protocol::Uuid;

use super::VoterChangeError;
use crate::{ControlRecord, Raft, RaftConfig, ReplicaKey, SnapshotId, Voter, VoterSet};

const OWN: ReplicaKey = ReplicaKey { id: 1, directory_id: Uuid([1; 16]) };
const OTHER: ReplicaKey = ReplicaKey { id: 2, directory_id: Uuid([2; 16]) };

fn raft(kraft_version: i16) -> Raft {
    let mut raft = Raft::new(RaftConfig::new(1, OWN.directory_id), None, [], 0);
    let control = [
        ControlRecord::KRaftVersion(kraft_version),
        ControlRecord::Voters(VoterSet::new([Voter::local(OWN, Vec::new())])),
    ];
    raft.load_snapshot_control(SnapshotId::BOOTSTRAP, &control);
    raft
}

#[test]
fn a_voter_is_named_listens_is_new_and_has_caught_up() {
    let reason =
        |voter: ReplicaKey, names: &[&str]| raft(1).reason_against_adding(voter, names, "CONTROLLER");
    let names: &[&str] = &["INTERNAL", "CONTROLLER"];
    let nameless = ReplicaKey { id: -1, ..OTHER };
    let homeless = ReplicaKey { directory_id: Uuid::ZERO, ..OTHER };
    assert_eq!(reason(nameless, names), VoterChangeError::NoVoter(nameless));
    assert_eq!(reason(homeless, names), VoterChangeError::NoVoter(homeless));
    assert_eq!(reason(OTHER, &["INTERNAL"]), VoterChangeError::NoEndpoint("CONTROLLER".to_owned()));
    assert_eq!(reason(ReplicaKey { id: 1, ..OTHER }, names), VoterChangeError::Duplicate(1));
    assert_eq!(reason(OTHER, names), VoterChangeError::NotCaughtUp(OTHER));
    assert_eq!(raft(0).reason_against_adding(OTHER, names, "CONTROLLER"), VoterChangeError::StaticVoters);
}

#[test]
fn the_last_voter_stays() {
    let reason = |voter: ReplicaKey| raft(1).reason_against_removing(voter);
    assert_eq!(reason(OWN), VoterChangeError::Last(OWN));
    assert_eq!(reason(OTHER), VoterChangeError::Unknown(OTHER));
    let other_directory = ReplicaKey { id: 1, ..OTHER };
    assert_eq!(reason(other_directory), VoterChangeError::Unknown(other_directory));
    let nameless = ReplicaKey { directory_id: Uuid::ZERO, ..OWN };
    assert_eq!(reason(nameless), VoterChangeError::NoVoter(nameless));
    assert_eq!(raft(0).reason_against_removing(OWN), VoterChangeError::StaticVoters);
}
