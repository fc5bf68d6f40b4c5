//! A log directory: identity, lock, life of its logs, foreign files.

use std::fs;
use std::sync::Arc;

use protocol::{ErrorCode, Uuid};

use super::fixture::*;
use crate::{LogConfig, LogDir, LogDirConfig, StorageError};

fn open_as(home: &Home, config: &LogDirConfig) -> Result<LogDir, StorageError> {
    LogDir::open(&home.platform, &home.path, config, NOW).map(|(dir, _)| dir)
}

#[test]
fn an_empty_directory_is_formatted_if_asked() {
    let home = Home::new();
    assert!(matches!(open_as(&home, &LogDirConfig::new(1)), Err(StorageError::NotFormatted { .. })));
    let dir = open_as(&home, &dir_config()).expect("formatted");
    let meta = dir.meta().clone();
    assert_eq!((meta.cluster_id.as_str(), meta.node_id), (CLUSTER, 1));
    let id = meta.directory_id.expect("drawn");
    let text = fs::read_to_string(home.path.join("meta.properties")).expect("written");
    assert_eq!(text, format!("cluster.id={CLUSTER}\ndirectory.id={id}\nnode.id=1\nversion=1\n"));
    drop(dir);
    let again = open_as(&home, &LogDirConfig::new(1)).expect("opened");
    assert_eq!(again.meta(), &meta);
}

#[test]
fn another_owners_directory_is_refused_with_the_fix() {
    let home = Home::new();
    drop(open_as(&home, &dir_config()).expect("formatted"));
    let other = LogDirConfig { cluster_id: Some("other".into()), ..dir_config() };
    let error = open_as(&home, &other).map(drop).expect_err("refused").to_string();
    assert!(
        error.contains(CLUSTER) && error.contains("cluster other") && error.contains("choose another"),
        "{error}"
    );
    let error = open_as(&home, &LogDirConfig::new(2)).map(drop).expect_err("refused").to_string();
    assert!(error.contains("set node.id=1"), "{error}");
    fs::write(home.path.join("meta.properties"), "version=1\n").expect("written");
    let error = open_as(&home, &dir_config()).map(drop).expect_err("refused").to_string();
    assert!(error.contains("meta.properties is unusable: it has no node.id"), "{error}");
    fs::remove_file(home.path.join("meta.properties")).expect("removed");
    fs::create_dir(home.path.join("orders-0")).expect("made");
    let error = open_as(&home, &dir_config()).map(drop).expect_err("refused").to_string();
    assert!(error.contains("orders-0"), "{error}");
}

#[test]
fn a_second_process_is_refused_by_name() {
    let home = Home::new();
    let dir = open_as(&home, &dir_config()).expect("opened");
    let error = open_as(&home, &dir_config()).map(drop).expect_err("refused");
    assert!(matches!(error, StorageError::Locked { .. }));
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(dir);
    open_as(&home, &dir_config()).expect("free again");
}

#[test]
fn foreign_names_are_left_alone_and_named() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 2);
    close(dir, log);
    let foreign = [home.path.join("lost+found"), home.path.join("notes.txt"), home.log_path("core.1234")];
    fs::create_dir(&foreign[0]).expect("made");
    fs::write(&foreign[1], "mine").expect("written");
    fs::write(&foreign[2], "mine").expect("written");
    fs::create_dir(home.path.join("gone-3.0123456789abcdef0123456789abcdef-stray")).expect("made");
    let (dir, report) = home.open();
    let mut named = report.foreign.clone();
    named.sort();
    let mut expected = foreign.to_vec();
    expected.push(home.path.join("gone-3.0123456789abcdef0123456789abcdef-stray"));
    expected.sort();
    assert_eq!(named, expected);
    assert_eq!(fs::read_to_string(&foreign[2]).expect("kept"), "mine");
    assert_eq!(report.logs, 1);
    drop(dir);
}

