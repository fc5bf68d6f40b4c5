//! Fetched records as the application gets them.
//!
//! Owns the walk over unpacked batches. It never fetches and never decompresses.

use std::sync::Arc;

use bytes::Bytes;
use records::{Batch, BatchHeader, Headers, TimestampType};

use crate::error::ClientError;

/// A record that was fetched. Its bytes belong to the [`PartitionRecords`] it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerRecord<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Timestamp in ms, -1 if it has none.
    pub timestamp: i64,
    /// Who set it.
    pub timestamp_type: TimestampType,
    /// Key, if it has one.
    pub key: Option<&'a [u8]>,
    /// Value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers, in order.
    pub headers: Headers<'a>,
}

/// A batch with its records plain.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub header: BatchHeader,
    pub plain: Bytes,
    /// The first offset wanted: a batch may begin before it.
    pub from: i64,
}

/// Records of one partition, in order.
#[derive(Debug, Clone)]
pub struct PartitionRecords {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) high_watermark: i64,
    pub(super) log_start_offset: i64,
    pub(super) segments: Vec<Segment>,
}

impl PartitionRecords {
    /// Topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Partition.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The offset after the last record that consumers could see when these were fetched.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// The offset of the first record there was when these were fetched.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start_offset
    }

    /// How many records the batches hold, those before the wanted offset included.
    pub fn records_count(&self) -> usize {
        self.segments.iter().map(|segment| segment.header.records_count.max(0) as usize).sum()
    }

    /// The records. An error, which a batch that was verified only yields if its producer was broken, ends its batch.
    pub fn records(&self) -> impl Iterator<Item = Result<ConsumerRecord<'_>, ClientError>> {
        self.segments.iter().flat_map(move |segment| self.segment_records(segment))
    }

    fn segment_records<'a>(
        &'a self,
        segment: &'a Segment,
    ) -> impl Iterator<Item = Result<ConsumerRecord<'a>, ClientError>> {
        let batch = Batch { header: segment.header, bytes: &[] };
        let subject = move || format!("{}-{}", self.topic, self.partition);
        let (records, error) = match batch.records_in(&segment.plain) {
            Ok(records) => (Some(records), None),
            Err(error) => (None, Some(Err(ClientError::Batch { subject: subject(), error }))),
        };
        let records = records.into_iter().flatten().filter_map(move |record| match record {
            Ok(record) if record.offset < segment.from => None,
            Ok(record) => Some(Ok(ConsumerRecord {
                topic: &self.topic,
                partition: self.partition,
                offset: record.offset,
                timestamp: record.timestamp,
                timestamp_type: segment.header.timestamp_type(),
                key: record.key,
                value: record.value,
                headers: record.headers,
            })),
            Err(error) => Some(Err(ClientError::Batch { subject: subject(), error })),
        });
        error.into_iter().chain(records)
    }
}
