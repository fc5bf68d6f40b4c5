//! Whole cleanings of logs on a disk: what readers see, what files are there, what a restart finds.

use std::collections::BTreeMap;

use records::{BatchBuilder, BatchSettings, Compression};

use super::fixture::*;
use crate::{CleanOutcome, CleanSettings, CleanStep, LogConfig, LogDir, LogView, StorageError, UnifiedLog};

pub const SETTINGS: CleanSettings = CleanSettings { map_bytes: 1 << 20, load_factor: 0.9, buffer_bytes: 256 };

/// Compacted, with small segments.
pub fn compacted(segment_bytes: u32) -> LogConfig {
    LogConfig { compact: true, delete: false, file_delete_delay_ms: 0, ..small(segment_bytes) }
}

/// A batch of keys and values; an empty value is a tombstone.
pub fn keyed(settings: BatchSettings, timestamp: i64, records: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(settings);
    for (key, value) in records {
        let value = (!value.is_empty()).then_some(value.as_bytes());
        builder.append(Some(key.as_bytes()), value, &[], timestamp).expect("the record fits");
    }
    builder.build().expect("the batch is sound")
}

pub fn put(log: &mut UnifiedLog, records: &[(&str, &str)]) {
    append(log, &keyed(BatchSettings::default(), NOW, records));
}

/// Makes all that can be cleaned so: rolls, flushes, writes the checkpoint.
pub fn settle(dir: &LogDir, log: &mut UnifiedLog, now_ms: i64) -> Result<(), StorageError> {
    log.roll(now_ms)?;
    if let Some(ticket) = log.flush()? {
        ticket.run()?;
        log.mark_durable(&ticket);
    }
    dir.checkpoint()
}

/// Runs a cleaning to its end if there is anything to clean, in pieces of a few bytes.
pub fn clean(
    dir: &LogDir,
    log: &mut UnifiedLog,
    settings: &CleanSettings,
    now_ms: i64,
) -> Result<Option<CleanOutcome>, StorageError> {
    let Some(cleanable) = log.cleanable(dir, now_ms)?.filter(|c| c.cleanable_bytes > 0) else {
        return Ok(None);
    };
    let mut cleaning = log.start_cleaning(cleanable, settings, now_ms)?;
    loop {
        match cleaning.step(100)? {
            CleanStep::Working => {}
            CleanStep::Swap(group) => {
                if !log.swap_cleaned(&group, now_ms)? {
                    group.discard();
                    return Ok(None);
                }
            }
            CleanStep::Done(outcome) => {
                dir.note_cleaned(&log.view(), outcome.next_dirty_offset)?;
                return Ok(Some(outcome));
            }
            CleanStep::GivenUp => return Ok(None),
        }
    }
}

fn clean_now(dir: &LogDir, log: &mut UnifiedLog) -> CleanOutcome {
    settle(dir, log, NOW).expect("the log settles");
    clean(dir, log, &SETTINGS, NOW).expect("the cleaning succeeds").expect("there is something to clean")
}

/// Key and value of every record, by offset.
pub fn content(view: &LogView) -> BTreeMap<i64, (String, String)> {
    let mut found = BTreeMap::new();
    let end = view.log_end_offset();
    let mut next = view.log_start_offset();
    while let Some(slice) = view.read(next, 1, end, true).expect("the log can be read") {
        for batch in records::batches(&slice.to_vec().expect("the slice can be read")) {
            let batch = batch.expect("whole batches come");
            batch.verify_crc().expect("the batch is whole");
            let mut plain = Vec::new();
            for record in batch.open(1 << 20, &mut plain).expect("the batch opens") {
                let record = record.expect("the record is sound");
                let text =
                    |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or_default()).into_owned();
                found.insert(record.offset, (text(record.key), text(record.value)));
            }
        }
        assert!(slice.next_offset > next, "reading goes on");
        next = slice.next_offset;
    }
    found
}

fn offsets(view: &LogView) -> Vec<i64> {
    content(view).into_keys().collect()
}

