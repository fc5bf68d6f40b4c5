//! The records of `__consumer_offsets` this room writes and reads, in Kafka's own schemas and versions.
//!
//! Offsets are written as OffsetCommitValue 4 (1 if the client gave an expiry), groups as GroupMetadataValue 3, as
//! Kafka 4.4 does, so its tools read the topic. Records of kinds this room does not own are left alone.

use std::sync::Arc;

use coordinator::LogRecord;
use protocol::{
    DecodeError, GroupMetadataKey, GroupMetadataValue, GroupRecordKey, GroupRecordValue, OffsetCommitKey,
    OffsetCommitValue, Uuid,
};

use crate::offsets::CommittedOffset;

#[cfg(test)]
mod tests;

const OFFSET_VALUE_VERSION: i16 = 4;
const OFFSET_VALUE_VERSION_WITH_EXPIRY: i16 = 1;
const GROUP_VALUE_VERSION: i16 = 3;

/// The longest string the records can hold: their lengths are int16.
pub(crate) const STORED_STRING_BYTES_MAX: usize = i16::MAX as usize;

const STRINGS_ARE_CHECKED: &str = "string lengths are checked before a record is made";

/// A record in words.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GroupRecord {
    /// A committed offset, or its tombstone.
    Offset { group: Arc<str>, topic: Arc<str>, partition: i32, value: Option<CommittedOffset> },
    /// A classic group, or its tombstone.
    Group { group: Arc<str>, value: Option<Box<GroupMetadataValue<'static>>> },
}

impl GroupRecord {
    /// The group it is about.
    pub fn group(&self) -> &Arc<str> {
        match self {
            GroupRecord::Offset { group, .. } | GroupRecord::Group { group, .. } => group,
        }
    }

    /// The record in bytes.
    pub fn encode(&self) -> LogRecord {
        let (key, value) = match self {
            GroupRecord::Offset { group, topic, partition, value } => {
                let key = GroupRecordKey::OffsetCommit(OffsetCommitKey {
                    group: (&**group).into(),
                    topic: (&**topic).into(),
                    partition: *partition,
                });
                (key.encode(), value.as_ref().map(encode_offset))
            }
            GroupRecord::Group { group, value } => {
                let key = GroupRecordKey::GroupMetadata(GroupMetadataKey { group: (&**group).into() });
                let value = value.as_ref().map(|value| {
                    let value = GroupRecordValue::GroupMetadata((**value).clone());
                    value.encode(GROUP_VALUE_VERSION).expect(STRINGS_ARE_CHECKED)
                });
                (key.encode(), value)
            }
        };
        LogRecord { key: key.expect(STRINGS_ARE_CHECKED), value }
    }

    /// Reads a record; `None` if it is of a kind this room does not own.
    ///
    /// # Errors
    /// The bytes do not follow the schema, or the value has a version this build does not know.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<GroupRecord>, DecodeError> {
        let key = match GroupRecordKey::decode(key) {
            Ok(key) => key,
            Err(DecodeError::UnknownRecordType { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let kind = key.record_type();
        let value = || value.map(|value| GroupRecordValue::decode(kind, value)).transpose();
        Ok(match key {
            GroupRecordKey::OffsetCommit(key) => {
                Some(offset_record(&key.group, &key.topic, key.partition, value()?))
            }
            GroupRecordKey::LegacyOffsetCommit(key) => {
                Some(offset_record(&key.group, &key.topic, key.partition, value()?))
            }
            GroupRecordKey::GroupMetadata(key) => {
                let value = match value()? {
                    Some(GroupRecordValue::GroupMetadata(value)) => Some(Box::new(value.into_owned())),
                    _ => None,
                };
                Some(GroupRecord::Group { group: Arc::from(&*key.group), value })
            }
            _ => None,
        })
    }
}

fn encode_offset(offset: &CommittedOffset) -> Vec<u8> {
    let version = match offset.expire_timestamp_ms {
        Some(_) => OFFSET_VALUE_VERSION_WITH_EXPIRY,
        None => OFFSET_VALUE_VERSION,
    };
    let value = GroupRecordValue::OffsetCommit(OffsetCommitValue {
        offset: offset.offset,
        leader_epoch: offset.leader_epoch,
        metadata: (&*offset.metadata).into(),
        commit_timestamp: offset.commit_timestamp_ms,
        expire_timestamp: offset.expire_timestamp_ms.unwrap_or(-1),
        topic_id: offset.topic_id,
    });
    value.encode(version).expect(STRINGS_ARE_CHECKED)
}

fn offset_record(
    group: &str,
    topic: &str,
    partition: i32,
    value: Option<GroupRecordValue<'_>>,
) -> GroupRecord {
    let value = match value {
        Some(GroupRecordValue::OffsetCommit(value)) => Some(CommittedOffset {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: (&*value.metadata).into(),
            commit_timestamp_ms: value.commit_timestamp,
            expire_timestamp_ms: (value.expire_timestamp != -1).then_some(value.expire_timestamp),
            topic_id: value.topic_id,
        }),
        Some(GroupRecordValue::LegacyOffsetCommit(value)) => Some(CommittedOffset {
            offset: value.offset,
            leader_epoch: -1,
            metadata: (&*value.metadata).into(),
            commit_timestamp_ms: value.commit_timestamp,
            expire_timestamp_ms: None,
            topic_id: Uuid::ZERO,
        }),
        // The value is decoded by the key's kind, so only a tombstone is left.
        _ => None,
    };
    GroupRecord::Offset { group: Arc::from(group), topic: Arc::from(topic), partition, value }
}
