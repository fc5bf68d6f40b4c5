//! What readers see of a log: offsets, segments, positions.
//!
//! Owns reading. It never waits for the writer: offsets are atomics, the list of segments is swapped whole, and the
//! few recent positions lie behind a lock that nobody holds across a system call.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use platform::File;
use protocol::Uuid;
use records::{BatchHeader, HEADER_BYTES};

use crate::directory::Directory;
use crate::epoch_cache::{EpochCache, EpochEntry};
use crate::error::{ReadError, StorageError};
use crate::layout::LOG_SUFFIX;
use crate::mutant::mutant;
use crate::proof::LogProof;
use crate::segment::{Segment, SegmentFault, TimestampOffset};
use crate::wal::WalTicket;

mod damage;
mod positions;

pub(crate) use damage::{Missing, missing_until, remember_missing, remember_offline};
pub(crate) use positions::Positions;

/// Segments of a log, rising by base offset; never empty.
pub(crate) type SegmentList = Vec<Arc<Segment>>;

/// The readers' half of a log. Shared, cheap, and valid after the log is closed, then with its last content.
pub struct LogView {
    topic: Arc<str>,
    partition: i32,
    topic_id: OnceLock<Uuid>,
    /// The true id, if the one that was found had a rotten character.
    mended_topic_id: OnceLock<Uuid>,
    directory: Arc<Directory>,
    dir: Arc<Path>,
    is_future: bool,
    log_start_offset: AtomicI64,
    log_end_offset: AtomicI64,
    /// Everything before it is in flushed segments.
    recovery_point: AtomicI64,
    /// The recovery point that the checkpoint file on disk tells.
    checkpointed: AtomicI64,
    durable_end_offset: AtomicI64,
    /// Counts truncations; what the write-ahead log says of an earlier generation is void.
    generation: AtomicU32,
    /// Unlike that of any other view of the directory.
    number: u64,
    listener: Mutex<Option<Weak<dyn DurableEndListener>>>,
    high_watermark: AtomicI64,
    size_bytes: AtomicU64,
    deleted: AtomicBool,
    /// Compaction met something in it that it cannot read.
    uncleanable: AtomicBool,
    segments: ArcSwap<SegmentList>,
    positions: Mutex<Positions>,
    epochs: Mutex<EpochCache>,
    proof: Arc<LogProof>,
    in_service: OnceLock<()>,
    /// What was found damaged.
    damage: OnceLock<Box<str>>,
    /// Where it should end, if a part is missing.
    lacks_until: OnceLock<i64>,
}

/// Who wants to know that more of a log has become durable.
pub trait DurableEndListener: Send + Sync {
    /// [`LogView::durable_end_offset`] has moved, or the log's directory is lost. Called from where blocking is allowed, and
    /// never while the log's writer is at work inside this room.
    fn durable_end_moved(&self);
}

/// Whole batches in a segment file, ready to be sent from it.
#[derive(Clone)]
pub struct FetchSlice {
    /// The file; it stays readable even if the segment is deleted meanwhile.
    pub file: Arc<dyn File>,
    /// Where the first batch starts.
    pub position: u64,
    /// Bytes of the batches.
    pub len: usize,
    /// Where to read on: the offset after the last batch.
    pub next_offset: i64,
}

impl FetchSlice {
    /// Appends the bytes to `out`: for small answers, where a copy is cheaper than a call per slice.
    ///
    /// # Errors
    /// The disk's.
    pub fn read_into(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        out.resize(start + self.len, 0);
        let read = self.file.read_exact_at(&mut out[start..], self.position);
        if read.is_err() {
            out.truncate(start);
        }
        read
    }

    /// The bytes, in a buffer of their size.
    ///
    /// # Errors
    /// The disk's.
    pub fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        self.read_into(&mut out)?;
        Ok(out)
    }
}

impl std::fmt::Debug for FetchSlice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { position, len, next_offset, .. } = self;
        write!(f, "FetchSlice {{ position: {position}, len: {len}, next_offset: {next_offset} }}")
    }
}

