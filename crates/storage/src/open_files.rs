//! Bounds how many segment files of a log directory are open at once.
//!
//! Owns the order in which idle files are closed: first opened, first closed, with one more round for a file that was
//! used since. A file with unflushed bytes stays open as long as there is any other to close, so that its flush reports
//! every write error; where there is none, it is flushed and closed. It never opens.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::directory::Directory;
use crate::segment::{Closing, Segment};

/// Files that are looked at for each one that is opened beyond the bound, so that a crowd of busy ones costs no pass over
/// all of them.
const LOOKS_MAX: usize = 64;
/// Of those with unflushed bytes, how many are tried.
const FLUSHES_MAX: usize = 8;

pub(crate) struct OpenFiles {
    max: usize,
    queue: Mutex<VecDeque<Weak<Segment>>>,
    /// Files had to be flushed to be closed.
    is_crowded: AtomicBool,
}

impl OpenFiles {
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.max(1), queue: Mutex::default(), is_crowded: AtomicBool::new(false) }
    }

    /// Notes that a segment has just opened its file, and closes others if there are too many. That blocks, but only if
    /// so many have unflushed bytes that one of them has to be flushed.
    ///
    /// # Errors
    /// That flush failed, and the directory is offline.
    pub(crate) fn opened(&self, segment: &Arc<Segment>, directory: &Directory) -> io::Result<()> {
        let mut busy = Vec::new();
        {
            let mut queue = self.queue.lock();
            queue.push_back(Arc::downgrade(segment));
            for _ in 0..LOOKS_MAX.min(queue.len() - 1) {
                if queue.len() <= self.max {
                    return Ok(());
                }
                let Some(oldest) = queue.pop_front() else { break };
                let Some(other) = oldest.upgrade() else { continue };
                if !other.try_close_idle_file() {
                    queue.push_back(oldest);
                    busy.push(other);
                }
            }
            if queue.len() <= self.max {
                return Ok(());
            }
        }
        // Nobody else waits for these flushes but who opens files as well.
        self.flush_one(&busy).map_err(|error| io::Error::other(directory.take_offline(error)))
    }

    fn flush_one(&self, busy: &[Arc<Segment>]) -> io::Result<()> {
        for segment in busy.iter().take(FLUSHES_MAX) {
            let closing = segment.flush_and_close()?;
            if closing == Closing::InUse {
                continue;
            }
            self.is_crowded.fetch_or(closing == Closing::Flushed, Ordering::Relaxed);
            let closed = Arc::as_ptr(segment);
            let mut queue = self.queue.lock();
            // It was put at the end a moment ago.
            if let Some(at) = queue.iter().rposition(|known| known.as_ptr() == closed) {
                queue.remove(at);
            }
            break;
        }
        Ok(())
    }

    /// Whether files had to be flushed to be closed since the last time this was asked: then all should be flushed.
    pub(crate) fn take_crowded(&self) -> bool {
        self.is_crowded.swap(false, Ordering::Relaxed)
    }

    /// How many files may be open.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// How many files are open, counting those of segments that are gone but not yet noticed.
    pub(crate) fn count(&self) -> usize {
        self.queue.lock().len()
    }
}
