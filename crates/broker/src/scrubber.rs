//! Verification of what lies on the disks, unasked: after a stop that was not clean at once, and from then on once a week.
//!
//! Owns the pace: a twentieth of the time at most. Between two rounds it sleeps, so an idle node reads nothing. What is
//! verified, and what becomes of a log that is not as it was written, is `storage`'s business.

use std::sync::Arc;
use std::time::Duration;

use platform::Platform;
use tokio::time::Instant;

use crate::partition::Partition;
use crate::partitions::Partitions;

/// Between two rounds.
const ROUND_PAUSE: Duration = Duration::from_secs(7 * 86_400);
/// So many times what a stretch took is waited before the next one.
const PAUSE_FACTOR: u32 = 19;
/// The least pause: a stretch has about a mebibyte, so that no more than some 200 MiB/s are read.
const PAUSE_MIN: Duration = Duration::from_millis(5);

/// The owner of verification.
pub(crate) struct Scrubber {
    /// The machine.
    pub(crate) platform: Platform,
    /// What is verified.
    pub(crate) partitions: Arc<Partitions>,
    /// Whether the last stop was clean: then the first round can wait.
    pub(crate) was_clean: bool,
}

impl Scrubber {
    /// Runs until dropped.
    pub(crate) async fn run(self) {
        if !self.was_clean {
            self.round().await;
        }
        loop {
            tokio::time::sleep(ROUND_PAUSE).await;
            self.all().iter().for_each(|partition| partition.view().verify_again());
            self.round().await;
        }
    }

    fn all(&self) -> Vec<Arc<Partition>> {
        self.partitions.load().all().cloned().collect()
    }

    async fn round(&self) {
        let began = Instant::now();
        let mut bytes = 0;
        for partition in self.all() {
            bytes += self.verify(&partition).await;
        }
        if bytes > 0 {
            tracing::info!(bytes, elapsed_ms = began.elapsed().as_millis() as u64, "the logs were verified");
        }
    }

    /// Verifies one log to its end, or to the first damage, of which the log has told. Gives the bytes.
    async fn verify(&self, partition: &Arc<Partition>) -> u64 {
        let mut bytes = 0;
        loop {
            let view = partition.view();
            if partition.is_closed() || view.offline_reason().is_some() {
                return bytes;
            }
            let began = Instant::now();
            match self.platform.blocking.run(move || view.verify_some()).await {
                Ok(Some(more)) => bytes += more,
                Ok(None) | Err(_) => return bytes,
            }
            tokio::time::sleep((began.elapsed() * PAUSE_FACTOR).max(PAUSE_MIN)).await;
        }
    }
}

#[cfg(test)]
mod tests;
