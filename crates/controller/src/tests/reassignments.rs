//! Replicas move from broker to broker.

use protocol::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use protocol::{AlterPartitionReassignmentsRequest, MetadataRecord, PartitionChangeRecord};

use super::cluster::{Cluster, assigned, directory, topic, with_configs};
use crate::{Outcome, ongoing_reassignments};

/// A cluster of three whose topic `t` has one partition on these brokers.
fn cluster_of_three(replicas: &[i32]) -> Cluster {
    let mut cluster = Cluster::of_one(&[]);
    cluster.join(2);
    cluster.join(3);
    cluster.create(vec![assigned("t", &[(0, replicas)])]);
    cluster
}

fn request(
    partitions: &[(&'static str, i32, Option<&[i32]>)],
) -> AlterPartitionReassignmentsRequest<'static> {
    let topic = |(name, partition_index, replicas): &(&'static str, i32, Option<&[i32]>)| {
        let replicas = replicas.map(<[i32]>::to_vec);
        let partitions = vec![ReassignablePartition { partition_index: *partition_index, replicas }];
        ReassignableTopic { name: (*name).into(), partitions }
    };
    AlterPartitionReassignmentsRequest {
        topics: partitions.iter().map(topic).collect(),
        ..AlterPartitionReassignmentsRequest::default()
    }
}

fn alter_with(cluster: &mut Cluster, request: &AlterPartitionReassignmentsRequest<'_>) -> Vec<&'static str> {
    let outcome = cluster.controller.handle_alter_partition_reassignments(request);
    assert!(outcome.is_atomic);
    let response = cluster.apply(outcome);
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| partition.error_code.name()).collect()
}

fn alter(cluster: &mut Cluster, replicas: Option<&[i32]>) -> &'static str {
    alter_with(cluster, &request(&[("t", 0, replicas)]))[0]
}

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

/// What is being added and removed.
fn ongoing(cluster: &Cluster) -> Vec<(i32, Vec<i32>, Vec<i32>)> {
    let topics = ongoing_reassignments(cluster.controller.image(), None);
    let partitions = topics.into_iter().flat_map(|topic| topic.partitions);
    partitions.map(|p| (p.partition_index, p.adding_replicas, p.removing_replicas)).collect()
}

#[test]
fn a_single_node_has_nothing_to_move() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.create(vec![topic("t", 1, 1)]);
    let before = cluster.next_offset;
    assert_eq!(alter(&mut cluster, Some(&[1])), "NONE");
    assert_eq!(alter(&mut cluster, None), "NO_REASSIGNMENT_IN_PROGRESS");
    assert_eq!(cluster.next_offset, before);
    assert!(ongoing(&cluster).is_empty());
    let nothing = cluster.controller.handle_alter_partition_reassignments(&request(&[])).response;
    assert_eq!((nothing.responses.len(), nothing.error_message.as_deref()), (0, Some("")));
}

#[test]
fn assignments_and_names_are_checked() {
    let mut cluster = cluster_of_three(&[1]);
    let codes = alter_with(
        &mut cluster,
        &request(&[
            ("t", 0, Some(&[])),
            ("t", 0, Some(&[9])),
            ("t", 0, Some(&[1, 1])),
            ("t", 1, Some(&[1])),
            ("t", -1, None),
            ("u", 0, Some(&[1])),
            ("u", 0, None),
        ]),
    );
    let (invalid, unknown) = ("INVALID_REPLICA_ASSIGNMENT", "UNKNOWN_TOPIC_OR_PARTITION");
    assert_eq!(codes, [invalid, invalid, invalid, unknown, unknown, unknown, unknown]);
}

#[test]
fn the_replication_factor_changes_only_if_it_may() {
    let mut cluster = cluster_of_three(&[1, 2]);
    let strict = |replicas: &[i32]| AlterPartitionReassignmentsRequest {
        allow_replication_factor_change: false,
        ..request(&[("t", 0, Some(replicas))])
    };
    assert_eq!(alter_with(&mut cluster, &strict(&[1])), ["INVALID_REPLICATION_FACTOR"]);
    assert_eq!(alter_with(&mut cluster, &strict(&[1, 2, 3])), ["INVALID_REPLICATION_FACTOR"]);
    assert_eq!(alter_with(&mut cluster, &strict(&[1, 3])), ["NONE"]);
    // The factor that counts is the one after the reassignment in progress.
    assert_eq!(alter_with(&mut cluster, &strict(&[2, 1, 3])), ["INVALID_REPLICATION_FACTOR"]);
    assert_eq!(alter(&mut cluster, Some(&[1, 2, 3])), "NONE");
}

