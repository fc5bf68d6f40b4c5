//! What a stop without warning leaves, byte by byte, and what becomes of it.

use std::fs;

use super::fixture::*;
use crate::{BadBatch, LogConfig, LogDir, LogView, RecoveryReport, StorageError, UnifiedLog};

/// Ten batches in one segment; the log is dropped without a word.
fn stopped(home: &Home, flushed: usize) -> Vec<u8> {
    let (dir, _) = home.open_with(small(1 << 20));
    let mut log = create(&dir, small(1 << 20));
    fill(&mut log, 0, flushed);
    log.flush_now().expect("flushed");
    dir.checkpoint().expect("written");
    fill(&mut log, flushed, 10 - flushed);
    drop((dir, log));
    fs::read(home.log_path(FIRST)).expect("the segment is there")
}

const FIRST: &str = "00000000000000000000.log";

fn reopen(home: &Home) -> (LogDir, RecoveryReport, UnifiedLog) {
    let (dir, report) = home.open_with(small(1 << 20));
    let log = take(&dir, small(1 << 20));
    (dir, report, log)
}

fn check(view: &LogView, end: i64) {
    assert_eq!(view.log_end_offset(), end);
    assert_eq!(read_all(view, 0), filled(0, end));
}

#[test]
fn a_killed_process_loses_nothing() {
    let home = Home::new();
    stopped(&home, 4);
    let (_dir, report, mut log) = reopen(&home);
    assert!(!report.clean && report.cuts.is_empty() && report.damaged.is_empty(), "{report:?}");
    check(&log.view(), 10);
    assert_eq!(log.view().durable_end_offset(), 4, "what was not flushed is not called durable");
    let batch = batch(&["value-00000"]).len() as u64;
    assert_eq!(report.scanned_bytes, 6 * batch, "only what was not flushed is checked");
    fill(&mut log, 10, 2);
    check(&log.view(), 12);
}

/// The log of [`stopped`] after a kill, with a bit of the second of six flushed batches changed; the third is made by
/// `third`.
fn stopped_and_rotten(home: &Home, third: &[u8]) {
    let (dir, _) = home.open_with(small(1 << 20));
    let mut log = create(&dir, small(1 << 20));
    fill(&mut log, 0, 2);
    append(&mut log, third);
    fill(&mut log, 3, 3);
    log.flush_now().expect("flushed");
    dir.checkpoint().expect("written");
    fill(&mut log, 6, 4);
    drop((dir, log));
    let path = home.log_path(FIRST);
    let mut bytes = fs::read(&path).expect("the segment is there");
    let one = batch(&["value-00000"]).len();
    bytes[2 * one - 3] ^= 1;
    fs::write(path, bytes).expect("written");
}

#[test]
fn what_is_flushed_and_has_no_producer_is_left_to_its_reader() {
    let home = Home::new();
    stopped_and_rotten(&home, &batch(&["value-00002"]));
    let (_dir, report, mut log) = reopen(&home);
    assert!(report.cuts.is_empty() && report.damaged.is_empty(), "{report:?}");
    assert_eq!(report.scanned_bytes, 4 * batch(&["value-00000"]).len() as u64);
    fill(&mut log, 10, 1);
    let view = log.view();
    assert_eq!(view.log_end_offset(), 11);
    assert!(view.read(0, 1 << 20, 11, true).is_err(), "what is read is verified");
    // Where a producer wrote, its batches are read by the start, and those before them too.
    let home = Home::new();
    stopped_and_rotten(&home, &idempotent(9, 0, 0, &["value-00002"]));
    let (_dir, report) = home.open_with(small(1 << 20));
    assert_eq!(report.damaged.len(), 1, "{report:?}");
}

