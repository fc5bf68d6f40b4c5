//! The load generator and the null broker against each other: what one counts, the other has.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread::{sleep, spawn};
use std::time::Duration;

use crate::admin::{Admin, Topic};
use crate::load::{self, Rate};
use crate::{Failure, frames};

/// A null broker in a thread that lives as long as the test process.
fn start(name: &str) -> Result<(SocketAddr, PathBuf), Failure> {
    start_with(name, false)
}

fn start_with(name: &str, direct: bool) -> Result<(SocketAddr, PathBuf), Failure> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let directory = std::env::temp_dir().join(format!("klamm-null-{}-{name}", std::process::id()));
    let files = directory.clone();
    spawn(move || super::serve(&files, port, direct).map_err(|reason| eprintln!("null broker: {reason}")));
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    for _ in 0..15_000 {
        if std::net::TcpStream::connect(address).is_ok() {
            return Ok((address, directory));
        }
        sleep(Duration::from_millis(2));
    }
    Err("the null broker does not listen".into())
}

fn create(address: SocketAddr, partitions: i32) -> Result<Topic, Failure> {
    Admin::connect(address)?.create_topic("topic", partitions, &[])
}

#[test]
fn produced_batches_are_in_the_file_and_come_back() -> Result<(), Failure> {
    let (address, directory) = start("volume")?;
    let topic = create(address, 1)?;
    let (batch, records) = frames::batch_of_bytes(64 << 10)?;
    assert!(batch.len().abs_diff(64 << 10) < 200, "{} bytes", batch.len());
    let frame = frames::produce(&topic, 0, &batch)?;
    let most = 40 * frame.len() as u64;
    let sent = load::produce(address, &[frame], 4, most, Duration::from_secs(20))?;
    assert!(sent.requests >= 40);
    let file = std::fs::read(directory.join("topic-0.log"))?;
    assert_eq!(file.len() as u64, sent.requests * batch.len() as u64);
    let mut next = 0;
    for found in records::batches(&file) {
        let found = found?;
        assert!(found.verify_crc().is_ok());
        assert_eq!(found.header.base_offset, next);
        next += records as i64;
    }
    let got = load::read_all(address, &topic, 1, next, file.len() as u64, Duration::from_secs(20))?;
    assert!(got.bytes >= file.len() as u64, "{} of {} bytes", got.bytes, file.len());
    Admin::connect(address)?.delete_topic(&topic)?;
    assert!(!directory.join("topic-0.log").exists());
    Ok(std::fs::remove_dir_all(directory)?)
}

#[test]
fn many_connections_are_all_answered() -> Result<(), Failure> {
    let (address, directory) = start("many")?;
    let topic = create(address, 4)?;
    let batch = frames::batch(1)?;
    let frames = (0..50).map(|n| frames::produce(&topic, n % 4, &batch)).collect::<Result<Vec<_>, _>>()?;
    let sent = load::produce(address, &frames, 3, u64::MAX, Duration::from_millis(200))?;
    assert!(sent.requests >= 150);
    let stored: u64 = (0..4)
        .map(|n| std::fs::metadata(directory.join(format!("topic-{n}.log"))).map_or(0, |meta| meta.len()))
        .sum();
    assert_eq!(stored, sent.requests * batch.len() as u64);
    Ok(std::fs::remove_dir_all(directory)?)
}

#[test]
fn batches_are_in_the_one_log_when_they_are_answered() -> Result<(), Failure> {
    let (address, directory) = start_with("direct", true)?;
    let topic = create(address, 4)?;
    let batch = frames::batch(1)?;
    let frames = (0..50).map(|n| frames::produce(&topic, n % 4, &batch)).collect::<Result<Vec<_>, _>>()?;
    let sent = load::produce(address, &frames, 1, u64::MAX, Duration::from_millis(300))?;
    let log = std::fs::read(directory.join("direct.log"))?;
    // All fit: nothing has been written over yet. Groups begin at blocks, one behind the other.
    let (mut found, mut at) = (0, 0);
    while log[at..at + batch.len()].iter().any(|byte| *byte != 0) {
        while log[at + 8..at + batch.len()] == batch[8..] {
            (found, at) = (found + 1, at + batch.len());
        }
        at = at.next_multiple_of(4096);
    }
    assert_eq!(found, sent.requests);
    Ok(std::fs::remove_dir_all(directory)?)
}

#[test]
fn latencies_are_measured_on_both_ways() -> Result<(), Failure> {
    let (address, directory) = start("latency")?;
    let rate = Rate { records_per_second: 20_000, seconds: 1.0 };
    let topic = create(address, 10)?;
    let ack = load::ack_latency(address, &topic, rate)?;
    assert!(ack.p50 > 0.0 && ack.p50 <= ack.p99 && ack.p99 <= ack.p999, "{ack:?}");
    let end_to_end = load::end_to_end_latency(address, &topic, rate)?;
    assert!(end_to_end.p50 > 0.0 && end_to_end.p99 < 10_000.0, "{end_to_end:?}");
    Ok(std::fs::remove_dir_all(directory)?)
}

#[test]
fn an_error_in_an_answer_is_seen() -> Result<(), Failure> {
    let (address, directory) = start("error")?;
    let topic = create(address, 1)?;
    let frame = frames::produce(&topic, 7, &frames::batch(1)?)?;
    let outcome = load::produce(address, &[frame], 1, u64::MAX, Duration::from_millis(100));
    assert!(outcome.is_err(), "partition 7 does not exist");
    Ok(std::fs::remove_dir_all(directory)?)
}
