//! A token bucket that may go into debt.

use crate::window::{QuotaWindow, round_ms};

/// Tokens that flow in at the quota's rate up to a burst of the whole window, and are taken out in any number as long
/// as there is no debt (KIP-599).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenBucket {
    tokens: f64,
    filled_ms: i64,
}

impl TokenBucket {
    /// Tokens at hand; negative is a debt.
    pub fn tokens(&mut self, window: QuotaWindow, bound: f64, now_ms: i64) -> f64 {
        let burst = window.span_seconds() * bound;
        let seconds = now_ms.saturating_sub(self.filled_ms) as f64 / 1000.0;
        self.tokens = burst.min(self.tokens + bound * seconds);
        self.filled_ms = now_ms;
        self.tokens
    }

    /// Takes tokens, whether they are there or not.
    pub fn take(&mut self, window: QuotaWindow, bound: f64, count: f64, now_ms: i64) {
        let burst = window.span_seconds() * bound;
        self.tokens = burst.min(self.tokens(window, bound, now_ms) - count);
    }

    /// Milliseconds until a debt is paid; 0 if there is none.
    pub fn throttle_ms(&mut self, window: QuotaWindow, bound: f64, now_ms: i64) -> i32 {
        let tokens = self.tokens(window, bound, now_ms);
        if tokens >= 0.0 { 0 } else { round_ms(-tokens / bound * 1000.0) }
    }
}
