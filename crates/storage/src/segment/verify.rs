//! Verifying what an earlier process wrote, before it is first used.
//!
//! Owns the comparison of a segment's bytes with its proof, or, where there is none, of each batch with its own checksum
//! and its neighbours. What this process wrote is not read again, and what was verified once is not either.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use platform::File;

use super::{Segment, SegmentFault};
use crate::directory::Directory;
use crate::mutant::mutant;
use crate::proof::{Cold, LogProof, Next, ProofEntry};
use crate::scan::{BadBatch, BatchScan, LARGE_WINDOW_BYTES, SMALL_WINDOW_BYTES, Step};

impl Segment {
    /// Has the bytes before `end` verified before they are used. Their offsets are below `end_bound`.
    pub(crate) fn with_unverified(self, end: u64, log: &Arc<LogProof>, end_bound: i64) -> Self {
        if end > 0 {
            *self.cold.lock() = Some(Box::new(Cold::new(Arc::clone(log), end_bound)));
            self.unverified_end.store(end, Ordering::Release);
        }
        self
    }

    /// Forgets that the segment is verified. It is not appended to any more.
    pub(crate) fn verify_again(&self, log: &Arc<LogProof>, end_bound: i64) {
        let mut cold = self.cold.lock();
        if self.size() > 0 && !self.is_deleted() {
            *cold = Some(Box::new(Cold::new(Arc::clone(log), end_bound)));
            self.unverified_end.store(self.size(), Ordering::Release);
        }
    }

    /// The segment was cut to this size: what comes behind is written by this process.
    pub(super) fn cut_unverified(&self, size: u64) {
        self.unverified_end.fetch_min(size, Ordering::AcqRel);
    }

    /// Whether all of the segment is verified or was written by this process.
    pub(crate) fn is_verified(&self) -> bool {
        self.unverified_end.load(Ordering::Acquire) == 0
    }

    /// Whether the bytes from this position on were verified when the segment was opened, or written by this process.
    pub(crate) fn is_verified_from(&self, position: u64) -> bool {
        position >= self.unverified_end.load(Ordering::Acquire)
    }

    /// Verifies one more stretch, from the beginning on. Gives the bytes looked at; `None` if all is verified.
    pub(crate) fn verify_some(self: &Arc<Self>, directory: &Directory) -> Result<Option<u64>, SegmentFault> {
        let end = self.unverified_end.load(Ordering::Acquire);
        let first = match self.cold.lock().as_ref() {
            Some(cold) if end > 0 => cold.first_unverified(end),
            _ => None,
        };
        let Some(position) = first else { return Ok(None) };
        self.verify(directory, position, position + 1)?;
        let now = self.cold.lock().as_ref().and_then(|cold| cold.first_unverified(end)).unwrap_or(end);
        Ok(Some(now.saturating_sub(position).max(1)))
    }

    /// Makes sure that the batches in `position..end` are as they were written. `position` must be the start of a batch.
    pub(crate) fn verify(
        self: &Arc<Self>,
        directory: &Directory,
        position: u64,
        end: u64,
    ) -> Result<(), SegmentFault> {
        let mut position = position;
        loop {
            let bound = self.unverified_end.load(Ordering::Acquire);
            let end = end.min(bound);
            if position >= end || mutant!(ProofNotChecked) {
                return Ok(());
            }
            let Some(next) = self.next_step(directory, position, bound)? else { return Ok(()) };
            let checked = match next {
                Next::Verified(to) => {
                    position = to;
                    continue;
                }
                Next::Runs(runs) => self.check_runs(directory, position, &runs, bound),
                Next::Batches(until) => self.check_batches(directory, position, until, bound),
            };
            match checked {
                Ok((from, to)) => self.note_verified(from, to),
                // A truncation came in between: what it cut away is nobody's concern.
                Err(_) if self.unverified_end.load(Ordering::Acquire) != bound => {}
                Err(fault) => return Err(fault),
            }
        }
    }

