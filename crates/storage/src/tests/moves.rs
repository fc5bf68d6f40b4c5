//! A log moves from one directory to another: copied, caught up, given its name; and stopped at every call on the way.

use std::path::PathBuf;
use std::sync::Arc;

use platform::Platform;
use platform::sim::{DiskConfig, NameOrder, SimDisk};
use protocol::{ErrorCode, Uuid};

use super::fixture::*;
use super::log_dirs::config;
use crate::{
    AppendOrigin, LogConfig, LogDir, LogDirs, LogName, StorageError, UnifiedLog, WalConfig, WalTicket,
};

const CHUNK_BYTES: usize = 250;

const SMALL_WAL: WalConfig = WalConfig {
    file_bytes_min: 32 << 10,
    file_bytes_max: 32 << 10,
    bytes_max: 128 << 10,
    checkpoint_bytes: 64 << 10,
    beside_bytes: 0,
};

struct Pair {
    disk: SimDisk,
    platform: Platform,
    log_config: LogConfig,
}

impl Pair {
    fn new(seed: u64, disk: DiskConfig) -> Self {
        let disk = SimDisk::with_config(seed, disk);
        let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::sim(seed) };
        let log_config = LogConfig {
            segment_bytes: 400,
            index_interval_bytes: 1,
            retention_ms: -1,
            file_delete_delay_ms: 0,
            ..LogConfig::default()
        };
        Self { disk, platform, log_config }
    }

    fn open(&self) -> Result<LogDirs, StorageError> {
        let paths: Vec<PathBuf> = vec!["/data/a".into(), "/data/b".into()];
        let mut config = config(&paths);
        config.dir.log_config = Arc::new(self.log_config.clone());
        config.dir.wal = SMALL_WAL;
        Ok(LogDirs::open(&self.platform, config, NOW)?.0)
    }
}

fn pair() -> Pair {
    Pair::new(1, DiskConfig::default())
}

fn dir(dirs: &LogDirs, number: usize) -> Arc<LogDir> {
    Arc::clone(dirs.entries()[number].online().expect("it works"))
}

/// Copies until nothing is left.
fn copy(future: &mut UnifiedLog, source: &UnifiedLog, to: &LogDir) -> Result<(), crate::CopyError> {
    while future.view().log_end_offset() < source.view().log_end_offset() {
        future.copy_from(&source.view(), CHUNK_BYTES, to, NOW)?;
    }
    future.follow_offsets(&source.view());
    Ok(())
}

fn close_log(log: &mut UnifiedLog) -> Result<(), StorageError> {
    if let Some(ticket) = log.close()? {
        ticket.run()?;
        log.mark_durable(&ticket);
    }
    Ok(())
}