#[test]
fn logs_wait_to_be_taken_by_their_topic() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 3);
    assert!(matches!(
        dir.create_log("t", 0, TOPIC_ID, LogConfig::default(), NOW),
        Err(StorageError::Exists { log }) if log == "t-0"
    ));
    close(dir, log);
    let (dir, _) = home.open();
    let unclaimed = dir.unclaimed();
    assert_eq!(unclaimed.len(), 1);
    assert_eq!(
        (&*unclaimed[0].topic, unclaimed[0].partition, unclaimed[0].topic_id),
        ("t", 0, Some(TOPIC_ID))
    );
    assert!(dir.take_log("u", 0, TOPIC_ID, LogConfig::default()).expect("no fault").is_none());
    let other =
        dir.take_log("t", 0, Uuid([1; 16]), LogConfig::default()).map(|_| ()).expect_err("another topic");
    assert_eq!(other.code(), ErrorCode::INCONSISTENT_TOPIC_ID);
    let config = Arc::new(LogConfig { retention_ms: 5, ..LogConfig::default() });
    let log = dir.take_log("t", 0, TOPIC_ID, Arc::clone(&config)).expect("sound").expect("there");
    assert_eq!(log.config(), &config);
    assert!(dir.unclaimed().is_empty());
    assert!(dir.take_log("t", 0, TOPIC_ID, LogConfig::default()).expect("no fault").is_none());
}

#[test]
fn a_lost_topic_id_is_told_by_who_takes_the_log() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 1);
    drop((dir, log));
    for broken in ["", "version: 0\ntopic_id: "] {
        fs::write(home.log_path("partition.metadata"), broken).expect("written");
        let (dir, _) = home.open();
        assert_eq!(dir.unclaimed()[0].topic_id, None);
        let log = take(&dir, LogConfig::default());
        assert_eq!(log.view().topic_id(), Some(TOPIC_ID));
        drop((dir, log));
        let (dir, _) = home.open();
        assert_eq!(dir.unclaimed()[0].topic_id, Some(TOPIC_ID));
    }
}

/// A single flipped bit makes another id of an id, or no text of the file.
#[test]
fn a_rotten_topic_id_is_mended_by_who_takes_the_log() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 2);
    drop((dir, log));
    let path = home.log_path("partition.metadata");
    let sound = fs::read(&path).expect("the file is there");
    for bit in 0..sound.len() * 8 {
        let mut rotten = sound.clone();
        rotten[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &rotten).expect("written");
        let (dir, _) = home.open();
        let log = take(&dir, LogConfig::default());
        assert_eq!(read_all(&log.view(), 0), filled(0, 2), "bit {bit}");
        assert_eq!(log.view().topic_id(), Some(TOPIC_ID));
        drop((dir, log));
        let (dir, _) = home.open();
        assert_eq!(dir.unclaimed()[0].topic_id, Some(TOPIC_ID), "bit {bit} is mended on the disk");
    }
}

#[test]
fn a_deleted_log_is_renamed_then_removed_and_its_name_is_free() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig { file_delete_delay_ms: 1000, ..LogConfig::default() });
    fill(&mut log, 0, 3);
    log.flush_now().expect("flushed");
    dir.checkpoint().expect("written");
    let view = log.view();
    dir.delete_log(log, NOW).expect("deleted");
    let renamed: Vec<String> =
        names(&home.platform, &home.path).into_iter().filter(|n| n.ends_with("-delete")).collect();
    assert_eq!(renamed.len(), 1);
    assert!(view.read(0, 100, 3, true).is_ok(), "who has the file open may read on");
    // A new log of the same name has nothing of the old one, not even its recovery point.
    let mut new = dir.create_log("t", 0, Uuid([2; 16]), LogConfig::default(), NOW).expect("created");
    fill(&mut new, 0, 1);
    let checkpoint = fs::read_to_string(home.path.join("recovery-point-offset-checkpoint")).expect("there");
    assert!(!checkpoint.contains("t 0"), "{checkpoint}");
    assert!(!dir.take_removal_due(NOW + 999));
    assert!(dir.expired_logs(NOW + 999).is_none());
    assert!(dir.take_removal_due(NOW + 1000));
    dir.expired_logs(NOW + 1000).expect("due").run();
    assert!(!dir.take_removal_due(i64::MAX - 1), "nothing waits any more");
    assert!(names(&home.platform, &home.path).iter().all(|n| !n.ends_with("-delete")));
    drop((dir, new));
    let (dir, report) = home.open();
    assert!(report.damaged.is_empty() && report.cuts.is_empty(), "{report:?}");
    assert_eq!(dir.unclaimed()[0].topic_id, Some(Uuid([2; 16])));
}

