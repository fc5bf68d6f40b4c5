//! Bytes that no honest sender would send: nothing may panic, and nothing may allocate on the word of a field.

use super::golden::vectors;
use crate::{
    Batch, BatchError, BatchHeader, Compression, ErrorKind, FollowerRules, HEADER_BYTES, ProduceRules,
    RecordFault, batches, recompress, validate_follower, validate_produce,
};

const LIMIT_BYTES: usize = 1 << 20;

/// Runs everything that reads over `bytes` and returns how many records it saw.
fn read_all(bytes: &[u8]) -> usize {
    let mut seen = 0;
    let mut scratch = Vec::new();
    for batch in batches(bytes) {
        let Ok(batch) = batch else { break };
        let _ = batch.verify_crc();
        let _ = batch.header.last_sequence();
        if let Ok(records) = batch.open(LIMIT_BYTES, &mut scratch) {
            for record in records {
                let Ok(record) = record else { break };
                seen += 1 + record.headers.count();
            }
        }
        assert!(scratch.capacity() <= 16 * LIMIT_BYTES, "{}", scratch.capacity());
    }
    let rules = ProduceRules { max_decompressed_bytes: LIMIT_BYTES, ..ProduceRules::default() };
    if let Ok(valid) = validate_produce(bytes, &rules) {
        let _ = recompress(bytes, &valid, &rules);
    }
    let _ = validate_follower(bytes, &FollowerRules { leader_epoch: i32::MAX });
    seen
}

fn with_true_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.len() > HEADER_BYTES {
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}

#[test]
fn every_truncation() {
    for (name, (_, bytes)) in vectors() {
        println!("{name}");
        for length in 0..bytes.len() {
            let cut = &bytes[..length];
            let (all, some) = (batches(&bytes).count(), batches(cut).map(Result::unwrap).count());
            assert!(some < all);
            read_all(cut);
            // A cut batch whose header says that it is whole.
            if length > HEADER_BYTES {
                let mut whole = cut.to_vec();
                whole[8..12].copy_from_slice(&((length - 12) as i32).to_be_bytes());
                read_all(&with_true_checksum(whole));
            }
        }
    }
}

#[test]
fn every_flipped_bit_with_and_without_a_true_checksum() {
    for (name, (_, bytes)) in vectors() {
        println!("{name}");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            read_all(&flipped);
            if bytes[16] == 2 {
                // What the checksum covers cannot change unseen.
                if bit / 8 >= 17
                    && let Ok(batch) = Batch::parse(&flipped)
                {
                    assert!(matches!(batch.verify_crc(), Err(BatchError::Crc { .. })), "{name} bit {bit}");
                }
                read_all(&with_true_checksum(flipped));
            }
        }
    }
}

#[test]
fn huge_counts_and_lengths() {
    let good = super::golden::bytes_of("v2-none");
    for count in [i32::MAX, i32::MIN, -1, 0, 6, 1 << 24] {
        let mut bytes = good.clone();
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        bytes[23..27].copy_from_slice(&count.wrapping_sub(1).to_be_bytes());
        let bytes = with_true_checksum(bytes);
        let error = validate_produce(&bytes, &ProduceRules::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRecord, "{error}");
        assert!(read_all(&bytes) <= 8);
    }
    for length in [i32::MIN, -1, 0, 13, 48, i32::MAX] {
        let mut bytes = good.clone();
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        assert!(Batch::parse(&bytes).is_err());
        read_all(&bytes);
    }
}

/// One record whose body is `body`, in a batch that is otherwise true.
fn batch_of(body: &[u8], compression: Compression) -> Vec<u8> {
    let mut record = Vec::new();
    crate::varint::write_varint(body.len() as i32, &mut record);
    record.extend_from_slice(body);
    batch_of_raw(&record, compression)
}

fn batch_of_raw(payload: &[u8], compression: Compression) -> Vec<u8> {
    let mut bytes = super::golden::bytes_of("v2-single-record-empty-value")[..HEADER_BYTES].to_vec();
    bytes[22] = compression.id();
    compression.compress(None, payload, &mut bytes).unwrap();
    let length = (bytes.len() - 12) as i32;
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    with_true_checksum(bytes)
}

