//! Opening a log that is on disk, after a clean stop or not.
//!
//! Owns recovery. After a clean stop only the end of the last segment is looked at. After any other, everything from the
//! recovery point on is checked batch by batch; the log is cut at the first batch that is not whole, and what is cut is
//! reported and, unless it is a mere torn end, kept aside. Below the recovery point nothing is ever cut: if something is
//! missing there, the log is damaged and stays as it is, offline.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::OpenMode;
use protocol::Uuid;
use records::HEADER_BYTES;

use crate::checkpoint_file::decode_epochs;
use crate::directory::Directory;
use crate::epoch_cache::EpochCache;
use crate::error::StorageError;
use crate::layout::{
    CUT_SUFFIX, GENERATION, INDEX_SUFFIX, LEADER_EPOCH_CHECKPOINT, LOG_SUFFIX, PARTITION_METADATA,
    SEGMENT_SUFFIXES, TIME_INDEX_SUFFIX, log_dir_name, segment_path,
};
use crate::log::{LoadedLog, UnifiedLog};
use crate::log_config::LogConfig;
use crate::marker_files::{decode_generation, decode_partition_metadata, is_torn_partition_metadata};
use crate::mutant::mutant;
use crate::producer_state::ProducerState;
use crate::proof::{Ledger, LogProof, PROOF_FILE, ProofEntry, ProofIdentity, ProofKind, proof_entries};
use crate::recovery_report::{Cut, RecoveryReport};
use crate::scan::{BadBatch, BatchScan, FoundBatch, LARGE_WINDOW_BYTES, Step};
use crate::segment::{LargestTimestamp, MaxTimestamp, Segment, SegmentFault, SegmentIndexes, digest};
use crate::tail_copy::{TailCopy, marked_to, mend_tail};
use crate::view::{LogView, ViewStart};

mod files;
mod producers;
mod segment_scan;
mod swaps;

use files::LogFiles;
pub(crate) use files::remove_if_there;
pub(crate) use producers::replay_producers;
use segment_scan::scan_segment;

/// What is known of a log before it is opened.
#[derive(Clone)]
pub(crate) struct LoadRequest<'a> {
    pub(crate) directory: &'a Arc<Directory>,
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    /// Name of the log's own directory.
    pub(crate) dir_name: &'a str,
    /// Whether the log is a copy being made from another log directory.
    pub(crate) is_future: bool,
    pub(crate) config: Arc<LogConfig>,
    /// Whether the directory was closed cleanly.
    pub(crate) clean: bool,
    /// The offset below which everything was durable, 0 if unknown.
    pub(crate) recovery_point: i64,
    /// The checkpointed log start.
    pub(crate) log_start_offset: Option<i64>,
    /// The checkpointed high watermark.
    pub(crate) high_watermark: Option<i64>,
    pub(crate) now_ms: i64,
}

/// Opens a log. `window` is scratch memory for scans.
///
/// # Errors
/// [`StorageError::Damaged`] if the log has to stay offline; anything else is the disk's.
pub(crate) fn load(
    request: &LoadRequest<'_>,
    window: &mut Vec<u8>,
    report: &mut RecoveryReport,
) -> Result<UnifiedLog, StorageError> {
    let dir = request.directory.path().join(request.dir_name);
    let files = LogFiles::collect(request.directory.disk().as_ref(), &dir, request.dir_name, report)?;
    let is_clean = request.clean && !files.has_damage;
    // Where a full disk had no place for the recovery point, a mark stands for it.
    let marked = if is_clean { 0 } else { marked(request, &dir, &files)? };
    let request = &LoadRequest { recovery_point: request.recovery_point.max(marked), ..request.clone() };
    let mut loader = Loader {
        request,
        dir: Arc::from(dir),
        is_clean,
        files,
        epochs: EpochCache::default(),
        producers: ProducerState::default(),
        segments: Vec::new(),
        end: End::default(),
        renewed: Vec::new(),
        proof: Arc::new(LogProof::new(ProofIdentity::default(), 0, 0, true)),
        ledger: None,
        tail: None,
        promised: request.recovery_point,
        report,
    };
    let topic_id = loader.read_topic_id()?;
    loader.open_proof(topic_id)?;
    let generation = loader.read_generation()?;
    loader.mend_tail(generation)?;
    loader.load_segments(window)?;
    loader.finish(topic_id, generation)
}

