//! The files of a write-ahead log, used in turn.
//!
//! Owns where the next group goes and which files are free. A file is written from its beginning to its end, and used
//! again, under a new sequence number, once every batch in it is in a flushed segment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use platform::{DirectBuffer, File, OpenMode};

use super::WalConfig;
use super::frame::{BLOCK_BYTES, FileHead, FileUse};
use super::group::{End, GROUP_BLOCKS_MAX};
use crate::directory::Directory;
use crate::error::StorageError;
use crate::layout::WAL_PREFIX;
use crate::mutant::mutant;

/// Zeros written at a time when a file is made: little, since groups wait for them at the disk.
const ZEROS_BYTES: usize = 128 << 10;
/// While groups are as large on average, zeros would take more of the disk than they save: the next file only gets its
/// place, and the file system notes with each group's first write that the place is used now.
const LARGE_GROUP_BYTES: u64 = 128 << 10;
/// A file of this size takes any group.
const ANY_GROUP_FILE_BYTES: u64 = GROUP_BLOCKS_MAX + 2 * BLOCK_BYTES as u64;

/// Where a group is written.
pub(super) struct Place {
    pub(super) slot: usize,
    pub(super) file: Arc<SlotFile>,
    pub(super) of_use: FileUse,
    pub(super) position: u64,
}

/// A file and the use that its header speaks of.
pub(super) struct SlotFile {
    file: Arc<dyn File>,
    id: [u8; 16],
    size: u64,
    /// What the header on disk says.
    header: Mutex<FileUse>,
}

impl SlotFile {
    /// The file with a header of this use: written now if nobody did yet.
    pub(super) fn of_use(&self, of_use: FileUse) -> std::io::Result<&Arc<dyn File>> {
        let mut header = self.header.lock();
        if *header != of_use {
            write_head(self.file.as_ref(), &FileHead { id: self.id, of_use, size: self.size })?;
            *header = of_use;
        }
        Ok(&self.file)
    }
}

/// A file to be made.
pub(super) struct NewSlot {
    pub(super) slot: usize,
    pub(super) path: PathBuf,
    pub(super) size: u64,
    /// Zeros are left out.
    pub(super) is_for_large_groups: bool,
}

impl NewSlot {
    /// Makes the file. Mostly all of it is written once: later writes then change no metadata of the file system.
    pub(super) fn make(&self, directory: &Directory) -> std::io::Result<Arc<dyn File>> {
        let disk = directory.disk();
        let made = disk.open(&self.path, OpenMode::Direct).and_then(|file| {
            let is_reserved = self.is_for_large_groups && self.reserve(file.as_ref())?;
            if !is_reserved {
                self.write_zeros(directory, file.as_ref())?;
            }
            file.sync_data()?;
            disk.sync_dir(directory.path())?;
            Ok(file)
        });
        if made.is_err() {
            _ = disk.remove_file(&self.path);
        }
        made
    }

    /// Gives the file its place and its length; false if the file system cannot.
    fn reserve(&self, file: &dyn File) -> std::io::Result<bool> {
        match file.reserve(self.size) {
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => Ok(false),
            reserved => reserved.and_then(|()| file.set_len(self.size)).map(|()| true),
        }
    }

    fn write_zeros(&self, directory: &Directory, file: &dyn File) -> std::io::Result<()> {
        let zeros = DirectBuffer::zeros(ZEROS_BYTES.min(self.size as usize));
        let mut position = 0;
        while position < self.size {
            if directory.wal().is_ending() {
                return Err(std::io::ErrorKind::Interrupted.into());
            }
            let len = (self.size - position).min(zeros.bytes().len() as u64) as usize;
            file.write_durable_at(&zeros.bytes()[..len], position)?;
            position += len as u64;
        }
        Ok(())
    }
}

