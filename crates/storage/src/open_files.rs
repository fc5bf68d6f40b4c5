//! Bounds how many segment files of a log directory are open at once.
//!
//! Owns the order in which idle files are closed: first opened, first closed, with one more round for a file that was
//! used since. A file with unflushed bytes stays open, so that its flush reports every write error. It never opens.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::segment::Segment;

pub(crate) struct OpenFiles {
    max: usize,
    queue: Mutex<VecDeque<Weak<Segment>>>,
}

impl OpenFiles {
    pub(crate) fn new(max: usize) -> Self {
        Self { max: max.max(1), queue: Mutex::new(VecDeque::new()) }
    }

    /// Notes that a segment has just opened its file, and closes another one if there are too many.
    pub(crate) fn opened(&self, segment: &Arc<Segment>) {
        let mut queue = self.queue.lock();
        queue.push_back(Arc::downgrade(segment));
        // Each open file is looked at once at most, so that a crowd of busy files costs one pass and not a spin.
        for _ in 0..queue.len() {
            if queue.len() <= self.max {
                break;
            }
            let Some(oldest) = queue.pop_front() else { break };
            let Some(segment) = oldest.upgrade() else { continue };
            if !segment.try_close_idle_file() {
                queue.push_back(oldest);
            }
        }
    }

    /// How many files are open, counting those of segments that are gone but not yet noticed.
    pub(crate) fn count(&self) -> usize {
        self.queue.lock().len()
    }
}
