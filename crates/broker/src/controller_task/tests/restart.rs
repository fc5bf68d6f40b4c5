//! What is on the disk after each kind of end, and what the next start makes of it.

use platform::sim::{DiskAction, DiskErrno, DiskFault};
use raft::ControlRecord;

use super::node::{METADATA_DIR, Machine, kind};
use crate::mutation_ticket::MutationTicket;

#[tokio::test(start_paused = true)]
async fn a_new_directory_becomes_a_cluster_of_one() {
    let machine = Machine::new(1, &[]);
    let node = machine.start().await;
    let image = node.image.load_full();
    let features: Vec<_> = image.features().finalized().collect();
    assert_eq!(features, [("metadata.version", 33), ("eligible.leader.replicas.version", 1)]);
    let broker = image.cluster().broker(1).expect("it is registered");
    assert!(broker.is_active());
    assert_eq!((broker.epoch, broker.endpoints[0].port), (node.broker_epoch, 9092));
    assert_eq!(image.cluster().controller(1).map(|controller| controller.endpoints[0].port), Some(9093));

    assert_eq!(machine.files(".checkpoint"), ["00000000000000000000-0000000000.checkpoint"]);
    let state = String::from_utf8(machine.content("quorum-state")).expect("it is text");
    assert!(state.starts_with("{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,"), "{state}");
    let log = machine.log_content();
    assert!(matches!(
        log.batches[0].control.as_slice(),
        [
            ControlRecord::LeaderChange { leader_id: 1, .. },
            ControlRecord::KRaftVersion(1),
            ControlRecord::Voters(_)
        ]
    ));
    let kinds: Vec<_> = log.records.iter().map(|(_, record)| kind(record)).collect();
    assert_eq!(
        kinds,
        [
            "BeginTransaction",
            "FeatureLevel",
            "FeatureLevel",
            "Config",
            "EndTransaction",
            "RegisterController",
            "RegisterBroker",
            "BrokerRegistrationChange"
        ]
    );
    let offsets: Vec<_> = log.records.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, (3..11).collect::<Vec<_>>());
    assert_eq!(node.broker_epoch, 9, "the epoch is the offset of the registration");
}

#[tokio::test(start_paused = true)]
async fn everything_answered_is_there_after_a_kill() {
    let machine = Machine::new(2, &[]);
    let node = machine.start().await;
    assert_eq!(node.create("a", 3).await.name(), "NONE");
    let epoch = node.broker_epoch;
    node.kill(&machine).await;

    let node = machine.start().await;
    assert_eq!(node.topic_names(), ["a"]);
    assert!(node.broker_epoch > epoch);
    // The leader epoch grew twice: once for the crash, once for leading again; consumers can tell the two lives apart.
    assert_eq!(node.partition("a"), "isr [1] elr [] leader 1 epoch 2 Recovering");
    assert_eq!(node.create("a", 1).await.name(), "TOPIC_ALREADY_EXISTS");
    let state = String::from_utf8(machine.content("quorum-state")).expect("it is text");
    assert!(state.contains("\"leaderEpoch\":2"), "{state}");
}

