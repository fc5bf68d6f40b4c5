//! The span over which use is counted.

/// How many samples are kept and how long each is (`quota.window.num`, `quota.window.size.seconds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaWindow {
    /// Samples, the one being filled included; at least 1.
    pub samples: usize,
    /// Milliseconds of one sample; at least 1.
    pub sample_ms: i64,
}

impl QuotaWindow {
    /// A window of so many samples of so many seconds; what is less than 1 counts as 1.
    pub fn new(samples: i32, sample_seconds: i32) -> Self {
        Self {
            samples: usize::try_from(samples).unwrap_or(1).max(1),
            sample_ms: i64::from(sample_seconds.max(1)) * 1000,
        }
    }

    /// Milliseconds of all samples together.
    pub(crate) fn span_ms(self) -> i64 {
        i64::try_from(self.samples).unwrap_or(i64::MAX).saturating_mul(self.sample_ms)
    }

    /// Seconds of all samples together.
    pub(crate) fn span_seconds(self) -> f64 {
        self.samples as f64 * (self.sample_ms as f64 / 1000.0)
    }
}

/// Java's `Math.round`, narrowed to a throttle time: never negative, and at most what fits the field of a response.
///
/// Kafka narrows by cutting bits off, so that its longest throttle times come out as nonsense.
pub(crate) fn round_ms(ms: f64) -> i32 {
    let rounded = (ms + 0.5).floor() as i64;
    i32::try_from(rounded.max(0)).unwrap_or(i32::MAX)
}
