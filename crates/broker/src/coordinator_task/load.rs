//! From the bytes of a partition to a shard's state.
//!
//! Owns what transactions mean for it: offsets committed within one count when, and only if, its marker says so.

use std::collections::BTreeMap;

use group_coordinator::GroupShard;
use records::{Batch, BatchError, ControlRecordType, batches};

/// The most that a compressed batch of our own topic may grow to.
const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A shard that is being read from its partition, from the beginning on.
#[derive(Debug)]
pub(super) struct ShardLoad {
    pub shard: GroupShard,
    /// By producer id and record key: what its transaction has written and not ended yet. Bounded by what the log holds
    /// of such transactions.
    open: BTreeMap<i64, BTreeMap<Vec<u8>, OpenOffset>>,
}

/// A record of an open transaction.
#[derive(Debug)]
struct OpenOffset {
    offset: i64,
    value: Option<Vec<u8>>,
}

impl ShardLoad {
    pub fn new(shard: GroupShard) -> ShardLoad {
        ShardLoad { shard, open: BTreeMap::new() }
    }

    /// Replays whole batches and returns the offset after the last one.
    ///
    /// Records that cannot be understood are left out and counted: one record of a later version must not take all other
    /// groups with it.
    ///
    /// # Errors
    /// A batch is damaged.
    pub fn replay(&mut self, bytes: &[u8], partition: i32) -> Result<Option<i64>, BatchError> {
        let mut next_offset = None;
        let mut scratch = Vec::new();
        let mut refused = 0_u64;
        for batch in batches(bytes) {
            let batch = batch?;
            batch.verify_crc()?;
            next_offset = Some(batch.header.next_offset());
            if batch.header.is_control() {
                refused += self.end_transaction(&batch, &mut scratch)?;
                continue;
            }
            for record in batch.open(DECOMPRESSED_BYTES_MAX, &mut scratch)? {
                let record = record?;
                let Some(key) = record.key else { continue };
                if batch.header.is_transactional() {
                    let value = record.value.map(<[u8]>::to_vec);
                    let written = self.open.entry(batch.header.producer_id).or_default();
                    written.insert(key.to_vec(), OpenOffset { offset: record.offset, value });
                    continue;
                }
                if record.value.is_some() {
                    self.supersede(key, record.offset);
                }
                if let Err(error) = self.shard.replay(key, record.value) {
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

    /// A marker ends its producer's transaction. Returns how many records could not be understood.
    fn end_transaction(&mut self, marker: &Batch<'_>, scratch: &mut Vec<u8>) -> Result<u64, BatchError> {
        let Some(record) = marker.open(DECOMPRESSED_BYTES_MAX, scratch)?.next().transpose()? else {
            return Ok(0);
        };
        let kind = ControlRecordType::from_key(record.key.unwrap_or_default());
        if !matches!(kind, Some(ControlRecordType::Commit | ControlRecordType::Abort)) {
            return Ok(0);
        }
        let written = self.open.remove(&marker.header.producer_id).unwrap_or_default();
        if kind == Some(ControlRecordType::Abort) {
            return Ok(0);
        }
        let mut refused = 0;
        for (key, OpenOffset { offset, value }) in written {
            self.supersede(&key, offset);
            refused += u64::from(self.shard.replay(&key, value.as_deref()).is_err());
        }
        Ok(refused)
    }

    /// Of two commits the one that is later in the log counts, however late the other's transaction ends.
    fn supersede(&mut self, key: &[u8], offset: i64) {
        for written in self.open.values_mut() {
            if written.get(key).is_some_and(|open| open.offset < offset) {
                written.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
