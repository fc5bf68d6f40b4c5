//! Reading the write-ahead log after a stop that was not clean.
//!
//! Owns which groups count. A group that a later one proves was durable, so if it cannot be read, something promised is
//! missing; the few at the end that nothing proves may have been torn by the stop, and nobody was promised them. Groups
//! are applied in their order to logs that were opened already: what a log lacks is appended, what differs is replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::{Blocking, DirectBuffer, File, OpenMode};
use protocol::Uuid;
use records::{BatchHeader, HEADER_BYTES};

use super::Wal;
use super::block_reader::BlockReader;
use super::frame::{
    BLOCK_BYTES, FileHead, FrameHead, FrameKind, GroupHead, LogEnd, ReadGroup, decode_reference,
};
use super::group::End;
use crate::ReadError;
use crate::directory::Directory;
use crate::error::StorageError;
use crate::layout::{CUT_SUFFIX, META_PROPERTIES, WAL_PREFIX, is_wal_file};
use crate::log::UnifiedLog;
use crate::log_dir::{LogDir, LogDirConfig, LogKey, OfflineLog};
use crate::mutant::mutant;
use crate::view::{LogView, Missing};

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
    /// The id of another directory, if a file tells one.
    other_id: Option<Uuid>,
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
        let mut found =
            FoundWal { files: Vec::new(), blank: Vec::new(), foreign: Vec::new(), other_id: None };
        for name in names {
            let path = directory.path().join(name);
            let file = directory.disk().open(&path, OpenMode::Direct)?;
            let mut block = DirectBuffer::zeros(BLOCK_BYTES);
            // The last process may have ended because a write of it had failed.
            if !mutant!(PageCacheTrusted) {
                file.forget_cached(0)?;
            }
            let count = file.read_full_at(block.bytes_mut(), 0)?;
            match FileHead::decode(&block.bytes()[..count]) {
                Some(head) if head.id != id => {
                    found.other_id = Some(Uuid(head.id));
                    found.foreign.push(path);
                }
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

    /// Refuses a directory whose write-ahead log was written under another id, and none under its own: what it holds is in
    /// no segment, and the id in `meta.properties` was changed or rotted.
    ///
    /// # Errors
    /// [`StorageError::MetaProperties`].
    pub(crate) fn check_owner(&self, directory: &Directory, id: Uuid) -> Result<(), StorageError> {
        let Some(other) = self.other_id.filter(|_| self.files.is_empty()) else { return Ok(()) };
        let reason = format!(
            "its directory.id is {id}, and the files {WAL_PREFIX}* beside it, which hold records that were acknowledged, \
             were written under {other}"
        );
        Err(StorageError::MetaProperties { path: directory.path().join(META_PROPERTIES), reason })
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
        let is_any_aside = !self.foreign.is_empty();
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
        if is_any_aside {
            directory.disk().sync_dir(directory.path())?;
        }
        Ok(())
    }
}

/// Gives a file a name under which nothing reads it at a start. What was put aside before stays.
fn put_aside(directory: &Directory, path: &Path) -> Result<PathBuf, StorageError> {
    let disk = directory.disk();
    let named = |number: u32| directory.path().join(format!("{WAL_PREFIX}{number}{CUT_SUFFIX}"));
    let own = path.file_name().and_then(|name| name.to_str()?.strip_prefix(WAL_PREFIX)?.parse().ok());
    let aside =
        (own.unwrap_or(0)..).map(named).find(|aside| !disk.exists(aside)).expect("some number is free");
    disk.rename(path, &aside)?;
    Ok(aside)
}

/// Applies groups to logs.
pub(crate) struct Replay<'a> {
    log_dir: &'a LogDir,
    now_ms: i64,
    ids: BTreeMap<([u8; 16], i32), LogKey>,
    /// Where logs should end of which nothing else is wanted: what is beyond was promised to nobody.
    wanted: BTreeMap<LogKey, i64>,
    /// Those that no log has.
    unknown: BTreeSet<([u8; 16], i32)>,
    /// Logs that were damaged before the write-ahead log was read.
    offline: BTreeMap<([u8; 16], i32), OfflineLog>,
    /// Partitions of those whose topic id cannot be read: a frame of an unknown log may be of one of them.
    without_id: BTreeSet<i32>,
    /// Batches that those lack: they are nowhere else.
    held_back: u64,
    /// Where those logs should end, by each of their groups.
    held_back_to: BTreeMap<(LogKey, u32), Vec<(u64, i64)>>,
    last_number: Option<u64>,
    /// Where the logs of the last group end with it: the first group of this life tells it on.
    last_ends: Vec<LogEnd>,
    /// Blocks where a group may have been that cannot be read, before the first one that can.
    unreadable_blocks: u64,
    proven: u64,
    needed_from: u64,
    /// Groups that are missing between two that are there, until a proof says whether they were durable.
    missing: BTreeSet<u64>,
    /// Where the logs of a missing group should end, by the table in the group after it.
    promised: Vec<(u64, LogEnd)>,
    /// Logs that lack something or hold it otherwise, and the group that says so: damaged, if the group was durable.
    suspects: Vec<(u64, LogKey, Missing)>,
    /// The logs among those.
    suspected: BTreeSet<LogKey>,
    replay: WalReplay,
    scratch: Vec<u8>,
    /// Of the reader of the file before: a large page costs much when it is first used.
    buffers: Vec<DirectBuffer>,
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
    blocking: &Blocking,
    now_ms: i64,
) -> Result<(Wal, WalReplay), StorageError> {
    let mut replay = Replay::new(log_dir, log_dir.logs_by_id(), log_dir.damaged_by_id(), now_ms);
    replay.without_id = log_dir.damaged_without_id();
    let FoundWal { mut files, .. } = found;
    let covered = covered_files(&files)?;
    for file in &mut files[covered..] {
        replay.read_file(file, blocking)?;
        config.progress.wal_read(file.head.size);
    }
    replay.missing = replay.missing.split_off(&replay.needed_from);
    let is_whole = replay.missing.is_empty() && replay.suspects.is_empty() && replay.held_back == 0;
    replay.judge_missing()?;
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
        state.last_ends = replay.last_ends;
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
        let mut reader = BlockReader::with_steps(Arc::clone(&file.file), file.head.size, BLOCK_BYTES);
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

/// Brings back what earlier starts put aside for logs that were damaged then and are not any more. What still lacks
/// something stays offline.
///
/// # Errors
/// The disk's.
pub(crate) fn bring_back(
    log_dir: &LogDir,
    id: [u8; 16],
    blocking: &Blocking,
    now_ms: i64,
) -> Result<(), StorageError> {
    let short = log_dir.short_logs();
    if short.is_empty() {
        return Ok(());
    }
    let mut ids = log_dir.logs_by_id();
    ids.retain(|_, key| short.contains_key(key));
    let mut replay = Replay::new(log_dir, ids, BTreeMap::new(), now_ms);
    replay.wanted.clone_from(&short);
    let directory = log_dir.directory();
    let entries = directory.disk().list(directory.path())?;
    let names = entries.iter().map(|entry| entry.name.as_str());
    let aside = names.filter(|name| name.strip_suffix(CUT_SUFFIX).is_some_and(is_wal_file));
    let mut found = FoundWal::find(directory, id, aside)?;
    for file in &mut found.files {
        // Files of several lives are here, and each may have begun to count anew.
        replay.last_number = None;
        replay.read_file(file, blocking)?;
    }
    for (key, until) in short {
        let Some(mut log) = log_dir.take_loaded(&key) else { continue };
        match log.flush_now() {
            Err(error) if error.is_of_one_log() => {
                log_dir.damage(&key, error.to_string());
                continue;
            }
            flushed => flushed?,
        }
        let view = log.view();
        log_dir.put_loaded(key.clone(), log);
        let end = view.log_end_offset();
        if end < until {
            let reason =
                format!("it ends at offset {end}, and the write-ahead log had promised it up to {until}");
            log_dir.damage(&key, reason);
            continue;
        }
        tracing::info!(topic = %key.0, partition = key.1, end, "what a damaged log lacked is back from the write-ahead log");
        view.forget_damage()?;
    }
    log_dir.checkpoint()
}

impl<'a> Replay<'a> {
    fn new(
        log_dir: &'a LogDir,
        ids: BTreeMap<([u8; 16], i32), LogKey>,
        offline: BTreeMap<([u8; 16], i32), OfflineLog>,
        now_ms: i64,
    ) -> Self {
        Self {
            log_dir,
            now_ms,
            ids,
            wanted: BTreeMap::new(),
            unknown: BTreeSet::new(),
            offline,
            without_id: BTreeSet::new(),
            held_back: 0,
            held_back_to: BTreeMap::new(),
            last_number: None,
            last_ends: Vec::new(),
            unreadable_blocks: 0,
            proven: 0,
            needed_from: 0,
            missing: BTreeSet::new(),
            promised: Vec::new(),
            suspects: Vec::new(),
            suspected: BTreeSet::new(),
            replay: WalReplay::default(),
            scratch: Vec::new(),
            buffers: Vec::new(),
        }
    }
}

impl Replay<'_> {
    fn read_file(&mut self, file: &mut FoundFile, blocking: &Blocking) -> Result<(), StorageError> {
        // What a write left in the page cache of a file system without direct writes is durable from here on.
        file.file.sync_data()?;
        let buffers = std::mem::take(&mut self.buffers);
        let mut reader =
            BlockReader::reading_ahead(Arc::clone(&file.file), file.head.size, blocking, buffers);
        let mut position = BLOCK_BYTES as u64;
        while position + BLOCK_BYTES as u64 <= file.head.size {
            let bytes = reader.group_at(position, file.head.of_use)?;
            let group = bytes.and_then(|bytes| ReadGroup::decode(bytes, file.head.of_use));
            let fits = group.filter(|group| self.last_number.is_none_or(|last| group.head.number > last));
            let Some(group) = fits else {
                // Groups lie at any block: one that cannot be read says nothing of those behind it.
                position += BLOCK_BYTES as u64;
                self.unreadable_blocks += u64::from(self.last_number.is_none());
                continue;
            };
            position += group.block_bytes as u64;
            file.used = position;
            file.first_group.get_or_insert(group.head.number);
            self.note_group(&group);
            self.last_ends.clear();
            for (head, body) in group.frames() {
                self.note_end(&head);
                self.apply(&head, body, &mut file.ends)?;
            }
        }
        self.buffers = reader.into_buffers();
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
            // As many as there is place for. What lies before was in a file that was used again.
            None if self.unreadable_blocks > 0 && !mutant!(FirstGroupNotMissed) => {
                let first = number.saturating_sub(self.unreadable_blocks).max(group.head.needed_from);
                self.missing.extend(first..number);
                self.promised.extend(group.previous_ends().map(|end| (number - 1, end)));
            }
            None => {}
        }
        self.proven = self.proven.max(group.head.proven);
        self.needed_from = self.needed_from.max(group.head.needed_from);
        self.last_number = Some(number);
        self.replay.groups += 1;
    }

    /// A log ends here with the group at hand.
    fn note_end(&mut self, head: &FrameHead) {
        let FrameHead { topic_id, partition, next_offset, generation, .. } = *head;
        let end = LogEnd { topic_id, partition, next_offset, generation: Some(generation) };
        match self.last_ends.last_mut() {
            Some(last) if last.topic_id == topic_id && last.partition == partition => *last = end,
            _ => self.last_ends.push(end),
        }
    }

    /// A missing group that a later one proves was durable: its logs must have what it held from elsewhere.
    fn judge_missing(&mut self) -> Result<(), StorageError> {
        let lost: Vec<u64> = self.missing.iter().copied().filter(|number| *number <= self.proven).collect();
        let mut damaged: BTreeMap<LogKey, Missing> = BTreeMap::new();
        for (number, end) in std::mem::take(&mut self.promised) {
            if number > self.proven || number < self.needed_from {
                continue;
            }
            let Some(key) = self.ids.get(&(end.topic_id, end.partition)) else { continue };
            let is_current = |view: &LogView| end.generation.is_none_or(|then| then == view.generation());
            let view = self.log_dir.view(key).filter(|view| is_current(view));
            if let Some(view) = view.filter(|view| view.log_end_offset() < end.next_offset) {
                let reason = format!(
                    "group {number} of the write-ahead log was durable and cannot be read: \
                     the log should reach offset {}",
                    end.next_offset
                );
                let (first_offset, end_offset) = (view.log_end_offset(), end.next_offset);
                let missing = Missing { first_offset, end_offset, generation: view.generation(), reason };
                damaged.entry(key.clone()).or_insert(missing).reach(end_offset);
            }
        }
        // A group that can be read was durable, and so promised, if those before it were: only what comes behind one that is
        // missing, and that nothing proves, was not.
        let sure_to = self.missing.iter().copied().find(|number| *number > self.proven).unwrap_or(u64::MAX);
        let suspects = std::mem::take(&mut self.suspects);
        for (_, key, missing) in suspects.into_iter().filter(|(number, ..)| *number < sure_to) {
            let end_offset = missing.end_offset;
            damaged.entry(key).or_insert(missing).reach(end_offset);
        }
        damaged.iter().try_for_each(|(key, missing)| self.damage(key, missing))?;
        for ((key, generation), ends) in std::mem::take(&mut self.held_back_to) {
            let sure = ends.into_iter().filter(|(number, _)| *number < sure_to);
            let Some(end_offset) = sure.map(|(_, end)| end).max() else { continue };
            let reason = format!("only the write-ahead log has what comes up to offset {end_offset}");
            self.log_dir
                .remember_missing(&key, &Missing { first_offset: 0, end_offset, generation, reason })?;
        }
        for number in &lost {
            tracing::error!(group = number, dir = %self.log_dir.path().display(), "a group of the write-ahead log was durable and cannot be read");
        }
        self.replay.lost_groups = lost;
        Ok(())
    }

    /// Takes a log out of use, until somebody brings back what it lacks or gives it up: the next start does not find the
    /// write-ahead log any more.
    fn damage(&self, key: &LogKey, missing: &Missing) -> Result<(), StorageError> {
        self.log_dir.remember_missing(key, missing)?;
        self.log_dir.damage(key, missing.reason.clone());
        Ok(())
    }

    fn note(&mut self, key: &LogKey, group: u64, log: &UnifiedLog, head: &FrameHead, applied: Applied) {
        let (end_offset, generation) = (head.next_offset, head.generation);
        let missing = match applied {
            Applied::Holds => {
                let view = log.view();
                view.raise_durable_end(head.next_offset, view.generation());
                if !self.suspected.contains(key) {
                    return;
                }
                // Nobody flushes a damaged log, and the write-ahead log is put aside.
                let reason = format!("what comes up to offset {end_offset} was not flushed");
                Missing { first_offset: head.base_offset, end_offset, generation, reason }
            }
            Applied::Passed | Applied::Differs => return,
            Applied::Damage(reason) => {
                self.suspected.insert(key.clone());
                Missing { first_offset: log.view().log_end_offset(), end_offset, generation, reason }
            }
        };
        // What a reference relies on was flushed before its group was written: that it can be read is proof enough.
        let group = if head.kind == FrameKind::Reference { PROVEN_BY_ITSELF } else { group };
        self.suspects.push((group, key.clone(), missing));
    }

    /// The log of a frame. That its file with the topic id rotted must not hide what only the write-ahead log has of it.
    fn log_of(&mut self, head: &FrameHead) -> Option<LogKey> {
        let id = (head.topic_id, head.partition);
        if let Some(key) = self.ids.get(&id) {
            return Some(key.clone());
        }
        if self.offline.contains_key(&id) || !self.unknown.insert(id) {
            return None;
        }
        let key = self.log_dir.with_rotten_id(Uuid(head.topic_id), head.partition)?;
        self.ids.insert(id, key.clone());
        Some(key)
    }

    fn apply(
        &mut self,
        head: &FrameHead,
        body: &[u8],
        ends: &mut BTreeMap<u64, End>,
    ) -> Result<(), StorageError> {
        let Some(key) = self.log_of(head) else {
            match self.offline.get(&(head.topic_id, head.partition)) {
                Some(log)
                    if head.next_offset > log.recovery_point
                        && log.generation.is_none_or(|current| head.generation == current) =>
                {
                    self.held_back += 1;
                    let ends = self.held_back_to.entry((log.key.clone(), head.generation)).or_default();
                    ends.push((self.last_number.unwrap_or(0), head.next_offset));
                }
                None if self.without_id.contains(&head.partition) => self.held_back += 1,
                _ => self.replay.skipped_batches += 1,
            }
            return Ok(());
        };
        let Some(mut log) = self.log_dir.take_loaded(&key) else { return Ok(()) };
        let view = log.view();
        let is_wanted = self.wanted.get(&key).is_none_or(|until| head.next_offset <= *until);
        let is_current = head.generation == view.generation() && is_wanted;
        let is_needed = head.next_offset > view.checkpointed() && head.next_offset > view.log_start_offset();
        if is_current && is_needed {
            // What was compacted had been flushed, and is not as it was written: then the recovery point rotted. Or the
            // number of the cleaning did, and what it seems to speak of was not flushed.
            let is_compacted = head.next_offset <= self.log_dir.cleaned_offset(&view).unwrap_or(0);
            // The file is needed until segments are flushed so far, whatever becomes of the frame.
            let (offset, generation) = (head.next_offset, view.generation());
            ends.insert(view.number(), End { view, generation, offset });
            let mut group = self.last_number.unwrap_or(0);
            let put = if is_compacted {
                self.put_beside(&mut log, head, body)
            } else {
                self.put(&mut log, head, body)
            };
            let applied = match put {
                // A log whose flushed bytes rotted is offline alone.
                Err(error) if error.is_of_one_log() => {
                    group = PROVEN_BY_ITSELF;
                    Applied::Damage(error.to_string())
                }
                applied => applied?,
            };
            self.note(&key, group, &log, head, applied);
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

    /// Has the log hold a frame's batch, unless it holds something else there.
    fn put_beside(
        &mut self,
        log: &mut UnifiedLog,
        head: &FrameHead,
        body: &[u8],
    ) -> Result<Applied, StorageError> {
        match self.confirm(log, head, body)? {
            Applied::Differs => Ok(Applied::Passed),
            applied => Ok(applied),
        }
    }

    /// Has the log hold a frame's batch, in place of what it holds there.
    fn put(&mut self, log: &mut UnifiedLog, head: &FrameHead, body: &[u8]) -> Result<Applied, StorageError> {
        match self.confirm(log, head, body)? {
            Applied::Differs if head.kind == FrameKind::Reference => Ok(Applied::Damage(format!(
                "the large batch at offset {} is not as it was flushed",
                head.base_offset
            ))),
            Applied::Differs => {
                let frame = BatchHeader::parse(body).ok();
                let is_newer = frame.as_ref().is_some_and(|frame| self.is_newer(frame))
                    && !self.differs_in_epoch_only(body);
                if is_newer || frame.is_some_and(|frame| self.is_cleaned(&frame)) {
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
        let view = log.view();
        if head.next_offset > view.log_end_offset() {
            return Ok(false);
        }
        let offsets = (head.base_offset, head.next_offset);
        // The usual case: what no checkpoint covers was verified when the log was opened.
        if head.base_offset >= view.log_start_offset() && found(view.holds_header(offsets, body))? {
            return Ok(true);
        }
        if self.is_there(log, head, body.len(), |bytes| bytes == body)? {
            return Ok(true);
        }
        self.read_batches(log, head, body.len())?;
        if head.base_offset < log.view().log_start_offset() {
            // Records at its beginning were deleted, perhaps whole batches.
            return Ok(!self.scratch.is_empty() && body.ends_with(&self.scratch));
        }
        Ok(self.scratch == body)
    }

    /// Whether the log has just these bytes from a frame's offset on: the usual case, found with one read.
    fn is_there(
        &mut self,
        log: &UnifiedLog,
        head: &FrameHead,
        len: usize,
        is_right: impl FnOnce(&[u8]) -> bool,
    ) -> Result<bool, StorageError> {
        let view = log.view();
        if head.base_offset < view.log_start_offset() {
            return Ok(false);
        }
        found(view.holds((head.base_offset, head.next_offset), len, &mut self.scratch, is_right))
    }

    /// Reads `len` bytes of the log from the batch that starts at a frame's offset; nothing if there is none.
    fn read_batches(&mut self, log: &UnifiedLog, head: &FrameHead, len: usize) -> Result<(), StorageError> {
        self.scratch.clear();
        let view = log.view();
        let from = head.base_offset.max(view.log_start_offset());
        let slice = match view.read(from, len, head.next_offset, true) {
            Ok(slice) => slice,
            Err(ReadError::OffsetOutOfRange { .. }) => None,
            // What cannot be read is not there.
            Err(ReadError::Storage(StorageError::Corrupt { .. })) => None,
            Err(ReadError::Storage(error)) => return Err(error),
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

    /// Whether what was read is the frame's batch as a cleaning left it, behind where the next one goes on: then it had been
    /// flushed, and the recovery point rotted.
    fn is_cleaned(&self, frame: &BatchHeader) -> bool {
        let found = records::batches(&self.scratch).next().and_then(Result::ok);
        found.is_some_and(|found| {
            found.header.base_offset == frame.base_offset
                && found.header.has_delete_horizon()
                && !frame.has_delete_horizon()
                && found.verify_crc().is_ok()
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
        if self.is_there(log, head, len, |bytes| crc32c::crc32c(bytes) == crc)? {
            return Ok(true);
        }
        self.read_batches(log, head, len)?;
        Ok(self.scratch.len() == len && crc32c::crc32c(&self.scratch) == crc)
    }
}

/// Whether something was found there. What cannot be read is not: the longer way finds it again, and what to make of it.
fn found(holds: Result<bool, ReadError>) -> Result<bool, StorageError> {
    match holds {
        Ok(holds) => Ok(holds),
        Err(ReadError::OffsetOutOfRange { .. } | ReadError::Storage(StorageError::Corrupt { .. })) => {
            Ok(false)
        }
        Err(ReadError::Storage(error)) => Err(error),
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
