//! Latency at fixed rates: 2,000 requests per second from ten producers, of 10 or of 50 records each.

use super::Bench;
use crate::Failure;
use crate::admin::Topic;
use crate::figures::Figure;
use crate::load::{self, Latency, Rate};

const P50: Figure = Figure::less("p50", "ms", "");
const P99: Figure = Figure::less("p99", "ms", "<= 0.3 x kafka");
/// Shown beside the others.
pub const P999: Figure = Figure::less("p99.9", "ms", "");

/// Each producer has a partition of its own.
const PARTITIONS: i32 = 10;

type Measure = fn(std::net::SocketAddr, &Topic, Rate) -> Result<Latency, Failure>;

/// Time to the answer.
pub fn ack_20k(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    acks(bench, scenario, 20_000, &[P50, P99, P999])
}

/// Time to the answer.
pub fn ack_100k(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    acks(bench, scenario, 100_000, &[P50, P99, P999])
}

/// Time to the consumer.
pub fn end_to_end_20k(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    measure(bench, scenario, 20_000, load::end_to_end_latency, &[P50, P99, P999])
}

/// Time to the consumer.
pub fn end_to_end_100k(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    measure(bench, scenario, 100_000, load::end_to_end_latency, &[P50, P99, P999])
}

/// Time to the answer at this rate, as these figures: p50, p99, p99.9.
pub fn acks(
    bench: &mut Bench,
    scenario: &'static str,
    records_per_second: u64,
    figures: &[Figure; 3],
) -> Result<(), Failure> {
    measure(bench, scenario, records_per_second, load::ack_latency, figures)
}

fn measure(
    bench: &mut Bench,
    scenario: &'static str,
    records_per_second: u64,
    measure: Measure,
    figures: &[Figure; 3],
) -> Result<(), Failure> {
    bench.alternate(scenario, |turn| {
        let topic = turn.create_topic(PARTITIONS)?;
        let rate = Rate { records_per_second, seconds: turn.choose(1.6, 10.0) };
        let latency = measure(turn.broker.address, &topic, rate)?;
        turn.delete_topic(&topic)?;
        Ok(figures.iter().copied().zip([latency.p50, latency.p99, latency.p999]).collect())
    })
}
