//! The reads and appends under way. A few dozen at most: one per partition.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// A set of futures that is awaited as a whole.
pub(super) struct IoSet<T> {
    futures: Vec<Pin<Box<dyn Future<Output = T> + Send>>>,
}

impl<T> IoSet<T> {
    pub fn new() -> IoSet<T> {
        IoSet { futures: Vec::new() }
    }

    /// Puts a future in. It starts when the set is next awaited.
    pub fn push(&mut self, future: impl Future<Output = T> + Send + 'static) {
        self.futures.push(Box::pin(future));
    }

    /// The result of the first future, in the order they were put in, that is done. Never comes back if there is none.
    pub async fn next(&mut self) -> T {
        poll_fn(|context| {
            for (index, future) in self.futures.iter_mut().enumerate() {
                if let Poll::Ready(result) = future.as_mut().poll(context) {
                    drop(self.futures.remove(index));
                    return Poll::Ready(result);
                }
            }
            Poll::Pending
        })
        .await
    }
}