#[test]
fn a_copy_takes_the_place_of_its_source() {
    let pair = pair();
    let dirs = pair.open().expect("opened");
    let (a, b) = (dir(&dirs, 0), dir(&dirs, 1));
    let mut source = create(&a, pair.log_config.clone());
    for sequence in 0..10 {
        append_in(&mut source, &idempotent(5, 0, sequence, &[&format!("value-{sequence:05}")]), sequence / 4);
    }
    source.delete_records_before(3).expect("in range");
    let mut future = b.create_future("t", 0, TOPIC_ID, pair.log_config.clone(), NOW).expect("begun");
    assert!(future.view().is_future() && !source.view().is_future());
    assert!(matches!(
        b.create_future("t", 0, TOPIC_ID, pair.log_config.clone(), NOW),
        Err(StorageError::Exists { .. })
    ));
    assert_eq!((b.views().len(), b.logs_count()), (1, 1), "a copy counts as a log");
    let step = future.copy_from(&source.view(), CHUNK_BYTES, &b, NOW).expect("copied");
    let size_bytes = source.view().size_bytes();
    assert_eq!(
        step.bytes + step.bytes_left,
        size_bytes / 10 * 7,
        "what lies below the log start is not copied"
    );
    assert!(step.bytes > 0 && step.bytes_left > 0);
    copy(&mut future, &source, &b).expect("copied");
    let step = future.copy_from(&source.view(), CHUNK_BYTES, &b, NOW).expect("nothing to do");
    assert_eq!((step.bytes, step.bytes_left), (0, 0));
    close_log(&mut future).expect("closed");
    let mut log = b.promote_future(future, None, NOW).expect("promoted");
    let view = log.view();
    assert!(!view.is_future());
    assert_eq!((view.log_start_offset(), view.log_end_offset(), view.high_watermark()), (3, 10, 10));
    assert_eq!(view.durable_end_offset(), 10);
    assert_eq!(read_all(&view, 3), filled(3, 10));
    assert_eq!(view.epoch_of_offset(5), Some(1));
    assert_eq!(log.active_producers(), source.active_producers());
    a.delete_moved(source, NOW).expect("deleted");
    a.expired_logs(NOW).expect("due").run();
    assert!(append(&mut log, &idempotent(5, 0, 9, &["value-00009"])).duplicate, "the producer is known");
    append(&mut log, &idempotent(5, 0, 10, &["value-00010"]));
    close_log(&mut log).expect("closed");
    for dir in [&a, &b] {
        assert!(dir.close_clean(None).expect("closed"));
    }
    drop((dirs, a, b, log));
    let dirs = pair.open().expect("opened");
    assert!(dir(&dirs, 0).unclaimed().is_empty());
    let log = take(&dir(&dirs, 1), pair.log_config.clone());
    assert_eq!(read_all(&log.view(), 3), filled(3, 11));
}

#[test]
fn a_copy_begun_goes_on_after_a_restart_from_what_is_common() {
    let pair = pair();
    let dirs = pair.open().expect("opened");
    let (a, b) = (dir(&dirs, 0), dir(&dirs, 1));
    let mut source = create(&a, pair.log_config.clone());
    (0..4).for_each(|n| _ = append_in(&mut source, &batch(&[&format!("value-{n:05}")]), 0));
    source.flush_now().expect("flushed");
    a.checkpoint().expect("written");
    (4..8).for_each(|n| _ = append_in(&mut source, &batch(&[&format!("lost-{n}")]), 0));
    let mut future = b.create_future("t", 0, TOPIC_ID, pair.log_config.clone(), NOW).expect("begun");
    copy(&mut future, &source, &b).expect("copied");
    future.flush_now().expect("flushed");
    b.checkpoint().expect("written");
    drop((dirs, a, b, source, future));
    // The power goes, and with it the source's end, but not the copy's.
    let survivors: Vec<_> = pair.disk.files();
    pair.disk.crash();
    assert!(survivors.iter().any(|(path, _)| path.to_string_lossy().contains("-future/")));
    let dirs = pair.open().expect("opened");
    let (a, b) = (dir(&dirs, 0), dir(&dirs, 1));
    let mut source = take(&a, pair.log_config.clone());
    let kept = source.view().log_end_offset();
    assert!((4..=8).contains(&kept));
    source.truncate_to(4, &a, NOW).expect("cut");
    (4..7).for_each(|n| _ = append_in(&mut source, &batch(&[&format!("value-{n:05}")]), 2));
    let other = b.take_future("t", 0, Uuid([1; 16]), LogConfig::default()).map(drop);
    assert_eq!(other.expect_err("another topic").code(), ErrorCode::INCONSISTENT_TOPIC_ID);
    let future = b.take_future("t", 0, TOPIC_ID, pair.log_config.clone()).expect("sound");
    let mut future = future.expect("there");
    assert_eq!(future.view().log_end_offset(), 8, "it knows more, and other things");
    future.truncate_to_common(&source.view(), &b, NOW).expect("cut");
    assert_eq!(future.view().log_end_offset(), 4);
    copy(&mut future, &source, &b).expect("copied");
    assert_eq!(read_all(&future.view(), 0), filled(0, 7));
}

