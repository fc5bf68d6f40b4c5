//! From the bytes of a partition to a shard's state.

use group_coordinator::GroupShard;
use records::{BatchError, batches};

/// The most that a compressed batch of our own topic may grow to.
const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Replays whole batches and returns the offset after the last one.
///
/// Records that cannot be understood are left out and counted: one record of a later version must not take all other
/// groups with it.
///
/// # Errors
/// A batch is damaged.
pub(super) fn replay_batches(
    shard: &mut GroupShard,
    bytes: &[u8],
    partition: i32,
) -> Result<Option<i64>, BatchError> {
    let mut next_offset = None;
    let mut scratch = Vec::new();
    let mut refused = 0_u64;
    for batch in batches(bytes) {
        let batch = batch?;
        batch.verify_crc()?;
        next_offset = Some(batch.header.next_offset());
        if batch.header.is_control() {
            continue;
        }
        if batch.header.is_transactional() {
            tracing::warn!(
                partition,
                offset = batch.header.base_offset,
                "transactional offsets are left out"
            );
            continue;
        }
        for record in batch.open(DECOMPRESSED_BYTES_MAX, &mut scratch)? {
            let record = record?;
            let Some(key) = record.key else { continue };
            if let Err(error) = shard.replay(key, record.value) {
                refused += 1;
                tracing::debug!(partition, offset = record.offset, %error, "a record is left out");
            }
        }
    }
    if refused > 0 {
        tracing::warn!(partition, refused, "records of groups could not be understood and are left out");
    }
    Ok(next_offset)
}
