//! The partitions of `__consumer_offsets` as the group coordinator sees them: append, read, and who leads.

use std::ops::Range;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use metadata::MetadataImage;
use platform::Clock;
use protocol::ErrorCode;

use crate::coordinator_task::{Leadership, OffsetsLog};
use crate::partition::{Partition, PartitionError};
use crate::partitions::Partitions;
use crate::waiters::Waiter;

/// Name of the internal topic.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The way from the coordinator to its partitions.
pub struct OffsetsPartitions {
    /// The node's partitions.
    pub partitions: Arc<Partitions>,
    /// Tells how many partitions the topic has.
    pub image: Arc<ArcSwap<MetadataImage>>,
    /// Stamps appends.
    pub clock: Clock,
}

impl OffsetsPartitions {
    fn find(&self, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        self.partitions.find(OFFSETS_TOPIC, index).ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)
    }
}

impl OffsetsLog for OffsetsPartitions {
    fn partition_count(&self) -> Option<i32> {
        let image = self.image.load();
        i32::try_from(image.topics().by_name(OFFSETS_TOPIC)?.partition_count()).ok()
    }

    fn leadership(&self, partition: i32) -> Option<Leadership> {
        let partition = self.find(partition).ok().filter(|p| !p.is_closed() && !p.is_offline())?;
        Some(Leadership { topic_id: partition.topic_id, leader_epoch: partition.leader_epoch() })
    }

    fn batch_bytes_max(&self, partition: i32) -> usize {
        // A partition that is not ours takes any size: the append itself then says so.
        self.find(partition).map_or(usize::MAX, |partition| partition.config().max_message_bytes as usize)
    }

    fn range(&self, partition: i32) -> Result<Range<i64>, ErrorCode> {
        let found = self.find(partition)?;
        let view = found.view();
        Ok(view.log_start_offset()..view.log_end_offset())
    }

    async fn read(&self, partition: i32, offset: i64, bytes_max: usize) -> Result<Bytes, ErrorCode> {
        let found = self.find(partition)?;
        let slice = found.read(|view| view.read(offset, bytes_max, view.log_end_offset(), true));
        let slice = slice.map_err(|error| error.code())?;
        let Some(slice) = slice else { return Ok(Bytes::new()) };
        // A start finds what the last process appended and nobody made durable: who were told of it now would be told of
        // something that a loss of power may still take away.
        committed(&found, slice.next_offset).await?;
        let bytes = slice.to_vec().map_err(|error| {
            tracing::error!(partition, %error, "group state could not be read");
            ErrorCode::KAFKA_STORAGE_ERROR
        })?;
        Ok(Bytes::from(bytes))
    }

    async fn append(&self, partition: i32, leader_epoch: i32, batch: Bytes) -> Result<i64, ErrorCode> {
        let partition = self.find(partition)?;
        if partition.leader_epoch() != leader_epoch {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        let info = partition.append_own(&batch, self.clock.wall_ms()).await.map_err(code)?;
        let end_offset = info.last_offset + 1;
        committed(&partition, end_offset).await?;
        Ok(info.first_offset)
    }
}

/// Waits until everything before `end_offset` is committed.
async fn committed(partition: &Partition, end_offset: i64) -> Result<(), ErrorCode> {
    let is_committed = || partition.view().high_watermark() >= end_offset;
    if is_committed() {
        return Ok(());
    }
    let waiter = Waiter::new(0);
    partition.waiters().add(&waiter);
    while !is_committed() && !partition.is_closed() && !partition.is_offline() {
        waiter.woken().await;
    }
    partition.waiters().remove(&waiter);
    match () {
        () if is_committed() => Ok(()),
        () if partition.is_offline() => Err(ErrorCode::KAFKA_STORAGE_ERROR),
        () => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER),
    }
}

fn code(error: PartitionError) -> ErrorCode {
    match error {
        PartitionError::Append(error) => error.code(),
        PartitionError::Code(code) => code,
        PartitionError::Invalid(error) => ErrorCode(error.kind().code()),
    }
}

#[cfg(test)]
mod tests;
