//! Random histories of records that fit the state they meet.

use proptest::prelude::*;
use protocol::client_quota_record::EntityData;
use protocol::register_broker_record::{BrokerEndpoint, BrokerFeature};
use protocol::register_controller_record::{ControllerEndpoint, ControllerFeature};
use protocol::{
    AccessControlEntryRecord, ClearElrRecord, ClientQuotaRecord, ConfigRecord, DelegationTokenRecord,
    FeatureLevelRecord, MetadataRecord, NoOpRecord, PartitionChangeRecord, PartitionRecord,
    ProducerIdsRecord, RegisterBrokerRecord, RegisterControllerRecord, RemoveTopicRecord, TopicRecord,
    UserScramCredentialRecord,
};

use super::uuid;

/// One record of any type that says something about the state. Whether it fits depends on the state: those that do
/// not are passed over by the test.
pub(crate) fn record() -> impl Strategy<Value = MetadataRecord<'static>> {
    prop_oneof![features(), topics(), partitions(), partition_changes(), cluster(), configs(), security()]
}

fn features() -> impl Strategy<Value = MetadataRecord<'static>> {
    (prop_oneof!["metadata.version", "a.version", "b.version"], 0_i16..40).prop_map(
        |(name, feature_level)| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.into(), feature_level })
        },
    )
}

fn topics() -> impl Strategy<Value = MetadataRecord<'static>> {
    let create = (0_u8..6).prop_map(|n| {
        MetadataRecord::Topic(TopicRecord { name: format!("topic-{n}").into(), topic_id: uuid(n) })
    });
    let remove = (0_u8..6).prop_map(|n| MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: uuid(n) }));
    let clear = prop_oneof![Just(String::new()), (0_u8..6).prop_map(|n| format!("topic-{n}"))]
        .prop_map(|name| MetadataRecord::ClearElr(ClearElrRecord { topic_name: name.into() }));
    prop_oneof![4 => create, 1 => remove, 1 => clear]
}

fn ids() -> impl Strategy<Value = Vec<i32>> {
    prop::collection::vec(0_i32..5, 0..4)
}

fn partitions() -> impl Strategy<Value = MetadataRecord<'static>> {
    (0_u8..6, 0_i32..3, ids(), ids(), ids(), ids(), -1_i32..5, 0_i8..2, 0_i32..9).prop_map(
        |(topic, partition_id, replicas, isr, elr, last_known_elr, leader, recovery, epoch)| {
            MetadataRecord::Partition(PartitionRecord {
                partition_id,
                topic_id: uuid(topic),
                directories: replicas.iter().map(|id| uuid(200 + *id as u8)).collect(),
                removing_replicas: isr.iter().rev().copied().collect(),
                adding_replicas: replicas.iter().rev().copied().collect(),
                replicas,
                isr,
                leader,
                leader_recovery_state: recovery,
                leader_epoch: epoch,
                partition_epoch: epoch + 1,
                eligible_leader_replicas: Some(elr),
                last_known_elr: Some(last_known_elr),
            })
        },
    )
}

fn partition_changes() -> impl Strategy<Value = MetadataRecord<'static>> {
    (0_u8..6, 0_i32..3, prop::option::of(ids()), prop::option::of(ids()), -2_i32..5, -1_i8..2).prop_map(
        |(topic, partition_id, isr, elr, leader, leader_recovery_state)| {
            MetadataRecord::PartitionChange(PartitionChangeRecord {
                partition_id,
                topic_id: uuid(topic),
                isr,
                leader,
                eligible_leader_replicas: elr,
                leader_recovery_state,
                ..PartitionChangeRecord::default()
            })
        },
    )
}

