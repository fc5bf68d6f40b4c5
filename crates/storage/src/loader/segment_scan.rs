//! Reading one segment in recovery: batches, indexes, epochs and producers in one pass.
//!
//! Owns where the pass may start and what makes a batch acceptable. An index is used only as far as the batches confirm
//! it; from there on it is built anew.

use platform::{File, OpenMode};

use super::producers::read_marker;
use super::{Loader, ScanPlan};
use crate::error::StorageError;
use crate::index::{IndexEntry, IndexTable, OffsetEntry, TimeEntry, rising_prefix};
use crate::layout::{INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, segment_path};
use crate::scan::{BadBatch, BatchScan, FoundBatch, Step};
use crate::segment::MaxTimestamp;

/// What a pass over a segment found.
pub(super) struct SegmentScan {
    /// Bytes of good batches.
    pub(super) size: u64,
    /// The offset after the last of them, so the least that may follow.
    pub(super) end_offset: i64,
    pub(super) offsets: IndexTable<OffsetEntry>,
    pub(super) times: IndexTable<TimeEntry>,
    pub(super) max_timestamp: MaxTimestamp,
    pub(super) bytes_since_index: u64,
    pub(super) first_timestamp: Option<i64>,
    /// Bytes whose checksums were computed.
    pub(super) checked_bytes: u64,
    /// What is wrong after the last good batch, if anything is there.
    pub(super) bad: Option<BadBatch>,
}

/// Where a pass starts, and what of the indexes holds up to there.
struct Start {
    position: u64,
    offsets: IndexTable<OffsetEntry>,
    times: IndexTable<TimeEntry>,
    max_timestamp: MaxTimestamp,
}

/// The entries of a segment's index files that rise as they must.
struct Entries {
    offsets: Vec<OffsetEntry>,
    offsets_len: u64,
    times: Vec<TimeEntry>,
    times_len: u64,
}

pub(super) fn scan_segment(
    loader: &mut Loader<'_, '_>,
    plan: &ScanPlan,
    window: &mut [u8],
) -> Result<SegmentScan, StorageError> {
    let len = loader.files.logs[&plan.base];
    let file = loader.disk().open(&segment_path(&loader.dir, plan.base, LOG_SUFFIX), OpenMode::Read)?;
    let entries = read_entries(loader, plan.base)?;
    let start = match choose_start(file.as_ref(), plan, &entries, len, window)? {
        Some(start) => start,
        None => start_at_front(plan, &entries),
    };
    run(loader, plan, file.as_ref(), start, len, window)
}

fn read_entries(loader: &Loader<'_, '_>, base: i64) -> Result<Entries, StorageError> {
    let read = |suffix: &str, known: bool| match known {
        true => loader.disk().read(&segment_path(&loader.dir, base, suffix)),
        false => Ok(Vec::new()),
    };
    let offsets = read(INDEX_SUFFIX, loader.files.indexes.contains_key(&base))?;
    let times = read(TIME_INDEX_SUFFIX, loader.files.time_indexes.contains_key(&base))?;
    Ok(Entries {
        offsets: rising_prefix(&offsets),
        offsets_len: offsets.len() as u64,
        times: rising_prefix(&times),
        times_len: times.len() as u64,
    })
}

fn start_at_front(plan: &ScanPlan, entries: &Entries) -> Start {
    Start {
        position: 0,
        offsets: IndexTable::kept(0, entries.offsets_len, None),
        times: IndexTable::kept(0, entries.times_len, None),
        max_timestamp: MaxTimestamp { timestamp: -1, offset: plan.base },
    }
}

/// The last place from which everything is seen that has to be: the batches from `scan_from` on, and those after the
/// last time-index entry, since the time index alone does not tell the largest timestamp beyond it. `None` if the
/// indexes give none that the batches confirm.
fn choose_start(
    file: &dyn File,
    plan: &ScanPlan,
    entries: &Entries,
    len: u64,
    window: &mut [u8],
) -> Result<Option<Start>, StorageError> {
    let relative = u32::try_from(plan.scan_from.saturating_sub(plan.base).max(0)).unwrap_or(u32::MAX);
    let times = entries.times.partition_point(|entry| entry.relative_offset < relative);
    let Some(last_time) = entries.times[..times].last() else { return Ok(None) };
    let offsets = entries.offsets.partition_point(|e| e.relative_offset <= last_time.relative_offset);
    let Some(hint) = entries.offsets[..offsets].last().filter(|hint| hint.position > 0) else {
        return Ok(None);
    };
    let offset_of = |relative: u32| plan.base + i64::from(relative);
    let mut walk = BatchScan::new(file, window, u64::from(hint.position).min(len), len);
    let mut is_first = true;
    loop {
        let Step::Batch(batch) = walk.step()? else { return Ok(None) };
        let last_offset = batch.header.last_offset();
        if std::mem::take(&mut is_first) && last_offset != offset_of(hint.relative_offset) {
            return Ok(None);
        }
        if last_offset == offset_of(last_time.relative_offset)
            && batch.header.max_timestamp == last_time.timestamp
        {
            break;
        }
        if last_offset >= offset_of(last_time.relative_offset) {
            return Ok(None);
        }
    }
    Ok(Some(Start {
        position: u64::from(hint.position),
        offsets: kept(&entries.offsets, offsets, entries.offsets_len),
        times: kept(&entries.times, times, entries.times_len),
        max_timestamp: MaxTimestamp {
            timestamp: last_time.timestamp,
            offset: offset_of(last_time.relative_offset),
        },
    }))
}

