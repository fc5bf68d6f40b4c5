//! Bringing the producer state back.
//!
//! Owns the choice of a snapshot and the replay of what came after it.

use platform::{File, OpenMode};
use records::BatchHeader;

use super::{Loader, remove_if_there};
use crate::error::StorageError;
use crate::layout::{SNAPSHOT_SUFFIX, segment_path};
use crate::mutant::mutant;
use crate::producer_state::{ProducerState, end_txn_marker, snapshot};
use crate::proof::ProofKind;
use crate::scan::FoundBatch;
use crate::segment::SegmentFault;
use crate::view::LogView;

impl Loader<'_, '_> {
    /// Loads the newest usable snapshot at or before `trusted` and gives its offset. An unusable one is removed.
    pub(super) fn load_snapshot(&mut self, trusted: i64) -> Result<Option<i64>, StorageError> {
        let trusted = if mutant!(SnapshotBeyondEndTrusted) { i64::MAX } else { trusted };
        let usable = self.files.snapshots.partition_point(|offset| *offset <= trusted);
        for number in (0..usable).rev() {
            let offset = self.files.snapshots[number];
            let path = segment_path(&self.dir, offset, SNAPSHOT_SUFFIX);
            match snapshot::decode(&self.disk().read(&path)?, self.request.now_ms) {
                Ok(state) => {
                    self.producers = state;
                    return Ok(Some(offset));
                }
                Err(reason) => {
                    self.report.note_rebuilt(path.clone(), reason);
                    super::files::remove_if_there(self.disk(), &path)?;
                    self.files.snapshots.remove(number);
                }
            }
        }
        Ok(None)
    }

    /// The first offset from `from` on whose batch may have a producer: what the proof calls free of them need not be read.
    pub(super) fn skip_without_producers(&self, bases: &[i64], from: i64) -> Result<i64, StorageError> {
        let holder = bases.partition_point(|base| *base <= from).checked_sub(1);
        let Some(base) = holder.map(|number| bases[number]).filter(|_| !self.is_clean && self.is_ours())
        else {
            return Ok(from);
        };
        let entries = self.proof.read(self.disk(), &self.dir, base)?;
        if entries.iter().any(|entry| entry.content != 0 || entry.kind == ProofKind::Swap) {
            return Ok(from);
        }
        let (mut covered_to, mut offset) = (0, from);
        for run in entries.iter().filter(|entry| entry.kind == ProofKind::Run) {
            let has_news = run.end_offset > offset;
            if run.from > covered_to || has_news && !run.without_producers {
                break;
            }
            offset = offset.max(run.end_offset);
            covered_to = covered_to.max(run.to);
        }
        Ok(offset)
    }

    /// Writes the snapshot at the beginning of a segment anew: the one that is there may be torn, or of a branch that was
    /// cut, and once the segments before are gone nothing else tells of their producers. It is flushed with the segments.
    pub(super) fn renew_snapshot(&mut self, base: i64) -> Result<(), StorageError> {
        let file = self.disk().open(&segment_path(&self.dir, base, SNAPSHOT_SUFFIX), OpenMode::Create)?;
        file.set_len(0)?;
        file.write_at(&snapshot::encode(&self.producers), 0)?;
        self.renewed.push(base);
        if let Err(place) = self.files.snapshots.binary_search(&base) {
            self.files.snapshots.insert(place, base);
        }
        Ok(())
    }

    /// Other snapshots beyond what was flushed may be torn, or of a branch that was cut.
    pub(super) fn drop_untrusted_snapshots(&mut self, trusted: i64) -> Result<(), StorageError> {
        let all = std::mem::take(&mut self.files.snapshots);
        let (kept, gone) = all.into_iter().partition(|o| *o <= trusted || self.renewed.contains(o));
        self.files.snapshots = kept;
        self.remove_snapshots(&gone)
    }

    /// Snapshots before the start of the log came back after a loss of power: what their producers wrote since is gone, so
    /// that what they say of them is not the last.
    pub(super) fn drop_snapshots_before(&mut self, start: i64) -> Result<(), StorageError> {
        let gone = self.files.snapshots.partition_point(|offset| *offset < start);
        let gone: Vec<i64> = self.files.snapshots.drain(..gone).collect();
        self.remove_snapshots(&gone)
    }

    /// Snapshots beyond the end of the log speak of batches that are gone.
    pub(super) fn drop_snapshots_beyond(&mut self, end_offset: i64) -> Result<(), StorageError> {
        let kept = self.files.snapshots.partition_point(|offset| *offset <= end_offset);
        let gone = self.files.snapshots.split_off(kept);
        self.remove_snapshots(&gone)
    }

    /// One that stayed would be taken for true by a later start, when the log has come so far again.
    fn remove_snapshots(&self, gone: &[i64]) -> Result<(), StorageError> {
        for offset in gone {
            remove_if_there(self.disk(), &segment_path(&self.dir, *offset, SNAPSHOT_SUFFIX))?;
        }
        Ok(())
    }
}

/// The producer state at the end of a log: from its newest usable snapshot on.
pub(crate) fn replay_producers(
    view: &LogView,
    snapshots: &[i64],
    now_ms: i64,
) -> Result<ProducerState, StorageError> {
    let directory = view.directory();
    let mut state = ProducerState::default();
    let mut from = view.segments()[0].base_offset();
    for offset in snapshots.iter().rev() {
        let bytes = directory.disk().read(&segment_path(view.dir(), *offset, SNAPSHOT_SUFFIX));
        // After a truncation the producers would be those of the branch that is gone.
        let bytes = bytes.inspect_err(|error| directory.read_failed(error))?;
        if let Ok(loaded) = snapshot::decode(&bytes, now_ms) {
            (state, from) = (loaded, *offset);
            break;
        }
    }
    let segments = view.segments();
    for (number, segment) in segments.iter().enumerate() {
        if segments.get(number + 1).is_some_and(|next| next.base_offset() <= from) {
            continue;
        }
        let fault = |fault| view.storage_fault(segment, from, fault);
        let size = segment.size();
        let start = segment.find(directory, from, size).map_err(fault)?.map_or(size, |batch| batch.position);
        let replay = |batch: &FoundBatch| {
            let file = segment.file(directory, false)?;
            let marker = read_marker(file.as_ref(), batch)?;
            state.update(&batch.header, marker, now_ms);
            Ok::<_, SegmentFault>(true)
        };
        segment.for_each_batch(directory, start, size, replay).map_err(fault)?;
    }
    Ok(state)
}

/// The transaction marker in a batch, if it is one: the only batches whose bytes a replay has to read.
pub(super) fn read_marker(
    file: &dyn File,
    batch: &FoundBatch,
) -> std::io::Result<Option<protocol::EndTxnMarker>> {
    if !is_marker(&batch.header) {
        return Ok(None);
    }
    let mut bytes = vec![0; batch.header.size_bytes()];
    file.read_exact_at(&mut bytes, batch.position)?;
    Ok(end_txn_marker(&batch.header, &bytes))
}

fn is_marker(header: &BatchHeader) -> bool {
    header.is_control() && header.has_producer_id()
}
