//! What the write-ahead log promises, on a simulated disk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use platform::Platform;
use platform::sim::{DiskAction, DiskErrno, DiskFault, SimDisk};
use records::{BatchBuilder, BatchSettings};

use super::fixture::*;
use crate::inspect::{LossDecision, Target, WalRange, inspect, repair};
use crate::wal::{
    BLOCK_BYTES, BYPASS_BYTES, FRAME_HEAD_BYTES, FileUse, GROUP_HEAD_BYTES, GroupHead, finish_group,
};
use crate::{
    DurableEndListener, LogConfig, LogDir, LogDirConfig, RecoveryReport, UnifiedLog, WalConfig, WalTicket,
};

const SMALL: WalConfig = WalConfig {
    file_bytes_min: 16 << 10,
    file_bytes_max: 16 << 10,
    bytes_max: 32 << 10,
    checkpoint_bytes: 12 << 10,
    beside_bytes: 0,
};

struct Fixture {
    disk: SimDisk,
    platform: Platform,
    wal: WalConfig,
}

impl Fixture {
    fn new() -> Self {
        let disk = SimDisk::new(3);
        let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::sim(3) };
        Self {
            disk,
            platform,
            wal: WalConfig { file_bytes_min: 64 << 10, beside_bytes: 0, ..WalConfig::default() },
        }
    }

    fn open(&self) -> (LogDir, RecoveryReport) {
        let config = LogDirConfig { wal: self.wal, ..dir_config() };
        LogDir::open(&self.platform, Path::new("/data"), &config, NOW).expect("the directory opens")
    }

    fn power_cut(&self) {
        self.disk.crash();
    }
}

fn durable() -> LogConfig {
    LogConfig { durable: true, ..LogConfig::default() }
}

fn run_all(dir: &LogDir) {
    dir.wal_ticket().into_iter().for_each(WalTicket::run_all);
}

fn ends(log: &UnifiedLog) -> (i64, i64, i64) {
    let view = log.view();
    (view.recovery_point(), view.durable_end_offset(), view.log_end_offset())
}

#[test]
fn an_append_is_durable_after_its_group_and_survives_a_power_cut() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    fill(&mut log, 0, 3);
    assert_eq!(ends(&log), (0, 0, 3));
    run_all(&dir);
    assert_eq!(ends(&log), (0, 3, 3), "no segment was flushed");
    fill(&mut log, 3, 1);
    f.power_cut();
    drop((dir, log));
    let (dir, report) = f.open();
    assert!(report.wal.groups >= 1 && report.damaged.is_empty(), "{report:?}");
    let log = take(&dir, durable());
    assert!(ends(&log).1 >= 3);
    assert_eq!(read_all(&log.view(), 0)[..3], filled(0, 3));
}

#[test]
fn a_large_batch_is_flushed_where_it_lies() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, LogConfig { max_message_bytes: 4 << 20, ..durable() });
    let large = "x".repeat(BYPASS_BYTES);
    append(&mut log, &batch(&[&large]));
    append(&mut log, &batch(&["small"]));
    run_all(&dir);
    assert_eq!(ends(&log), (0, 2, 2));
    let in_wal: usize =
        f.disk.files().iter().filter(|(p, _)| p.starts_with("/data/klamm-wal-0")).map(|(_, b)| b.len()).sum();
    assert!(in_wal <= 64 << 10, "the batch is not copied: {in_wal}");
    f.power_cut();
    drop((dir, log));
    let (dir, report) = f.open();
    assert_eq!((report.wal.confirmed_batches + report.wal.restored_batches, report.damaged.len()), (2, 0));
    let values = read_all(&take(&dir, durable()).view(), 0);
    assert_eq!(values, [(0, large), (1, "small".to_owned())]);
}

