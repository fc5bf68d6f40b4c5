//! Reading one segment in recovery: batches, indexes, epochs and producers in one pass.
//!
//! Owns where the pass may start and what makes a batch acceptable. An index is used only as far as the batches confirm
//! it; from there on it is built anew.

use platform::{File, OpenMode};
use records::BatchHeader;

use super::producers::read_marker;
use super::{Loader, ScanPlan};
use crate::error::StorageError;
use crate::index::{IndexEntry, IndexTable, OffsetEntry, TimeEntry, rising_prefix};
use crate::layout::{INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, segment_path};
use crate::mutant::mutant;
use crate::scan::{BadBatch, BatchScan, FoundBatch, SMALL_WINDOW_BYTES, Step};
use crate::segment::{LargestTimestamp, MaxTimestamp};

/// What a pass over a segment found.
pub(super) struct SegmentScan {
    /// Bytes of good batches.
    pub(super) size: u64,
    /// The offset after the last of them, so the least that may follow.
    pub(super) end_offset: i64,
    pub(super) offsets: IndexTable<OffsetEntry>,
    pub(super) times: IndexTable<TimeEntry>,
    pub(super) largest: LargestTimestamp,
    pub(super) bytes_since_index: u64,
    pub(super) first_timestamp: Option<i64>,
    /// Bytes beyond the recovery point, whose checksums were computed.
    pub(super) checked_bytes: u64,
    /// Where the first of them is.
    pub(super) checked_from: Option<u64>,
    /// What is wrong after the last good batch, if anything is there.
    pub(super) bad: Option<BadBatch>,
}

/// Where a pass starts, and what of the indexes holds up to there.
struct Start {
    position: u64,
    offsets: IndexTable<OffsetEntry>,
    times: IndexTable<TimeEntry>,
    largest: LargestTimestamp,
}

/// The entries of a segment's index files that rise as they must.
struct Entries {
    offsets: Vec<OffsetEntry>,
    offsets_len: u64,
    times: Vec<TimeEntry>,
    times_len: u64,
    /// Whether there is a time index and all of it rises.
    times_are_whole: bool,
}