/// As after a compaction by another program that kept nothing of the last batches.
#[test]
fn a_source_that_ends_beyond_its_last_batch_is_followed_to_its_end() {
    let pair = pair();
    let dirs = pair.open().expect("opened");
    let a = dir(&dirs, 0);
    let mut source = create(&a, pair.log_config.clone());
    append(&mut source, &batch(&["value-00000", "value-00001"]));
    source.roll(NOW).expect("rolled");
    close_log(&mut source).expect("closed");
    dirs.online().for_each(|dir| assert!(dir.close_clean(None).expect("closed")));
    drop((dirs, a, source));
    let rename = |suffix: &str| {
        let path = |offset: u32| PathBuf::from(format!("/data/a/t-0/{offset:020}.{suffix}"));
        _ = pair.platform.disk.rename(&path(2), &path(7));
    };
    ["log", "index", "timeindex", "snapshot"].iter().for_each(|suffix| rename(suffix));
    let dirs = pair.open().expect("opened");
    let (a, b) = (dir(&dirs, 0), dir(&dirs, 1));
    let source = take(&a, pair.log_config.clone());
    assert_eq!(source.view().log_end_offset(), 7);
    let mut future = b.create_future("t", 0, TOPIC_ID, pair.log_config.clone(), NOW).expect("begun");
    assert!(future.copy_from(&source.view(), 1 << 20, &b, NOW).expect("copied").bytes > 0);
    let step = future.copy_from(&source.view(), 1 << 20, &b, NOW).expect("copied");
    assert_eq!((step.bytes, step.bytes_left), (0, 0));
    close_log(&mut future).expect("closed");
    let mut log = b.promote_future(future, None, NOW).expect("promoted");
    assert_eq!(log.view().log_end_offset(), 7);
    assert_eq!(append(&mut log, &batch(&["value-00007"])).first_offset, 7);
    close_log(&mut log).expect("closed");
    a.delete_moved(source, NOW).expect("deleted");
    dirs.online().for_each(|dir| assert!(dir.close_clean(None).expect("closed")));
    drop((dirs, a, b, log));
    let dirs = pair.open().expect("opened");
    let view = take(&dir(&dirs, 1), pair.log_config.clone()).view();
    assert_eq!((view.log_start_offset(), view.log_end_offset()), (0, 8));
    assert_eq!(read_to(&view, 0, 2, 1 << 20), filled(0, 2));
    assert_eq!(read_all(&view, 7), filled(7, 8));
}

#[test]
fn a_source_that_has_moved_on_is_followed() {
    let pair = pair();
    let dirs = pair.open().expect("opened");
    let (a, b) = (dir(&dirs, 0), dir(&dirs, 1));
    let mut source = create(&a, pair.log_config.clone());
    append(&mut source, &batch(&["value-00000", "value-00001", "value-00002"]));
    fill(&mut source, 3, 9);
    let mut future = b.create_future("t", 0, TOPIC_ID, pair.log_config.clone(), NOW).expect("begun");
    // The log start lies inside the first batch, which is copied whole.
    source.delete_records_before(1).expect("in range");
    copy(&mut future, &source, &b).expect("copied");
    assert_eq!((future.view().log_start_offset(), future.view().log_end_offset()), (1, 12));
    assert_eq!(read_all(&future.view(), 1), filled(1, 12));
    // Retention takes what the copy has, and more.
    fill(&mut source, 12, 9);
    source.update_config(LogConfig { retention_bytes: 1, ..pair.log_config.clone() }).expect("taken");
    source.retention(NOW).expect("done");
    let start = source.view().log_start_offset();
    assert!(start > 12);
    fill(&mut source, 21, 2);
    copy(&mut future, &source, &b).expect("copied");
    let view = future.view();
    assert_eq!((view.log_start_offset(), view.log_end_offset()), (start, 23));
    assert_eq!(read_all(&view, start), filled(start, 23));
}

