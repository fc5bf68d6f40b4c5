//! Brokers register, are fenced and unfenced, stop, crash and leave.

use metadata::{ELIGIBLE_LEADER_REPLICAS_VERSION, METADATA_VERSION, MetadataImage, Provenance};
use protocol::assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData};
use protocol::controller_registration_request::Listener;
use protocol::{
    AssignReplicasToDirsRequest, BeginTransactionRecord, BrokerHeartbeatRequest,
    ControllerRegistrationRequest, ErrorCode, MetadataRecord,
};

use super::cluster::{Cluster, assigned, directory, topic, uuid};
use crate::{Controller, bootstrap_records};

#[test]
fn a_new_cluster_finalizes_what_is_served_and_nothing_more() {
    let cluster = Cluster::new(&[("min.insync.replicas", "1")]);
    let features: Vec<_> = cluster.controller.image().features().finalized().collect();
    assert_eq!(features, [(METADATA_VERSION, 33), (ELIGIBLE_LEADER_REPLICAS_VERSION, 1)]);
    let cluster_config = metadata::ConfigResource::cluster();
    let configs = cluster.controller.image().configs();
    assert_eq!(configs.value(&cluster_config, "min.insync.replicas"), Some("1"));
}

#[test]
fn the_bootstrap_records_are_written_once() {
    let cluster = Cluster::new(&[]);
    assert!(cluster.controller.handle_activation(&bootstrap_records()).records.is_empty());
}

#[test]
fn an_unfinished_bootstrap_transaction_is_aborted_and_begun_again() {
    let mut cluster = Cluster::new(&[]);
    let mut controller = Controller::new(cluster.config.clone(), MetadataImage::empty());
    let begin = MetadataRecord::BeginTransaction(BeginTransactionRecord { name: None });
    controller.replay(3, &begin).expect("it fits");
    controller.replay(4, &bootstrap_records()[0]).expect("it fits");
    controller.end_batch(Provenance { offset: 4, epoch: 1, timestamp_ms: 0 });
    assert_eq!(controller.transaction_start_offset(), Some(3));
    let outcome = controller.handle_activation(&bootstrap_records());
    assert!(matches!(outcome.records.first(), Some(MetadataRecord::AbortTransaction(_))));
    cluster.controller = controller;
    cluster.next_offset = 5;
    cluster.apply(outcome);
    assert_eq!(cluster.controller.image().features().metadata_version(), Some(33));
    assert_eq!(cluster.controller.transaction_start_offset(), None);
}

#[test]
fn a_broker_starts_fenced_and_is_unfenced_when_it_has_caught_up() {
    let mut cluster = Cluster::new(&[]);
    let request = cluster.registration(1, 7);
    let epoch = cluster.register(&request).expect("it may register").broker_epoch;
    assert_eq!(epoch, cluster.next_offset - 1, "the epoch is the offset of the registration");
    let behind = cluster.heartbeat(1, |request| request.current_metadata_offset = epoch - 1);
    assert!(behind.is_fenced && !behind.is_caught_up);
    let caught_up = cluster.heartbeat(1, |_| {});
    assert!(!caught_up.is_fenced && caught_up.is_caught_up);
    let again = cluster.next_offset;
    cluster.heartbeat(1, |_| {});
    assert_eq!(cluster.next_offset, again, "a heartbeat that changes nothing writes nothing");
}

#[test]
fn registrations_that_do_not_fit_are_refused() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.join(2);
    let good = cluster.registration(3, 9);
    let mut check = |change: &dyn Fn(&mut protocol::BrokerRegistrationRequest<'static>)| {
        let mut request = good.clone();
        change(&mut request);
        cluster.register(&request).expect_err("it is refused").code.name()
    };
    assert_eq!(check(&|r| r.cluster_id = "other".into()), "INCONSISTENT_CLUSTER_ID");
    assert_eq!(check(&|r| r.log_dirs.clear()), "INVALID_REGISTRATION");
    assert_eq!(check(&|r| r.log_dirs.push(directory(3))), "INVALID_REGISTRATION");
    assert_eq!(check(&|r| r.log_dirs.push(directory(2))), "INVALID_REGISTRATION");
    assert_eq!(check(&|r| r.log_dirs.push(metadata::DIRECTORY_LOST)), "INVALID_REGISTRATION");
    assert_eq!(check(&|r| r.features.clear()), "INVALID_REGISTRATION");
    assert_eq!(check(&|r| r.features.retain(|f| f.name == METADATA_VERSION)), "UNSUPPORTED_VERSION");
    assert_eq!(
        check(&|r| r
            .features
            .iter_mut()
            .for_each(|f| f.max_supported_version = f.max_supported_version.min(30))),
        "UNSUPPORTED_VERSION"
    );
    assert_eq!(check(&|r| r.is_migrating_zk_broker = true), "BROKER_ID_NOT_REGISTERED");
    assert_eq!(check(&|r| r.broker_id = 2), "DUPLICATE_BROKER_REGISTRATION");
}

