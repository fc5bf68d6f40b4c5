//! Tests of the image: records in, state out, and back.

mod arbitrary;
mod delta;
mod loader;
mod records;
mod round_trip;

use protocol::{MetadataRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord, Uuid};

use crate::{MetadataDelta, MetadataImage, Provenance};

/// A uuid that is easy to read in a failure.
pub(crate) fn uuid(number: u8) -> Uuid {
    let mut bytes = [0; 16];
    bytes[0] = 0x10;
    bytes[15] = number;
    Uuid(bytes)
}

/// The image after these records.
pub(crate) fn image_of(base: &MetadataImage, records: &[MetadataRecord<'_>]) -> MetadataImage {
    let mut delta = MetadataDelta::new(base.clone());
    for record in records {
        delta.replay(record).unwrap_or_else(|error| panic!("{record:?}: {error}"));
    }
    delta.into_image(Provenance { offset: records.len() as i64 - 1, epoch: 1, timestamp_ms: 1 })
}

pub(crate) fn topic(name: &'static str, id: Uuid) -> MetadataRecord<'static> {
    MetadataRecord::Topic(TopicRecord { name: name.into(), topic_id: id })
}

pub(crate) fn partition(id: Uuid, index: i32) -> MetadataRecord<'static> {
    MetadataRecord::Partition(PartitionRecord {
        partition_id: index,
        topic_id: id,
        replicas: vec![1],
        isr: vec![1],
        leader: 1,
        leader_epoch: 0,
        partition_epoch: 0,
        directories: vec![uuid(200)],
        ..PartitionRecord::default()
    })
}

pub(crate) fn broker(id: i32, epoch: i64) -> MetadataRecord<'static> {
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: id,
        broker_epoch: epoch,
        incarnation_id: uuid(100),
        log_dirs: vec![uuid(200)],
        ..RegisterBrokerRecord::default()
    })
}