#[test]
fn producers_come_back_from_between_stretches_that_have_none() {
    for stretches in 0..3 {
        let home = Home::new();
        let (dir, _) = home.open_with(small(1 << 20));
        let mut log = create(&dir, small(1 << 20));
        let flush = |log: &mut UnifiedLog| {
            log.flush_now().expect("flushed");
            dir.checkpoint().expect("written");
        };
        for _ in 0..stretches {
            append(&mut log, &batch(&[&"x".repeat(600_000)]));
            append(&mut log, &batch(&[&"y".repeat(300_000)]));
            flush(&mut log);
        }
        let sent = idempotent(9, 0, 0, &["a", "b"]);
        let first = append(&mut log, &sent);
        flush(&mut log);
        fill(&mut log, 0, 3);
        flush(&mut log);
        fill(&mut log, 3, 1);
        drop((dir, log));
        let (_dir, _, mut log) = reopen(&home);
        let again = append(&mut log, &sent);
        assert!(again.duplicate, "the producer is known after {stretches} stretches");
        assert_eq!(again.first_offset, first.first_offset);
        append(&mut log, &idempotent(9, 0, 2, &["c"]));
    }
}

#[test]
fn a_clean_stop_needs_no_scan_and_says_so_once() {
    let home = Home::new();
    let (dir, _) = home.open_with(small(1 << 20));
    let mut log = create(&dir, small(1 << 20));
    fill(&mut log, 0, 10);
    close(dir, log);
    assert_eq!(
        fs::read(home.path.join(".kafka_cleanshutdown")).expect("there"),
        b"{\"version\":0,\"brokerEpoch\":7}"
    );
    let (dir, report, log) = reopen(&home);
    assert!(report.clean);
    assert_eq!((report.previous_broker_epoch, report.scanned_bytes), (Some(7), 0));
    check(&log.view(), 10);
    assert_eq!(log.view().durable_end_offset(), 10);
    assert!(
        !home.path.join(".kafka_cleanshutdown").exists(),
        "the marker is gone before anything is written"
    );
    drop((dir, log));
    assert!(!reopen(&home).1.clean);
}

#[test]
fn without_every_log_durable_there_is_no_clean_marker() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 1);
    assert!(!dir.close_clean(None).expect("closed"));
    assert!(!home.path.join(".kafka_cleanshutdown").exists());
}

#[test]
fn the_last_batch_torn_at_every_byte_is_cut() {
    let home = Home::new();
    let whole = stopped(&home, 4);
    let batch = whole.len() / 10;
    for len in 9 * batch..whole.len() {
        fs::write(home.log_path(FIRST), &whole[..len]).expect("written");
        let (dir, report, mut log) = reopen(&home);
        check(&log.view(), 9);
        if len == 9 * batch {
            assert!(report.cuts.is_empty());
        } else {
            let cut = &report.cuts[0];
            assert_eq!((cut.log.as_str(), cut.from_offset, cut.bytes), ("t-0", 9, (len - 9 * batch) as u64));
            assert!(matches!(cut.reason, BadBatch::Torn { .. }), "{cut}");
            assert!(cut.kept_in.is_empty());
        }
        fill(&mut log, 9, 1);
        check(&log.view(), 10);
        drop((dir, log));
    }
}

#[test]
fn a_flipped_bit_after_the_recovery_point_cuts_there_and_keeps_the_bytes() {
    let home = Home::new();
    let whole = stopped(&home, 4);
    let batch = whole.len() / 10;
    for at in (4 * batch..6 * batch).step_by(3) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(home.log_path(FIRST), &damaged).expect("written");
        let (dir, report, log) = reopen(&home);
        let first_damaged = (at / batch) as i64;
        // Base offset and leader epoch are outside the checksum: there a flip may pass for a gap or an epoch.
        let in_batch = at % batch;
        if !(in_batch < 8 || (12..16).contains(&in_batch)) {
            check(&log.view(), first_damaged);
            let cut = &report.cuts[0];
            assert_eq!(
                (cut.from_offset, cut.bytes),
                (first_damaged, (whole.len() - first_damaged as usize * batch) as u64)
            );
            for kept in &cut.kept_in {
                assert_eq!(fs::read(kept).expect("kept"), damaged[first_damaged as usize * batch..]);
                fs::remove_file(kept).expect("removed");
            }
        }
        drop((dir, log));
    }
}