fn write_head(file: &dyn File, head: &FileHead) -> std::io::Result<()> {
    let mut block = DirectBuffer::zeros(BLOCK_BYTES);
    block.bytes_mut().copy_from_slice(&head.encode());
    file.write_durable_at(block.bytes(), 0)
}

enum SlotState {
    /// Being made.
    Preparing,
    /// Could not be made.
    Missing,
    Free,
    /// Holds groups; the current one, or one that waits for its segments to be flushed.
    Used {
        of_use: FileUse,
        used: u64,
        ends: BTreeMap<u64, End>,
        first_group: Option<u64>,
    },
}

struct Slot {
    path: PathBuf,
    size: u64,
    file: Option<Arc<SlotFile>>,
    state: SlotState,
}

/// See the module's documentation.
pub(super) struct Ring {
    dir: PathBuf,
    id: [u8; 16],
    config: WalConfig,
    slots: Vec<Slot>,
    current: Option<usize>,
    next_sequence: u64,
    /// A group waits and no file is left.
    is_full: bool,
    /// The disk had no space for another file.
    no_space: bool,
    /// Bytes written since files were last released.
    written_bytes: u64,
    /// Groups of the current file, and their bytes.
    groups: (u64, u64),
}

impl Ring {
    pub(super) fn new(dir: PathBuf, id: [u8; 16], config: WalConfig) -> Self {
        Self {
            dir,
            id,
            config,
            slots: Vec::new(),
            current: None,
            next_sequence: 1,
            is_full: false,
            no_space: false,
            written_bytes: 0,
            groups: (0, 0),
        }
    }

    /// Takes over a file of the last run, with the logs that have batches in it. The last one, in the order of their uses, is
    /// written on behind its last group: a group that was torn there was promised to nobody, and nothing behind it can be
    /// read.
    pub(super) fn adopt(
        &mut self,
        path: PathBuf,
        head: &FileHead,
        file: Arc<dyn File>,
        used: u64,
        ends: Vec<End>,
        first_group: Option<u64>,
    ) {
        let ends = ends.into_iter().map(|end| (end.view.number(), end)).collect();
        let state = SlotState::Used { of_use: head.of_use, used, ends, first_group };
        let header = Mutex::new(head.of_use);
        let file = Some(Arc::new(SlotFile { file, id: self.id, size: head.size, header }));
        self.slots.push(Slot { path, size: head.size, file, state });
        if head.of_use.sequence >= self.next_sequence {
            self.next_sequence = head.of_use.sequence + 1;
            self.current = Some(self.slots.len() - 1);
        }
        self.written_bytes += used;
    }

    /// The sizes.
    pub(super) fn config(&self) -> &WalConfig {
        &self.config
    }

    /// Whether there is a file that groups go to.
    pub(super) fn is_in_use(&self) -> bool {
        self.current.is_some()
    }

    /// The place for a group; `None` while there is none. A file that is begun takes a salt.
    pub(super) fn place(&mut self, bytes: u64, salt: impl FnOnce() -> u64) -> Option<Place> {
        if let Some(place) = self.place_in_current(bytes) {
            return Some(place);
        }
        self.current = None;
        let room = bytes + BLOCK_BYTES as u64;
        let free = self.slots.iter().position(|s| matches!(s.state, SlotState::Free) && s.size >= room);
        let Some(free) = free else {
            self.is_full = true;
            return None;
        };
        let of_use = FileUse { sequence: self.next_sequence, salt: salt() };
        self.next_sequence += 1;
        self.slots[free].state =
            SlotState::Used { of_use, used: BLOCK_BYTES as u64, ends: BTreeMap::new(), first_group: None };
        self.current = Some(free);
        self.groups = (0, 0);
        self.is_full = false;
        self.place_in_current(bytes)
    }