/// A flush that finds nothing to write still empties the disk's cache.
#[test]
fn large_batches_of_a_group_share_the_flush_of_their_segment() {
    let calls = |batches: usize| {
        let f = Fixture::new();
        let (dir, _) = f.open();
        let mut log = create(&dir, LogConfig { max_message_bytes: 4 << 20, ..durable() });
        let large = "x".repeat(BYPASS_BYTES);
        for _ in 0..batches {
            append(&mut log, &batch(&[&large]));
        }
        let before = f.disk.effects();
        run_all(&dir);
        let calls = f.disk.effects() - before;
        assert_eq!(ends(&log).1, batches as i64);
        f.power_cut();
        drop((dir, log));
        let (dir, report) = f.open();
        assert_eq!(report.damaged, []);
        assert_eq!(read_all(&take(&dir, durable()).view(), 0).len(), batches);
        calls
    };
    assert_eq!(calls(1), calls(4));
}

/// Then the next file gets its place without being written, and a group may be torn where nothing ever was.
#[test]
fn files_for_large_groups_are_as_good_as_files_of_zeros() {
    for seed in 0..8 {
        let f = Fixture { disk: SimDisk::new(seed), ..Fixture::new() };
        let wal = WalConfig { file_bytes_min: 1 << 20, ..WalConfig::default() };
        let f =
            Fixture { platform: Platform { disk: Arc::new(f.disk.clone()), ..Platform::sim(3) }, wal, ..f };
        let (dir, _) = f.open();
        let mut log = create(&dir, durable());
        let large = "x".repeat(BYPASS_BYTES / 2);
        for _ in 0..20 {
            append(&mut log, &batch(&[&large]));
            append(&mut log, &batch(&[&large]));
            run_all(&dir);
        }
        let promised = ends(&log).1;
        assert_eq!(promised, 40);
        append(&mut log, &batch(&[&large]));
        assert!(wal_files(&f).len() > 2, "{:?}", wal_files(&f));
        f.power_cut();
        drop((dir, log));
        let (dir, report) = f.open();
        assert_eq!(report.damaged, [], "seed {seed}");
        let log = take(&dir, durable());
        let values = read_all(&log.view(), 0);
        assert!(values.len() >= 40 && values.iter().all(|(_, value)| *value == large), "seed {seed}");
    }
}

/// What lies before it in a segment that was rolled a moment ago is only in the write-ahead log and in the page cache.
#[test]
fn a_large_batch_after_a_roll_does_not_lie_behind_a_hole() {
    for seed in 0..12 {
        let f = Fixture { disk: SimDisk::new(seed), ..Fixture::new() };
        let f = Fixture { platform: Platform { disk: Arc::new(f.disk.clone()), ..Platform::sim(3) }, ..f };
        let (dir, _) = f.open();
        let mut log = create(&dir, LogConfig { max_message_bytes: 4 << 20, ..durable() });
        fill(&mut log, 0, 3);
        run_all(&dir);
        log.roll(NOW).unwrap();
        let large = "x".repeat(BYPASS_BYTES);
        append(&mut log, &batch(&[&large]));
        run_all(&dir);
        assert_eq!(ends(&log), (0, 4, 4));
        f.power_cut();
        drop((dir, log));
        let (dir, report) = f.open();
        assert_eq!(report.damaged, [], "seed {seed}");
        let values = read_all(&take(&dir, durable()).view(), 0);
        assert_eq!(values.len(), 4, "seed {seed}: {report:?}");
        assert_eq!((&values[..3], &values[3]), (&filled(0, 3)[..], &(3, large)), "seed {seed}");
    }
}

#[test]
fn a_large_batch_that_is_not_as_it_was_flushed_is_damage_even_in_the_last_group() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, LogConfig { max_message_bytes: 4 << 20, ..durable() });
    append(&mut log, &batch(&[&"x".repeat(BYPASS_BYTES)]));
    run_all(&dir);
    drop((dir, log));
    f.power_cut();
    f.disk.damage(Path::new("/data/t-0/00000000000000000000.log"), |bytes| bytes[1_000] ^= 1).unwrap();
    let (_, report) = f.open();
    assert_eq!(report.damaged.len(), 1, "{report:?}");
}

