//! How far the logs of a directory were cleaned, and the stop of cleanings.
//!
//! Owns the remembered offsets and the file they are in, `cleaner-offset-checkpoint`. It never judges whether a log is
//! due.

use super::{LogDir, LogKey, State};
use crate::error::StorageError;
use crate::view::LogView;

impl LogDir {
    /// Where the next cleaning of a log goes on, if it was cleaned before.
    pub fn cleaned_offset(&self, view: &LogView) -> Option<i64> {
        self.state.lock().cleaned.get(&name(view)).copied()
    }

    /// Notes that a log was cleaned up to `offset`, or that it has to be looked at from there on, and writes the
    /// checkpoint. Blocks.
    ///
    /// # Errors
    /// The disk's; the directory is offline then.
    pub fn note_cleaned(&self, view: &LogView, offset: i64) -> Result<(), StorageError> {
        {
            let mut state = self.state.lock();
            // A log that was deleted meanwhile leaves nothing to the next one of its name.
            if view.is_deleted() {
                return Ok(());
            }
            state.cleaned.insert(name(view), offset);
        }
        self.checkpoint_cleaned()
    }

    /// The log is about to be cut to `offset`: what comes after it again was not cleaned.
    pub(crate) fn lower_cleaned_offset(&self, view: &LogView, offset: i64) {
        if let Some(cleaned) = self.state.lock().cleaned.get_mut(&name(view)) {
            *cleaned = (*cleaned).min(offset);
        }
    }

    /// Has this called whenever a log of the directory may have become worth cleaning; to be set once. In between only the
    /// passing of a lag can make one so. The log's writer is held up: it must not block, and not call back.
    pub fn on_cleanable(&self, call: impl Fn() + Send + Sync + 'static) {
        self.directory.on_cleanable(call);
    }

    /// Has cleanings end at their next batch, and lets none begin: for the end of the directory's use.
    pub fn stop_cleaning(&self) {
        self.directory.stop_cleaning();
    }

    /// A log may have become worth cleaning, because what kept it from being cleaned is over.
    pub fn note_cleanable(&self) {
        self.directory.note_cleanable();
    }

    /// Whether a piece of a cleaning is under way.
    pub fn is_cleaning(&self) -> bool {
        self.directory.is_cleaning()
    }
}

impl State {
    /// A log is here that was cleaned so far, or never; whatever was known of its name is void.
    pub(super) fn set_cleaned(&mut self, (topic, partition): &LogKey, cleaned: Option<i64>) {
        let name = (topic.to_string(), *partition);
        match cleaned {
            Some(offset) => _ = self.cleaned.insert(name, offset),
            None => _ = self.cleaned.remove(&name),
        }
    }
}

fn name(view: &LogView) -> (String, i32) {
    (view.topic().to_string(), view.partition())
}
