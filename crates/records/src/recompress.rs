//! Turning a valid batch into the same batch under another codec.
//!
//! Owns `compression.type` of a topic where it differs from the producer's. It never reads a record: the plain bytes
//! of the records do not depend on the codec.

use crate::batch::Batch;
use crate::builder::seal;
use crate::error::BatchError;
use crate::header::{self, BatchHeader, HEADER_BYTES, LOG_OVERHEAD_BYTES};
use crate::validate::{ProduceRules, Rewrite, ValidBatch};
use crate::{Compression, Origin};

/// The batch to append instead of `bytes`, which [`crate::validate_produce`] found `valid` under `rules`: with the
/// topic's codec, timestamp type and maximum timestamp. Offset and leader epoch are still the sender's.
///
/// # Errors
/// [`BatchError::TooLarge`] when the new batch exceeds `max.message.bytes`; [`BatchError::Compression`] when the codec
/// fails.
pub fn recompress(bytes: &[u8], valid: &ValidBatch, rules: &ProduceRules) -> Result<Vec<u8>, BatchError> {
    let batch = Batch::parse(bytes)?;
    let source = batch.header.compression()?;
    let (target, level) = match valid.rewrite {
        Rewrite::Records { compression, level } => (compression, level),
        Rewrite::Offsets | Rewrite::Timestamps => (source, None),
    };
    let mut out = Vec::with_capacity(HEADER_BYTES + batch.payload().len());
    out.resize(HEADER_BYTES, 0);
    if source == Compression::None {
        target.compress(level, batch.payload(), &mut out)?;
    } else if target == Compression::None {
        source.decompress(batch.payload(), rules.max_decompressed_bytes, &mut out)?;
    } else {
        let mut plain = Vec::new();
        source.decompress(batch.payload(), rules.max_decompressed_bytes, &mut plain)?;
        target.compress(level, &plain, &mut out)?;
    }
    let size_bytes = out.len();
    let any_size = matches!(rules.origin, Origin::RaftLeader { .. });
    let max_bytes = if any_size { i32::MAX as usize } else { rules.max_message_bytes.min(i32::MAX as usize) };
    if size_bytes > max_bytes {
        return Err(BatchError::TooLarge { size_bytes, max_bytes });
    }
    let old = &batch.header;
    let header = BatchHeader {
        batch_length: (size_bytes - LOG_OVERHEAD_BYTES) as i32,
        attributes: header::attributes(
            target,
            valid.timestamp_type,
            old.is_transactional(),
            old.is_control(),
        ),
        max_timestamp: valid.max_timestamp,
        ..*old
    };
    Ok(seal(header, out))
}