#[test]
fn a_file_whose_header_is_rotten_is_put_aside() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    fill(&mut log, 0, 3);
    run_all(&dir);
    f.power_cut();
    drop((dir, log));
    let path = Path::new("/data/klamm-wal-0");
    let mut whole = Vec::new();
    f.disk
        .damage(path, |bytes| {
            // One of the two headers is enough.
            bytes[20] ^= 1;
        })
        .unwrap();
    let half = f.disk.fork(1);
    f.disk
        .damage(path, |bytes| {
            bytes[2048 + 20] ^= 1;
            whole.clone_from(bytes);
        })
        .unwrap();
    let platform = Platform { disk: Arc::new(half), ..Platform::sim(1) };
    let (_, report) = LogDir::open(&platform, Path::new("/data"), &dir_config(), NOW).unwrap();
    assert_eq!(report.wal.groups, 1, "{report:?}");
    let (_, report) = f.open();
    assert_eq!(report.wal.groups, 0, "{report:?}");
    assert_eq!(report.foreign, Vec::<std::path::PathBuf>::new(), "the name is known");
    let files = f.disk.files();
    let aside: Vec<_> = files.iter().filter(|(path, _)| path.ends_with("klamm-wal-0.cut")).collect();
    assert_eq!(aside.len(), 1, "what it held is there for a person");
    assert_eq!(aside[0].1, whole);
}

/// Small files have taken all the room that there is: a large group must not wait for ever.
#[test]
fn a_large_group_finds_a_place_beside_small_files() {
    let wal = WalConfig {
        file_bytes_min: 64 << 10,
        file_bytes_max: 64 << 10,
        bytes_max: 4 << 20,
        checkpoint_bytes: 64 << 20,
        beside_bytes: 0,
    };
    let f = Fixture { wal, ..Fixture::new() };
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    let (small, large) = ("x".repeat(40_000), "y".repeat(200_000));
    while !dir.is_wal_checkpoint_due() {
        append(&mut log, &batch(&[&small]));
        run_all(&dir);
    }
    (0..5).for_each(|_| _ = append(&mut log, &batch(&[&large])));
    for round in 0..3 {
        run_all(&dir);
        let ticket = log.flush().unwrap();
        run(&mut log, ticket);
        dir.checkpoint().unwrap();
        dir.release_wal();
        run_all(&dir);
        assert!(dir.is_wal_idle(), "round {round}: {}", dir.wal_state());
        append(&mut log, &batch(&[&large]));
    }
    let bytes: usize = wal_files(&f).iter().map(|(_, bytes)| *bytes).sum();
    assert!(bytes <= 4 << 20, "{bytes}");
}

/// What only the write-ahead log has of a damaged log stays, even if nothing tells any more whose it is.
#[test]
fn frames_of_a_damaged_log_without_a_topic_id_are_kept() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    fill(&mut log, 0, 3);
    let ticket = log.flush().unwrap();
    run(&mut log, ticket);
    dir.checkpoint().unwrap();
    fill(&mut log, 3, 2);
    run_all(&dir);
    drop((dir, log));
    f.power_cut();
    f.disk.damage(Path::new("/data/t-0/00000000000000000000.log"), |bytes| bytes.truncate(100)).unwrap();
    f.disk.damage(Path::new("/data/t-0/partition.metadata"), |bytes| bytes[0] ^= 1).unwrap();
    let (_, report) = f.open();
    assert_eq!(report.damaged.len(), 1, "{report:?}");
    assert!(f.disk.files().iter().any(|(path, _)| path.ends_with("klamm-wal-0.cut")), "{report:?}");
}

