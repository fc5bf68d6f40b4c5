//! What became of a batch.
//!
//! Owns the meeting point of those who sent records and the sender that learns of their fate: one per batch, however
//! many records it holds. It never holds a record.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::error::ClientError;

/// Where a record was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset; -1 where the broker does not tell: with `acks=0`, and for a batch that turned out to have been written by
    /// an earlier try that the broker no longer remembers.
    pub offset: i64,
    /// Timestamp (ms): the record's own, or the broker's where the topic says so.
    pub timestamp: i64,
}

#[derive(Debug)]
pub(super) enum Verdict {
    Written {
        base_offset: i64,
        /// -1 unless the broker stamped the batch.
        log_append_time_ms: i64,
    },
    Failed(ClientError),
    /// The batch was too large and was sent in pieces: the first record's index of each, and its outcome.
    Split(Vec<(u32, Arc<Outcome>)>),
}

/// The outcome of one batch, once it is known.
#[derive(Debug)]
pub(super) struct Outcome {
    pub topic: Arc<str>,
    pub partition: i32,
    verdict: OnceLock<Verdict>,
    settled: Notify,
}

impl Outcome {
    pub fn new(topic: Arc<str>, partition: i32) -> Arc<Outcome> {
        Arc::new(Outcome { topic, partition, verdict: OnceLock::new(), settled: Notify::new() })
    }

    /// Tells everyone who waits. Only the first verdict counts.
    pub fn settle(&self, verdict: Verdict) {
        if self.verdict.set(verdict).is_ok() {
            self.settled.notify_waiters();
        }
    }

    async fn verdict(&self) -> &Verdict {
        loop {
            // The future must exist before the look, or a verdict between the two would be missed.
            let settled = self.settled.notified();
            if let Some(verdict) = self.verdict.get() {
                return verdict;
            }
            settled.await;
        }
    }
}

/// The promise that a sent record will be written, or an error. Awaiting it is optional.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub(super) outcome: Arc<Outcome>,
    pub(super) index: u32,
    pub(super) timestamp: i64,
}

impl Delivery {
    /// The partition the record goes to.
    pub fn partition(&self) -> i32 {
        self.outcome.partition
    }

    /// Whether the fate of the record's batch is known, so that waiting takes no time.
    pub fn is_settled(&self) -> bool {
        self.outcome.verdict.get().is_some_and(|verdict| !matches!(verdict, Verdict::Split(_)))
    }

    /// Waits until the record is written as `acks` asks, or cannot be.
    ///
    /// # Errors
    /// What went wrong, after all retries.
    pub async fn wait(self) -> Result<RecordMetadata, ClientError> {
        let Delivery { mut outcome, mut index, timestamp } = self;
        loop {
            let piece = match outcome.verdict().await {
                Verdict::Failed(error) => return Err(error.clone()),
                Verdict::Written { base_offset, log_append_time_ms } => {
                    let offset = if *base_offset < 0 { -1 } else { base_offset + i64::from(index) };
                    let timestamp = if *log_append_time_ms < 0 { timestamp } else { *log_append_time_ms };
                    let (topic, partition) = (outcome.topic.to_string(), outcome.partition);
                    return Ok(RecordMetadata { topic, partition, offset, timestamp });
                }
                Verdict::Split(pieces) => pieces.iter().rev().find(|(first, _)| *first <= index).cloned(),
            };
            let Some((first, next)) = piece else { return Err(ClientError::Closed) };
            index -= first;
            outcome = next;
        }
    }
}

impl IntoFuture for Delivery {
    type Output = Result<RecordMetadata, ClientError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait())
    }
}