/// What a view starts with.
pub(crate) struct ViewStart {
    pub(crate) topic: Arc<str>,
    pub(crate) partition: i32,
    pub(crate) topic_id: Option<Uuid>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) dir: Arc<Path>,
    pub(crate) is_future: bool,
    pub(crate) log_start_offset: i64,
    pub(crate) log_end_offset: i64,
    pub(crate) durable_end_offset: i64,
    /// The recovery point in the checkpoint file.
    pub(crate) checkpointed: i64,
    pub(crate) high_watermark: i64,
    pub(crate) segments: SegmentList,
    pub(crate) epochs: EpochCache,
    pub(crate) proof: Arc<LogProof>,
}

impl LogView {
    pub(crate) fn new(start: ViewStart) -> Self {
        let size_bytes = start.segments.iter().map(|segment| segment.size()).sum();
        let active = start.segments.last().expect("a log has at least one segment");
        let positions = Positions::new(active.place(), start.log_end_offset, active.size());
        let number = start.directory.next_view_number();
        let topic_id = OnceLock::new();
        if let Some(id) = start.topic_id {
            topic_id.set(id).expect("a new cell is empty");
        }
        Self {
            topic: start.topic,
            partition: start.partition,
            topic_id,
            mended_topic_id: OnceLock::new(),
            directory: start.directory,
            dir: start.dir,
            is_future: start.is_future,
            log_start_offset: AtomicI64::new(start.log_start_offset),
            log_end_offset: AtomicI64::new(start.log_end_offset),
            recovery_point: AtomicI64::new(start.durable_end_offset),
            checkpointed: AtomicI64::new(start.checkpointed),
            durable_end_offset: AtomicI64::new(start.durable_end_offset),
            generation: AtomicU32::new(0),
            number,
            listener: Mutex::new(None),
            high_watermark: AtomicI64::new(start.high_watermark),
            size_bytes: AtomicU64::new(size_bytes),
            deleted: AtomicBool::new(false),
            uncleanable: AtomicBool::new(false),
            segments: ArcSwap::from_pointee(start.segments),
            positions: Mutex::new(positions),
            epochs: Mutex::new(start.epochs),
            proof: start.proof,
            in_service: OnceLock::new(),
            damage: OnceLock::new(),
            lacks_until: OnceLock::new(),
        }
    }

    /// The topic's name.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The partition's index.
    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// The topic's id, unless `partition.metadata` is missing and nobody has assigned one since.
    pub fn topic_id(&self) -> Option<Uuid> {
        self.mended_topic_id.get().or_else(|| self.topic_id.get()).copied()
    }

    /// `topic-partition`.
    pub fn name(&self) -> String {
        crate::layout::log_dir_name(&self.topic, self.partition)
    }

    /// The directory of the log's files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The log directory it lies in.
    pub fn log_dir_path(&self) -> &Path {
        self.directory.path()
    }

    /// Whether it is a copy being made from another log directory, which is to replace the log there.
    pub fn is_future(&self) -> bool {
        self.is_future
    }

