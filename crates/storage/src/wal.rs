//! The write-ahead log of a log directory: one place where the appends of all its durable logs become durable together.
//!
//! Owns which batches go into which group, how many groups are on their way, and which files may be used again. An
//! append lies in the segment's page cache already when it comes here; a group makes it durable by one write past the
//! page cache, and the segments are flushed later, in the background. Groups become durable in order: an offset counts
//! as durable only when every group before it does too. It starts nothing: who appended takes a [`WalTicket`] and runs it
//! where blocking is allowed.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use platform::File;

use crate::directory::Directory;
use crate::error::StorageError;
use crate::mutant::mutant;
use crate::view::LogView;

mod block_reader;
mod frame;
mod group;
mod replay;
mod ring;
mod ticket;

pub(crate) use block_reader::BlockReader;
pub(crate) use frame::{BLOCK_BYTES, FileHead, FrameHead, FrameKind, ReadGroup, encode_reference};
#[cfg(test)]
pub(crate) use frame::{FRAME_HEAD_BYTES, FileUse, GROUP_HEAD_BYTES, GroupHead, finish_group};
use group::{End, Group};
pub use replay::WalReplay;
pub(crate) use replay::{FoundWal, bring_back, replay};
use ring::{Place, Ring};
pub use ticket::WalTicket;

/// Groups on their way to the disk at the same time.
const IN_FLIGHT_MAX: usize = 2;
/// Groups that may wait in memory, of a MiB each at most; then producers wait too.
const WAITING_GROUPS_MAX: usize = 32;
/// Batches of this size or more are not copied: their segment is flushed, and the group only refers to them.
pub(crate) const BYPASS_BYTES: usize = 256 << 10;

/// Sizes of a write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalConfig {
    /// The first file's size; later ones double, up to `file_bytes_max`.
    pub file_bytes_min: u64,
    /// The largest file.
    pub file_bytes_max: u64,
    /// All files together. When they are full, groups wait for the segments to be flushed.
    pub bytes_max: u64,
    /// Bytes not covered by flushed segments from which on a flush of the segments is wanted.
    pub checkpoint_bytes: u64,
    /// From this size on a group is written beside another one that is on its way. Smaller ones collect more meanwhile, and
    /// so cost less for each of their batches.
    pub beside_bytes: u64,
}

impl Default for WalConfig {
    fn default() -> Self {
        Self {
            file_bytes_min: 4 << 20,
            file_bytes_max: 64 << 20,
            bytes_max: 1 << 30,
            checkpoint_bytes: 128 << 20,
            beside_bytes: 512 << 10,
        }
    }
}