#[test]
fn the_last_value_of_each_key_stays_and_offsets_do() {
    for compression in Compression::ALL {
        let home = Home::new();
        let (dir, _) = home.open();
        let mut log = create(&dir, compacted(600));
        for round in 0..30 {
            let value = format!("value-{round}");
            let keys = [format!("key-{}", round % 7), format!("key-{}", round % 3)];
            let batch = keyed(
                BatchSettings { compression, ..BatchSettings::default() },
                NOW + round,
                &[(keys[0].as_str(), value.as_str()), (keys[1].as_str(), value.as_str())],
            );
            append(&mut log, &batch);
        }
        let before = content(&log.view());
        let mut latest: BTreeMap<&String, i64> = BTreeMap::new();
        before.iter().for_each(|(offset, (key, _))| _ = latest.insert(key, *offset));
        let outcome = clean_now(&dir, &mut log);
        let after = content(&log.view());
        assert_eq!(after.len(), 7, "{after:?}");
        assert!(
            after.iter().all(|(offset, record)| before[offset] == *record && latest[&record.0] == *offset)
        );
        assert_eq!((outcome.next_dirty_offset, outcome.keys), (60, 7));
        assert!(outcome.bytes_after < outcome.bytes_before / 2);
        assert_eq!(log.view().size_bytes(), outcome.bytes_after);
        assert_eq!(dir.cleaned_offset(&log.view()), Some(60));
        // Nothing is left to clean, and a restart finds it so.
        assert_eq!(clean(&dir, &mut log, &SETTINGS, NOW).expect("nothing fails"), None);
        close(dir, log);
        let (dir, report) = home.open();
        assert!(report.clean && report.rebuilt.is_empty() && report.damaged.is_empty(), "{report:?}");
        let log = take(&dir, compacted(600));
        assert_eq!(content(&log.view()), after);
        assert_eq!(dir.cleaned_offset(&log.view()), Some(60));
    }
}

#[test]
fn readers_go_on_in_what_they_had_found() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, compacted(300));
    for round in 0..40 {
        put(&mut log, &[("k", &format!("value-{round}")), (&format!("only-{round}"), "v")]);
    }
    let view = log.view();
    let place = view.segments()[0].place();
    let slices: Vec<_> = (0..80)
        .map(|offset| view.read(offset, 1, 80, true).expect("it reads").expect("it is there"))
        .collect();
    let expected: Vec<Vec<u8>> = slices.iter().map(|slice| slice.to_vec().expect("it reads")).collect();
    clean_now(&dir, &mut log);
    assert_ne!(
        view.segments()[0].place(),
        place,
        "what is remembered of the old file says nothing of the new one"
    );
    log.expired_files(NOW).expect("old files wait").run();
    for (slice, bytes) in slices.iter().zip(&expected) {
        assert_eq!(slice.to_vec().expect("it reads"), *bytes, "the old file is still there for who has it");
    }
    // From any offset reading finds the next record that is left.
    let left = offsets(&view);
    for offset in 0..80 {
        let found = read_to(&view, offset, 80, 1);
        assert_eq!(found.len(), left.iter().filter(|left| **left >= offset).count(), "from {offset}");
    }
    assert_eq!(view.offset_for_timestamp(NOW).expect("it searches").map(|found| found.offset), Some(1));
    let max = view.offset_of_max_timestamp().expect("it searches").expect("there is one");
    assert_eq!((max.timestamp, max.offset), (NOW, 1));
}

#[test]
fn the_active_segment_and_what_is_not_committed_stay() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, compacted(100_000));
    (0..10).for_each(|round| put(&mut log, &[("k", &round.to_string())]));
    dir.checkpoint().expect("written");
    let cleanable = log.cleanable(&dir, NOW).expect("it looks").expect("it is compacted");
    assert_eq!((cleanable.first_uncleanable_offset, cleanable.cleanable_bytes), (0, 0));
    log.roll(NOW).expect("it rolls");
    let cleanable = log.cleanable(&dir, NOW).expect("it looks").expect("it is compacted");
    assert_eq!(cleanable.cleanable_bytes, 0, "nothing is checkpointed");
    settle(&dir, &mut log, NOW).expect("the log settles");
    (10..20).for_each(|round| put(&mut log, &[("k", &round.to_string())]));
    settle(&dir, &mut log, NOW).expect("the log settles");
    log.view().set_high_watermark(15);
    let cleanable = log.cleanable(&dir, NOW).expect("it looks").expect("it is compacted");
    assert_eq!(cleanable.first_uncleanable_offset, 10, "the segment that holds the high watermark stays");
    clean(&dir, &mut log, &SETTINGS, NOW).expect("it cleans").expect("there was something");
    assert_eq!(offsets(&log.view()), (9..20).collect::<Vec<_>>());
    assert!(log.cleanable(&dir, NOW).expect("it looks").is_some_and(|c| c.first_dirty_offset == 10));
}

