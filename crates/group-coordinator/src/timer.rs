//! What a shard waits for in time. The shell knows only the earliest deadline.

use std::sync::Arc;

/// One thing that happens when its deadline passes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerKey {
    /// A member's session (or a new member's patience) ends: group id, member id.
    Session(Arc<str>, Arc<str>),
    /// The join phase of a group ends.
    Join(Arc<str>),
    /// The wait for the SyncGroup requests of a group's members ends.
    Sync(Arc<str>),
    /// Time to look for offsets and groups that have outlived their retention.
    Expiry,
}
