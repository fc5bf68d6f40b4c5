//! Owns the simulated blocking pool: calls run inline, with seeded waits around them, so that other tasks get to run
//! while a flush is "in flight". It never starts a thread.

use std::time::Duration;

use super::life::Incarnation;
use crate::Rng;

/// The inline pool of one incarnation.
#[derive(Clone, Debug)]
pub(crate) struct SimBlocking {
    rng: Rng,
    delay_max_ms: u64,
    incarnation: Incarnation,
}

impl SimBlocking {
    pub(super) fn new(rng: Rng, delay_max_ms: u64, incarnation: Incarnation) -> Self {
        Self { rng, delay_max_ms, incarnation }
    }

    pub(crate) async fn run<T>(&self, call: impl FnOnce() -> T + Send + 'static) -> T {
        self.wait().await;
        let value = call();
        self.wait().await;
        value
    }

    async fn wait(&self) {
        if self.delay_max_ms > 0 {
            match self.rng.below(self.delay_max_ms + 1) {
                0 => tokio::task::yield_now().await,
                ms => tokio::time::sleep(Duration::from_millis(ms)).await,
            }
        }
        self.incarnation.freeze_if_dead().await;
    }
}
