//! Producing as fast as the broker takes it: what a gigabyte of big batches costs, and what a small request costs.

use std::time::Duration;

use super::{Bench, Turn};
use crate::figures::{Figure, Sample};
use crate::{Failure, frames, load, process};

const PARTITIONS: i32 = 4;

const CPU_PER_GB: Figure = Figure::less("cpu", "CPU-s/GB", "<= 0.45 x kafka");
const MEGABYTES: Figure = Figure::more("throughput", "MB/s", "");
const RESIDENT: Figure = Figure::less("rss", "MiB", "<= 1/12 x kafka");
const CPU_PER_REQUEST_FEW: Figure = Figure::less("cpu", "CPU-us/request", "<= 0.25 x kafka");
const CPU_PER_REQUEST_MANY: Figure = Figure::less("cpu", "CPU-us/request", "<= 0.5 x kafka");
const REQUESTS: Figure = Figure::more("throughput", "requests/s", "");

/// Batches of 64 KiB over few connections.
pub fn big(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    let (batch, _) = frames::batch_of_bytes(64 << 10)?;
    bench.alternate(scenario, |turn| {
        let bytes = turn.choose(512 << 20, 1536 << 20);
        let load = Load { partitions: PARTITIONS, connections: 4, depth: 4, max_bytes: bytes };
        let (cpu, volume) = load.run(turn, &batch, Duration::from_secs(10))?;
        let gigabytes = volume.bytes as f64 / 1e9;
        Ok(vec![
            (CPU_PER_GB, cpu / gigabytes),
            (MEGABYTES, gigabytes * 1e3 / volume.seconds),
            (RESIDENT, process::resident_mib(turn.broker.pid())?),
        ])
    })
}

/// One record per request over few connections.
pub fn small(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    bench.alternate(scenario, |turn| requests(turn, 4, 16, CPU_PER_REQUEST_FEW))
}

/// One record per request over many connections.
pub fn small_many(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    bench.alternate(scenario, |turn| requests(turn, 500, 1, CPU_PER_REQUEST_MANY))
}

fn requests(
    turn: &mut Turn<'_>,
    connections: usize,
    depth: usize,
    cpu_figure: Figure,
) -> Result<Sample, Failure> {
    let time = turn.choose(Duration::from_millis(1500), Duration::from_secs(4));
    let load = Load { partitions: PARTITIONS, connections, depth, max_bytes: u64::MAX };
    let (cpu, volume) = load.run(turn, &frames::batch(1)?, time)?;
    let requests = volume.requests as f64;
    Ok(vec![(cpu_figure, cpu * 1e6 / requests), (REQUESTS, requests / volume.seconds)])
}

/// As much as a broker takes, over connections that keep so many requests in flight each.
pub struct Load {
    /// Of the topic; the connections take them in turn.
    pub partitions: i32,
    /// Connections.
    pub connections: usize,
    /// Requests in flight on each.
    pub depth: usize,
    /// An end before the time is up.
    pub max_bytes: u64,
}

impl Load {
    /// Produces to a topic made for it; returns the broker's CPU seconds too.
    pub fn run(
        &self,
        turn: &mut Turn<'_>,
        batch: &[u8],
        max_time: Duration,
    ) -> Result<(f64, load::Volume), Failure> {
        let topic = turn.create_topic(self.partitions)?;
        let frames = (0..self.connections)
            .map(|number| frames::produce(&topic, i32::try_from(number)? % self.partitions, batch))
            .collect::<Result<Vec<_>, Failure>>()?;
        let before = process::cpu_seconds(turn.broker.pid())?;
        let volume = load::produce(turn.broker.address, &frames, self.depth, self.max_bytes, max_time)?;
        let cpu = process::cpu_seconds(turn.broker.pid())? - before;
        turn.delete_topic(&topic)?;
        Ok((cpu, volume))
    }
}
