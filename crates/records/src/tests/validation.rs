//! The leader's rules, one by one, in Kafka's order.

use crate::{
    Batch, BatchBuilder, BatchError, BatchHeader, BatchSettings, Compression, ErrorKind, FollowerRules,
    HEADER_BYTES, Header, Origin, ProduceRules, RecordFault, Rejection, Rewrite, TargetCompression,
    TimestampType, recompress, stamp, validate_compressed, validate_follower, validate_produce,
};

const NOW: i64 = 1_700_000_000_000;

fn rules() -> ProduceRules {
    ProduceRules { now_ms: NOW, ..ProduceRules::default() }
}

fn build(settings: BatchSettings, records: &[(Option<&[u8]>, i64)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(settings);
    for (key, timestamp) in records {
        let headers = [Header { key: b"h", value: None }, Header { key: b"h", value: Some(b"2") }];
        builder.append(*key, Some(b"some value"), &headers, *timestamp).unwrap();
    }
    builder.build().unwrap()
}

fn plain(compression: Compression) -> Vec<u8> {
    let settings = BatchSettings { compression, ..BatchSettings::default() };
    build(settings, &[(Some(b"a"), NOW), (Some(b"b"), NOW + 5), (None, NOW - 7)])
}

/// Writes `field` at `at` and makes the checksum true again.
fn patch(mut bytes: Vec<u8>, at: usize, field: &[u8]) -> Vec<u8> {
    bytes[at..at + field.len()].copy_from_slice(field);
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn refused(bytes: &[u8], rules: &ProduceRules) -> BatchError {
    validate_produce(bytes, rules).unwrap_err()
}

#[test]
fn a_good_batch_passes_under_every_codec() {
    for compression in Compression::ALL {
        let bytes = plain(compression);
        let valid = validate_produce(&bytes, &rules()).unwrap();
        assert_eq!(valid.size_bytes, bytes.len());
        assert_eq!(valid.rewrite, Rewrite::Offsets);
        assert_eq!(valid.max_timestamp, NOW + 5);
        let header = valid.stamp(bytes.first_chunk().unwrap(), 42, 7);
        assert_eq!(header, stamp(bytes.first_chunk().unwrap(), 42, 7));
        assert_eq!(validate_compressed(&Batch::parse(&bytes).unwrap(), &rules()), Ok(NOW + 5));
    }
}

#[test]
fn framing() {
    let good = plain(Compression::None);
    assert_eq!(refused(&[], &rules()), BatchError::NoBatch);
    assert_eq!(refused(&good[..good.len() - 1], &rules()), BatchError::NoBatch);
    let twice = [good.clone(), good.clone()].concat();
    assert_eq!(refused(&twice, &rules()), BatchError::MoreThanOneBatch);
    assert_eq!(refused(&twice, &rules()).kind(), ErrorKind::InvalidRecord);
    // A second batch that is cut is dropped, one that cannot be a batch is corruption.
    let cut = &twice[..twice.len() - 1];
    assert_eq!(validate_produce(cut, &rules()).unwrap().size_bytes, good.len());
    let mut garbage = twice.clone();
    garbage[good.len() + 16] = 9;
    assert_eq!(refused(&garbage, &rules()), BatchError::Magic { magic: 9 });
    assert_eq!(refused(&garbage, &rules()).kind(), ErrorKind::CorruptMessage);
    let old = super::golden::bytes_of("legacy-v1-none");
    assert_eq!(refused(&old, &rules()), BatchError::OldMagic { magic: 1 });
    assert_eq!(refused(&old, &rules()).kind(), ErrorKind::InvalidRecord);
}

#[test]
fn header_rules_in_kafka_s_order() {
    let good = plain(Compression::None);
    // The checksum is broken as well, so what comes before it in the order is what is reported.
    let mut broken = good.clone();
    broken[60] ^= 1;
    assert_eq!(refused(&broken, &rules()).kind(), ErrorKind::CorruptMessage);
    let mut moved = broken.clone();
    moved[7] = 1;
    assert_eq!(refused(&moved, &rules()), BatchError::BaseOffset { base_offset: 1 });
    let small = ProduceRules { max_message_bytes: good.len() - 1, ..rules() };
    assert_eq!(refused(&broken, &small).kind(), ErrorKind::MessageTooLarge);
    validate_produce(&good, &ProduceRules { max_message_bytes: good.len(), ..rules() }).unwrap();

    let negative = patch(good.clone(), 23, &(-1i32).to_be_bytes());
    assert_eq!(refused(&negative, &rules()), BatchError::OffsetRange { last_offset_delta: -1 });
    let none = patch(good.clone(), 57, &0i32.to_be_bytes());
    assert_eq!(refused(&none, &rules()), BatchError::RecordsCount { records_count: 0 });
    let more = patch(good.clone(), 57, &4i32.to_be_bytes());
    assert!(matches!(refused(&more, &rules()), BatchError::CountMismatch { records_count: 4, .. }));
    let control = patch(good.clone(), 21, &0x20i16.to_be_bytes());
    assert_eq!(refused(&control, &rules()), BatchError::ControlBatch);
    let sequence = patch(good.clone(), 43, &9i64.to_be_bytes());
    assert_eq!(refused(&sequence, &rules()), BatchError::Sequence { producer_id: 9, base_sequence: -1 });
    for error in [&negative, &none, &more, &control, &sequence] {
        assert_eq!(refused(error, &rules()).kind(), ErrorKind::InvalidRecord);
    }
    let codec = patch(good, 21, &5i16.to_be_bytes());
    assert_eq!(refused(&codec, &rules()).kind(), ErrorKind::UnknownServerError);
}

#[test]
fn zstd_needs_a_new_produce() {
    let bytes = plain(Compression::Zstd);
    let error = refused(&bytes, &ProduceRules { zstd_allowed: false, ..rules() });
    assert_eq!(error.kind(), ErrorKind::UnsupportedCompressionType);
}

#[test]
fn a_declared_count_must_be_true() {
    for compression in Compression::ALL {
        let bytes = plain(compression);
        for (count, index) in [(4, Some(3)), (2, None)] {
            let wrong =
                patch(patch(bytes.clone(), 57, &i32::to_be_bytes(count)), 23, &i32::to_be_bytes(count - 1));
            let error = refused(&wrong, &rules());
            match index {
                Some(index) => {
                    let fault = RecordFault::Truncated;
                    assert_eq!(error, BatchError::Record { index, fault }, "{compression}");
                }
                None => assert_eq!(error, BatchError::BytesRemaining, "{compression}"),
            }
            assert_eq!(error.kind(), ErrorKind::InvalidRecord);
        }
    }
}

#[test]
fn offset_deltas_must_be_positions() {
    for compression in Compression::ALL {
        let mut builder = BatchBuilder::new(BatchSettings { compression, ..BatchSettings::default() });
        builder.append_at(0, None, None, &[], NOW).unwrap();
        builder.append_at(2, None, None, &[], NOW).unwrap();
        builder.append_at(3, None, None, &[], NOW).unwrap();
        let bytes = patch(builder.build().unwrap(), 23, &2i32.to_be_bytes());
        let error = refused(&bytes, &rules());
        assert_eq!(error, BatchError::Record { index: 1, fault: RecordFault::OffsetDelta });
    }
}

#[test]
fn a_compacted_topic_needs_keys_and_every_missing_one_is_named() {
    let compacted = ProduceRules { compacted: true, ..rules() };
    for compression in Compression::ALL {
        let settings = BatchSettings { compression, ..BatchSettings::default() };
        let bytes = build(settings.clone(), &[(None, NOW), (Some(b""), NOW), (None, NOW)]);
        let error = refused(&bytes, &compacted);
        assert_eq!(error.kind(), ErrorKind::InvalidRecord);
        let named: Vec<_> = error.record_errors().iter().map(|e| (e.batch_index, e.rejection)).collect();
        assert_eq!(named, [(0, Rejection::NoKey), (2, Rejection::NoKey)]);
        validate_produce(&build(settings, &[(Some(b""), NOW)]), &compacted).unwrap();
    }
}

#[test]
fn create_time_bounds_are_inclusive_and_none_passes() {
    let bounded = ProduceRules { timestamp_before_max_ms: 1_000, timestamp_after_max_ms: 500, ..rules() };
    for compression in Compression::ALL {
        let settings = BatchSettings { compression, ..BatchSettings::default() };
        let at = |timestamps: &[i64]| {
            let records: Vec<_> = timestamps.iter().map(|t| (None, *t)).collect();
            validate_produce(&build(settings.clone(), &records), &bounded)
        };
        assert_eq!(at(&[NOW - 1_000, NOW + 500, -1]).unwrap().max_timestamp, NOW + 500);
        let error = at(&[NOW, NOW - 1_001, NOW + 501, NOW]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidTimestamp);
        let (min_ms, max_ms) = (NOW - 1_000, NOW + 500);
        let named: Vec<_> = error.record_errors().iter().map(|e| (e.batch_index, e.rejection)).collect();
        let refused = |timestamp_ms| Rejection::TimestampOutOfRange { timestamp_ms, min_ms, max_ms };
        assert_eq!(named, [(1, refused(NOW - 1_001)), (2, refused(NOW + 501))]);
        assert_eq!(at(&[-1]).unwrap().max_timestamp, -1);
        assert_eq!(at(&[i64::MIN]).unwrap_err().kind(), ErrorKind::InvalidTimestamp);
        assert_eq!(at(&[i64::MAX]).unwrap_err().kind(), ErrorKind::InvalidTimestamp);
    }
}

#[test]
fn a_missing_key_and_a_wrong_time_together_are_a_timestamp_error() {
    let strict = ProduceRules { compacted: true, timestamp_before_max_ms: 10, ..rules() };
    let bytes = build(BatchSettings::default(), &[(None, 0), (Some(b"k"), 0)]);
    let error = refused(&bytes, &strict);
    assert_eq!(error.kind(), ErrorKind::InvalidTimestamp);
    // The first record is refused for its key alone.
    assert_eq!(error.record_errors()[0].rejection, Rejection::NoKey);
    assert_eq!(error.record_errors().len(), 2);
}

#[test]
fn a_lying_maximum_timestamp_is_corrected() {
    for compression in Compression::ALL {
        let bytes = patch(plain(compression), 35, &(NOW + 99).to_be_bytes());
        let valid = validate_produce(&bytes, &rules()).unwrap();
        assert_eq!((valid.rewrite, valid.max_timestamp), (Rewrite::Timestamps, NOW + 5));
        let header = valid.stamp(bytes.first_chunk().unwrap(), 3, 1);
        let stored = [&header[..], &bytes[HEADER_BYTES..]].concat();
        let batch = Batch::parse(&stored).unwrap();
        batch.verify_crc().unwrap();
        assert_eq!(batch.header.max_timestamp, NOW + 5);
    }
}

#[test]
fn log_append_time_is_the_broker_s_word() {
    let stamped = ProduceRules { timestamp_type: TimestampType::LogAppendTime, ..rules() };
    for compression in Compression::ALL {
        let valid = validate_produce(&plain(compression), &stamped).unwrap();
        assert_eq!((valid.rewrite, valid.max_timestamp), (Rewrite::Timestamps, NOW));
        let settings =
            BatchSettings { compression, log_append_time_ms: Some(NOW), ..BatchSettings::default() };
        let claims = build(settings, &[(None, NOW), (None, NOW)]);
        let error = refused(&claims, &stamped);
        assert_eq!(error.kind(), ErrorKind::InvalidTimestamp);
        assert_eq!(error.record_errors().len(), 2);
        // On a topic with CreateTime Kafka only refuses such a batch if it has no timestamp at all.
        let valid = validate_produce(&claims, &rules()).unwrap();
        assert_eq!((valid.rewrite, valid.timestamp_type), (Rewrite::Timestamps, TimestampType::CreateTime));
        let settings =
            BatchSettings { compression, log_append_time_ms: Some(-1), ..BatchSettings::default() };
        let error = refused(&build(settings, &[(None, NOW)]), &rules());
        assert_eq!(error.record_errors()[0].rejection, Rejection::LogAppendTimeFromClient);
    }
}

#[test]
fn a_trusted_header_is_still_checked() {
    let trusting = ProduceRules { inspect_compressed: false, timestamp_after_max_ms: 3, ..rules() };
    let bytes = plain(Compression::Lz4);
    let error = refused(&bytes, &trusting);
    assert!(matches!(error, BatchError::HeaderTimestamp(Rejection::TimestampOutOfRange { .. })));
    assert_eq!(error.kind(), ErrorKind::InvalidTimestamp);
    // What is inside is not seen: here the payload is garbage.
    let mut garbage = bytes.clone();
    garbage.truncate(HEADER_BYTES);
    garbage.extend_from_slice(b"no lz4 at all");
    garbage[8..12].copy_from_slice(&((HEADER_BYTES + 13 - 12) as i32).to_be_bytes());
    let garbage = patch(garbage, 35, &NOW.to_be_bytes());
    assert_eq!(validate_produce(&garbage, &trusting).unwrap().rewrite, Rewrite::Offsets);
    assert_eq!(refused(&garbage, &rules()).kind(), ErrorKind::UnknownServerError);
}

#[test]
fn a_bomb_is_too_large_and_costs_little_memory() {
    let zeros = vec![0; 32 << 20];
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut builder = BatchBuilder::new(BatchSettings { compression, ..BatchSettings::default() });
        builder.append(None, Some(&zeros), &[], NOW).unwrap();
        let bytes = builder.build().unwrap();
        let wide = ProduceRules { max_message_bytes: usize::MAX, ..rules() };
        assert_eq!(validate_produce(&bytes, &wide).unwrap().max_timestamp, NOW);
        let bounded = ProduceRules { max_decompressed_bytes: 16 << 20, ..wide };
        assert_eq!(refused(&bytes, &bounded).kind(), ErrorKind::MessageTooLarge, "{compression}");
    }
}

#[test]
fn a_record_in_a_compressed_batch_is_bounded_on_its_own() {
    for compression in Compression::ALL {
        let bytes = plain(compression);
        // The body of a record of this batch has 24 bytes, or 23 where the key is missing.
        let tight = ProduceRules { max_record_bytes: 23, ..rules() };
        let loose = ProduceRules { max_record_bytes: 24, ..rules() };
        validate_produce(&bytes, &loose).unwrap();
        match compression {
            Compression::None => drop(validate_produce(&bytes, &tight).unwrap()),
            _ => {
                let fault = RecordFault::TooLarge;
                assert_eq!(refused(&bytes, &tight), BatchError::Record { index: 0, fault });
            }
        }
    }
}

#[test]
fn a_topic_s_codec_replaces_the_producer_s() {
    for source in Compression::ALL {
        for target in Compression::ALL {
            let target_compression = TargetCompression::Fixed { compression: target, level: None };
            let rules =
                ProduceRules { target_compression, timestamp_type: TimestampType::LogAppendTime, ..rules() };
            let bytes = plain(source);
            let valid = validate_produce(&bytes, &rules).unwrap();
            if source == target {
                assert_eq!(valid.rewrite, Rewrite::Timestamps);
                continue;
            }
            assert_eq!(valid.rewrite, Rewrite::Records { compression: target, level: None });
            let rewritten = recompress(&bytes, &valid, &rules).unwrap();
            let batch = Batch::parse(&rewritten).unwrap();
            batch.verify_crc().unwrap();
            assert_eq!(batch.header.compression(), Ok(target));
            assert_eq!(batch.header.max_timestamp, NOW);
            let (mut before, mut after) = (Vec::new(), Vec::new());
            let old = Batch::parse(&bytes).unwrap();
            let old: Vec<_> = old.open(usize::MAX, &mut before).unwrap().map(Result::unwrap).collect();
            let new: Vec<_> = batch.open(usize::MAX, &mut after).unwrap().map(Result::unwrap).collect();
            assert_eq!(old.len(), new.len());
            for (old, new) in old.iter().zip(&new) {
                assert_eq!(
                    (old.offset, old.key, old.value, old.headers),
                    (new.offset, new.key, new.value, new.headers)
                );
                assert_eq!(new.timestamp, NOW);
            }
            let tight = ProduceRules { max_message_bytes: rewritten.len() - 1, ..rules };
            assert_eq!(recompress(&bytes, &valid, &tight).unwrap_err().kind(), ErrorKind::MessageTooLarge);
        }
    }
}

#[test]
fn coordinators_and_the_quorum_may_do_more() {
    let settings = BatchSettings {
        base_offset: 5,
        partition_leader_epoch: 4,
        control: true,
        ..BatchSettings::default()
    };
    let bytes = build(settings, &[(Some(b"key!"), NOW)]);
    let coordinator = ProduceRules { origin: Origin::Coordinator, ..rules() };
    assert_eq!(validate_produce(&bytes, &coordinator).unwrap().rewrite, Rewrite::Offsets);
    let gzip = TargetCompression::Fixed { compression: Compression::Gzip, level: None };
    let recompressing = ProduceRules { target_compression: gzip, ..coordinator };
    assert_eq!(validate_produce(&bytes, &recompressing).unwrap().rewrite, Rewrite::Offsets);
    let raft = |leader_epoch| ProduceRules {
        origin: Origin::RaftLeader { leader_epoch },
        max_message_bytes: 1,
        ..rules()
    };
    validate_produce(&bytes, &raft(4)).unwrap();
    assert_eq!(refused(&bytes, &raft(5)), BatchError::LeaderEpoch { found: 4, expected: 5 });
}

#[test]
fn a_follower_takes_rising_batches_of_its_epoch() {
    let at = |base_offset, partition_leader_epoch| {
        build(
            BatchSettings { base_offset, partition_leader_epoch, ..BatchSettings::default() },
            &[(None, NOW); 2],
        )
    };
    let old = super::golden::bytes_of("legacy-v1-none");
    let run = [old, at(5, 1), at(10, 3)].concat();
    let found = validate_follower(&run, &FollowerRules { leader_epoch: 3 }).unwrap();
    assert_eq!((found.first_offset, found.last_offset, found.last_leader_epoch), (0, 11, 3));
    assert_eq!((found.size_bytes, found.batches_count), (run.len(), 7));
    assert_eq!(found.max_timestamp, NOW + 70_000);
    let earlier = validate_follower(&run, &FollowerRules { leader_epoch: 2 }).unwrap();
    assert_eq!((earlier.last_offset, earlier.batches_count), (6, 6));
    let cut = validate_follower(&run[..run.len() - 1], &FollowerRules { leader_epoch: 3 }).unwrap();
    assert_eq!(cut.size_bytes, earlier.size_bytes);
    let falling = [at(10, 3), at(10, 3)].concat();
    let error = validate_follower(&falling, &FollowerRules { leader_epoch: 3 }).unwrap_err();
    assert_eq!(error, BatchError::OutOfOrder { previous: 11, last_offset: 11 });
    let mut corrupt = run;
    *corrupt.last_mut().unwrap() ^= 1;
    let error = validate_follower(&corrupt, &FollowerRules { leader_epoch: 3 }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CorruptMessage);
}

#[test]
fn three_fields_tell_that_a_batch_is_in_no_transaction() {
    let plain = build(BatchSettings::default(), &[(Some(b"k"), NOW)]);
    let settings = BatchSettings {
        transactional: true,
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        ..BatchSettings::default()
    };
    let transactional = build(settings, &[(Some(b"k"), NOW)]);
    assert!(BatchHeader::begins_outside_transaction(&plain));
    assert!(!BatchHeader::begins_outside_transaction(&transactional));
    let changed = |at: usize, byte: u8| {
        let mut bytes = plain.clone();
        bytes[at] = byte;
        bytes
    };
    let others = [changed(16, 1), changed(16, 3), changed(8, 0xff), plain[..60].to_vec(), Vec::new()];
    let short_of_a_header = {
        let mut bytes = plain.clone();
        bytes[8..12].copy_from_slice(&48_i32.to_be_bytes());
        bytes
    };
    for bytes in others.iter().chain([&short_of_a_header]) {
        assert!(!BatchHeader::begins_outside_transaction(bytes), "who cannot tell says no");
    }
}