/// See the module's documentation.
pub(crate) struct Wal {
    state: Mutex<State>,
    /// The directory is about to be closed: nothing more is begun.
    is_ending: AtomicBool,
    checkpoint_due: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

struct State {
    /// Groups that wait for their write, oldest first; frames go into the last one.
    waiting: VecDeque<Group>,
    in_flight: VecDeque<InFlight>,
    /// Number of the next group to be written.
    next_number: u64,
    /// This group and all before it are durable.
    durable_number: u64,
    /// The newest proof on disk: a group that is on disk says that this one was durable.
    proven_number: u64,
    /// Where the logs of the last written group end, for the group after it.
    last_ends: Vec<frame::LogEnd>,
    ring: Ring,
    /// Buffers that groups gave back.
    buffers: Vec<Vec<u8>>,
    /// A file is being made.
    is_preparing: bool,
    /// It was said that a checkpoint is due.
    is_checkpoint_told: bool,
}

struct InFlight {
    number: u64,
    slot: usize,
    is_done: bool,
    ends: Vec<End>,
}

impl Wal {
    /// A write-ahead log in this directory, for a directory that has none of its files.
    pub(crate) fn new(dir: &Path, id: [u8; 16], config: WalConfig) -> Self {
        let ring = Ring::new(dir.to_path_buf(), id, config);
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                in_flight: VecDeque::new(),
                next_number: 1,
                durable_number: 0,
                proven_number: 0,
                last_ends: Vec::new(),
                ring,
                buffers: Vec::new(),
                is_preparing: false,
                is_checkpoint_told: false,
            }),
            is_ending: AtomicBool::new(false),
            checkpoint_due: OnceLock::new(),
        }
    }

    /// Adds a batch of a log, whose bytes come in two parts. In the order of the log's offsets.
    pub(crate) fn push(&self, view: &Arc<LogView>, head: &FrameHead, parts: [&[u8]; 2]) {
        let mut state = self.state.lock();
        let group = state.group_for(head.frame_bytes(parts[0].len() + parts[1].len()));
        group.push(head, parts);
        group.note_end(view, head.next_offset);
    }

    /// Adds a reference to a batch that lies in its log alone, with the flushes and the names that it relies on. All of it
    /// comes into one group: so a group that can be read says that they were done.
    pub(crate) fn push_reference(
        &self,
        view: &Arc<LogView>,
        head: &FrameHead,
        body: &[u8],
        files: Vec<Arc<dyn File>>,
        names: Option<PathBuf>,
    ) {
        let mut state = self.state.lock();
        let group = state.group_for(head.frame_bytes(body.len()));
        group.syncs.extend(files);
        group.names.extend(names);
        group.push(head, [body, &[]]);
        group.note_end(view, head.next_offset);
    }

    /// Adds a log whose names have to be durable before the next group counts.
    pub(crate) fn push_names(&self, dir: PathBuf) {
        let mut state = self.state.lock();
        state.group_for(0).names.push(dir);
    }

    /// The next piece of work, if there is one that may be done now. Whoever adds something asks for it afterwards, and so
    /// does whoever has finished one: so nothing is left waiting.
    pub(crate) fn take_ticket(&self, directory: &Arc<Directory>) -> Option<WalTicket> {
        if directory.offline_reason().is_some() || self.is_ending() {
            return None;
        }
        let mut state = self.state.lock();
        // A group never waits for a file that another one will need.
        let ticket = match state.next_group(directory) {
            Some((group, place)) => Some(state.send(directory, group, place)),
            None => state.slot_to_prepare(directory).map(|slot| WalTicket::prepare(directory, slot)),
        };
        let tell = state.ring.is_checkpoint_due() && !std::mem::replace(&mut state.is_checkpoint_told, true);
        drop(state);
        if tell && let Some(checkpoint_due) = self.checkpoint_due.get() {
            checkpoint_due();
        }
        ticket
    }

    /// Has this called whenever a checkpoint becomes due; to be set once. It must not block or call back.
    pub(crate) fn on_checkpoint_due(&self, call: impl Fn() + Send + Sync + 'static) {
        // Who comes second has nobody to tell.
        _ = self.checkpoint_due.set(Box::new(call));
    }

    /// Adds an empty group that proves the last one, if nothing else will: the next start then knows that it was durable.
    /// Whether there is something to write now.
    pub(crate) fn prove(&self) -> bool {
        let mut state = self.state.lock();
        let is_quiet = state.waiting.is_empty() && state.in_flight.is_empty();
        if !is_quiet || state.durable_number <= state.proven_number {
            return false;
        }
        // A proof needs no proof.
        state.group_for(0);
        true
    }

    /// A group was written: everything up to it is durable if everything before it was. Gives the logs whose durable end
    /// moved.
    fn written(&self, number: u64, buffer: Vec<u8>) -> Vec<Arc<LogView>> {
        let mut state = self.state.lock();
        state.give_back(buffer);
        if let Some(entry) = state.in_flight.iter_mut().find(|entry| entry.number == number) {
            entry.is_done = true;
            if mutant!(GroupOrderIgnored) {
                entry.ends.iter().for_each(|end| _ = end.view.raise_durable_end(end.offset, end.generation));
            }
        }
        let mut moved = Vec::new();
        while state.in_flight.front().is_some_and(|entry| entry.is_done) {
            let entry = state.in_flight.pop_front().expect("it was looked at above");
            state.durable_number = entry.number;
            for end in entry.ends {
                if end.view.raise_durable_end(end.offset, end.generation) {
                    moved.push(Arc::clone(&end.view));
                }
                state.ring.note_end(entry.slot, end);
            }
        }
        moved
    }

    /// A file was made, or could not be for lack of space: then groups wait until files are free again.
    fn prepared(&self, slot: usize, file: Option<Arc<dyn File>>) {
        let mut state = self.state.lock();
        state.is_preparing = false;
        state.ring.prepared(slot, file);
    }

    /// Whether the segments should be flushed so that files can be used again.
    pub(crate) fn is_checkpoint_due(&self) -> bool {
        let state = self.state.lock();
        state.ring.is_checkpoint_due()
    }

    /// Frees the files whose batches are all in flushed segments, as the checkpoint files on disk say. Whether a group that
    /// waited may go on.
    pub(crate) fn release(&self) -> bool {
        let mut state = self.state.lock();
        let in_flight: Vec<usize> = state.in_flight.iter().map(|entry| entry.slot).collect();
        state.ring.release(&in_flight);
        state.is_checkpoint_told &= state.ring.is_checkpoint_due();
        !state.waiting.is_empty()
    }

    /// Whether nothing waits and nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.waiting.is_empty() && state.in_flight.is_empty()
    }

    /// Whether more waits in memory than a disk that keeps up would leave.
    pub(crate) fn is_congested(&self) -> bool {
        self.state.lock().waiting.len() > WAITING_GROUPS_MAX
    }

    /// How it stands, in words.
    pub(crate) fn describe(&self) -> String {
        let state = self.state.lock();
        let in_flight: Vec<(u64, bool)> = state.in_flight.iter().map(|e| (e.number, e.is_done)).collect();
        format!(
            "{} groups wait, {in_flight:?} on their way, group {} is durable, a file is being made: {}; {}",
            state.waiting.len(),
            state.durable_number,
            state.is_preparing,
            state.ring.describe()
        )
    }

    /// Begins nothing more, and gives up a file that is being made: what waits will be in flushed segments.
    pub(crate) fn end(&self) {
        self.is_ending.store(true, Ordering::Release);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// Whether a group is on its way, or a file is being made.
    pub(crate) fn is_writing(&self) -> bool {
        self.state.lock().is_writing()
    }

    /// Drops the groups that wait: everything in them is in flushed segments. Whether nothing is under way either; then
    /// nothing more will be.
    pub(crate) fn abandon(&self) -> bool {
        let mut state = self.state.lock();
        if !state.is_writing() {
            self.end();
        }
        state.waiting.clear();
        !state.is_writing()
    }

    /// The logs that have batches in groups not written yet: they have to be told when the directory is lost.
    pub(crate) fn unwritten(&self) -> Vec<Arc<LogView>> {
        let state = self.state.lock();
        let ends = state.waiting.iter().map(|group| &group.ends);
        let ends = ends.chain(state.in_flight.iter().map(|entry| &entry.ends)).flatten();
        let views: BTreeMap<u64, Arc<LogView>> =
            ends.map(|end| (end.view.number(), Arc::clone(&end.view))).collect();
        views.into_values().collect()
    }

    /// Forgets the logs: nothing more will be written, or freed.
    pub(crate) fn let_logs_go(&self) {
        let mut state = self.state.lock();
        state.waiting.clear();
        state.in_flight.clear();
        state.ring.let_logs_go();
    }

    /// Gives memory back that only a busy time needs.
    pub(crate) fn trim(&self) {
        self.state.lock().buffers.clear();
    }

    /// Removes all files: after a clean stop nothing of them may speak of logs that others change.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn remove_files(&self, directory: &Directory) -> Result<(), StorageError> {
        let mut state = self.state.lock();
        assert!(!state.is_writing(), "nothing is on its way at a clean stop");
        state.ring.remove_files(directory)
    }
}