    fn place_in_current(&mut self, bytes: u64) -> Option<Place> {
        let number = self.current?;
        let slot = &mut self.slots[number];
        let SlotState::Used { of_use, used, .. } = &mut slot.state else { return None };
        if *used + bytes > slot.size {
            return None;
        }
        let position = *used;
        *used += bytes;
        self.written_bytes += bytes;
        self.groups = (self.groups.0 + 1, self.groups.1 + bytes);
        let file = Arc::clone(slot.file.as_ref().expect("a used slot has a file"));
        Some(Place { slot: number, file, of_use: *of_use, position })
    }

    /// A file that should be made before `bytes` more are written: none is free, and the current one is half full. Without
    /// room for another one the files that are there have to do.
    pub(super) fn slot_to_prepare(
        &mut self,
        bytes: u64,
        take_room: impl FnOnce(u64) -> bool,
    ) -> Option<NewSlot> {
        let room = bytes + BLOCK_BYTES as u64;
        let is_spare = |slot: &Slot| matches!(slot.state, SlotState::Free) && slot.size >= room;
        let has_spare = self.slots.iter().any(is_spare);
        let is_half_full = self.current.is_none_or(|current| {
            let slot = &self.slots[current];
            matches!(&slot.state, SlotState::Used { used, .. } if 2 * (*used + bytes) > slot.size)
        });
        if has_spare || !is_half_full || self.no_space {
            return None;
        }
        let total: u64 = self.slots.iter().filter(|slot| slot.file.is_some()).map(|slot| slot.size).sum();
        let size = self.size_of_next(total, bytes);
        if total + size + self.kept_for_any_group(size) > self.config.bytes_max
            || !take_room(size) && total > 0
        {
            return None;
        }
        let missing = self.slots.iter().position(|slot| matches!(slot.state, SlotState::Missing));
        let slot = missing.unwrap_or(self.slots.len());
        let path = missing.map_or_else(|| self.free_path(), |at| self.slots[at].path.clone());
        let new = Slot { path: path.clone(), size, file: None, state: SlotState::Preparing };
        match missing {
            Some(at) => self.slots[at] = new,
            None => self.slots.push(new),
        }
        let (groups, group_bytes) = self.groups;
        let is_for_large_groups = groups > 0 && group_bytes / groups >= LARGE_GROUP_BYTES;
        Some(NewSlot { slot, path, size, is_for_large_groups })
    }

    /// Bytes of the next file, which a group of `bytes` waits for or may come to. One for a group larger than files are takes
    /// any group.
    fn size_of_next(&self, total: u64, bytes: u64) -> u64 {
        let size = total.clamp(self.config.file_bytes_min, self.config.file_bytes_max);
        let room = bytes + 2 * BLOCK_BYTES as u64;
        let size = if size < room && self.keeps_place() { ANY_GROUP_FILE_BYTES } else { size.max(room) };
        size.next_multiple_of(BLOCK_BYTES as u64)
    }

    /// Whether files small enough leave a place for one that takes any group: else such a group could wait for ever.
    fn keeps_place(&self) -> bool {
        self.config.bytes_max >= 2 * ANY_GROUP_FILE_BYTES
    }

    /// Bytes that a file of this size leaves for one that takes any group.
    fn kept_for_any_group(&self, size: u64) -> u64 {
        let takes_any = |size: u64| size >= ANY_GROUP_FILE_BYTES;
        let is_there = self.slots.iter().any(|slot| slot.file.is_some() && takes_any(slot.size));
        if takes_any(size) || is_there || !self.keeps_place() { 0 } else { ANY_GROUP_FILE_BYTES }
    }

    fn free_path(&self) -> PathBuf {
        let path = |number: usize| self.dir.join(format!("{WAL_PREFIX}{number}"));
        let is_taken = |path: &Path| self.slots.iter().any(|slot| slot.path == path);
        (0..).map(path).find(|path| !is_taken(path)).expect("there are few slots")
    }

