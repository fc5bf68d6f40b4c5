//! Reading the write-ahead log after a stop that was not clean.
//!
//! Owns which groups count. A group that a later one proves was durable, so if it cannot be read, something promised is
//! missing; the few at the end that nothing proves may have been torn by the stop, and nobody was promised them. Groups
//! are applied in their order to logs that were opened already: what a log lacks is appended, what differs is replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::{File, OpenMode};
use records::{BatchHeader, HEADER_BYTES};

use super::Wal;
use super::frame::{
    BLOCK_BYTES, FileHead, FileUse, FrameHead, FrameKind, GROUP_HEAD_BYTES, GroupHead, LogEnd, ReadGroup,
    decode_reference,
};
use super::group::End;
use crate::directory::Directory;
use crate::error::StorageError;
use crate::layout::CUT_SUFFIX;
use crate::log::UnifiedLog;
use crate::log_dir::{LogDir, LogDirConfig, LogKey};
use crate::mutant::mutant;

/// The largest group: what a head may claim.
const GROUP_BYTES_LIMIT: usize = 8 << 20;
/// Bytes read at a time.
const READ_BYTES: usize = 4 << 20;

/// Stands for the number of a group that needs no proof by a later one; groups are counted from 1.
const PROVEN_BY_ITSELF: u64 = 0;

/// What the write-ahead log gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalReplay {
    /// Groups read.
    pub groups: u64,
    /// Batches that were in their logs as they should be.
    pub confirmed_batches: u64,
    /// Batches that were written into their logs again.
    pub restored_batches: u64,
    /// Batches of logs that are gone.
    pub skipped_batches: u64,
    /// Groups that were durable and cannot be read.
    pub lost_groups: Vec<u64>,
}

/// The files of a write-ahead log that a start found.
pub(crate) struct FoundWal {
    files: Vec<FoundFile>,
    /// Files of nothing but zeros at their beginning: they were being made when the last run ended, and no group was ever
    /// in them.
    blank: Vec<PathBuf>,
    /// Files whose header cannot be read, or tells of another directory: they may hold what no segment has.
    foreign: Vec<PathBuf>,
}

struct FoundFile {
    path: PathBuf,
    head: FileHead,
    file: Arc<dyn File>,
    used: u64,
    ends: BTreeMap<u64, End>,
    first_group: Option<u64>,
}

impl FoundWal {
    /// Looks for files among these names.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn find<'a>(
        directory: &Directory,
        id: [u8; 16],
        names: impl Iterator<Item = &'a str>,
    ) -> Result<FoundWal, StorageError> {
        let mut found = FoundWal { files: Vec::new(), blank: Vec::new(), foreign: Vec::new() };
        for name in names {
            let path = directory.path().join(name);
            let file = directory.disk().open(&path, OpenMode::Direct)?;
            let mut block = super::ticket::Aligned::zeros(BLOCK_BYTES);
            // The last process may have ended because a write of it had failed.
            if !mutant!(PageCacheTrusted) {
                file.forget_cached()?;
            }
            let count = file.read_full_at(block.bytes_mut(), 0)?;
            match FileHead::decode(&block.bytes()[..count]).filter(|head| head.id == id) {
                Some(head) => found.files.push(FoundFile {
                    path,
                    head,
                    file,
                    used: BLOCK_BYTES as u64,
                    ends: BTreeMap::new(),
                    first_group: None,
                }),
                None if block.bytes()[..count].iter().all(|byte| *byte == 0) => found.blank.push(path),
                None => found.foreign.push(path),
            }
        }
        found.files.sort_by_key(|file| file.head.of_use.sequence);
        Ok(found)
    }

    /// Removes all files, unread.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn remove(self, directory: &Directory) -> Result<(), StorageError> {
        let others = self.blank.into_iter().chain(self.foreign);
        let paths: Vec<PathBuf> = self.files.into_iter().map(|file| file.path).chain(others).collect();
        for path in &paths {
            directory.disk().remove_file(path)?;
        }
        if !paths.is_empty() {
            directory.disk().sync_dir(directory.path())?;
        }
        Ok(())
    }
}

impl FoundWal {
    /// Bytes of the files that are to be read.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.head.size).sum()
    }

    /// Removes what was never used, and puts aside what cannot be read: nobody knows what was in it.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn set_aside_unreadable(&mut self, directory: &Directory) -> Result<(), StorageError> {
        for path in self.blank.drain(..) {
            directory.disk().remove_file(&path)?;
        }
        for path in self.foreign.drain(..) {
            let aside = put_aside(directory, &path)?;
            tracing::error!(
                path = %aside.display(),
                "a file of the write-ahead log has no readable header and is put aside: what only it held is missing"
            );
        }
        Ok(())
    }
}

