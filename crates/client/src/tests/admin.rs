//! The operations of administrators.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::{ApiKey, ErrorCode};

use super::fake_broker::{FakeCluster, Fault};
use crate::{
    Admin, ClientError, CommittedOffset, ConfigAlteration, ConfigChange, ConfigResource, ConfigSource,
    IsolationLevel, NewPartitions, NewTopic, OffsetSpec, TopicPartition,
};

async fn setup(nodes: i32) -> (FakeCluster, Admin) {
    let cluster = FakeCluster::start(11, nodes).await;
    let admin = Admin::connect(&cluster.client(), cluster.config()).await.unwrap();
    (cluster, admin)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn code<T: std::fmt::Debug>(result: &Result<T, ClientError>) -> Option<ErrorCode> {
    result.as_ref().err().and_then(ClientError::code)
}

/// Only futures that may move between threads can be spawned, and what a generic closure returns need not.
#[allow(dead_code)]
fn operations_can_be_spawned(admin: &Admin) {
    fn spawnable(_: impl Send) {}
    spawnable(admin.create_topics(&[], false));
    spawnable(admin.delete_topics(&[]));
    spawnable(admin.create_partitions(&[], false));
    spawnable(admin.describe_topics(&[]));
    spawnable(admin.describe_cluster());
    spawnable(admin.describe_groups(&[]));
    spawnable(admin.group_offsets("", None));
    spawnable(admin.list_offsets(&[], IsolationLevel::ReadUncommitted));
    spawnable(admin.delete_records(&[]));
    spawnable(admin.describe_log_dirs(None));
}

#[tokio::test(start_paused = true)]
async fn topics_are_created_described_grown_and_deleted() {
    let (cluster, admin) = setup(2).await;
    let new = [
        NewTopic::new("a").with_partitions(3).with_config("retention.ms", "1000"),
        NewTopic::new("b"),
        NewTopic::new("c").with_partitions(0),
    ];
    let created = admin.create_topics(&new, false).await.unwrap();
    assert_eq!(created.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(created[0].1.as_ref().unwrap().partitions, 3);
    assert!(!created[0].1.as_ref().unwrap().id.is_zero());
    assert_eq!(code(&created[2].1), Some(ErrorCode::INVALID_PARTITIONS));
    let again = admin.create_topics(&new[..1], false).await.unwrap();
    let error = again[0].1.as_ref().unwrap_err();
    assert_eq!(error.to_string(), "a: TOPIC_ALREADY_EXISTS: it is there");
    assert!(error.hint().is_some());

    let grown = admin
        .create_partitions(&[NewPartitions::increase_to("a", 5), NewPartitions::increase_to("b", 1)], false)
        .await
        .unwrap();
    assert!(grown[0].1.is_ok());
    assert_eq!(code(&grown[1].1), Some(ErrorCode::INVALID_PARTITIONS));
    let described = admin.describe_topics(&names(&["b", "a", "nope"])).await.unwrap();
    assert_eq!(described[0].1.as_ref().unwrap().partitions.len(), 1);
    assert_eq!(described[1].1.as_ref().unwrap().partitions.len(), 5);
    assert_eq!(code(&described[2].1), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

    let deleted = admin.delete_topics(&names(&["a", "nope"])).await.unwrap();
    assert!(deleted[0].1.is_ok());
    assert_eq!(code(&deleted[1].1), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let left: Vec<String> = admin.list_topics().await.unwrap().into_iter().map(|topic| topic.name).collect();
    assert_eq!(left, ["b"]);
    // Old brokers take names in another field.
    cluster.state().versions.insert(ApiKey::DeleteTopics, (1, 5));
    let old = Admin::connect(&cluster.client(), cluster.config()).await.unwrap();
    assert!(old.delete_topics(&names(&["b"])).await.unwrap()[0].1.is_ok());
}

#[tokio::test(start_paused = true)]
async fn validation_alone_creates_nothing() {
    let (cluster, admin) = setup(1).await;
    let checked = admin.create_topics(&[NewTopic::new("a")], true).await.unwrap();
    assert!(checked[0].1.is_ok());
    assert!(cluster.state().topics.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_may_succeed_later_is_tried_again() {
    let (cluster, admin) = setup(1).await;
    let retriable = Fault::Error(ErrorCode::NOT_CONTROLLER);
    cluster.fault(ApiKey::CreateTopics, &[retriable, Fault::DropBefore, retriable]);
    let created = admin.create_topics(&[NewTopic::new("a")], false).await.unwrap();
    assert!(created[0].1.is_ok());
    assert_eq!(cluster.served(ApiKey::CreateTopics), 3);
}

#[tokio::test(start_paused = true)]
async fn retries_end_at_the_api_time_out_and_name_the_last_error() {
    let (cluster, admin) = setup(1).await;
    cluster.fault(ApiKey::CreateTopics, &[Fault::Error(ErrorCode::NOT_CONTROLLER); 1000]);
    let began = tokio::time::Instant::now();
    let created = admin.create_topics(&[NewTopic::new("a")], false).await.unwrap();
    let error = created[0].1.as_ref().unwrap_err();
    assert!(matches!(error, ClientError::DeadlineExceeded { after_ms: 60_000, .. }), "{error}");
    assert_eq!(error.code(), Some(ErrorCode::NOT_CONTROLLER));
    assert!(began.elapsed() > Duration::from_secs(50) && began.elapsed() < Duration::from_secs(62));
    assert!(cluster.served(ApiKey::CreateTopics) < 100);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_topic_is_not_waited_for_a_minute() {
    let (_cluster, admin) = setup(1).await;
    let began = tokio::time::Instant::now();
    let asked = [(TopicPartition::new("nope", 0), OffsetSpec::Latest)];
    let found = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await;
    assert_eq!(code(&found[0].1), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_went_away_is_an_error_in_time() {
    let (cluster, admin) = setup(1).await;
    cluster.world.kill(super::fake_broker::ip(1));
    let error = admin.list_topics().await.unwrap_err();
    let ClientError::DeadlineExceeded { last: Some(last), .. } = &error else { panic!("{error}") };
    assert!(matches!(**last, ClientError::NoBroker { .. } | ClientError::Disconnected { .. }), "{last}");
    assert!(error.hint().is_some());
    // It comes back, and so does the client.
    cluster.start_node(1).await;
    assert!(admin.list_topics().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_cluster_is_described_also_by_old_brokers() {
    let (cluster, admin) = setup(3).await;
    let described = admin.describe_cluster().await.unwrap();
    assert_eq!((described.cluster_id.as_deref(), described.controller_id), (Some("fake"), 1));
    assert_eq!(described.brokers.iter().map(|b| b.broker.id).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(described.brokers[2].broker.host, "10.0.1.3");
    cluster.state().versions.insert(ApiKey::DescribeCluster, (-1, -1));
    let old = Admin::connect(&cluster.client(), cluster.config()).await.unwrap();
    assert_eq!(old.describe_cluster().await.unwrap(), described);
}

#[tokio::test(start_paused = true)]
async fn the_quorum_and_the_log_directories() {
    let (cluster, admin) = setup(2).await;
    cluster.create_topic("t", 4);
    let quorum = admin.describe_quorum().await.unwrap();
    assert_eq!((quorum.leader_id, quorum.leader_epoch, quorum.high_watermark), (1, 4, 77));
    assert_eq!((quorum.voters[0].id, quorum.observers[0].id), (1, 2));
    let dirs = admin.describe_log_dirs(None).await.unwrap();
    assert_eq!(dirs.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(dirs[&2][0].path, "/data/2");
    let partitions: Vec<_> =
        dirs[&2][0].replicas.iter().map(|replica| replica.partition.to_string()).collect();
    assert_eq!(partitions, ["t-1", "t-3"]);
    assert_eq!(admin.describe_log_dirs(Some(&[1])).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn configs_are_read_and_changed() {
    let (cluster, admin) = setup(3).await;
    cluster.create_topic("t", 1);
    let change = |name: &str, change| (name.to_owned(), change);
    let alteration = ConfigAlteration {
        resource: ConfigResource::topic("t"),
        changes: vec![
            change("retention.ms", ConfigChange::Set("5".to_owned())),
            change("cleanup.policy", ConfigChange::Set("delete".to_owned())),
            change("cleanup.policy", ConfigChange::Append("compact".to_owned())),
        ],
    };
    let bad = ConfigAlteration {
        resource: ConfigResource::topic("t"),
        changes: vec![change("segment.ms", ConfigChange::Set("bad".to_owned()))],
    };
    let results = admin.alter_configs(&[alteration, bad], false).await.unwrap();
    assert!(results[0].1.is_ok());
    assert_eq!(code(&results[1].1), Some(ErrorCode::INVALID_CONFIG));
    let entries = admin.describe_configs(&ConfigResource::topic("t"), true).await.unwrap();
    let pairs: Vec<_> = entries.iter().map(|e| (e.name.as_str(), e.value.as_deref().unwrap())).collect();
    assert_eq!(pairs, [("cleanup.policy", "delete,compact"), ("retention.ms", "5")]);
    assert_eq!(
        (entries[0].source, entries[0].synonyms[0].source),
        (ConfigSource::Topic, ConfigSource::Default)
    );
    assert_eq!(entries[0].documentation.as_deref(), Some("what it does"));
    let resource = ConfigResource::topic("t");
    let deletion = ConfigAlteration { resource, changes: vec![change("retention.ms", ConfigChange::Delete)] };
    assert!(admin.alter_configs(&[deletion], false).await.unwrap()[0].1.is_ok());
    assert_eq!(admin.describe_configs(&ConfigResource::topic("t"), false).await.unwrap().len(), 1);
    let error = admin.describe_configs(&ConfigResource::topic("nope"), false).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    // Each broker is asked itself.
    for broker in 1..=3 {
        admin.describe_configs(&ConfigResource::broker(broker), false).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn groups_are_found_at_their_coordinator() {
    for (find, fetch) in [((0, 6), (1, 10)), ((0, 3), (1, 7))] {
        let (cluster, admin) = setup(3).await;
        cluster.state().versions.extend([(ApiKey::FindCoordinator, find), (ApiKey::OffsetFetch, fetch)]);
        cluster
            .state()
            .groups
            .extend([("g".to_owned(), "Stable".to_owned()), ("h".to_owned(), "Empty".to_owned())]);
        cluster.state().committed.extend([
            (("g".to_owned(), "t".to_owned(), 0), 5),
            (("g".to_owned(), "t".to_owned(), 1), 7),
            (("h".to_owned(), "u".to_owned(), 0), 1),
        ]);
        let listed = admin.list_groups(&[], &[]).await.unwrap();
        assert_eq!(
            listed.iter().map(|g| (g.id.as_str(), g.coordinator)).collect::<Vec<_>>(),
            [("g", 3), ("h", 3)]
        );
        cluster.fault(ApiKey::FindCoordinator, &[Fault::Error(ErrorCode::COORDINATOR_NOT_AVAILABLE)]);
        let described = admin.describe_groups(&names(&["g", "nope"])).await.unwrap();
        let group = described[0].1.as_ref().unwrap();
        assert_eq!((group.state.as_str(), group.protocol.as_str()), ("Stable", "range"));
        assert_eq!((group.coordinator.id, group.coordinator.host.as_str()), (3, "10.0.1.3"));
        let assignment: Vec<String> = group.members[0].assignment.iter().map(ToString::to_string).collect();
        assert_eq!(assignment, ["t-0", "t-1"]);
        assert_eq!(code(&described[1].1), Some(ErrorCode::GROUP_ID_NOT_FOUND));
        let offsets = admin.group_offsets("g", None).await.unwrap();
        let pairs: Vec<_> =
            offsets.iter().map(|(tp, committed)| (tp.to_string(), committed.offset)).collect();
        assert_eq!(pairs, [("t-0".to_owned(), 5), ("t-1".to_owned(), 7)]);
        assert_eq!(offsets[&TopicPartition::new("t", 0)].metadata, "note");
        if fetch.1 > 7 {
            let some = [TopicPartition::new("t", 1), TopicPartition::new("t", 9)];
            let offsets = admin.group_offsets("g", Some(&some)).await.unwrap();
            assert_eq!(offsets.into_keys().collect::<Vec<_>>(), some[..1]);
        }
        let deleted = admin.delete_groups(&names(&["g", "h"])).await.unwrap();
        assert_eq!(code(&deleted[0].1), Some(ErrorCode::NON_EMPTY_GROUP));
        assert!(deleted[1].1.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn groups_of_the_consumer_protocol_are_described_too() {
    let (cluster, admin) = setup(1).await;
    let states = [("new", "Stable"), ("old", "Stable")];
    cluster.state().groups.extend(states.map(|(id, state)| (id.to_owned(), state.to_owned())));
    let described = admin.describe_groups(&names(&["new", "old", "nope"])).await.unwrap();
    let group = described[0].1.as_ref().unwrap();
    assert_eq!((group.kind.as_str(), group.epoch, group.assignment_epoch), ("Consumer", Some(3), Some(2)));
    let member = &group.members[0];
    let both = [TopicPartition::new("t", 0), TopicPartition::new("t", 1)];
    assert_eq!((member.assignment.as_slice(), member.target.as_deref()), (&both[..], Some(&both[..])));
    assert_eq!((member.epoch, member.is_upgraded), (Some(2), Some(true)));
    let group = described[1].1.as_ref().unwrap();
    assert_eq!((group.kind.as_str(), group.epoch), ("Classic", None));
    let error = described[2].1.clone().unwrap_err();
    assert_eq!(error.to_string(), "nope: GROUP_ID_NOT_FOUND: Group nope not found.");
}

#[tokio::test(start_paused = true)]
async fn offsets_are_committed_and_deleted_for_a_group() {
    let (cluster, admin) = setup(3).await;
    let states = [("g", "Empty"), ("busy", "Stable")];
    cluster.state().groups.extend(states.map(|(id, state)| (id.to_owned(), state.to_owned())));
    let at = |partition| TopicPartition::new("t", partition);
    let committed = |offset| CommittedOffset { offset, leader_epoch: -1, metadata: String::new() };
    let offsets = BTreeMap::from([(at(0), committed(5)), (at(1), committed(6))]);
    cluster.fault(ApiKey::OffsetCommit, &[Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)]);
    let results = admin.alter_group_offsets("g", &offsets).await.unwrap();
    assert_eq!(results, [(at(0), Ok(())), (at(1), Ok(()))]);
    let found = admin.group_offsets("g", None).await.unwrap();
    assert_eq!(found.values().map(|committed| committed.offset).collect::<Vec<_>>(), [5, 6]);
    let results = admin.alter_group_offsets("busy", &offsets).await.unwrap();
    assert!(results.iter().all(|(_, result)| code(result) == Some(ErrorCode::UNKNOWN_MEMBER_ID)));

    let deleted = admin.delete_group_offsets("g", &[at(1), at(7)]).await.unwrap();
    assert_eq!(deleted[0], (at(1), Ok(())));
    assert_eq!(code(&deleted[1].1), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(admin.group_offsets("g", None).await.unwrap().len(), 1);
    let error = admin.delete_group_offsets("nope", &[at(0)]).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));
}

#[tokio::test(start_paused = true)]
async fn topics_are_described_page_by_page() {
    let (cluster, admin) = setup(1).await;
    cluster.create_topic("a", 3);
    cluster.create_topic("b", 2);
    for page in [1, 2, 4, 100] {
        let described = admin.describe_topic_partitions(&names(&["b", "nope", "a"]), page).await.unwrap();
        let found: Vec<(&str, usize)> = described
            .iter()
            .filter_map(|(name, topic)| Some((name.as_str(), topic.as_ref().ok()?.topic.partitions.len())))
            .collect();
        assert_eq!(found, [("b", 2), ("a", 3)], "{page}");
        let a = described[2].1.as_ref().unwrap();
        let eligible: Vec<_> =
            a.eligible_leaders.iter().map(|leaders| leaders.as_ref().unwrap().eligible.clone()).collect();
        assert_eq!(eligible, [[0], [1], [2]], "{page}");
        assert_eq!(code(&described[1].1), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    }
    // Older brokers are asked for their metadata.
    cluster.state().versions.insert(ApiKey::DescribeTopicPartitions, (-1, -1));
    let admin = Admin::connect(&cluster.client(), cluster.config()).await.unwrap();
    let described = admin.describe_topic_partitions(&names(&["a"]), 100).await.unwrap();
    let a = described[0].1.as_ref().unwrap();
    assert_eq!((a.topic.partitions.len(), a.eligible_leaders.as_slice()), (3, &[None, None, None][..]));
}

#[tokio::test(start_paused = true)]
async fn a_dead_group_of_an_old_broker_is_no_group() {
    let (cluster, admin) = setup(1).await;
    cluster.state().versions.insert(ApiKey::DescribeGroups, (0, 5));
    let admin = {
        drop(admin);
        Admin::connect(&cluster.client(), cluster.config()).await.unwrap()
    };
    let described = admin.describe_groups(&names(&["nope"])).await.unwrap();
    assert_eq!(code(&described[0].1), Some(ErrorCode::GROUP_ID_NOT_FOUND));
}

#[tokio::test(start_paused = true)]
async fn records_are_deleted_at_each_leader() {
    let (cluster, admin) = setup(3).await;
    cluster.create_topic("t", 3);
    {
        let mut state = cluster.state();
        for partition in &mut state.topics.get_mut("t").unwrap().partitions {
            for _ in 0..3 {
                let mut builder = records::BatchBuilder::new(records::BatchSettings::default());
                builder.append(None, Some(b"v"), &[], 100).unwrap();
                partition.append(&builder.build().unwrap());
            }
        }
    }
    let at = |partition| TopicPartition::new("t", partition);
    let before = [(at(2), 2), (at(0), -1), (at(1), 9), (at(7), 0)];
    let deleted = admin.delete_records(&before).await;
    assert_eq!(deleted.iter().map(|(tp, _)| tp.partition).collect::<Vec<_>>(), [2, 0, 1, 7]);
    assert_eq!((deleted[0].1.clone(), deleted[1].1.clone()), (Ok(2), Ok(3)));
    assert_eq!(code(&deleted[2].1), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
    assert!(matches!(deleted[3].1, Err(ClientError::NoPartition { partitions: 3, .. })));

    let asked =
        [(at(2), OffsetSpec::Earliest), (at(1), OffsetSpec::Latest), (at(1), OffsetSpec::Timestamp(100))];
    let found = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await;
    let offsets: Vec<_> = found.iter().map(|(_, found)| found.as_ref().unwrap().offset).collect();
    assert_eq!(offsets[..2], [2, 3]);
    // The leader moves: the old one says so, and the new one is asked.
    cluster.state().topics.get_mut("t").unwrap().partitions[1].leader = 3;
    let found = admin.list_offsets(&asked[1..2], IsolationLevel::ReadCommitted).await;
    assert_eq!(found[0].1.as_ref().unwrap().offset, 3);
}

#[tokio::test(start_paused = true)]
async fn special_offsets_need_brokers_that_know_them() {
    let (cluster, _) = setup(1).await;
    cluster.create_topic("t", 1);
    cluster.state().versions.insert(ApiKey::ListOffsets, (1, 6));
    let admin = Admin::connect(&cluster.client(), cluster.config()).await.unwrap();
    let asked = [(TopicPartition::new("t", 0), OffsetSpec::MaxTimestamp)];
    let found = admin.list_offsets(&asked, IsolationLevel::ReadUncommitted).await;
    let error = found[0].1.as_ref().unwrap_err();
    assert!(matches!(error, ClientError::UnsupportedVersion { client: (7, _), .. }), "{error}");
}
