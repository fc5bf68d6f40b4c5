//! Time for sessions: the wall clock of the start, moved on by the monotonic clock.
//!
//! If somebody sets the machine's clock, no member is thrown out and none lives forever.

use std::time::Duration;

use tokio::time::Instant;

/// Milliseconds that never jump.
#[derive(Clone, Copy, Debug)]
pub(super) struct SteadyClock {
    base_wall_ms: i64,
    base: Instant,
}

impl SteadyClock {
    /// A clock that shows `wall_ms` now.
    pub fn start(wall_ms: i64) -> SteadyClock {
        SteadyClock { base_wall_ms: wall_ms, base: Instant::now() }
    }

    /// The time.
    pub fn now_ms(&self) -> i64 {
        let elapsed = self.base.elapsed().as_millis();
        self.base_wall_ms.saturating_add(i64::try_from(elapsed).unwrap_or(i64::MAX))
    }

    /// When the clock will show `deadline_ms`; now, if it has shown it already.
    pub fn instant_of(&self, deadline_ms: i64) -> Instant {
        let after_ms = u64::try_from(deadline_ms.saturating_sub(self.base_wall_ms)).unwrap_or(0);
        // A deadline beyond what an instant can hold is as good as none; a century is.
        const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 3_600);
        self.base + Duration::from_millis(after_ms).min(CENTURY)
    }
}