#[test]
fn what_the_source_accepted_is_not_judged_again() {
    let pair = pair();
    let dirs = pair.open().expect("opened");
    let (a, b) = (dir(&dirs, 0), dir(&dirs, 1));
    let mut source = create(&a, LogConfig { producer_id_expiration_ms: 10, ..LogConfig::default() });
    append(&mut source, &idempotent(5, 3, 0, &["value-00000"]));
    // The source forgets the producer, which then comes with an older epoch.
    source.expire_producers(NOW + 1000);
    append(&mut source, &idempotent(5, 1, 7, &["value-00001"]));
    append(&mut source, &batch(&["value-00002", "value-00003", "value-00004"]));
    // A limit below what was accepted before.
    let config = LogConfig { segment_bytes: 80, ..LogConfig::default() };
    let mut future = b.create_future("t", 0, TOPIC_ID, config, NOW).expect("begun");
    future.copy_from(&source.view(), 1 << 20, &b, NOW).expect("copied");
    assert_eq!(read_all(&future.view(), 0), filled(0, 5));
    assert_eq!(future.view().segments_count(), 3, "each batch is larger than half a segment");
}

#[test]
fn a_name_too_long_for_a_copy_is_refused() {
    let pair = pair();
    let dirs = pair.open().expect("opened");
    let name = "t".repeat(214);
    let refused = dir(&dirs, 1).create_future(&name, 0, TOPIC_ID, LogConfig::default(), NOW);
    assert_eq!(refused.map(drop).expect_err("too long").code(), ErrorCode::INVALID_TOPIC_EXCEPTION);
}

#[test]
fn two_logs_of_one_partition_are_told_apart_or_left_alone() {
    for (recorded, ends, expected) in [
        (1, [5, 5], Some(1)),
        (1, [5, 7], Some(1)),
        (0, [7, 5], Some(0)),
        (0, [5, 7], None),
        (2, [5, 5], None),
    ] {
        let pair = pair();
        let dirs = pair.open().expect("opened");
        for (number, count) in ends.into_iter().enumerate() {
            let mut log = create(&dir(&dirs, number), pair.log_config.clone());
            fill(&mut log, 0, count);
            close_log(&mut log).expect("closed");
        }
        let ids = [dir(&dirs, 0).id(), dir(&dirs, 1).id(), Uuid([1; 16])];
        drop(dirs);
        pair.disk.release_locks();
        let dirs = pair.open().expect("opened");
        let record = |name: &LogName| (name.topic_id == Some(TOPIC_ID)).then_some(ids[recorded]);
        dirs.settle_moves(&record, NOW);
        let found: Vec<usize> = (0..2).filter(|number| !dir(&dirs, *number).unclaimed().is_empty()).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "recorded in {recorded}, ends {ends:?}");
        if let Some(number) = expected {
            let log = take(&dir(&dirs, number), pair.log_config.clone());
            assert_eq!(read_all(&log.view(), 0).len(), ends[number]);
        } else {
            let error = dir(&dirs, 0).take_log("t", 0, TOPIC_ID, LogConfig::default()).map(drop);
            let error = error.expect_err("out of use").to_string();
            assert!(error.contains("/data/a and /data/b"), "{error}");
            drop(dirs);
            pair.disk.release_locks();
            let dirs = pair.open().expect("opened");
            assert!((0..2).all(|n| dir(&dirs, n).unclaimed().len() == 1), "both are still there");
        }
    }
}

// ---- stops ----

/// What the log of a journey has when it is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// Records, and more of them come meanwhile.
    Busy,
    /// Nothing: it is new.
    New,
    /// Nothing any more: all was deleted.
    Emptied,
}

/// What was told to a log that is moved to and fro.
struct Journey {
    pair: Pair,
    load: Load,
    /// The directory that the metadata name: they are durable before anything follows from them.
    recorded: Option<Uuid>,
    start: i64,
    /// Records before it may have been deleted.
    start_max: i64,
    end: i64,
    durable: i64,
    epoch: i32,
}

/// How far the log of a journey was cleaned, as far as the cleaner's checkpoint goes.
const CLEANED: i64 = 5;

impl Journey {
    fn new(seed: u64, disk: DiskConfig, durable: bool, load: Load) -> Self {
        let mut pair = Pair::new(seed, disk);
        pair.log_config.durable = durable;
        Self { pair, load, recorded: None, start: 0, start_max: 0, end: 0, durable: 0, epoch: 0 }
    }

