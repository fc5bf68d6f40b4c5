//! Completing or undoing a compaction that a stop interrupted, by Kafka's rules.
//!
//! Owns the reading of `.cleaned` and `.swap` names. Unfinished segments go; a finished one takes the place of those it
//! was made of, which are there or not. Whatever was there before, no record is missing afterwards that compaction had
//! not removed.

use std::path::Path;

use platform::{Disk, OpenMode};

use super::files::{LogFiles, remove_if_there};
use crate::error::StorageError;
use crate::layout::{CLEANED_SUFFIX, LOG_SUFFIX, SEGMENT_SUFFIXES, SWAP_SUFFIX, segment_path};
use crate::scan::{BatchScan, SMALL_WINDOW_BYTES, Step};

/// Leaves no `.cleaned` and no `.swap` file behind.
///
/// # Errors
/// [`StorageError::Damaged`] if a finished segment cannot be read to its end; the disk's.
pub(super) fn complete(disk: &dyn Disk, dir: &Path, log: &str, files: &LogFiles) -> Result<(), StorageError> {
    let unfinished = files.cleaned.first().copied();
    let is_undone = |base: i64| unfinished.is_some_and(|first| base >= first);
    let (undone, finished): (Vec<_>, Vec<_>) = files.swaps.iter().partition(|(base, _)| is_undone(*base));
    for (base, suffix) in &undone {
        remove_if_there(disk, &swap_path(dir, *base, suffix))?;
    }
    if !undone.is_empty() {
        // Else an unfinished one could pass for a finished one at the next start.
        disk.sync_dir(dir)?;
    }
    for base in &files.cleaned {
        for suffix in SEGMENT_SUFFIXES {
            remove_if_there(disk, &segment_path(dir, *base, &format!("{suffix}{CLEANED_SUFFIX}")))?;
        }
    }
    if finished.is_empty() {
        return Ok(());
    }
    remove_replaced(disk, dir, log, files, &finished)?;
    for (base, suffix) in &finished {
        disk.rename(&swap_path(dir, *base, suffix), &segment_path(dir, *base, suffix))?;
    }
    disk.sync_dir(dir)?;
    tracing::info!(log, "an interrupted compaction was completed");
    Ok(())
}

/// Removes the segments whose place is taken: those that begin among the offsets of the finished ones.
fn remove_replaced(
    disk: &dyn Disk,
    dir: &Path,
    log: &str,
    files: &LogFiles,
    finished: &[(i64, &'static str)],
) -> Result<(), StorageError> {
    let mut range: Option<(i64, i64)> = None;
    for (base, _) in finished.iter().filter(|(_, suffix)| *suffix == LOG_SUFFIX) {
        let next = next_offset(disk, dir, log, *base)?;
        let (from, to) = range.unwrap_or((*base, next));
        range = Some((from.min(*base), to.max(next)));
    }
    let Some((from, to)) = range.filter(|(from, to)| from < to) else { return Ok(()) };
    let replaced: Vec<i64> = files.logs.range(from..to).map(|(base, _)| *base).collect();
    for base in &replaced {
        for suffix in SEGMENT_SUFFIXES {
            remove_if_there(disk, &segment_path(dir, *base, suffix))?;
        }
    }
    if !replaced.is_empty() {
        // A replaced segment that came back after a loss of power would be taken for another one.
        disk.sync_dir(dir)?;
    }
    Ok(())
}

/// The offset after the last batch of a finished segment.
fn next_offset(disk: &dyn Disk, dir: &Path, log: &str, base: i64) -> Result<i64, StorageError> {
    let path = swap_path(dir, base, LOG_SUFFIX);
    let file = disk.open(&path, OpenMode::Read)?;
    let mut window = [0; SMALL_WINDOW_BYTES];
    let mut scan = BatchScan::new(file.as_ref(), &mut window, 0, file.len()?);
    let mut next = base;
    loop {
        let position = scan.position();
        match scan.step()? {
            Step::Batch(batch) => next = batch.header.next_offset(),
            Step::End => return Ok(next),
            Step::Bad(bad) => {
                let place = format!("file {}, position {position}", path.display());
                let reason = format!("a compacted segment is not whole: {bad} ({place})");
                return Err(StorageError::Damaged { log: log.to_owned(), reason });
            }
        }
    }
}

fn swap_path(dir: &Path, base: i64, suffix: &str) -> std::path::PathBuf {
    segment_path(dir, base, &format!("{suffix}{SWAP_SUFFIX}"))
}
