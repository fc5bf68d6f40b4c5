//! The bounds of a listener, and the count of what is open.

use std::collections::BTreeMap;
use std::net::IpAddr;

use parking_lot::Mutex;

/// What one frame may be.
#[derive(Debug, Clone, Copy)]
pub struct FrameLimits {
    /// Largest frame, without its length field (`socket.request.max.bytes`); a larger one closes the connection
    /// before a byte of it is stored.
    pub frame_bytes_max: usize,
}

/// How many connections may be open (`max.connections`, `max.connections.per.ip` and its overrides).
#[derive(Debug, Clone, Default)]
pub struct ConnectionLimits {
    /// Open connections on all listeners together.
    pub connections_max: usize,
    /// Open connections of one address.
    pub connections_per_ip_max: usize,
    /// Addresses with a limit of their own.
    pub per_ip_overrides: BTreeMap<IpAddr, usize>,
}

/// Counts open connections against the limits.
#[derive(Debug)]
pub(crate) struct ConnectionCount {
    limits: ConnectionLimits,
    open: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    total: usize,
    per_ip: BTreeMap<IpAddr, usize>,
}

impl ConnectionCount {
    pub(crate) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, open: Mutex::new(OpenConnections::default()) }
    }

    /// Counts one more connection, or says that there is no place for it.
    pub(crate) fn admit(&self, ip: IpAddr) -> bool {
        let per_ip_max =
            self.limits.per_ip_overrides.get(&ip).copied().unwrap_or(self.limits.connections_per_ip_max);
        let mut open = self.open.lock();
        let of_ip = open.per_ip.get(&ip).copied().unwrap_or(0);
        if open.total >= self.limits.connections_max || of_ip >= per_ip_max {
            return false;
        }
        open.total += 1;
        open.per_ip.insert(ip, of_ip + 1);
        true
    }

    /// Gives the place back.
    pub(crate) fn release(&self, ip: IpAddr) {
        let mut open = self.open.lock();
        open.total -= 1;
        if let Some(of_ip) = open.per_ip.get_mut(&ip) {
            *of_ip -= 1;
            if *of_ip == 0 {
                open.per_ip.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests;