    fn next_step(
        self: &Arc<Self>,
        directory: &Directory,
        position: u64,
        bound: u64,
    ) -> Result<Option<Next>, SegmentFault> {
        let mut asked = None;
        loop {
            let log = {
                let mut cold = self.cold.lock();
                let Some(cold) = cold.as_deref_mut() else { return Ok(None) };
                if let Some(entries) = asked.take() {
                    cold.set_entries(entries);
                    self.check_size(cold)?;
                }
                if cold.knows_entries() {
                    return Ok(Some(cold.next(position, bound)));
                }
                Arc::clone(cold.log())
            };
            asked = Some(Cold::read_entries(&log, directory.disk().as_ref(), &self.dir, self.base_offset)?);
        }
    }

    fn check_size(&self, cold: &Cold) -> Result<(), SegmentFault> {
        let size = self.size();
        match cold.sealed_size() {
            Some(seal) if u64::from(seal.to) > size && !self.is_deleted() => {
                let bad = BadBatch::Digest { to: u64::from(seal.to), end_offset: seal.end_offset };
                Err(SegmentFault::Bad { position: size, bad })
            }
            _ => Ok(()),
        }
    }

    fn note_verified(&self, from: u64, to: u64) {
        let mut slot = self.cold.lock();
        let end = self.unverified_end.load(Ordering::Acquire);
        let Some(cold) = slot.as_deref_mut() else { return };
        if cold.note(from, to, end) {
            *slot = None;
            self.unverified_end.store(0, Ordering::Release);
        }
    }

    /// Whether the bytes at a position where a batch should start are not right, looked at anew.
    pub(crate) fn is_bad_at(self: &Arc<Self>, directory: &Directory, position: u64) -> bool {
        let size = self.size();
        if position >= size {
            return self.cold.lock().as_deref().is_some_and(|cold| self.check_size(cold).is_err());
        }
        if position < self.unverified_end.load(Ordering::Acquire) {
            return matches!(self.verify(directory, position, position + 1), Err(SegmentFault::Bad { .. }));
        }
        let Ok(file) = self.file(directory, false) else { return false };
        let mut window = [0; SMALL_WINDOW_BYTES];
        let mut scan = BatchScan::new(file.as_ref(), &mut window, position, size);
        match scan.step() {
            Ok(Step::Batch(batch)) => scan.crc_matches(&batch).is_ok_and(|matches| !matches),
            Ok(Step::Bad(_)) => true,
            Ok(Step::End) | Err(_) => false,
        }
    }

    /// The offset that should come at a position, as far as the headers before it tell.
    pub(crate) fn offset_at(self: &Arc<Self>, directory: &Directory, position: u64) -> i64 {
        let mut offset = self.base_offset;
        let Ok(file) = self.file(directory, false) else { return offset };
        let mut window = vec![0; LARGE_WINDOW_BYTES];
        let mut scan = BatchScan::new(file.as_ref(), &mut window, 0, position.min(self.size()));
        while let Ok(Step::Batch(batch)) = scan.step() {
            offset = offset.max(batch.header.next_offset());
        }
        offset
    }

    /// Compares a stretch with what the proof says of it.
    fn check_runs(
        self: &Arc<Self>,
        directory: &Directory,
        position: u64,
        runs: &[ProofEntry],
        bound: u64,
    ) -> Result<(u64, u64), SegmentFault> {
        let file = self.file(directory, false)?;
        for run in runs {
            if digest(file.as_ref(), run)? == Some(run.crc) {
                return Ok((u64::from(run.from), u64::from(run.to)));
            }
        }
        let is_unsure = self.cold.lock().as_deref().is_none_or(Cold::is_swap_open);
        if is_unsure || self.is_deleted() {
            // It may be the segment before or after a compaction of which nothing is known.
            return self.check_batches(directory, position, position + 1, bound);
        }
        // The last one reaches furthest back from what is asked for, or is the only one.
        let run = &runs[runs.len() - 1];
        let (from, to) = (u64::from(run.from), u64::from(run.to));
        let whole = BadBatch::Digest { to, end_offset: run.end_offset };
        // Where exactly, if the batches tell.
        match self.check_batches(directory, from, to, bound) {
            Err(SegmentFault::Bad { position, bad }) => {
                let alone = self.bad_alone(directory, position, &bad, (to, bound))?;
                Err(SegmentFault::Bad { position, bad: alone.unwrap_or(whole) })
            }
            Err(fault) => Err(fault),
            Ok(_) => Err(SegmentFault::Bad { position: from, bad: whole }),
        }
    }

