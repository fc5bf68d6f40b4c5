//! One client instance: what it was told to push, and when it last did.

use protocol::{ErrorCode, Uuid};

use crate::client::Client;

/// A client as it is known since its first request, or since the subscriptions changed.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) client: Client,
    pub(crate) subscription_id: i32,
    /// Number of the change of subscriptions that this follows.
    pub(crate) version: u64,
    pub(crate) metrics: Vec<String>,
    pub(crate) push_interval_ms: i32,
    pub(crate) last_error: ErrorCode,
    /// The last push said that it was the last.
    pub(crate) is_terminating: bool,
    /// When it is forgotten.
    pub(crate) due_ms: i64,
    get_ms: i64,
    push_ms: i64,
}

impl Instance {
    pub(crate) fn new(
        id: Uuid,
        client: Client,
        version: u64,
        metrics: Vec<String>,
        push_interval_ms: i32,
    ) -> Self {
        Self {
            subscription_id: subscription_id(&metrics, push_interval_ms, id),
            client,
            version,
            metrics,
            push_interval_ms,
            last_error: ErrorCode::NONE,
            is_terminating: false,
            due_ms: 0,
            get_ms: 0,
            push_ms: 0,
        }
    }

    /// A client may ask for its subscription once in a push interval.
    pub(crate) fn may_get(&mut self, now_ms: i64) -> bool {
        let is_time = now_ms.saturating_sub(self.get_ms.max(self.push_ms)) >= self.push_interval_ms.into();
        if is_time {
            self.get_ms = now_ms;
        }
        is_time
    }

    /// A client may push once in a push interval, and once after it has asked: it spreads its first push at random.
    pub(crate) fn may_push(&mut self, now_ms: i64) -> bool {
        let is_time =
            self.get_ms > self.push_ms || now_ms.saturating_sub(self.push_ms) >= self.push_interval_ms.into();
        if is_time {
            self.push_ms = now_ms;
        }
        is_time
    }
}

/// CRC-32C of what the client is subscribed to, written as Java prints it, folded with the instance's id.
fn subscription_id(metrics: &[String], push_interval_ms: i32, id: Uuid) -> i32 {
    let text = format!("[{}]{push_interval_ms}", metrics.join(", "));
    crc32c::crc32c(text.as_bytes()).cast_signed() ^ java_hash(id)
}

/// `Uuid.hashCode` of Kafka.
fn java_hash(id: Uuid) -> i32 {
    let word = |at: usize| i32::from_be_bytes([id.0[at], id.0[at + 1], id.0[at + 2], id.0[at + 3]]);
    word(0) ^ word(4) ^ word(8) ^ word(12)
}