fn marked(request: &LoadRequest<'_>, dir: &Path, files: &LogFiles) -> Result<i64, StorageError> {
    if !files.has_tail {
        return Ok(0);
    }
    let disk = request.directory.disk().as_ref();
    let generation =
        if files.has_generation { decode_generation(&disk.read(&dir.join(GENERATION))?) } else { Some(0) };
    Ok(match generation {
        Some(generation) => marked_to(disk, dir, generation)?,
        None => 0,
    })
}

struct Loader<'a, 'r> {
    request: &'a LoadRequest<'a>,
    dir: Arc<Path>,
    files: LogFiles,
    /// Whether the log was closed cleanly: one that was known to be damaged was not, whatever the directory was.
    is_clean: bool,
    epochs: EpochCache,
    producers: ProducerState,
    segments: Vec<Arc<Segment>>,
    end: End,
    /// Snapshots written in this start.
    renewed: Vec<i64>,
    proof: Arc<LogProof>,
    /// Of the batches that are checked here.
    ledger: Option<Box<Ledger>>,
    /// The second copy of the log's end.
    tail: Option<Box<TailCopy>>,
    /// Everything below was flushed, by the recovery point on disk or by what a copy says.
    promised: i64,
    report: &'r mut RecoveryReport,
}

/// Where the log ends.
#[derive(Default)]
struct End {
    offset: i64,
    bytes_since_index: u64,
    first_timestamp: Option<i64>,
    unflushed_bytes: u64,
    epochs_changed: bool,
}

impl Loader<'_, '_> {
    fn disk(&self) -> &dyn platform::Disk {
        self.request.directory.disk().as_ref()
    }

    fn name(&self) -> String {
        log_dir_name(self.request.topic, self.request.partition)
    }

    fn damaged(&self, reason: String) -> StorageError {
        StorageError::Damaged { log: self.name(), reason }
    }

    /// Whether this log was written by us, and by nobody else since.
    fn is_ours(&self) -> bool {
        self.files.proof_bytes.is_some()
    }

    fn open_proof(&mut self, topic_id: Option<Uuid>) -> Result<(), StorageError> {
        let topic_id = topic_id.map_or([0; 16], |id| id.0);
        let identity = ProofIdentity { topic_id, partition: self.request.partition };
        let bytes = self.files.proof_bytes.unwrap_or(0);
        let recovery_point = self.request.recovery_point;
        let may_be_stale = bytes > 0 && !self.is_clean && {
            let found = self.disk().read(&self.dir.join(PROOF_FILE))?;
            proof_entries(&found, i64::MAX).any(|entry| entry.end_offset > recovery_point)
        };
        self.proof = Arc::new(LogProof::new(identity, bytes, recovery_point, !may_be_stale));
        Ok(())
    }

    /// A batch beyond the recovery point was found to be right.
    fn note_proof(&mut self, base: i64, batch: &FoundBatch) {
        let ledger = self.ledger.get_or_insert_with(|| Box::new(Ledger::start(base, batch.position)));
        if ledger.place().0 != base {
            ledger.seal();
            ledger.go_on(base, batch.position);
        }
        ledger.note(&batch.header);
    }

    fn read_generation(&self) -> Result<u32, StorageError> {
        if !self.files.has_generation {
            return Ok(0);
        }
        let bytes = self.disk().read(&self.dir.join(GENERATION))?;
        decode_generation(&bytes).ok_or_else(|| self.damaged(format!("its file {GENERATION} is not whole")))
    }

