//! Cutting the end off, and going on.

use super::fixture::*;
use crate::{LogConfig, LogDir, UnifiedLog};

fn log_of(home: &Home, batches: usize) -> (LogDir, UnifiedLog) {
    let (dir, _) = home.open_with(small(400));
    let mut log = create(&dir, small(400));
    for n in 0..batches {
        append_in(&mut log, &batch(&[&format!("value-{n:05}")]), (n / 4) as i32);
    }
    (dir, log)
}

#[test]
fn every_offset_can_be_the_new_end() {
    for end in 0..=20 {
        let home = Home::simulated();
        let (dir, mut log) = log_of(&home, 20);
        log.flush_now().expect("flushed");
        dir.checkpoint().expect("written");
        assert_eq!(log.truncate_to(end, &dir, NOW).expect("cut"), end < 20);
        let view = log.view();
        assert_eq!(
            (view.log_end_offset(), view.high_watermark(), view.durable_end_offset()),
            (end, end, end)
        );
        assert_eq!(read_all(&view, 0), filled(0, end));
        assert_eq!(view.latest_epoch().map(|e| e.epoch), (end > 0).then(|| ((end - 1) / 4) as i32));
        fill(&mut log, end as usize, 5);
        assert_eq!(read_all(&view, 0), filled(0, end + 5));
        drop((dir, log));
        let (dir, report) = home.open_with(small(400));
        assert!(report.cuts.is_empty() && report.damaged.is_empty(), "{report:?}");
        assert_eq!(read_all(&take(&dir, small(400)).view(), 0), filled(0, end + 5));
    }
}

#[test]
fn a_bound_inside_a_batch_takes_the_batch() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    append(&mut log, &batch(&["a", "b"]));
    append(&mut log, &batch(&["c", "d", "e"]));
    assert!(log.truncate_to(4, &dir, NOW).expect("cut"));
    assert_eq!(log.view().log_end_offset(), 2);
    assert_eq!(append(&mut log, &batch(&["x"])).first_offset, 2);
}

#[test]
fn producers_go_back_with_the_log() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, small(200));
    append(&mut log, &idempotent(5, 0, 0, &["a"]));
    append(&mut log, &idempotent(5, 0, 1, &["b"]));
    append(&mut log, &idempotent(5, 0, 2, &["c"]));
    append(&mut log, &idempotent(6, 0, 0, &["d"]));
    log.truncate_to(2, &dir, NOW).expect("cut");
    assert_eq!(log.active_producers().len(), 1);
    assert_eq!(log.active_producers()[0].last_sequence, 1);
    let again = append(&mut log, &idempotent(5, 0, 2, &["c"]));
    assert_eq!((again.duplicate, again.first_offset), (false, 2));
}

#[test]
fn timestamps_go_back_with_the_log() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, small(1 << 20));
    append(&mut log, &batch_at(100, &["a"]));
    append(&mut log, &batch_at(900, &["b"]));
    append(&mut log, &batch_at(200, &["c"]));
    log.truncate_to(1, &dir, NOW).expect("cut");
    append(&mut log, &batch_at(300, &["d"]));
    let found = log.view().offset_of_max_timestamp().expect("readable").expect("found");
    assert_eq!((found.timestamp, found.offset), (300, 1));
    assert!(log.view().offset_for_timestamp(301).expect("readable").is_none());
}

#[test]
fn a_log_may_start_anew_anywhere() {
    let home = Home::new();
    let (dir, mut log) = log_of(&home, 10);
    log.flush_now().expect("flushed");
    log.truncate_fully_and_start_at(1000, &dir, NOW).expect("cut");
    let view = log.view();
    assert_eq!((view.log_start_offset(), view.log_end_offset(), view.high_watermark()), (1000, 1000, 1000));
    assert_eq!((view.latest_epoch(), view.size_bytes(), view.segments_count()), (None, 0, 1));
    assert!(log.is_flush_due(NOW), "the new file's name has to be made durable");
    append_in(&mut log, &batch(&["x"]), 9);
    close(dir, log);
    let (dir, report) = home.open_with(small(400));
    assert!(report.clean && report.damaged.is_empty());
    let view = take(&dir, small(400)).view();
    assert_eq!(read_all(&view, 1000), [(1000, "x".into())]);
    assert_eq!(view.end_offset_for_epoch(9), (9, 1001));
    // A bound before the first segment is such a new start.
    let mut log = dir.create_log("t", 1, TOPIC_ID, LogConfig::default(), NOW).expect("created");
    log.truncate_fully_and_start_at(50, &dir, NOW).expect("cut");
    append(&mut log, &batch(&["y"]));
    assert!(log.truncate_to(20, &dir, NOW).expect("cut"));
    assert_eq!((log.view().log_start_offset(), log.view().log_end_offset()), (20, 20));
}
