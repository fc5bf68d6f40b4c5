//! Leaders are elected when somebody asks, and only those that may lead.

use metadata::{LeaderRecoveryState, NO_LEADER};
use protocol::elect_leaders_request::TopicPartitions;
use protocol::{ElectLeadersRequest, ErrorCode, MetadataRecord, PartitionChangeRecord};

use super::cluster::{Cluster, assigned, topic, with_configs};
use crate::Outcome;

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

/// Topic, and code of each partition that is answered.
type Results = Vec<(String, Vec<(i32, &'static str)>)>;

fn elect(cluster: &mut Cluster, election_type: i8, asked: Option<&[(&'static str, &[i32])]>) -> Results {
    let topic_partitions = asked.map(|asked| {
        let entry = |(topic, partitions): &(&'static str, &[i32])| TopicPartitions {
            topic: (*topic).into(),
            partitions: partitions.to_vec(),
        };
        asked.iter().map(entry).collect()
    });
    let request = ElectLeadersRequest { election_type, topic_partitions, ..ElectLeadersRequest::default() };
    let outcome = cluster.controller.handle_elect_leaders(&request).expect("the type is known");
    let response = cluster.apply(outcome);
    assert_eq!(response.error_code, ErrorCode::NONE);
    let topics = response.replica_election_results.into_iter().map(|result| {
        let partitions = result.partition_result.iter().map(|partition| {
            assert_eq!(partition.error_message.is_some(), partition.error_code != ErrorCode::NONE);
            (partition.partition_id, partition.error_code.name())
        });
        (result.topic.clone().into_owned(), partitions.collect())
    });
    topics.collect()
}

fn only(partitions: &[(i32, &'static str)]) -> Results {
    vec![("t".to_owned(), partitions.to_vec())]
}

/// A partition's leader has let these into its ISR.
fn set_isr(cluster: &mut Cluster, name: &str, isr: &[i32]) {
    let topic_id = cluster.controller.image().topics().by_name(name).expect("it exists").id();
    let record = PartitionChangeRecord {
        topic_id,
        partition_id: 0,
        isr: Some(isr.to_vec()),
        ..PartitionChangeRecord::default()
    };
    cluster.apply(Outcome::atomic(vec![MetadataRecord::PartitionChange(record)], ()));
}

#[test]
fn a_single_node_needs_no_election() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.create(vec![topic("t", 2, 1)]);
    let before = cluster.next_offset;
    for election_type in [PREFERRED, UNCLEAN] {
        let needless = elect(&mut cluster, election_type, Some(&[("t", &[0, 1, 0]), ("t", &[])]));
        let not_needed = "ELECTION_NOT_NEEDED";
        let expected = [(0, not_needed), (1, not_needed), (0, not_needed)];
        assert_eq!(needless, [("t".to_owned(), expected.to_vec()), ("t".to_owned(), vec![])]);
        assert_eq!(elect(&mut cluster, election_type, None), only(&[]));
        assert_eq!(elect(&mut cluster, election_type, Some(&[])), []);
        let unknown = elect(&mut cluster, election_type, Some(&[("t", &[2, -1]), ("u", &[0])]));
        let code = "UNKNOWN_TOPIC_OR_PARTITION";
        let expected = [("t".to_owned(), vec![(2, code), (-1, code)]), ("u".to_owned(), vec![(0, code)])];
        assert_eq!(unknown, expected);
    }
    assert_eq!(cluster.next_offset, before);
}

#[test]
fn there_are_two_types_of_election() {
    let cluster = Cluster::of_one(&[]);
    for election_type in [-1, 2, 127] {
        let request = ElectLeadersRequest { election_type, topic_partitions: None, timeout_ms: 1000 };
        let error = cluster.controller.handle_elect_leaders(&request).expect_err("it is unknown");
        assert_eq!(error.code, ErrorCode::INVALID_REQUEST);
    }
    let request = ElectLeadersRequest { election_type: 2, topic_partitions: Some(vec![]), timeout_ms: 1000 };
    assert!(cluster.controller.handle_elect_leaders(&request).is_ok(), "nothing is asked for");
}

#[test]
fn leadership_goes_back_to_the_preferred_replica_when_it_is_in_sync() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.join(2);
    cluster.create(vec![assigned("t", &[(0, &[2, 1]), (1, &[1, 2])])]);
    cluster.heartbeat(2, |request| request.want_fence = true);
    assert_eq!(cluster.partition("t", 0), "[2, 1] isr [1] elr [] leader 1 epoch 1");
    let unavailable = only(&[(0, "PREFERRED_LEADER_NOT_AVAILABLE")]);
    assert_eq!(elect(&mut cluster, PREFERRED, None), unavailable, "it is fenced");
    cluster.heartbeat(2, |_| {});
    assert_eq!(elect(&mut cluster, PREFERRED, None), unavailable, "it is not in sync");
    set_isr(&mut cluster, "t", &[1, 2]);
    assert_eq!(elect(&mut cluster, UNCLEAN, None), only(&[]), "there is a leader");
    assert_eq!(elect(&mut cluster, PREFERRED, None), only(&[(0, "NONE")]));
    assert_eq!(cluster.partition("t", 0), "[2, 1] isr [1, 2] elr [] leader 2 epoch 2");
    assert_eq!(elect(&mut cluster, PREFERRED, None), only(&[]));
}

#[test]
fn an_unclean_election_takes_whoever_is_there() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.join(2);
    let assigned = assigned("t", &[(0, &[2, 1])]);
    cluster.create(vec![with_configs(assigned, &[("min.insync.replicas", Some("2"))])]);
    set_isr(&mut cluster, "t", &[2]);
    cluster.heartbeat(2, |request| request.want_fence = true);
    assert_eq!(cluster.partition("t", 0), format!("[2, 1] isr [] elr [2] leader {NO_LEADER} epoch 1"));
    assert_eq!(elect(&mut cluster, PREFERRED, None), only(&[(0, "PREFERRED_LEADER_NOT_AVAILABLE")]));
    assert_eq!(elect(&mut cluster, UNCLEAN, Some(&[("t", &[0])])), only(&[(0, "NONE")]));
    assert_eq!(cluster.partition("t", 0), "[2, 1] isr [1] elr [] leader 1 epoch 2");
    let image = cluster.controller.image();
    let partition = image.topics().by_name("t").and_then(|topic| topic.partition(0)).expect("it exists");
    assert_eq!(partition.leader_recovery_state, LeaderRecoveryState::Recovering);
}

#[test]
fn nobody_can_be_elected_where_nobody_is_there() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.join(2);
    cluster.create(vec![assigned("t", &[(0, &[2])])]);
    let outcome = cluster.controller.handle_unregister_broker(2).expect("it is registered");
    cluster.apply(outcome);
    assert_eq!(cluster.partition("t", 0), format!("[2] isr [] elr [2] leader {NO_LEADER} epoch 1"));
    assert_eq!(elect(&mut cluster, UNCLEAN, None), only(&[(0, "ELIGIBLE_LEADERS_NOT_AVAILABLE")]));
    assert_eq!(elect(&mut cluster, PREFERRED, None), only(&[(0, "PREFERRED_LEADER_NOT_AVAILABLE")]));
}
