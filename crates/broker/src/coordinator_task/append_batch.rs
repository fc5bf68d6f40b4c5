//! The appends of one shard on their way into batches. It never talks to the log.

use std::collections::VecDeque;

use coordinator::{AppendId, LogRecord};
use protocol::ErrorCode;
use records::{BatchBuilder, BatchSettings, Compression};

/// An append that has not been written yet.
#[derive(Debug)]
pub(super) struct WaitingAppend {
    pub id: AppendId,
    /// In the order they are to be written.
    pub records: VecDeque<LogRecord>,
    pub atomic: bool,
}

/// What to do next for a shard.
#[derive(Debug)]
pub(super) enum NextBatch {
    /// Write this batch.
    Write {
        batch: Vec<u8>,
        /// The appends that are complete with it.
        complete: Vec<AppendId>,
        /// The append of which only a part is in it; the rest is still waiting.
        partial: Option<AppendId>,
    },
    /// This append can never be written.
    Refuse(AppendId, ErrorCode),
}

/// Takes as many waiting appends as fit in one batch of at most `bytes_max` bytes. None if nothing is waiting.
///
/// Kafka's coordinators number their records from 0, though no producer stands behind them.
pub(super) fn next_batch(
    waiting: &mut VecDeque<WaitingAppend>,
    bytes_max: usize,
    now_ms: i64,
    compression: Compression,
) -> Option<NextBatch> {
    let settings = BatchSettings { compression, base_sequence: 0, ..BatchSettings::default() };
    let mut builder = BatchBuilder::new(settings);
    let mut complete = Vec::new();
    while let Some(append) = waiting.front_mut() {
        if append.atomic && size_with_all(&builder, &append.records, now_ms) > bytes_max {
            if !builder.is_empty() {
                break;
            }
            let id = append.id;
            let error = match append.records.len() {
                1 => ErrorCode::MESSAGE_TOO_LARGE,
                _ => ErrorCode::RECORD_LIST_TOO_LARGE,
            };
            waiting.pop_front();
            return Some(NextBatch::Refuse(id, error));
        }
        let mut written = 0;
        while let Some(record) = append.records.front() {
            if builder.size_with(Some(&record.key), record.value.as_deref(), &[], now_ms) > bytes_max {
                break;
            }
            write(&mut builder, record, now_ms);
            append.records.pop_front();
            written += 1;
        }
        let id = append.id;
        if append.records.is_empty() {
            waiting.pop_front();
            complete.push(id);
        } else if builder.is_empty() {
            waiting.pop_front();
            return Some(NextBatch::Refuse(id, ErrorCode::MESSAGE_TOO_LARGE));
        } else {
            let partial = (written > 0).then_some(id);
            return Some(NextBatch::Write { batch: finish(builder, bytes_max), complete, partial });
        }
    }
    (!builder.is_empty()).then(|| NextBatch::Write {
        batch: finish(builder, bytes_max),
        complete,
        partial: None,
    })
}

fn size_with_all(builder: &BatchBuilder, records: &VecDeque<LogRecord>, now_ms: i64) -> usize {
    // Offset deltas take up to five bytes, whatever comes before; counting them so keeps this independent of order.
    const RECORD_OVERHEAD_BYTES: usize = 5 + 1 + 1 + 5 + 5 + 5 + 1;
    let payload: usize = records.iter().map(|record| record.size_bytes() + RECORD_OVERHEAD_BYTES).sum();
    let bound = builder.size_bytes() + payload;
    match records.front() {
        // For one record the exact size is known.
        Some(record) if records.len() == 1 => {
            builder.size_with(Some(&record.key), record.value.as_deref(), &[], now_ms)
        }
        _ => bound,
    }
}

fn write(builder: &mut BatchBuilder, record: &LogRecord, now_ms: i64) {
    builder
        .append(Some(&record.key), record.value.as_deref(), &[], now_ms)
        .expect("a batch is far smaller than the format allows");
}

fn finish(builder: BatchBuilder, bytes_max: usize) -> Vec<u8> {
    builder.build_within(bytes_max).expect("each codec knows its own default level")
}
