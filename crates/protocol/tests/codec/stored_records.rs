//! The envelopes of stored records. Owns the checks of record types, versions and prefixes.

use protocol::{
    DecodeError, EncodeError, GroupRecordKey, GroupRecordValue, MetadataRecord, OffsetCommitKey,
    OffsetCommitValue, RemoteLogRecord, ShareRecordKey, ShareRecordValue, TopicRecord, TransactionRecordKey,
    TransactionRecordValue, Uuid,
};

use crate::corpus::{VECTORS, Vector};
use crate::dynamic::uvarint;

fn vectors_of(file: &str) -> impl Iterator<Item = &'static Vector> {
    let names: Vec<String> = crate::corpus::testdata(&format!("{file}.jsonl"))
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|json| json["apiKey"].is_i64())
        .map(|json| json["name"].as_str().unwrap().to_owned())
        .collect();
    VECTORS.iter().filter(move |v| names.contains(&v.name))
}

/// Record type by name, from the vectors.
fn record_type(file: &str, name: &str) -> i16 {
    crate::corpus::testdata(&format!("{file}.jsonl"))
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|json| json["name"] == name)
        .map(|json| json["apiKey"].as_i64().unwrap() as i16)
        .unwrap()
}

fn framed(record_type: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let head = [vec![1], uvarint(record_type as u64), uvarint(version as u64)].concat();
    [head.as_slice(), body].concat()
}

#[test]
fn metadata_records_are_framed_with_their_latest_version() {
    let mut latest = 0;
    for v in vectors_of("metadata") {
        let number = record_type("metadata", &v.name);
        let bytes = framed(number, v.version, &v.bytes);
        let record = MetadataRecord::decode_framed(&bytes).unwrap();
        assert_eq!(record.record_type(), number, "{}", v.name);
        if v.version == v.entry().max_version {
            latest += 1;
            assert_eq!(record.encode_framed(), Ok(bytes.clone()), "{}", v.name);
            assert_eq!(record.into_owned().encode_framed(), Ok(bytes), "{}", v.name);
        }
    }
    assert!(latest >= 2 * 27, "{latest}");
}

#[test]
fn remote_log_records_are_framed() {
    let mut seen = 0;
    for v in vectors_of("storage") {
        let bytes = framed(record_type("storage", &v.name), v.version, &v.bytes);
        assert_eq!(RemoteLogRecord::decode_framed(&bytes).unwrap().encode_framed(), Ok(bytes));
        seen += 1;
    }
    assert_eq!(seen, 11);
}

fn keyed<K, V>(
    file: &str,
    key: impl Fn(&[u8]) -> Result<Vec<u8>, K>,
    value: impl Fn(i16, i16, &[u8]) -> Result<Vec<u8>, V>,
) -> usize
where
    K: std::fmt::Debug + PartialEq,
    V: std::fmt::Debug + PartialEq,
{
    let mut seen = 0;
    for v in vectors_of(file) {
        let number = record_type(file, &v.name);
        if v.name.ends_with("Key") {
            let bytes = [&number.to_be_bytes()[..], &v.bytes].concat();
            assert_eq!(key(&bytes), Ok(bytes), "{}", v.name);
        } else {
            let bytes = [&v.version.to_be_bytes()[..], &v.bytes].concat();
            assert_eq!(value(number, v.version, &bytes), Ok(bytes), "{} {}", v.name, v.version);
        }
        seen += 1;
    }
    seen
}

#[test]
fn group_records() {
    let seen = keyed(
        "group-coordinator",
        |bytes| GroupRecordKey::decode(bytes).map(|key| key.into_owned().encode().unwrap()),
        |number, version, bytes| {
            let value = GroupRecordValue::decode(number, bytes)?;
            assert_eq!(value.record_type(), number);
            Ok::<_, DecodeError>(value.into_owned().encode(version).unwrap())
        },
    );
    assert_eq!(seen, 112);
}

#[test]
fn transaction_records() {
    let seen = keyed(
        "transaction-coordinator",
        |bytes| TransactionRecordKey::decode(bytes).map(|key| key.encode().unwrap()),
        |number, version, bytes| {
            TransactionRecordValue::decode(number, bytes).map(|value| value.encode(version).unwrap())
        },
    );
    assert_eq!(seen, 8);
}

#[test]
fn share_records() {
    let seen = keyed(
        "share-coordinator",
        |bytes| ShareRecordKey::decode(bytes).map(|key| key.encode().unwrap()),
        |number, version, bytes| {
            ShareRecordValue::decode(number, bytes).map(|value| value.encode(version).unwrap())
        },
    );
    assert_eq!(seen, 8);
}

#[test]
fn conversions_choose_the_variant() {
    let topic = TopicRecord { name: "a".into(), topic_id: Uuid([1; 16]) };
    let record = MetadataRecord::from(topic.clone());
    assert_eq!(record, MetadataRecord::Topic(topic));
    assert_eq!(record.record_type(), 2);
}

#[test]
fn unknown_types_frames_and_versions_are_errors() {
    assert_eq!(MetadataRecord::decode_framed(&[0, 2, 0]), Err(DecodeError::UnknownFrameVersion(0)));
    assert_eq!(
        MetadataRecord::decode_framed(&[1, 99, 0]),
        Err(DecodeError::UnknownRecordType { family: "metadata", record_type: 99 })
    );
    assert_eq!(
        MetadataRecord::decode_framed(&[1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]),
        Err(DecodeError::UnknownRecordType { family: "metadata", record_type: i32::MAX })
    );
    assert_eq!(
        MetadataRecord::decode_framed(&[1, 2, 9]),
        Err(DecodeError::UnsupportedVersion { message: "TopicRecord", version: 9 })
    );
    assert_eq!(
        GroupRecordKey::decode(&[0, 77]),
        Err(DecodeError::UnknownRecordType { family: "group", record_type: 77 })
    );
    assert_eq!(
        GroupRecordValue::decode(1, &[0, 9]),
        Err(DecodeError::UnsupportedVersion { message: "OffsetCommitValue", version: 9 })
    );
    assert!(GroupRecordKey::decode(&[0]).is_err());
    let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 3 };
    let mut bytes = GroupRecordKey::from(key).encode().unwrap();
    bytes.push(0);
    assert!(matches!(GroupRecordKey::decode(&bytes), Err(DecodeError::TrailingBytes { count: 1, .. })));
    assert_eq!(
        GroupRecordValue::from(OffsetCommitValue::default()).encode(5),
        Err(EncodeError::UnsupportedVersion { message: "OffsetCommitValue", version: 5 })
    );
}
