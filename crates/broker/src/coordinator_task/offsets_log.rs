//! What the task needs of the log under `__consumer_offsets`, and how it uses it. It never sees a partition's innards.

use std::future::Future;
use std::ops::Range;

use bytes::Bytes;
use config::GroupConfig;
use protocol::{ErrorCode, Uuid};
use records::Compression;

/// How the log is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetsLogConfig {
    /// `offsets.load.buffer.size`: bytes read from a partition at once while it is loaded. Between two reads other shards
    /// are served.
    pub load_buffer_bytes: usize,
    /// `offsets.topic.compression.codec`.
    pub compression: Compression,
}

impl From<&GroupConfig> for OffsetsLogConfig {
    fn from(group: &GroupConfig) -> Self {
        let codec = u8::try_from(group.offsets_topic_compression_codec).ok().and_then(Compression::from_id);
        Self {
            load_buffer_bytes: usize::try_from(group.offsets_load_buffer_size).unwrap_or(1),
            compression: codec.unwrap_or(Compression::None),
        }
    }
}

/// Which leadership of a partition is meant: it is another one if the topic was made anew or the epoch has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// Id of the topic.
    pub topic_id: Uuid,
    /// Epoch of the leadership.
    pub leader_epoch: i32,
}

/// The partitions of `__consumer_offsets`, as far as this node knows and leads them.
pub trait OffsetsLog: Send + Sync + 'static {
    /// How many partitions the topic has; none while it does not exist.
    fn partition_count(&self) -> Option<i32>;

    /// The current leadership, if this node leads the partition and can write to it.
    fn leadership(&self, partition: i32) -> Option<Leadership>;

    /// The largest batch that may be appended (`max.message.bytes` of the topic).
    fn batch_bytes_max(&self, partition: i32) -> usize;

    /// The offsets of the log: from its start to its end.
    ///
    /// # Errors
    /// The node does not lead the partition any more.
    fn range(&self, partition: i32) -> Result<Range<i64>, ErrorCode>;

    /// Reads whole batches from `offset` on, at least one, about `bytes_max` bytes. Gives them once they are committed:
    /// what is read is told to clients.
    ///
    /// # Errors
    /// The node does not lead the partition any more, or the log cannot be read.
    fn read(
        &self,
        partition: i32,
        offset: i64,
        bytes_max: usize,
    ) -> impl Future<Output = Result<Bytes, ErrorCode>> + Send;

    /// Appends one batch and returns its first offset once the batch is committed.
    ///
    /// # Errors
    /// The batch is not in the log and will never be. `leader_epoch` is not the partition's epoch any more
    /// (NOT_LEADER_OR_FOLLOWER), there are too few replicas (NOT_ENOUGH_REPLICAS), or the log refuses the batch.
    fn append(
        &self,
        partition: i32,
        leader_epoch: i32,
        batch: Bytes,
    ) -> impl Future<Output = Result<i64, ErrorCode>> + Send;
}
