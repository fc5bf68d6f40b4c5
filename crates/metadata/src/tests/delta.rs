//! What a step says of its difference.

use protocol::{ClearElrRecord, ConfigRecord, MetadataRecord, PartitionChangeRecord, RemoveTopicRecord};

use super::{broker, image_of, partition, topic, uuid};
use crate::{ConfigResource, MetadataDelta, MetadataImage, ReplayError, TopicPartitionId};

fn replayed(base: &MetadataImage, records: &[MetadataRecord<'_>]) -> MetadataDelta {
    let mut delta = MetadataDelta::new(base.clone());
    records.iter().for_each(|record| delta.replay(record).expect("the records fit"));
    delta
}

fn topic_config(name: &'static str, value: Option<&'static str>) -> MetadataRecord<'static> {
    MetadataRecord::Config(ConfigRecord {
        resource_type: 2,
        resource_name: name.into(),
        name: "retention.ms".into(),
        value: value.map(Into::into),
    })
}

fn remove(number: u8) -> MetadataRecord<'static> {
    MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: uuid(number) })
}

#[test]
fn a_created_topic_lists_its_partitions_and_configs() {
    let a = uuid(1);
    let delta = replayed(
        &MetadataImage::empty(),
        &[topic("a", a), topic_config("a", Some("5")), partition(a, 0), partition(a, 1)],
    );
    assert_eq!(delta.created_topics().collect::<Vec<_>>(), [a]);
    let changed: Vec<_> = delta.changed_partitions().collect();
    assert_eq!(changed, [0, 1].map(|partition| TopicPartitionId { topic_id: a, partition }));
    assert_eq!(delta.changed_configs().collect::<Vec<_>>(), [&ConfigResource::topic("a")]);
    assert_eq!(delta.base().topics().len(), 0);
    assert_eq!(delta.image().topics().partition_count(), 2);
}

#[test]
fn a_deleted_topic_takes_its_configs_and_changes_along() {
    let a = uuid(1);
    let base =
        image_of(&MetadataImage::empty(), &[topic("a", a), partition(a, 0), topic_config("a", Some("5"))]);
    let change = PartitionChangeRecord { topic_id: a, leader: -1, partition_id: 0, ..Default::default() };
    let delta = replayed(&base, &[MetadataRecord::PartitionChange(change), remove(1)]);
    let deleted: Vec<_> = delta.deleted_topics().map(|topic| topic.name().to_owned()).collect();
    assert_eq!(deleted, ["a"]);
    // The topic is told as it was before the step.
    assert_eq!(delta.deleted_topics().next().and_then(|topic| topic.partition(0)).map(|p| p.leader), Some(1));
    assert_eq!(delta.changed_partitions().count(), 0);
    assert_eq!(delta.changed_configs().collect::<Vec<_>>(), [&ConfigResource::topic("a")]);
    assert!(delta.image().configs().topic("a").is_none());
    assert_eq!(delta.image().topics().partition_count(), 0);
    assert!(base.topics().by_name("a").is_some(), "an image never changes");
}

#[test]
fn a_topic_that_comes_and_goes_in_one_step_never_was() {
    let a = uuid(1);
    let delta = replayed(&MetadataImage::empty(), &[topic("a", a), partition(a, 0), remove(1)]);
    assert_eq!(delta.created_topics().count() + delta.deleted_topics().count(), 0);
    assert_eq!(delta.changed_partitions().count(), 0);
}

#[test]
fn a_topic_deleted_and_created_again_is_another() {
    let base = image_of(&MetadataImage::empty(), &[topic("a", uuid(1)), partition(uuid(1), 0)]);
    let delta = replayed(&base, &[remove(1), topic("a", uuid(2)), partition(uuid(2), 0)]);
    assert_eq!(delta.deleted_topics().map(|topic| topic.id()).collect::<Vec<_>>(), [uuid(1)]);
    assert_eq!(delta.created_topics().collect::<Vec<_>>(), [uuid(2)]);
    assert_eq!(delta.image().topics().by_name("a").map(|topic| topic.id()), Some(uuid(2)));
}

#[test]
fn every_change_of_a_partition_raises_its_epoch_and_a_leader_raises_the_leader_epoch() {
    let a = uuid(1);
    let base = image_of(&MetadataImage::empty(), &[topic("a", a), partition(a, 0)]);
    let change = |change: PartitionChangeRecord| {
        let record = PartitionChangeRecord { topic_id: a, partition_id: 0, ..change };
        let delta = replayed(&base, &[MetadataRecord::PartitionChange(record)]);
        delta.image().topics().by_id(a).and_then(|topic| topic.partition(0)).expect("it exists").clone()
    };
    let shrunk = change(PartitionChangeRecord { isr: Some(vec![]), ..Default::default() });
    assert_eq!((shrunk.leader_epoch, shrunk.partition_epoch, shrunk.isr.len()), (0, 1, 0));
    let same_leader = change(PartitionChangeRecord { leader: 1, ..Default::default() });
    assert_eq!((same_leader.leader_epoch, same_leader.partition_epoch), (1, 1));
    let moved = change(PartitionChangeRecord { replicas: Some(vec![2, 3]), ..Default::default() });
    assert_eq!(
        moved.directories,
        [crate::DIRECTORY_MIGRATING; 2],
        "directories of other replicas say nothing"
    );
}

#[test]
fn clearing_elr_touches_only_partitions_that_have_one() {
    let (a, b) = (uuid(1), uuid(2));
    let with_elr = PartitionChangeRecord {
        topic_id: a,
        partition_id: 1,
        eligible_leader_replicas: Some(vec![2]),
        ..Default::default()
    };
    let base = image_of(
        &MetadataImage::empty(),
        &[
            topic("a", a),
            partition(a, 0),
            partition(a, 1),
            topic("b", b),
            partition(b, 0),
            MetadataRecord::PartitionChange(with_elr),
        ],
    );
    for topic_name in ["", "a"] {
        let delta =
            replayed(&base, &[MetadataRecord::ClearElr(ClearElrRecord { topic_name: topic_name.into() })]);
        let changed: Vec<_> = delta.changed_partitions().collect();
        assert_eq!(changed, [TopicPartitionId { topic_id: a, partition: 1 }]);
        let after = delta.image().topics().by_id(a).and_then(|topic| topic.partition(1)).expect("it exists");
        assert_eq!((after.elr.len(), after.partition_epoch), (0, 2));
    }
    let mut delta = MetadataDelta::new(base);
    let unknown = MetadataRecord::ClearElr(ClearElrRecord { topic_name: "c".into() });
    assert!(matches!(delta.replay(&unknown), Err(ReplayError::UnknownTopic { .. })));
}

#[test]
fn brokers_that_changed_are_listed() {
    let delta = replayed(&MetadataImage::empty(), &[broker(3, 7), broker(1, 8)]);
    assert_eq!(delta.changed_brokers().collect::<Vec<_>>(), [1, 3]);
}
