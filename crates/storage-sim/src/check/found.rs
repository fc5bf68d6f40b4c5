//! Reading a log as clients do, and taking the batches apart.
//!
//! Owns the checks that need no model: checksums, counts, offsets inside a batch.

use records::{Batch, batches};
use storage::LogView;

use super::{Wrong, broken};
use crate::model::Record;

/// Bytes of a fetch: several batches, and less than a large one.
const FETCH_BYTES: usize = 10_000;
/// The largest batch, decompressed.
const PLAIN_BYTES_MAX: usize = 4 << 20;

/// A batch that was read.
pub(super) struct FoundBatch {
    pub(super) base: i64,
    pub(super) end: i64,
    pub(super) leader_epoch: i32,
    pub(super) records: Vec<(i64, Record)>,
    pub(super) bytes: Vec<u8>,
}

/// Every batch that has something in `start..end`.
pub(super) fn read_all(view: &LogView, start: i64, end: i64) -> Result<Vec<FoundBatch>, Wrong> {
    let mut all = Vec::new();
    let mut next = start;
    while next < end {
        let Some(slice) = view.read(next, FETCH_BYTES, end, true)? else { break };
        all.extend(take_apart(&slice.to_vec()?)?);
        if slice.next_offset <= next {
            return broken("L4 a fetch goes on", format!("{view:?} at {next}"));
        }
        next = slice.next_offset;
    }
    Ok(all)
}

/// The batches of one fetch.
pub(super) fn read_slice(
    view: &LogView,
    offset: i64,
    bytes: usize,
    end: i64,
) -> Result<Option<Vec<FoundBatch>>, Wrong> {
    match view.read(offset, bytes, end, true)? {
        Some(slice) => Ok(Some(take_apart(&slice.to_vec()?)?)),
        None => Ok(None),
    }
}

/// Batches one after another: L1.
pub(super) fn take_apart(bytes: &[u8]) -> Result<Vec<FoundBatch>, Wrong> {
    let mut found = Vec::new();
    for batch in batches(bytes) {
        match batch.and_then(|batch| open(&batch)) {
            Ok(batch) => found.push(batch),
            Err(error) => return broken("L8 damaged bytes are never served", error.to_string()),
        }
    }
    for FoundBatch { base, end, records, .. } in &found {
        let is_rising = records.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let is_inside = records.iter().all(|(offset, _)| (*base..*end).contains(offset));
        if !is_rising || !is_inside {
            return broken("L1 offsets rise inside a batch", format!("at {base}..{end}"));
        }
    }
    Ok(found)
}

fn open(batch: &Batch<'_>) -> Result<FoundBatch, records::BatchError> {
    batch.verify_crc()?;
    let header = &batch.header;
    let mut plain = Vec::new();
    let mut records = Vec::new();
    for record in batch.open(PLAIN_BYTES_MAX, &mut plain)? {
        let record = record?;
        let key = record.key.unwrap_or_default().to_vec();
        let value = record.value.map(<[u8]>::to_vec);
        records.push((record.offset, Record { key, value, timestamp: record.timestamp }));
    }
    Ok(FoundBatch {
        base: header.base_offset,
        end: header.next_offset(),
        leader_epoch: header.partition_leader_epoch,
        records,
        bytes: batch.bytes.to_vec(),
    })
}