#[test]
fn impossible_records_are_named() {
    let overlong = [0x80u8, 0x80, 0x80, 0x80, 0x80, 0x00];
    let very_long: Vec<u8> = [&[0][..], &[0xff; 10], &[0, 1, 1, 0]].concat();
    let cases: Vec<(Vec<u8>, RecordFault)> = vec![
        // attributes, timestamp delta, offset delta, key length, value length, headers.
        (vec![], RecordFault::Truncated),
        (vec![0], RecordFault::Truncated),
        (vec![0, 0, 0, 1], RecordFault::Truncated),
        (vec![0, 0, 0, 1, 1], RecordFault::Truncated),
        (vec![0, 0, 0, 4, 1, 0], RecordFault::Truncated),
        (vec![0, 0, 0, 1, 4, 1, 2], RecordFault::Truncated),
        ([&[0, 0, 0][..], &overlong].concat(), RecordFault::Varint),
        (very_long, RecordFault::Varint),
        (vec![0, 0, 0, 1, 1, 0, 9], RecordFault::Size),
        (vec![0, 0, 0, 1, 1, 1], RecordFault::HeadersCount),
        (vec![0, 0, 0, 1, 1, 2], RecordFault::HeadersCount),
        (vec![0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f], RecordFault::HeadersCount),
        (vec![0, 0, 0, 1, 1, 2, 1, 1], RecordFault::HeaderKey),
        (vec![0, 0, 0, 1, 1, 2, 2, b'k'], RecordFault::Truncated),
        (vec![0, 0, 2, 1, 1, 0], RecordFault::OffsetDelta),
        (vec![0, 0, 1, 1, 1, 0], RecordFault::OffsetDelta),
    ];
    for compression in Compression::ALL {
        for (body, fault) in &cases {
            let bytes = batch_of(body, compression);
            let error = validate_produce(&bytes, &ProduceRules::default()).unwrap_err();
            assert_eq!(error, BatchError::Record { index: 0, fault: *fault }, "{compression} {body:?}");
            read_all(&bytes);
        }
        // Lengths: negative, past the end, and one that overflows.
        for payload in [&[0x01u8][..], &[0x7e, 0, 0], &[0xfe, 0xff, 0xff, 0xff, 0x0f, 0]] {
            let error =
                validate_produce(&batch_of_raw(payload, compression), &ProduceRules::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidRecord, "{compression} {payload:?}: {error}");
        }
    }
}

#[test]
fn any_negative_length_is_null_as_in_kafka() {
    let bytes = batch_of(&[0, 0, 0, 9, 7, 2, 2, b'k', 5], Compression::None);
    let record = Batch::parse(&bytes).unwrap().records().unwrap().next().unwrap().unwrap();
    assert_eq!((record.key, record.value), (None, None));
    assert_eq!(record.headers.last().unwrap().value, None);
}

#[test]
fn records_larger_than_the_window_are_skimmed() {
    // Sizes around the chunk of the streaming walk, so that every field meets a border somewhere.
    for compression in Compression::ALL {
        for filler in (65_400..65_600).step_by(7).chain([70_000, 200_000]) {
            let mut builder =
                crate::BatchBuilder::new(crate::BatchSettings { compression, ..Default::default() });
            let (value, key) = (vec![3; filler], vec![1; filler / 3]);
            let headers =
                [crate::Header { key: &key, value: Some(&value) }, crate::Header { key: b"", value: None }];
            builder.append(Some(&key), Some(&value), &headers, 10).unwrap();
            builder.append(None, Some(b"next"), &headers[1..], 1 << 40).unwrap();
            builder.append(Some(b"last"), None, &[], 11).unwrap();
            let bytes = builder.build().unwrap();
            let rules = ProduceRules { now_ms: 1 << 40, ..ProduceRules::default() };
            let valid = validate_produce(&bytes, &rules).unwrap();
            assert_eq!(valid.max_timestamp, 1 << 40);
            assert_eq!(valid.size_bytes, bytes.len());
        }
    }
}

#[test]
fn old_headers_are_recognised_and_their_faults_named() {
    // The vector holds an entry per record.
    let vector = super::golden::bytes_of("legacy-v0-none");
    let old = Batch::parse(&vector).unwrap().bytes.to_vec();
    let header = BatchHeader::parse(&old[..18]).unwrap();
    assert_eq!((header.magic, header.size_bytes(), header.records_count), (0, old.len(), -1));
    assert!(header.is_legacy() && header.max_timestamp == -1);
    assert_eq!(Batch::parse(&old).unwrap().payload(), b"");
    assert_eq!(Batch::parse(&old).unwrap().header_bytes(), None);
    let mut short = old.clone();
    short[8..12].copy_from_slice(&13i32.to_be_bytes());
    assert_eq!(Batch::parse(&short).unwrap_err(), BatchError::Length { batch_length: 13, minimum: 14 });
    let mut corrupt = old;
    *corrupt.last_mut().unwrap() ^= 1;
    assert!(matches!(Batch::parse(&corrupt).unwrap().verify_crc(), Err(BatchError::Crc { .. })));
}
