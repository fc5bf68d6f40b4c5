//! Very many partitions on one node: what they cost in time, memory, CPU and descriptors, used once and then idle.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Bench;
use super::start::wait_for_ack;
use crate::admin::{Admin, Topic};
use crate::broker::Broker;
use crate::figures::{Figure, Sample};
use crate::{Failure, frames, process};

const CREATED: Figure = Figure::less("create all", "s", "<= Kafka's");
const EMPTY_RSS: Figure = Figure::less("rss, all empty", "MiB", "<= 60 MiB");
const PRODUCED: Figure = Figure::less("one record to each", "s", "<= Kafka's");
const CONSUMED: Figure = Figure::less("read each", "s", "<= Kafka's");
const USED_RSS: Figure = Figure::less("rss, used and idle", "MiB", "<= 60 MiB");
const USED_CPU: Figure = Figure::less("cpu, used and idle", "CPU-ms/s", "< 5 ms/s");
const USED_FILES: Figure = Figure::less("descriptors, used", "", "<= 65,536");
const MAPS: Figure = Figure::less("maps, used", "", "<= 65,530");
const STOPPED: Figure = Figure::less("clean stop", "s", "<= Kafka's");
const CLEAN: Figure = Figure::less("clean stop to ready", "s", "<= Kafka's");
const CLEAN_RSS: Figure = Figure::less("rss after it", "MiB", "<= 60 MiB");
const CLEAN_CPU: Figure = Figure::less("cpu after it", "CPU-ms/s", "< 5 ms/s");
const KILLED: Figure = Figure::less("kill -9 to first ack", "s", "<= Kafka's");
const KILLED_RSS: Figure = Figure::less("rss after kill -9", "MiB", "<= 60 MiB");

/// Partitions of one topic.
const SHARE: i32 = 1_000;
/// Partitions of one request.
const SPREAD: usize = 500;
/// A broker has more to do just after a burst than when idle.
const SETTLE: Duration = Duration::from_secs(12);

/// One fresh broker of each kind.
pub fn run(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    let partitions = bench.partitions.unwrap_or(bench.choose(1_000, 10_000));
    let idle = bench.choose(Duration::from_secs(11), Duration::from_secs(30));
    for kind in bench.kinds.clone() {
        let mut broker = bench.fresh_broker(kind)?;
        let sample = sample(&mut broker, partitions, idle)
            .map_err(|reason| format!("{scenario} on {kind}: {reason}"))?;
        bench.figures.add(scenario, kind, sample);
    }
    Ok(())
}

fn sample(broker: &mut Broker, partitions: i32, idle: Duration) -> Result<Sample, Failure> {
    let mut sample = Sample::new();
    let mut admin = Admin::connect(broker.address)?;
    let began = Instant::now();
    let topics: Vec<Topic> = (0..partitions.div_euclid(SHARE).max(1))
        .map(|number| admin.create_topic(&format!("many-{number}"), SHARE.min(partitions), &[]))
        .collect::<Result<_, _>>()?;
    sample.push((CREATED, began.elapsed().as_secs_f64()));
    sleep(Duration::from_secs(1));
    sample.push((EMPTY_RSS, process::resident_mib(broker.pid())?));
    let began = Instant::now();
    produce_to_all(&mut admin, &topics)?;
    sample.push((PRODUCED, began.elapsed().as_secs_f64()));
    let began = Instant::now();
    read_all(&mut admin, &topics)?;
    sample.push((CONSUMED, began.elapsed().as_secs_f64()));
    drop(admin);
    let (rss, cpu) = idle_cost(broker, idle)?;
    let pid = broker.pid();
    sample.extend([(USED_RSS, rss), (USED_CPU, cpu)]);
    sample.push((USED_FILES, process::descriptors(pid)? as f64));
    sample.push((MAPS, process::maps(pid)? as f64));
    sample.push((STOPPED, broker.stop()?.as_secs_f64()));
    let began = Instant::now();
    broker.restart()?;
    broker.wait_for_answer()?;
    sample.push((CLEAN, began.elapsed().as_secs_f64()));
    let (rss, cpu) = idle_cost(broker, idle)?;
    sample.extend([(CLEAN_RSS, rss), (CLEAN_CPU, cpu)]);
    produce_to_all(&mut Admin::connect(broker.address)?, &topics)?;
    broker.kill9()?;
    let began = Instant::now();
    broker.restart()?;
    wait_for_ack(broker, &frames::produce(&topics[0], 0, &frames::batch(1)?)?)?;
    sample.push((KILLED, began.elapsed().as_secs_f64()));
    read_all(&mut Admin::connect(broker.address)?, &topics)?;
    let (rss, _) = idle_cost(broker, Duration::from_secs(1))?;
    sample.push((KILLED_RSS, rss));
    Ok(sample)
}

/// Resident memory in MiB, and CPU milliseconds per second, of a broker that nobody asks anything.
fn idle_cost(broker: &Broker, idle: Duration) -> Result<(f64, f64), Failure> {
    sleep(SETTLE);
    let pid = broker.pid();
    // Threads that wait for work may end meanwhile, so what counts is the process's own clock, coarse as it is.
    let (before, began) = (process::cpu_seconds(pid)?, Instant::now());
    sleep(idle);
    let busy_ms = (process::cpu_seconds(pid)? - before) * 1e3;
    Ok((process::resident_mib(pid)?, busy_ms / began.elapsed().as_secs_f64()))
}

fn produce_to_all(admin: &mut Admin, topics: &[Topic]) -> Result<(), Failure> {
    let batch = frames::batch(1)?;
    let all = topics.iter().flat_map(|topic| (0..topic.partitions).map(move |number| (topic, number)));
    let all: Vec<(&Topic, i32)> = all.collect();
    all.chunks(SPREAD).try_for_each(|some| admin.produce(some, &batch))
}

/// Every partition has to give a batch.
fn read_all(admin: &mut Admin, topics: &[Topic]) -> Result<(), Failure> {
    let least = frames::batch(1)?.len() as u64;
    for topic in topics {
        for from in (0..topic.partitions).step_by(SPREAD) {
            let until = (from + SPREAD as i32).min(topic.partitions);
            let bytes = admin.fetch(topic, from..until)?;
            if bytes < least * u64::from((until - from).unsigned_abs()) {
                return Err(format!("{}: only {bytes} bytes came", topic.name).into());
            }
        }
    }
    Ok(())
}
