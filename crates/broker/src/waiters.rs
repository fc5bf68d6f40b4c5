//! Requests parked on partitions until something is appended: long polls and `acks=all`.
//!
//! A waiter hangs on every partition it cares for and is woken by the append itself, never by polling. It does not
//! know what was appended: who is woken looks again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

mod doorbell;

use doorbell::Doorbell;

/// One parked request.
#[derive(Debug)]
pub struct Waiter {
    /// Bytes that still have to become readable before it is worth waking.
    missing_bytes: AtomicI64,
    wake: Notify,
    /// Of the thread that the request is on.
    doorbell: Option<Arc<Doorbell>>,
    /// The doorbell has it in its list.
    is_listed: AtomicBool,
}

impl Waiter {
    /// A waiter that wakes after `missing_bytes` more bytes.
    #[must_use]
    pub fn new(missing_bytes: i64) -> Arc<Self> {
        Arc::new(Self {
            missing_bytes: AtomicI64::new(missing_bytes),
            wake: Notify::new(),
            doorbell: Doorbell::here(),
            is_listed: AtomicBool::new(false),
        })
    }

    /// Sets anew how many bytes are missing, after a look that found too few.
    pub fn expect(&self, missing_bytes: i64) {
        self.missing_bytes.store(missing_bytes, Ordering::Relaxed);
    }

    /// Waits for a wake-up; one that came before the call counts.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    fn add(self: &Arc<Self>, bytes: i64) {
        if self.missing_bytes.fetch_sub(bytes, Ordering::Relaxed) <= bytes {
            match &self.doorbell {
                Some(doorbell) => doorbell.wake(self),
                None => self.wake.notify_one(),
            }
        }
    }
}

/// The waiters of one partition.
#[derive(Debug, Default)]
pub struct Waiters {
    /// Mirrors the list's length, so that an append nobody waits for takes no lock.
    count: AtomicUsize,
    list: Mutex<Vec<Arc<Waiter>>>,
}

impl Waiters {
    /// Hangs a waiter on the partition.
    pub fn add(&self, waiter: &Arc<Waiter>) {
        let mut list = self.list.lock();
        list.push(waiter.clone());
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// Takes it off again.
    pub fn remove(&self, waiter: &Arc<Waiter>) {
        let mut list = self.list.lock();
        if let Some(at) = list.iter().position(|other| Arc::ptr_eq(other, waiter)) {
            list.swap_remove(at);
        }
        self.count.store(list.len(), Ordering::SeqCst);
    }

    /// So many more bytes can be read.
    pub fn appended(&self, bytes: i64) {
        if self.count.load(Ordering::SeqCst) > 0 {
            for waiter in self.list.lock().iter() {
                waiter.add(bytes);
            }
        }
    }

    /// Something else changed: all look again.
    pub fn wake_all(&self) {
        self.appended(i64::MAX / 2);
    }
}
