//! The second copy of what is appended, for a log that is flushed by itself.
//!
//! Owns when there is one and whose it is; the file's bytes are `tail_copy`'s.

use std::path::PathBuf;
use std::sync::Arc;

use super::UnifiedLog;
use super::append::Prepared;
use crate::directory::Directory;
use crate::error::StorageError;
use crate::tail_copy::{TailCopy, TailPlace, TailWrite};

/// A second copy of the batches that a [`super::FlushTicket`] flushes, to be written beside it; or a mark, behind it.
pub struct CopyTicket {
    directory: Arc<Directory>,
    dir: PathBuf,
    write: TailWrite,
}

impl CopyTicket {
    /// Writes and flushes the copy. Whether it is there; if not, for lack of space, the recovery point has to be on disk
    /// ([`crate::LogDir::checkpoint_recovery_points`]), or a mark ([`UnifiedLog::mark_tail`]), before what was flushed is
    /// promised. Blocks; to be run where that is allowed.
    ///
    /// # Errors
    /// The disk's; the directory is offline then.
    pub fn run(&self) -> Result<bool, StorageError> {
        self.directory.check_online()?;
        let disk = self.directory.disk();
        self.write.run(disk.as_ref(), &self.dir).map_err(|error| self.directory.take_offline(error))
    }
}

impl UnifiedLog {
    /// Prepares the second copy of everything that was appended and is not durable, under
    /// [`crate::LogConfig::copies_tail`]; to be called after [`UnifiedLog::flush`]. What was flushed may be promised once
    /// both tickets have run: then rot in its bytes is not taken for a torn write at the next start. `None` if there can
    /// be none: then the recovery point has to be on disk before anything is promised.
    pub fn copy_tail(&mut self) -> Option<CopyTicket> {
        let (durable, checkpointed) = (self.view.recovery_point(), self.view.checkpointed());
        let write = self.tail.as_mut()?.take(durable, checkpointed, self.view.generation())?;
        Some(CopyTicket {
            directory: Arc::clone(self.directory()),
            dir: self.view.dir().to_path_buf(),
            write,
        })
    }

    /// Prepares a mark of how far the log is durable, under [`crate::LogConfig::copies_tail`]: once it has run it counts as
    /// the recovery point on disk does, where there is no space for that. Its place was taken when the file was made.
    pub fn mark_tail(&mut self) -> Option<CopyTicket> {
        if !self.config.copies_tail {
            return None;
        }
        let (durable, generation) = (self.view.recovery_point(), self.view.generation());
        let write = self.tail().mark(durable, generation);
        Some(CopyTicket {
            directory: Arc::clone(self.directory()),
            dir: self.view.dir().to_path_buf(),
            write,
        })
    }

    fn tail(&mut self) -> &mut TailCopy {
        let rng = self.view.directory().rng();
        self.tail.get_or_insert_with(|| Box::new(TailCopy::new(rng.next_u64())))
    }

    /// Notes batches that were appended to the active segment, the first at this position.
    pub(super) fn note_tail(&mut self, prepared: &[Prepared<'_>], mut position: u64) {
        if !self.config.copies_tail {
            return;
        }
        let segment = self.active.segment.base_offset();
        let tail = self.tail();
        for batch in prepared {
            let (first_offset, next_offset) = (batch.header.base_offset, batch.header.next_offset());
            let place = TailPlace { segment, position, first_offset, next_offset };
            tail.note(place, [&batch.stamped, batch.payload()]);
            position += batch.size();
        }
    }
}