#[test]
fn the_same_incarnation_may_register_again() {
    let mut cluster = Cluster::of_one(&[]);
    let epoch = cluster.join(2);
    let mut request = cluster.registration(2, 102);
    request.rack = Some("a".into());
    assert_eq!(cluster.register(&request).expect("it is the same").broker_epoch, epoch);
    let broker = cluster.controller.image().cluster().broker(2).expect("it is registered");
    assert_eq!((broker.fenced, broker.rack.as_deref()), (false, Some("a")));
}

#[test]
fn another_brokers_session_ends_and_it_is_fenced() {
    let mut cluster = Cluster::of_one(&[("broker.session.timeout.ms", "9000")]);
    cluster.join(2);
    cluster.create(vec![assigned("a", &[(0, &[2, 1]), (1, &[1, 2])])]);
    assert_eq!(cluster.controller.poll_timeout(), Some(cluster.now_ms + 9000));
    let early = cluster.controller.handle_timeout(cluster.now_ms + 8999);
    assert_eq!((early.response, early.records.len()), (None, 0));
    cluster.now_ms += 9000;
    let outcome = cluster.controller.handle_timeout(cluster.now_ms);
    assert_eq!(cluster.apply(outcome), Some(2));
    assert_eq!(cluster.partition("a", 0), "[2, 1] isr [1] elr [] leader 1 epoch 1");
    assert_eq!(cluster.partition("a", 1), "[1, 2] isr [1] elr [] leader 1 epoch 0");
    assert_eq!(
        cluster.controller.poll_timeout(),
        None,
        "the controller's own broker lives as long as it does"
    );
    // It is heard of again: its replicas are not in the ISR, so it leads nothing.
    cluster.heartbeat(2, |_| {});
    assert_eq!(cluster.partition("a", 0), "[2, 1] isr [1] elr [] leader 1 epoch 1");
}

#[test]
fn a_session_of_another_process_keeps_its_id_until_it_ends() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.join(2);
    cluster.now_ms += 5000;
    cluster.failover();
    let request = cluster.registration(2, 77);
    let error = cluster.register(&request).expect_err("the other may live");
    assert_eq!(error.code, ErrorCode::DUPLICATE_BROKER_REGISTRATION);
    cluster.now_ms += 9000;
    cluster.register(&request).expect("the session has ended");
}

#[test]
fn a_crashed_node_of_a_cluster_of_one_leads_again_at_once_under_a_new_epoch() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.create(vec![topic("a", 1, 1)]);
    cluster.failover();
    let request = cluster.registration(1, 50);
    cluster.register(&request).expect("its old incarnation cannot live");
    assert_eq!(cluster.partition("a", 0), "[1] isr [] elr [] leader -1 epoch 1");
    cluster.heartbeat(1, |_| {});
    assert_eq!(cluster.partition("a", 0), "[1] isr [1] elr [] leader 1 epoch 2");
    let registered =
        cluster.controller.image().topics().by_name("a").and_then(|topic| topic.partition(0)).cloned();
    let recovery = registered.map(|partition| partition.leader_recovery_state);
    assert_eq!(
        recovery,
        Some(metadata::LeaderRecoveryState::Recovering),
        "it may have lost what was not flushed"
    );
}

#[test]
fn a_node_that_stopped_in_good_order_leads_again_cleanly() {
    let mut cluster = Cluster::of_one(&[]);
    let epoch = cluster.controller.image().cluster().broker(1).expect("it is registered").epoch;
    cluster.create(vec![topic("a", 1, 1)]);
    let stop = cluster.heartbeat(1, |request| request.want_shut_down = true);
    assert!(!stop.should_shut_down, "first it gives up what it leads");
    assert_eq!(cluster.partition("a", 0), "[1] isr [] elr [1] leader -1 epoch 1");
    let stop = cluster.heartbeat(1, |request| request.want_shut_down = true);
    assert!(stop.should_shut_down && stop.is_fenced);

    cluster.failover();
    let mut request = cluster.registration(1, 50);
    request.previous_broker_epoch = epoch;
    cluster.register(&request).expect("it may register");
    cluster.heartbeat(1, |_| {});
    assert_eq!(cluster.partition("a", 0), "[1] isr [1] elr [] leader 1 epoch 2");
    let registered =
        cluster.controller.image().topics().by_name("a").and_then(|topic| topic.partition(0)).cloned();
    let recovery = registered.map(|partition| partition.leader_recovery_state);
    assert_eq!(recovery, Some(metadata::LeaderRecoveryState::Recovered));
}

