//! A rate per second over a few samples.

use crate::window::{QuotaWindow, round_ms};

/// What was recorded within one sample's time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    start_ms: i64,
    last_ms: i64,
    value: f64,
}

impl Sample {
    fn new(now_ms: i64) -> Self {
        Self { start_ms: now_ms, last_ms: now_ms, value: 0.0 }
    }
}

/// A sum over samples that come and go, divided by the time they cover.
///
/// Kafka's rule, oddities included: one sample more than configured is kept, for the one that reaches out of the
/// window; a young rate is divided by almost the whole window, so that a first burst does not look like a flood.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rate {
    samples: Vec<Sample>,
    current: usize,
}

impl Rate {
    /// Counts a value, which may be negative to take one back.
    pub fn record(&mut self, window: QuotaWindow, value: f64, now_ms: i64) {
        if self.samples.is_empty() {
            self.samples.push(Sample::new(now_ms));
        }
        if now_ms.saturating_sub(self.samples[self.current].start_ms) >= window.sample_ms {
            self.advance(window, now_ms);
        }
        let sample = &mut self.samples[self.current];
        sample.value += value;
        sample.last_ms = now_ms;
    }

    /// The rate per second.
    pub fn per_second(&mut self, window: QuotaWindow, now_ms: i64) -> f64 {
        self.forget_old(window, now_ms);
        let total: f64 = self.samples.iter().map(|sample| sample.value).sum();
        total / (self.covered_ms(window, now_ms) as f64 / 1000.0)
    }

    /// Milliseconds without use that bring the rate back to `bound`; 0 if it is not above.
    ///
    /// Over the window of W milliseconds that the rate O covers, the delay X with O * W / (W + X) = bound.
    pub fn throttle_ms(&mut self, window: QuotaWindow, bound: f64, now_ms: i64) -> i32 {
        let rate = self.per_second(window, now_ms);
        if rate <= bound {
            return 0;
        }
        round_ms((rate - bound) / bound * self.covered_ms(window, now_ms) as f64)
    }

    fn advance(&mut self, window: QuotaWindow, now_ms: i64) {
        self.current = (self.current + 1) % (window.samples + 1);
        match self.samples.get_mut(self.current) {
            Some(sample) => *sample = Sample::new(now_ms),
            None => {
                self.current = self.samples.len();
                self.samples.push(Sample::new(now_ms));
            }
        }
    }

    fn forget_old(&mut self, window: QuotaWindow, now_ms: i64) {
        for sample in &mut self.samples {
            if now_ms.saturating_sub(sample.last_ms) >= window.span_ms() {
                *sample = Sample::new(now_ms);
            }
        }
    }

    /// Milliseconds that the samples cover, at least all of the window but its last sample. Old samples are forgotten.
    fn covered_ms(&self, window: QuotaWindow, now_ms: i64) -> i64 {
        let oldest_ms = self.samples.iter().map(|sample| sample.start_ms).min().unwrap_or(now_ms);
        let elapsed_ms = now_ms.saturating_sub(oldest_ms);
        let full = elapsed_ms / window.sample_ms;
        let full_min = i64::try_from(window.samples - 1).unwrap_or(i64::MAX);
        let missing_ms = (full_min - full).max(0).saturating_mul(window.sample_ms);
        elapsed_ms.saturating_add(missing_ms).max(1)
    }
}
