//! Batches of the log and snapshots, taken apart.

use protocol::{FeatureLevelRecord, MetadataRecord};
use raft::{ControlRecord, encode_snapshot_batches};

use super::content::snapshot_timestamp;
use super::{LogContent, METADATA_TOPIC_ID};

fn snapshot() -> Vec<u8> {
    let record = MetadataRecord::FeatureLevel(FeatureLevelRecord { name: "a".into(), feature_level: 1 });
    let encoded = [record.encode_framed().expect("it is encodable")];
    encode_snapshot_batches(3, 50, 40, &[ControlRecord::KRaftVersion(1)], encoded.into_iter(), 1024)
        .expect("it is encodable")
}

#[test]
fn the_id_of_the_metadata_topic_is_kafkas() {
    assert_eq!(METADATA_TOPIC_ID.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
}

#[test]
fn a_snapshot_is_whole_or_refused() {
    let bytes = snapshot();
    let content = LogContent::of_snapshot(&bytes).expect("it is whole");
    assert_eq!((content.records.len(), content.control().len()), (1, 3));
    assert_eq!(snapshot_timestamp(&bytes), Ok(40));
    for len in 0..bytes.len() {
        assert!(LogContent::of_snapshot(&bytes[..len]).is_err(), "cut after {len} of {} bytes", bytes.len());
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = snapshot();
    for index in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[index] ^= 0x10;
        let read = LogContent::of_snapshot(&flipped);
        // Offsets and epochs are outside the checksum; everything else is inside.
        let is_covered =
            !first_bytes_of_batches(&bytes).iter().any(|start| (*start..*start + 16).contains(&index));
        assert!(read.is_err() || !is_covered, "bit in byte {index}");
    }
}

fn first_bytes_of_batches(bytes: &[u8]) -> Vec<usize> {
    let mut at = 0;
    let mut starts = Vec::new();
    for batch in records::batches(bytes) {
        starts.push(at);
        at += batch.expect("a batch").bytes.len();
    }
    starts
}
