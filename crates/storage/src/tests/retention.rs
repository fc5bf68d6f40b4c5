//! What goes, when, and what never does.

use super::fixture::*;
use crate::{LogConfig, RetentionOutcome, StorageError, UnifiedLog};

/// Ten batches, two to a segment, one millisecond apart.
fn ten(home: &Home, config: LogConfig) -> (crate::LogDir, UnifiedLog) {
    let (dir, _) = home.open();
    let bytes = batch(&["value-00000"]).len() as u32;
    let mut log = create(&dir, LogConfig { segment_bytes: 2 * bytes, index_interval_bytes: 1, ..config });
    for n in 0..10 {
        let info = log.append_as_leader(&batch_at(NOW + n, &["value-00000"]), 0, Default::default(), NOW);
        info.expect("taken");
    }
    commit(&log);
    (dir, log)
}

fn start(log: &UnifiedLog) -> (i64, usize) {
    (log.view().log_start_offset(), log.view().segments_count())
}

#[test]
fn by_time_whole_segments_go_by_their_largest_timestamp() {
    let home = Home::new();
    let (_dir, mut log) = ten(&home, LogConfig { retention_ms: 1000, ..LogConfig::default() });
    assert_eq!(log.retention(NOW + 1001).expect("done"), RetentionOutcome::default());
    assert_eq!(log.retention(NOW + 1002).expect("done").segments, 1);
    assert_eq!(start(&log), (2, 4));
    assert_eq!(log.retention(NOW + 1008).expect("done").segments, 3);
    assert_eq!(start(&log), (8, 1));
    assert_eq!(log.view().size_bytes(), 2 * batch(&["value-00000"]).len() as u64);
    let last = log.retention(NOW + 5000).expect("done");
    assert_eq!(last.segments, 1, "the active segment expires too");
    assert_eq!((start(&log), log.view().size_bytes(), log.view().log_end_offset()), ((10, 1), 0, 10));
    assert_eq!(log.retention(NOW + 9000).expect("done"), RetentionOutcome::default());
    fill(&mut log, 0, 1);
    assert_eq!(read_all(&log.view(), 10), [(10, "value-00000".into())]);
}

#[test]
fn by_size_the_rest_stays_above_the_limit() {
    let home = Home::new();
    let segment = 2 * batch(&["value-00000"]).len() as i64;
    let (_dir, mut log) = ten(&home, LogConfig { retention_bytes: 3 * segment - 1, ..LogConfig::default() });
    assert_eq!(
        log.retention(NOW).expect("done"),
        RetentionOutcome { segments: 2, bytes: 2 * segment as u64 }
    );
    assert_eq!(start(&log), (4, 3));
    assert_eq!(log.retention(NOW).expect("done").segments, 0);
}

#[test]
fn nothing_above_the_high_watermark_goes() {
    let home = Home::new();
    let (_dir, mut log) = ten(&home, LogConfig { retention_ms: 0, ..LogConfig::default() });
    log.view().set_high_watermark(5);
    assert_eq!(log.retention(NOW + 9999).expect("done").segments, 2);
    assert_eq!(start(&log), (4, 3));
}

#[test]
fn without_delete_only_the_log_start_counts() {
    let home = Home::new();
    let config = LogConfig {
        retention_ms: 0,
        retention_bytes: 0,
        delete: false,
        compact: false,
        ..LogConfig::default()
    };
    let (_dir, mut log) = ten(&home, config);
    assert_eq!(log.retention(NOW + 9999).expect("done").segments, 0);
    assert_eq!(log.delete_records_before(5).expect("in range"), 5);
    assert_eq!(start(&log), (5, 5));
    assert_eq!(log.retention(NOW).expect("done").segments, 2);
    assert_eq!(start(&log), (5, 3));
    assert_eq!(read_all(&log.view(), 5).len(), 5);
}

#[test]
fn deleting_records_stops_at_the_high_watermark() {
    let home = Home::new();
    let (_dir, mut log) = ten(&home, LogConfig::default());
    log.view().set_high_watermark(6);
    assert!(matches!(
        log.delete_records_before(7),
        Err(StorageError::OffsetOutOfRange { offset: 7, log_start_offset: 0, high_watermark: 6 })
    ));
    assert_eq!(log.delete_records_before(4).expect("in range"), 4);
    assert_eq!(log.delete_records_before(2).expect("no way back"), 4);
    assert_eq!(log.delete_records_before(-1).expect("in range"), 6);
    assert!(log.delete_records_before(-2).is_err());
}

#[test]
fn files_wait_for_their_delay() {
    let home = Home::new();
    let config = LogConfig { retention_ms: 1000, file_delete_delay_ms: 60_000, ..LogConfig::default() };
    let (_dir, mut log) = ten(&home, config);
    log.retention(NOW + 1002).expect("done");
    let waiting = |home: &Home| home.names().iter().filter(|n| n.ends_with(".deleted")).count();
    assert_eq!(waiting(&home), 3);
    assert!(log.expired_files(NOW + 61_001).is_none());
    log.expired_files(NOW + 61_002).expect("due").run();
    assert_eq!(waiting(&home), 0);
    assert!(log.expired_files(i64::MAX).is_none());
    assert!(!home.names().contains(&"00000000000000000000.log".to_owned()));
}

#[test]
fn producers_outlive_their_segments_and_restarts() {
    let home = Home::new();
    let config = LogConfig { retention_ms: 0, ..LogConfig::default() };
    let (dir, _) = home.open_with(config.clone());
    let mut log = create(&dir, config.clone());
    append(&mut log, &idempotent(5, 1, 0, &["a", "b"]));
    assert_eq!(log.retention(NOW + 10).expect("done").segments, 1);
    assert_eq!((log.view().log_start_offset(), log.view().size_bytes()), (2, 0));
    close(dir, log);
    let (dir, report) = home.open_with(config.clone());
    assert!(report.clean);
    let mut log = take(&dir, config);
    let info = append(&mut log, &idempotent(5, 1, 0, &["a", "b"]));
    assert!(info.duplicate, "the retry of a batch that is deleted already");
    assert_eq!((info.first_offset, log.view().log_end_offset()), (0, 2));
    assert_eq!(append(&mut log, &idempotent(5, 1, 2, &["c"])).first_offset, 2);
}

#[test]
fn producers_are_forgotten_when_they_have_been_silent_for_long() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig { producer_id_expiration_ms: 1000, ..LogConfig::default() });
    append(&mut log, &idempotent(5, 1, 0, &["a"]));
    log.expire_producers(NOW + 999);
    assert_eq!(log.producers_count(), 1);
    log.retention(NOW + 1000).expect("done");
    assert_eq!(log.producers_count(), 1, "retention has its own interval");
    log.expire_producers(NOW + 1000);
    assert_eq!(log.producers_count(), 0);
}

#[test]
fn segments_without_time_age_from_when_they_were_made() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig { retention_ms: 1000, ..LogConfig::default() });
    log.append_as_leader(&batch_at(-1, &["x"]), 0, Default::default(), NOW).expect("taken");
    commit(&log);
    assert_eq!(log.retention(NOW + 1000).expect("done").segments, 0);
    assert_eq!(log.retention(NOW + 1001).expect("done").segments, 1);
}
