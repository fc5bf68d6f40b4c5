//! What a cleaning does to a batch.
//!
//! Owns the rules by which records, markers and whole batches go or stay. It sees the batches in the order of the log,
//! and an offset map that knows the last offset of each key; never the disk.

use std::collections::BTreeMap;

use records::{
    Batch, BatchError, BatchHeader, ControlRecordType, DEFAULT_DECOMPRESSED_LIMIT_BYTES, Record, ThinRules,
    Thinned, Thinner,
};

use super::offset_map::OffsetMap;
use super::transactions::{Marker, Transactions};
use crate::mutant::mutant;

/// What of an active producer a cleaning has to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastRecord {
    /// The last offset of its last batch; `None` if only a marker is known of it.
    pub(crate) last_data_offset: Option<i64>,
    /// The same of the last batch that is cleaned, as long as a later one is not durable: with the power that could go.
    pub(crate) sure_data_offset: Option<i64>,
    pub(crate) producer_epoch: i16,
}

/// What of one cleaning does not change from batch to batch.
#[derive(Debug, Clone)]
pub(crate) struct JudgeRules {
    pub(crate) now_ms: i64,
    /// `delete.retention.ms`.
    pub(crate) delete_retention_ms: i64,
    /// The offset after the last batch of the cleaning: that batch stays, so that the log's end does.
    pub(crate) round_end_offset: i64,
    /// Level of the codec when records are compressed again.
    pub(crate) codec: Option<(records::Compression, Option<i32>)>,
    /// The producers the log knows.
    pub(crate) producers: BTreeMap<i64, LastRecord>,
}

/// What is said of one batch besides.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Position {
    /// Whether the batch is the last one of those that become one segment: it stays, so that segments leave no gap
    /// between them that a recovery would have to take for a loss.
    pub(crate) is_last_of_group: bool,
    /// Whether tombstones of the old formats stay, which have no delete horizon.
    pub(crate) keep_old_tombstones: bool,
}

/// Puts the keys of a batch into the map, if it is not aborted. Whether there was room for all of them.
///
/// # Errors
/// Faults of the batch's content.
pub(crate) fn map_batch(
    map: &mut OffsetMap,
    transactions: &mut Transactions,
    batch: &Batch<'_>,
    first_dirty_offset: i64,
    scratch: &mut Vec<u8>,
) -> Result<bool, BatchError> {
    let header = &batch.header;
    if header.is_control() {
        transactions.meet_marker(header.producer_id, header.last_offset(), marker_of(batch)?);
    } else if !meet_batch(transactions, header) {
        for record in batch.open(DEFAULT_DECOMPRESSED_LIMIT_BYTES, scratch)? {
            let record = record?;
            let Some(key) = record.key.filter(|_| record.offset >= first_dirty_offset) else { continue };
            if !map.put(key, record.offset) {
                return Ok(false);
            }
        }
    }
    if header.last_offset() >= first_dirty_offset {
        map.note_offset(header.last_offset());
    }
    Ok(true)
}

/// Appends to `out` what is left of a batch.
///
/// # Errors
/// Faults of the batch's content.
pub(crate) fn clean_batch(
    rules: &JudgeRules,
    map: &OffsetMap,
    transactions: &mut Transactions,
    thinner: &mut Thinner,
    batch: &Batch<'_>,
    position: Position,
    out: &mut Vec<u8>,
) -> Result<Thinned, BatchError> {
    let header = &batch.header;
    let may_go = match header.is_control() {
        true => transactions.meet_marker(header.producer_id, header.last_offset(), marker_of(batch)?),
        false => meet_batch(transactions, header),
    };
    let horizon = header.delete_horizon_ms();
    let goes = may_go && (!header.is_control() || horizon.is_some_and(|horizon| horizon <= rules.now_ms));
    let level =
        rules.codec.filter(|(codec, _)| header.compression() == Ok(*codec)).and_then(|(_, level)| level);
    let thin_rules = ThinRules {
        keep_empty: (position.is_last_of_group && !mutant!(LastBatchDropped))
            || (header.next_offset() == rules.round_end_offset && !mutant!(LastBatchDropped))
            || rules.is_last_of_producer(header),
        is_marker_of_nothing: may_go && header.is_control(),
        new_delete_horizon_ms: rules.now_ms.saturating_add(rules.delete_retention_ms),
        level,
    };
    if goes {
        return thinner.empty(batch, &thin_rules, out);
    }
    if header.is_control() {
        return thinner.thin(batch, &thin_rules, |_| true, out);
    }
    let keeps_tombstones = match header.is_legacy() {
        _ if mutant!(TombstoneInOnePass) => false,
        true => position.keep_old_tombstones,
        false => horizon.is_none_or(|horizon| rules.now_ms < horizon),
    };
    thinner.thin(batch, &thin_rules, |record| stays(map, record, keeps_tombstones), out)
}

fn stays(map: &OffsetMap, record: &Record<'_>, keeps_tombstones: bool) -> bool {
    if record.offset > map.latest_offset() {
        return true;
    }
    // A record without a key cannot be told from an older one: a compacted log has no place for it.
    let Some(key) = record.key else { return false };
    (record.value.is_some() || keeps_tombstones) && record.offset >= map.get(key)
}

impl JudgeRules {
    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        let last = self.producers.get(&header.producer_id).filter(|_| header.has_producer_id());
        last.is_some_and(|last| match last.last_data_offset {
            Some(offset) => {
                header.last_offset() == offset || last.sure_data_offset == Some(header.last_offset())
            }
            None => header.is_control() && header.producer_epoch == last.producer_epoch,
        })
    }
}

fn meet_batch(transactions: &mut Transactions, header: &BatchHeader) -> bool {
    transactions.meet_batch(header.producer_id, header.last_offset(), header.is_transactional())
}

fn marker_of(batch: &Batch<'_>) -> Result<Marker, BatchError> {
    if batch.header.records_count == 0 {
        return Ok(Marker::Emptied);
    }
    let mut scratch = Vec::new();
    let Some(record) = batch.open(DEFAULT_DECOMPRESSED_LIMIT_BYTES, &mut scratch)?.next() else {
        return Ok(Marker::Emptied);
    };
    Ok(match record?.key.and_then(ControlRecordType::from_key) {
        Some(ControlRecordType::Abort) => Marker::Abort,
        Some(ControlRecordType::Commit) => Marker::Commit,
        _ => Marker::Other,
    })
}

#[cfg(test)]
mod tests;