    /// Has the end of the log be as its second copy says.
    fn mend_tail(&mut self, generation: u32) -> Result<(), StorageError> {
        if !self.files.has_tail {
            return Ok(());
        }
        // After a clean stop nothing in it is needed, and others may have gone on since.
        let known_to = if self.is_clean { i64::MAX } else { self.request.recovery_point };
        let disk = Arc::clone(self.request.directory.disk());
        let path = |base| segment_path(&self.dir, base, LOG_SUFFIX);
        let size = |base| self.files.logs.get(&base).copied();
        let found = mend_tail(disk.as_ref(), &self.dir, (known_to, generation), size, path)?;
        let Some(found) = found else { return Ok(()) };
        for (base, len) in &found.mended {
            self.files.logs.insert(*base, *len);
            let path = segment_path(&self.dir, *base, LOG_SUFFIX);
            self.report
                .note_rebuilt(path, "its end was not as it had been flushed: restored from the second copy");
        }
        if !self.is_clean {
            self.promised = self.promised.max(found.promised);
        }
        self.tail = Some(Box::new(found.into_writer()));
        Ok(())
    }

    fn read_topic_id(&mut self) -> Result<Option<Uuid>, StorageError> {
        if !self.files.has_partition_metadata {
            return Ok(None);
        }
        let path = self.dir.join(PARTITION_METADATA);
        let bytes = self.disk().read(&path)?;
        match decode_partition_metadata(&bytes) {
            Ok(id) => Ok(Some(id)),
            Err(reason) => {
                // The metadata log knows the id.
                tracing::warn!(path = %path.display(), %reason, "the topic id is unknown until metadata tells it");
                if self.request.recovery_point == 0 && is_torn_partition_metadata(&bytes) {
                    self.disown_segments(path)?;
                }
                Ok(None)
            }
        }
    }

    /// The topic id is written before the first batch and flushed with it. So where it is torn, nothing of the log was
    /// flushed, and what is there may belong to a deleted topic of the same name.
    fn disown_segments(&mut self, torn: PathBuf) -> Result<(), StorageError> {
        let bases: Vec<i64> = self.files.logs.keys().copied().collect();
        for base in &bases {
            self.put_aside(*base)?;
            self.files.logs.remove(base);
        }
        if !bases.is_empty() {
            self.disk().sync_dir(&self.dir)?;
            self.report.note_rebuilt(torn, "it was torn: nothing of the log had been flushed");
        }
        Ok(())
    }

    /// Reads the epoch checkpoint. Whether the epochs have to be found in the log instead, which starts at `first`.
    fn read_epochs(&mut self, first: i64) -> Result<bool, StorageError> {
        let path = self.dir.join(LEADER_EPOCH_CHECKPOINT);
        if !self.files.has_epochs {
            return Ok(true);
        }
        match decode_epochs(&self.disk().read(&path)?) {
            Ok(pairs) => {
                // The file may tell of a log start, or of a truncation before it, that was forgotten in a crash.
                let start = self.request.log_start_offset.unwrap_or(first).max(first);
                let starts_late = pairs.first().is_none_or(|(_, start_offset)| *start_offset > start);
                let is_late = starts_late && self.first_batch_has_epoch(first)?;
                self.epochs = pairs.into_iter().collect();
                if !self.is_clean {
                    // Entries beyond may speak of batches that never reached the disk.
                    self.end.epochs_changed = self.epochs.truncate_from_end(self.request.recovery_point);
                }
                Ok(is_late)
            }
            Err(error) => {
                self.report.note_rebuilt(path, error.to_string());
                Ok(true)
            }
        }
    }

    fn first_batch_has_epoch(&self, base: i64) -> Result<bool, StorageError> {
        let file = self.disk().open(&segment_path(&self.dir, base, LOG_SUFFIX), OpenMode::Read)?;
        let mut window = [0; HEADER_BYTES];
        let step = BatchScan::new(file.as_ref(), &mut window, 0, self.files.logs[&base]).step()?;
        Ok(matches!(step, Step::Batch(batch) if batch.header.partition_leader_epoch >= 0))
    }

