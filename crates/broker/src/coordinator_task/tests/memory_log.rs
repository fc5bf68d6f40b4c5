//! A log in memory that can be held up, made to fail, and taken away.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use protocol::{ErrorCode, Uuid};
use records::Compression;
use tokio::sync::watch;

use crate::coordinator_task::{Leadership, OffsetsLog};

struct Partition {
    epoch: Option<i32>,
    batches: Vec<(i64, Vec<u8>)>,
    end_offset: i64,
}

pub(super) struct MemoryLog {
    partitions: Mutex<Vec<Partition>>,
    batch_bytes_max: Mutex<usize>,
    fail_next: Mutex<Option<ErrorCode>>,
    reads: Mutex<usize>,
    held: watch::Sender<bool>,
}

impl MemoryLog {
    pub fn with_partitions(count: usize) -> Arc<MemoryLog> {
        let log = MemoryLog {
            partitions: Mutex::default(),
            batch_bytes_max: Mutex::new(1_000_000),
            fail_next: Mutex::default(),
            reads: Mutex::default(),
            held: watch::channel(false).0,
        };
        log.create(count);
        Arc::new(log)
    }

    pub fn create(&self, count: usize) {
        let new = || Partition { epoch: Some(1), batches: Vec::new(), end_offset: 0 };
        self.partitions.lock().resize_with(count, new);
    }

    /// From now on reads and appends do not come to an end.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    pub fn release(&self) {
        self.held.send_replace(false);
    }

    pub fn set_epoch(&self, partition: usize, epoch: Option<i32>) {
        self.partitions.lock()[partition].epoch = epoch;
    }

    pub fn set_batch_bytes_max(&self, bytes: usize) {
        *self.batch_bytes_max.lock() = bytes;
    }

    pub fn fail_next(&self, error: ErrorCode) {
        *self.fail_next.lock() = Some(error);
    }

    pub fn batches(&self, partition: usize) -> usize {
        self.partitions.lock()[partition].batches.len()
    }

    pub fn largest_batch_bytes(&self, partition: usize) -> usize {
        self.partitions.lock()[partition].batches.iter().map(|(_, batch)| batch.len()).max().unwrap()
    }

    /// The codecs of the batches of a partition.
    pub fn codecs(&self, partition: usize) -> Vec<Compression> {
        let partitions = self.partitions.lock();
        let header = |batch: &[u8]| records::BatchHeader::parse(batch).unwrap();
        partitions[partition].batches.iter().map(|(_, batch)| header(batch).compression().unwrap()).collect()
    }

    pub fn reads(&self) -> usize {
        *self.reads.lock()
    }

    /// Turns a bit of the last batch.
    pub fn damage(&self, partition: usize) {
        let mut partitions = self.partitions.lock();
        let (_, batch) = partitions[partition].batches.last_mut().unwrap();
        *batch.last_mut().unwrap() ^= 1;
    }

    async fn while_held(&self) {
        self.held.subscribe().wait_for(|held| !held).await.unwrap();
    }
}

impl OffsetsLog for MemoryLog {
    fn partition_count(&self) -> Option<i32> {
        let count = self.partitions.lock().len();
        (count > 0).then(|| i32::try_from(count).unwrap())
    }

    fn leadership(&self, partition: i32) -> Option<Leadership> {
        let leader_epoch = self.partitions.lock().get(partition as usize)?.epoch?;
        Some(Leadership { topic_id: Uuid([1; 16]), leader_epoch })
    }

    fn batch_bytes_max(&self, _partition: i32) -> usize {
        *self.batch_bytes_max.lock()
    }

    fn range(&self, partition: i32) -> Result<Range<i64>, ErrorCode> {
        Ok(0..self.partitions.lock()[partition as usize].end_offset)
    }

    async fn read(&self, partition: i32, offset: i64, bytes_max: usize) -> Result<Bytes, ErrorCode> {
        self.while_held().await;
        *self.reads.lock() += 1;
        let partitions = self.partitions.lock();
        let mut bytes = Vec::new();
        for (base_offset, batch) in &partitions[partition as usize].batches {
            if *base_offset >= offset && (bytes.is_empty() || bytes.len() + batch.len() <= bytes_max) {
                bytes.extend_from_slice(batch);
            }
        }
        Ok(bytes.into())
    }

    async fn append(&self, partition: i32, leader_epoch: i32, batch: Bytes) -> Result<i64, ErrorCode> {
        self.while_held().await;
        if let Some(error) = self.fail_next.lock().take() {
            return Err(error);
        }
        let mut partitions = self.partitions.lock();
        let partition = &mut partitions[partition as usize];
        if partition.epoch != Some(leader_epoch) {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        let base_offset = partition.end_offset;
        let mut batch = batch.to_vec();
        batch[..8].copy_from_slice(&base_offset.to_be_bytes());
        let header = records::BatchHeader::parse(&batch).unwrap();
        partition.end_offset = header.next_offset();
        partition.batches.push((base_offset, batch));
        Ok(base_offset)
    }
}
