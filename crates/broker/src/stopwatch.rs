//! How much of a thread's time a request takes: the time its future is polled, not the time it waits.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Adds up the polls of one request. One that is off never looks at a clock.
#[derive(Debug)]
pub struct Stopwatch {
    epoch: Option<Instant>,
    /// Nanoseconds of the polls that are over.
    spent_ns: AtomicU64,
    /// When the poll in progress began, in nanoseconds after the epoch.
    begun_ns: AtomicU64,
}

impl Stopwatch {
    /// A stopwatch that measures.
    #[must_use]
    pub fn on() -> Self {
        Self { epoch: Some(Instant::now()), spent_ns: AtomicU64::new(0), begun_ns: AtomicU64::new(0) }
    }

    /// A stopwatch that does not.
    #[must_use]
    pub fn off() -> Self {
        Self { epoch: None, spent_ns: AtomicU64::new(0), begun_ns: AtomicU64::new(0) }
    }

    /// Runs a future to its end and measures its polls.
    pub async fn run<F: Future>(&self, mut future: Pin<&mut F>) -> F::Output {
        if self.epoch.is_none() {
            return future.await;
        }
        std::future::poll_fn(|context| {
            self.begun_ns.store(self.now_ns(), Ordering::Relaxed);
            let polled = future.as_mut().poll(context);
            if polled.is_pending() {
                self.spent_ns.store(nanoseconds(self.spent()), Ordering::Relaxed);
            }
            polled
        })
        .await
    }

    /// Time spent so far, for the request itself to ask while it is polled.
    #[must_use]
    pub fn spent(&self) -> Duration {
        let over_ns = self.spent_ns.load(Ordering::Relaxed);
        let current_ns = self.now_ns().saturating_sub(self.begun_ns.load(Ordering::Relaxed));
        Duration::from_nanos(over_ns.saturating_add(current_ns))
    }

    fn now_ns(&self) -> u64 {
        self.epoch.map_or(0, |epoch| nanoseconds(epoch.elapsed()))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