fn put_aside(directory: &Directory, path: &Path) -> Result<PathBuf, StorageError> {
    let mut aside = path.to_path_buf().into_os_string();
    aside.push(CUT_SUFFIX);
    let aside = PathBuf::from(aside);
    directory.disk().rename(path, &aside)?;
    Ok(aside)
}

/// Applies groups to logs.
pub(crate) struct Replay<'a> {
    log_dir: &'a LogDir,
    now_ms: i64,
    ids: BTreeMap<([u8; 16], i32), LogKey>,
    /// Recovery points of logs that were damaged before the write-ahead log was read.
    offline: BTreeMap<([u8; 16], i32), i64>,
    /// Partitions of those whose topic id cannot be read: a frame of an unknown log may be of one of them.
    without_id: BTreeSet<i32>,
    /// Batches that those lack: they are nowhere else.
    held_back: u64,
    last_number: Option<u64>,
    /// A place where a group may have been could not be read.
    passed_unreadable: bool,
    proven: u64,
    needed_from: u64,
    /// Groups that are missing between two that are there, until a proof says whether they were durable.
    missing: BTreeSet<u64>,
    /// Where the logs of a missing group should end, by the table in the group after it.
    promised: Vec<(u64, LogEnd)>,
    /// Logs that lack something or hold it otherwise, and the group that says so: damaged, if the group was durable.
    suspects: Vec<(u64, LogKey, String)>,
    replay: WalReplay,
    scratch: Vec<u8>,
}

/// Replays what was found into the logs that `log_dir` has opened, and gives the write-ahead log that goes on from there.
/// Logs that lack what they were promised are put among the damaged.
///
/// # Errors
/// The disk's.
pub(crate) fn replay(
    log_dir: &LogDir,
    found: FoundWal,
    id: [u8; 16],
    config: &LogDirConfig,
    now_ms: i64,
) -> Result<(Wal, WalReplay), StorageError> {
    let mut replay = Replay {
        log_dir,
        now_ms,
        ids: log_dir.logs_by_id(),
        offline: log_dir.damaged_by_id(),
        without_id: log_dir.damaged_without_id(),
        held_back: 0,
        last_number: None,
        passed_unreadable: false,
        proven: 0,
        needed_from: 0,
        missing: BTreeSet::new(),
        promised: Vec::new(),
        suspects: Vec::new(),
        replay: WalReplay::default(),
        scratch: Vec::new(),
    };
    let FoundWal { mut files, .. } = found;
    let covered = covered_files(&files)?;
    for file in &mut files[covered..] {
        replay.read_file(file)?;
        config.progress.wal_read(file.head.size);
    }
    replay.missing = replay.missing.split_off(&replay.needed_from);
    let is_whole = replay.missing.is_empty() && replay.suspects.is_empty() && replay.held_back == 0;
    replay.judge_missing();
    if replay.held_back > 0 {
        tracing::error!(
            dir = %log_dir.path().display(), batches = replay.held_back,
            "the write-ahead log holds batches of logs that are damaged: its files are put aside"
        );
    }
    let wal = Wal::new(log_dir.path(), id, config.wal);
    if !is_whole {
        // The next run's groups would call those that are missing durable. So what there is goes into the segments now. And
        // what a damaged log lacks is nowhere else: the files are kept for whoever mends it.
        retire(log_dir, files)?;
        files = Vec::new();
    }
    {
        let mut state = wal.state.lock();
        let last = replay.last_number.unwrap_or(0);
        state.next_number = last + 1;
        state.durable_number = last;
        state.proven_number = replay.proven.min(last);
        for file in files {
            let ends = file.ends.into_values().collect();
            state.ring.adopt(file.path, &file.head, file.file, file.used, ends, file.first_group);
        }
    }
    Ok((wal, replay.replay))
}

/// How many of the files, from the oldest on, hold nothing that is needed: a later file begins at a group before which, as a
/// group says, everything was in flushed segments. Those need not be read.
fn covered_files(files: &[FoundFile]) -> Result<usize, StorageError> {
    let mut firsts = Vec::with_capacity(files.len());
    for file in files {
        let mut reader = BlockReader::with_buffer(Arc::clone(&file.file), file.head.size, BLOCK_BYTES);
        let bytes = reader.group_at(BLOCK_BYTES as u64, file.head.of_use)?;
        firsts
            .push(bytes.and_then(|bytes| ReadGroup::decode(bytes, file.head.of_use)).map(|group| group.head));
    }
    let needed_from = firsts.iter().flatten().map(|head| head.needed_from).max().unwrap_or(0);
    let is_after = |first: &Option<GroupHead>| first.is_some_and(|head| head.number <= needed_from);
    Ok(firsts.iter().rposition(is_after).unwrap_or(0))
}

