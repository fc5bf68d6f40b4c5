//! Owns the place where calls that may block a thread are run (fdatasync, cold reads, deletes, index rebuilds).
//! It never decides what blocks: the caller does.

use std::sync::{Arc, Mutex, PoisonError};

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

/// A call that was begun by [`Blocking::ahead`]. If it is let go its value is lost.
pub struct Ahead<T>(AheadCall<T>);

enum AheadCall<T> {
    Begun(std::thread::JoinHandle<T>),
    /// Made when the value is taken, so that the order of calls is always the same.
    Later(Box<dyn FnOnce() -> T + Send>),
}

impl<T> Ahead<T> {
    /// Waits for the value.
    ///
    /// # Panics
    /// If the call panics, with its payload.
    pub fn take(self) -> T {
        match self.0 {
            AheadCall::Begun(thread) => {
                thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
            }
            AheadCall::Later(call) => call(),
        }
    }
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

    /// Does a piece of work for each item and gives the results in the order of the items. Blocks until all are done: the
    /// caller is a blocking call itself. On the real machine a few threads share the items, which may be more than
    /// there are cores, since such work waits for the disk.
    ///
    /// # Panics
    /// If `work` panics.
    pub fn side_by_side<T: Send, R: Send>(&self, items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
        let threads = match &self.pool {
            Pool::Threads { count, .. } => (*count as usize).min(items.len()),
            Pool::Sim(_) => 1,
        };
        if threads <= 1 {
            return items.into_iter().map(work).collect();
        }
        let total = items.len();
        let queue = Mutex::new(items.into_iter().enumerate());
        let run = || {
            let mut done = Vec::new();
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((number, item)) = next else { return done };
                done.push((number, work(item)));
            }
        };
        let mut results: Vec<Option<R>> = (0..total).map(|_| None).collect();
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            for worker in workers {
                let done = worker.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload));
                done.into_iter().for_each(|(number, result)| results[number] = Some(result));
            }
        });
        results.into_iter().map(|result| result.expect("every item was worked on")).collect()
    }

    /// Begins a call whose value is needed later: on the real machine on a thread of its own. Blocks only in
    /// [`Ahead::take`]; the caller is a blocking call itself and bounds how many there are.
    ///
    /// # Panics
    /// If the system has no thread left.
    pub fn ahead<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> Ahead<T> {
        Ahead(match &self.pool {
            Pool::Sim(_) => AheadCall::Later(Box::new(call)),
            Pool::Threads { .. } => AheadCall::Begun(std::thread::spawn(call)),
        })
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
