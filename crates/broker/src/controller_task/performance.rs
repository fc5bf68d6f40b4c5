//! How long the controller's events take: each one that takes too long gets a line, and the slowest of a period one more.
//!
//! Owns the counts and the words. It reads no clock: the task says when an event began and ended.

use std::time::Duration;

use config::MetadataLogConfig;
use tokio::time::Instant;

/// What the task did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventKind {
    /// Requests that waited together.
    Requests,
    /// A snapshot was written.
    Snapshot,
    /// Something was due.
    Timers,
}

impl EventKind {
    fn name(self) -> &'static str {
        match self {
            EventKind::Requests => "requests",
            EventKind::Snapshot => "a snapshot",
            EventKind::Timers => "timers",
        }
    }
}

/// An event and the time it took.
#[derive(Debug, Clone, Copy)]
struct Measured {
    kind: EventKind,
    took: Duration,
}

/// The events since the last summary.
#[derive(Debug)]
struct Period {
    ends: Instant,
    count: u32,
    total: Duration,
    slowest: Measured,
}

/// The measured times of one controller.
#[derive(Debug)]
pub(super) struct Performance {
    /// `controller.performance.always.log.threshold.ms`.
    slow: Duration,
    /// `controller.performance.sample.period.ms`.
    period_length: Duration,
    /// Begins with an event; a controller that does nothing says nothing.
    period: Option<Period>,
}

impl Performance {
    pub(super) fn new(config: &MetadataLogConfig) -> Performance {
        let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        Performance {
            slow: millis(config.controller_performance_always_log_threshold_ms),
            period_length: millis(config.controller_performance_sample_period_ms),
            period: None,
        }
    }

    /// Counts an event; the line about it if it took too long.
    pub(super) fn note(&mut self, kind: EventKind, began: Instant, ended: Instant) -> Option<String> {
        let measured = Measured { kind, took: ended.saturating_duration_since(began) };
        let period = self.period.get_or_insert_with(|| Period {
            ends: ended + self.period_length,
            count: 0,
            total: Duration::ZERO,
            slowest: measured,
        });
        period.count = period.count.saturating_add(1);
        period.total = period.total.saturating_add(measured.took);
        if measured.took > period.slowest.took {
            period.slowest = measured;
        }
        (measured.took >= self.slow)
            .then(|| format!("exceptionally slow: {} took {:?}", kind.name(), measured.took))
    }

    /// When the period's summary is due; `None` while there was no event.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.period.as_ref().map(|period| period.ends)
    }

    /// The summary of the period, if it is over.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<String> {
        let Period { count, total, slowest, .. } = self.period.take_if(|period| period.ends <= now)?;
        Some(format!(
            "{count} events in the last {:?}, {:?} on average; the slowest, {}, took {:?}",
            self.period_length,
            total / count,
            slowest.kind.name(),
            slowest.took
        ))
    }
}

#[cfg(test)]
mod tests {
    //! Times that are said, not measured.

    use super::*;

    fn performance(threshold_ms: i64, period_ms: i64) -> Performance {
        let threshold = threshold_ms.to_string();
        let period = period_ms.to_string();
        let config = config::BrokerConfig::from_pairs(&[
            ("controller.performance.always.log.threshold.ms", &threshold),
            ("controller.performance.sample.period.ms", &period),
        ]);
        Performance::new(&config.expect("valid").metadata_log)
    }

    #[tokio::test(start_paused = true)]
    async fn the_slow_are_named_at_once_and_the_slowest_with_the_period() {
        let mut performance = performance(20, 1_000);
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(performance.poll_timeout(), None);
        assert_eq!(performance.note(EventKind::Timers, at(0), at(1)), None);
        assert_eq!(performance.note(EventKind::Requests, at(10), at(29)), None);
        let line = performance.note(EventKind::Snapshot, at(30), at(50));
        assert_eq!(line.as_deref(), Some("exceptionally slow: a snapshot took 20ms"));
        assert_eq!(performance.note(EventKind::Requests, at(60), at(60)), None);
        assert_eq!(
            (performance.poll_timeout(), performance.handle_timeout(at(1_000))),
            (Some(at(1_001)), None)
        );
        let summary = performance.handle_timeout(at(1_001));
        let expected = "4 events in the last 1s, 10ms on average; the slowest, a snapshot, took 20ms";
        assert_eq!(summary.as_deref(), Some(expected));
        assert_eq!((performance.poll_timeout(), performance.handle_timeout(at(9_000))), (None, None));
        assert_eq!(performance.note(EventKind::Timers, at(9_000), at(9_002)), None);
        assert_eq!(performance.poll_timeout(), Some(at(10_002)));
    }
}