#[test]
fn a_stopping_broker_waits_until_the_others_know() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.join(2);
    cluster.create(vec![assigned("a", &[(0, &[2, 1])])]);
    cluster.heartbeat(1, |_| {});
    let before = cluster.next_offset - 1;
    assert!(!cluster.heartbeat(2, |request| request.want_shut_down = true).should_shut_down);
    assert_eq!(cluster.partition("a", 0), "[2, 1] isr [1] elr [] leader 1 epoch 1");
    cluster.heartbeat(1, |request| request.current_metadata_offset = before);
    assert!(!cluster.heartbeat(2, |request| request.want_shut_down = true).should_shut_down);
    let end = cluster.next_offset;
    cluster.heartbeat(1, |request| request.current_metadata_offset = end);
    assert!(cluster.heartbeat(2, |request| request.want_shut_down = true).should_shut_down);
}

#[test]
fn reports_of_other_incarnations_are_refused() {
    let cluster = Cluster::of_one(&[]);
    for (broker_id, broker_epoch) in [(1, 0), (9, 0)] {
        let request = BrokerHeartbeatRequest { broker_id, broker_epoch, ..BrokerHeartbeatRequest::default() };
        let error = cluster.controller.handle_broker_heartbeat(&request).expect_err("it is refused");
        assert_eq!(error.code, ErrorCode::STALE_BROKER_EPOCH);
    }
}

#[test]
fn a_lost_directory_takes_its_replicas_out() {
    let mut cluster = Cluster::of_one(&[]);
    let mut request = cluster.registration(2, 60);
    request.log_dirs.push(uuid(250));
    cluster.register(&request).expect("it may register");
    cluster.heartbeat(2, |_| {});
    cluster.create(vec![assigned("a", &[(0, &[2, 1]), (1, &[2, 1])])]);
    let topic_id = cluster.controller.image().topics().by_name("a").expect("it exists").id();
    let epoch = cluster.controller.image().cluster().broker(2).expect("it is registered").epoch;
    let placed = |id, partition_index| DirectoryData {
        id,
        topics: vec![TopicData { topic_id, partitions: vec![PartitionData { partition_index }] }],
    };
    let assign = AssignReplicasToDirsRequest {
        broker_id: 2,
        broker_epoch: epoch,
        directories: vec![placed(directory(2), 0), placed(uuid(250), 1), placed(uuid(250), 7)],
    };
    let outcome = cluster.controller.handle_assign_replicas_to_dirs(&assign).expect("the epoch is right");
    let answer = cluster.apply(outcome);
    let codes: Vec<_> =
        answer.directories.iter().map(|d| d.topics[0].partitions[0].error_code.name()).collect();
    assert_eq!(codes, ["NONE", "NONE", "UNKNOWN_TOPIC_OR_PARTITION"]);
    cluster.heartbeat(2, |request| request.offline_log_dirs = vec![uuid(250)]);
    assert_eq!(cluster.partition("a", 0), "[2, 1] isr [2, 1] elr [] leader 2 epoch 0");
    assert_eq!(cluster.partition("a", 1), "[2, 1] isr [1] elr [] leader 1 epoch 1");
    let broker = cluster.controller.image().cluster().broker(2).expect("it is registered");
    assert_eq!(broker.directories, [directory(2)]);
}

/// AssignReplicasToDirs of broker 1 for partition 0 of a topic.
fn assign(cluster: &mut Cluster, topic: &str, id: protocol::Uuid) {
    let topic_id = cluster.controller.image().topics().by_name(topic).expect("it exists").id();
    let partitions = vec![PartitionData { partition_index: 0 }];
    let request = AssignReplicasToDirsRequest {
        broker_id: 1,
        broker_epoch: cluster.controller.image().cluster().broker(1).expect("it is registered").epoch,
        directories: vec![DirectoryData { id, topics: vec![TopicData { topic_id, partitions }] }],
    };
    let outcome = cluster.controller.handle_assign_replicas_to_dirs(&request).expect("the epoch is right");
    cluster.apply(outcome);
}

