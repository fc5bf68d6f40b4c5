//! Tells the person who waits for a start how far the opening of the log directories is.
//!
//! Owns when something is said: nothing by a start that takes less than a second. Who shows it, a bar or a line in the
//! log, is chosen by who starts the node; what is counted is `storage`'s business.

use std::fmt;
use std::time::Duration;

use storage::{RecoveryProgress, RecoveryState};
use tokio::time::Instant;

/// A start that is over before says nothing.
const QUIET: Duration = Duration::from_secs(1);
/// Between two lines in the log.
const LOG_PAUSE: Duration = Duration::from_secs(3);
/// Between two looks of a watcher.
const WATCH_PAUSE: Duration = Duration::from_millis(200);

/// Shows how far a start is.
pub trait RecoveryWatcher: Send + Sync {
    /// It is so far. Called a few times a second, once the start has taken a second.
    fn show(&self, standing: &RecoveryStanding);

    /// The directories are open, or cannot be opened. Called only after something was shown.
    fn finish(&self);
}

/// How far it is, and since when.
#[derive(Debug, Clone, Copy)]
pub struct RecoveryStanding {
    /// What is done.
    pub state: RecoveryState,
    /// For how long it has been going on.
    pub elapsed: Duration,
}

impl RecoveryStanding {
    /// How long it will take from here if it goes on like this; nothing is known at its beginning.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let share = self.state.share();
        let seconds = self.elapsed.as_secs_f64() * (1.0 - share) / share;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

impl fmt::Display for RecoveryStanding {
    /// As `512 of 1000 logs, 48 %, 3000 MB checked at 750 MB/s, about 4 s left`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = &self.state;
        write!(f, "{} of {} logs, {:.0} %", state.logs_done, state.logs, state.share() * 100.0)?;
        let bytes = state.checked_bytes + state.wal_bytes_done;
        if bytes > 0 {
            let megabytes = bytes as f64 / 1e6;
            let rate = megabytes / self.elapsed.as_secs_f64().max(f64::EPSILON);
            write!(f, ", {megabytes:.0} MB checked at {rate:.0} MB/s")?;
        }
        match self.remaining() {
            Some(remaining) => write!(f, ", about {:.0} s left", remaining.as_secs_f64().ceil()),
            None => Ok(()),
        }
    }
}

/// Waits for `work`, and shows how far it is meanwhile.
pub(crate) async fn watch<T>(
    work: impl Future<Output = T>,
    progress: &RecoveryProgress,
    watcher: Option<&dyn RecoveryWatcher>,
) -> T {
    let mut work = std::pin::pin!(work);
    let began = Instant::now();
    let mut next = began + QUIET;
    let mut has_shown = false;
    loop {
        tokio::select! {
            biased;
            done = &mut work => {
                if let Some(watcher) = watcher.filter(|_| has_shown) {
                    watcher.finish();
                }
                return done;
            }
            () = tokio::time::sleep_until(next) => {
                has_shown = true;
                let standing = RecoveryStanding { state: progress.state(), elapsed: began.elapsed() };
                match watcher {
                    Some(watcher) => watcher.show(&standing),
                    None => tracing::info!("opening the log directories: {standing}"),
                }
                next = Instant::now() + if watcher.is_some() { WATCH_PAUSE } else { LOG_PAUSE };
            }
        }
    }
}

#[cfg(test)]
mod tests;