#[test]
fn files_are_used_again_only_after_a_checkpoint() {
    let f = Fixture { wal: SMALL, ..Fixture::new() };
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    let mut count = 0;
    while !dir.is_wal_checkpoint_due() {
        fill(&mut log, count, 1);
        count += 1;
        run_all(&dir);
    }
    // More than fits: the groups wait.
    for number in count..count + 20 {
        fill(&mut log, number, 1);
        run_all(&dir);
    }
    let (_, waiting, end) = ends(&log);
    assert!(waiting < end, "the ring is full: {waiting} of {end}");
    let ticket = log.flush().unwrap();
    run(&mut log, ticket);
    run_all(&dir);
    assert!(!dir.is_wal_idle(), "what the checkpoint file does not tell is still needed");
    dir.checkpoint().unwrap();
    assert!(dir.release_wal());
    run_all(&dir);
    assert!(dir.is_wal_idle());
    let files = f.disk.files().into_iter().filter(|(p, _)| p.to_string_lossy().contains("klamm-wal-"));
    assert!(files.map(|(_, bytes)| bytes.len() as u64).sum::<u64>() <= SMALL.bytes_max);
}

fn wal_files(f: &Fixture) -> Vec<(std::path::PathBuf, usize)> {
    let files = f.disk.files().into_iter().filter(|(path, _)| path.to_string_lossy().contains("klamm-wal-"));
    files.map(|(path, bytes)| (path, bytes.len())).collect()
}

#[test]
fn after_a_power_cut_groups_go_on_in_the_last_file() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    fill(&mut log, 0, 3);
    run_all(&dir);
    let files = wal_files(&f);
    drop((dir, log));
    for life in 1..4 {
        f.power_cut();
        let (dir, report) = f.open();
        assert_eq!((report.wal.groups, report.wal.lost_groups), (life, Vec::new()));
        let mut log = take(&dir, durable());
        assert_eq!(ends(&log).1, 2 + life as i64);
        fill(&mut log, 2 + life as usize, 1);
        let ticket = dir.wal_ticket().expect("the group needs no new file");
        ticket.run();
        assert_eq!(ends(&log).1, 3 + life as i64, "the first ticket was the group itself");
        assert_eq!(wal_files(&f), files);
    }
}

#[test]
fn files_that_hold_nothing_that_is_needed_are_not_read() {
    let f = Fixture { wal: WalConfig { bytes_max: 96 << 10, ..SMALL }, ..Fixture::new() };
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    let mut count = 0;
    let mut add = |log: &mut UnifiedLog, groups: usize| {
        for number in count..count + groups {
            fill(log, number, 1);
            run_all(&dir);
        }
        count += groups;
    };
    // A file holds three.
    add(&mut log, 13);
    let ticket = log.flush().unwrap();
    run(&mut log, ticket);
    dir.checkpoint().unwrap();
    dir.release_wal();
    // Into a file that is free again; the others keep what was in them.
    add(&mut log, 4);
    assert_eq!(ends(&log), (13, 17, 17));
    drop((dir, log));
    f.power_cut();
    let (dir, report) = f.open();
    assert_eq!(ends(&take(&dir, durable())).2, 17);
    assert_eq!(
        (report.wal.groups, report.wal.lost_groups),
        (5, Vec::new()),
        "those from the checkpoint's on"
    );
}

#[test]
fn a_clean_stop_leaves_no_file_and_a_killed_process_loses_nothing() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    fill(&mut log, 0, 5);
    run_all(&dir);
    drop((dir, log));
    f.disk.release_locks();
    let (dir, report) = f.open();
    assert_eq!((report.wal.confirmed_batches, report.wal.restored_batches), (5, 0), "{report:?}");
    let mut log = take(&dir, durable());
    fill(&mut log, 5, 1);
    run_all(&dir);
    close(dir, log);
    assert!(!f.disk.files().iter().any(|(p, _)| p.to_string_lossy().contains("klamm-wal-")));
    let (dir, report) = f.open();
    assert!(report.clean && report.wal.groups == 0);
    assert_eq!(read_all(&take(&dir, durable()).view(), 0), filled(0, 6));
}