#[test]
fn damage_before_the_recovery_point_is_never_cut() {
    let home = Home::new();
    let whole = stopped(&home, 4);
    let batch = whole.len() / 10;
    fs::write(home.log_path(FIRST), &whole[..3 * batch + 20]).expect("written");
    for _ in 0..2 {
        let (dir, report) = home.open_with(small(1 << 20));
        assert_eq!(report.damaged.len(), 1, "{report:?}");
        assert_eq!((report.damaged[0].topic.as_str(), report.damaged[0].partition), ("t", 0));
        let error = dir.take_log("t", 0, TOPIC_ID, small(1)).map(drop).expect_err("offline");
        assert!(matches!(error, StorageError::Damaged { .. }));
        assert!(error.to_string().contains("offset 3") && error.to_string().contains("up to 4"), "{error}");
        assert!(dir.create_log("t", 0, TOPIC_ID, small(1), NOW).is_err(), "nor is it made anew");
        dir.checkpoint().expect("written");
        assert_eq!(fs::read(home.log_path(FIRST)).expect("untouched").len(), 3 * batch + 20);
        dir.close_clean(None).expect("closed");
    }
    fs::write(home.log_path(FIRST), &whole).expect("restored from elsewhere");
    let (_dir, report, log) = reopen(&home);
    assert!(report.damaged.is_empty());
    check(&log.view(), 10);
}

#[test]
fn a_missing_end_below_the_recovery_point_is_damage() {
    let home = Home::new();
    let whole = stopped(&home, 4);
    fs::write(home.log_path(FIRST), &whole[..whole.len() / 10 * 3]).expect("written");
    assert_eq!(home.open().1.damaged.len(), 1);
    fs::remove_file(home.log_path(FIRST)).expect("removed");
    let (_, report) = home.open();
    assert_eq!(report.damaged.len(), 1, "a log that is gone is no empty log");
}

#[test]
fn a_missing_directory_is_named() {
    let home = Home::new();
    stopped(&home, 4);
    fs::remove_dir_all(home.path.join("t-0")).expect("removed");
    assert_eq!(home.open().1.missing, ["t-0"]);
}

#[test]
fn zeros_at_the_end_are_cut() {
    let home = Home::new();
    let mut whole = stopped(&home, 4);
    whole.extend([0; 5000]);
    fs::write(home.log_path(FIRST), &whole).expect("written");
    let (_dir, report, log) = reopen(&home);
    check(&log.view(), 10);
    assert_eq!((report.cuts[0].bytes, &report.cuts[0].reason), (5000, &BadBatch::Zeros));
}

#[test]
fn a_hole_between_segments_ends_the_log_and_the_rest_is_kept() {
    let home = Home::new();
    let (dir, _) = home.open();
    let bytes = batch(&["value-00000"]).len();
    let mut log = create(&dir, small(2 * bytes as u32));
    fill(&mut log, 0, 6);
    drop((dir, log));
    let second = home.log_path("00000000000000000002.log");
    let whole = fs::read(&second).expect("there");
    fs::write(&second, &whole[..bytes]).expect("written");
    let (_dir, report) = home.open();
    let cut = &report.cuts[0];
    assert_eq!((cut.from_offset, cut.bytes), (3, 2 * bytes as u64));
    assert_eq!(cut.reason, BadBatch::Missing { from: 3, to: 4 });
    assert_eq!(cut.kept_in, [home.log_path("00000000000000000004.log.cut")]);
    drop(_dir);
    let (dir, report) = home.open();
    assert!(report.cuts.is_empty() && report.foreign.is_empty(), "{report:?}");
    let mut log = take(&dir, LogConfig::default());
    check(&log.view(), 3);
    fill(&mut log, 3, 1);
    check(&log.view(), 4);
}

