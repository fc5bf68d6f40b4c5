//! A disk that says no: full, broken, unreadable. The log stays as it was or the directory goes offline, and nothing is
//! acknowledged that is not there.

use std::path::Path;
use std::sync::Arc;

use platform::sim::{DiskAction, DiskErrno, DiskFault, SimDisk};
use platform::{Disk, Platform};
use protocol::ErrorCode;

use super::cleaning::{SETTINGS, clean, compacted, content, put, settle};
use super::fixture::*;
use crate::{AppendOrigin, LogConfig, LogDir, LogDirConfig, StorageError, UnifiedLog};

fn sim() -> (SimDisk, Platform) {
    let disk = SimDisk::new(1);
    let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::sim(1) };
    (disk, platform)
}

fn open(platform: &Platform) -> LogDir {
    LogDir::open(platform, Path::new("/data"), &dir_config(), NOW).expect("the directory opens").0
}

fn try_append(log: &mut UnifiedLog) -> Result<i64, crate::AppendError> {
    let result = log.append_as_leader(&batch(&["value-00000"]), 0, AppendOrigin::Client, NOW);
    commit(log);
    result.map(|info| info.first_offset)
}

#[test]
fn a_full_disk_refuses_and_recovers_without_a_restart() {
    let (disk, platform) = sim();
    let dir = open(&platform);
    let mut log = create(&dir, small(400));
    fill(&mut log, 0, 3);
    let used: u64 = disk.files().iter().map(|(_, bytes)| bytes.len() as u64).sum();
    for spare in [0, 1, 61, 100, 200, 300] {
        disk.set_capacity_bytes(Some(used + spare));
        let end = log.view().log_end_offset();
        let mut refused = None;
        for _ in 0..20 {
            match try_append(&mut log) {
                Ok(_) => {}
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        let error = refused.expect("the disk fills up");
        assert_eq!(error.code(), ErrorCode::NOT_ENOUGH_REPLICAS, "clients try again");
        assert!(!error.is_disk_fault(), "a full disk is no broken one");
        assert!(error.to_string().contains("free some"), "{error}");
        let now = log.view().log_end_offset();
        assert!(now >= end);
        assert_eq!(read_all(&log.view(), 0).len() as i64, now, "reading goes on");
    }
    disk.set_capacity_bytes(None);
    let end = log.view().log_end_offset();
    assert_eq!(try_append(&mut log).expect("there is space again"), end);
    assert_eq!(dir.offline_reason(), None);
    assert_eq!(read_all(&log.view(), 0).len() as i64, end + 1);
    close(dir, log);
    assert_eq!(open(&platform).unclaimed().len(), 1);
}

fn used_bytes(disk: &SimDisk) -> u64 {
    disk.files().iter().map(|(_, bytes)| bytes.len() as u64).sum()
}

#[test]
fn a_nearly_full_disk_takes_no_more_from_clients_and_all_else() {
    let (disk, platform) = sim();
    let config = LogDirConfig { full_percent: 50, ..dir_config() };
    let dir = LogDir::open(&platform, Path::new("/data"), &config, NOW).expect("the directory opens").0;
    let mut log = create(&dir, small(1 << 20));
    append(&mut log, &idempotent(7, 0, 0, &["value-00000"]));
    let used = used_bytes(&disk);
    // Half of it stays free, and the other half has room for some fifty appends.
    disk.set_capacity_bytes(Some((used + 4000) * 2));
    dir.look_at_space();
    assert!(!dir.is_full());
    let mut count = 1;
    let error = loop {
        match try_append(&mut log) {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert!((40..=60).contains(&count), "{count}");
    assert!(used_bytes(&disk) < used + 4200, "the limit is met to a batch");
    assert_eq!(error.code(), ErrorCode::NOT_ENOUGH_REPLICAS, "clients try again");
    assert!(!error.is_disk_fault() && error.to_string().contains("log.dir.full.percent"), "{error}");
    assert!(dir.is_full() && dir.offline_reason().is_none());
    assert!(append(&mut log, &idempotent(7, 0, 0, &["value-00000"])).duplicate, "what is there is said so");
    // Everything but clients' records goes on.
    let own = batch(&["value-00000"]);
    log.append_as_leader(&own, 0, AppendOrigin::Coordinator, NOW).expect("coordinators write");
    commit(&log);
    assert_eq!(read_all(&log.view(), 0).len(), count + 1);
    log.flush_now().expect("flushed");
    dir.checkpoint().expect("written");
    // To be just below the limit is not enough to begin again.
    disk.set_capacity_bytes(Some(used_bytes(&disk) * 1000 / 495));
    dir.look_at_space();
    assert!(try_append(&mut log).is_err());
    disk.set_capacity_bytes(Some(used_bytes(&disk) * 4));
    assert!(try_append(&mut log).is_err(), "a refusal costs no look at the disk");
    dir.look_at_space();
    try_append(&mut log).expect("there is room again");
}

fn with_reserve() -> LogDirConfig {
    LogDirConfig { keeps_reserve: true, ..dir_config() }
}

fn open_with_reserve(platform: &Platform) -> Result<LogDir, StorageError> {
    LogDir::open(platform, Path::new("/data"), &with_reserve(), NOW).map(|(dir, _)| dir)
}

fn free_bytes(disk: &SimDisk) -> u64 {
    disk.free_bytes(Path::new("/data")).expect("it is said")
}

/// Leaves so many bytes free, whatever is kept.
fn leave_free(disk: &SimDisk, bytes: u64) {
    disk.set_capacity_bytes(Some(1 << 40));
    disk.set_capacity_bytes(Some((1 << 40) - free_bytes(disk) + bytes));
}

#[test]
fn what_is_kept_for_a_start_is_there_for_it_and_kept_again() {
    const RESERVE_FILE: &str = "/data/klamm-reserve";
    for is_clean in [true, false] {
        let (disk, platform) = sim();
        let dir = open_with_reserve(&platform).expect("the directory opens");
        assert!(disk.exists(Path::new(RESERVE_FILE)) && !dir.is_full());
        let mut log = create(&dir, small(1 << 20));
        fill(&mut log, 0, 3);
        log.flush_now().expect("flushed");
        if is_clean {
            close(dir, log);
        } else {
            drop((dir, log));
        }
        leave_free(&disk, 0);
        let dir = open_with_reserve(&platform).expect("it opens without a byte of space");
        assert!(dir.is_full() && !disk.exists(Path::new(RESERVE_FILE)));
        assert!(free_bytes(&disk) > 1 << 20, "a start takes little of it");
        let mut log = take(&dir, small(1 << 20));
        let error = try_append(&mut log).expect_err("clients get none of it");
        assert_eq!(error.code(), ErrorCode::NOT_ENOUGH_REPLICAS);
        let own = batch(&["value-00003"]);
        log.append_as_leader(&own, 0, AppendOrigin::Coordinator, NOW).expect("coordinators write");
        commit(&log);
        log.flush_now().expect("flushed");
        dir.checkpoint().expect("written");
        // A little room is not enough to keep some of it away again.
        leave_free(&disk, 3 << 20);
        dir.look_at_space();
        assert!(dir.is_full() && try_append(&mut log).is_err());
        leave_free(&disk, 5 << 20);
        dir.look_at_space();
        assert!(!dir.is_full() && disk.exists(Path::new(RESERVE_FILE)));
        assert_eq!(free_bytes(&disk), 3 << 20);
        try_append(&mut log).expect("there is room again");
        close(dir, log);
        assert_eq!(
            read_all(&take(&open_with_reserve(&platform).expect("opened"), small(1 << 20)).view(), 0).len(),
            5
        );
    }
}

#[test]
fn a_reserve_that_a_loss_of_power_left_hollow_is_filled_up() {
    let (disk, platform) = sim();
    drop(open(&platform));
    disk.open(Path::new("/data/klamm-reserve"), platform::OpenMode::Create).expect("made");
    leave_free(&disk, 10 << 20);
    let dir = open_with_reserve(&platform).expect("the directory opens");
    assert!(!dir.is_full());
    assert!(free_bytes(&disk) <= 8 << 20);
}

#[test]
fn a_reserve_that_cannot_be_made_is_a_fault_of_the_disk() {
    let (disk, platform) = sim();
    drop(open(&platform));
    disk.fail(DiskFault::always(DiskAction::Resize, DiskErrno::Io).on("klamm-reserve"));
    assert!(open_with_reserve(&platform).is_err());
    disk.heal();
    disk.fail(DiskFault::always(DiskAction::Resize, DiskErrno::NoSpace).on("klamm-reserve"));
    let dir = open_with_reserve(&platform).expect("a full disk is no broken one");
    assert!(dir.is_full());
    disk.heal();
    disk.fail(DiskFault::always(DiskAction::Resize, DiskErrno::Io).on("klamm-reserve"));
    dir.look_at_space();
    assert!(dir.offline_reason().is_some());
}

#[test]
fn a_flush_without_space_loses_nothing_and_is_done_later() {
    let (disk, platform) = sim();
    let dir = open(&platform);
    let mut log = create(&dir, small(1 << 20));
    fill(&mut log, 0, 3);
    disk.set_capacity_bytes(Some(used_bytes(&disk)));
    let ticket = log.flush().expect("prepared").expect("there is something");
    assert!(matches!(ticket.run(), Err(StorageError::DiskFull { .. })));
    log.put_flush_off();
    assert_eq!((dir.offline_reason(), log.view().recovery_point()), (None, 0));
    disk.set_capacity_bytes(None);
    assert!(log.is_flush_due(NOW), "it is due again");
    log.flush_now().expect("flushed");
    assert_eq!(log.view().recovery_point(), 3);
    drop((dir, log));
    disk.crash();
    assert_eq!(read_all(&take(&open(&platform), small(1 << 20)).view(), 0), filled(0, 3));
}

#[test]
fn a_failed_write_takes_the_directory_offline_for_good() {
    let (disk, platform) = sim();
    let dir = open(&platform);
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 3);
    disk.fail(DiskFault::nth(DiskAction::Write, 1, DiskErrno::Io));
    let error = try_append(&mut log).expect_err("it fails");
    assert!(error.is_disk_fault());
    assert_eq!(error.code(), ErrorCode::KAFKA_STORAGE_ERROR);
    assert!(dir.offline_reason().is_some());
    let error = try_append(&mut log).expect_err("and it is not tried again");
    assert!(error.to_string().contains("offline since"), "{error}");
    assert!(matches!(log.flush(), Err(StorageError::Offline { .. })));
    assert!(matches!(dir.checkpoint().and(dir.close_clean(None)), Err(StorageError::Offline { .. })));
    assert!(matches!(
        dir.create_log("u", 0, TOPIC_ID, LogConfig::default(), NOW),
        Err(StorageError::Offline { .. })
    ));
    assert_eq!(read_all(&log.view(), 0).len(), 3, "what is there can still be read");
    assert_eq!(log.view().log_end_offset(), 3);
}

#[test]
fn a_failed_flush_is_never_tried_again() {
    let (disk, platform) = sim();
    let dir = open(&platform);
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 3);
    let ticket = log.flush().expect("prepared").expect("due");
    disk.fail(DiskFault::nth(DiskAction::Sync, 1, DiskErrno::Io));
    assert!(ticket.run().is_err());
    assert!(matches!(ticket.run(), Err(StorageError::Offline { .. })));
    assert!(matches!(log.flush(), Err(StorageError::Offline { .. })));
    assert_eq!(log.view().durable_end_offset(), 0);
}

/// Every call of a start fails once: the start fails with the reason or goes well, and the next one finds everything.
#[test]
fn a_start_that_fails_anywhere_harms_nothing() {
    for clean in [true, false] {
        let (disk, platform) = sim();
        let dir = open(&platform);
        let mut log = create(&dir, small(300));
        for n in 0..6 {
            append(&mut log, &idempotent(3, 0, n, &["value-00000"]));
        }
        log.flush_now().expect("flushed");
        dir.checkpoint().expect("written");
        fill(&mut log, 6, 3);
        if clean {
            close(dir, log);
        } else {
            drop((dir, log));
        }
        for action in [
            DiskAction::Open,
            DiskAction::Read,
            DiskAction::Write,
            DiskAction::Resize,
            DiskAction::Create,
            DiskAction::Remove,
            DiskAction::Rename,
            DiskAction::List,
            DiskAction::SyncDir,
        ] {
            for n in 1..40 {
                for errno in [DiskErrno::Io, DiskErrno::NoSpace, DiskErrno::PermissionDenied] {
                    let fork = disk.fork(n);
                    let platform = Platform { disk: Arc::new(fork.clone()), ..platform.clone() };
                    fork.release_locks();
                    fork.fail(DiskFault::nth(action, n, errno));
                    let opened = LogDir::open(&platform, Path::new("/data"), &with_reserve(), NOW);
                    if let Err(error) = &opened {
                        assert!(!error.to_string().is_empty());
                    }
                    drop(opened);
                    fork.heal();
                    fork.release_locks();
                    let dir = open(&platform);
                    let view = take(&dir, small(300)).view();
                    assert_eq!(read_all(&view, 0).len(), 9, "{action:?} {n} {errno:?}");
                }
            }
        }
    }
}

#[test]
fn rot_is_met_with_an_error_and_never_served() {
    let (disk, platform) = sim();
    let dir = open(&platform);
    let mut log = create(&dir, small(1 << 20));
    fill(&mut log, 0, 10);
    let size = log.view().size_bytes() as usize / 10;
    let path = Path::new("/data/t-0/00000000000000000000.log");
    // The length field of the sixth batch.
    disk.damage(path, |bytes| bytes[5 * size + 8] = 0x7f).expect("there");
    let check_sixth = |view: &crate::LogView| {
        let error = view.read(5, 1, 10, true).expect_err("the batch is not whole");
        assert_eq!(error.code(), ErrorCode::KAFKA_STORAGE_ERROR);
        let position = format!("position {}", 5 * size);
        assert!(
            error.to_string().contains("corrupt at offset 5") && error.to_string().contains(&position),
            "{error}"
        );
    };
    let view = log.view();
    for offset in [0, 1, 2, 3, 4, 6, 7, 8, 9] {
        let slice = view.read(offset, 1, 10, true).expect("what is before and after can be read");
        assert_eq!(slice.map(|slice| slice.next_offset), Some(offset + 1));
    }
    check_sixth(&view);
    // From here on the log is out of service.
    check_all_refused(&view);
    assert!(log.append_as_leader(&batch(&["x"]), 0, AppendOrigin::Client, NOW).is_err());
    close(dir, log);
    let path = Path::new("/data/t-0/klamm-damage");
    let told = String::from_utf8(platform.disk.read(path).expect("it is remembered")).expect("text");
    assert!(told.starts_with("{\"first_offset\":5,\"end_offset\":10,\"segment\":"), "{told}");
    let dir = open(&platform);
    let error = dir.take_log("t", 0, TOPIC_ID, small(1 << 20)).expect_err("it is still damaged");
    assert!(error.to_string().contains(&format!("position {}", 5 * size)), "{error}");
    drop(dir);
    disk.release_locks();
    // Once it is as it was written, it is served again.
    disk.damage(Path::new("/data/t-0/00000000000000000000.log"), |bytes| bytes[5 * size + 8] = 0)
        .expect("there");
    let dir = open(&platform);
    let view = take(&dir, small(1 << 20)).view();
    assert_eq!(read_all(&view, 0).len(), 10);
    assert!(!platform.disk.exists(path));
}

fn check_all_refused(view: &crate::LogView) {
    for offset in 0..10 {
        let error = view.read(offset, 1, 10, true).expect_err("the log is out of service");
        assert_eq!(error.code(), ErrorCode::KAFKA_STORAGE_ERROR);
    }
}

/// A compacted log of which a part can be cleaned.
fn cleanable(platform: &Platform) -> (LogDir, UnifiedLog) {
    let dir = open(platform);
    let mut log = create(&dir, compacted(300));
    (0..30).for_each(|round| put(&mut log, &[("k", &round.to_string())]));
    settle(&dir, &mut log, NOW).expect("the log settles");
    (dir, log)
}

#[test]
fn a_compaction_that_meets_a_broken_disk_takes_the_directory_offline() {
    let actions = [
        DiskAction::Create,
        DiskAction::Write,
        DiskAction::Sync,
        DiskAction::Rename,
        DiskAction::SyncDir,
        DiskAction::Read,
    ];
    for action in actions {
        let (disk, platform) = sim();
        let (dir, mut log) = cleanable(&platform);
        let before = content(&log.view());
        let fault = DiskFault::nth(action, 1, DiskErrno::Io);
        // An index that cannot be read only costs a walk.
        disk.fail(if action == DiskAction::Read { fault.on(".log") } else { fault });
        let cleaned = clean(&dir, &mut log, &SETTINGS, NOW);
        assert!(cleaned.is_err(), "{action:?} passed unnoticed: {cleaned:?}");
        assert!(dir.offline_reason().is_some(), "{action:?} left the directory in use");
        disk.heal();
        drop((dir, log));
        disk.release_locks();
        let dir = open(&platform);
        let log = take(&dir, compacted(300));
        let after = content(&log.view());
        assert!(after.iter().all(|(offset, record)| before.get(offset) == Some(record)), "{action:?}");
        assert_eq!(after.last_key_value(), before.last_key_value(), "{action:?}: the last value is there");
    }
}

#[test]
fn a_compaction_without_room_leaves_everything_and_tries_again() {
    let (disk, platform) = sim();
    let (dir, mut log) = cleanable(&platform);
    let before = content(&log.view());
    let used: u64 = disk.files().iter().map(|(_, bytes)| bytes.len() as u64).sum();
    disk.set_capacity_bytes(Some(used));
    let error = clean(&dir, &mut log, &SETTINGS, NOW).expect_err("there is no room");
    assert!(matches!(error, StorageError::DiskFull { .. }), "{error}");
    assert_eq!((dir.offline_reason(), content(&log.view())), (None, before));
    let left = names(&platform, Path::new("/data/t-0"));
    assert!(left.iter().all(|name| !name.ends_with(".cleaned")), "{left:?}");
    disk.set_capacity_bytes(None);
    assert!(clean(&dir, &mut log, &SETTINGS, NOW).expect("there is room").is_some());
    assert_eq!(content(&log.view()).len(), 1);
}
