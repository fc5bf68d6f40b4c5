//! The bounds of a node's listeners, and the count of what is open.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// One permit of the memory for large frames.
const MEMORY_UNIT_BYTES: usize = 1024;

/// What one frame may be, and all large ones together.
#[derive(Debug, Clone)]
pub struct FrameLimits {
    /// Largest frame, without its length field (`socket.request.max.bytes`); a larger one closes the connection
    /// before a byte of it is stored.
    pub frame_bytes_max: usize,
    /// Memory of all frames that do not fit a pooled buffer; `None` sets no bound.
    pub memory: Option<FrameMemory>,
}

/// Memory that the connections of a node share for large frames (`queued.max.request.bytes`). Who finds none free waits,
/// and the kernel's buffers push back on its client.
#[derive(Debug, Clone)]
pub struct FrameMemory {
    free: Arc<Semaphore>,
    units: u32,
}

impl FrameMemory {
    /// So much memory; at least what the largest frame takes, so that every frame can be read.
    #[must_use]
    pub fn new(bytes: u64, frame_bytes_max: usize) -> FrameMemory {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).max(frame_bytes_max);
        let units = u32::try_from(bytes / MEMORY_UNIT_BYTES + 1).unwrap_or(u32::MAX >> 1);
        FrameMemory { free: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Takes memory for one frame, as soon as there is so much. It is free again when the permit is dropped.
    pub(crate) async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(MEMORY_UNIT_BYTES)).unwrap_or(u32::MAX).min(self.units);
        self.free.clone().acquire_many_owned(units).await.ok()
    }
}

/// How many connections may be open and made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Open connections on all listeners together (`max.connections`). Beyond it, connections wait to be accepted.
    pub connections_max: usize,
    /// Open connections of one address (`max.connections.per.ip`). Beyond it, connections are closed.
    pub connections_per_ip_max: usize,
    /// Addresses with a limit of their own (`max.connections.per.ip.overrides`).
    pub per_ip_overrides: BTreeMap<IpAddr, usize>,
    /// What single listeners have less of, by the name of the listener.
    pub listeners: BTreeMap<String, ListenerLimits>,
}

/// The share of one listener (`listener.name.<name>.max.connections`, `….max.connection.creation.rate`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Open connections.
    pub connections_max: Option<usize>,
    /// New connections per second.
    pub creation_rate_max: Option<u32>,
}

/// Counts open connections against the limits.
#[derive(Debug)]
pub(crate) struct ConnectionCount {
    open: Mutex<OpenConnections>,
    /// Somebody left, or the limits are others: who waits may look again.
    changed: Notify,
}

#[derive(Debug, Default)]
struct OpenConnections {
    limits: ConnectionLimits,
    total: usize,
    per_ip: BTreeMap<IpAddr, usize>,
    per_listener: BTreeMap<String, usize>,
    paces: BTreeMap<String, Pace>,
}

/// What became of a connection that was accepted.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    Granted,
    /// Its address has too many.
    Refused,
    /// There is no place until somebody leaves.
    WhenChanged,
    /// The next one is due then.
    At(Instant),
}

impl ConnectionCount {
    pub(crate) fn new(limits: ConnectionLimits) -> Self {
        Self {
            open: Mutex::new(OpenConnections { limits, ..OpenConnections::default() }),
            changed: Notify::new(),
        }
    }

    /// Replaces the limits. Connections that are open stay.
    pub(crate) fn set_limits(&self, limits: ConnectionLimits) {
        self.open.lock().limits = limits;
        self.changed.notify_waiters();
    }

    /// Counts one more connection, once there is a place for it and it is due. False: its address has too many.
    pub(crate) async fn admit(&self, listener: &str, ip: IpAddr) -> bool {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let admission = self.open.lock().admit(listener, ip, Instant::now());
            match admission {
                Admission::Granted => return true,
                Admission::Refused => return false,
                Admission::WhenChanged => changed.await,
                Admission::At(due) => {
                    let _ = tokio::time::timeout_at(due, changed).await;
                }
            }
        }
    }

    /// Gives the place back.
    pub(crate) fn release(&self, listener: &str, ip: IpAddr) {
        let mut open = self.open.lock();
        open.total -= 1;
        take_one(&mut open.per_ip, &ip);
        take_one(&mut open.per_listener, listener);
        drop(open);
        self.changed.notify_waiters();
    }
}

impl OpenConnections {
    fn admit(&mut self, listener: &str, ip: IpAddr, now: Instant) -> Admission {
        let limits = &self.limits;
        let of_ip = self.per_ip.get(&ip).copied().unwrap_or(0);
        if of_ip >= limits.per_ip_overrides.get(&ip).copied().unwrap_or(limits.connections_per_ip_max) {
            return Admission::Refused;
        }
        let own = limits.listeners.get(listener).copied().unwrap_or_default();
        let of_listener = self.per_listener.get(listener).copied().unwrap_or(0);
        if self.total >= limits.connections_max
            || own.connections_max.is_some_and(|connections_max| of_listener >= connections_max)
        {
            return Admission::WhenChanged;
        }
        if let Some(rate_max) = own.creation_rate_max {
            let pace = self.paces.entry(listener.to_owned()).or_default();
            let due = pace.due(rate_max, now);
            if due > now {
                return Admission::At(due);
            }
            pace.take(rate_max, now);
        }
        self.total += 1;
        *self.per_ip.entry(ip).or_default() += 1;
        *self.per_listener.entry(listener.to_owned()).or_default() += 1;
        Admission::Granted
    }
}

/// Takes one off a count and forgets a count of none.
fn take_one<K, Q>(counts: &mut BTreeMap<K, usize>, key: &Q)
where
    K: std::borrow::Borrow<Q> + Ord,
    Q: Ord + ?Sized,
{
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// A rate kept over time: a second's worth may come at once, after that one comes each so often.
#[derive(Debug, Default)]
struct Pace {
    /// When what was granted so far would have come at an even pace.
    at: Option<Instant>,
}

impl Pace {
    /// When the next one may come.
    fn due(&self, rate_max: u32, now: Instant) -> Instant {
        // A whole second's worth is granted ahead, less the one that is asked for.
        let due = self.at.and_then(|at| (at + step(rate_max)).checked_sub(Duration::from_secs(1)));
        due.map_or(now, |due| due.max(now))
    }

    /// One came.
    fn take(&mut self, rate_max: u32, now: Instant) {
        self.at = Some(self.at.map_or(now, |at| at.max(now)) + step(rate_max));
    }
}

/// From one to the next at an even pace.
fn step(rate_max: u32) -> Duration {
    Duration::from_secs(1) / rate_max.max(1)
}

#[cfg(test)]
mod tests;
