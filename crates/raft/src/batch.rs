//! Records become batches of the metadata log and of snapshots. Never what is in a record.

use records::{BatchBuilder, BatchError, BatchSettings, HEADER_BYTES, control_batch};

use crate::{AppendedBatch, ControlRecord, RaftError};

/// Records that a reader of the log must see all at once: they are kept within one batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordGroup {
    /// Values of the records, in order.
    pub records: Vec<Vec<u8>>,
}

/// Puts groups into as few batches as they fit.
pub(crate) fn encode_data_batches(
    groups: Vec<RecordGroup>,
    base_offset: i64,
    epoch: i32,
    now_ms: i64,
    bytes_max: usize,
) -> Result<Vec<AppendedBatch>, RaftError> {
    let mut batches = Vec::new();
    let mut open = OpenBatch::new(base_offset, epoch);
    for group in groups {
        // What a group adds is known only by adding it, so a full batch is finished on an estimate from above.
        if !open.is_empty() && open.size_bytes() + group.batch_bytes_max() > bytes_max {
            let next = OpenBatch::new(open.next_offset(), epoch);
            batches.push(std::mem::replace(&mut open, next).finish()?);
        }
        for record in group.records {
            open.append(&record, now_ms)?;
        }
        if open.size_bytes() > bytes_max {
            return Err(RaftError::BatchTooLarge { size_bytes: open.size_bytes(), max_bytes: bytes_max });
        }
    }
    if !open.is_empty() {
        batches.push(open.finish()?);
    }
    Ok(batches)
}

/// Most bytes that a record without key and headers has around its value: length, attributes, timestamp and offset
/// deltas, key length, value length, header count.
const RECORD_OVERHEAD_BYTES_MAX: usize = 5 + 1 + 10 + 5 + 1 + 5 + 1;

/// One batch of control records.
pub(crate) fn encode_control_batch(
    control: &[ControlRecord],
    base_offset: i64,
    epoch: i32,
    now_ms: i64,
) -> Result<AppendedBatch, RaftError> {
    let settings = BatchSettings { base_offset, partition_leader_epoch: epoch, ..BatchSettings::default() };
    let values = control.iter().map(ControlRecord::value).collect::<Result<Vec<_>, _>>()?;
    let records: Vec<_> =
        control.iter().zip(&values).map(|(record, value)| (record.record_type(), value.as_slice())).collect();
    let bytes = control_batch(settings, now_ms, &records).map_err(unbuildable)?;
    let last_offset = base_offset + offset_count(control.len()) - 1;
    Ok(AppendedBatch { base_offset, last_offset, epoch, bytes })
}

/// The content of a snapshot: a control batch with `control` after the header, the records in batches of about
/// `batch_bytes`, and a control batch with the footer. Offsets count from 0, as they are a snapshot's own.
///
/// # Errors
/// A record that fits no batch.
pub fn encode_snapshot_batches(
    epoch: i32,
    now_ms: i64,
    last_contained_log_timestamp_ms: i64,
    control: &[ControlRecord],
    records: impl Iterator<Item = Vec<u8>>,
    batch_bytes: usize,
) -> Result<Vec<u8>, RaftError> {
    let mut header = vec![ControlRecord::SnapshotHeader { last_contained_log_timestamp_ms }];
    header.extend_from_slice(control);
    let first = encode_control_batch(&header, 0, epoch, now_ms)?;
    let mut next_offset = first.last_offset + 1;
    let mut out = first.bytes;
    let mut open = OpenBatch::new(next_offset, epoch);
    for record in records {
        if !open.is_empty() && open.size_bytes() + record.len() + RECORD_OVERHEAD_BYTES_MAX > batch_bytes {
            let next = OpenBatch::new(open.next_offset(), epoch);
            out.extend(std::mem::replace(&mut open, next).finish()?.bytes);
        }
        open.append(&record, now_ms)?;
        next_offset = open.next_offset();
    }
    if !open.is_empty() {
        out.extend(open.finish()?.bytes);
    }
    out.extend(encode_control_batch(&[ControlRecord::SnapshotFooter], next_offset, epoch, now_ms)?.bytes);
    Ok(out)
}

struct OpenBatch {
    base_offset: i64,
    epoch: i32,
    builder: BatchBuilder,
}

impl RecordGroup {
    /// An upper bound for the size of a batch with just this group: if it is within
    /// [`crate::RaftConfig::batch_bytes_max`], the group can be appended.
    pub fn batch_bytes_max(&self) -> usize {
        HEADER_BYTES
            + self.records.iter().map(|record| record.len() + RECORD_OVERHEAD_BYTES_MAX).sum::<usize>()
    }
}

impl OpenBatch {
    fn new(base_offset: i64, epoch: i32) -> OpenBatch {
        let settings =
            BatchSettings { base_offset, partition_leader_epoch: epoch, ..BatchSettings::default() };
        OpenBatch { base_offset, epoch, builder: BatchBuilder::new(settings) }
    }

    fn is_empty(&self) -> bool {
        self.builder.is_empty()
    }

    fn size_bytes(&self) -> usize {
        self.builder.size_bytes()
    }

    fn next_offset(&self) -> i64 {
        self.base_offset + offset_count(self.builder.records_count())
    }

    fn append(&mut self, value: &[u8], now_ms: i64) -> Result<(), RaftError> {
        self.builder.append(None, Some(value), &[], now_ms).map_err(unbuildable)
    }

    fn finish(self) -> Result<AppendedBatch, RaftError> {
        let last_offset = self.next_offset() - 1;
        let bytes = self.builder.build().map_err(unbuildable)?;
        Ok(AppendedBatch { base_offset: self.base_offset, last_offset, epoch: self.epoch, bytes })
    }
}

fn offset_count(count: usize) -> i64 {
    i64::try_from(count).expect("a batch holds at most i32::MAX records")
}

fn unbuildable(error: BatchError) -> RaftError {
    match error {
        BatchError::TooLarge { size_bytes, max_bytes } => RaftError::BatchTooLarge { size_bytes, max_bytes },
        other => RaftError::ControlRecord(other.to_string()),
    }
}
