//! What goes wrong with the machine.
//!
//! Owns the tables of calls and places that a script's numbers stand for.

use platform::sim::{DiskAction, DiskErrno, DiskFault};

use super::{Course, Done};
use crate::line::Line;

/// Calls that may fail.
pub(crate) const ACTIONS: [DiskAction; 11] = [
    DiskAction::Write,
    DiskAction::Sync,
    DiskAction::SyncDir,
    DiskAction::Rename,
    DiskAction::Create,
    DiskAction::Read,
    DiskAction::Open,
    DiskAction::Resize,
    DiskAction::Remove,
    DiskAction::List,
    DiskAction::Length,
];

/// Where they fail. The second is a whole directory.
pub(crate) const PLACES: [&str; 6] = ["", "/data1/", ".log", ".index", "klamm-wal", "checkpoint"];

/// A disk that is large enough to be measured.
const LARGE_BYTES: u64 = 1 << 40;

impl Course {
    pub(super) fn fault(&mut self, line: &Line) -> Done {
        let (Line::Fault { action, place, skip, times, errno }
        | Line::FaultAtStart { action, place, skip, times, errno }) = *line
        else {
            return Ok(());
        };
        let pick = |number: u64, count: usize| usize::try_from(number).unwrap_or(0) % count;
        let place = pick(place, PLACES.len());
        let fault = DiskFault {
            action: Some(ACTIONS[pick(action, ACTIONS.len())]),
            path_contains: PLACES[place].to_owned(),
            skip,
            times: times.max(1),
            errno: if errno == 1 { DiskErrno::NoSpace } else { DiskErrno::Io },
        };
        let is_everywhere = place != 1;
        if matches!(line, Line::FaultAtStart { .. }) {
            self.start_faults.push((fault, is_everywhere));
        } else if self.is_up() {
            self.inject(fault, is_everywhere);
        }
        Ok(())
    }

    pub(super) fn inject(&mut self, fault: DiskFault, is_everywhere: bool) {
        self.disk.fail(fault);
        for (number, dir) in self.dirs.iter_mut().enumerate() {
            dir.is_faulted |= is_everywhere || number == 1;
        }
    }

    pub(super) fn fill_disk(&mut self, spare: u64) -> Done {
        self.disk.set_capacity_bytes(Some(LARGE_BYTES));
        let path = std::path::Path::new("/");
        let free = platform::Disk::free_bytes(&self.disk, path).unwrap_or(LARGE_BYTES);
        self.disk.set_capacity_bytes(Some(LARGE_BYTES - free + spare));
        self.is_full = true;
        Ok(())
    }

    /// Errors of the full disk may come for a while: what could not be done waits.
    pub(super) fn free_disk(&mut self) -> Done {
        self.disk.set_capacity_bytes(None);
        Ok(())
    }

    pub(super) fn halt_after(&mut self, effects: u64) -> Done {
        if self.is_up() {
            self.disk.halt_after(effects.max(1));
        }
        Ok(())
    }
}