    /// Opens the directories as a node does, and finds the log or makes it.
    fn begin(&mut self) -> Result<(LogDirs, Arc<LogDir>, UnifiedLog), StorageError> {
        let dirs = self.pair.open()?;
        let recorded = self.recorded;
        dirs.settle_moves(&|_: &LogName| recorded, NOW);
        let homes: Vec<Arc<LogDir>> =
            dirs.online().filter(|dir| !dir.unclaimed().is_empty()).map(Arc::clone).collect();
        assert!(homes.len() <= 1, "one directory has the log");
        self.epoch += 1;
        let Some(home) = homes.into_iter().next() else {
            let home = dir(&dirs, 0);
            let log = home.create_log("t", 0, TOPIC_ID, self.pair.log_config.clone(), NOW)?;
            return Ok((dirs, home, log));
        };
        let config = self.pair.log_config.clone();
        let log = home.take_log("t", 0, TOPIC_ID, config)?.expect("it was unclaimed");
        commit(&log);
        Ok((dirs, home, log))
    }

    fn append(&mut self, log: &mut UnifiedLog, count: usize) -> Result<(), crate::AppendError> {
        for _ in 0..count {
            let value = format!("value-{:05}", log.view().log_end_offset());
            log.append_as_leader(&batch(&[&value]), self.epoch, AppendOrigin::Client, NOW)?;
            commit(log);
            self.end = log.view().log_end_offset();
        }
        Ok(())
    }

    /// Makes durable what was appended, in the way of the log.
    fn flush(&mut self, dir: &LogDir, log: &mut UnifiedLog) -> Result<(), StorageError> {
        if log.config().durable {
            dir.wal_ticket().into_iter().for_each(WalTicket::run_all);
        } else {
            log.flush_now()?;
        }
        self.durable = self.durable.max(log.view().durable_end_offset());
        Ok(())
    }

    /// Moves the log to the other directory, appending meanwhile.
    fn travel(
        &mut self,
        dirs: &LogDirs,
        home: &Arc<LogDir>,
        mut log: UnifiedLog,
    ) -> Result<(Arc<LogDir>, UnifiedLog), Box<dyn std::error::Error>> {
        let target = dirs.online().find(|dir| !Arc::ptr_eq(dir, home)).expect("there are two");
        let config = self.pair.log_config.clone();
        let mut future = match target.take_future("t", 0, TOPIC_ID, config.clone())? {
            Some(future) => future,
            None => target.create_future("t", 0, TOPIC_ID, config, NOW)?,
        };
        future.truncate_to_common(&log.view(), target, NOW)?;
        future.copy_from(&log.view(), CHUNK_BYTES, target, NOW)?;
        if self.load == Load::Busy {
            self.append(&mut log, 2)?;
        }
        future.flush_now()?;
        target.checkpoint()?;
        self.flush(home, &mut log)?;
        if self.load == Load::Busy {
            self.append(&mut log, 1)?;
        }
        copy(&mut future, &log, target)?;
        close_log(&mut future)?;
        self.recorded = Some(target.id());
        let cleaned = home.cleaned_offset(&log.view());
        let promoted = target.promote_future(future, cleaned, NOW)?;
        assert_eq!(target.cleaned_offset(&promoted.view()), cleaned);
        assert_eq!(promoted.view().log_end_offset(), self.end);
        commit(&promoted);
        let old = std::mem::replace(&mut log, promoted);
        self.append(&mut log, 1)?;
        home.delete_moved(old, NOW)?;
        self.append(&mut log, 1)?;
        self.flush(target, &mut log)?;
        home.expired_logs(NOW).into_iter().for_each(|ticket| ticket.run());
        home.checkpoint()?;
        target.checkpoint()?;
        assert_eq!(home.cleaned_offset(&log.view()), None, "it has no such log");
        Ok((Arc::clone(target), log))
    }

