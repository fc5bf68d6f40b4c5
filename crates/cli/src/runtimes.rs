//! The threads that serve connections: one single-threaded runtime per core.
//!
//! A connection stays on the thread it was given to, so that its work meets no other thread's queue. Why not one
//! work-stealing runtime: docs/decisions/2026-11-25-thread-shape.md.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

/// Runs runtimes until dropped.
pub struct ConnectionRuntimes {
    threads: Vec<ServingThread>,
}

struct ServingThread {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ConnectionRuntimes {
    /// Starts a thread with a runtime for each core.
    ///
    /// # Errors
    /// The machine gives no more threads or event queues.
    pub fn start() -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (0..count).map(ServingThread::start).collect::<io::Result<Vec<_>>>()?;
        Ok(Self { threads })
    }

    /// The runtimes, to spawn connections on.
    pub fn handles(&self) -> Vec<Handle> {
        self.threads.iter().map(|thread| thread.handle.clone()).collect()
    }
}

impl ServingThread {
    fn start(number: usize) -> io::Result<Self> {
        let runtime: Runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = move || {
            // An error means that the owner is gone, which is a stop as well.
            let _ = runtime.block_on(stopped);
        };
        let thread = std::thread::Builder::new().name(format!("connections-{number}")).spawn(serve)?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for ServingThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of that thread has been printed by itself.
            let _ = thread.join();
        }
    }
}