    fn load_segments(&mut self, window: &mut Vec<u8>) -> Result<(), StorageError> {
        let bases: Vec<i64> = self.files.logs.keys().copied().collect();
        let Some(first) = bases.first().copied() else { return self.start_empty() };
        let epochs_are_lost = self.read_epochs(first)?;
        if epochs_are_lost {
            self.end.epochs_changed |= self.epochs.clear();
        }
        // After a clean stop nothing needs its checksum computed.
        let trusted = if self.is_clean { i64::MAX } else { self.request.recovery_point };
        // A snapshot beyond may be of a branch that was cut; but the one a log starts with was flushed before the batches
        // it stands for went.
        self.drop_snapshots_before(first)?;
        let producers_from = self.load_snapshot(trusted.max(first))?.unwrap_or(first);
        let producers_from = self.skip_without_producers(&bases, producers_from)?;
        let scan_from = if epochs_are_lost { first } else { producers_from.min(trusted) };
        self.end.offset = first;
        for (number, base) in bases.iter().copied().enumerate() {
            let next = bases.get(number + 1).copied();
            // One that ends where the last flush did may have been closed after it.
            let is_closed = |next: i64| next <= scan_from && (self.is_clean || next < trusted);
            if next.is_some_and(is_closed) && self.take_sealed(base) {
                continue;
            }
            if base >= trusted && base > producers_from.max(first) {
                self.renew_snapshot(base)?;
            }
            let plan = ScanPlan { base, next, scan_from, trusted, producers_from };
            if self.scan(&plan, window)? {
                break;
            }
        }
        self.check_recovery_point()
    }

    /// A log without a segment: one that was never appended to, or whose files are gone.
    fn start_empty(&mut self) -> Result<(), StorageError> {
        let start = self.request.log_start_offset.unwrap_or(0);
        if self.promised > start {
            let reason = format!(
                "it has no segment, and everything from {start} to {} had been flushed",
                self.promised
            );
            return Err(self.damaged(reason));
        }
        if start > 0 {
            self.begin_at(start)?;
        }
        self.push_empty(start);
        Ok(())
    }

    /// Makes the file of an empty segment: nothing but its name tells of offsets before it.
    fn begin_at(&self, base: i64) -> Result<(), StorageError> {
        let segment = Segment::empty(Arc::clone(&self.dir), base, self.request.now_ms);
        self.disk().open(&segment.path(LOG_SUFFIX), OpenMode::Create)?;
        Ok(self.disk().sync_dir(&self.dir)?)
    }

    fn push_empty(&mut self, base: i64) {
        self.end = End { offset: base, epochs_changed: self.end.epochs_changed, ..End::default() };
        self.segments.push(Arc::new(Segment::empty(Arc::clone(&self.dir), base, self.request.now_ms)));
    }

    /// Takes a sealed segment as it is, without reading it, if both its indexes are there.
    fn take_sealed(&mut self, base: i64) -> bool {
        let sizes = (self.files.indexes.get(&base).copied(), self.files.time_indexes.get(&base).copied());
        let (Some(offsets), Some(times)) = sizes else { return false };
        if offsets % 8 != 0 || times % 12 != 0 {
            return false;
        }
        let size = self.files.logs[&base];
        let indexes = SegmentIndexes {
            offsets: crate::index::IndexTable::in_file(offsets),
            times: crate::index::IndexTable::in_file(times),
            largest: LargestTimestamp::unknown(base, size, true),
        };
        let segment = Segment::existing(Arc::clone(&self.dir), base, size, self.request.now_ms, indexes);
        let next = self.files.logs.range(base + 1..).next().map_or(i64::MAX, |(next, _)| *next);
        self.segments.push(Arc::new(segment.with_unverified(size, &self.proof, next)));
        true
    }

