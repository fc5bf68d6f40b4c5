//! Wake-ups that other threads owe to the requests of this one, delivered together.
//!
//! A group of the write-ahead log ends the wait of hundreds of requests at once. To wake each of them from the thread that
//! wrote the group would cost a system call for each; so that thread leaves a list and rings once. It never knows what the
//! requests wait for.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;

use super::Waiter;

/// One thread's waiters that others have woken. Each is in the list once at most.
#[derive(Debug)]
pub(super) struct Doorbell {
    runtime: Id,
    woken: Mutex<Vec<Arc<Waiter>>>,
    rung: Notify,
    /// Nobody answers any more: the runtime is gone.
    is_closed: AtomicBool,
}

thread_local! {
    static HERE: RefCell<Option<Arc<Doorbell>>> = const { RefCell::new(None) };
}

impl Doorbell {
    /// The one of this thread in the runtime that it is in; `None` outside of one.
    pub(super) fn here() -> Option<Arc<Doorbell>> {
        let handle = Handle::try_current().ok()?;
        HERE.with(|here| {
            let mut here = here.borrow_mut();
            let known = here.as_ref().filter(|bell| bell.runtime == handle.id() && !bell.is_closed());
            if let Some(bell) = known {
                return Some(Arc::clone(bell));
            }
            let bell = Arc::new(Doorbell {
                runtime: handle.id(),
                woken: Mutex::default(),
                rung: Notify::new(),
                is_closed: AtomicBool::new(false),
            });
            handle.spawn(Answering(Arc::clone(&bell)).run());
            *here = Some(Arc::clone(&bell));
            Some(bell)
        })
    }

    /// Wakes a waiter of this bell's thread: at once from that thread itself.
    pub(super) fn wake(self: &Arc<Self>, waiter: &Arc<Waiter>) {
        let is_here = HERE.with(|here| here.borrow().as_ref().is_some_and(|bell| Arc::ptr_eq(bell, self)));
        if is_here || self.is_closed() {
            return waiter.wake.notify_one();
        }
        if waiter.is_listed.swap(true, Ordering::AcqRel) {
            return;
        }
        let is_first = {
            let mut woken = self.woken.lock();
            woken.push(Arc::clone(waiter));
            woken.len() == 1
        };
        if is_first {
            self.rung.notify_one();
        }
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    fn wake_listed(&self, taken: &mut Vec<Arc<Waiter>>) {
        std::mem::swap(&mut *self.woken.lock(), taken);
        for waiter in taken.drain(..) {
            // Cleared before the wake-up: what comes after is one more.
            waiter.is_listed.store(false, Ordering::Release);
            waiter.wake.notify_one();
        }
    }
}

/// The task that answers a bell.
struct Answering(Arc<Doorbell>);

impl Answering {
    async fn run(self) {
        let mut taken = Vec::new();
        loop {
            self.0.rung.notified().await;
            self.0.wake_listed(&mut taken);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.is_closed.store(true, Ordering::Release);
        self.0.wake_listed(&mut Vec::new());
    }
}

#[cfg(test)]
mod tests;