#[test]
fn lags_bound_what_is_cleaned_and_when() {
    let home = Home::new();
    let (dir, _) = home.open();
    let config = LogConfig { min_compaction_lag_ms: 1_000, ..compacted(100_000) };
    let mut log = create(&dir, config.clone());
    for round in 0..3 {
        append(&mut log, &keyed(BatchSettings::default(), NOW + 500 * round, &[("k", "v"), ("l", "v")]));
        settle(&dir, &mut log, NOW).expect("the log settles");
    }
    let look = |log: &UnifiedLog, now_ms| log.cleanable(&dir, now_ms).expect("it looks").expect("compacted");
    let early = look(&log, NOW + 1_000);
    assert_eq!((early.first_uncleanable_offset, early.next_look_ms), (2, Some(NOW + 1_501)));
    assert_eq!(look(&log, NOW + 1_501).first_uncleanable_offset, 4);
    assert_eq!(look(&log, NOW + 9_999).first_uncleanable_offset, 6);
    let config = LogConfig { max_compaction_lag_ms: 2_000, min_compaction_lag_ms: 0, ..config };
    log.update_config(config).expect("it is taken");
    assert!(!look(&log, NOW + 2_000).is_overdue);
    assert_eq!(look(&log, NOW + 2_000).next_look_ms, Some(NOW + 2_001));
    assert!(look(&log, NOW + 2_001).is_overdue);
    append(&mut log, &keyed(BatchSettings::default(), NOW + 3_000, &[("k", "v")]));
    assert!(!log.roll_for_compaction(NOW + 5_000).expect("it may"));
    assert!(log.roll_for_compaction(NOW + 5_001).expect("it rolls"), "an idle log is compacted too");
    log.update_config(LogConfig { compact: false, ..compacted(100) }).expect("it is taken");
    assert_eq!(log.cleanable(&dir, NOW).expect("it looks"), None);
}

#[test]
fn a_cleaning_is_given_up_when_the_log_changes_under_it() {
    type Change = fn(&LogDir, &mut UnifiedLog);
    let changes: [Change; 4] = [
        |dir, log| _ = log.truncate_to(12, dir, NOW).expect("it truncates"),
        |_, log| log.update_config(LogConfig { compact: false, ..compacted(300) }).expect("it is taken"),
        |_, log| {
            log.delete_records_before(10).expect("it deletes");
            log.retention(NOW).expect("it removes");
        },
        |dir, _| dir.stop_cleaning(),
    ];
    for change in changes {
        let home = Home::new();
        let (dir, _) = home.open();
        let mut log = create(&dir, compacted(300));
        (0..30).for_each(|round| put(&mut log, &[("k", &round.to_string())]));
        settle(&dir, &mut log, NOW).expect("the log settles");
        let cleanable = log.cleanable(&dir, NOW).expect("it looks").expect("compacted");
        let mut cleaning = log.start_cleaning(cleanable, &SETTINGS, NOW).expect("it begins");
        assert!(matches!(cleaning.step(1), Ok(CleanStep::Working)));
        change(&dir, &mut log);
        let before = content(&log.view());
        loop {
            match cleaning.step(1 << 20).expect("nothing fails") {
                CleanStep::Working => {}
                CleanStep::Swap(group) => {
                    assert!(!log.swap_cleaned(&group, NOW).expect("nothing fails"));
                    group.discard();
                    break;
                }
                CleanStep::GivenUp => break,
                CleanStep::Done(_) => panic!("it has to be given up"),
            }
        }
        assert_eq!(content(&log.view()), before);
        assert!(home.names().iter().all(|name| !name.ends_with(".cleaned")), "{:?}", home.names());
    }
}

#[test]
fn a_log_that_is_deleted_under_a_cleaning_harms_nobody() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, compacted(300));
    (0..30).for_each(|round| put(&mut log, &[("k", &round.to_string())]));
    settle(&dir, &mut log, NOW).expect("the log settles");
    let cleanable = log.cleanable(&dir, NOW).expect("it looks").expect("compacted");
    for pieces in [0, 10, 40] {
        let mut cleaning = log.start_cleaning(cleanable, &SETTINGS, NOW).expect("it begins");
        (0..pieces).for_each(|_| drop(cleaning.step(1).expect("it goes on")));
        if pieces == 40 {
            dir.delete_log(log, NOW).expect("it is deleted");
            assert!(matches!(cleaning.step(1), Ok(CleanStep::GivenUp)));
            break;
        }
    }
    assert_eq!(dir.offline_reason(), None);
}