/// A flipped bit in a group that a later one proves takes its log offline, unless the segment still has the batch.
#[test]
fn a_lost_group_that_was_durable_is_damage() {
    for segment_survives in [false, true] {
        let f = Fixture::new();
        let (dir, _) = f.open();
        let mut log = create(&dir, durable());
        for number in 0..4 {
            fill(&mut log, number, 1);
            run_all(&dir);
        }
        if segment_survives {
            log.view().segments()[0].file(log.view().directory(), false).unwrap().sync_data().unwrap();
        }
        drop((dir, log));
        f.power_cut();
        let damage = |bytes: &mut Vec<u8>| bytes[3 * 4096 + 70] ^= 1;
        f.disk.damage(Path::new("/data/klamm-wal-0"), damage).unwrap();
        if !segment_survives {
            f.disk.damage(Path::new("/data/t-0/00000000000000000000.log"), |bytes| bytes.truncate(75)).ok();
        }
        let (_, report) = f.open();
        assert_eq!(report.wal.lost_groups.len(), 1, "{report:?}");
        assert_eq!(report.damaged.is_empty(), segment_survives, "{report:?}");
    }
}

/// A group as a client could make it that knows everything but the random number of the file's use.
/// A slow disk may take seconds for a file that nobody needs any more.
#[test]
fn a_stop_while_a_file_is_made_waits_for_it_or_is_not_clean() {
    for ends_before in [false, true] {
        let f = Fixture::new();
        let (dir, _) = f.open();
        let mut log = create(&dir, durable());
        fill(&mut log, 0, 3);
        let making = dir.wal_ticket().expect("there is no file yet");
        assert!(dir.is_wal_writing(), "who stops waits for it");
        let last = log.close().expect("the log closes");
        run(&mut log, last);
        if ends_before {
            dir.end_wal();
            making.run();
            assert!(dir.wal_ticket().is_none() && !dir.is_wal_writing());
            assert_eq!(wal_files(&f), [], "it was given up");
            assert!(dir.close_clean(None).expect("closed"));
        } else {
            assert!(!dir.close_clean(None).expect("closed"));
            making.run();
        }
        drop((dir, log));
        let (dir, report) = f.open();
        assert_eq!((report.clean, report.damaged.len()), (ends_before, 0));
        assert_eq!(read_all(&take(&dir, durable()).view(), 0), filled(0, 3));
    }
}

fn forged_group() -> Vec<u8> {
    let mut bytes = vec![0; GROUP_HEAD_BYTES];
    let of_use = FileUse { sequence: 1, salt: 0 };
    let head = GroupHead { of_use, number: 50, proven: 49, needed_from: 1, frames: 0 };
    finish_group(&mut bytes, 0, &head, &[]);
    bytes
}

#[test]
fn what_a_client_wrote_is_not_taken_for_a_group() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    fill(&mut log, 0, 1);
    run_all(&dir);
    let forged = forged_group();
    let value_of = |padding: usize| [vec![b'x'; padding], forged.clone()].concat();
    let batch_of = |value: &[u8]| {
        let mut builder = BatchBuilder::new(BatchSettings::default());
        builder.append(None, Some(value), &[], NOW).expect("the record fits");
        builder.build().expect("the batch is sound")
    };
    let before_body = GROUP_HEAD_BYTES + FRAME_HEAD_BYTES;
    let padding = (4096..8192).find(|padding| {
        let batch = batch_of(&value_of(*padding));
        let at = batch.windows(forged.len()).position(|bytes| bytes == forged);
        at.is_some_and(|at| (before_body + at).is_multiple_of(BLOCK_BYTES))
    });
    append(&mut log, &batch_of(&value_of(padding.expect("some padding brings it to a block"))));
    run_all(&dir);
    drop((dir, log));
    f.power_cut();
    let outer = 2 * BLOCK_BYTES;
    let tear = |bytes: &mut Vec<u8>| {
        assert!(bytes[outer + BLOCK_BYTES..].chunks(BLOCK_BYTES).any(|block| block.starts_with(&forged)));
        bytes[outer + 70] ^= 1;
    };
    f.disk.damage(Path::new("/data/klamm-wal-0"), tear).unwrap();
    let (_, report) = f.open();
    assert_eq!(report.wal.groups, 1, "{report:?}");
    assert!(report.wal.lost_groups.is_empty() && report.damaged.is_empty(), "{report:?}");
}

