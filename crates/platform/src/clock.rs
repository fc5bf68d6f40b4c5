//! Owns wall-clock time. It never sleeps and never measures durations: both are `tokio::time`, which the
//! simulation pauses.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::sim::SimClock;

/// Wall-clock time, in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Os,
    Sim(SimClock),
}

impl Clock {
    /// The system's clock.
    pub fn os() -> Self {
        Self { source: Source::Os }
    }

    pub(crate) fn sim(clock: SimClock) -> Self {
        Self { source: Source::Sim(clock) }
    }

    /// Milliseconds since the epoch. It may jump in either direction when an operator sets the clock.
    pub fn wall_ms(&self) -> i64 {
        match &self.source {
            Source::Os => system_ms(SystemTime::now()),
            Source::Sim(clock) => clock.wall_ms(),
        }
    }
}

/// A clock before 1970 gives a negative number instead of an error, as Kafka's timestamps would.
fn system_ms(now: SystemTime) -> i64 {
    match now.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}
