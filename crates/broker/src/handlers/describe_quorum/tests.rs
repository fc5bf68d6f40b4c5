//! Every version can be written, and says what it can.

use protocol::describe_quorum_request::{PartitionData, TopicData};
use protocol::{DescribeQuorumRequest, DescribeQuorumResponse, ErrorCode, Uuid, from_slice, to_vec};
use raft::{Endpoint, QuorumView, ReplicaKey, ReplicaView, Voter, VoterSet};

use super::{describe, is_metadata_partition, unknown_partitions};
use crate::controller_task::QuorumDescription;

fn quorum() -> QuorumDescription {
    let key = ReplicaKey::new(1, Uuid([7; 16]));
    let endpoint = Endpoint { name: "CONTROLLER".to_owned(), host: "localhost".to_owned(), port: 9093 };
    QuorumDescription {
        view: QuorumView {
            leader_id: 1,
            leader_epoch: 4,
            high_watermark: 99,
            voters: vec![ReplicaView { key, log_end_offset: 99, last_fetch_ms: 5, last_caught_up_ms: 5 }],
            observers: Vec::new(),
        },
        voters: VoterSet::new([Voter::local(key, vec![endpoint])]),
    }
}

#[test]
fn each_version_is_written_and_read() {
    for version in 0..=2 {
        let bytes = to_vec(&describe(&quorum(), version), version).expect("it is encodable");
        let response: DescribeQuorumResponse<'_> = from_slice(&bytes, version).expect("it is decodable");
        let partition = &response.topics[0].partitions[0];
        assert_eq!((partition.leader_id, partition.leader_epoch, partition.high_watermark), (1, 4, 99));
        let voter = &partition.current_voters[0];
        assert_eq!(voter.replica_directory_id, if version >= 2 { Uuid([7; 16]) } else { Uuid::ZERO });
        assert_eq!(voter.last_fetch_timestamp, if version >= 1 { 5 } else { -1 });
        assert_eq!(response.nodes.len(), usize::from(version >= 2));
    }
}

#[test]
fn only_the_metadata_partition_has_a_quorum() {
    let ask = |name: &'static str, indexes: &[i32]| DescribeQuorumRequest {
        topics: vec![TopicData {
            topic_name: name.into(),
            partitions: indexes.iter().map(|index| PartitionData { partition_index: *index }).collect(),
        }],
    };
    assert!(is_metadata_partition(&ask("__cluster_metadata", &[0])));
    for other in
        [ask("__cluster_metadata", &[1]), ask("__cluster_metadata", &[0, 0]), ask("a", &[0]), ask("a", &[])]
    {
        assert!(!is_metadata_partition(&other));
    }
    let refused = unknown_partitions(&ask("a", &[3]));
    let partition = &refused.topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.error_code), (3, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    for version in 0..=2 {
        to_vec(&refused, version).expect("it is encodable");
    }
}
