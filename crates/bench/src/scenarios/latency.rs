//! Latency at fixed rates: 2,000 requests per second from ten producers, of 10 or of 50 records each.

use super::Bench;
use crate::Failure;
use crate::admin::Topic;
use crate::figures::Figure;
use crate::load::{self, Latency, Rate};

const P50: Figure = Figure::less("p50", "ms", "");
const P99: Figure = Figure::less("p99", "ms", "<= 0.3 x kafka");
const P999: Figure = Figure::less("p99.9", "ms", "");

/// Each producer has a partition of its own.
const PARTITIONS: i32 = 10;

type Measure = fn(std::net::SocketAddr, &Topic, Rate) -> Result<Latency, Failure>;

/// Time to the answer.
pub fn ack_20k(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    measure(bench, scenario, 20_000, load::ack_latency)
}

/// Time to the answer.
pub fn ack_100k(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    measure(bench, scenario, 100_000, load::ack_latency)
}

/// Time to the consumer.
pub fn end_to_end_20k(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    measure(bench, scenario, 20_000, load::end_to_end_latency)
}

/// Time to the consumer.
pub fn end_to_end_100k(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    measure(bench, scenario, 100_000, load::end_to_end_latency)
}

fn measure(
    bench: &mut Bench,
    scenario: &'static str,
    records_per_second: u64,
    measure: Measure,
) -> Result<(), Failure> {
    bench.alternate(scenario, |turn| {
        let topic = turn.create_topic(PARTITIONS)?;
        let rate = Rate { records_per_second, seconds: turn.choose(1.6, 10.0) };
        let latency = measure(turn.broker.address, &topic, rate)?;
        turn.delete_topic(&topic)?;
        Ok(vec![(P50, latency.p50), (P99, latency.p99), (P999, latency.p999)])
    })
}
