//! The appends of one shard that are under way, in log order, each with what has to happen when it ends.
//!
//! It never touches the log itself: the shell says when an append was committed or has failed.

use std::collections::VecDeque;

#[cfg(test)]
mod tests;

/// Names one append of one shard. Ids grow by one and are never used again while the shard lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendId(pub u64);

/// Appends under way, oldest first. `T` is what the shard does once the append has ended.
///
/// The shell appends in the order of [`AppendQueue::begin`], so ends arrive almost always from the front;
/// an append in the middle may fail on its own (a batch that is too large).
#[derive(Debug)]
pub struct AppendQueue<T> {
    next_id: u64,
    entries: VecDeque<(AppendId, T)>,
}

impl<T> Default for AppendQueue<T> {
    fn default() -> Self {
        AppendQueue { next_id: 0, entries: VecDeque::new() }
    }
}

impl<T> AppendQueue<T> {
    /// Registers an append and returns the id under which its end will be reported.
    pub fn begin(&mut self, pending: T) -> AppendId {
        let id = AppendId(self.next_id);
        self.next_id += 1;
        self.entries.push_back((id, pending));
        id
    }

    /// Takes out what was registered under `id`; `None` if it has already ended.
    pub fn end(&mut self, id: AppendId) -> Option<T> {
        let position = self.entries.iter().position(|(entry_id, _)| *entry_id == id)?;
        self.entries.remove(position).map(|(_, pending)| pending)
    }

    /// The newest append under way. Who must see the state after everything that was asked so far waits for it.
    pub fn newest_mut(&mut self) -> Option<&mut T> {
        self.entries.back_mut().map(|(_, pending)| pending)
    }

    /// The appends under way, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|(_, pending)| pending)
    }

    /// Everything that was registered and has not ended, oldest first.
    pub fn into_pending(self) -> impl Iterator<Item = T> {
        self.entries.into_iter().map(|(_, pending)| pending)
    }

    /// How many appends are under way.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