#[test]
fn the_only_replica_goes_and_comes_with_its_directory() {
    let mut cluster = Cluster::new(&[]);
    let mut request = cluster.registration(1, 60);
    request.log_dirs.push(uuid(250));
    cluster.register(&request).expect("it may register");
    cluster.heartbeat(1, |_| {});
    cluster.create(vec![assigned("a", &[(0, &[1])]), assigned("b", &[(0, &[1])])]);
    let directory_of = |cluster: &Cluster, name: &str| {
        let topic = cluster.controller.image().topics().by_name(name).expect("it exists");
        topic.partition(0).expect("it exists").directory(1).expect("it is placed")
    };
    assert_eq!(directory_of(&cluster, "a"), metadata::DIRECTORY_UNASSIGNED, "the broker chooses");
    assign(&mut cluster, "a", uuid(250));
    assign(&mut cluster, "b", directory(1));
    assert_eq!(
        cluster.partition("a", 0),
        "[1] isr [1] elr [] leader 1 epoch 0",
        "only the directory changes"
    );
    cluster.heartbeat(1, |request| request.offline_log_dirs = vec![uuid(250)]);
    assert_eq!(cluster.partition("a", 0), "[1] isr [] elr [1] leader -1 epoch 1", "as Kafka 4.4 has it");
    assert_eq!(cluster.partition("b", 0), "[1] isr [1] elr [] leader 1 epoch 0");
    // A replica found elsewhere leads again, and one that is said to be in a lost directory does not.
    assign(&mut cluster, "a", directory(1));
    assert_eq!(cluster.partition("a", 0), "[1] isr [1] elr [] leader 1 epoch 2");
    assign(&mut cluster, "b", uuid(250));
    assert_eq!(cluster.partition("b", 0), "[1] isr [] elr [1] leader -1 epoch 1");
    // The process starts anew with the directory mended.
    let mut request = cluster.registration(1, 61);
    request.log_dirs.push(uuid(250));
    request.previous_broker_epoch = -1;
    cluster.now_ms += 60_000;
    cluster.register(&request).expect("it may register");
    cluster.heartbeat(1, |_| {});
    for topic in ["a", "b"] {
        let is_led = cluster.partition(topic, 0).contains("isr [1] elr [] leader 1");
        assert!(is_led, "{}", cluster.partition(topic, 0));
    }
}

#[test]
fn cordoned_directories_take_no_new_replicas() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.heartbeat(1, |request| request.cordoned_log_dirs = Some(vec![directory(1)]));
    let response = cluster.create(vec![topic("a", 1, 1), assigned("b", &[(0, &[1])])]);
    let codes: Vec<_> = response.topics.iter().map(|topic| topic.error_code.name()).collect();
    assert_eq!(codes, ["INVALID_REPLICATION_FACTOR", "INVALID_REPLICA_ASSIGNMENT"]);
    cluster.heartbeat(1, |request| request.cordoned_log_dirs = Some(vec![]));
    assert_eq!(cluster.create(vec![topic("a", 1, 1)]).topics[0].error_code, ErrorCode::NONE);
}

#[test]
fn an_unregistered_broker_is_gone() {
    let mut cluster = Cluster::of_one(&[]);
    cluster.join(2);
    cluster.create(vec![assigned("a", &[(0, &[2, 1])])]);
    let outcome = cluster.controller.handle_unregister_broker(2).expect("it is registered");
    cluster.apply(outcome);
    assert!(cluster.controller.image().cluster().broker(2).is_none());
    assert_eq!(cluster.partition("a", 0), "[2, 1] isr [1] elr [] leader 1 epoch 1");
    let error = cluster.controller.handle_unregister_broker(2).expect_err("it is gone");
    assert_eq!(error.code, ErrorCode::BROKER_ID_NOT_REGISTERED);
}

#[test]
fn controllers_make_themselves_known() {
    let mut cluster = Cluster::new(&[]);
    let request = ControllerRegistrationRequest {
        controller_id: 1,
        incarnation_id: uuid(5),
        listeners: vec![Listener {
            name: "CONTROLLER".into(),
            host: "localhost".into(),
            port: 9093,
            security_protocol: 0,
        }],
        ..ControllerRegistrationRequest::default()
    };
    let outcome = cluster.controller.handle_controller_registration(&request);
    cluster.apply(outcome);
    let controller = cluster.controller.image().cluster().controller(1).expect("it is registered");
    assert_eq!(controller.endpoints[0].port, 9093);
}
