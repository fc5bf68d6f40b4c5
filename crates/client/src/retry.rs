//! When to try again, and when to stop.
//!
//! Owns backoff and deadline of one operation. It never knows what is tried.

use std::time::Duration;

use platform::Rng;
use tokio::time::Instant;

use protocol::ErrorCode;

use crate::config::ClientConfig;
use crate::error::ClientError;

/// How often a topic that a broker does not know is asked for again. It may have been created a moment ago on another
/// broker; after that it is a wrong name, and nobody wants to wait a minute to hear it.
const UNKNOWN_TOPIC_RETRIES: u32 = 3;

/// The pause before retry number `attempt` (from 0): doubling from `first` to at most `longest`, give or take a fifth.
pub(crate) fn backoff(first: Duration, longest: Duration, attempt: u32, rng: &Rng) -> Duration {
    let doubled = first.saturating_mul(1 << attempt.min(16)).min(longest);
    let permille = 800 + rng.below(401) as u32;
    doubled.saturating_mul(permille) / 1000
}

/// The tries of one operation.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    what: String,
    limit: Duration,
    deadline: Instant,
    first: Duration,
    longest: Duration,
    attempt: u32,
    unknown_topic_retries: u32,
    rng: Rng,
}

impl Retry {
    /// An operation called `what` that may take `limit` with all its retries.
    pub fn new(what: impl Into<String>, limit: Duration, config: &ClientConfig, rng: &Rng) -> Retry {
        Retry {
            what: what.into(),
            limit,
            deadline: Instant::now() + limit,
            first: config.retry_backoff,
            longest: config.retry_backoff_max,
            attempt: 0,
            unknown_topic_retries: UNKNOWN_TOPIC_RETRIES,
            rng: rng.clone(),
        }
    }

    /// Asks more patiently for unknown topics: where asking may create them.
    pub fn with_unknown_topic_retries(mut self, retries: u32) -> Retry {
        self.unknown_topic_retries = retries;
        self
    }

    /// Waits before the next try, or gives the error back when it is final or the time is over.
    pub async fn pause(&mut self, error: ClientError) -> Result<(), ClientError> {
        if !error.is_retriable() {
            return Err(error);
        }
        if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) {
            match self.unknown_topic_retries.checked_sub(1) {
                Some(left) => self.unknown_topic_retries = left,
                None => return Err(error),
            }
        }
        let pause = backoff(self.first, self.longest, self.attempt, &self.rng);
        self.attempt += 1;
        if Instant::now() + pause >= self.deadline {
            return Err(self.over(Some(error)));
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// The error of an operation whose time is over.
    pub fn over(&self, last: Option<ClientError>) -> ClientError {
        ClientError::DeadlineExceeded {
            what: self.what.clone(),
            after_ms: self.limit.as_millis() as u64,
            last: last.map(Box::new),
        }
    }
}
