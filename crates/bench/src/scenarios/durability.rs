//! What an acknowledgement from stable storage costs: the same loads as elsewhere, over brokers that flush before they
//! acknowledge and brokers that do not.
//!
//! Owns the loads and what Klamm is to reach in them.

use std::time::Duration;

use super::produce::Load;
use super::{Bench, Scenario, latency};
use crate::broker::Kind;
use crate::figures::{Bound, Figure};
use crate::{Failure, frames};

/// Spread over so many partitions, a broker that flushes each of them pays for it.
const PARTITIONS: i32 = 100;
const MANY: usize = 500;
const FEW: usize = 4;
const DEPTH: usize = 4;

/// As good as Kafka, which does not flush.
const KAFKA: Bound = Bound::Times(1.0, Kind::Kafka);
/// How much of the rate without a flush has to stay.
const REPLICATED: Bound = Bound::Times(0.75, Kind::KlammReplicated);

const REQUESTS: Figure = Figure::more("throughput", "requests/s", "").within(&[
    KAFKA,
    Bound::Times(15.0, Kind::KafkaSynced),
    REPLICATED,
]);
const REQUEST_CPU: Figure = Figure::less("cpu", "CPU-us/request", "").within(&[KAFKA]);
const MEGABYTES: Figure = Figure::more("throughput", "MB/s", "").within(&[KAFKA, REPLICATED]);
const GIGABYTE_CPU: Figure = Figure::less("cpu", "CPU-s/GB", "").within(&[KAFKA]);
const P50: Figure = Figure::less("p50", "ms", "").within(&[KAFKA]);
const P99_SLOW: Figure = Figure::less("p99", "ms", "").within(&[KAFKA]);
/// A group takes the longer the more is in it: here a bound, not Kafka.
const P99_FAST: Figure = Figure::less("p99", "ms", "").within(&[Bound::Value(5.0)]);

/// The scenarios.
pub const SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "durable-1x500",
        about: "requests of one record, 500 connections, 100 partitions",
        run: small_many,
    },
    Scenario {
        name: "durable-64k",
        about: "batches of 64 KiB, 4 connections, 4 in flight, 100 partitions",
        run: big,
    },
    Scenario { name: "durable-ack-20k", about: "20,000 records/s: time to the answer", run: ack_20k },
    Scenario { name: "durable-ack-100k", about: "100,000 records/s: time to the answer", run: ack_100k },
];

fn small_many(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    let batch = frames::batch(1)?;
    bench.alternate(scenario, |turn| {
        let time = turn.choose(Duration::from_millis(1500), Duration::from_secs(4));
        let load = Load { partitions: PARTITIONS, connections: MANY, depth: 1, max_bytes: u64::MAX };
        let (cpu, volume) = load.run(turn, &batch, time)?;
        let requests = volume.requests as f64;
        Ok(vec![(REQUESTS, requests / volume.seconds), (REQUEST_CPU, cpu * 1e6 / requests)])
    })
}

fn big(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    let (batch, _) = frames::batch_of_bytes(64 << 10)?;
    bench.alternate(scenario, |turn| {
        let max_bytes = turn.choose(512 << 20, 2 << 30);
        let load = Load { partitions: PARTITIONS, connections: FEW, depth: DEPTH, max_bytes };
        let (cpu, volume) = load.run(turn, &batch, Duration::from_secs(4))?;
        let gigabytes = volume.bytes as f64 / 1e9;
        Ok(vec![(MEGABYTES, gigabytes * 1e3 / volume.seconds), (GIGABYTE_CPU, cpu / gigabytes)])
    })
}

fn ack_20k(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    latency::acks(bench, scenario, 20_000, &[P50, P99_SLOW, latency::P999])
}

fn ack_100k(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    latency::acks(bench, scenario, 100_000, &[P50, P99_FAST, latency::P999])
}
