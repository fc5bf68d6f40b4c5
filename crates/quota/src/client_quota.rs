//! One quota on what clients use over time: bytes produced, bytes fetched, time of the node.

use crate::limits::{Client, Limits};
use crate::rate::Rate;
use crate::tracked::Tracked;
use crate::window::QuotaWindow;

/// Rates of clients against their limits.
#[derive(Debug, Clone)]
pub struct ClientQuota {
    window: QuotaWindow,
    throttle_ms_max: i32,
    limits: Limits,
    rates: Tracked<Rate>,
}

impl ClientQuota {
    /// A quota that holds a client off until its rate is within the limit again.
    pub fn new(window: QuotaWindow) -> Self {
        Self { window, throttle_ms_max: i32::MAX, limits: Limits::default(), rates: Tracked::default() }
    }

    /// A quota that holds a client off for one sample at most.
    pub fn bounded(window: QuotaWindow) -> Self {
        let throttle_ms_max = i32::try_from(window.sample_ms).unwrap_or(i32::MAX);
        Self { throttle_ms_max, ..Self::new(window) }
    }

    /// Replaces the limits. What was used stays known.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Counts what a client used, and says for how many milliseconds it has to be held off.
    pub fn record(&mut self, client: Client<'_>, value: f64, now_ms: i64) -> i32 {
        let Some(applied) = self.limits.find(client) else { return 0 };
        let rate = self.rates.state(applied.counted, now_ms);
        rate.record(self.window, value, now_ms);
        rate.throttle_ms(self.window, applied.bound, now_ms).min(self.throttle_ms_max)
    }

    /// Counts without judging: it is the next request that may be held off. A negative value takes back what was
    /// recorded and then not used.
    pub fn note(&mut self, client: Client<'_>, value: f64, now_ms: i64) {
        if let Some(applied) = self.limits.find(client) {
            self.rates.state(applied.counted, now_ms).record(self.window, value, now_ms);
        }
    }

    /// The most a client can use at once without being held off, had it used nothing before; none without a limit.
    pub fn value_max(&self, client: Client<'_>) -> Option<f64> {
        let applied = self.limits.find(client)?;
        Some(applied.bound * (self.window.samples - 1) as f64 * (self.window.sample_ms as f64 / 1000.0))
    }

    /// How many entities are remembered.
    pub fn tracked(&self) -> usize {
        self.rates.len()
    }
}