#[test]
fn a_torn_last_group_was_promised_to_nobody() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    fill(&mut log, 0, 1);
    run_all(&dir);
    fill(&mut log, 1, 1);
    run_all(&dir);
    drop((dir, log));
    f.power_cut();
    f.disk.damage(Path::new("/data/klamm-wal-0"), |bytes| bytes[2 * 4096 + 70] ^= 1).unwrap();
    let (dir, report) = f.open();
    assert!(report.wal.lost_groups.is_empty() && report.damaged.is_empty(), "{report:?}");
    assert!(ends(&take(&dir, durable())).2 >= 1);
}

/// As [`DurableEndListener`], counts.
#[derive(Default)]
struct Told(AtomicUsize);

impl DurableEndListener for Told {
    fn durable_end_moved(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_flush_of_the_segments_does_not_hide_the_group_behind_it() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    let told = Arc::new(Told::default());
    let listener: Arc<dyn DurableEndListener> = told.clone();
    log.view().set_listener(Arc::downgrade(&listener));
    fill(&mut log, 0, 1);
    log.flush_now().unwrap();
    assert_eq!((ends(&log), told.0.load(Ordering::SeqCst)), ((1, 1, 1), 0));
    run_all(&dir);
    assert_eq!(told.0.load(Ordering::SeqCst), 1, "who waits must look");
}

#[test]
fn an_error_takes_the_directory_offline_and_tells_who_waits() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    let told = Arc::new(Told::default());
    let listener: Arc<dyn DurableEndListener> = told.clone();
    log.view().set_listener(Arc::downgrade(&listener));
    fill(&mut log, 0, 1);
    run_all(&dir);
    assert_eq!(told.0.load(Ordering::SeqCst), 1);
    fill(&mut log, 1, 1);
    f.disk.fail(DiskFault::always(DiskAction::Write, DiskErrno::Io).on("klamm-wal"));
    run_all(&dir);
    assert_eq!(told.0.load(Ordering::SeqCst), 2, "who waits is told of the end");
    assert_eq!(ends(&log), (0, 1, 2), "nothing is called durable");
    assert!(dir.offline_reason().is_some());
    f.disk.heal();
    run_all(&dir);
    assert_eq!(ends(&log).1, 1, "and nothing is tried again");
}

#[test]
fn a_log_that_becomes_durable_is_durable_from_its_beginning() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, LogConfig::default());
    fill(&mut log, 0, 3);
    log.update_config(durable()).unwrap();
    fill(&mut log, 3, 1);
    run_all(&dir);
    f.power_cut();
    drop((dir, log));
    let (dir, _) = f.open();
    assert_eq!(read_all(&take(&dir, durable()).view(), 0), filled(0, 4));
}

/// Several writers, groups written by other threads, a ring that is full all the time: everything becomes durable.
#[test]
fn a_busy_ring_never_stalls() {
    let home = Home::new();
    let config = LogDirConfig { wal: SMALL, ..dir_config() };
    let (dir, _) = LogDir::open(&home.platform, &home.path, &config, NOW).unwrap();
    let dir = Arc::new(dir);
    let logs: Vec<_> = (0..3)
        .map(|partition| {
            Arc::new(parking_lot::Mutex::new(
                dir.create_log("t", partition, TOPIC_ID, durable(), NOW).expect("created"),
            ))
        })
        .collect();
    std::thread::scope(|scope| {
        let writers: Vec<_> = logs
            .iter()
            .map(|log| {
                let log = Arc::clone(log);
                scope.spawn(move || {
                    for number in 0..200 {
                        let ticket = {
                            let mut log = log.lock();
                            append(&mut log, &batch(&[&"x".repeat(700 + number)]));
                            log.view().wal_ticket()
                        };
                        ticket.into_iter().for_each(WalTicket::run_all);
                    }
                })
            })
            .collect();
        let checkpointer = scope.spawn(|| {
            let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
            let all_durable = || {
                logs.iter().all(|log| {
                    let view = log.lock().view();
                    view.log_end_offset() == 200 && view.durable_end_offset() == 200
                })
            };
            while !all_durable() {
                assert!(std::time::Instant::now() < end, "stalled: {:?}", dir.wal_state());
                for log in &logs {
                    let ticket = log.lock().flush().unwrap();
                    if let Some(ticket) = ticket {
                        ticket.run().unwrap();
                        log.lock().mark_durable(&ticket);
                    }
                }
                dir.checkpoint().unwrap();
                dir.release_wal();
                run_all(&dir);
            }
        });
        writers.into_iter().for_each(|writer| writer.join().expect("writes"));
        checkpointer.join().expect("everything becomes durable");
    });
}