    /// Reads a segment as far as needed. Whether the log was cut in it.
    fn scan(&mut self, plan: &ScanPlan, window: &mut Vec<u8>) -> Result<bool, StorageError> {
        self.end.offset = self.end.offset.max(plan.base);
        // Memory for the window grows with what there is to read: most segments of an idle node are small.
        let len = self.files.logs[&plan.base].clamp(HEADER_BYTES as u64, LARGE_WINDOW_BYTES as u64) as usize;
        if window.len() < len {
            window.resize(len, 0);
        }
        let mut scanned = scan_segment(self, plan, window)?;
        if scanned.bad.is_none() {
            scanned.bad = self.hole_after(plan, scanned.end_offset);
        }
        self.report.scanned_bytes += scanned.checked_bytes;
        self.end.offset = scanned.end_offset;
        self.end.bytes_since_index = scanned.bytes_since_index;
        self.end.first_timestamp = scanned.first_timestamp;
        self.end.unflushed_bytes += scanned.checked_bytes;
        let is_cut = scanned.bad.is_some();
        let size = scanned.size;
        if let Some(bad) = scanned.bad {
            self.cut(plan.base, size, bad)?;
        }
        let indexes =
            SegmentIndexes { offsets: scanned.offsets, times: scanned.times, largest: scanned.largest };
        let segment = Segment::existing(Arc::clone(&self.dir), plan.base, size, self.request.now_ms, indexes);
        let unverified_end = scanned.checked_from.unwrap_or(size).min(size);
        let end_bound = if is_cut { self.end.offset } else { plan.next.unwrap_or(self.end.offset) };
        let segment = Arc::new(segment.with_unverified(unverified_end, &self.proof, end_bound));
        let is_sealed = plan.next.is_some() && !is_cut;
        if is_sealed {
            segment.close_time_index(self.resolve_max_timestamp(&segment)?);
        }
        segment.write_indexes(self.disk(), is_sealed)?;
        if is_sealed && plan.next.is_some_and(|next| next <= plan.trusted) {
            self.sync_indexes(&segment)?;
        }
        self.segments.push(segment);
        Ok(is_cut)
    }

    fn resolve_max_timestamp(&self, segment: &Arc<Segment>) -> Result<MaxTimestamp, StorageError> {
        segment.max_timestamp(self.request.directory).map_err(|fault| match fault {
            SegmentFault::Io(error) => error.into(),
            SegmentFault::Bad { position, bad } => {
                let path = segment.path(LOG_SUFFIX);
                self.damaged(format!("{bad} (file {}, position {position})", path.display()))
            }
        })
    }

    /// Pages reach the disk in any order, so the end of a segment may be lost though the next segment is there. Only
    /// compaction, which flushes what it writes, leaves such holes on purpose.
    fn hole_after(&self, plan: &ScanPlan, end_offset: i64) -> Option<BadBatch> {
        let next = plan.next.filter(|next| *next > end_offset && *next > plan.trusted)?;
        (!self.request.config.compact).then_some(BadBatch::Missing { from: end_offset, to: next })
    }

    /// The indexes of a flushed segment were flushed too, so new ones have to be.
    fn sync_indexes(&mut self, segment: &Segment) -> Result<(), StorageError> {
        for (suffix, known) in
            [(INDEX_SUFFIX, &self.files.indexes), (TIME_INDEX_SUFFIX, &self.files.time_indexes)]
        {
            let path = segment.path(suffix);
            self.disk().open(&path, OpenMode::ReadWrite)?.sync_data()?;
            if !known.contains_key(&segment.base_offset()) {
                self.report.note_rebuilt(path, "it was missing");
            }
        }
        Ok(())
    }

    /// Cuts the log after `size` bytes of a segment, at the offset where the log now ends.
    fn cut(&mut self, base: i64, size: u64, bad: BadBatch) -> Result<(), StorageError> {
        let flushed = self.promised;
        let from_offset = match bad {
            // A rotten offset before it may have the log end later than it does: what is found was flushed all the same.
            BadBatch::Offset { found, .. } if (0..flushed).contains(&found) && size > 0 => {
                if self.is_disproved(base, size - 1)? { found } else { self.end.offset }
            }
            _ => self.end.offset,
        };
        if (from_offset < flushed || self.is_clean) && !mutant!(CutBelowProvenEnd) {
            let path = segment_path(&self.dir, base, LOG_SUFFIX);
            let place = format!("at offset {from_offset} (file {}, position {size}) {bad}", path.display());
            let promise = match from_offset >= flushed {
                true => "the log was closed cleanly".to_owned(),
                false => format!("everything up to {flushed} had been flushed"),
            };
            return Err(self.damaged(format!("{place}, and {promise}")));
        }
        let later: Vec<(i64, u64)> =
            self.files.logs.range(base + 1..).map(|(base, len)| (*base, *len)).collect();
        let torn_end = later.is_empty() && matches!(bad, BadBatch::Torn { .. } | BadBatch::Zeros);
        let mut bytes = self.files.logs[&base] - size;
        let mut kept_in = Vec::new();
        if !torn_end && bytes > 0 {
            kept_in.push(self.keep_tail(base, size)?);
        }
        for (later_base, len) in &later {
            bytes += len;
            kept_in.push(self.put_aside(*later_base)?);
        }
        let file = self.disk().open(&segment_path(&self.dir, base, LOG_SUFFIX), OpenMode::ReadWrite)?;
        file.set_len(size)?;
        // Were the old bytes to come back after a crash, they could be taken for batches that follow what is appended
        // from now on.
        file.sync_data()?;
        if !kept_in.is_empty() {
            self.disk().sync_dir(&self.dir)?;
        }
        self.report.note_cut(Cut { log: self.name(), from_offset, bytes, reason: bad, kept_in });
        Ok(())
    }

