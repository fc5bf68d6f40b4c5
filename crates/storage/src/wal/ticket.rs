//! A piece of the write-ahead log's work, to be run where blocking is allowed.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use platform::{File, OpenMode};

use super::frame::{GroupHead, LogEnd, finish_group};
use super::group::table_of;
use super::ring::{NewSlot, Place};
use crate::directory::Directory;
use crate::layout::PARTITION_METADATA;
use crate::mutant::mutant;

/// A group to be written, or a file to be made for those to come.
pub struct WalTicket {
    directory: Arc<Directory>,
    work: Work,
}

enum Work {
    Write(Write),
    Prepare(NewSlot),
}

pub(super) struct Write {
    pub(super) buffer: Vec<u8>,
    pub(super) start: usize,
    pub(super) head: GroupHead,
    pub(super) previous: Vec<LogEnd>,
    pub(super) place: Place,
    pub(super) syncs: Vec<Arc<dyn File>>,
    pub(super) names: Vec<PathBuf>,
}

impl WalTicket {
    pub(super) fn write(directory: &Arc<Directory>, write: Write) -> Self {
        Self { directory: Arc::clone(directory), work: Work::Write(write) }
    }

    pub(super) fn prepare(directory: &Arc<Directory>, slot: NewSlot) -> Self {
        Self { directory: Arc::clone(directory), work: Work::Prepare(slot) }
    }

    /// Does the work and tells the logs whose durable end moved. A failed write takes the directory offline, and then all
    /// logs that wait are told. Afterwards there may be another ticket. Blocks.
    pub fn run(self) {
        let Self { directory, work } = self;
        match work {
            Work::Write(write) => write.run(&directory),
            Work::Prepare(slot) => prepare(&directory, &slot),
        }
    }

    /// Whether it writes a group, which proves those before it; else it makes a file for groups to come.
    pub fn is_group(&self) -> bool {
        matches!(self.work, Work::Write(_))
    }

    /// Runs this ticket and all that follow. Blocks.
    pub fn run_all(self) {
        let mut next = Some(self);
        while let Some(ticket) = next {
            let directory = Arc::clone(&ticket.directory);
            ticket.run();
            next = directory.wal().take_ticket(&directory);
        }
    }
}

fn prepare(directory: &Arc<Directory>, slot: &NewSlot) {
    match slot.make(directory) {
        Ok(file) => directory.wal().prepared(slot.slot, Some(file)),
        Err(error) if is_full(&error) => {
            tracing::warn!(path = %slot.path.display(), "no space is left for the write-ahead log: appends wait until its files are free again");
            directory.wal().prepared(slot.slot, None);
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted && directory.wal().is_ending() => {
            directory.wal().prepared(slot.slot, None);
        }
        Err(error) => fail(directory, error),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn fail(directory: &Directory, error: io::Error) {
    directory.take_offline(error);
    for view in directory.wal().unwritten() {
        view.tell_listener();
    }
}

impl Write {
    fn run(mut self, directory: &Arc<Directory>) {
        if let Err(error) = directory.check_online() {
            return tracing::debug!(%error, "a group is not written");
        }
        if let Err(error) = self.write(directory) {
            return fail(directory, error);
        }
        for view in directory.wal().written(self.head.number, self.buffer) {
            view.tell_listener();
        }
    }

    fn write(&mut self, directory: &Directory) -> io::Result<()> {
        let disk = directory.disk();
        // Once each, however many batches rely on it: a flush that finds nothing to write still empties the disk's cache.
        let mut flushed = BTreeSet::new();
        for file in self.syncs.iter().filter(|file| flushed.insert(Arc::as_ptr(file).cast::<()>())) {
            file.sync_data()?;
        }
        let names: BTreeSet<&PathBuf> = self.names.iter().collect();
        for dir in names.iter().filter(|_| !mutant!(NamesNotFlushed)) {
            let sync = || {
                disk.open(&dir.join(PARTITION_METADATA), OpenMode::ReadWrite)?.sync_data()?;
                disk.sync_dir(dir)
            };
            match sync() {
                // The log was deleted meanwhile: before the names were asked for, or between the two.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !disk.exists(dir) => {}
                other => other?,
            }
        }
        let parents: BTreeSet<_> = names.iter().filter_map(|dir| dir.parent()).collect();
        let mut parents = parents.into_iter().filter(|_| !mutant!(NamesNotFlushed));
        parents.try_for_each(|dir| disk.sync_dir(dir))?;
        finish_group(&mut self.buffer, self.start, &self.head, table_of(&self.previous));
        let file = self.place.file.of_use(self.place.of_use)?;
        file.write_durable_at(&self.buffer[self.start..], self.place.position)
    }
}
