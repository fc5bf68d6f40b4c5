//! What a broker costs that has nothing to do, and what 1,000 partitions cost.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Bench;
use crate::admin::Admin;
use crate::broker::Broker;
use crate::figures::{Figure, Sample};
use crate::{Failure, process};

const IDLE_RSS: Figure = Figure::less("rss idle", "MiB", "<= 20 MiB");
const IDLE_CPU: Figure = Figure::less("cpu idle", "CPU-ms/s", "<= 0.5 ms/s");
const CREATED: Figure = Figure::less("create 1,000 partitions", "s", "<= 0.5 s");
const PARTITIONS_RSS: Figure = Figure::less("rss with 1,000 partitions", "MiB", "<= 28 MiB");

const PARTITIONS: i32 = 1_000;
/// A broker has more to do just after its start than when idle.
const SETTLE: Duration = Duration::from_secs(3);

/// One fresh broker of each kind, idle all the time. A quick run spares the null broker its turn.
pub fn run(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    let rounds = bench.choose(1, 3);
    let idle = bench.choose(Duration::from_secs(3), Duration::from_secs(10));
    for _ in 0..rounds {
        for kind in bench.kinds.clone() {
            if kind.is_null() && bench.quick {
                continue;
            }
            let broker = bench.fresh_broker(kind)?;
            let sample = sample(&broker, idle).map_err(|reason| format!("{scenario} on {kind}: {reason}"))?;
            bench.figures.add(scenario, kind, sample);
        }
    }
    Ok(())
}

fn sample(broker: &Broker, idle: Duration) -> Result<Sample, Failure> {
    sleep(SETTLE);
    let pid = broker.pid();
    let (before, began) = (process::thread_nanos(pid)?, Instant::now());
    sleep(idle);
    let busy_ms = process::thread_nanos(pid)?.saturating_sub(before) as f64 / 1e6;
    let idle_cpu = busy_ms / began.elapsed().as_secs_f64();
    let idle_rss = process::resident_mib(pid)?;
    let began = Instant::now();
    Admin::connect(broker.address)?.create_topic("many", PARTITIONS, &[])?;
    let created = began.elapsed().as_secs_f64();
    sleep(Duration::from_secs(1));
    let partitions_rss = process::resident_mib(pid)?;
    Ok(vec![(IDLE_RSS, idle_rss), (IDLE_CPU, idle_cpu), (CREATED, created), (PARTITIONS_RSS, partitions_rss)])
}