    pub(super) fn prepared(&mut self, slot: usize, file: Option<Arc<dyn File>>) {
        let id = self.id;
        // The directory may have been lost meanwhile.
        let Some(slot) = self.slots.get_mut(slot) else { return };
        match file {
            Some(file) => {
                slot.file = Some(Arc::new(SlotFile {
                    file,
                    id,
                    size: slot.size,
                    header: Mutex::new(FileUse::default()),
                }));
                slot.state = SlotState::Free;
            }
            None => {
                slot.state = SlotState::Missing;
                self.no_space = true;
            }
        }
    }

    /// This group goes into this file; the oldest group that is still needed.
    pub(super) fn needed_from(&mut self, slot: usize, number: u64) -> u64 {
        if let SlotState::Used { first_group, .. } = &mut self.slots[slot].state {
            first_group.get_or_insert(number);
        }
        let firsts = self.slots.iter().filter_map(|slot| match slot.state {
            SlotState::Used { first_group, .. } => first_group,
            _ => None,
        });
        firsts.min().unwrap_or(number)
    }

    /// A log has batches before `end` in this file.
    pub(super) fn note_end(&mut self, slot: usize, end: End) {
        if let SlotState::Used { ends, .. } = &mut self.slots[slot].state {
            ends.insert(end.view.number(), end);
        }
    }

    pub(super) fn describe(&self) -> String {
        let slots = self.slots.iter().map(|slot| match &slot.state {
            SlotState::Preparing => "preparing".to_owned(),
            SlotState::Missing => "missing".to_owned(),
            SlotState::Free => format!("free ({})", slot.size),
            SlotState::Used { of_use, used, ends, .. } => {
                let ends: Vec<String> = ends
                    .values()
                    .map(|end| format!("{:?} to {} of {}", end.view, end.offset, end.view.checkpointed()))
                    .collect();
                format!("use {} ({used} of {}): {}", of_use.sequence, slot.size, ends.join(", "))
            }
        });
        format!("current {:?}, full {}: {}", self.current, self.is_full, slots.collect::<Vec<_>>().join("; "))
    }

    pub(super) fn is_checkpoint_due(&self) -> bool {
        self.is_full || self.written_bytes >= self.config.checkpoint_bytes
    }

    /// Frees the oldest files as far as they only hold what is in flushed segments, but for the current one and those that
    /// groups are on their way to. A file never goes before an older one: so the groups that are there have no gap, and a
    /// gap is a loss.
    pub(super) fn release(&mut self, in_flight: &[usize]) {
        let sequence = |slot: &Slot| match slot.state {
            SlotState::Used { of_use, .. } => Some(of_use.sequence),
            _ => None,
        };
        let mut used: Vec<(u64, usize)> =
            self.slots.iter().enumerate().filter_map(|(at, slot)| Some((sequence(slot)?, at))).collect();
        used.sort_unstable();
        for (_, number) in used {
            let slot = &mut self.slots[number];
            let SlotState::Used { ends, .. } = &mut slot.state else { continue };
            ends.retain(|_, end| !end.view.is_checkpointed(end.offset, end.generation));
            if mutant!(WalReusedBeforeCheckpoint) {
                ends.clear();
            }
            if !ends.is_empty() || self.current == Some(number) || in_flight.contains(&number) {
                break;
            }
            slot.state = SlotState::Free;
        }
        self.no_space = false;
        self.written_bytes = 0;
    }

    /// Forgets the logs and the files.
    pub(super) fn let_logs_go(&mut self) {
        self.current = None;
        self.slots.clear();
    }

    pub(super) fn remove_files(&mut self, directory: &Directory) -> Result<(), StorageError> {
        let mut removed = false;
        for slot in self.slots.drain(..) {
            if slot.file.is_some() {
                directory.disk().remove_file(&slot.path)?;
                removed = true;
            }
        }
        self.current = None;
        self.written_bytes = 0;
        if removed {
            directory.disk().sync_dir(directory.path())?;
        }
        Ok(())
    }
}