/// The last batches are in two files, flushed side by side: rot in either is no torn write.
#[tokio::test(start_paused = true)]
async fn everything_answered_is_there_after_a_kill_though_a_bit_of_it_rots() {
    let machine = Machine::new(22, &[]);
    let node = machine.start().await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    for name in ["a", "b", "c"] {
        assert_eq!(node.create(name, 1).await.name(), "NONE");
    }
    node.kill(&machine).await;
    let log = std::path::PathBuf::from(METADATA_DIR).join("00000000000000000000.log");
    let end = machine.log_content_bytes();
    let last: Vec<usize> = (end - 300..end).step_by(7).chain([end - 1]).collect();
    for at in last {
        let rotten = Machine::on(machine.disk.fork(1), 22, &[]);
        rotten.disk.damage(&log, |bytes| bytes[at] ^= 0x20).expect("it is there");
        let node = rotten.start().await;
        assert_eq!(node.topic_names(), ["a", "b", "c"], "byte {at} of {end}");
        node.kill(&rotten).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_good_order_leaves_nothing_to_recover() {
    let machine = Machine::new(3, &[]);
    let node = machine.start().await;
    node.create("a", 1).await;
    node.stop().await;
    let node = machine.start().await;
    assert_eq!(node.partition("a"), "isr [1] elr [] leader 1 epoch 2 Recovered");
}

#[tokio::test(start_paused = true)]
async fn a_restart_writes_the_change_of_leader_and_the_registrations_and_no_more() {
    let machine = Machine::new(4, &[]);
    machine.start().await.kill(&machine).await;
    let before = machine.log_content();
    machine.start().await.kill(&machine).await;
    let after = machine.log_content();
    let new: Vec<_> = after.records[before.records.len()..].iter().map(|(_, record)| kind(record)).collect();
    assert_eq!(new, ["RegisterController", "RegisterBroker", "BrokerRegistrationChange"]);
    let control = &after.batches[before.batches.len()].control;
    assert!(
        matches!(control.as_slice(), [ControlRecord::LeaderChange { .. }]),
        "the voters are in the log already"
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_without_work_writes_nothing() {
    let machine = Machine::new(5, &[("metadata.log.max.snapshot.interval.ms", "0")]);
    let node = machine.start().await;
    // What the start wrote is proven a little later.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let before = machine.disk.effects();
    tokio::time::sleep(std::time::Duration::from_secs(24 * 3600)).await;
    assert_eq!(machine.disk.effects(), before);
    assert_eq!(node.topic_names().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_missing_metadata_log_is_not_replaced_when_there_are_other_logs() {
    let machine = Machine::new(6, &[]);
    let node = machine.start().await;
    let log = node
        .log_dir
        .create_log("orphan", 0, protocol::Uuid([3; 16]), storage::LogConfig::default(), 0)
        .expect("it is made");
    drop(log);
    node.kill(&machine).await;
    machine.platform.disk.remove_dir_all(std::path::Path::new(METADATA_DIR)).expect("it is removed");
    let error = machine.try_start().await.err().expect("it refuses").to_string();
    assert!(error.contains("orphan-0") && error.contains("__cluster_metadata-0"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_snapshot_or_election_state_is_named() {
    for (name, expected) in [
        ("00000000000000000000-0000000000.checkpoint", "snapshot is damaged"),
        ("quorum-state", "not a JSON object"),
    ] {
        let machine = Machine::new(7, &[]);
        machine.start().await.kill(&machine).await;
        let path = std::path::Path::new(METADATA_DIR).join(name);
        machine.disk.damage(&path, |bytes| bytes.truncate(bytes.len() / 2)).expect("it is there");
        let error = machine.try_start().await.err().expect("it refuses").to_string();
        assert!(error.contains(expected) && error.contains(name), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_of_another_replica_is_refused() {
    let machine = Machine::new(8, &[]);
    machine.start().await.kill(&machine).await;
    let path = std::path::Path::new("/data/meta.properties");
    machine
        .disk
        .damage(path, |bytes| {
            let text = String::from_utf8(bytes.clone()).expect("it is text");
            let lines = text.lines().map(|line| match line.starts_with("directory.id=") {
                true => "directory.id=EREREREREREREREREREREQ".to_owned(),
                false => line.to_owned(),
            });
            *bytes = (lines.collect::<Vec<_>>().join("\n") + "\n").into_bytes();
        })
        .expect("it is there");
    let error = machine.try_start().await.err().expect("it refuses").to_string();
    assert!(error.contains("not among the voters"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_flush_ends_the_task_and_nothing_was_promised() {
    let machine = Machine::new(9, &[]);
    let node = machine.start().await;
    machine.disk.fail(DiskFault::always(DiskAction::Sync, DiskErrno::Io));
    let request = super::node::create_request(&["a"], 1);
    let answer =
        node.handle.create_topics(request, MutationTicket::free()).await.expect_err("it cannot be promised");
    assert_eq!(answer.code.name(), "NOT_CONTROLLER");
    let error = node.ended().await.expect_err("the directory is dead").to_string();
    assert!(error.contains("metadata log"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_without_space_is_no_fault() {
    let machine = Machine::new(23, &[]);
    let node = machine.start().await;
    node.create("a", 1).await;
    let used: usize = machine.disk.files().iter().map(|(_, bytes)| bytes.len()).sum();
    machine.disk.set_capacity_bytes(Some(used as u64));
    node.handle.stop().await;
    node.ended().await.expect("the next start recovers");
    machine.disk.set_capacity_bytes(None);
    machine.disk.release_locks();
    assert_eq!(machine.start().await.topic_names(), ["a"]);
}