#[test]
fn a_deletion_cut_short_is_finished_at_the_next_start() {
    let home = Home::new();
    let (dir, _) = home.open();
    let log = create(&dir, LogConfig::default());
    dir.delete_log(log, NOW).expect("deleted");
    drop(dir);
    let (dir, report) = home.open();
    assert_eq!((report.pending_deletes, report.logs), (1, 0));
    dir.expired_logs(NOW).expect("due").run();
    assert!(dir.expired_logs(i64::MAX).is_none());
    assert!(names(&home.platform, &home.path).iter().all(|n| !n.ends_with("-delete")));
}

#[test]
fn a_stray_is_kept() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 3);
    close(dir, log);
    let (dir, _) = home.open();
    let log = dir.take_unclaimed("t", 0).expect("there");
    let aside = dir.put_aside(log).expect("renamed");
    assert!(aside.join("00000000000000000000.log").exists());
    assert!(aside.display().to_string().ends_with("-stray"));
    create(&dir, LogConfig::default());
}

#[test]
fn checkpoints_are_kafkas_and_written_only_when_they_change() {
    let home = Home::new();
    let (dir, _) = home.open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 5);
    log.flush_now().expect("flushed");
    log.delete_records_before(2).expect("in range");
    log.view().set_high_watermark(4);
    dir.checkpoint().expect("written");
    let text = |name: &str| fs::read_to_string(home.path.join(name)).unwrap_or_default();
    assert_eq!(text("recovery-point-offset-checkpoint"), "0\n1\nt 0 5\n");
    assert_eq!(text("log-start-offset-checkpoint"), "0\n1\nt 0 2\n");
    assert_eq!(text("replication-offset-checkpoint"), "0\n1\nt 0 4\n");
    fs::remove_file(home.path.join("replication-offset-checkpoint")).expect("removed");
    dir.checkpoint().expect("nothing to do");
    assert_eq!(text("replication-offset-checkpoint"), "", "an unchanged checkpoint is not written again");
    log.view().set_high_watermark(5);
    dir.checkpoint_high_watermarks().expect("written");
    assert_eq!(text("replication-offset-checkpoint"), "0\n1\nt 0 5\n");
    drop((dir, log));
    let (dir, _) = home.open();
    let view = take(&dir, LogConfig::default()).view();
    assert_eq!((view.log_start_offset(), view.high_watermark(), view.durable_end_offset()), (2, 5, 5));
}

#[test]
fn a_thousand_logs_are_made_and_opened_quickly() {
    let home = Home::new();
    let (dir, _) = home.open();
    let config = Arc::new(LogConfig::default());
    let mut logs: Vec<_> = (0..1000)
        .map(|n| dir.create_log("many", n, TOPIC_ID, Arc::clone(&config), NOW).expect("created"))
        .collect();
    assert_eq!(dir.open_files_count(), 0, "an idle log holds no file open");
    for log in &mut logs {
        let ticket = log.close().expect("closed");
        run(log, ticket);
    }
    assert!(dir.close_clean(None).expect("closed"));
    drop((dir, logs));
    let (dir, report) = home.open();
    assert!(report.clean);
    assert_eq!((report.logs, report.scanned_bytes, dir.open_files_count()), (1000, 0, 0));
}