#[test]
fn what_a_damaged_log_lacks_stays_on_disk() {
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    fill(&mut log, 0, 3);
    log.flush_now().expect("flushed");
    dir.checkpoint().expect("written");
    fill(&mut log, 3, 2);
    run_all(&dir);
    assert_eq!(ends(&log), (3, 5, 5), "the rest is in the write-ahead log alone");
    drop((dir, log));
    f.power_cut();
    let segment = Path::new("/data/t-0/00000000000000000000.log");
    f.disk.damage(segment, |bytes| bytes.truncate(10)).expect("there");
    let (dir, report) = f.open();
    assert_eq!(report.damaged.len(), 1, "{report:?}");
    dir.close_clean(None).expect("closed");
    let kept = f.disk.files().into_iter().any(|(path, bytes)| {
        path.to_string_lossy().contains("klamm-wal-") && bytes.windows(11).any(|part| part == b"value-00004")
    });
    assert!(kept, "{:?}", names(&f.platform, Path::new("/data")));
    drop(dir);
    // Whoever mends the log gets it back.
    let target = Target::of(&f.disk, Path::new("/data/t-0")).expect("a target");
    let log = inspect(&f.disk, &target, &mut |_| {}).expect("readable").logs.remove(0);
    let decision = LossDecision { user: "somebody".to_owned(), now_ms: NOW };
    let repaired = repair(&f.disk, &target, &log, Some(&decision)).expect("repaired");
    assert_eq!(repaired.restored, Some(WalRange { first_offset: 3, end_offset: 5 }));
    let (dir, report) = f.open();
    assert!(report.damaged.is_empty(), "{report:?}");
    let log = take(&dir, durable());
    assert_eq!(read_all(&log.view(), 0), filled(3, 5), "the first three are lost, and nothing else");
}

/// A batch whose first records were deleted, whose segment is lost, and before which the write-ahead log confirms a batch
/// of another log in a later leader epoch.
#[test]
fn a_batch_across_the_log_start_is_not_taken_for_history() {
    const OTHER_ID: protocol::Uuid = protocol::Uuid([3; 16]);
    let f = Fixture::new();
    let (dir, _) = f.open();
    let mut log = create(&dir, durable());
    let mut other = dir.create_log("other", 0, OTHER_ID, durable(), NOW).expect("new");
    append_in(&mut other, &batch(&["later"]), 7);
    append_in(&mut log, &batch(&["a", "b", "c", "d", "e"]), 0);
    run_all(&dir);
    commit(&log);
    log.delete_records_before(2).expect("in range");
    dir.checkpoint_log_starts().expect("written");
    let ticket = other.flush().expect("prepared");
    run(&mut other, ticket);
    f.power_cut();
    drop((dir, log, other));
    for (path, _) in f.disk.files() {
        if path.starts_with("/data/t-0") && path.extension().is_some_and(|suffix| suffix == "log") {
            f.disk.damage(&path, |bytes| bytes.fill(0)).expect("there");
        }
    }
    let (dir, report) = f.open();
    assert!(report.damaged.is_empty(), "{report:?}");
    let view = take(&dir, durable()).view();
    assert_eq!((view.log_start_offset(), view.log_end_offset()), (2, 5));
    let values: Vec<String> = read_all(&view, 2).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["c", "d", "e"]);
}
