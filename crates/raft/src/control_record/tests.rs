//! Control records in Kafka's bytes.

use protocol::Uuid;
use records::ControlRecordType;

use crate::{ControlRecord, Endpoint, RaftError, ReplicaKey, Voter, VoterSet};

fn samples() -> Vec<ControlRecord> {
    let directory: Uuid = "J8aAPcfLQt2bqs1JT_rMgQ".parse().expect("a uuid");
    let key = ReplicaKey::new(1, directory);
    let without = ReplicaKey::new(1, Uuid::ZERO);
    let endpoint = Endpoint { name: "CONTROLLER".to_owned(), host: "localhost".to_owned(), port: 9093 };
    vec![
        ControlRecord::LeaderChange { leader_id: 1, voters: vec![without], granting_voters: vec![without] },
        ControlRecord::SnapshotHeader { last_contained_log_timestamp_ms: 1_700_000_000_000 },
        ControlRecord::SnapshotFooter,
        ControlRecord::KRaftVersion(1),
        ControlRecord::Voters(VoterSet::new([Voter::local(key, vec![endpoint])])),
    ]
}

#[test]
fn every_control_record_is_read_back() {
    for record in samples() {
        let value = record.value().expect("it is encodable");
        let key = record.record_type().key();
        assert_eq!(ControlRecord::decode(&key, &value), Ok(Some(record)));
    }
}

#[test]
fn the_bytes_are_those_that_the_records_room_writes() {
    let directory_id = "J8aAPcfLQt2bqs1JT_rMgQ".parse::<Uuid>().expect("a uuid").0;
    let voter = records::VoterId { id: 1, directory_id };
    let values: Vec<Vec<u8>> = samples().iter().map(|record| record.value().expect("encodable")).collect();
    assert_eq!(values[0], records::leader_change_value(0, 1, &[voter], &[voter]));
    assert_eq!(values[1], records::snapshot_header_value(1_700_000_000_000));
    assert_eq!(values[2], records::snapshot_footer_value());
    assert_eq!(values[3], records::kraft_version_value(1));
    let endpoints = vec![records::VoterEndpoint { name: "CONTROLLER", host: "localhost", port: 9093 }];
    let set = records::VoterSet { voter, endpoints, min_kraft_version: 0, max_kraft_version: 1 };
    assert_eq!(values[4], records::voters_value(&[set]));
}

#[test]
fn a_leader_change_is_in_the_one_version_that_kafka_reads() {
    let key = ReplicaKey::new(1, Uuid([7; 16]));
    let record = ControlRecord::LeaderChange { leader_id: 1, voters: vec![key], granting_voters: vec![key] };
    let bytes = [0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0];
    assert_eq!(record.value().expect("it is encodable"), bytes, "as in a log that Kafka 4.4.0 wrote");
}

#[test]
fn records_of_others_are_skipped_and_broken_ones_refused() {
    assert_eq!(ControlRecord::decode(&ControlRecordType::Commit.key(), &[0; 6]), Ok(None));
    assert_eq!(ControlRecord::decode(&[0, 0, 0, 99], &[]), Ok(None));
    assert_eq!(ControlRecord::decode(&[], &[]), Ok(None));
    let key = ControlRecordType::KRaftVersion.key();
    for value in [&[][..], &[0], &[0, 9, 0, 1, 0], &[0, 0, 0], &[0, 0, 0, 1, 0, 7]] {
        assert!(matches!(ControlRecord::decode(&key, value), Err(RaftError::ControlRecord(_))), "{value:?}");
    }
}