#[test]
fn indexes_are_rebuilt_from_the_log_whatever_they_hold() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, small(500));
    for n in 0..30 {
        append(&mut log, &batch_at(NOW + n, &[&format!("value-{n:05}")]));
    }
    close(dir, log);
    let files: Vec<String> = home.names().into_iter().filter(|n| n.ends_with("index")).collect();
    let sound: Vec<Vec<u8>> = files.iter().map(|f| fs::read(home.log_path(f)).expect("there")).collect();
    assert!(files.len() == 10 && sound.iter().all(|bytes| !bytes.is_empty()), "{files:?}");
    type Spoil = fn(&[u8]) -> Option<Vec<u8>>;
    let spoil: [(&str, Spoil); 6] = [
        ("missing", |_| None),
        ("empty", |_| Some(Vec::new())),
        ("zeros", |b| Some(vec![0; b.len()])),
        ("ones", |b| Some(vec![0xff; b.len()])),
        ("odd", |b| Some(b[..b.len() - 1].to_vec())),
        ("shifted", |b| Some(b.iter().map(|x| x.wrapping_add(1)).collect())),
    ];
    for (how, spoil) in spoil {
        for clean in [true, false] {
            for (file, bytes) in files.iter().zip(&sound) {
                match spoil(bytes) {
                    None => fs::remove_file(home.log_path(file)).expect("removed"),
                    Some(spoiled) => fs::write(home.log_path(file), spoiled).expect("written"),
                }
            }
            if clean {
                fs::write(home.path.join(".kafka_cleanshutdown"), "").expect("written");
            }
            let (dir, report) = home.open();
            assert!(report.cuts.is_empty() && report.damaged.is_empty(), "{how} {clean} {report:?}");
            let log = take(&dir, small(500));
            let view = log.view();
            check(&view, 30);
            for offset in 0..30 {
                assert_eq!(read_to(&view, offset, 30, 1), filled(offset, 30), "{how} {clean}");
                let found = view.offset_for_timestamp(NOW + offset).expect("readable").expect("found");
                assert_eq!(found.offset, offset, "{how} {clean}");
            }
            let latest = view.offset_of_max_timestamp().expect("readable").expect("found");
            assert_eq!(latest.offset, 29, "{how} {clean}");
            close(dir, log);
        }
    }
}

#[test]
fn rebuilt_indexes_are_those_that_were_written() {
    let home = Home::new();
    let (dir, _) = home.open();
    let config = LogConfig { index_interval_bytes: 200, ..small(1000) };
    let mut log = create(&dir, config.clone());
    for n in 0..40 {
        append(&mut log, &batch_at(NOW + (n * 7) % 11, &["value-00000"]));
    }
    close(dir, log);
    let files: Vec<String> = home.names().into_iter().filter(|n| n.ends_with("index")).collect();
    let written: Vec<Vec<u8>> = files.iter().map(|f| fs::read(home.log_path(f)).expect("there")).collect();
    files.iter().for_each(|f| fs::remove_file(home.log_path(f)).expect("removed"));
    let (dir, _) = home.open_with(config.clone());
    let log = take(&dir, config);
    close(dir, log);
    let rebuilt: Vec<Vec<u8>> = files.iter().map(|f| fs::read(home.log_path(f)).expect("there")).collect();
    assert_eq!(rebuilt, written);
}

#[test]
fn producers_are_the_same_after_any_stop() {
    for (flushed, clean) in [(0, false), (3, false), (9, false), (9, true)] {
        let home = Home::new();
        let (dir, _) = home.open();
        let mut log = create(&dir, small(300));
        for n in 0..9_i32 {
            append(&mut log, &idempotent(i64::from(n % 2), 1, (n / 2) * 2, &["a", "b"]));
            if n + 1 == flushed {
                log.flush_now().expect("flushed");
                dir.checkpoint().expect("written");
            }
        }
        let before = log.active_producers();
        if clean {
            close(dir, log)
        } else {
            drop((dir, log))
        }
        let (dir, _) = home.open();
        let mut log = take(&dir, small(300));
        assert_eq!(log.active_producers(), before);
        let again = append(&mut log, &idempotent(0, 1, 8, &["a", "b"]));
        assert_eq!((again.duplicate, again.first_offset), (true, 16));
        let refused = log.append_as_leader(&idempotent(1, 1, 9, &["x"]), 0, Default::default(), NOW);
        assert!(refused.is_err());
        assert!(!append(&mut log, &idempotent(1, 1, 8, &["x"])).duplicate);
    }
}

