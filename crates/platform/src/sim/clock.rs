//! Owns simulated wall-clock time: a fixed start plus the elapsed time of the paused tokio clock. It never reads the
//! system's clock on a paused runtime.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;
use tokio::time::Instant;

/// A wall clock that stands still while no simulated time passes.
#[derive(Clone, Debug)]
pub(crate) struct SimClock {
    base_wall_ms: i64,
    started: Arc<OnceLock<Instant>>,
    jumped_ms: Arc<AtomicI64>,
}

impl SimClock {
    pub(super) fn new(base_wall_ms: i64) -> Self {
        Self { base_wall_ms, started: Arc::default(), jumped_ms: Arc::default() }
    }

    /// A clock that shares the world's time but can be set on its own.
    pub(super) fn machine(&self) -> Self {
        Self { jumped_ms: Arc::default(), ..self.clone() }
    }

    pub(crate) fn wall_ms(&self) -> i64 {
        let elapsed_ms = i64::try_from(self.elapsed_us() / 1000).unwrap_or(i64::MAX);
        self.base_wall_ms.saturating_add(elapsed_ms).saturating_add(self.jumped_ms.load(Ordering::Relaxed))
    }

    pub(super) fn jump(&self, ms: i64) {
        self.jumped_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Time since the world was first asked for it, µs. Outside of a runtime time stands still: without a paused
    /// clock there is only the system's, which would differ from run to run.
    pub(super) fn elapsed_us(&self) -> u64 {
        if Handle::try_current().is_err() {
            return 0;
        }
        let now = Instant::now();
        let started = *self.started.get_or_init(|| now);
        u64::try_from(now.saturating_duration_since(started).as_micros()).unwrap_or(u64::MAX)
    }
}
