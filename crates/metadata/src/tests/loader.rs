//! Metadata transactions are seen whole or not at all.

use protocol::{AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord, MetadataRecord};

use super::{topic, uuid};
use crate::{MetadataImage, MetadataLoader, Provenance, ReplayError};

fn begin() -> MetadataRecord<'static> {
    MetadataRecord::BeginTransaction(BeginTransactionRecord { name: Some("test".into()) })
}

fn end() -> MetadataRecord<'static> {
    MetadataRecord::EndTransaction(EndTransactionRecord {})
}

fn abort() -> MetadataRecord<'static> {
    MetadataRecord::AbortTransaction(AbortTransactionRecord { reason: None })
}

fn at(offset: i64) -> Provenance {
    Provenance { offset, epoch: 1, timestamp_ms: 0 }
}

#[test]
fn a_transaction_over_several_batches_appears_at_its_end() {
    let mut loader = MetadataLoader::new(MetadataImage::empty());
    loader.replay(0, &topic("before", uuid(1))).expect("fits");
    loader.replay(1, &begin()).expect("fits");
    loader.replay(2, &topic("inside", uuid(2))).expect("fits");
    assert!(loader.publish(at(2)).is_none());
    assert_eq!(loader.transaction_start_offset(), Some(1));
    assert!(loader.image().topics().is_empty());
    assert_eq!(loader.current().topics().len(), 2);
    loader.replay(3, &end()).expect("fits");
    let published = loader.publish(at(3)).expect("the transaction has ended");
    assert_eq!(published.image.topics().len(), 2);
    assert_eq!(published.image.provenance().offset, 3);
    assert_eq!(published.delta.created_topics().count(), 2);
}

#[test]
fn an_aborted_transaction_leaves_what_came_before_it() {
    let mut loader = MetadataLoader::new(MetadataImage::empty());
    loader.replay(0, &topic("before", uuid(1))).expect("fits");
    loader.replay(1, &begin()).expect("fits");
    loader.replay(2, &topic("inside", uuid(2))).expect("fits");
    loader.replay(3, &abort()).expect("fits");
    let published = loader.publish(at(3)).expect("no transaction is in progress");
    let names: Vec<_> = published.image.topics().iter().map(|topic| topic.name().to_owned()).collect();
    assert_eq!(names, ["before"]);
}

#[test]
fn transactions_do_not_nest_and_do_not_end_twice() {
    let mut loader = MetadataLoader::new(MetadataImage::empty());
    assert!(matches!(loader.replay(0, &end()), Err(ReplayError::Transaction { .. })));
    assert!(matches!(loader.replay(0, &abort()), Err(ReplayError::Transaction { .. })));
    loader.replay(0, &begin()).expect("fits");
    assert!(matches!(loader.replay(1, &begin()), Err(ReplayError::Transaction { .. })));
}

#[test]
fn a_step_without_records_moves_the_image_along_the_log() {
    let mut loader = MetadataLoader::new(MetadataImage::empty());
    let published = loader.publish(at(9)).expect("no transaction is in progress");
    assert_eq!(published.image.provenance().offset, 9);
    assert!(published.delta.is_empty());
    assert_eq!(loader.image().provenance().offset, 9);
}
