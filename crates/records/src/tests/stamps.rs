//! Patched headers keep a valid checksum.

use crate::{
    Batch, BatchBuilder, BatchSettings, Compression, HEADER_BYTES, TimestampType, increment_sequence, stamp,
    stamp_log_append_time, stamp_producer, stamp_timestamps,
};

fn batch(value_bytes: usize, compression: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new(BatchSettings { compression, ..BatchSettings::default() });
    builder.append(Some(b"k"), Some(&vec![7; value_bytes]), &[], 1_000).unwrap();
    builder.append(None, Some(&vec![9; value_bytes]), &[], 1_005).unwrap();
    builder.build().unwrap()
}

fn patched(bytes: &[u8], header: [u8; HEADER_BYTES]) -> Vec<u8> {
    [&header[..], &bytes[HEADER_BYTES..]].concat()
}

#[test]
fn offset_and_epoch_leave_the_checksum_alone() {
    let bytes = batch(100, Compression::None);
    let header = stamp(bytes.first_chunk().unwrap(), 77, 3);
    let stamped = patched(&bytes, header);
    let found = Batch::parse(&stamped).unwrap();
    found.verify_crc().unwrap();
    assert_eq!(
        (found.header.base_offset, found.header.last_offset(), found.header.next_offset()),
        (77, 78, 79)
    );
    assert_eq!(found.header.partition_leader_epoch, 3);
    assert_eq!(found.header.crc, Batch::parse(&bytes).unwrap().header.crc);
}

#[test]
fn the_log_s_time_is_covered_by_a_checksum_derived_without_the_payload() {
    for value_bytes in [0, 1, 63, 1_000, 70_000] {
        for compression in [Compression::None, Compression::Lz4] {
            let bytes = batch(value_bytes, compression);
            let stamped = patched(&bytes, stamp_log_append_time(bytes.first_chunk().unwrap(), 5, 2, 123_456));
            let found = Batch::parse(&stamped).unwrap();
            found.verify_crc().unwrap();
            assert_eq!(found.header.timestamp_type(), TimestampType::LogAppendTime);
            assert_eq!(found.header.max_timestamp, 123_456);
            let mut scratch = Vec::new();
            let records = found.open(usize::MAX, &mut scratch).unwrap();
            assert!(records.map(Result::unwrap).all(|r| r.timestamp == 123_456));
        }
    }
}

#[test]
fn a_changed_timestamp_clears_unknown_attribute_bits_and_an_unchanged_one_does_not() {
    let mut bytes = batch(10, Compression::None);
    bytes[21] = 0x55;
    bytes[22] |= 0x80;
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let header = bytes.first_chunk().unwrap();
    let same = patched(&bytes, stamp_timestamps(header, 1, 1, TimestampType::CreateTime, 1_005));
    assert_eq!(Batch::parse(&same).unwrap().header.attributes, 0x5580);
    Batch::parse(&same).unwrap().verify_crc().unwrap();
    let changed = patched(&bytes, stamp_timestamps(header, 1, 1, TimestampType::CreateTime, 1_006));
    assert_eq!(Batch::parse(&changed).unwrap().header.attributes, 0);
    Batch::parse(&changed).unwrap().verify_crc().unwrap();
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(increment_sequence(5, 3), 8);
    assert_eq!(increment_sequence(i32::MAX, 0), i32::MAX);
    assert_eq!(increment_sequence(i32::MAX, 1), 0);
    assert_eq!(increment_sequence(i32::MAX - 1, 4), 2);
}

#[test]
fn a_batch_changes_its_producer() {
    let bytes = batch(500, Compression::Zstd);
    let stamped = patched(&bytes, stamp_producer(bytes.first_chunk().unwrap(), 77, 3, i32::MAX));
    let found = Batch::parse(&stamped).unwrap();
    found.verify_crc().unwrap();
    assert_eq!((found.header.producer_id, found.header.producer_epoch), (77, 3));
    assert_eq!((found.header.base_sequence, found.header.last_sequence()), (i32::MAX, 0));
    let back = patched(&stamped, stamp_producer(stamped.first_chunk().unwrap(), -1, -1, -1));
    assert_eq!(back, bytes);
}