    /// Copies the end of a segment's file to a file of its own.
    fn keep_tail(&self, base: i64, position: u64) -> Result<PathBuf, StorageError> {
        const COPY_BYTES: usize = 1 << 20;
        let from = self.disk().open(&segment_path(&self.dir, base, LOG_SUFFIX), OpenMode::Read)?;
        let path = segment_path(&self.dir, base, &format!("{LOG_SUFFIX}.{position:010}{CUT_SUFFIX}"));
        let to = self.disk().open(&path, OpenMode::Create)?;
        let mut buffer = vec![0; COPY_BYTES];
        let mut copied = 0;
        loop {
            let count = from.read_full_at(&mut buffer, position + copied)?;
            if count == 0 {
                break;
            }
            to.write_at(&buffer[..count], copied)?;
            copied += count as u64;
        }
        to.sync_data()?;
        Ok(path)
    }

    /// Renames a whole segment out of the log.
    fn put_aside(&mut self, base: i64) -> Result<PathBuf, StorageError> {
        let to = segment_path(&self.dir, base, &format!("{LOG_SUFFIX}{CUT_SUFFIX}"));
        self.disk().rename(&segment_path(&self.dir, base, LOG_SUFFIX), &to)?;
        for suffix in [INDEX_SUFFIX, TIME_INDEX_SUFFIX] {
            remove_if_there(self.disk(), &segment_path(&self.dir, base, suffix))?;
        }
        Ok(to)
    }

    fn check_recovery_point(&self) -> Result<(), StorageError> {
        let (end, flushed) = (self.end.offset, self.promised);
        // After a clean stop the two are the same, unless the recovery point was lost or another program stopped it.
        let last = self.segments.iter().rev().find(|segment| segment.size() > 0);
        let is_sound = match last.filter(|_| self.is_clean && end > flushed) {
            Some(last) => !self.is_disproved(last.base_offset(), last.size() - 1)?,
            None => end >= flushed,
        };
        if is_sound || mutant!(CutBelowProvenEnd) {
            return Ok(());
        }
        Err(self.damaged(format!("it ends at offset {end}, and everything up to {flushed} had been flushed")))
    }

    /// Whether the proof contradicts the bytes at this position of a segment's file.
    fn is_disproved(&self, base: i64, position: u64) -> Result<bool, StorageError> {
        if !self.is_ours() {
            return Ok(false);
        }
        let entries = self.proof.read(self.disk(), &self.dir, base)?;
        if entries.iter().any(|entry| entry.kind == ProofKind::Swap) {
            return Ok(false);
        }
        let covers = |e: &&ProofEntry| {
            e.kind == ProofKind::Run && u64::from(e.from) <= position && position < u64::from(e.to)
        };
        let file = self.disk().open(&segment_path(&self.dir, base, LOG_SUFFIX), OpenMode::Read)?;
        let mut is_covered = false;
        for run in entries.iter().filter(covers) {
            is_covered = true;
            if digest(file.as_ref(), run)? == Some(run.crc) {
                return Ok(false);
            }
        }
        Ok(is_covered)
    }

