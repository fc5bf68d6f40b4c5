//! Every byte of a small directory rots, one at a time: what is read is right, or it is an error.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use platform::Platform;
use platform::sim::SimDisk;

use super::fixture::*;
use crate::{LogConfig, LogDir, LogDirConfig, LogView, ReadError, WalConfig, WalTicket};

const RECORDS: i64 = 14;
const START: i64 = 1;

fn config() -> LogConfig {
    LogConfig { durable: true, ..small(450) }
}

fn open(disk: &SimDisk) -> Result<(LogDir, crate::RecoveryReport), crate::StorageError> {
    let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::sim(1) };
    let wal = WalConfig { file_bytes_min: 256 << 10, ..WalConfig::default() };
    let config = LogDirConfig { wal, ..dir_config() };
    LogDir::open(&platform, Path::new("/data"), &config, NOW)
}

fn run_wal(dir: &LogDir) {
    dir.wal_ticket().into_iter().for_each(WalTicket::run_all);
}

/// Three segments, in two leader epochs, of which the last batches are only in the write-ahead log if it was not stopped.
fn written(is_stopped: bool) -> (SimDisk, BTreeMap<i64, Vec<u8>>) {
    let disk = SimDisk::new(1);
    let (dir, _) = open(&disk).expect("the directory opens");
    let mut log = create(&dir, config());
    for offset in 0..RECORDS {
        let value = format!("value-{offset:05}");
        append_in(&mut log, &batch_at(NOW + offset, &[&value]), i32::from(offset > 6));
        run_wal(&dir);
        if offset == RECORDS - 3 {
            log.delete_records_before(START).expect("in range");
            let ticket = log.flush().expect("prepared");
            run(&mut log, ticket);
            dir.checkpoint().expect("written");
        }
    }
    let view = log.view();
    let mut slices = BTreeMap::new();
    for offset in START..RECORDS {
        let slice = view.read(offset, 1, RECORDS, true).expect("readable").expect("there");
        slices.insert(offset, slice.to_vec().expect("readable"));
    }
    if is_stopped {
        close(dir, log);
    } else {
        assert_eq!(view.durable_end_offset(), RECORDS, "all of it was promised");
        while dir.prove_wal() {
            run_wal(&dir);
        }
        disk.release_locks();
    }
    (disk, slices)
}

/// What every read gives is right, and if there is no error nothing is missing.
fn check(view: &LogView, slices: &BTreeMap<i64, Vec<u8>>) -> Result<(), String> {
    let mut is_whole = true;
    for (offset, expected) in slices {
        match view.read(*offset, 1, view.log_end_offset(), true) {
            Ok(Some(slice)) => {
                let found = slice.to_vec().map_err(|error| error.to_string())?;
                if found != *expected {
                    return Err(format!("wrong bytes at {offset}"));
                }
            }
            Ok(None) => return Err(format!("nothing at {offset}, and no error")),
            Err(ReadError::OffsetOutOfRange { log_end_offset, .. }) if log_end_offset < RECORDS => {
                return Err(format!("the log ends at {log_end_offset}, and no error"));
            }
            Err(_) => is_whole = false,
        }
        match view.offset_for_timestamp(NOW + offset) {
            Ok(found) => {
                let found = found.map(|found| (found.offset, found.leader_epoch));
                if found != Some((*offset, i32::from(*offset > 6))) && is_whole {
                    return Err(format!("the time of {offset} is that of {found:?}"));
                }
            }
            Err(_) => is_whole = false,
        }
    }
    if is_whole && view.log_end_offset() != RECORDS {
        return Err(format!("it ends at {}", view.log_end_offset()));
    }
    Ok(())
}

fn judge(disk: &SimDisk, slices: &BTreeMap<i64, Vec<u8>>) -> Result<(), String> {
    let Ok((dir, report)) = open(disk) else { return Ok(()) };
    if let Some(cut) = report.cuts.first() {
        // What was beyond the recovery point is in the write-ahead log too.
        if report.clean {
            return Err(format!("cut: {cut}"));
        }
    }
    match dir.take_log("t", 0, TOPIC_ID, config()) {
        Err(_) => Ok(()),
        Ok(None) => Err("the log is not there, and no error".into()),
        Ok(Some(log)) => check(&log.view(), slices),
    }
}

fn every_byte(is_stopped: bool) {
    let (disk, slices) = written(is_stopped);
    assert_eq!(judge(&disk.fork(1), &slices), Ok(()), "undamaged");
    let mut wrong = Vec::new();
    let mut damaged = 0;
    for (path, bytes) in disk.files() {
        let is_wal = path.to_string_lossy().contains("klamm-wal");
        // Of the write-ahead log, which is long, a part has to do: its own tests know it better.
        for at in (0..used(&bytes)).step_by(if is_wal { 37 } else { 1 }) {
            for bit in [0, 6] {
                let fork = disk.fork(1);
                fork.release_locks();
                fork.damage(&path, |bytes| bytes[at] ^= 1 << bit).expect("there");
                damaged += 1;
                if let Err(error) = judge(&fork, &slices) {
                    wrong.push(format!("{} byte {at} bit {bit}: {error}", path.display()));
                }
            }
        }
    }
    assert!(damaged > 2000, "{damaged}");
    assert!(wrong.is_empty(), "{} of {damaged}: {:#?}", wrong.len(), &wrong[..wrong.len().min(60)]);
}

/// The write-ahead log's files end in zeros.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

#[test]
fn any_byte_after_a_clean_stop() {
    every_byte(true);
}

#[test]
fn any_byte_after_a_kill() {
    every_byte(false);
}

/// The report of a running node names the rotten batch, not the stretch of a mebibyte that its proof is about.
#[test]
fn what_is_told_of_damage_is_about_the_batch() {
    let (disk, slices) = written(true);
    let path = Path::new("/data/t-0/00000000000000000000.log");
    let ends: Vec<usize> = slices
        .values()
        .scan(0, |end, bytes| {
            *end += bytes.len();
            Some(*end)
        })
        .collect();
    let first = slices[&START].len();
    // Of the batch at offset 2, which comes behind those at 0 and 1.
    disk.damage(path, |bytes| bytes[first + ends[0] + 70] ^= 1).expect("there");
    let (dir, _) = open(&disk).expect("the directory opens");
    let log = dir.take_log("t", 0, TOPIC_ID, config()).expect("not looked at yet").expect("the log is there");
    assert!(log.view().read(4, 1, RECORDS, true).is_err());
    let files = disk.files();
    let told = files.iter().find(|(path, _)| path.ends_with("klamm-damage")).expect("written down");
    let told = String::from_utf8_lossy(&told.1).into_owned();
    let (from, to) = (first + ends[0], first + ends[1]);
    let expected = format!(
        "\"first_offset\":2,\"end_offset\":3,\"segment\":\"00000000000000000000.log\",\"from\":{from},\"to\":{to},"
    );
    assert!(told.contains(&expected), "{told} {expected}");
}