/// Flushes all logs, and puts the files aside.
fn retire(log_dir: &LogDir, files: Vec<FoundFile>) -> Result<(), StorageError> {
    log_dir.flush_loaded()?;
    log_dir.checkpoint()?;
    let directory = log_dir.directory();
    for file in files {
        put_aside(directory, &file.path)?;
    }
    directory.disk().sync_dir(directory.path())?;
    Ok(())
}

impl Replay<'_> {
    fn read_file(&mut self, file: &mut FoundFile) -> Result<(), StorageError> {
        // What a write left in the page cache of a file system without direct writes is durable from here on.
        file.file.sync_data()?;
        let mut reader = BlockReader::new(Arc::clone(&file.file), file.head.size);
        let mut position = BLOCK_BYTES as u64;
        while position + BLOCK_BYTES as u64 <= file.head.size {
            let bytes = reader.group_at(position, file.head.of_use)?;
            let group = bytes.and_then(|bytes| ReadGroup::decode(bytes, file.head.of_use));
            let fits = group.filter(|group| self.last_number.is_none_or(|last| group.head.number > last));
            let Some(group) = fits else {
                // Groups lie at any block: one that cannot be read says nothing of those behind it.
                position += BLOCK_BYTES as u64;
                self.passed_unreadable = true;
                continue;
            };
            position += group.block_bytes as u64;
            file.used = position;
            file.first_group.get_or_insert(group.head.number);
            self.note_group(&group);
            for (head, body) in group.frames() {
                self.apply(&head, body, &mut file.ends)?;
            }
        }
        Ok(())
    }

    fn note_group(&mut self, group: &ReadGroup<'_>) {
        let number = group.head.number;
        match self.last_number {
            Some(_) if mutant!(GapNotMissed) => {}
            Some(last) => {
                self.missing.extend(last + 1..number);
                if last + 1 < number {
                    self.promised.extend(group.previous_ends().map(|end| (number - 1, end)));
                }
            }
            // Those on their way together with the first group that can be read may be lost. Those before were durable,
            // and it was for their file to be used again that they are not there.
            None if self.passed_unreadable && !mutant!(FirstGroupNotMissed) => {
                self.missing.extend(group.head.needed_from.max(group.head.proven + 1)..number);
            }
            None => {}
        }
        self.proven = self.proven.max(group.head.proven);
        self.needed_from = self.needed_from.max(group.head.needed_from);
        self.last_number = Some(number);
        self.replay.groups += 1;
    }

    /// A missing group that a later one proves was durable: its logs must have what it held from elsewhere.
    fn judge_missing(&mut self) {
        let lost: Vec<u64> = self.missing.iter().copied().filter(|number| *number <= self.proven).collect();
        for (number, end) in std::mem::take(&mut self.promised) {
            if number > self.proven || number < self.needed_from {
                continue;
            }
            let Some(key) = self.ids.get(&(end.topic_id, end.partition)) else { continue };
            let view = self.log_dir.view(key);
            if view.is_some_and(|view| view.log_end_offset() < end.next_offset) {
                let reason = format!(
                    "group {number} of the write-ahead log was durable and cannot be read: \
                     the log should reach offset {}",
                    end.next_offset
                );
                self.log_dir.damage(key, reason);
            }
        }
        for (number, key, reason) in std::mem::take(&mut self.suspects) {
            if number <= self.proven {
                self.log_dir.damage(&key, reason);
            }
        }
        for number in &lost {
            tracing::error!(group = number, dir = %self.log_dir.path().display(), "a group of the write-ahead log was durable and cannot be read");
        }
        self.replay.lost_groups = lost;
    }

    fn note(&mut self, key: &LogKey, group: u64, log: &UnifiedLog, head: &FrameHead, applied: Applied) {
        match applied {
            Applied::Holds => {
                let view = log.view();
                view.raise_durable_end(head.next_offset, view.generation());
            }
            Applied::Passed | Applied::Differs => {}
            // What a reference relies on was flushed before its group was written: that it can be read is proof enough.
            Applied::Damage(reason) if head.kind == FrameKind::Reference => {
                self.suspects.push((PROVEN_BY_ITSELF, key.clone(), reason));
            }
            Applied::Damage(reason) => self.suspects.push((group, key.clone(), reason)),
        }
    }

    fn apply(
        &mut self,
        head: &FrameHead,
        body: &[u8],
        ends: &mut BTreeMap<u64, End>,
    ) -> Result<(), StorageError> {
        let Some(key) = self.ids.get(&(head.topic_id, head.partition)).cloned() else {
            let recovery_point = self.offline.get(&(head.topic_id, head.partition));
            let may_be_of_one = recovery_point.is_none() && self.without_id.contains(&head.partition);
            if may_be_of_one || recovery_point.is_some_and(|flushed| head.next_offset > *flushed) {
                self.held_back += 1;
            } else {
                self.replay.skipped_batches += 1;
            }
            return Ok(());
        };
        let Some(mut log) = self.log_dir.take_loaded(&key) else { return Ok(()) };
        let view = log.view();
        let is_current = head.generation == view.generation();
        let is_needed = head.next_offset > view.checkpointed() && head.next_offset > view.log_start_offset();
        if is_current && is_needed {
            // The file is needed until segments are flushed so far, whatever becomes of the frame.
            let (offset, generation) = (head.next_offset, view.generation());
            ends.insert(view.number(), End { view, generation, offset });
            let applied = self.put(&mut log, head, body)?;
            self.note(&key, self.last_number.unwrap_or(0), &log, head, applied);
        }
        self.log_dir.put_loaded(key, log);
        Ok(())
    }

    /// Takes a frame in if that needs no byte to be replaced.
    fn confirm(
        &mut self,
        log: &mut UnifiedLog,
        head: &FrameHead,
        body: &[u8],
    ) -> Result<Applied, StorageError> {
        let is_new = head.base_offset >= log.view().log_end_offset();
        if is_new && head.kind == FrameKind::Batch {
            return self.restore(log, head, body);
        }
        let holds = match head.kind {
            FrameKind::Reference => self.holds_reference(log, head, body)?,
            _ => self.holds(log, head, body)?,
        };
        if !holds {
            return Ok(Applied::Differs);
        }
        self.replay.confirmed_batches += 1;
        Ok(Applied::Holds)
    }

    /// Has the log hold a frame's batch, in place of what it holds there.
    fn put(&mut self, log: &mut UnifiedLog, head: &FrameHead, body: &[u8]) -> Result<Applied, StorageError> {
        match self.confirm(log, head, body)? {
            Applied::Differs if head.kind == FrameKind::Reference => Ok(Applied::Damage(format!(
                "the large batch at offset {} is not as it was flushed",
                head.base_offset
            ))),
            Applied::Differs => {
                let is_newer = BatchHeader::parse(body).is_ok_and(|header| self.is_newer(&header))
                    && !self.differs_in_epoch_only(body);
                if is_newer {
                    return Ok(Applied::Passed);
                }
                let log_start_offset = log.view().log_start_offset();
                log.clear_from(head.base_offset, self.log_dir, self.now_ms)?;
                let restored = self.restore(log, head, body);
                // What the user deleted stays so, even if it had to be written again for what follows it.
                let view = log.view();
                view.set_log_start_offset(log_start_offset.min(view.log_end_offset()));
                restored
            }
            applied => Ok(applied),
        }
    }

    /// Whether the log has exactly these bytes at these offsets.
    fn holds(&mut self, log: &UnifiedLog, head: &FrameHead, body: &[u8]) -> Result<bool, StorageError> {
        // What was read for another frame says nothing of this one.
        self.scratch.clear();
        if head.next_offset > log.view().log_end_offset() {
            return Ok(false);
        }
        self.read_batches(log, head, body.len())?;
        if head.base_offset < log.view().log_start_offset() {
            // Records at its beginning were deleted, perhaps whole batches.
            return Ok(!self.scratch.is_empty() && body.ends_with(&self.scratch));
        }
        Ok(self.scratch == body)
    }

    /// Reads `len` bytes of the log from the batch that starts at a frame's offset; nothing if there is none.
    fn read_batches(&mut self, log: &UnifiedLog, head: &FrameHead, len: usize) -> Result<(), StorageError> {
        self.scratch.clear();
        let view = log.view();
        let from = head.base_offset.max(view.log_start_offset());
        let slice = match view.read(from, len, head.next_offset, true) {
            Ok(slice) => slice,
            Err(crate::ReadError::OffsetOutOfRange { .. }) => None,
            // What cannot be read is not there.
            Err(crate::ReadError::Storage(StorageError::Corrupt { .. })) => None,
            Err(crate::ReadError::Storage(error)) => return Err(error),
        };
        match slice {
            Some(slice) => Ok(slice.read_into(&mut self.scratch)?),
            None => Ok(()),
        }
    }

    fn restore(
        &mut self,
        log: &mut UnifiedLog,
        head: &FrameHead,
        body: &[u8],
    ) -> Result<Applied, StorageError> {
        let view = log.view();
        if head.base_offset > view.log_end_offset() {
            return Ok(Applied::Damage(format!(
                "it ends at offset {}, and the write-ahead log goes on at {}",
                view.log_end_offset(),
                head.base_offset
            )));
        }
        match log.append_as_follower(body, i32::MAX, self.now_ms) {
            Ok(_) => {
                self.replay.restored_batches += 1;
                Ok(Applied::Holds)
            }
            Err(crate::AppendError::Storage(error)) => Err(error),
            Err(error) => Ok(Applied::Damage(format!(
                "the batch at offset {} cannot be restored from the write-ahead log: {error}",
                head.base_offset
            ))),
        }
    }

    /// Whether what [`Replay::read_batches`] read is of a later leader than a frame's batch: then the frame is history.
    fn is_newer(&self, frame: &BatchHeader) -> bool {
        let found = BatchHeader::parse(&self.scratch);
        found.is_ok_and(|found| {
            self.scratch.len() >= HEADER_BYTES && found.partition_leader_epoch > frame.partition_leader_epoch
        })
    }

    /// Whether what was read is the frame's batch with a rotten epoch: another program writes another batch.
    fn differs_in_epoch_only(&self, body: &[u8]) -> bool {
        const EPOCH: std::ops::Range<usize> = 12..16;
        self.scratch.len() == body.len()
            && self.scratch.get(..EPOCH.start) == body.get(..EPOCH.start)
            && self.scratch.get(EPOCH.end..) == body.get(EPOCH.end..)
    }

    fn holds_reference(
        &mut self,
        log: &UnifiedLog,
        head: &FrameHead,
        body: &[u8],
    ) -> Result<bool, StorageError> {
        let Some((len, crc)) = decode_reference(body) else { return Ok(false) };
        if head.next_offset > log.view().log_end_offset() {
            return Ok(false);
        }
        self.read_batches(log, head, len)?;
        Ok(self.scratch.len() == len && crc32c::crc32c(&self.scratch) == crc)
    }
}