    /// The first offset that may be read.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start_offset.load(Ordering::Acquire)
    }

    /// The offset the next record gets.
    pub fn log_end_offset(&self) -> i64 {
        self.log_end_offset.load(Ordering::Acquire)
    }

    /// Everything before this offset is on stable storage, in flushed segments or in the write-ahead log. Never more than
    /// the log end.
    pub fn durable_end_offset(&self) -> i64 {
        self.durable_end_offset.load(Ordering::Acquire)
    }

    /// Everything before this offset is in flushed segments. Never more than the durable end.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point.load(Ordering::Acquire)
    }

    /// Sets who is told when the durable end has moved through the write-ahead log, or the directory is lost.
    pub fn set_listener(&self, listener: Weak<dyn DurableEndListener>) {
        *self.listener.lock() = Some(listener);
    }

    /// Work of the write-ahead log that may be started now. Whoever has appended asks.
    pub fn wal_ticket(&self) -> Option<WalTicket> {
        self.directory.wal().take_ticket(&self.directory)
    }

    /// Whether so much waits for the write-ahead log that who produces should wait too.
    pub fn is_wal_congested(&self) -> bool {
        self.directory.wal().is_congested()
    }

    pub(crate) fn checkpointed(&self) -> i64 {
        self.checkpointed.load(Ordering::Acquire)
    }

    /// Tells the listener.
    pub(crate) fn tell_listener(&self) {
        let listener = self.listener.lock().as_ref().and_then(Weak::upgrade);
        if let Some(listener) = listener {
            listener.durable_end_moved();
        }
    }

    /// Everything before this offset is committed, as `replication` says; consumers read no further.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark.load(Ordering::Acquire)
    }

    /// Everything before this offset is committed and of a decided transaction. While there are no transactions it is
    /// the high watermark.
    pub fn last_stable_offset(&self) -> i64 {
        self.high_watermark()
    }

    /// Sets the high watermark. It is kept between log start and log end.
    pub fn set_high_watermark(&self, offset: i64) {
        let offset = offset.min(self.log_end_offset()).max(self.log_start_offset());
        if self.high_watermark.swap(offset, Ordering::AcqRel) != offset {
            self.directory.note_activity();
        }
    }

    /// Bytes of all segments, without indexes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes.load(Ordering::Relaxed)
    }

    /// Number of segments.
    pub fn segments_count(&self) -> usize {
        self.segments.load().len()
    }

    /// Why the log is offline, if it is: its directory failed, or it was found damaged.
    pub fn offline_reason(&self) -> Option<&str> {
        self.directory.offline_reason().or_else(|| self.damage.get().map(AsRef::as_ref))
    }

    /// Whether the log directory went offline.
    pub fn is_directory_offline(&self) -> bool {
        self.directory.offline_reason().is_some()
    }

    /// Notes that compaction cannot read the log: it is not tried again until the next start.
    pub fn mark_uncleanable(&self) {
        self.uncleanable.store(true, Ordering::Release);
    }

    /// Whether compaction has given the log up.
    pub fn is_uncleanable(&self) -> bool {
        self.uncleanable.load(Ordering::Acquire)
    }

    // ---- epochs ----

    /// The largest leader epoch in the log.
    pub fn latest_epoch(&self) -> Option<EpochEntry> {
        self.epochs.lock().latest()
    }

    /// The leader epoch of the record at `offset`.
    pub fn epoch_of_offset(&self, offset: i64) -> Option<i32> {
        self.epochs.lock().epoch_for_offset(offset)
    }

    /// The largest epoch that is at most `epoch`, and where it ends; (-1, -1) when nothing is known of it (KIP-101).
    pub fn end_offset_for_epoch(&self, epoch: i32) -> (i32, i64) {
        let found = self.epochs.lock().end_offset_for(epoch, self.log_end_offset());
        found.map_or((-1, -1), |end| (end.epoch, end.end_offset))
    }

    // ---- reading ----

    /// Whole batches from the one that holds `offset` on, at most `max_bytes` and none that reaches `upper_bound` or
    /// beyond. They come from one segment, so less than asked may come though more is there. With `min_one` the first
    /// batch comes even if it alone exceeds `max_bytes`. `None` if there is nothing to give.
    ///
    /// The first batch may start before `offset`: Kafka's clients skip the records before.
    ///
    /// # Errors
    /// [`ReadError::OffsetOutOfRange`] outside log start and log end; [`ReadError::Storage`] if the disk fails or the
    /// bytes are not the batches they must be.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        upper_bound: i64,
        min_one: bool,
    ) -> Result<Option<FetchSlice>, ReadError> {
        self.check_sound()?;
        let (log_start_offset, log_end_offset) = (self.log_start_offset(), self.log_end_offset());
        if offset < log_start_offset || offset > log_end_offset {
            return Err(ReadError::OffsetOutOfRange { offset, log_start_offset, log_end_offset });
        }
        let upper_bound = upper_bound.min(log_end_offset);
        if offset >= upper_bound || (max_bytes == 0 && !min_one) {
            return Ok(None);
        }
        let segments = self.segments.load();
        // Retention may have taken segments away since the first look: what comes after them is not what was asked for.
        let log_start_offset = self.log_start_offset();
        if offset < log_start_offset {
            return Err(ReadError::OffsetOutOfRange { offset, log_start_offset, log_end_offset });
        }
        let first = segments.partition_point(|segment| segment.base_offset() <= offset).saturating_sub(1);
        for (number, segment) in segments.iter().enumerate().skip(first) {
            if segment.base_offset() >= upper_bound {
                break;
            }
            // A segment that ends before the bound may be read to its end, whatever that is.
            let next_base =
                segments.get(number + 1).map(|next| next.base_offset()).filter(|b| *b <= upper_bound);
            let wanted = Wanted { offset, max_bytes, upper_bound, next_base, min_one };
            let slice = self.read_segment(segment, &wanted);
            match slice.map_err(|fault| self.fault(segment, offset, fault))? {
                // What is left in this segment was removed by compaction: the next one goes on.
                Found::Nothing => {}
                Found::TooLarge => return Ok(None),
                Found::Slice(slice) => return Ok(Some(slice)),
            }
        }
        Ok(None)
    }

    fn read_segment(&self, segment: &Arc<Segment>, wanted: &Wanted) -> Result<Found, SegmentFault> {
        let (end, end_offset) = match wanted.next_base {
            Some(next_base) => (segment.size(), next_base),
            None => (self.position_of(segment, wanted.upper_bound)?, wanted.upper_bound),
        };
        let Some(position) = self.start_of(segment, wanted.offset)? else { return Ok(Found::Nothing) };
        if position >= end {
            return Ok(Found::Nothing);
        }
        let limit = position.saturating_add(wanted.max_bytes as u64);
        let (until, next_offset) = if limit >= end {
            (end, end_offset)
        } else {
            match segment.last_batch_end(&self.directory, position, limit)? {
                Some(found) => found,
                None if !wanted.min_one => return Ok(Found::TooLarge),
                None => segment.batch_end(&self.directory, position)?,
            }
        };
        segment.verify(&self.directory, position, until)?;
        self.positions.lock().note_read(segment.place(), next_offset, until);
        let file = segment.file(&self.directory, false)?;
        Ok(Found::Slice(FetchSlice { file, position, len: (until - position) as usize, next_offset }))
    }

    /// Where the first batch starts that holds `offset` or a later one.
    fn start_of(&self, segment: &Arc<Segment>, offset: i64) -> Result<Option<u64>, SegmentFault> {
        if offset <= segment.base_offset() {
            return Ok((segment.size() > 0).then_some(0));
        }
        if let Some(position) = self.positions.lock().find(segment.place(), offset) {
            return Ok(Some(position));
        }
        let found = segment.find(&self.directory, offset, segment.size())?;
        Ok(found.map(|batch| batch.position))
    }

    /// The end of the batches of a segment that lie wholly before `upper_bound`, which is at most the log end.
    fn position_of(&self, segment: &Arc<Segment>, upper_bound: i64) -> Result<u64, SegmentFault> {
        if let Some(position) = self.positions.lock().find(segment.place(), upper_bound) {
            return Ok(position);
        }
        let size = segment.size();
        let found = segment.find(&self.directory, upper_bound, size)?;
        let position = found.map_or(size, |batch| batch.position);
        self.positions.lock().note_read(segment.place(), upper_bound, position);
        Ok(position)
    }

    /// Whether the `len` bytes from where a reader of `offset` would begin are the batches before `next_offset`, as
    /// `is_expected` says of them. Whoever knows what should be there need not look for where batches end. The bytes are
    /// left in `scratch`.
    ///
    /// # Errors
    /// As [`LogView::read`].
    pub(crate) fn holds(
        &self,
        (offset, next_offset): (i64, i64),
        len: usize,
        scratch: &mut Vec<u8>,
        is_expected: impl FnOnce(&[u8]) -> bool,
    ) -> Result<bool, ReadError> {
        scratch.clear();
        let Some((segment, position)) = self.stretch((offset, len), false)? else { return Ok(false) };
        let fault = |error: io::Error| self.fault(&segment, offset, error.into());
        let file = segment.file(&self.directory, false).map_err(fault)?;
        FetchSlice { file, position, len, next_offset }.read_into(scratch).map_err(fault)?;
        if !is_expected(scratch) {
            return Ok(false);
        }
        self.note_held(&segment, position + len as u64, next_offset);
        Ok(true)
    }

    /// Whether the batch of these offsets lies where a reader of the first would begin, as far as its header tells: its
    /// checksum is in it, and this process found that the batch matches it. False also if it did not look yet.
    ///
    /// # Errors
    /// As [`LogView::read`].
    pub(crate) fn holds_header(
        &self,
        (offset, next_offset): (i64, i64),
        batch: &[u8],
    ) -> Result<bool, ReadError> {
        let Some((expected, _)) = batch.split_first_chunk::<HEADER_BYTES>() else { return Ok(false) };
        // Checksums of old formats cover less, and more than one batch has more than one header.
        let is_one = |header: BatchHeader| header.magic == 2 && header.size_bytes() == batch.len();
        if !BatchHeader::parse(expected).is_ok_and(is_one) {
            return Ok(false);
        }
        let Some((segment, position)) = self.stretch((offset, batch.len()), true)? else { return Ok(false) };
        let fault = |error: io::Error| self.fault(&segment, offset, error.into());
        let file = segment.file(&self.directory, false).map_err(fault)?;
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, position).map_err(fault)?;
        if header != *expected {
            return Ok(false);
        }
        self.note_held(&segment, position + batch.len() as u64, next_offset);
        Ok(true)
    }

    /// Where `len` bytes lie from where a reader of `offset` would begin, if there are as many; and if they were verified
    /// when the log was opened, if that is asked.
    fn stretch(
        &self,
        (offset, len): (i64, usize),
        is_verified: bool,
    ) -> Result<Option<(Arc<Segment>, u64)>, ReadError> {
        let segments = self.segments.load();
        let holder = segments.partition_point(|segment| segment.base_offset() <= offset).saturating_sub(1);
        let segment = &segments[holder];
        let position = self.start_of(segment, offset).map_err(|fault| self.fault(segment, offset, fault))?;
        let found = position.filter(|position| {
            position + len as u64 <= segment.size() && (!is_verified || segment.is_verified_from(*position))
        });
        Ok(found.map(|position| (Arc::clone(segment), position)))
    }

    /// The next reader will begin where what was found ends. The end of the log is known anyway, and most logs of a large
    /// node have not more than one batch to compare.
    fn note_held(&self, segment: &Segment, end: u64, next_offset: i64) {
        if next_offset < self.log_end_offset() {
            self.positions.lock().note_read(segment.place(), next_offset, end);
        }
    }

    /// Bytes of the batches from `offset` on, which is where one begins, or the log end.
    ///
    /// # Errors
    /// The disk's, or [`StorageError::Corrupt`].
    pub(crate) fn bytes_from(&self, offset: i64) -> Result<u64, StorageError> {
        self.with_segments(|segments| {
            let holder =
                segments.partition_point(|segment| segment.base_offset() <= offset).saturating_sub(1);
            let later: u64 = segments[holder + 1..].iter().map(|segment| segment.size()).sum();
            let segment = &segments[holder];
            let position = self
                .position_of(segment, offset)
                .map_err(|fault| self.storage_fault(segment, offset, fault))?;
            Ok(later + segment.size().saturating_sub(position))
        })
    }

    /// Verifies some more of what an earlier process wrote. Gives the bytes looked at; `None` once all is verified. Blocks.
    ///
    /// # Errors
    /// The disk's, or [`StorageError::Corrupt`].
    pub fn verify_some(&self) -> Result<Option<u64>, StorageError> {
        self.with_segments(|segments| {
            for segment in segments.iter().filter(|segment| !segment.is_verified()) {
                let fault = |fault| self.storage_fault(segment, segment.base_offset(), fault);
                if let Some(bytes) = segment.verify_some(&self.directory).map_err(fault)? {
                    return Ok(Some(bytes));
                }
            }
            Ok(None)
        })
    }

    /// Has all but the active segment verified again before it is used.
    pub fn verify_again(&self) {
        let segments = self.segments();
        self.proof.raise_proven_end(|| self.checkpointed());
        let flushed = self.checkpointed();
        for pair in segments.windows(2) {
            if pair[1].base_offset() <= flushed {
                pair[0].verify_again(&self.proof, pair[1].base_offset());
            }
        }
    }

    /// The first record at or after this time (ms), by offset; `None` if there is none. May read and decompress a batch.
    ///
    /// # Errors
    /// The disk's, or [`StorageError::Corrupt`].
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<TimestampOffset>, StorageError> {
        self.with_segments(|segments| self.find_timestamp(segments, timestamp))
    }

    fn find_timestamp(
        &self,
        segments: &SegmentList,
        timestamp: i64,
    ) -> Result<Option<TimestampOffset>, StorageError> {
        let log_start_offset = self.log_start_offset();
        for segment in segments.iter() {
            let fault = |fault| self.storage_fault(segment, segment.base_offset(), fault);
            if segment.max_timestamp(&self.directory).map_err(fault)?.timestamp < timestamp {
                continue;
            }
            let found =
                segment.find_timestamp(&self.directory, timestamp, log_start_offset).map_err(fault)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp of the log; `None` if no record has one (KIP-734).
    ///
    /// # Errors
    /// The disk's, or [`StorageError::Corrupt`].
    pub fn offset_of_max_timestamp(&self) -> Result<Option<TimestampOffset>, StorageError> {
        self.with_segments(|segments| self.find_max_timestamp(segments))
    }

    fn find_max_timestamp(&self, segments: &SegmentList) -> Result<Option<TimestampOffset>, StorageError> {
        let mut best: Option<(i64, &Arc<Segment>)> = None;
        for segment in segments.iter() {
            let fault = |fault| self.storage_fault(segment, segment.base_offset(), fault);
            let timestamp = segment.max_timestamp(&self.directory).map_err(fault)?.timestamp;
            if timestamp >= 0 && best.is_none_or(|(largest, _)| timestamp > largest) {
                best = Some((timestamp, segment));
            }
        }
        let Some((_, segment)) = best else { return Ok(None) };
        let fault = |fault| self.storage_fault(segment, segment.base_offset(), fault);
        segment.find_max_timestamp(&self.directory).map_err(fault)
    }

    /// Searches the segments; again if retention took one away under the search.
    fn with_segments<T>(
        &self,
        search: impl Fn(&SegmentList) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.check_sound()?;
        loop {
            let segments = self.segments();
            match search(&segments) {
                Err(error) if is_missing_file(&error) && !Arc::ptr_eq(&segments, &self.segments()) => {}
                result => return result,
            }
        }
    }

    fn fault(&self, segment: &Segment, offset: i64, fault: SegmentFault) -> ReadError {
        let error = self.storage_fault(segment, offset, fault);
        let (log_start_offset, log_end_offset) = (self.log_start_offset(), self.log_end_offset());
        if is_missing_file(&error) && offset < log_start_offset {
            return ReadError::OffsetOutOfRange { offset, log_start_offset, log_end_offset };
        }
        ReadError::Storage(error)
    }

    pub(crate) fn storage_fault(&self, segment: &Segment, offset: i64, fault: SegmentFault) -> StorageError {
        if self.is_deleted() {
            return StorageError::Unknown { log: self.name() };
        }
        match fault {
            SegmentFault::Io(error) => {
                self.directory.read_failed(&error);
                error.into()
            }
            SegmentFault::Bad { position, bad } => {
                self.judge_damage(segment, position, &bad);
                let path = segment.path(LOG_SUFFIX);
                StorageError::Corrupt { log: self.name(), offset, path, position, bad }
            }
        }
    }

    // ---- for the writer ----

    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub(crate) fn proof(&self) -> &Arc<LogProof> {
        &self.proof
    }

    pub(crate) fn shared_dir(&self) -> &Arc<Path> {
        &self.dir
    }

    pub(crate) fn assign_topic_id(&self, id: Uuid) -> Result<(), Uuid> {
        let found = *self.mended_topic_id.get().unwrap_or_else(|| self.topic_id.get_or_init(|| id));
        if found == id { Ok(()) } else { Err(found) }
    }

    /// Takes this id for the one that was found, which had a rotten character.
    pub(crate) fn mend_topic_id(&self, id: Uuid) {
        _ = self.mended_topic_id.set(id);
    }

    pub(crate) fn segments(&self) -> Arc<SegmentList> {
        self.segments.load_full()
    }

    pub(crate) fn set_segments(&self, segments: SegmentList) {
        self.segments.store(Arc::new(segments));
    }

    pub(crate) fn epochs(&self) -> &Mutex<EpochCache> {
        &self.epochs
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    pub(crate) fn mark_deleted(&self) {
        self.deleted.store(true, Ordering::Release);
    }

    /// Closes the files of a deleted log, so that their space is free once they are removed, whoever knows the log still.
    pub(crate) fn close_files(&self) {
        self.segments().iter().for_each(|segment| segment.close_file());
    }

    /// Publishes an append of `bytes` to the active segment: first where it ends, then that it is there.
    pub(crate) fn publish_append(&self, segment: &Segment, log_end_offset: i64, bytes: u64) {
        let size = segment.size() + bytes;
        segment.set_size(size);
        self.positions.lock().note_append(segment.place(), log_end_offset, size);
        self.size_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.log_end_offset.store(log_end_offset, Ordering::Release);
        if mutant!(DurableEndIsLogEnd) {
            self.durable_end_offset.fetch_max(log_end_offset, Ordering::AcqRel);
        }
    }

    /// Publishes a changed end after segments were cut, added or removed.
    pub(crate) fn publish_end(&self, active: &Segment, log_end_offset: i64) {
        *self.positions.lock() = Positions::new(active.place(), log_end_offset, active.size());
        self.log_end_offset.store(log_end_offset, Ordering::Release);
        let size = self.segments.load().iter().map(|segment| segment.size()).sum();
        self.size_bytes.store(size, Ordering::Relaxed);
    }

    pub(crate) fn set_log_start_offset(&self, offset: i64) {
        self.log_start_offset.store(offset, Ordering::Release);
    }

    /// Segments were flushed up to here.
    pub(crate) fn raise_recovery_point(&self, offset: i64) {
        self.recovery_point.fetch_max(offset, Ordering::AcqRel);
        self.durable_end_offset.fetch_max(offset, Ordering::AcqRel);
    }

    /// The log is cut to this offset.
    pub(crate) fn lower_durable_end(&self, offset: i64) {
        self.recovery_point.fetch_min(offset, Ordering::AcqRel);
        self.durable_end_offset.fetch_min(offset, Ordering::AcqRel);
        self.checkpointed.fetch_min(offset, Ordering::AcqRel);
        self.proof.void_above(offset);
    }

    /// The write-ahead log has everything before `offset`, as the log was in that generation. Whether the log is still in
    /// it, so that the listener has to look: a flush of the segments may have been faster, and has told nobody.
    pub(crate) fn raise_durable_end(&self, offset: i64, generation: u32) -> bool {
        let is_current = generation == self.generation();
        if is_current {
            self.durable_end_offset.fetch_max(offset, Ordering::AcqRel);
        }
        is_current
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn set_generation(&self, generation: u32) {
        self.generation.store(generation, Ordering::Release);
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The recovery point, which is about to be written to the checkpoint file.
    pub(crate) fn recovery_point_to_checkpoint(&self) -> i64 {
        let offset = self.recovery_point();
        self.proof.note_checkpointing(offset);
        offset
    }

    /// The checkpoint file on disk tells the recovery point that was to be written last.
    pub(crate) fn note_checkpointed(&self) {
        self.checkpointed.store(self.proof.note_checkpointed(), Ordering::Release);
    }

    /// Whether the next start needs nothing before `offset`, as the log was in that generation, from the write-ahead log.
    pub(crate) fn is_checkpointed(&self, offset: i64, generation: u32) -> bool {
        self.deleted.load(Ordering::Acquire)
            || self.checkpointed.load(Ordering::Acquire) >= offset
            || generation != self.generation()
    }
}

fn is_missing_file(error: &StorageError) -> bool {
    matches!(error, StorageError::Io(e) if e.kind() == io::ErrorKind::NotFound)
}

/// One read, as far as it concerns one segment.
struct Wanted {
    offset: i64,
    max_bytes: usize,
    upper_bound: i64,
    /// Base offset of the next segment, if that is not beyond the bound.
    next_base: Option<i64>,
    min_one: bool,
}

enum Found {
    Slice(FetchSlice),
    /// No batch of the segment is at or after the offset.
    Nothing,
    /// The first batch is longer than allowed.
    TooLarge,
}

impl std::fmt::Debug for LogView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (start, end) = (self.log_start_offset(), self.log_end_offset());
        write!(f, "LogView({}, {start}..{end})", self.name())
    }
}
