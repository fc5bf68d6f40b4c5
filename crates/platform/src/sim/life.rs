//! Owns who is alive: each start of a machine's process is an incarnation, and what a dead incarnation still holds
//! is inert. It never touches data: disk and network ask it before they act.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// The life of one machine over all its incarnations.
#[derive(Debug)]
pub(super) struct NodeLife {
    ip: IpAddr,
    /// The number of the living incarnation; odd numbers never live, so that a stop is one increment.
    current: AtomicU64,
    powered_off: AtomicBool,
    stopped: Notify,
}

impl NodeLife {
    pub(super) fn new(ip: IpAddr) -> Self {
        // Number 1 is "stopped, before the first boot".
        Self { ip, current: AtomicU64::new(1), powered_off: AtomicBool::new(false), stopped: Notify::new() }
    }

    pub(super) fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Begins an incarnation, or joins the one that lives.
    pub(super) fn boot(self: &Arc<Self>) -> Incarnation {
        self.powered_off.store(false, Ordering::Relaxed);
        if !self.is_up() {
            self.current.fetch_add(1, Ordering::Relaxed);
        }
        Incarnation { life: Arc::clone(self), number: self.number() }
    }

    pub(super) fn stop(&self, powered_off: bool) {
        self.powered_off.store(powered_off, Ordering::Relaxed);
        if self.is_up() {
            self.current.fetch_add(1, Ordering::Relaxed);
        }
        self.stopped.notify_waiters();
    }

    pub(super) fn is_up(&self) -> bool {
        self.number().is_multiple_of(2)
    }

    pub(super) fn is_powered_off(&self) -> bool {
        self.powered_off.load(Ordering::Relaxed)
    }

    pub(super) async fn down(&self) {
        let mut stopped = std::pin::pin!(self.stopped.notified());
        stopped.as_mut().enable();
        if self.is_up() {
            stopped.await;
        }
    }

    fn number(&self) -> u64 {
        self.current.load(Ordering::Relaxed)
    }
}

/// One run of a machine's processes.
#[derive(Clone, Debug)]
pub(super) struct Incarnation {
    life: Arc<NodeLife>,
    number: u64,
}

impl Incarnation {
    pub(super) fn is_alive(&self) -> bool {
        self.life.number() == self.number
    }

    /// 1 for the first boot, 2 for the second, …
    pub(super) fn number(&self) -> u64 {
        self.number / 2
    }

    /// Never returns once the incarnation is dead: the task that asked is frozen, as its process is gone.
    pub(super) async fn freeze_if_dead(&self) {
        if !self.is_alive() {
            std::future::pending::<()>().await;
        }
    }
}