enum Applied {
    /// The log has the batch.
    Holds,
    /// The frame says nothing that matters any more.
    Passed,
    /// The log holds something else there.
    Differs,
    Damage(String),
}

/// Reads a file in large steps.
pub(crate) struct BlockReader {
    file: Arc<dyn File>,
    size: u64,
    buffer: super::ticket::Aligned,
    at: u64,
    filled: usize,
}

impl BlockReader {
    pub(crate) fn new(file: Arc<dyn File>, size: u64) -> Self {
        Self::with_buffer(file, size, READ_BYTES)
    }

    /// Reads so much at a time, or more for a large group.
    fn with_buffer(file: Arc<dyn File>, size: u64, read_bytes: usize) -> Self {
        let buffer = super::ticket::Aligned::zeros(read_bytes.min(size as usize).max(BLOCK_BYTES));
        Self { file, size, buffer, at: 0, filled: 0 }
    }

    /// The bytes of what may be a group at this position; `None` if there is none.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn group_at(&mut self, position: u64, of_use: FileUse) -> Result<Option<&[u8]>, StorageError> {
        let head = self.bytes_at(position, GROUP_HEAD_BYTES)?;
        let Some(len) = head.and_then(|head| ReadGroup::claimed_bytes(head, of_use)) else {
            return Ok(None);
        };
        if len > GROUP_BYTES_LIMIT || position + len as u64 > self.size {
            return Ok(None);
        }
        self.bytes_at(position, len)
    }

    fn bytes_at(&mut self, position: u64, len: usize) -> Result<Option<&[u8]>, StorageError> {
        let is_there = position >= self.at && position + len as u64 <= self.at + self.filled as u64;
        if !is_there {
            let wanted = len.next_multiple_of(BLOCK_BYTES);
            if wanted > self.buffer.bytes().len() {
                self.buffer = super::ticket::Aligned::zeros(wanted);
            }
            self.at = position;
            self.filled = self.file.read_full_at(self.buffer.bytes_mut(), position)?;
        }
        let from = (position - self.at) as usize;
        Ok(self.buffer.bytes()[..self.filled].get(from..from + len))
    }
}
