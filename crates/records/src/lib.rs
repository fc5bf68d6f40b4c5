//! Kafka record batches: reading, validating, stamping, building and compressing them.
//!
//! Owns every byte of a record batch (magic 2, and the older magic 0 and 1 for reading) and of the records
//! inside it. It never does input or output, never looks at a clock and never keeps state between calls; the only
//! thing it remembers is, per thread, the working memory of the codecs. Offsets, sequences and epochs are judged here only as far as the
//! batch alone can prove them wrong: what a log or a producer's history says about them belongs to `storage`.

mod batch;
mod builder;
mod codec;
mod compression;
mod control;
mod error;
mod header;
mod legacy;
mod murmur2;
mod recompress;
mod record;
mod stamp;
mod thin;
mod validate;
mod varint;
mod walk;

pub use batch::{Batch, Batches, batches};
pub use builder::{BatchBuilder, BatchSettings};
pub use compression::{Compression, CompressionError, DEFAULT_DECOMPRESSED_LIMIT_BYTES};
pub use control::{
    ControlRecordType, VoterEndpoint, VoterId, VoterSet, control_batch, end_txn_marker_batch,
    kraft_version_value, leader_change_value, snapshot_footer_value, snapshot_header_value, voters_value,
};
pub use error::{BatchError, ErrorKind, RecordError, RecordFault, Rejection};
pub use header::{
    BatchHeader, HEADER_BYTES, LEGACY_V0_OVERHEAD_BYTES, LEGACY_V1_OVERHEAD_BYTES, LOG_OVERHEAD_BYTES,
    NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, PREFIX_BYTES,
    TimestampType, increment_sequence,
};
pub use murmur2::{murmur2, partition_for_key};
pub use recompress::recompress;
pub use record::{Header, Headers, Record, RecordsIter};
pub use stamp::{stamp, stamp_log_append_time, stamp_producer, stamp_timestamps};
pub use thin::{ThinRules, Thinned, Thinner};
pub use validate::{
    AppendedBatches, FollowerRules, Origin, ProduceRules, Rewrite, TargetCompression, ValidBatch, sole_batch,
    validate_batch, validate_compressed, validate_follower, validate_produce,
};

#[cfg(test)]
mod tests;
