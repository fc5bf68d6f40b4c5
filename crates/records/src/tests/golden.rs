//! Bytes written by Apache Kafka itself.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::varint::{
    read_varint, read_varlong, size_of_varint, size_of_varlong, write_unsigned, write_varint, write_varlong,
};
use crate::{
    Batch, BatchBuilder, BatchHeader, BatchSettings, Compression, ControlRecordType,
    DEFAULT_DECOMPRESSED_LIMIT_BYTES, Header, RecordsIter, TimestampType, VoterId, VoterSet, batches,
    control_batch, end_txn_marker_batch, kraft_version_value, leader_change_value, murmur2,
    partition_for_key, snapshot_footer_value, snapshot_header_value, voters_value,
};

const BATCHES: &str = include_str!("../../testdata/record-batches.jsonl");
const PRIMITIVES: &str = include_str!("../../testdata/primitives.jsonl");

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The vectors by name: what they should hold, and their bytes.
pub(crate) fn vectors() -> BTreeMap<String, (Value, Vec<u8>)> {
    lines(BATCHES)
        .into_iter()
        .map(|line| {
            (line["name"].as_str().unwrap().to_owned(), (line.clone(), unhex(line["hex"].as_str().unwrap())))
        })
        .collect()
}

pub(crate) fn bytes_of(name: &str) -> Vec<u8> {
    vectors()[name].1.clone()
}

fn optional_hex(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(unhex)
}