fn kept<E: IndexEntry>(entries: &[E], count: usize, len_bytes: u64) -> IndexTable<E> {
    IndexTable::kept(count as u32, len_bytes, entries[..count].last().copied())
}

/// The pass itself.
fn run(
    loader: &mut Loader<'_, '_>,
    plan: &ScanPlan,
    file: &dyn File,
    start: Start,
    len: u64,
    window: &mut [u8],
) -> Result<SegmentScan, StorageError> {
    let first_timestamp = match BatchScan::new(file, window, 0, len).step()? {
        Step::Batch(batch) => Some(batch.header.max_timestamp),
        _ => None,
    };
    let mut scan = SegmentScan {
        size: start.position,
        end_offset: plan.base,
        offsets: start.offsets,
        times: start.times,
        max_timestamp: start.max_timestamp,
        bytes_since_index: 0,
        first_timestamp,
        checked_bytes: 0,
        bad: None,
    };
    let mut walk = BatchScan::new(file, window, start.position, len);
    loop {
        scan.bad = match walk.step()? {
            Step::End => return Ok(scan),
            Step::Bad(bad) => Some(bad),
            Step::Batch(batch) => match refuse(&batch, &mut walk, plan, &mut scan)? {
                Some(bad) => Some(bad),
                None => {
                    accept(loader, plan, file, &batch, &mut scan)?;
                    continue;
                }
            },
        };
        return Ok(scan);
    }
}

/// Why a batch cannot stay: its offset or its checksum.
fn refuse(
    batch: &FoundBatch,
    walk: &mut BatchScan<'_>,
    plan: &ScanPlan,
    scan: &mut SegmentScan,
) -> Result<Option<BadBatch>, StorageError> {
    let header = &batch.header;
    let expected = scan.end_offset;
    let overflow = header.last_offset() - plan.base > i64::from(i32::MAX);
    let beyond = plan.next.is_some_and(|next| header.last_offset() >= next);
    if header.base_offset < expected || overflow || beyond {
        return Ok(Some(BadBatch::Offset { expected, found: header.base_offset }));
    }
    if header.last_offset() >= plan.trusted {
        if !walk.crc_matches(batch)? {
            return Ok(Some(BadBatch::Crc));
        }
        scan.checked_bytes += header.size_bytes() as u64;
    }
    Ok(None)
}

/// Takes a good batch in.
fn accept(
    loader: &mut Loader<'_, '_>,
    plan: &ScanPlan,
    file: &dyn File,
    batch: &FoundBatch,
    scan: &mut SegmentScan,
) -> Result<(), StorageError> {
    let header = &batch.header;
    if header.max_timestamp > scan.max_timestamp.timestamp {
        scan.max_timestamp = MaxTimestamp { timestamp: header.max_timestamp, offset: header.last_offset() };
    }
    let interval = u64::from(loader.request.config.index_interval_bytes);
    if scan.bytes_since_index > interval {
        let relative_offset = (header.last_offset() - plan.base) as u32;
        scan.offsets.push(OffsetEntry { relative_offset, position: batch.position as u32 });
        let max = scan.max_timestamp;
        if max.timestamp > scan.times.last().map_or(-1, |entry| entry.timestamp) {
            let relative_offset = (max.offset - plan.base) as u32;
            scan.times.push(TimeEntry { timestamp: max.timestamp, relative_offset });
        }
        scan.bytes_since_index = 0;
    }
    scan.bytes_since_index += header.size_bytes() as u64;
    scan.size = batch.end();
    scan.end_offset = header.next_offset();
    if header.partition_leader_epoch > loader.epochs.latest().map_or(-1, |entry| entry.epoch) {
        loader.end.epochs_changed |= loader.epochs.assign(header.partition_leader_epoch, header.base_offset);
    }
    if header.base_offset >= plan.producers_from {
        let marker = read_marker(file, batch)?;
        loader.producers.update(header, marker, loader.request.now_ms);
    }
    Ok(())
}
