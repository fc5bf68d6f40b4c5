//! Very many partitions that all roll: half of them are compacted, from the other half old segments are deleted.
//!
//! Owns the watch on descriptors meanwhile. What a cleaner takes for one log is measured elsewhere.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Bench;
use crate::admin::{Admin, Topic};
use crate::broker::Broker;
use crate::figures::{Figure, Sample};
use crate::{Failure, frames, process};

const WRITTEN: Figure = Figure::less("a record to each, rolling", "s", "<= Kafka's");
const FILES: Figure = Figure::less("most descriptors", "", "<= 65,536");
const RSS: Figure = Figure::less("most memory", "MiB", "<= Kafka's");
const SEGMENTS: Figure = Figure::more("segments", "", "");
const SETTLED: Figure = Figure::less("compacted and deleted after", "s", "<= Kafka's");
const LEFT: Figure = Figure::less("segments left", "", "Kafka's");

/// The cleaner and retention look for work often.
const SETTINGS: &str = "log.cleaner.backoff.ms=200\nlog.retention.check.interval.ms=2000\n\
    log.flush.offset.checkpoint.interval.ms=1000\n";
/// Partitions of one topic.
const SHARE: i32 = 1_000;
/// Partitions of one request.
const SPREAD: usize = 500;
/// Records for each partition; every one but the first finds its segment too old.
const ROUNDS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(1_800);

/// One fresh broker of each kind.
pub fn run(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    let partitions = bench.partitions.unwrap_or(bench.choose(1_000, 20_000));
    for kind in bench.kinds.clone() {
        let broker = bench.fresh_broker_with(kind, SETTINGS)?;
        let sample =
            sample(&broker, partitions).map_err(|reason| format!("{scenario} on {kind}: {reason}"))?;
        bench.figures.add(scenario, kind, sample);
    }
    Ok(())
}

/// The most that was seen.
#[derive(Default)]
struct Most {
    files: usize,
    memory_mib: f64,
}

impl Most {
    fn look(&mut self, broker: &Broker) -> Result<(), Failure> {
        self.files = self.files.max(process::descriptors(broker.pid())?);
        self.memory_mib = self.memory_mib.max(process::resident_mib(broker.pid())?);
        Ok(())
    }
}

fn sample(broker: &Broker, partitions: i32) -> Result<Sample, Failure> {
    let compacted = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "100"),
        ("min.cleanable.dirty.ratio", "0"),
        ("delete.retention.ms", "0"),
    ];
    let deleted = [("segment.ms", "100"), ("retention.ms", "1000"), ("file.delete.delay.ms", "0")];
    let mut admin = Admin::connect(broker.address)?;
    let share = SHARE.min(partitions / 2).max(1);
    let topics: Vec<Topic> = (0..partitions / share)
        .map(|number| {
            let configs = if number % 2 == 0 { compacted.as_slice() } else { deleted.as_slice() };
            admin.create_topic(&format!("rolling-{number}"), share, configs)
        })
        .collect::<Result<_, _>>()?;
    let all: Vec<(&Topic, i32)> =
        topics.iter().flat_map(|topic| (0..topic.partitions).map(move |number| (topic, number))).collect();
    let (mut most, began) = (Most::default(), Instant::now());
    for _ in 0..ROUNDS {
        // The same key each time: of every compacted partition one record is left before the last segment.
        let batch = frames::keyed_batch(0, 1)?;
        for some in all.chunks(SPREAD) {
            admin.produce(some, &batch)?;
            most.look(broker)?;
        }
        sleep(Duration::from_millis(200));
    }
    let written = began.elapsed().as_secs_f64() / ROUNDS as f64;
    let segments = segments(&broker.data())?;
    let (left, settled) = settle(broker, &mut most)?;
    // Every partition still takes records. A connection that was idle for ten minutes is closed by the broker.
    let mut admin = Admin::connect(broker.address)?;
    let batch = frames::keyed_batch(0, 1)?;
    for some in all.chunks(SPREAD) {
        admin.produce(some, &batch)?;
        most.look(broker)?;
    }
    Ok(vec![
        (WRITTEN, written),
        (SEGMENTS, segments as f64),
        (SETTLED, settled),
        (LEFT, left as f64),
        (FILES, most.files as f64),
        (RSS, most.memory_mib),
    ])
}

/// Waits until no segment has gone for a minute: how many are left, and the seconds until the last one went.
fn settle(broker: &Broker, most: &mut Most) -> Result<(usize, f64), Failure> {
    const QUIET: Duration = Duration::from_secs(60);
    let began = Instant::now();
    let (mut left, mut changed) = (segments(&broker.data())?, began);
    while changed.elapsed() < QUIET {
        sleep(Duration::from_millis(500));
        most.look(broker)?;
        let found = segments(&broker.data())?;
        if found != left {
            (left, changed) = (found, Instant::now());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("after {PATIENCE:?} segments still go: {left} are left").into());
        }
    }
    Ok((left, (changed - began).as_secs_f64()))
}

/// Segments of the topics.
fn segments(data: &Path) -> Result<usize, Failure> {
    let mut count = 0;
    for entry in fs::read_dir(data)? {
        let dir = entry?.path();
        if dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rolling-")) {
            for file in fs::read_dir(dir)? {
                count += usize::from(file?.path().extension().is_some_and(|suffix| suffix == "log"));
            }
        }
    }
    Ok(count)
}
