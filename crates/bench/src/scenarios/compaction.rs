//! The log cleaner: how fast it goes through a log, and what memory it takes for it.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Bench;
use crate::admin::Admin;
use crate::broker::Broker;
use crate::figures::{Figure, Sample};
use crate::{Failure, frames, load, process};

const RATE: Figure = Figure::more("compacted", "MB/s", ">= Kafka's");
const CPU: Figure = Figure::less("cpu for it", "CPU-s/GB", "<= Kafka's");
const MEMORY: Figure = Figure::less("most memory", "MiB", "<= Kafka's");
const LEFT: Figure = Figure::less("left of it", "%", "Kafka's");

/// Looks for work often, so that waiting for a look is no part of what is measured.
const SETTINGS: &str = "log.cleaner.backoff.ms=20\nlog.flush.offset.checkpoint.interval.ms=1000\n";
/// Connections, each with keys of its own.
const LANES: usize = 16;
const RECORDS_IN_BATCH: usize = 450;
/// How long flushes and checkpoints may take before the cleaner may begin.
const SETTLE: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(300);

/// Every round starts a broker of its own. The null broker has no turn.
pub fn run(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    let rounds = bench.choose(1, 3);
    let bytes = bench.choose(400_000_000, 2_000_000_000);
    for _ in 0..rounds {
        for kind in bench.kinds.clone().into_iter().filter(|kind| !kind.is_null()) {
            let broker = bench.fresh_broker_with(kind, SETTINGS)?;
            let sample =
                sample(&broker, bytes).map_err(|reason| format!("{scenario} on {kind}: {reason}"))?;
            bench.figures.add(scenario, kind, sample);
        }
    }
    Ok(())
}

fn sample(broker: &Broker, bytes: u64) -> Result<Sample, Failure> {
    let mut admin = Admin::connect(broker.address)?;
    // No log is dirtier than wholly, so nothing is cleaned until this is lowered.
    let configs =
        [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "1"), ("segment.bytes", "67108864")];
    let topic = admin.create_topic("compacted", 1, &configs)?;
    let lane = |number: usize| {
        let batch = frames::keyed_batch(number * RECORDS_IN_BATCH, RECORDS_IN_BATCH)?;
        frames::produce(&topic, 0, &batch)
    };
    let lanes = (0..LANES).map(lane).collect::<Result<Vec<_>, _>>()?;
    load::produce(broker.address, &lanes, 4, bytes, Duration::from_secs(120))?;
    sleep(SETTLE);
    let dir = broker.data().join("compacted-0");
    let before = sealed_bytes(&dir)?;
    let (pid, cpu_before, began) = (broker.pid(), process::cpu_seconds(broker.pid())?, Instant::now());
    admin.set_topic_config(&topic, "min.cleanable.dirty.ratio", "0")?;
    let mut memory = 0.0_f64;
    while !is_clean(&broker.data()) {
        memory = memory.max(process::resident_mib(pid)?);
        if began.elapsed() > PATIENCE {
            return Err("the log is not compacted".into());
        }
        sleep(Duration::from_millis(10));
    }
    let seconds = began.elapsed().as_secs_f64();
    let cpu = process::cpu_seconds(pid)? - cpu_before;
    let after = sealed_bytes(&dir)?;
    Ok(vec![
        (RATE, before / 1e6 / seconds),
        (CPU, cpu / (before / 1e9)),
        (MEMORY, memory),
        (LEFT, 100.0 * after / before),
    ])
}

/// Bytes of all segments but the one that is written to.
fn sealed_bytes(dir: &Path) -> Result<f64, Failure> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|suffix| suffix == "log") {
            logs.push((entry.file_name(), entry.metadata()?.len()));
        }
    }
    logs.sort();
    logs.pop();
    Ok(logs.iter().map(|(_, bytes)| *bytes as f64).sum())
}

/// Whether the checkpoint of the cleaner names the topic, and more than its beginning.
fn is_clean(data: &Path) -> bool {
    let text = fs::read_to_string(data.join("cleaner-offset-checkpoint")).unwrap_or_default();
    text.lines().any(|line| line.starts_with("compacted 0 ") && line != "compacted 0 0")
}