#[test]
fn rot_stops_the_cleaning_and_changes_nothing() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, compacted(300));
    (0..30).for_each(|round| put(&mut log, &[("k", &round.to_string())]));
    settle(&dir, &mut log, NOW).expect("the log settles");
    let path = home.log_path("00000000000000000000.log");
    let mut bytes = std::fs::read(&path).expect("it is there");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    let error = clean(&dir, &mut log, &SETTINGS, NOW).expect_err("the batch is rotten");
    assert!(error.is_content_fault(), "{error}");
    assert_eq!(std::fs::read(&path).expect("it is there"), bytes);
    assert_eq!(dir.offline_reason(), None);
    log.view().mark_uncleanable();
    assert_eq!(log.cleanable(&dir, NOW).expect("it looks"), None, "it is not tried again");
}

#[test]
fn a_small_map_cleans_in_rounds() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, compacted(500));
    for round in 0..100 {
        put(&mut log, &[(&format!("key-{}", round % 25), &round.to_string())]);
    }
    settle(&dir, &mut log, NOW).expect("the log settles");
    let settings = CleanSettings { map_bytes: 24 * 10, ..SETTINGS };
    let mut rounds = 0;
    while let Some(outcome) = clean(&dir, &mut log, &settings, NOW).expect("it cleans") {
        assert!(outcome.keys <= 9);
        rounds += 1;
        assert!(rounds < 100, "every round goes on");
    }
    assert!(rounds > 3);
    let found = content(&log.view());
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), (75..100).collect::<Vec<_>>());
}

#[test]
fn empty_batches_carry_producers_over_a_restart_without_snapshots() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, compacted(400));
    let settings = |sequence| BatchSettings {
        producer_id: 5,
        producer_epoch: 1,
        base_sequence: sequence,
        ..BatchSettings::default()
    };
    append(&mut log, &keyed(settings(0), NOW, &[("a", "1"), ("b", "1")]));
    append(&mut log, &keyed(settings(2), NOW, &[("a", "2"), ("b", "2")]));
    (0..10).for_each(|round| put(&mut log, &[("a", &round.to_string()), ("b", "3")]));
    clean_now(&dir, &mut log);
    assert!(content(&log.view()).keys().all(|offset| *offset > 3));
    close(dir, log);
    for name in home.names().iter().filter(|name| name.ends_with(".snapshot")) {
        std::fs::remove_file(home.log_path(name)).expect("removed");
    }
    let (dir, _) = home.open();
    let mut log = take(&dir, compacted(400));
    let known = log.active_producers();
    assert_eq!(known.iter().map(|p| (p.producer_id, p.last_sequence)).collect::<Vec<_>>(), [(5, 3)]);
    append(&mut log, &keyed(settings(4), NOW, &[("a", "3")]));
    let again = append(&mut log, &keyed(settings(4), NOW, &[("a", "3")]));
    assert!(again.duplicate);
}

/// A start that knows no recovery point takes a gap between segments for a loss, unless it knows that the log is compacted.
#[test]
fn segments_leave_no_gap_that_could_be_taken_for_a_loss() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, compacted(300));
    for round in 0..20 {
        // The second half of every segment is obsolete, and all of its first stays.
        let keep = (0..3).map(|n| format!("only-{round}-{n}"));
        keep.for_each(|key| put(&mut log, &[(&key, "v")]));
        put(&mut log, &[("k", &round.to_string())]);
        log.roll(NOW).expect("it rolls");
    }
    clean_now(&dir, &mut log);
    let expected = content(&log.view());
    assert_eq!(expected.len(), 61);
    assert!(log.view().segments_count() > 5);
    drop((dir, log));
    std::fs::remove_file(home.path.join("recovery-point-offset-checkpoint")).expect("removed");
    let (dir, report) = home.open();
    assert!(!report.clean && report.cuts.is_empty() && report.damaged.is_empty(), "{report:?}");
    assert_eq!(content(&take(&dir, compacted(300)).view()), expected);
}