    fn go(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let (dirs, home, mut log) = self.begin()?;
        if self.load != Load::New {
            self.append(&mut log, 7)?;
            self.flush(&home, &mut log)?;
            home.checkpoint()?;
            if !self.pair.log_config.durable {
                // Only what was flushed to the segments is ever cleaned.
                home.note_cleaned(&log.view(), CLEANED)?;
            }
            self.append(&mut log, 2)?;
            self.flush(&home, &mut log)?;
            self.append(&mut log, 1)?;
        }
        if self.load == Load::Emptied {
            self.flush(&home, &mut log)?;
            self.start_max = self.end;
            log.delete_records_before(self.end)?;
            log.roll(NOW)?;
            log.retention(NOW)?;
            home.checkpoint()?;
        }
        let (home, log) = self.travel(&dirs, &home, log)?;
        let (home, mut log) = self.travel(&dirs, &home, log)?;
        let cleaned = (!self.pair.log_config.durable).then_some(CLEANED);
        assert_eq!(home.cleaned_offset(&log.view()), cleaned);
        self.flush(&home, &mut log)?;
        close_log(&mut log)?;
        for dir in dirs.online() {
            assert!(dir.close_clean(None)?, "everything is durable");
        }
        drop(home);
        Ok(())
    }

    fn check(&mut self, loses_tails: bool) {
        let (dirs, home, log) = self.begin().expect("the directories open after any stop");
        self.check_content(&log, loses_tails);
        // It may be cleaned once more, and nothing is taken to be clean that is not.
        assert!(matches!(home.cleaned_offset(&log.view()), None | Some(CLEANED)));
        // What was begun can be finished, and nothing of it is missing.
        let (home, log) = self.travel(&dirs, &home, log).expect("it moves");
        self.check_content(&log, false);
        let (_, mut log) = self.travel(&dirs, &home, log).expect("and back");
        self.check_content(&log, false);
        close_log(&mut log).expect("closed");
        for dir in dirs.online() {
            assert!(dir.close_clean(None).expect("closed"), "everything is durable");
            let left = names(&self.pair.platform, dir.path());
            assert!(left.iter().all(|name| !name.ends_with("-future")), "{left:?}");
        }
    }

    fn check_content(&mut self, log: &UnifiedLog, loses_tails: bool) {
        let end = log.view().log_end_offset();
        let floor = if loses_tails { self.durable } else { self.end };
        assert!(end >= floor, "the log ends at {end}, and {floor} was promised");
        // Where nothing was flushed, names of first segments may be lost, too.
        let start = log.view().log_start_offset();
        assert!((self.start..=self.start_max).contains(&start) || floor == 0, "the log starts at {start}");
        assert_eq!(read_all(&log.view(), start), filled(start, end));
        (self.start, self.end, self.durable) = (start, end, self.durable.min(end));
        self.start_max = self.start_max.max(start);
    }
}

#[test]
fn a_move_stopped_anywhere_loses_nothing_and_can_be_finished() {
    stop_moves_everywhere(false, Load::Busy);
}

#[test]
fn a_move_of_a_durable_log_stopped_anywhere_loses_nothing_and_can_be_finished() {
    stop_moves_everywhere(true, Load::Busy);
}

#[test]
fn a_move_of_a_log_without_records_stopped_anywhere_can_be_finished() {
    for load in [Load::New, Load::Emptied] {
        stop_moves_everywhere(true, load);
    }
}

fn stop_moves_everywhere(durable: bool, load: Load) {
    let kill = [(false, NameOrder::InOrder, 1)];
    let power = [NameOrder::Any, NameOrder::InOrder, NameOrder::Journaled].map(|names| (true, names, 3));
    for (loses_power, names, seeds) in kill.into_iter().chain(power) {
        for seed in 0..seeds {
            let mut halt = 1;
            loop {
                let disk = DiskConfig { names, ..DiskConfig::default() };
                let mut journey = Journey::new(seed, disk, durable, load);
                journey.pair.disk.halt_after(halt);
                let went = journey.go();
                if journey.pair.disk.effects() < halt {
                    went.expect("nothing stops it");
                    break;
                }
                if loses_power {
                    journey.pair.disk.crash();
                } else {
                    journey.pair.disk.release_locks();
                }
                let check = std::panic::AssertUnwindSafe(|| journey.check(loses_power));
                assert!(
                    std::panic::catch_unwind(check).is_ok(),
                    "seed {seed}, power lost: {loses_power}, at call {halt}, {names:?}, {load:?}"
                );
                halt += 1;
            }
            assert!(halt > 100, "a move changes the disk");
        }
    }
}
