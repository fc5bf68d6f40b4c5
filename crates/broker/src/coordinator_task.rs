//! The owner of the group coordinator: one task holds all shards that this node leads.
//!
//! Requests reach it through a bounded queue and are answered by one-shot channels. It loads a shard by reading its
//! partition, appends what the shard asks for (everything that is waiting for a partition in one batch, one batch at
//! a time), and wakes up for the earliest deadline only. It never decides anything about groups: that is
//! `group-coordinator`'s business.

mod append_batch;
mod call;
mod changes;
mod handle;
mod io_set;
mod load;
mod offsets_log;
mod owner;
mod slot;
mod steady_clock;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use group_coordinator::GroupCoordinatorConfig;
use platform::{Clock, Rng};
use tokio::sync::mpsc;

pub use handle::GroupCoordinatorHandle;
pub use offsets_log::{Leadership, OffsetsLog, OffsetsLogConfig};

use changes::Changes;
use owner::Owner;
use steady_clock::SteadyClock;

/// Requests that may wait for the task. Senders wait when it is full, which slows the connections down.
const QUEUED_CALLS_MAX: usize = 1_024;

/// Starts the task on the current runtime. It serves nothing until [`GroupCoordinatorHandle::metadata_changed`] is
/// called for the first time, and ends when it is shut down or the last handle is dropped.
pub fn start<L: OffsetsLog>(
    log: Arc<L>,
    clock: &Clock,
    rng: Rng,
    config: GroupCoordinatorConfig,
    log_config: OffsetsLogConfig,
) -> GroupCoordinatorHandle {
    let (sender, receiver) = mpsc::channel(QUEUED_CALLS_MAX);
    let changes = Arc::new(Changes::default());
    let clock = SteadyClock::start(clock.wall_ms());
    let owner = Owner::new(log, log_config, clock, rng, config, changes.clone());
    tokio::spawn(owner.run(receiver));
    GroupCoordinatorHandle::new(sender, changes)
}