fn check_records(records: RecordsIter<'_>, expected: &Value) {
    let records: Vec<_> = records.map(Result::unwrap).collect();
    let expected = expected.as_array().unwrap();
    assert_eq!(records.len(), expected.len());
    for (record, expected) in records.iter().zip(expected) {
        assert_eq!(record.offset, expected["offset"].as_i64().unwrap());
        assert_eq!(record.timestamp, expected["timestamp"].as_i64().unwrap());
        assert_eq!(record.key.map(<[u8]>::to_vec), optional_hex(&expected["key"]));
        assert_eq!(record.value.map(<[u8]>::to_vec), optional_hex(&expected["value"]));
        let headers: Vec<_> = record.headers.map(|h| (h.key.to_vec(), h.value.map(<[u8]>::to_vec))).collect();
        let wanted: Vec<_> = expected["headers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|h| (h["key"].as_str().unwrap().as_bytes().to_vec(), optional_hex(&h["value"])))
            .collect();
        assert_eq!(headers, wanted);
    }
}

fn check_header(header: &BatchHeader, expected: &Value) {
    assert_eq!(i64::from(header.magic), expected["magic"].as_i64().unwrap());
    assert_eq!(header.last_offset(), expected["lastOffset"].as_i64().unwrap());
    assert_eq!(header.next_offset(), expected["nextOffset"].as_i64().unwrap());
    assert_eq!(header.max_timestamp, expected["maxTimestamp"].as_i64().unwrap());
    assert_eq!(u64::from(header.crc), expected["checksum"].as_u64().unwrap());
    assert_eq!(header.size_bytes() as u64, expected["sizeInBytes"].as_u64().unwrap());
    assert_eq!(i64::from(header.partition_leader_epoch), expected["partitionLeaderEpoch"].as_i64().unwrap());
    assert_eq!(header.producer_id, expected["producerId"].as_i64().unwrap());
    assert_eq!(i64::from(header.producer_epoch), expected["producerEpoch"].as_i64().unwrap());
    assert_eq!(i64::from(header.base_sequence), expected["baseSequence"].as_i64().unwrap());
    assert_eq!(i64::from(header.last_sequence()), expected["lastSequence"].as_i64().unwrap());
    assert_eq!(header.is_transactional(), expected["isTransactional"].as_bool().unwrap());
    assert_eq!(header.is_control(), expected["isControlBatch"].as_bool().unwrap());
    let stamped = header.timestamp_type() == TimestampType::LogAppendTime;
    assert_eq!(stamped, expected["timestampType"] == "LogAppendTime");
    if header.magic == 2 {
        assert_eq!(header.base_offset, expected["baseOffset"].as_i64().unwrap());
        assert_eq!(i64::from(header.records_count), expected["count"].as_i64().unwrap());
    }
}

#[test]
fn every_batch_is_read_as_kafka_reads_it() {
    let mut seen = 0;
    for (name, (line, bytes)) in vectors() {
        println!("{name}");
        let expected = line["batches"].as_array().unwrap();
        let found: Vec<Batch> = batches(&bytes).map(Result::unwrap).collect();
        assert_eq!(found.len(), expected.len());
        for (batch, expected) in found.iter().zip(expected) {
            check_header(&batch.header, expected);
            batch.verify_crc().unwrap();
            let codec: Compression = line["codec"].as_str().unwrap().parse().unwrap();
            assert_eq!(batch.header.compression(), Ok(codec));
            let mut scratch = Vec::new();
            check_records(
                batch.open(DEFAULT_DECOMPRESSED_LIMIT_BYTES, &mut scratch).unwrap(),
                &expected["records"],
            );
            if batch.header.magic == 2 {
                let header = batch.header_bytes().unwrap();
                assert_eq!(&batch.header.to_bytes(), header);
            }
            seen += 1;
        }
    }
    assert!(seen >= 28);
}

/// Builds the batch again from its parsed records; what is not compressed must give the same bytes.
#[test]
fn uncompressed_batches_are_built_byte_for_byte() {
    let mut built = 0;
    for (name, (line, bytes)) in vectors() {
        let batch = Batch::parse(&bytes).unwrap();
        if batch.header.magic != 2 || line["codec"] != "none" {
            continue;
        }
        println!("{name}");
        let header = &batch.header;
        let mut builder = BatchBuilder::new(BatchSettings {
            base_offset: header.base_offset,
            partition_leader_epoch: header.partition_leader_epoch,
            log_append_time_ms: (header.timestamp_type() == TimestampType::LogAppendTime)
                .then_some(header.max_timestamp),
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            transactional: header.is_transactional(),
            control: header.is_control(),
            ..BatchSettings::default()
        });
        // A log-stamped batch keeps the producer's deltas, so its records are read as if it were not.
        let create_time = BatchHeader { attributes: header.attributes & !8, ..*header };
        for record in RecordsIter::new(&create_time, batch.payload()).unwrap() {
            let record = record.unwrap();
            let headers: Vec<Header> = record.headers.collect();
            let size = builder.size_with(record.key, record.value, &headers, record.timestamp);
            builder.append(record.key, record.value, &headers, record.timestamp).unwrap();
            assert_eq!(builder.size_bytes(), size);
        }
        assert_eq!(builder.build().unwrap(), bytes);
        built += 1;
    }
    assert!(built >= 10, "{built}");
}

fn kraft(base_offset: i64, kind: ControlRecordType, value: &[u8]) -> Vec<u8> {
    let settings = BatchSettings { base_offset, partition_leader_epoch: 2, ..BatchSettings::default() };
    control_batch(settings, 1_700_000_000_000, &[(kind, value)]).unwrap()
}

#[test]
fn control_batches_are_kafkas() {
    let time = 1_700_000_000_000;
    assert_eq!(
        end_txn_marker_batch(100, 5, time, 4242, 3, true, 8).unwrap(),
        bytes_of("control-commit-marker")
    );
    assert_eq!(
        end_txn_marker_batch(101, 5, time, 4242, 3, false, 8).unwrap(),
        bytes_of("control-abort-marker")
    );
    let voter = |id| VoterId { id, directory_id: [0; 16] };
    let leader_change = leader_change_value(0, 1, &[voter(1), voter(2)], &[voter(1)]);
    assert_eq!(kraft(7, ControlRecordType::LeaderChange, &leader_change), bytes_of("control-leader-change"));
    let header = snapshot_header_value(time);
    assert_eq!(kraft(0, ControlRecordType::SnapshotHeader, &header), bytes_of("control-snapshot-header"));
    let footer = snapshot_footer_value();
    assert_eq!(kraft(9, ControlRecordType::SnapshotFooter, &footer), bytes_of("control-snapshot-footer"));
    assert_eq!(
        kraft(1, ControlRecordType::KRaftVersion, &kraft_version_value(1)),
        bytes_of("control-kraft-version")
    );
    let mut directory_id = [0; 16];
    directory_id[7] = 1;
    directory_id[15] = 2;
    let voters = [VoterSet {
        voter: VoterId { id: 1, directory_id },
        endpoints: Vec::new(),
        min_kraft_version: 0,
        max_kraft_version: 1,
    }];
    assert_eq!(kraft(2, ControlRecordType::KRaftVoters, &voters_value(&voters)), bytes_of("control-voters"));
}

#[test]
fn control_keys_name_their_type() {
    for id in 0..7 {
        let kind = ControlRecordType::from_id(id).unwrap();
        assert_eq!(ControlRecordType::from_key(&kind.key()), Some(kind));
    }
    assert_eq!(ControlRecordType::from_key(&[0, 0, 0, 7]), None);
    assert_eq!(ControlRecordType::from_key(&[0, 0, 0]), None);
    assert_eq!(ControlRecordType::from_key(&[0xff, 0xff, 0, 0]), None);
    // A newer version of the key may only append to it.
    assert_eq!(ControlRecordType::from_key(&[0, 1, 0, 1, 9, 9]), Some(ControlRecordType::Commit));
}

#[test]
fn integers_and_hashes_are_kafkas() {
    let mut seen = 0;
    for line in lines(PRIMITIVES) {
        seen += 1;
        match line["kind"].as_str().unwrap() {
            "varint" => check_varint(&line),
            "varlong" => check_varlong(&line),
            "hash" => check_hash(&line),
            other => panic!("{other}"),
        }
    }
    assert!(seen > 60, "{seen}");
}

fn check_varint(line: &Value) {
    let value = line["value"].as_i64().unwrap() as i32;
    let wanted = unhex(line["zigzag"].as_str().unwrap());
    let mut out = Vec::new();
    write_varint(value, &mut out);
    assert_eq!(out, wanted);
    assert_eq!(size_of_varint(value), wanted.len());
    let mut rest = wanted.as_slice();
    assert_eq!(read_varint(&mut rest), Ok(value));
    assert!(rest.is_empty());
    let mut unsigned = Vec::new();
    write_unsigned(u64::from(value as u32), &mut unsigned);
    assert_eq!(unsigned, unhex(line["unsigned"].as_str().unwrap()));
}

fn check_varlong(line: &Value) {
    let value = line["value"].as_i64().unwrap();
    let wanted = unhex(line["zigzag"].as_str().unwrap());
    let mut out = Vec::new();
    write_varlong(value, &mut out);
    assert_eq!(out, wanted);
    assert_eq!(size_of_varlong(value), wanted.len());
    let mut rest = wanted.as_slice();
    assert_eq!(read_varlong(&mut rest), Ok(value));
    assert!(rest.is_empty());
}

fn check_hash(line: &Value) {
    let data = unhex(line["hex"].as_str().unwrap());
    assert_eq!(u64::from(crc32c::crc32c(&data)), line["crc32c"].as_u64().unwrap());
    assert_eq!(i64::from(murmur2(&data)), line["murmur2"].as_i64().unwrap());
    assert_eq!(u64::from(partition_for_key(&data, 10)), line["partition_of_10"].as_u64().unwrap());
    assert_eq!(u64::from(partition_for_key(&data, 7)), line["partition_of_7"].as_u64().unwrap());
}
