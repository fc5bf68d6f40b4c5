//! The bytes of records, as Kafka 4.4 writes them.

use std::sync::Arc;

use protocol::group_metadata_value::MemberMetadata;
use protocol::{GroupMetadataValue, Uuid};

use super::GroupRecord;
use crate::offsets::CommittedOffset;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn offset_record(expire_timestamp_ms: Option<i64>, topic_id: Uuid) -> GroupRecord {
    GroupRecord::Offset {
        group: Arc::from("g"),
        topic: Arc::from("t"),
        partition: 3,
        value: Some(CommittedOffset {
            offset: 5,
            leader_epoch: 2,
            metadata: "m".into(),
            commit_timestamp_ms: 7,
            expire_timestamp_ms,
            topic_id,
        }),
    }
}

fn check_round_trip(record: &GroupRecord) {
    let encoded = record.encode();
    let decoded = GroupRecord::decode(&encoded.key, encoded.value.as_deref()).unwrap();
    assert_eq!(decoded.as_ref(), Some(record));
}

#[test]
fn offsets_have_kafkas_bytes() {
    let encoded = offset_record(None, Uuid::ZERO).encode();
    assert_eq!(hex(&encoded.key), "0001 0001 67 0001 74 00000003".replace(' ', ""));
    let expected = "0004 0000000000000005 00000002 026d 0000000000000007 00";
    assert_eq!(hex(&encoded.value.unwrap()), expected.replace(' ', ""));
    // The topic id is a tagged field.
    let encoded = offset_record(None, Uuid([0xab; 16])).encode();
    let expected =
        format!("0004 0000000000000005 00000002 026d 0000000000000007 01 00 10 {}", "ab".repeat(16));
    assert_eq!(hex(&encoded.value.unwrap()), expected.replace(' ', ""));
    // With an expiry only version 1 will do; it has no leader epoch.
    let encoded = offset_record(Some(9), Uuid::ZERO).encode();
    let expected = "0001 0000000000000005 0001 6d 0000000000000007 0000000000000009";
    assert_eq!(hex(&encoded.value.unwrap()), expected.replace(' ', ""));
    check_round_trip(&offset_record(None, Uuid([0xab; 16])));
}

#[test]
fn groups_have_kafkas_bytes() {
    let value = GroupMetadataValue {
        protocol_type: "c".into(),
        generation: 4,
        protocol: Some("r".into()),
        leader: None,
        current_state_timestamp: 6,
        members: vec![MemberMetadata {
            member_id: "i".into(),
            group_instance_id: None,
            client_id: "k".into(),
            client_host: "/h".into(),
            rebalance_timeout: 8,
            session_timeout: 9,
            subscription: vec![1].into(),
            assignment: vec![].into(),
        }],
    };
    let record = GroupRecord::Group { group: Arc::from("g"), value: Some(Box::new(value)) };
    let encoded = record.encode();
    assert_eq!(hex(&encoded.key), "0002 0001 67".replace(' ', ""));
    let expected = "0003 0001 63 00000004 0001 72 ffff 0000000000000006 00000001 \
                    0001 69 ffff 0001 6b 0002 2f68 00000008 00000009 00000001 01 00000000";
    assert_eq!(hex(&encoded.value.unwrap()), expected.replace(' ', ""));
    check_round_trip(&record);
}

#[test]
fn tombstones_have_no_value() {
    for record in [
        GroupRecord::Group { group: Arc::from("g"), value: None },
        GroupRecord::Offset { group: Arc::from("g"), topic: Arc::from("t"), partition: 0, value: None },
    ] {
        assert_eq!(record.encode().value, None);
        check_round_trip(&record);
    }
}

#[test]
fn reads_old_versions() {
    // A legacy key and value: no version of the key but 0, no leader epoch.
    let key = [0, 0, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 3];
    let value = [0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 1, b'm', 0, 0, 0, 0, 0, 0, 0, 7];
    let GroupRecord::Offset { partition, value, .. } =
        GroupRecord::decode(&key, Some(&value)).unwrap().unwrap()
    else {
        panic!("not an offset");
    };
    assert_eq!(partition, 3);
    let value = value.unwrap();
    assert_eq!((value.offset, value.leader_epoch, value.commit_timestamp_ms), (5, -1, 7));
}

#[test]
fn leaves_other_kinds_alone_and_refuses_garbage() {
    // Kind 3 belongs to consumer groups, kind 99 to nobody.
    assert_eq!(GroupRecord::decode(&[0, 3, 0, 1, b'g'], None), Ok(None));
    assert_eq!(GroupRecord::decode(&[0, 99], None), Ok(None));
    assert!(GroupRecord::decode(&[0], None).is_err());
    assert!(GroupRecord::decode(&[0, 2, 0, 9, b'g'], None).is_err());
    let key = [0, 2, 0, 1, b'g'];
    assert!(GroupRecord::decode(&key, Some(&[])).is_err());
    assert!(GroupRecord::decode(&key, Some(&[0, 99])).is_err());
    assert!(GroupRecord::decode(&key, Some(&[0, 3, 0, 1])).is_err());
}
