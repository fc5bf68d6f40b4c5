//! The quota on partitions created and deleted (KIP-599).

use crate::limits::{Client, Limits};
use crate::token_bucket::TokenBucket;
use crate::tracked::Tracked;
use crate::window::QuotaWindow;

/// Token buckets of clients.
#[derive(Debug, Clone)]
pub struct MutationQuota {
    window: QuotaWindow,
    limits: Limits,
    buckets: Tracked<TokenBucket>,
}

/// One request's way through the quota: it may change many topics, each charged by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MutationCharge {
    is_strict: bool,
    throttle_ms: i32,
    at_ms: i64,
}

impl MutationCharge {
    /// For requests that know THROTTLING_QUOTA_EXCEEDED: what would deepen a debt is refused.
    pub fn strict() -> Self {
        Self { is_strict: true, throttle_ms: 0, at_ms: 0 }
    }

    /// For older requests: all is done, and a debt is waited for.
    pub fn permissive() -> Self {
        Self { is_strict: false, throttle_ms: 0, at_ms: 0 }
    }

    /// Milliseconds that the client has still to be held off.
    pub fn throttle_ms(&self, now_ms: i64) -> i32 {
        let left_ms = i64::from(self.throttle_ms) - now_ms.saturating_sub(self.at_ms);
        i32::try_from(left_ms.max(0)).unwrap_or(i32::MAX)
    }
}

impl MutationQuota {
    /// No limits and no debts.
    pub fn new(window: QuotaWindow) -> Self {
        Self { window, limits: Limits::default(), buckets: Tracked::default() }
    }

    /// Replaces the limits. Debts stay.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Charges a change of so many partitions. False if it must not be done.
    #[must_use]
    pub fn charge(
        &mut self,
        charge: &mut MutationCharge,
        client: Client<'_>,
        partitions: usize,
        now_ms: i64,
    ) -> bool {
        let Some(applied) = self.limits.find(client) else { return true };
        let bucket = self.buckets.state(applied.counted, now_ms);
        if charge.is_strict {
            let throttle_ms = bucket.throttle_ms(self.window, applied.bound, now_ms);
            if bucket.tokens(self.window, applied.bound, now_ms) < 0.0 {
                (charge.throttle_ms, charge.at_ms) = (throttle_ms, now_ms);
                return false;
            }
        }
        bucket.take(self.window, applied.bound, partitions as f64, now_ms);
        if !charge.is_strict && bucket.tokens(self.window, applied.bound, now_ms) < 0.0 {
            let throttle_ms = bucket.throttle_ms(self.window, applied.bound, now_ms);
            (charge.throttle_ms, charge.at_ms) = (throttle_ms, now_ms);
        }
        true
    }
}
