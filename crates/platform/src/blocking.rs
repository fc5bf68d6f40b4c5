//! Owns the place where calls that may block a thread are run (fdatasync, cold reads, deletes, index rebuilds).
//! It never decides what blocks: the caller does.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::sim::SimBlocking;

/// A bounded pool for blocking calls. Clones share the bound.
#[derive(Clone, Debug)]
pub struct Blocking {
    pool: Pool,
}

#[derive(Clone, Debug)]
enum Pool {
    /// At most as many calls at a time as the semaphore has permits; the rest wait in order of arrival.
    Threads { permits: Arc<Semaphore>, count: u32 },
    /// Inline, in simulated time.
    Sim(SimBlocking),
}

impl Blocking {
    /// Threads used by [`crate::Platform::os`]: enough to keep one disk's queue busy, few enough to stay small.
    pub const DEFAULT_THREADS: usize = 8;

    /// A pool of at most `threads` threads (at least one), taken from the calling tokio runtime.
    pub fn os(threads: usize) -> Self {
        let count = u32::try_from(threads.max(1)).unwrap_or(u32::MAX);
        Self { pool: Pool::Threads { permits: Arc::new(Semaphore::new(count as usize)), count } }
    }

    pub(crate) fn sim(pool: SimBlocking) -> Self {
        Self { pool: Pool::Sim(pool) }
    }

    /// Waits until no call is under way, those of callers that were cancelled included.
    pub async fn idle(&self) {
        match &self.pool {
            // A call is over when its caller is served.
            Pool::Sim(_) => {}
            Pool::Threads { permits, count } => {
                drop(permits.acquire_many(*count).await.expect("the semaphore is never closed"));
            }
        }
    }

    /// Runs `call` where it may block and gives its value back. The caller's cancellation does not stop a call
    /// that has started; its permit is held until it ends.
    ///
    /// # Panics
    /// If `call` panics, with its payload, or if the runtime is shutting down and refuses the call.
    pub async fn run<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> T {
        match &self.pool {
            Pool::Sim(pool) => pool.run(call).await,
            Pool::Threads { permits, .. } => {
                let permit =
                    Arc::clone(permits).acquire_owned().await.expect("the semaphore is never closed");
                let task = tokio::task::spawn_blocking(move || {
                    let value = call();
                    drop(permit);
                    value
                });
                match task.await {
                    Ok(value) => value,
                    Err(failed) => match failed.try_into_panic() {
                        Ok(payload) => std::panic::resume_unwind(payload),
                        Err(cancelled) => panic!("a blocking call was refused: {cancelled}"),
                    },
                }
            }
        }
    }

    /// Starts `call` where it may block, at once: for the few calls that must not wait behind others, such as the write
    /// that answers wait for. The caller bounds how many there are.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(&self, call: impl FnOnce() + Send + 'static) {
        match &self.pool {
            Pool::Sim(pool) => {
                let pool = pool.clone();
                drop(tokio::spawn(async move { pool.run(call).await }));
            }
            Pool::Threads { .. } => drop(tokio::task::spawn_blocking(call)),
        }
    }
}
