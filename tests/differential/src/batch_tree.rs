//! The records of a Fetch response as a tree: header fields and the plain records of each batch.
//!
//! Owns what of a batch is compared: not the codec's output, which two implementations may choose differently, but what
//! comes out of it; not the checksum's value, but that it is right.

use records::{Batch, batches};

use crate::value::Value;

/// Most plain bytes that a batch of the cases holds.
const PLAIN_BYTES_MAX: usize = 64 << 20;

/// The batches in `bytes`; what is left behind the last whole one is a number of bytes.
pub fn tree(bytes: &[u8]) -> Value {
    let mut walk = batches(bytes);
    let mut list = Vec::new();
    for found in walk.by_ref() {
        match found {
            Ok(batch) => list.push(one(&batch)),
            Err(error) => list.push(Value::Text(error.to_string())),
        }
    }
    if walk.position() < bytes.len() {
        list.push(Value::Text(format!("{} bytes of a batch that is cut", bytes.len() - walk.position())));
    }
    Value::List(list)
}

fn one(batch: &Batch<'_>) -> Value {
    let header = &batch.header;
    let attributes = batch.header_bytes().map_or(0, |bytes| i64::from(bytes[22]));
    let mut plain = Vec::new();
    let payload = match batch.decompress(PLAIN_BYTES_MAX, &mut plain) {
        Ok(()) => Value::Bytes(plain),
        Err(error) => Value::Text(error.to_string()),
    };
    let int = |value: i64| Value::Int(value);
    let fields = [
        ("BaseOffset", int(header.base_offset)),
        ("LeaderEpoch", int(i64::from(header.partition_leader_epoch))),
        ("Magic", int(i64::from(header.magic))),
        ("Crc", Value::Bool(batch.verify_crc().is_ok())),
        ("Attributes", int(attributes)),
        ("LastOffsetDelta", int(i64::from(header.last_offset_delta))),
        ("BaseTimestamp", int(header.base_timestamp)),
        ("MaxTimestamp", int(header.max_timestamp)),
        ("ProducerId", int(header.producer_id)),
        ("ProducerEpoch", int(i64::from(header.producer_epoch))),
        ("BaseSequence", int(i64::from(header.base_sequence))),
        ("Count", int(i64::from(header.records_count))),
        ("Records", payload),
    ];
    Value::Struct(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