#[test]
fn a_damaged_snapshot_is_replaced_by_a_longer_replay() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, small(300));
    for n in 0..9 {
        append(&mut log, &idempotent(4, 0, n, &["a"]));
    }
    let before = log.active_producers();
    close(dir, log);
    let snapshots: Vec<String> = home.names().into_iter().filter(|n| n.ends_with(".snapshot")).collect();
    assert!(snapshots.len() > 2);
    for snapshot in &snapshots {
        fs::write(home.log_path(snapshot), "nonsense").expect("written");
    }
    let (dir, report) = home.open();
    assert_eq!(report.rebuilt.len(), snapshots.len());
    assert_eq!(take(&dir, small(300)).active_producers(), before);
}

#[test]
fn epochs_are_found_in_the_log_when_their_file_is_lost_or_late() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, small(300));
    for n in 0..6 {
        append_in(&mut log, &batch(&["value-00000"]), n * 2);
    }
    drop((dir, log));
    let check_epochs = |view: &LogView| {
        let ends: Vec<(i32, i64)> = (0..6).map(|n| view.end_offset_for_epoch(n * 2)).collect();
        assert_eq!(ends, (0..6).map(|n| (n * 2, i64::from(n) + 1)).collect::<Vec<_>>());
    };
    assert!(!home.log_path("leader-epoch-checkpoint").exists(), "nothing was flushed");
    let (dir, _) = home.open();
    let log = take(&dir, small(300));
    check_epochs(&log.view());
    close(dir, log);
    let text = fs::read_to_string(home.log_path("leader-epoch-checkpoint")).expect("flushed");
    assert_eq!(text, "0\n6\n0 0\n2 1\n4 2\n6 3\n8 4\n10 5\n");
    for broken in [None, Some("0\n7\n"), Some("1\n0\n"), Some("0\n1\nx y\n")] {
        match broken {
            None => fs::remove_file(home.log_path("leader-epoch-checkpoint")).expect("removed"),
            Some(text) => fs::write(home.log_path("leader-epoch-checkpoint"), text).expect("written"),
        }
        let (dir, _) = home.open();
        let log = take(&dir, small(300));
        check_epochs(&log.view());
        close(dir, log);
    }
}

#[test]
fn a_log_that_ends_before_its_start_goes_on_at_its_start() {
    let home = Home::new();
    let whole = stopped(&home, 0);
    fs::write(home.path.join("log-start-offset-checkpoint"), "0\n1\nt 0 8\n").expect("written");
    fs::write(home.log_path(FIRST), &whole[..whole.len() / 2]).expect("written");
    let (_dir, report, mut log) = reopen(&home);
    assert!(report.damaged.is_empty());
    assert_eq!((log.view().log_start_offset(), log.view().log_end_offset()), (8, 8));
    fill(&mut log, 8, 1);
    assert_eq!(read_all(&log.view(), 8), filled(8, 9));
    // The start may have rotted.
    let kept = fs::read(home.log_path("00000000000000000000.log.cut")).expect("put aside");
    assert!(!kept.is_empty() && whole.starts_with(&kept));
}

#[test]
fn a_rotten_log_start_is_put_back_from_its_copy() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 10);
    log.flush_now().expect("flushed");
    log.view().set_high_watermark(10);
    log.delete_records_before(4).expect("in range");
    close(dir, log);
    let text = home.path.join("log-start-offset-checkpoint");
    let copy = home.path.join("log-start-offset-checkpoint.tmp");
    let whole = (fs::read(&text).expect("there"), fs::read(&copy).expect("there"));
    for rotten in ["0\n1\nt 0 6\n", "0\n1\nt 0 94\n", "0\n1\nu 0 4\n", "0\n0\n", "1\n", ""] {
        fs::write(&text, rotten).expect("written");
        let (dir, report, log) = reopen(&home);
        assert_eq!(report.rebuilt.iter().filter(|rebuilt| rebuilt.path == text).count(), 1, "{rotten:?}");
        assert_eq!(log.view().log_start_offset(), 4, "{rotten:?}");
        assert_eq!(read_all(&log.view(), 4), filled(4, 10));
        close(dir, log);
        assert_eq!((fs::read(&text).expect("there"), fs::read(&copy).expect("there")), whole);
    }
    // A rotten copy says nothing.
    fs::write(&copy, b"klamm-copy 0 00000000\n0\n1\nt 0 6\n").expect("written");
    let (dir, _, log) = reopen(&home);
    assert_eq!(log.view().log_start_offset(), 4);
    close(dir, log);
    assert_eq!((fs::read(&text).expect("there"), fs::read(&copy).expect("there")), whole);
    // Kafka makes its text under the name of the copy, and renames it.
    fs::write(&copy, "0\n1\nt 0 7\n").expect("written");
    fs::rename(&copy, &text).expect("renamed");
    let (dir, report, log) = reopen(&home);
    assert!(report.rebuilt.is_empty());
    assert_eq!(log.view().log_start_offset(), 7);
    close(dir, log);
}

