//! Administration, one test per face.

use std::collections::BTreeMap;

use client::{
    ClientError, ElectionType, ErrorCode, FeatureUpdate, FeatureUpgrade, NewTopic, QuotaMatch, ScramChange,
    ScramMechanism, TopicPartition,
};

use crate::{admin, node};

fn code<T: std::fmt::Debug>(result: Result<T, ClientError>) -> ErrorCode {
    result.expect_err("it is refused").code().expect("by the broker")
}

async fn create(admin: &client::Admin, topic: &str, partitions: i32) {
    let new = NewTopic::new(topic).with_partitions(partitions);
    for (_, created) in admin.create_topics(&[new], false).await.expect("answered") {
        created.expect("created");
    }
}

#[tokio::test]
async fn leaders_are_elected() {
    let (_node, config) = node(&[]).await;
    let admin = admin(&config).await;
    create(&admin, "t", 2).await;
    let asked = [TopicPartition::new("t", 1), TopicPartition::new("t", 7)];
    let outcomes = admin.elect_leaders(ElectionType::Preferred, Some(&asked)).await.expect("answered");
    let codes: BTreeMap<TopicPartition, ErrorCode> =
        outcomes.into_iter().map(|(partition, outcome)| (partition, code(outcome))).collect();
    assert_eq!(codes[&asked[0]], ErrorCode::ELECTION_NOT_NEEDED);
    assert_eq!(codes[&asked[1]], ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(admin.elect_leaders(ElectionType::Unclean, None).await, Ok(vec![]), "nobody needs one");
}

#[tokio::test]
async fn partitions_are_moved_and_moves_stopped() {
    let (_node, config) = node(&[]).await;
    let admin = admin(&config).await;
    create(&admin, "t", 1).await;
    let partition = TopicPartition::new("t", 0);
    let moved = |replicas: Option<Vec<i32>>| BTreeMap::from([(partition.clone(), replicas)]);
    let here = moved(Some(vec![1]));
    let elsewhere = moved(Some(vec![9]));
    let stop = moved(None);
    let outcomes = admin.alter_reassignments(&here).await.expect("answered");
    assert_eq!(outcomes, vec![(partition.clone(), Ok(()))], "it is there already");
    let mut outcomes = admin.alter_reassignments(&elsewhere).await.expect("answered");
    assert_eq!(code(outcomes.remove(0).1), ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    let mut outcomes = admin.alter_reassignments(&stop).await.expect("answered");
    assert_eq!(code(outcomes.remove(0).1), ErrorCode::NO_REASSIGNMENT_IN_PROGRESS);
    assert_eq!(admin.list_reassignments(None).await, Ok(BTreeMap::new()));
}

#[tokio::test]
async fn features_are_described_and_updated() {
    let (_node, config) = node(&[]).await;
    let admin = admin(&config).await;
    let described = admin.describe_features(None).await.expect("answered");
    assert_eq!(described.supported["metadata.version"].0, 7);
    assert!(described.finalized_epoch >= 0);
    assert_eq!(admin.describe_features(Some(1)).await.expect("answered").supported, described.supported);
    let update = |feature: &str, level: i16, upgrade: FeatureUpgrade| {
        vec![FeatureUpdate { feature: feature.to_owned(), level, upgrade }]
    };
    let elr = "eligible.leader.replicas.version";
    assert_eq!(described.finalized[elr], 1);
    let down = update(elr, 0, FeatureUpgrade::SafeDowngrade);
    admin.update_features(&down, true).await.expect("it could be");
    assert_eq!(admin.describe_features(None).await.expect("answered").finalized[elr], 1, "only checked");
    admin.update_features(&down, false).await.expect("it is");
    let after = admin.describe_features(None).await.expect("answered");
    assert!(!after.finalized.contains_key(elr) && after.finalized_epoch > described.finalized_epoch);
    admin.update_features(&update(elr, 1, FeatureUpgrade::Upgrade), false).await.expect("and back");
    let refused =
        admin.update_features(&update("metadata.version", 99, FeatureUpgrade::Upgrade), false).await;
    assert_eq!(code(refused), ErrorCode::INVALID_UPDATE_VERSION);
}

#[tokio::test]
async fn a_broker_that_was_never_there_cannot_be_forgotten() {
    let (_node, config) = node(&[]).await;
    let admin = admin(&config).await;
    assert_eq!(code(admin.unregister_broker(99).await), ErrorCode::BROKER_ID_NOT_REGISTERED);
    assert_eq!(admin.describe_cluster().await.expect("answered").brokers.len(), 1);
}

#[tokio::test]
async fn quotas_are_set_found_and_taken_away() {
    let (_node, config) = node(&[]).await;
    let admin = admin(&config).await;
    let entity = BTreeMap::from([("user".to_owned(), Some("alice".to_owned()))]);
    let set = [("producer_byte_rate".to_owned(), Some(1024.0))];
    admin.alter_client_quotas(&entity, &set, false).await.expect("set");
    let asked = [("user".to_owned(), QuotaMatch::Any)];
    let found = admin.describe_client_quotas(&asked, true).await.expect("answered");
    assert_eq!(found, [(entity.clone(), BTreeMap::from([("producer_byte_rate".to_owned(), 1024.0)]))]);
    let unset = [("producer_byte_rate".to_owned(), None)];
    admin.alter_client_quotas(&entity, &unset, false).await.expect("taken away");
    assert_eq!(admin.describe_client_quotas(&asked, true).await, Ok(vec![]));
    let refused = admin.alter_client_quotas(&entity, &[("nonsense".to_owned(), Some(1.0))], false).await;
    assert_eq!(code(refused), ErrorCode::INVALID_REQUEST);
}

#[tokio::test]
async fn users_get_passwords_and_lose_them() {
    let (_node, config) = node(&[]).await;
    let admin = admin(&config).await;
    let mechanism = ScramMechanism::Sha512;
    let set = ScramChange::Upsert { mechanism, iterations: 4096, password: "secret".to_owned() };
    admin.alter_scram_user("alice", &[set]).await.expect("set");
    let asked = ["alice".to_owned(), "bob".to_owned()];
    let mut found: BTreeMap<_, _> =
        admin.describe_scram_users(&asked).await.expect("answered").into_iter().collect();
    assert_eq!(found.remove("alice"), Some(Ok(vec![(mechanism, 4096)])));
    assert_eq!(found.remove("bob").map(code), Some(ErrorCode::RESOURCE_NOT_FOUND));
    admin.alter_scram_user("alice", &[ScramChange::Delete(mechanism)]).await.expect("taken away");
    assert_eq!(admin.describe_scram_users(&[]).await, Ok(vec![]));
}

#[tokio::test]
async fn log_directories_are_described_and_replicas_moved_between_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let paths = ["a", "b"].map(|name| folder.path().join(name).display().to_string());
    let (_node, config) = node(&[("log.dirs", &paths.join(","))]).await;
    let admin = admin(&config).await;
    create(&admin, "t", 1).await;
    let partition = TopicPartition::new("t", 0);
    let place = || async {
        let found = admin.describe_log_dirs(Some(&[1])).await.expect("answered");
        let has = |dir: &&client::LogDirDescription| {
            dir.replicas.iter().any(|replica| replica.partition == partition && !replica.is_future)
        };
        found[&1].iter().find(has).map(|dir| dir.path.clone())
    };
    let before = place().await.expect("it is somewhere");
    let other = paths.iter().find(|path| **path != before).expect("there are two").clone();
    let moves = BTreeMap::from([(partition.clone(), other.clone())]);
    let outcomes = admin.alter_replica_log_dirs(1, &moves).await.expect("answered");
    assert_eq!(outcomes, vec![(partition.clone(), Ok(()))]);
    while place().await.as_deref() != Some(other.as_str()) {
        tokio::task::yield_now().await;
    }
    let nowhere = BTreeMap::from([(partition.clone(), "/no/such/directory".to_owned())]);
    let mut outcomes = admin.alter_replica_log_dirs(1, &nowhere).await.expect("answered");
    assert_eq!(code(outcomes.remove(0).1), ErrorCode::LOG_DIR_NOT_FOUND);
}
