//! The only door to the machine: clock, disk, network, randomness and the pool for blocking work.
//!
//! Owns the traits and types through which every other room reaches the machine, with a real half (the operating
//! system) and a simulated half ([`sim`]) that is deterministic from one seed. It never knows a Kafka word: no
//! topic, no record, no request passes through here.

mod blocking;
mod clock;
mod direct_buffer;
mod disk;
mod mutants;
mod net;
mod rng;
pub mod sim;

use std::sync::Arc;

pub use blocking::{Ahead, Blocking};
pub use clock::Clock;
pub use direct_buffer::DirectBuffer;
pub use disk::{DIRECT_BLOCK_BYTES, DirEntry, Disk, DiskLock, DiskSpace, File, OpenMode, OsDisk, PathError};
pub use net::{BindOptions, DetachedStream, Listener, Net, OsNet, Stream};
pub use rng::Rng;

/// Everything a node may ask of the machine. Cheap to clone; clones share the same machine.
#[derive(Clone)]
pub struct Platform {
    /// Wall-clock time. Monotonic time is `tokio::time::Instant`, in both halves.
    pub clock: Clock,
    /// Files and directories.
    pub disk: Arc<dyn Disk>,
    /// Listeners and byte streams.
    pub net: Net,
    /// Random numbers.
    pub rng: Rng,
    /// Where calls that may really block the thread are run.
    pub blocking: Blocking,
}

impl Platform {
    /// The real machine: system clock, file system, TCP, the kernel's entropy and a small pool of threads.
    pub fn os() -> Self {
        Self {
            clock: Clock::os(),
            disk: Arc::new(OsDisk),
            net: Net::Os(OsNet),
            rng: Rng::os(),
            blocking: Blocking::os(Blocking::DEFAULT_THREADS),
        }
    }
}
