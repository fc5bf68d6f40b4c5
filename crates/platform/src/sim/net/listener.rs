//! Owns the connections that wait to be accepted at one address. It never moves bytes.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::connection::{Connection, SimStream};
use super::{Incarnation, SimNet, lock};
use crate::net::BindOptions;

/// The queue between the network and a listener.
pub(super) struct Waiting {
    pub(super) address: SocketAddr,
    pub(super) reuse_port: bool,
    backlog: usize,
    queue: Mutex<VecDeque<Arc<Connection>>>,
    arrived: Notify,
}

impl Waiting {
    pub(super) fn new(address: SocketAddr, options: BindOptions) -> Self {
        let backlog = usize::try_from(options.backlog).unwrap_or(usize::MAX);
        let queue = Mutex::new(VecDeque::new());
        Self { address, reuse_port: options.reuse_port, backlog, queue, arrived: Notify::new() }
    }

    pub(super) fn is_full(&self) -> bool {
        lock(&self.queue).len() >= self.backlog
    }

    pub(super) fn arrive(&self, connection: Arc<Connection>) {
        lock(&self.queue).push_back(connection);
        self.arrived.notify_waiters();
    }
}

/// A bound address of a simulated machine.
pub(crate) struct SimListener {
    net: SimNet,
    incarnation: Incarnation,
    waiting: Arc<Waiting>,
}

impl SimListener {
    pub(super) fn new(net: SimNet, incarnation: Incarnation, waiting: Arc<Waiting>) -> Self {
        Self { net, incarnation, waiting }
    }

    pub(crate) async fn accept(&self) -> io::Result<(SimStream, SocketAddr)> {
        loop {
            let mut arrived = std::pin::pin!(self.waiting.arrived.notified());
            arrived.as_mut().enable();
            self.incarnation.freeze_if_dead().await;
            let first = lock(&self.waiting.queue).pop_front();
            if let Some(connection) = first {
                let peer = connection.addresses[0];
                return Ok((SimStream::new(connection, 1, self.incarnation.clone()), peer));
            }
            arrived.await;
        }
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.waiting.address
    }
}

impl Drop for SimListener {
    /// Whoever still waits is reset, as the kernel does when a listener closes.
    fn drop(&mut self) {
        if self.incarnation.is_alive() {
            self.net.unbind(&self.waiting);
            let waiting = std::mem::take(&mut *lock(&self.waiting.queue));
            for connection in waiting {
                connection.reset_by(self.waiting.address.ip());
            }
        }
    }
}

impl fmt::Debug for SimListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimListener({})", self.waiting.address)
    }
}
