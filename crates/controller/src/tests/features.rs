//! Levels that the cluster agrees on are changed, all that are asked for or none.

use metadata::ConfigResource;
use protocol::update_features_request::FeatureUpdateKey;
use protocol::{
    ErrorCode, FeatureLevelRecord, MetadataRecord, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

use super::cluster::Cluster;
use crate::{Outcome, QuorumFeatures};

const UPGRADE: i8 = 1;
const SAFE: i8 = 2;
const UNSAFE: i8 = 3;
const ELR: &str = "eligible.leader.replicas.version";
const METADATA: &str = "metadata.version";
const KRAFT: &str = "kraft.version";

const QUORUM: QuorumFeatures<'static> = QuorumFeatures { kraft_version: 1, voters: &[1] };

fn request(updates: &[(&'static str, i16, i8)]) -> UpdateFeaturesRequest<'static> {
    let update = |(feature, max_version_level, upgrade_type): &(&'static str, i16, i8)| FeatureUpdateKey {
        feature: (*feature).into(),
        max_version_level: *max_version_level,
        upgrade_type: *upgrade_type,
        ..FeatureUpdateKey::default()
    };
    UpdateFeaturesRequest {
        feature_updates: updates.iter().map(update).collect(),
        ..UpdateFeaturesRequest::default()
    }
}

fn update(cluster: &mut Cluster, updates: &[(&'static str, i16, i8)]) -> UpdateFeaturesResponse<'static> {
    let outcome = cluster.controller.handle_update_features(&request(updates), QUORUM);
    assert!(outcome.is_atomic);
    cluster.apply(outcome)
}

fn code(cluster: &mut Cluster, updates: &[(&'static str, i16, i8)]) -> &'static str {
    update(cluster, updates).error_code.name()
}

fn level(cluster: &Cluster, name: &str) -> i16 {
    cluster.controller.image().features().level(name)
}

#[test]
fn levels_outside_of_what_every_node_speaks_are_refused() {
    let mut cluster = Cluster::of_one(&[]);
    let refused = [
        (METADATA, 34, UPGRADE),
        (METADATA, 6, SAFE),
        (METADATA, -1, SAFE),
        (KRAFT, 2, UPGRADE),
        (ELR, 2, UPGRADE),
        ("group.version", 1, UPGRADE),
        ("nobody.knows", 1, UPGRADE),
        ("nobody.knows", 0, UPGRADE),
        ("", 0, SAFE),
    ];
    let before = cluster.next_offset;
    for update in refused {
        assert_eq!(code(&mut cluster, &[update]), "INVALID_UPDATE_VERSION", "{update:?}");
    }
    assert_eq!(cluster.next_offset, before);
    let mut old = cluster.registration(2, 102);
    for feature in old.features.iter_mut().filter(|feature| feature.name == ELR) {
        feature.max_supported_version = 0;
    }
    assert_eq!(code(&mut cluster, &[(ELR, 0, SAFE)]), "NONE");
    cluster.register(&old).expect("it speaks all finalized levels");
    assert_eq!(code(&mut cluster, &[(ELR, 1, UPGRADE)]), "INVALID_UPDATE_VERSION", "broker 2 does not");
}

#[test]
fn a_voter_that_has_not_registered_may_not_support_anything() {
    let cluster = Cluster::of_one(&[]);
    let quorum = QuorumFeatures { voters: &[1, 2], ..QUORUM };
    let outcome = cluster.controller.handle_update_features(&request(&[(ELR, 1, UPGRADE)]), quorum);
    assert_eq!(outcome.response.error_code, ErrorCode::INVALID_UPDATE_VERSION);
}

#[test]
fn going_down_must_be_meant_and_must_lose_nothing() {
    let mut cluster = Cluster::of_one(&[]);
    for upgrade_type in [UPGRADE, SAFE, UNSAFE] {
        assert_eq!(code(&mut cluster, &[(METADATA, 32, upgrade_type)]), "INVALID_UPDATE_VERSION");
        assert_eq!(code(&mut cluster, &[(METADATA, 33, upgrade_type)]), "NONE", "it is 33");
        assert_eq!(code(&mut cluster, &[(KRAFT, 0, upgrade_type)]), "INVALID_UPDATE_VERSION");
        assert_eq!(code(&mut cluster, &[(KRAFT, 1, upgrade_type)]), "NONE", "it is 1");
        assert_eq!(code(&mut cluster, &[("group.version", 0, upgrade_type)]), "NONE", "it is 0");
    }
    for upgrade_type in [0, 4, -1] {
        assert_eq!(code(&mut cluster, &[(METADATA, 33, upgrade_type)]), "INVALID_UPDATE_VERSION");
    }
    assert_eq!(level(&cluster, METADATA), 33);
    assert_eq!(code(&mut cluster, &[(ELR, 0, UPGRADE)]), "INVALID_UPDATE_VERSION");
    assert_eq!(code(&mut cluster, &[(ELR, 0, SAFE)]), "NONE");
    assert_eq!(level(&cluster, ELR), 0);
    assert_eq!(code(&mut cluster, &[(ELR, 1, SAFE)]), "INVALID_UPDATE_VERSION", "that is no downgrade");
    assert_eq!(code(&mut cluster, &[(ELR, 1, UPGRADE)]), "NONE");
    assert_eq!(level(&cluster, ELR), 1);
}

#[test]
fn all_or_none_and_each_is_answered() {
    let mut cluster = Cluster::of_one(&[]);
    let failed = update(&mut cluster, &[(ELR, 0, SAFE), ("nobody.knows", 5, UPGRADE)]);
    assert_eq!((failed.error_code.name(), failed.results.len()), ("INVALID_UPDATE_VERSION", 0));
    assert!(failed.error_message.is_some_and(|message| message.contains("nobody.knows")));
    assert_eq!(level(&cluster, ELR), 1);
    // The last counts, and each is answered.
    let twice = update(&mut cluster, &[(METADATA, 34, UPGRADE), (METADATA, 33, UPGRADE)]);
    assert_eq!((twice.error_code, twice.error_message, twice.results.len()), (ErrorCode::NONE, None, 2));
    assert_eq!(twice.results[0].error_message.as_deref(), Some("NONE"));
    assert_eq!(update(&mut cluster, &[]).error_code, ErrorCode::NONE);
}

#[test]
fn validation_alone_changes_nothing() {
    let mut cluster = Cluster::of_one(&[]);
    let request = UpdateFeaturesRequest { validate_only: true, ..request(&[(ELR, 0, SAFE)]) };
    let outcome = cluster.controller.handle_update_features(&request, QUORUM);
    assert_eq!(cluster.apply(outcome).error_code, ErrorCode::NONE);
    assert_eq!(level(&cluster, ELR), 1);
}

#[test]
fn eligible_replicas_need_one_minimum_for_all() {
    let mut cluster = Cluster::of_one(&[("min.insync.replicas", "2")]);
    assert_eq!(code(&mut cluster, &[(ELR, 0, SAFE)]), "NONE");
    let set = |cluster: &mut Cluster, resource: &ConfigResource, value: Option<&str>| {
        let record = crate::config_change::config_record(resource, "min.insync.replicas", value);
        cluster.apply(crate::Outcome::atomic(vec![record], ()));
    };
    set(&mut cluster, &ConfigResource::cluster(), None);
    set(&mut cluster, &ConfigResource::broker(1), Some("3"));
    assert_eq!(code(&mut cluster, &[(ELR, 1, UPGRADE)]), "NONE");
    let configs = cluster.controller.image().configs();
    let minimum = |resource| configs.get(&resource).and_then(|configs| configs.get("min.insync.replicas"));
    assert_eq!(minimum(ConfigResource::cluster()).map(String::as_str), Some("2"));
    assert_eq!(minimum(ConfigResource::broker(1)), None);
}

#[test]
fn controllers_that_are_not_needed_can_be_unregistered() {
    let mut cluster = Cluster::of_one(&[]);
    let registration = protocol::ControllerRegistrationRequest {
        controller_id: 7,
        ..protocol::ControllerRegistrationRequest::default()
    };
    let outcome = cluster.controller.handle_controller_registration(&registration);
    cluster.apply(outcome);
    let code = |cluster: &Cluster, id: i32, voters: &[i32]| {
        cluster.controller.handle_unregister_controller(id, voters).map_err(|error| error.code)
    };
    assert_eq!(code(&cluster, 1, &[]).unwrap_err(), ErrorCode::INVALID_REQUEST, "itself");
    assert_eq!(code(&cluster, 7, &[1, 7]).unwrap_err(), ErrorCode::INVALID_REQUEST, "a voter");
    assert_eq!(code(&cluster, 8, &[1]).unwrap_err(), ErrorCode::CONTROLLER_ID_NOT_REGISTERED);
    let outcome = code(&cluster, 7, &[1]).expect("nobody needs it");
    cluster.apply(outcome);
    assert!(cluster.controller.image().cluster().controller(7).is_none());
}

#[test]
fn what_kafka_finalized_and_this_node_does_not_speak_is_carried_along() {
    let mut cluster = Cluster::new(&[]);
    let mut finalize = |name: &'static str, feature_level: i16| {
        let record = FeatureLevelRecord { name: name.into(), feature_level };
        cluster.apply(Outcome::atomic(vec![MetadataRecord::FeatureLevel(record)], ()));
        let registration = cluster.registration(1, 7);
        let outcome = cluster.controller.handle_broker_registration(1000, cluster.next_offset, &registration);
        outcome.map(|_| ()).map_err(|error| error.code.name())
    };
    assert_eq!(finalize("group.version", 1), Ok(()));
    assert_eq!(finalize("transaction.version", 2), Ok(()));
    assert_eq!(finalize("group.version", 2), Err("UNSUPPORTED_VERSION"), "Kafka 4.4 knows no such level");
    assert_eq!(finalize("group.version", 1), Ok(()));
    assert_eq!(finalize("nobody.knows", 1), Err("UNSUPPORTED_VERSION"));
    assert_eq!(finalize("nobody.knows", 0), Ok(()));
    cluster.join(1);
    assert_eq!(code(&mut cluster, &[("group.version", 0, SAFE)]), "NONE");
    assert_eq!((level(&cluster, "group.version"), level(&cluster, "transaction.version")), (0, 2));
    assert_eq!(code(&mut cluster, &[("transaction.version", 2, UPGRADE)]), "INVALID_UPDATE_VERSION");
}
