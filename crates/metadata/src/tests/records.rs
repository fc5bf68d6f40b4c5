//! Records that do not fit are refused by name; records that remove, remove.

use protocol::{
    BrokerRegistrationChangeRecord, FeatureLevelRecord, FenceBrokerRecord, MetadataRecord, PartitionRecord,
    RemoveAccessControlEntryRecord, RemoveDelegationTokenRecord, RemoveTopicRecord,
    RemoveUserScramCredentialRecord, UnfenceBrokerRecord, UnregisterBrokerRecord, UnregisterControllerRecord,
};

use super::{broker, image_of, partition, topic, uuid};
use crate::{METADATA_VERSION, MetadataDelta, MetadataImage};

#[test]
fn what_does_not_fit_is_refused() {
    let base = image_of(&MetadataImage::empty(), &[topic("a", uuid(1)), partition(uuid(1), 0), broker(1, 5)]);
    let feature = |name: &'static str, feature_level| {
        MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.into(), feature_level })
    };
    let refused = [
        topic("a", uuid(2)),
        topic("b", uuid(1)),
        partition(uuid(9), 0),
        MetadataRecord::Partition(PartitionRecord {
            topic_id: uuid(1),
            leader_recovery_state: 7,
            ..PartitionRecord::default()
        }),
        MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: uuid(9) }),
        MetadataRecord::FenceBroker(FenceBrokerRecord { id: 2, epoch: 5 }),
        MetadataRecord::FenceBroker(FenceBrokerRecord { id: 1, epoch: 4 }),
        MetadataRecord::UnregisterBroker(UnregisterBrokerRecord { broker_id: 1, broker_epoch: 6 }),
        MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            broker_id: 1,
            broker_epoch: 5,
            fenced: 3,
            ..Default::default()
        }),
        MetadataRecord::UnregisterController(UnregisterControllerRecord { controller_id: 1 }),
        MetadataRecord::RemoveAccessControlEntry(RemoveAccessControlEntryRecord { id: uuid(3) }),
        MetadataRecord::RemoveUserScramCredential(RemoveUserScramCredentialRecord {
            name: "u".into(),
            mechanism: 1,
        }),
        MetadataRecord::RemoveDelegationToken(RemoveDelegationTokenRecord { token_id: "t".into() }),
        feature(METADATA_VERSION, 34),
        feature(METADATA_VERSION, 6),
    ];
    for record in refused {
        let mut delta = MetadataDelta::new(base.clone());
        assert!(delta.replay(&record).is_err(), "{record:?}");
    }
}

#[test]
fn a_broker_is_unfenced_changed_fenced_and_unregistered() {
    let change = |change: BrokerRegistrationChangeRecord| {
        MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            broker_id: 1,
            broker_epoch: 5,
            ..change
        })
    };
    let mut image = image_of(&MetadataImage::empty(), &[broker(1, 5)]);
    assert!(!image.cluster().is_active(1), "a broker starts fenced");
    image = image_of(&image, &[change(BrokerRegistrationChangeRecord { fenced: -1, ..Default::default() })]);
    assert!(image.cluster().is_active(1));
    let stop = BrokerRegistrationChangeRecord { in_controlled_shutdown: 1, ..Default::default() };
    let stopping = image_of(&image, &[change(stop)]);
    assert!(!stopping.cluster().is_active(1));
    let cordon =
        BrokerRegistrationChangeRecord { cordoned_log_dirs: Some(vec![uuid(200)]), ..Default::default() };
    let cordoned = image_of(&image, &[change(cordon)]);
    let registered = cordoned.cluster().broker(1).expect("it is registered");
    assert!(registered.is_active() && !registered.has_uncordoned_directories());
    let fence = MetadataRecord::FenceBroker(FenceBrokerRecord { id: 1, epoch: 5 });
    let unfence = MetadataRecord::UnfenceBroker(UnfenceBrokerRecord { id: 1, epoch: 5 });
    assert!(!image_of(&image, std::slice::from_ref(&fence)).cluster().is_active(1));
    assert!(image_of(&image, &[fence, unfence]).cluster().is_active(1));
    let gone = MetadataRecord::UnregisterBroker(UnregisterBrokerRecord { broker_id: 1, broker_epoch: 5 });
    assert!(image_of(&image, &[gone]).cluster().broker(1).is_none());
}

#[test]
fn features_at_level_zero_are_not_finalized() {
    let feature = |name: &'static str, feature_level| {
        MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.into(), feature_level })
    };
    let image = image_of(
        &MetadataImage::empty(),
        &[
            feature("b.version", 2),
            feature(METADATA_VERSION, 33),
            feature("a.version", 1),
            feature("b.version", 0),
        ],
    );
    let finalized: Vec<_> = image.features().finalized().collect();
    assert_eq!(finalized, [(METADATA_VERSION, 33), ("a.version", 1)]);
    assert_eq!(image.features().level("b.version"), 0);
}
