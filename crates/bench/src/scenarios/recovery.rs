//! Starts of a broker that holds much: after kill -9 with the page cache as it was and without it, and after a clean stop.
//!
//! Owns the data set: the same batches, spread evenly over the partitions of ten topics. The disk's own speed is measured
//! beside it, since a start without page cache cannot read faster than that.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Bench;
use super::start::wait_for_ack;
use crate::admin::{Admin, Topic};
use crate::broker::Broker;
use crate::figures::{Figure, Sample};
use crate::{Failure, frames, process};

const FILLED: Figure = Figure::more("filled", "MB/s", "");
const WARM: Figure = Figure::less("kill -9 to first ack", "s", "<= 10 s");
const COLD: Figure = Figure::less("kill -9 to first ack, cold", "s", "<= 10 s or the disk");
const CLEAN: Figure = Figure::less("clean stop to ready", "s", "<= 1 s");
const CLEAN_COLD: Figure = Figure::less("clean stop to ready, cold", "s", "<= 1 s or the disk");
const STOP: Figure = Figure::less("clean stop", "s", "<= Kafka's");
const RSS: Figure = Figure::less("rss after kill -9", "MiB", "<= Kafka's");
const DISK: Figure = Figure::more("the disk itself reads", "MB/s", "");

const TOPICS: i32 = 10;
const BATCH_BYTES: usize = 64 << 10;
/// Partitions of one request.
const SPREAD: usize = 50;
/// Bytes of the file that tells how fast the disk reads.
const PROBE_BYTES: u64 = 1 << 30;

/// Every kind of broker starts on an empty directory.
pub fn run(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    let bytes = bench.gib.unwrap_or(bench.choose(1, 10)) << 30;
    let partitions = bench.partitions.unwrap_or(1_000);
    for kind in bench.kinds.clone() {
        let mut broker = bench.fresh_broker(kind)?;
        let sample = sample(&mut broker, bytes, partitions)
            .map_err(|reason| format!("{scenario} on {kind}: {reason}"))?;
        bench.figures.add(scenario, kind, sample);
    }
    Ok(())
}

fn sample(broker: &mut Broker, bytes: u64, partitions: i32) -> Result<Sample, Failure> {
    let mut admin = Admin::connect(broker.address)?;
    let share = partitions / TOPICS;
    let topics: Vec<Topic> = (0..TOPICS)
        .map(|number| admin.create_topic(&format!("recovery-{number}"), share, &[]))
        .collect::<Result<_, _>>()?;
    let began = Instant::now();
    let filled = fill(&mut admin, &topics, bytes)?;
    let mut sample = vec![(FILLED, filled as f64 / 1e6 / began.elapsed().as_secs_f64())];
    let ack = frames::produce(&topics[0], 0, &frames::batch(1)?)?;
    broker.kill9()?;
    sample.push((WARM, start(broker, Some(&ack))?));
    sample.push((RSS, process::resident_mib(broker.pid())?));
    // What the start found is flushed by and by; the next kill is to find as much again.
    let again = fill(&mut Admin::connect(broker.address)?, &topics, bytes / 10)?;
    eprintln!("         filled {:.1} GB, then {:.1} GB more", filled as f64 / 1e9, again as f64 / 1e9);
    broker.kill9()?;
    if drop_page_cache() {
        sample.push((COLD, start(broker, Some(&ack))?));
    } else {
        start(broker, Some(&ack))?;
    }
    sample.push((STOP, broker.stop()?.as_secs_f64()));
    sample.push((CLEAN, start(broker, None)?));
    broker.stop()?;
    if drop_page_cache() {
        sample.push((CLEAN_COLD, start(broker, None)?));
        broker.stop()?;
        if drop_page_cache() {
            sample.push((DISK, disk_speed(&broker.data())?));
        }
    }
    Ok(sample)
}

/// Starts the broker, and gives the seconds until it answers; with a produce request, until that is acknowledged.
fn start(broker: &mut Broker, ack: Option<&[u8]>) -> Result<f64, Failure> {
    let began = Instant::now();
    broker.restart()?;
    broker.wait_for_answer()?;
    if let Some(frame) = ack {
        wait_for_ack(broker, frame)?;
    }
    Ok(began.elapsed().as_secs_f64())
}

/// Appends batches to all partitions in turn until there are so many bytes.
fn fill(admin: &mut Admin, topics: &[Topic], bytes: u64) -> Result<u64, Failure> {
    let (batch, _) = frames::batch_of_bytes(BATCH_BYTES)?;
    let all = topics.iter().flat_map(|topic| (0..topic.partitions).map(move |number| (topic, number)));
    let all: Vec<(&Topic, i32)> = all.collect();
    let mut filled = 0;
    while filled < bytes {
        for some in all.chunks(SPREAD) {
            admin.produce(some, &batch)?;
            filled += (some.len() * batch.len()) as u64;
        }
    }
    Ok(filled)
}

/// Has the kernel forget what it has of files; whether it did, for which one has to be root.
fn drop_page_cache() -> bool {
    // Only clean pages go.
    let synced = Command::new("sync").status().is_ok_and(|status| status.success());
    sleep(Duration::from_millis(200));
    synced && fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// Reads segments one after the other, as a copy would.
fn disk_speed(data: &Path) -> Result<f64, Failure> {
    let mut buffer = vec![0; 1 << 20];
    let (began, mut bytes) = (Instant::now(), 0);
    for entry in fs::read_dir(data)? {
        let dir = entry?.path();
        if !dir.is_dir() {
            continue;
        }
        for file in fs::read_dir(dir)? {
            let path = file?.path();
            if path.extension().is_some_and(|suffix| suffix == "log") {
                let mut file = File::open(path)?;
                loop {
                    let count = file.read(&mut buffer)?;
                    bytes += count as u64;
                    if count == 0 {
                        break;
                    }
                }
            }
        }
        if bytes >= PROBE_BYTES {
            break;
        }
    }
    Ok(bytes as f64 / 1e6 / began.elapsed().as_secs_f64())
}
