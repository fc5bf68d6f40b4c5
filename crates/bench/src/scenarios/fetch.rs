//! Fetching what lies in the page cache, over and over: big batches, and batches of a single record, where a broker that
//! touches every batch shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Bench, Turn};
use crate::admin::Topic;
use crate::broker::Kind;
use crate::figures::Figure;
use crate::{Failure, frames, load, process};

/// Each connection reads a partition of its own.
const PARTITIONS: usize = 2;

const CPU: Figure = Figure::less("cpu", "CPU-s/GB", "<= 1.1 x kafka");
const MEGABYTES: Figure = Figure::more("throughput", "MB/s", "");

/// Batches of 64 KiB.
pub fn big(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    let (batch, _) = frames::batch_of_bytes(64 << 10)?;
    let batches = bench.choose(2_000, 4_000);
    let bytes = bench.choose(1 << 30, 3 << 30);
    read(bench, scenario, &batch, batches, bytes)
}

/// Batches of one record.
pub fn small(bench: &mut Bench, scenario: &'static str) -> Result<(), Failure> {
    let batch = frames::batch(1)?;
    let batches = bench.choose(30_000, 60_000);
    let bytes = bench.choose(400 << 20, 1500 << 20);
    read(bench, scenario, &batch, batches, bytes)
}

/// Fills each partition with `batches` batches in its first turn, then reads `bytes` in every turn.
fn read(
    bench: &mut Bench,
    scenario: &'static str,
    batch: &[u8],
    batches: u64,
    bytes: u64,
) -> Result<(), Failure> {
    let mut filled: BTreeMap<Kind, (Topic, i64)> = BTreeMap::new();
    bench.alternate(scenario, |turn| {
        let kind = turn.broker.kind;
        let (topic, end) = match filled.get(&kind) {
            Some(known) => known.clone(),
            None => {
                let new = fill(turn, batch, batches)?;
                filled.insert(kind, new.clone());
                new
            }
        };
        let before = process::cpu_seconds(turn.broker.pid())?;
        let volume =
            load::read_all(turn.broker.address, &topic, PARTITIONS, end, bytes, Duration::from_secs(10))?;
        let cpu = process::cpu_seconds(turn.broker.pid())? - before;
        if turn.last {
            turn.delete_topic(&topic)?;
        }
        let gigabytes = volume.bytes as f64 / 1e9;
        Ok(vec![(CPU, cpu / gigabytes), (MEGABYTES, gigabytes * 1e3 / volume.seconds)])
    })
}

/// A topic with as many batches as were acknowledged; returns the least end offset of its partitions.
fn fill(turn: &mut Turn<'_>, batch: &[u8], batches: u64) -> Result<(Topic, i64), Failure> {
    let topic = turn.create_topic(i32::try_from(PARTITIONS)?)?;
    let mut least = i64::MAX;
    for partition in 0..PARTITIONS {
        let frame = frames::produce(&topic, i32::try_from(partition)?, batch)?;
        let bytes = batches * frame.len() as u64;
        let volume = load::produce(turn.broker.address, &[frame], 16, bytes, Duration::from_secs(30))?;
        let records = i64::from(i32::from_be_bytes(batch[23..27].try_into()?)) + 1;
        least = least.min(i64::try_from(volume.requests)? * records);
    }
    Ok((topic, least))
}