impl State {
    fn is_writing(&self) -> bool {
        !self.in_flight.is_empty() || self.is_preparing
    }

    /// The group that takes a frame of so many bytes.
    fn group_for(&mut self, frame_bytes: usize) -> &mut Group {
        if self.waiting.back().is_none_or(|group| !group.has_room(frame_bytes)) {
            let buffer = self.buffers.pop();
            self.waiting.push_back(Group::new(buffer));
        }
        self.waiting.back_mut().expect("there is one now")
    }

    /// The group that is to be written now, and where.
    fn next_group(&mut self, directory: &Directory) -> Option<(Group, Place)> {
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            return None;
        }
        let bytes = self.waiting.front()?.block_bytes(&self.last_ends);
        if bytes < self.ring.config().beside_bytes && !self.in_flight.is_empty() {
            return None;
        }
        let place = self.ring.place(bytes, || directory.rng().next_u64())?;
        Some((self.waiting.pop_front()?, place))
    }

    /// A file for the groups to come. A node where nothing was appended needs none.
    fn slot_to_prepare(&mut self, directory: &Directory) -> Option<ring::NewSlot> {
        if self.is_preparing || self.waiting.is_empty() && !self.ring.is_in_use() {
            return None;
        }
        let bytes = self.waiting.front().map_or(0, |group| group.block_bytes(&self.last_ends));
        let slot = self.ring.slot_to_prepare(bytes, |size| directory.take_spare_room(size));
        self.is_preparing = slot.is_some();
        slot
    }

    fn send(&mut self, directory: &Arc<Directory>, group: Group, place: Place) -> WalTicket {
        let number = self.next_number;
        self.next_number += 1;
        self.proven_number = self.proven_number.max(self.durable_number);
        let head = frame::GroupHead {
            of_use: place.of_use,
            number,
            proven: self.durable_number,
            needed_from: self.ring.needed_from(place.slot, number),
            frames: group.frames,
        };
        let previous = std::mem::take(&mut self.last_ends);
        self.last_ends = group.ends.iter().filter_map(End::to_log_end).collect();
        if self.last_ends.is_empty() {
            self.proven_number = self.proven_number.max(number);
        }
        if mutant!(AckBeforeFlush) {
            group.ends.iter().for_each(|end| _ = end.view.raise_durable_end(end.offset, end.generation));
        }
        let Group { buffer, start, ends, syncs, names, .. } = group;
        self.in_flight.push_back(InFlight { number, slot: place.slot, is_done: false, ends });
        WalTicket::write(directory, ticket::Write { buffer, start, head, previous, place, syncs, names })
    }

    fn give_back(&mut self, buffer: Vec<u8>) {
        if self.buffers.len() < IN_FLIGHT_MAX + 1 {
            self.buffers.push(buffer);
        }
    }
}
