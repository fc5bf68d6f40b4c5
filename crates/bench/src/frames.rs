//! Requests of the hot paths, encoded once and sent many times. Owns which versions are used and where in an answer the
//! few fields lie that the load generator looks at.

use std::borrow::Cow;

use protocol::fetch_request::{FetchPartition, FetchTopic};
use protocol::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::{FetchRequest, ProduceRequest, Records};
use records::{BatchBuilder, BatchSettings};

use crate::Failure;
use crate::admin::Topic;

/// The newest version that Kafka 4.4 serves: topics by id.
pub const PRODUCE_VERSION: i16 = 13;
/// The newest but one, as current clients use it.
pub const FETCH_VERSION: i16 = 17;

/// Where the error code lies in an answer to Produce 13 of one partition, counted from the frame's length: length 4,
/// correlation 4, tags 1, topic count 1, topic id 16, partition count 1, partition 4.
pub const PRODUCE_ERROR_AT: usize = 31;
/// Bytes of an answer to Fetch 17 of one partition before the length of its records.
pub const FETCH_HEAD_BYTES: usize = 72;
/// Where the top-level error code lies there: length 4, correlation 4, tags 1, throttle 4.
pub const FETCH_TOP_ERROR_AT: usize = 13;
/// Where the partition's error code lies there: session id 4, topic count 1, id 16, partition count 1, partition 4 later.
pub const FETCH_ERROR_AT: usize = 41;

/// Size of every record's value.
pub const VALUE_BYTES: usize = 100;
/// A time in every batch: any will do, as long as no broker finds it too old or in the future.
pub fn timestamp_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// A batch of `records` records of [`VALUE_BYTES`] each; the first value begins with eight zero bytes.
pub fn batch(records: usize) -> Result<Vec<u8>, Failure> {
    let mut builder = BatchBuilder::new(BatchSettings::default());
    let timestamp = timestamp_ms();
    for number in 0..records {
        builder.append(None, Some(&value(number)), &[], timestamp)?;
    }
    Ok(builder.build()?)
}

/// A batch as near to `bytes` as whole records come, and the number of its records.
pub fn batch_of_bytes(bytes: usize) -> Result<(Vec<u8>, usize), Failure> {
    let one = batch(1)?.len();
    let two = batch(1_001)?.len();
    let count = (bytes - one) * 1_000 / (two - one);
    Ok((batch(count)?, count))
}

/// A batch of `records` records whose keys are the numbers from `first_key` on, of twenty digits.
pub fn keyed_batch(first_key: usize, records: usize) -> Result<Vec<u8>, Failure> {
    let mut builder = BatchBuilder::new(BatchSettings::default());
    let timestamp = timestamp_ms();
    for number in first_key..first_key + records {
        builder.append(Some(format!("{number:020}").as_bytes()), Some(&value(number)), &[], timestamp)?;
    }
    Ok(builder.build()?)
}

/// Values that do not repeat within a batch, as real ones do not.
fn value(number: usize) -> [u8; VALUE_BYTES] {
    let mut state = (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut value = [0; VALUE_BYTES];
    for byte in &mut value[8..] {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = b'a' + (state % 26) as u8;
    }
    value
}

/// A whole produce request with acks=all for one partition.
pub fn produce(topic: &Topic, partition: i32, batch: &[u8]) -> Result<Vec<u8>, Failure> {
    let data = PartitionProduceData { index: partition, records: Records::Borrowed(batch) };
    let topic = TopicProduceData { name: Cow::Borrowed(""), topic_id: topic.id, partition_data: vec![data] };
    let request =
        ProduceRequest { transactional_id: None, acks: -1, timeout_ms: 30_000, topic_data: vec![topic] };
    Ok(protocol::encode_request(7, Some("bench"), PRODUCE_VERSION, &request)?)
}

/// A whole fetch request for one partition, and where in it the offset lies.
pub fn fetch(topic: &Topic, partition: i32, max_wait_ms: i32) -> Result<(Vec<u8>, usize), Failure> {
    let encode = |offset: i64| -> Result<Vec<u8>, Failure> {
        let partition = FetchPartition {
            partition,
            fetch_offset: offset,
            partition_max_bytes: 1 << 20,
            ..FetchPartition::default()
        };
        let topic = FetchTopic { topic_id: topic.id, partitions: vec![partition], ..FetchTopic::default() };
        let request = FetchRequest {
            max_wait_ms,
            min_bytes: 1,
            max_bytes: 50 << 20,
            topics: vec![topic],
            ..FetchRequest::default()
        };
        Ok(protocol::encode_request(7, Some("bench"), FETCH_VERSION, &request)?)
    };
    let (frame, other) = (encode(0)?, encode(i64::MAX)?);
    let position =
        frame.iter().zip(&other).position(|(a, b)| a != b).ok_or("the offset is not in the frame")?;
    Ok((frame, position))
}