#[test]
fn a_new_order_takes_effect_at_once() {
    let mut cluster = cluster_of_three(&[1, 2, 3]);
    assert_eq!(alter(&mut cluster, Some(&[3, 2, 1])), "NONE");
    assert_eq!(cluster.partition("t", 0), "[3, 2, 1] isr [1, 2, 3] elr [] leader 1 epoch 0");
    let image = cluster.controller.image();
    let partition = image.topics().by_name("t").and_then(|topic| topic.partition(0)).expect("it exists");
    assert_eq!(partition.directories, [directory(3), directory(2), directory(1)]);
    assert!(ongoing(&cluster).is_empty());
}

#[test]
fn replicas_in_sync_that_are_not_wanted_go_at_once() {
    let mut cluster = cluster_of_three(&[1, 2, 3]);
    assert_eq!(alter(&mut cluster, Some(&[3])), "NONE");
    assert_eq!(cluster.partition("t", 0), "[3] isr [3] elr [] leader 3 epoch 1");
}

#[test]
fn who_leaves_makes_the_leader_epoch_rise() {
    let mut cluster = cluster_of_three(&[1, 2]);
    assert_eq!(alter(&mut cluster, Some(&[1])), "NONE");
    assert_eq!(cluster.partition("t", 0), "[1] isr [1] elr [] leader 1 epoch 1");
}

#[test]
fn new_replicas_are_added_before_old_ones_go() {
    let mut cluster = cluster_of_three(&[1]);
    assert_eq!(alter(&mut cluster, Some(&[2, 3])), "NONE");
    assert_eq!(cluster.partition("t", 0), "[2, 3, 1] isr [1] elr [] leader 1 epoch 0");
    assert_eq!(ongoing(&cluster), [(0, vec![2, 3], vec![1])]);
    set_isr(&mut cluster, "t", &[1, 2, 3]);
    // The next change finds all in sync.
    cluster.heartbeat(1, |request| request.want_fence = true);
    assert_eq!(cluster.partition("t", 0), "[2, 3] isr [2, 3] elr [] leader 2 epoch 1");
    assert!(ongoing(&cluster).is_empty());
}

#[test]
fn a_reassignment_can_be_cancelled() {
    let mut cluster = cluster_of_three(&[1, 2]);
    assert_eq!(alter(&mut cluster, Some(&[3])), "NONE");
    assert_eq!(ongoing(&cluster), [(0, vec![3], vec![1, 2])]);
    cluster.failover();
    assert_eq!(alter(&mut cluster, None), "NONE");
    assert_eq!(cluster.partition("t", 0), "[1, 2] isr [1, 2] elr [] leader 1 epoch 1");
    assert_eq!(alter(&mut cluster, None), "NO_REASSIGNMENT_IN_PROGRESS");
}

#[test]
fn a_cancellation_that_could_lose_records_must_be_allowed() {
    let mut cluster = cluster_of_three(&[1, 2]);
    cluster.create(vec![with_configs(
        assigned("unclean", &[(0, &[1])]),
        &[("unclean.leader.election.enable", Some("true"))],
    )]);
    let begin = request(&[("t", 0, Some(&[3])), ("unclean", 0, Some(&[3]))]);
    assert_eq!(alter_with(&mut cluster, &begin), ["NONE"; 2]);
    set_isr(&mut cluster, "t", &[3]);
    set_isr(&mut cluster, "unclean", &[3]);
    let cancel = request(&[("t", 0, None), ("unclean", 0, None)]);
    assert_eq!(alter_with(&mut cluster, &cancel), ["INVALID_REPLICA_ASSIGNMENT", "NONE"]);
    assert_eq!(ongoing(&cluster), [(0, vec![3], vec![1, 2])]);
    assert_eq!(cluster.partition("unclean", 0), "[1] isr [1] elr [] leader 1 epoch 1");
}

#[test]
fn reassignments_are_listed_by_what_is_asked_for() {
    let mut cluster = cluster_of_three(&[1]);
    cluster.create(vec![assigned("still", &[(0, &[1])])]);
    alter(&mut cluster, Some(&[2]));
    let listed = |asked: &[(&'static str, &[i32])]| -> Vec<(String, Vec<Vec<i32>>)> {
        let topics = ongoing_reassignments(cluster.controller.image(), Some(asked));
        let topics = topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter().map(|partition| partition.replicas);
            (topic.name.into_owned(), partitions.collect())
        });
        topics.collect()
    };
    let found = [("t".to_owned(), vec![vec![2, 1]])];
    assert_eq!(listed(&[("still", &[0]), ("t", &[5, 0, -1]), ("u", &[0])]), found);
    assert!(listed(&[("t", &[]), ("still", &[0])]).is_empty());
    assert!(listed(&[]).is_empty());
}
