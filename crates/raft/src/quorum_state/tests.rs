//! The file is Kafka's, byte for byte.

use protocol::Uuid;

use crate::{QuorumState, QuorumStateError, ReplicaKey};

#[test]
fn a_leader_that_did_not_vote_for_another_is_written_as_kafka_does() {
    let state = QuorumState { epoch: 7, leader_id: Some(1), voted: None };
    let expected = "{\"leaderId\":1,\"leaderEpoch\":7,\"votedId\":-1,\
                    \"votedDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}";
    assert_eq!(state.to_json(), expected);
    assert_eq!(QuorumState::from_json(expected), Ok(state));
}

#[test]
fn a_vote_carries_its_directory() {
    let directory: Uuid = "J8aAPcfLQt2bqs1JT_rMgQ".parse().expect("a uuid");
    let state = QuorumState { epoch: 2, leader_id: None, voted: Some(ReplicaKey::new(1, directory)) };
    let expected = "{\"leaderId\":-1,\"leaderEpoch\":2,\"votedId\":1,\
                    \"votedDirectoryId\":\"J8aAPcfLQt2bqs1JT_rMgQ\",\"data_version\":1}";
    assert_eq!(state.to_json(), expected);
    assert_eq!(QuorumState::from_json(expected), Ok(state));
}

#[test]
fn version_zero_with_static_voters_is_read() {
    let text = "{\"clusterId\":\"\",\"leaderId\":1,\"leaderEpoch\":2,\"votedId\":-1,\"appliedOffset\":0,\
                \"currentVoters\":[{\"voterId\":1},{\"voterId\":2}],\"data_version\":0}";
    let expected = QuorumState { epoch: 2, leader_id: Some(1), voted: None };
    assert_eq!(QuorumState::from_json(text), Ok(expected));
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let check = |text: &str| QuorumState::from_json(text).expect_err(text);
    assert!(matches!(check(""), QuorumStateError::Malformed(_)));
    assert!(matches!(check("[]"), QuorumStateError::Malformed(_)));
    assert_eq!(check("{\"data_version\":2}"), QuorumStateError::Version(2));
    assert_eq!(check("{\"data_version\":1}"), QuorumStateError::Field("leaderEpoch"));
    assert_eq!(check("{}"), QuorumStateError::Field("data_version"));
    let big = "{\"leaderId\":1,\"leaderEpoch\":99999999999,\"votedId\":-1,\"data_version\":1}";
    assert_eq!(check(big), QuorumStateError::Field("leaderEpoch"));
    let no_directory =
        "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"votedDirectoryId\":\"x\",\"data_version\":1}";
    assert_eq!(check(no_directory), QuorumStateError::Field("votedDirectoryId"));
}
