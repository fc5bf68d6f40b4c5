//! Offsets by time: the first record, not the first batch; in every segment; through every index.

use records::{BatchSettings, Compression, TimestampType};

use super::fixture::*;
use crate::{AppendOrigin, LogConfig, LogView, UnifiedLog};

fn at(view: &LogView, timestamp: i64) -> Option<(i64, i64)> {
    view.offset_for_timestamp(timestamp).expect("readable").map(|found| (found.timestamp, found.offset))
}

fn latest(view: &LogView) -> Option<(i64, i64)> {
    view.offset_of_max_timestamp().expect("readable").map(|found| (found.timestamp, found.offset))
}

fn append_times(log: &mut UnifiedLog, compression: Compression, times: &[i64]) {
    let records: Vec<(i64, &str)> = times.iter().map(|time| (*time, "x")).collect();
    let bytes = batch_with(BatchSettings { compression, ..BatchSettings::default() }, &records);
    log.append_as_leader(&bytes, 4, AppendOrigin::Client, NOW).expect("taken");
}

#[test]
fn the_first_record_at_or_after_the_time_is_found() {
    for compression in [Compression::None, Compression::Zstd] {
        let home = Home::new();
        let (dir, _) = home.open();
        let mut log = create(&dir, LogConfig::default());
        append_times(&mut log, compression, &[100, 300, 200]);
        append_times(&mut log, compression, &[250, 400]);
        let view = log.view();
        assert_eq!(at(&view, 0), Some((100, 0)));
        assert_eq!(at(&view, 101), Some((300, 1)));
        assert_eq!(at(&view, 300), Some((300, 1)));
        assert_eq!(at(&view, 301), Some((400, 4)));
        assert_eq!(at(&view, 401), None);
        assert_eq!(latest(&view), Some((400, 4)));
        assert_eq!(view.offset_for_timestamp(0).expect("readable").expect("found").leader_epoch, 4);
    }
}

#[test]
fn the_largest_timestamp_is_the_first_of_its_kind() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    assert_eq!((latest(&log.view()), at(&log.view(), 0)), (None, None));
    append_times(&mut log, Compression::None, &[-1]);
    assert_eq!((latest(&log.view()), at(&log.view(), 0)), (None, None));
    append_times(&mut log, Compression::None, &[500, 900, 900]);
    append_times(&mut log, Compression::None, &[900, 100]);
    assert_eq!(latest(&log.view()), Some((900, 2)));
}

#[test]
fn nothing_below_the_log_start_is_found() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    append_times(&mut log, Compression::None, &[100, 200, 300]);
    append_times(&mut log, Compression::None, &[150]);
    commit(&log);
    log.delete_records_before(2).expect("in range");
    assert_eq!(at(&log.view(), 0), Some((300, 2)));
    log.delete_records_before(3).expect("in range");
    assert_eq!(at(&log.view(), 0), Some((150, 3)));
    assert_eq!(at(&log.view(), 151), None);
}

#[test]
fn log_append_time_finds_the_first_record_of_a_batch() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log =
        create(&dir, LogConfig { timestamp_type: TimestampType::LogAppendTime, ..LogConfig::default() });
    append_times(&mut log, Compression::None, &[1, 2]);
    log.append_as_leader(&batch_at(3, &["y", "z"]), 0, AppendOrigin::Client, NOW + 10).expect("taken");
    assert_eq!(at(&log.view(), NOW + 1), Some((NOW + 10, 2)));
    assert_eq!(latest(&log.view()), Some((NOW + 10, 2)));
}

/// Times that go up and down, in many segments: every answer is that of a linear scan, whatever the indexes hold, also
/// after a restart.
#[test]
fn every_time_is_found_as_by_a_linear_scan() {
    for interval in [1, 200, 4096] {
        let home = Home::simulated();
        let config = LogConfig { index_interval_bytes: interval, ..small(900) };
        let (dir, _) = home.open_with(config.clone());
        let mut log = create(&dir, config.clone());
        let time = |n: i64| 1000 + (n * 7919) % 613 + n;
        let times: Vec<i64> = (0..150).map(time).collect();
        for pair in times.chunks(2) {
            append_times(&mut log, Compression::None, pair);
        }
        let check = |view: &LogView| {
            for wanted in (990..1800).step_by(3) {
                let expected = times.iter().position(|t| *t >= wanted).map(|n| (times[n], n as i64));
                assert_eq!(at(view, wanted), expected, "{wanted}, interval {interval}");
            }
            let max = *times.iter().max().expect("some");
            assert_eq!(latest(view), times.iter().position(|t| *t == max).map(|n| (max, n as i64)));
        };
        check(&log.view());
        commit(&log);
        close(dir, log);
        let (dir, report) = home.open_with(config.clone());
        assert!(report.clean && report.rebuilt.is_empty(), "{report:?}");
        check(&take(&dir, config.clone()).view());
        drop(dir);
        // Now without a clean stop: all of it is rebuilt.
        let (dir, report) = home.open_with(config.clone());
        assert!(!report.clean);
        check(&take(&dir, config).view());
    }
}
