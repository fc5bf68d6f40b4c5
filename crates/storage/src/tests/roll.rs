//! When a segment ends, and which files it leaves.

use super::fixture::*;
use crate::{AppendOrigin, LogConfig, LogView, UnifiedLog};

fn segments(view: &LogView) -> usize {
    view.segments_count()
}

fn append_at(log: &mut UnifiedLog, timestamp: i64, now_ms: i64) {
    let config = log.config().clone();
    let info = log.append_as_leader(&batch_at(timestamp, &["x"]), 0, AppendOrigin::Client, now_ms);
    info.unwrap_or_else(|e| panic!("{e} under {config:?}"));
    commit(log);
}

#[test]
fn by_size_before_it_is_exceeded() {
    let home = Home::new();
    let (dir, _) = home.open();
    let bytes = batch(&["value-00000"]).len() as u32;
    let mut log = create(&dir, small(2 * bytes));
    fill(&mut log, 0, 5);
    assert_eq!(segments(&log.view()), 3);
    assert_eq!(read_all(&log.view(), 0), filled(0, 5));
    let expected = [
        "00000000000000000000.index",
        "00000000000000000000.log",
        "00000000000000000000.timeindex",
        "00000000000000000002.index",
        "00000000000000000002.log",
        "00000000000000000002.snapshot",
        "00000000000000000002.timeindex",
        "00000000000000000004.log",
        "00000000000000000004.snapshot",
        "partition.metadata",
    ];
    assert_eq!(home.names(), expected);
}

#[test]
fn by_record_time_since_the_first_batch() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig { segment_ms: 1000, ..LogConfig::default() });
    append_at(&mut log, NOW, NOW);
    append_at(&mut log, NOW + 1000, NOW + 500_000);
    assert_eq!(
        segments(&log.view()),
        1,
        "the records say that 1000 ms have passed, which is not more than 1000"
    );
    append_at(&mut log, NOW + 1001, NOW);
    assert_eq!(segments(&log.view()), 2);
    append_at(&mut log, NOW + 1500, NOW);
    assert_eq!(segments(&log.view()), 2);
}

#[test]
fn by_its_own_age_if_records_have_no_time() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig { segment_ms: 1000, ..LogConfig::default() });
    append_at(&mut log, -1, NOW);
    append_at(&mut log, -1, NOW + 1000);
    assert_eq!(segments(&log.view()), 1);
    append_at(&mut log, -1, NOW + 1001);
    assert_eq!(segments(&log.view()), 2);
}

#[test]
fn jitter_takes_some_of_the_time_off() {
    let home = Home::new();
    let (dir, _) = home.open();
    let config = LogConfig { segment_ms: 500_000, segment_jitter_ms: 500_000, ..LogConfig::default() };
    let mut log = create(&dir, config);
    for n in 0..200 {
        append_at(&mut log, NOW + n * 10_000, NOW);
    }
    let count = segments(&log.view());
    assert!((5..=199).contains(&count), "four times the age would be 4 segments without jitter, not {count}");
}

#[test]
fn when_an_index_is_full() {
    let home = Home::new();
    let (dir, _) = home.open();
    // Five offset entries, and three time entries of which one is kept for the closing.
    let mut log = create(&dir, LogConfig { segment_index_bytes: 40, ..small(1 << 20) });
    // The first batch has no entry, the next five have; and with all timestamps alike there is one time entry.
    fill(&mut log, 0, 6);
    assert_eq!(segments(&log.view()), 1);
    fill(&mut log, 6, 1);
    assert_eq!(segments(&log.view()), 2);
    assert_eq!(read_all(&log.view(), 0), filled(0, 7));
    // With rising timestamps the time index is full first: at its second entry.
    log.roll(NOW).expect("rolled");
    for n in 0..3 {
        append_at(&mut log, NOW + n, NOW);
    }
    assert_eq!(segments(&log.view()), 3);
    append_at(&mut log, NOW + 3, NOW);
    assert_eq!(segments(&log.view()), 4);
}

#[test]
fn when_offsets_outgrow_the_index() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, small(1 << 20));
    let far = |base_offset| {
        let settings = records::BatchSettings { base_offset, ..Default::default() };
        batch_with(settings, &[(NOW, "x")])
    };
    let max = i64::from(i32::MAX);
    log.append_as_follower(&far(0), 0, NOW).expect("taken");
    log.append_as_follower(&far(max), 0, NOW).expect("taken");
    assert_eq!(segments(&log.view()), 1);
    log.append_as_follower(&far(max + 1), 0, NOW).expect("taken");
    assert_eq!(segments(&log.view()), 2);
    commit(&log);
    let offsets: Vec<i64> = read_all(&log.view(), 0).into_iter().map(|(offset, _)| offset).collect();
    assert_eq!(offsets, [0, max, max + 1]);
}

#[test]
fn an_empty_segment_is_not_rolled() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    assert!(!log.roll(NOW).expect("nothing to do"));
    fill(&mut log, 0, 1);
    assert!(log.roll(NOW).expect("rolled"));
    assert!(!log.roll(NOW).expect("nothing to do"));
    assert_eq!(segments(&log.view()), 2);
}

/// Bytes that the log's segment files take on the disk, whatever their length.
fn taken(home: &Home, base_offset: i64) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    let path = home.log_path(&format!("{base_offset:020}.log"));
    let metadata = std::fs::metadata(path).expect("the segment has a file");
    (metadata.len(), metadata.blocks() * 512)
}

#[test]
fn preallocated_segments_have_all_their_room_while_they_are_written() {
    const SEGMENT_BYTES: u32 = 1 << 20;
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig { preallocate: true, ..small(SEGMENT_BYTES) });
    fill(&mut log, 0, 1);
    let size = batch(&["value-00000"]).len() as u64;
    let (len, room) = taken(&home, 0);
    assert_eq!(len, size, "a file is as long as its batches");
    assert!(room >= u64::from(SEGMENT_BYTES), "room for the whole segment is kept, not {room}");
    log.roll(NOW).expect("the log rolls");
    let (len, room) = taken(&home, 0);
    assert_eq!(len, size);
    assert!(room < u64::from(SEGMENT_BYTES) / 2, "a sealed segment gives {room} back");
    fill(&mut log, 1, 1);
    assert!(taken(&home, 1).1 >= u64::from(SEGMENT_BYTES));
    drop((dir, log));

    // A crash leaves nothing behind the batches that a recovery would have to cut.
    let (dir, report) = home.open();
    assert!(report.cuts.is_empty());
    let mut log = take(&dir, LogConfig { preallocate: true, ..small(SEGMENT_BYTES) });
    assert_eq!(read_all(&log.view(), 0), filled(0, 2));
    fill(&mut log, 2, 1);
    log.truncate_to(1, &dir, NOW).expect("the log is cut");
    commit(&log);
    fill(&mut log, 1, 1);
    assert!(taken(&home, 1).1 >= u64::from(SEGMENT_BYTES), "a segment that begins anew too");
    close(dir, log);
    assert!(taken(&home, 1).1 < u64::from(SEGMENT_BYTES) / 2, "a clean stop gives the rest back");
    let (dir, _) = home.open();
    let log = take(&dir, LogConfig::default());
    assert_eq!(read_all(&log.view(), 0), filled(0, 2));
}