#[test]
fn what_a_crash_left_half_made_is_removed() {
    let home = Home::new();
    stopped(&home, 4);
    for name in [
        "00000000000000000000.log.deleted",
        "leader-epoch-checkpoint.tmp",
        "00000000000000000099.index",
        "00000000000000000099.timeindex",
    ] {
        fs::write(home.log_path(name), "rest").expect("written");
    }
    let (_dir, report, log) = reopen(&home);
    check(&log.view(), 10);
    assert!(report.foreign.is_empty());
    let left = home.names();
    assert!(
        left.iter().all(|n| !n.contains("log.deleted") && !n.contains("tmp") && !n.contains("99")),
        "{left:?}"
    );
}

/// Two segments, of which the first could become the second's predecessor in a compaction.
fn two_segments(home: &Home) -> (Vec<u8>, Vec<u8>) {
    let (dir, _) = home.open_with(small(1 << 20));
    let mut log = create(&dir, small(1 << 20));
    fill(&mut log, 0, 5);
    log.roll(NOW).expect("it rolls");
    fill(&mut log, 5, 5);
    log.flush_now().expect("flushed");
    dir.checkpoint().expect("written");
    drop((dir, log));
    let read = |name: &str| fs::read(home.log_path(name)).expect("it is there");
    (read("00000000000000000000.log"), read("00000000000000000005.log"))
}

#[test]
fn a_finished_compaction_is_completed() {
    let home = Home::new();
    let (first, second) = two_segments(&home);
    // What both became: the batches of both, which stand for those that would be left.
    let both = [first.as_slice(), second.as_slice()].concat();
    let write = |name: &str, bytes: &[u8]| fs::write(home.log_path(name), bytes).expect("written");
    write("00000000000000000000.log.swap", &both);
    write("00000000000000000000.index.swap", b"");
    let (_dir, report, log) = reopen(&home);
    assert!(report.damaged.is_empty(), "{report:?}");
    check(&log.view(), 10);
    assert!(home.names().iter().all(|name| !name.ends_with(".swap")), "{:?}", home.names());
    assert_eq!(fs::read(home.log_path("00000000000000000000.log")).expect("it is there"), both);
    assert!(!home.log_path("00000000000000000005.log").exists(), "its place is taken");
}

#[test]
fn an_unfinished_compaction_is_undone() {
    let home = Home::new();
    let (first, second) = two_segments(&home);
    let write = |name: &str, bytes: &[u8]| fs::write(home.log_path(name), bytes).expect("written");
    // The names of one segment were being changed when the power went.
    write("00000000000000000000.log.swap", b"not whole");
    write("00000000000000000000.index.cleaned", b"");
    let (_dir, _, log) = reopen(&home);
    check(&log.view(), 10);
    let left = home.names();
    assert!(left.iter().all(|name| !name.ends_with(".swap") && !name.ends_with(".cleaned")), "{left:?}");
    assert_eq!(fs::read(home.log_path("00000000000000000000.log")).expect("it is there"), first);
    assert_eq!(fs::read(home.log_path("00000000000000000005.log")).expect("it is there"), second);
}

#[test]
fn a_compacted_segment_that_is_not_whole_is_left_alone() {
    let home = Home::new();
    stopped(&home, 4);
    fs::write(home.log_path("00000000000000000000.log.swap"), "x").expect("written");
    let (_, report) = home.open();
    assert!(report.damaged[0].reason.contains("compacted segment"), "{report:?}");
    assert_eq!(fs::read(home.log_path("00000000000000000000.log.swap")).expect("it is there"), b"x");
}