pub(super) fn scan_segment(
    loader: &mut Loader<'_, '_>,
    plan: &ScanPlan,
    window: &mut [u8],
) -> Result<SegmentScan, StorageError> {
    let len = loader.files.logs[&plan.base];
    let file = loader.disk().open(&segment_path(&loader.dir, plan.base, LOG_SUFFIX), OpenMode::Read)?;
    let entries = read_entries(loader, plan.base)?;
    if !loader.is_clean && !mutant!(PageCacheTrusted) {
        // The last process may have ended because a flush had failed. What the recovery point covers was flushed before.
        file.forget_cached(flushed_bytes(file.as_ref(), plan, &entries, len)?)?;
    }
    let start = match choose_start(loader, file.as_ref(), plan, &entries, len, window)? {
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
    let rising: Vec<TimeEntry> = rising_prefix(&times);
    Ok(Entries {
        offsets: rising_prefix(&offsets),
        offsets_len: offsets.len() as u64,
        times_are_whole: is_whole(&rising, times.len(), loader.files.time_indexes.contains_key(&base)),
        times: rising,
        times_len: times.len() as u64,
    })
}

fn is_whole(rising: &[TimeEntry], len_bytes: usize, is_there: bool) -> bool {
    is_there && rising.len() * TimeEntry::BYTES == len_bytes
}

/// A position before which everything lies below the recovery point, as an index entry tells and a batch confirms; most of
/// the flushed bytes, or none.
fn flushed_bytes(file: &dyn File, plan: &ScanPlan, entries: &Entries, len: u64) -> Result<u64, StorageError> {
    let relative = u32::try_from(plan.trusted.saturating_sub(plan.base).max(0)).unwrap_or(u32::MAX);
    let below = entries.offsets.partition_point(|entry| entry.relative_offset < relative);
    let Some(hint) = entries.offsets[..below].last() else { return Ok(0) };
    let mut window = [0; SMALL_WINDOW_BYTES];
    let found = find_batch(file, plan, *hint, hint.relative_offset, len, &mut window)?;
    Ok(found.map_or(0, |batch| batch.position))
}

fn start_at_front(plan: &ScanPlan, entries: &Entries) -> Start {
    Start {
        position: 0,
        offsets: IndexTable::kept(0, entries.offsets_len, None),
        times: IndexTable::kept(0, entries.times_len, None),
        largest: LargestTimestamp::Known(MaxTimestamp::none(plan.base)),
    }
}

/// The last place before `scan_from` that an index entry gives and the batches confirm; `None` if there is none.
fn choose_start(
    loader: &Loader<'_, '_>,
    file: &dyn File,
    plan: &ScanPlan,
    entries: &Entries,
    len: u64,
    window: &mut [u8],
) -> Result<Option<Start>, StorageError> {
    let relative = u32::try_from(plan.scan_from.saturating_sub(plan.base).max(0)).unwrap_or(u32::MAX);
    let offsets = entries.offsets.partition_point(|entry| entry.relative_offset < relative);
    let Some(hint) = entries.offsets[..offsets].last().copied().filter(|hint| hint.position > 0) else {
        return Ok(None);
    };
    let window = first_of(window);
    let is_confirmed = mutant!(IndexTrusted) && u64::from(hint.position) <= len;
    if !is_confirmed && find_batch(file, plan, hint, hint.relative_offset, len, window)?.is_none() {
        return Ok(None);
    }
    // A segment that was closed has the largest timestamp in its last time-index entry, wherever that points.
    let is_closed = loader.is_clean;
    if is_closed && !entries.times_are_whole {
        return Ok(None);
    }
    let times = match is_closed {
        true => entries.times.len(),
        false => entries.times.partition_point(|entry| entry.relative_offset <= hint.relative_offset),
    };
    let Some(largest) = known_largest(file, plan, entries, (hint, times), len, window, is_closed)? else {
        return Ok(None);
    };
    Ok(Some(Start {
        position: u64::from(hint.position),
        offsets: kept(&entries.offsets, offsets, entries.offsets_len),
        times: kept(&entries.times, times, entries.times_len),
        largest,
    }))
}

/// What the first `times` entries of the time index tell of the batches before `hint`; `None` if a batch contradicts
/// them.
fn known_largest(
    file: &dyn File,
    plan: &ScanPlan,
    entries: &Entries,
    (hint, times): (OffsetEntry, usize),
    len: u64,
    window: &mut [u8],
    is_closed: bool,
) -> Result<Option<LargestTimestamp>, StorageError> {
    let before = u64::from(hint.position);
    let Some(last) = entries.times[..times].last().copied() else {
        return Ok(Some(match is_closed {
            true => LargestTimestamp::Known(MaxTimestamp::none(plan.base)),
            false => LargestTimestamp::unknown(plan.base, before, false),
        }));
    };
    let floor = entries.offsets.partition_point(|e| e.relative_offset <= last.relative_offset);
    let front = OffsetEntry { relative_offset: 0, position: 0 };
    let from = floor.checked_sub(1).map_or(front, |number| entries.offsets[number]);
    let found = find_batch(file, plan, from, last.relative_offset, len, window)?;
    if found.is_none_or(|batch| batch.header.max_timestamp != last.timestamp) {
        return Ok(None);
    }
    if is_closed || last.relative_offset == hint.relative_offset {
        let offset = plan.base + i64::from(last.relative_offset);
        return Ok(Some(LargestTimestamp::Known(MaxTimestamp { timestamp: last.timestamp, offset })));
    }
    Ok(Some(LargestTimestamp::unknown(plan.base, before, false)))
}

/// As much of the window as a look at a few headers takes.
fn first_of(window: &mut [u8]) -> &mut [u8] {
    let len = window.len().min(SMALL_WINDOW_BYTES);
    &mut window[..len]
}

/// The batch that ends with this offset, looked for from an index entry on.
fn find_batch(
    file: &dyn File,
    plan: &ScanPlan,
    from: OffsetEntry,
    relative_offset: u32,
    len: u64,
    window: &mut [u8],
) -> Result<Option<FoundBatch>, StorageError> {
    let wanted = plan.base + i64::from(relative_offset);
    let mut walk = BatchScan::new(file, window, u64::from(from.position).min(len), len);
    loop {
        match walk.step()? {
            Step::Batch(batch) if batch.header.last_offset() == wanted => return Ok(Some(batch)),
            Step::Batch(batch) if batch.header.last_offset() < wanted => {}
            _ => return Ok(None),
        }
    }
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
    let first_timestamp = match BatchScan::new(file, first_of(window), 0, len).step()? {
        Step::Batch(batch) => Some(batch.header.max_timestamp),
        _ => None,
    };
    let mut scan = SegmentScan {
        size: start.position,
        end_offset: plan.base,
        offsets: start.offsets,
        times: start.times,
        largest: start.largest,
        bytes_since_index: 0,
        first_timestamp,
        checked_bytes: 0,
        checked_from: None,
        bad: None,
    };
    let mut walk = BatchScan::new(file, window, start.position, len);
    loop {
        scan.bad = match walk.step()? {
            Step::End => return Ok(scan),
            Step::Bad(bad) => Some(bad),
            Step::Batch(batch) => match refuse(loader, &batch, &mut walk, plan, &mut scan)? {
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

/// Why a batch cannot stay: its offset, its checksum, or its epoch.
fn refuse(
    loader: &Loader<'_, '_>,
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
    if !walk.crc_matches(batch)? {
        return Ok(Some(BadBatch::Crc));
    }
    let is_trusted = header.last_offset() < plan.trusted;
    if is_suspect(loader, plan, header, expected) && loader.is_disproved(plan.base, batch.position)? {
        return Ok(Some(BadBatch::Digest { to: batch.end(), end_offset: header.next_offset() }));
    }
    if !is_trusted {
        scan.checked_from.get_or_insert(batch.position);
        scan.checked_bytes += header.size_bytes() as u64;
    }
    Ok(None)
}

/// Whether what no checksum of a batch covers is not as it should be: then its proof is asked.
fn is_suspect(loader: &Loader<'_, '_>, plan: &ScanPlan, header: &BatchHeader, expected: i64) -> bool {
    if header.last_offset() >= plan.trusted {
        return jumps_over(loader.request.recovery_point, plan, header, expected);
    }
    let known = loader.epochs.epoch_for_offset(header.base_offset);
    known.is_some_and(|known| known != header.partition_leader_epoch)
}

/// A log's batches end where a flush ended. One that goes on beyond, or begins beyond while those before are missing, has a
/// wrong offset.
fn jumps_over(recovery_point: i64, plan: &ScanPlan, header: &BatchHeader, expected: i64) -> bool {
    let is_before = expected.max(plan.base) < recovery_point;
    is_before && header.next_offset() > recovery_point
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
    scan.largest.note(header.max_timestamp, header.last_offset());
    let interval = u64::from(loader.request.config.index_interval_bytes);
    if scan.bytes_since_index > interval {
        let relative_offset = (header.last_offset() - plan.base) as u32;
        scan.offsets.push(OffsetEntry { relative_offset, position: batch.position as u32 });
        if let LargestTimestamp::Known(max) = scan.largest
            && max.timestamp > scan.times.last().map_or(-1, |entry| entry.timestamp)
        {
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
    if header.last_offset() >= plan.trusted {
        loader.note_proof(plan.base, batch);
    }
    if header.base_offset >= plan.producers_from && !mutant!(ProducersNotReplayed) {
        let marker = read_marker(file, batch)?;
        loader.producers.update(header, marker, loader.request.now_ms);
    }
    Ok(())
}