#[test]
fn open_files_are_bounded_and_flushed_before_they_are_closed() {
    let home = Home::new();
    let config = LogDirConfig { max_open_files: 5, ..dir_config() };
    let (dir, _) = LogDir::open(&home.platform, &home.path, &config, NOW).expect("opened");
    let mut logs: Vec<_> = (0..20)
        .map(|n| dir.create_log("many", n, TOPIC_ID, LogConfig::default(), NOW).expect("created"))
        .collect();
    logs.iter_mut().for_each(|log| fill(log, 0, 2));
    assert!(dir.open_files_count() <= 5, "{} files are open", dir.open_files_count());
    assert!(dir.take_crowded(), "files were flushed to be closed");
    logs.iter_mut().for_each(|log| log.flush_now().expect("flushed"));
    let mut late = dir.create_log("late", 0, TOPIC_ID, LogConfig::default(), NOW).expect("created");
    for n in 0..3 {
        // A file that was used since it was last looked at gets another round.
        late.roll(NOW).expect("rolled");
        fill(&mut late, n, 1);
        late.flush_now().expect("flushed");
    }
    assert!(dir.open_files_count() <= 5, "{} files are open", dir.open_files_count());
    for round in 0..3 {
        for log in &mut logs {
            assert_eq!(read_all(&log.view(), 0), filled(0, 2 + round));
            fill(log, 2 + round as usize, 1);
            log.flush_now().expect("flushed");
        }
    }
    assert!(dir.open_files_count() <= 6, "{} files are open", dir.open_files_count());
}

fn crowd(disk: &platform::sim::SimDisk) -> (LogDir, Vec<crate::UnifiedLog>) {
    let platform = platform::Platform { disk: Arc::new(disk.clone()), ..platform::Platform::sim(1) };
    let config = LogDirConfig { max_open_files: 5, ..dir_config() };
    let (dir, _) = LogDir::open(&platform, std::path::Path::new("/data"), &config, NOW).expect("opened");
    let found = dir.unclaimed().len();
    let logs = (0..40).map(|n| match found {
        0 => dir.create_log("many", n, TOPIC_ID, LogConfig::default(), NOW).expect("created"),
        _ => dir.take_log("many", n, TOPIC_ID, LogConfig::default()).expect("whole").expect("there"),
    });
    let logs = logs.collect();
    (dir, logs)
}

#[test]
fn more_logs_than_descriptors_are_written_read_and_recovered() {
    let disk = platform::sim::SimDisk::new(1);
    // Those of the segments, and a few for indexes, checkpoints and the write-ahead log.
    disk.set_descriptors_max(Some(12));
    let (dir, mut logs) = crowd(&disk);
    for round in 0..4 {
        logs.iter_mut().for_each(|log| fill(log, round, 1));
        assert!(dir.open_files_count() <= 5, "{} files are open", dir.open_files_count());
    }
    logs.iter().for_each(|log| assert_eq!(read_all(&log.view(), 0), filled(0, 4)));
    logs.iter_mut().for_each(|log| log.flush_now().expect("flushed"));
    drop((dir, logs));
    disk.crash();
    let (_, logs) = crowd(&disk);
    logs.iter().for_each(|log| assert_eq!(read_all(&log.view(), 0), filled(0, 4)));
}

#[test]
fn a_flush_that_makes_room_and_fails_takes_the_directory_offline() {
    let disk = platform::sim::SimDisk::new(1);
    let (dir, mut logs) = crowd(&disk);
    logs[..5].iter_mut().for_each(|log| fill(log, 0, 1));
    let action = platform::sim::DiskAction::Sync;
    disk.fail(platform::sim::DiskFault::nth(action, 1, platform::sim::DiskErrno::Io));
    let refused = logs[5].append_as_leader(&batch(&["x"]), 0, crate::AppendOrigin::Client, NOW);
    assert!(refused.is_err(), "nothing counts after a failed flush");
    assert!(dir.offline_reason().is_some());
}

#[test]
fn a_deletion_that_fails_can_be_tried_again() {
    let (disk, platform) = {
        let disk = platform::sim::SimDisk::new(1);
        (disk.clone(), platform::Platform { disk: Arc::new(disk), ..platform::Platform::sim(1) })
    };
    let path = std::path::Path::new("/data");
    let (dir, _) = LogDir::open(&platform, path, &dir_config(), NOW).expect("opened");
    let log = create(&dir, LogConfig::default());
    let action = platform::sim::DiskAction::Rename;
    disk.fail(platform::sim::DiskFault::nth(action, 1, platform::sim::DiskErrno::PermissionDenied));
    assert!(dir.delete_log(log, NOW).is_err());
    assert_eq!(dir.unclaimed().len(), 1);
    dir.delete_log(dir.take_unclaimed("t", 0).expect("there"), NOW).expect("deleted");
    assert!(dir.unclaimed().is_empty());
    create(&dir, LogConfig::default());
}