    /// Puts the parts together.
    fn finish(mut self, topic_id: Option<Uuid>, generation: u32) -> Result<UnifiedLog, StorageError> {
        if !self.is_clean && generation > 0 {
            // A truncation may have been broken off before its cut was flushed: what is seen now has to stay so.
            let last = self.segments.last().expect("there is at least one").path(LOG_SUFFIX);
            if self.disk().exists(&last) {
                // The flush may have failed: then the length counts as written and is not.
                let file = self.disk().open(&last, OpenMode::ReadWrite)?;
                file.set_len(file.len()?)?;
                file.sync_data()?;
            }
        }
        if !self.is_clean && self.files.has_cuts {
            // A cut may have been broken off before its new names were flushed: segments must not come back.
            self.disk().sync_dir(&self.dir)?;
        }
        let first = self.segments[0].base_offset();
        let log_start_offset = self.request.log_start_offset.map_or(first, |start| start.max(first));
        if log_start_offset > self.end.offset {
            self.restart_at(log_start_offset)?;
        }
        self.end.epochs_changed |= self.epochs.truncate_from_end(self.end.offset);
        self.end.epochs_changed |= self.epochs.truncate_from_start(log_start_offset);
        self.drop_snapshots_beyond(self.end.offset)?;
        if !self.is_clean {
            self.drop_untrusted_snapshots(self.request.recovery_point.max(first))?;
        }
        let end_offset = self.end.offset;
        let durable_end_offset = if self.is_clean { end_offset } else { self.request.recovery_point };
        let view = LogView::new(ViewStart {
            topic: Arc::from(self.request.topic),
            partition: self.request.partition,
            topic_id,
            directory: Arc::clone(self.request.directory),
            dir: self.dir,
            is_future: self.request.is_future,
            log_start_offset,
            log_end_offset: end_offset,
            durable_end_offset: durable_end_offset.min(end_offset),
            checkpointed: self.request.recovery_point.min(end_offset),
            high_watermark: self.request.high_watermark.unwrap_or(0).clamp(log_start_offset, end_offset),
            segments: self.segments,
            epochs: self.epochs,
            proof: self.proof,
        });
        view.set_generation(generation);
        if self.files.has_damage {
            view.settle_damage()?;
        }
        Ok(UnifiedLog::new(LoadedLog {
            view: Arc::new(view),
            config: Arc::clone(&self.request.config),
            producers: self.producers,
            snapshots: self.files.snapshots,
            bytes_since_index: self.end.bytes_since_index,
            first_timestamp: self.end.first_timestamp,
            unflushed_bytes: if self.is_clean { 0 } else { self.end.unflushed_bytes },
            // An empty log is closed without a flush.
            names_unsure: !self.is_clean || self.request.recovery_point == 0,
            epochs_changed: self.end.epochs_changed,
            ledger: self.ledger,
            tail: self.tail,
            now_ms: self.request.now_ms,
        }))
    }

    /// The log lost its unflushed end, and all that was left had been deleted by the user: it goes on where the log
    /// start is. Or that start rotted: so what is left is put aside, and not removed.
    fn restart_at(&mut self, log_start_offset: i64) -> Result<(), StorageError> {
        self.begin_at(log_start_offset)?;
        for gone in std::mem::take(&mut self.segments) {
            if gone.size() > 0 {
                self.put_aside(gone.base_offset())?;
            }
            for suffix in SEGMENT_SUFFIXES {
                remove_if_there(self.disk(), &gone.path(suffix))?;
            }
        }
        // From now on nothing but the new segment's name tells of the log start.
        self.disk().sync_dir(&self.dir)?;
        // The producers may have written more than is known now: as after any loss of their state, they may go on anywhere.
        self.producers.clear();
        self.drop_snapshots_beyond(-1)?;
        tracing::warn!(log = %self.name(), log_start_offset, "the log ended before its start: it goes on empty, and the segments it had are put aside");
        self.push_empty(log_start_offset);
        Ok(())
    }
}

/// What to do with one segment.
struct ScanPlan {
    base: i64,
    /// Base offset of the next segment.
    next: Option<i64>,
    /// The first offset that has to be looked at.
    scan_from: i64,
    /// The offset below which no checksum has to be computed.
    trusted: i64,
    /// The first offset whose batch the producer state lacks.
    producers_from: i64,
}