    /// What is wrong if it is this batch's content alone, and all that follows up to `to` is right.
    fn bad_alone(
        self: &Arc<Self>,
        directory: &Directory,
        position: u64,
        bad: &BadBatch,
        (to, bound): (u64, u64),
    ) -> Result<Option<BadBatch>, SegmentFault> {
        if !matches!(bad, BadBatch::Crc) {
            return Ok(None);
        }
        let file = self.file(directory, false)?;
        let mut window = [0; SMALL_WINDOW_BYTES];
        let Step::Batch(batch) = BatchScan::new(file.as_ref(), &mut window, position, bound).step()? else {
            return Ok(None);
        };
        if batch.end() < to {
            match self.check_batches(directory, batch.end(), to, bound) {
                Ok(_) => {}
                Err(SegmentFault::Bad { .. }) => return Ok(None),
                Err(fault) => return Err(fault),
            }
        }
        Ok(Some(BadBatch::Digest { to: batch.end(), end_offset: batch.header.next_offset() }))
    }

    /// Checks batches one by one, as far as they tell by themselves.
    fn check_batches(
        self: &Arc<Self>,
        directory: &Directory,
        from: u64,
        until: u64,
        bound: u64,
    ) -> Result<(u64, u64), SegmentFault> {
        let file = self.file(directory, false)?;
        let end_bound = self.cold.lock().as_deref().map_or(i64::MAX, Cold::end_bound);
        let window = (bound - from).clamp(records::HEADER_BYTES as u64, LARGE_WINDOW_BYTES as u64);
        let mut window = vec![0; window as usize];
        let mut scan = BatchScan::new(file.as_ref(), &mut window, from, bound);
        let mut expected = self.base_offset;
        loop {
            let position = scan.position();
            let fault = |bad| SegmentFault::Bad { position, bad };
            match scan.step()? {
                // One batch more than asked for is looked at: that its offset follows says that the last one is right.
                Step::Batch(batch) if position >= until => {
                    let found = batch.header.base_offset;
                    return match found < expected {
                        true => Err(fault(BadBatch::Offset { expected, found })),
                        false => Ok((from, position)),
                    };
                }
                Step::Batch(batch) => {
                    let found = batch.header.base_offset;
                    if found < expected || batch.header.last_offset() >= end_bound {
                        return Err(fault(BadBatch::Offset { expected, found }));
                    }
                    if !scan.crc_matches(&batch)? {
                        return Err(fault(BadBatch::Crc));
                    }
                    expected = batch.header.next_offset();
                }
                Step::End => return Ok((from, position)),
                Step::Bad(_) if position >= until => return Ok((from, position)),
                Step::Bad(bad) => return Err(fault(bad)),
            }
        }
    }
}

/// The checksum of a stretch of a file; `None` if the file ends before.
pub(crate) fn digest(file: &dyn File, run: &ProofEntry) -> io::Result<Option<u32>> {
    let mut buffer = vec![0; run.size_bytes().min(LARGE_WINDOW_BYTES as u64) as usize];
    let (mut position, mut crc) = (u64::from(run.from), 0);
    while position < u64::from(run.to) {
        let wanted = (u64::from(run.to) - position).min(buffer.len() as u64) as usize;
        if file.read_full_at(&mut buffer[..wanted], position)? < wanted {
            return Ok(None);
        }
        crc = crc32c::crc32c_append(crc, &buffer[..wanted]);
        position += wanted as u64;
    }
    Ok(Some(crc))
}