fn cluster() -> impl Strategy<Value = MetadataRecord<'static>> {
    let broker = (0_i32..4, 0_i64..99, any::<bool>(), prop::option::of("[a-z]{1,3}"), any::<bool>())
        .prop_map(|(broker_id, broker_epoch, fenced, rack, cordoned)| {
            MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker_id,
                broker_epoch,
                incarnation_id: uuid(broker_id as u8),
                end_points: vec![BrokerEndpoint {
                    name: "PLAINTEXT".into(),
                    host: "localhost".into(),
                    port: 9092,
                    security_protocol: 0,
                }],
                features: vec![BrokerFeature {
                    name: "metadata.version".into(),
                    min_supported_version: 7,
                    max_supported_version: 33,
                }],
                rack: rack.map(Into::into),
                fenced,
                in_controlled_shutdown: !fenced,
                log_dirs: vec![uuid(200), uuid(201)],
                cordoned_log_dirs: cordoned.then(|| vec![uuid(201)]),
                ..RegisterBrokerRecord::default()
            })
        });
    let controller = (0_i32..4, any::<bool>()).prop_map(|(controller_id, zk_migration_ready)| {
        MetadataRecord::RegisterController(RegisterControllerRecord {
            controller_id,
            incarnation_id: uuid(50),
            zk_migration_ready,
            end_points: vec![ControllerEndpoint {
                name: "CONTROLLER".into(),
                host: "localhost".into(),
                port: 9093,
                security_protocol: 0,
            }],
            features: vec![ControllerFeature {
                name: "kraft.version".into(),
                min_supported_version: 0,
                max_supported_version: 1,
            }],
        })
    });
    prop_oneof![broker, controller]
}

fn configs() -> impl Strategy<Value = MetadataRecord<'static>> {
    let config = (
        prop::sample::select(vec![2_i8, 4, 16, 32]),
        "[a-c]{0,1}",
        "[a-c]{1}",
        prop::option::of("[ -~]{0,8}"),
    )
        .prop_map(|(resource_type, resource_name, name, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type,
                resource_name: resource_name.into(),
                name: name.into(),
                value: value.map(Into::into),
            })
        });
    let quota = (prop::option::of("[a-b]{1}"), "[a-b]{1}", 0_u32..9, any::<bool>()).prop_map(
        |(name, key, value, remove)| {
            MetadataRecord::ClientQuota(ClientQuotaRecord {
                entity: vec![
                    EntityData { entity_type: "user".into(), entity_name: name.map(Into::into) },
                    EntityData { entity_type: "client-id".into(), entity_name: None },
                ],
                key: key.into(),
                value: f64::from(value),
                remove,
            })
        },
    );
    let ids = (1_i64..9).prop_map(|blocks| {
        MetadataRecord::ProducerIds(ProducerIdsRecord {
            broker_id: 1,
            broker_epoch: 1,
            next_producer_id: blocks * 1000,
        })
    });
    prop_oneof![config, quota, ids, Just(MetadataRecord::NoOp(NoOpRecord {}))]
}

fn security() -> impl Strategy<Value = MetadataRecord<'static>> {
    let acl = (0_u8..4, 0_i8..7, "[a-c]{1,2}").prop_map(|(id, operation, name)| {
        MetadataRecord::AccessControlEntry(AccessControlEntryRecord {
            id: uuid(id),
            resource_type: 2,
            resource_name: name.into(),
            pattern_type: 3,
            principal: "User:a".into(),
            host: "*".into(),
            operation,
            permission_type: 3,
        })
    });
    let scram = ("[a-c]{1}", 1_i8..3, prop::collection::vec(any::<u8>(), 0..9)).prop_map(
        |(name, mechanism, salt)| {
            MetadataRecord::UserScramCredential(UserScramCredentialRecord {
                name: name.into(),
                mechanism,
                salt: salt.into(),
                stored_key: vec![1, 2].into(),
                server_key: vec![3].into(),
                iterations: 4096,
            })
        },
    );
    let token = ("[a-c]{1}", prop::collection::vec("[a-z]{1,3}", 0..3), 0_i64..99).prop_map(
        |(id, renewers, time)| {
            MetadataRecord::DelegationToken(DelegationTokenRecord {
                owner: "User:a".into(),
                requester: "User:b".into(),
                renewers: renewers.into_iter().map(Into::into).collect(),
                issue_timestamp: time,
                max_timestamp: time + 2,
                expiration_timestamp: time + 1,
                token_id: id.into(),
            })
        },
    );
    prop_oneof![acl, scram, token]
}
