//! Repairs of logs on a simulated disk, stopped at every call, and what a node finds afterwards.

use std::path::Path;
use std::sync::Arc;

use platform::Platform;
use platform::sim::{DiskConfig, SimDisk};
use records::{BatchSettings, end_txn_marker_batch};

use super::{LossDecision, RepairError, Repaired, repair};
use crate::inspect::{DirectoryInspection, Level, LogInspection, Target, inspect};
use crate::layout::{DATA_LOSS, QUARANTINE_SUFFIX};
use crate::tests::fixture::*;
use crate::tests::stops::{Stop, Stoppable, every_stop};
use crate::txn_index::{self, AbortedTxn};
use crate::{AppendOrigin, LogDir, UnifiedLog};

const PATH: &str = "/data";
const FIRST: &str = "/data/t-0/00000000000000000000.log";
const SECOND: &str = "/data/t-0/00000000000000000010.log";

/// A log of three segments of ten batches, closed cleanly, on a disk of its own.
struct Stopped {
    disk: SimDisk,
    platform: Platform,
}

impl Stopped {
    fn new(seed: u64, config: DiskConfig) -> Self {
        let made = Self::with_disk(SimDisk::with_config(seed, config));
        let (dir, _) = LogDir::open(&made.platform, Path::new(PATH), &dir_config(), NOW).expect("opens");
        let mut log = create(&dir, small(10 * batch(&["value-00000"]).len() as u32));
        fill(&mut log, 0, 30);
        close(dir, log);
        made
    }

    fn with_disk(disk: SimDisk) -> Self {
        let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::sim(1) };
        Self { disk, platform }
    }

    /// Flips a bit in the batch with this number of a segment.
    fn rot(&self, path: &str, batch_number: usize, byte: usize) {
        let size = batch(&["value-00000"]).len();
        self.disk.damage(Path::new(path), |bytes| bytes[batch_number * size + byte] ^= 0x10).expect("there");
    }

    fn look(&self) -> LogInspection {
        let target = Target::of(&self.disk, Path::new("/data/t-0")).expect("a target");
        let found: DirectoryInspection = inspect(&self.disk, &target, &mut |_| {}).expect("readable");
        found.logs.into_iter().next().expect("one log")
    }

    fn repair(&self, accept: bool) -> Result<Repaired, RepairError> {
        let target = Target::of(&self.disk, Path::new("/data/t-0")).expect("a target");
        let decision = LossDecision { user: "a \"user\"".to_owned(), now_ms: NOW };
        repair(&self.disk, &target, &self.look(), accept.then_some(&decision))
    }

    fn open(&self) -> (LogDir, UnifiedLog) {
        let (dir, report) =
            LogDir::open(&self.platform, Path::new(PATH), &dir_config(), NOW).expect("the directory opens");
        assert!(report.damaged.is_empty(), "{report:?}");
        (dir, take(&self.without_lock(), small(1 << 20)))
    }

    fn without_lock(&self) -> LogDir {
        let (dir, _) = LogDir::open(
            &Platform { disk: Arc::new(self.disk.fork(1)), ..Platform::sim(1) },
            Path::new(PATH),
            &dir_config(),
            NOW,
        )
        .expect("the directory opens");
        dir
    }

    fn quarantined(&self) -> Vec<Vec<u8>> {
        let files = self.disk.files();
        let is_kept = |path: &Path| path.to_string_lossy().ends_with(QUARANTINE_SUFFIX);
        files.into_iter().filter(|(path, _)| is_kept(path)).map(|(_, bytes)| bytes).collect()
    }

    fn losses(&self) -> Vec<String> {
        let files = self.disk.files();
        let audit = files.iter().find(|(path, _)| path.ends_with(DATA_LOSS));
        audit.map_or_else(Vec::new, |(_, bytes)| {
            String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
        })
    }
}

/// All values but those of the lost offsets.
fn all_but(lost: &[i64]) -> Vec<(i64, String)> {
    filled(0, 30).into_iter().filter(|(offset, _)| !lost.contains(offset)).collect()
}

#[test]
fn without_a_decision_nothing_is_lost() {
    let stopped = Stopped::new(1, DiskConfig::default());
    stopped.rot(FIRST, 4, 70);
    let before = stopped.disk.files();
    assert!(matches!(stopped.repair(false), Err(RepairError::WouldLose)));
    assert_eq!(stopped.disk.files(), before, "nothing was changed");
}

#[test]
fn a_repair_keeps_everything_but_the_damaged_batch() {
    let stopped = Stopped::new(1, DiskConfig::default());
    stopped.rot(FIRST, 4, 70);
    stopped.rot(SECOND, 9, 70);
    let repaired = stopped.repair(true).expect("repaired");
    assert_eq!((repaired.mended.len(), repaired.lost.len()), (0, 2));
    let log = stopped.look();
    assert_eq!(log.worst(), Some(Level::Note), "{log:?}");
    assert!(log.segments[0].proven_bytes == log.segments[0].bytes, "{log:?}");
    assert_eq!(stopped.quarantined().len(), 2);
    let losses = stopped.losses();
    assert_eq!(losses.len(), 2);
    let start = "{\"time_ms\":1700000000000,\"user\":\"a \\\"user\\\"\",\"log\":\"t-0\",\"first_offset\":4,\"end_offset\":5,";
    assert!(losses[0].starts_with(start), "{losses:?}");
    let (_dir, mut log) = stopped.open();
    assert_eq!(read_all(&log.view(), 0), all_but(&[4, 19]));
    assert_eq!(read_all(&log.view(), 4), all_but(&[4, 19]).split_off(4));
    append(&mut log, &batch(&["after"]));
    assert_eq!(log.view().log_end_offset(), 31, "offsets go on where they were");
}

#[test]
fn a_damaged_header_is_mended_without_a_loss() {
    let whole = Stopped::new(1, DiskConfig::default()).disk.files();
    for byte in [0, 5, 7, 8, 10, 11, 12, 15, 16] {
        let stopped = Stopped::new(1, DiskConfig::default());
        stopped.rot(FIRST, 4, byte);
        assert_eq!(stopped.look().worst(), Some(Level::Damage), "byte {byte}");
        let repaired = stopped.repair(false).unwrap_or_else(|error| panic!("byte {byte}: {error}"));
        assert_eq!((repaired.mended.len(), repaired.lost.len()), (1, 0));
        let bytes = |files: &[(std::path::PathBuf, Vec<u8>)]| {
            files.iter().find(|(path, _)| path.ends_with(FIRST)).map(|(_, bytes)| bytes.clone())
        };
        assert_eq!(bytes(&stopped.disk.files()), bytes(&whole), "byte {byte}");
    }
}

#[test]
fn what_is_missing_is_given_up_with_its_offsets() {
    let stopped = Stopped::new(1, DiskConfig::default());
    let third = Path::new("/data/t-0/00000000000000000020.log");
    platform::Disk::remove_file(&stopped.disk, third).expect("removed");
    stopped.repair(true).expect("repaired");
    assert_eq!(stopped.look().end_offset, 30);
    let (_dir, mut log) = stopped.open();
    assert_eq!(read_all(&log.view(), 0), filled(0, 20));
    append(&mut log, &batch(&["after"]));
    assert_eq!(log.view().log_end_offset(), 31, "no offset is used twice");
}

#[test]
fn all_segments_may_be_gone() {
    let stopped = Stopped::new(1, DiskConfig::default());
    for base in [0, 10, 20] {
        let path = format!("/data/t-0/{base:020}.log");
        platform::Disk::remove_file(&stopped.disk, Path::new(&path)).expect("removed");
    }
    stopped.repair(true).expect("repaired");
    let (_dir, log) = stopped.open();
    assert_eq!((read_all(&log.view(), 0), log.view().log_end_offset()), (Vec::new(), 30));
}

#[test]
fn wrong_small_files_are_made_anew() {
    for name in ["00000000000000000000.index", "00000000000000000010.timeindex", "leader-epoch-checkpoint"] {
        let stopped = Stopped::new(1, DiskConfig::default());
        let path = Path::new("/data/t-0").join(name);
        stopped.disk.damage(&path, |bytes| *bytes.last_mut().expect("not empty") ^= 0x30).expect("there");
        assert_eq!(stopped.look().worst(), Some(Level::Warning), "{name}");
        stopped.repair(false).expect("repaired");
        let log = stopped.look();
        assert_eq!(log.worst(), None, "{name}: {log:?}");
        let (_dir, log) = stopped.open();
        assert_eq!(read_all(&log.view(), 0), filled(0, 30));
    }
}

/// Producers 1 and 2 begin transactions side by side; that of 1 is aborted first, then the one of 2, then 1 commits one.
#[test]
fn an_unusable_index_of_aborted_transactions_is_made_anew() {
    let stopped = Stopped::with_disk(SimDisk::new(1));
    let (dir, _) = LogDir::open(&stopped.platform, Path::new(PATH), &dir_config(), NOW).expect("opens");
    let mut log = create(&dir, small(1 << 20));
    let mut add = |bytes: &[u8]| {
        log.append_as_leader(bytes, 0, AppendOrigin::Coordinator, NOW).expect("appended");
        commit(&log);
    };
    let data = |producer_id: i64, base_sequence: i32| {
        let settings = BatchSettings {
            producer_id,
            producer_epoch: 0,
            base_sequence,
            transactional: true,
            ..BatchSettings::default()
        };
        batch_with(settings, &[(NOW, "value")])
    };
    let marker = |producer_id: i64, commit: bool| {
        end_txn_marker_batch(0, 0, NOW, producer_id, 0, commit, 3).expect("a marker")
    };
    add(&data(1, 0));
    add(&data(2, 0));
    add(&data(1, 1));
    add(&marker(1, false));
    add(&marker(2, false));
    add(&data(1, 2));
    add(&marker(1, true));
    close(dir, log);
    let path = Path::new("/data/t-0/00000000000000000000.txnindex");
    platform::Disk::write_atomic(&stopped.disk, path, &[7; 50]).expect("written");
    assert_eq!(stopped.look().worst(), Some(Level::Damage));
    let repaired = stopped.repair(false).expect("nothing is lost");
    assert_eq!(repaired.rebuilt, [path]);
    let of = |producer_id, first_offset, last_offset, last_stable_offset| AbortedTxn {
        producer_id,
        first_offset,
        last_offset,
        last_stable_offset,
    };
    let found = txn_index::decode(&platform::Disk::read(&stopped.disk, path).expect("there"));
    assert_eq!(found, Ok(vec![of(1, 0, 3, 1), of(2, 1, 4, 5)]));
    assert_eq!(stopped.look().worst(), None);
}

/// Does something random to a file.
fn harm(bytes: &mut Vec<u8>, draw: &dyn Fn(usize) -> usize) {
    let (at, count) = (draw(bytes.len()), 1 + draw(200));
    let end = (at + count).min(bytes.len());
    match draw(6) {
        0 => bytes[at] ^= 1 << draw(8),
        1 => bytes.truncate(at),
        2 => bytes[at..end].fill(0),
        3 => bytes[at..end].iter_mut().for_each(|byte| *byte = draw(256) as u8),
        4 => _ = bytes.drain(at..end),
        _ => _ = bytes.splice(at..at, (0..count).map(|_| draw(256) as u8)),
    }
}

#[test]
fn whatever_happened_a_repair_leaves_a_log_that_opens_and_says_nothing_false() {
    let whole = Stopped::new(1, DiskConfig::default());
    for seed in 0..400 {
        let stopped = Stopped::with_disk(whole.disk.fork(seed));
        let rng = Platform::sim(seed).rng;
        let draw = |below: usize| (rng.next_u64() % below.max(1) as u64) as usize;
        for _ in 0..=draw(3) {
            let path = [FIRST, SECOND, "/data/t-0/00000000000000000020.log"][draw(3)];
            stopped.disk.damage(Path::new(path), |bytes| harm(bytes, &draw)).expect("there");
        }
        let was = stopped.look();
        stopped.repair(true).unwrap_or_else(|error| panic!("seed {seed}: {error}: {was:?}"));
        let log = stopped.look();
        assert!(log.worst().is_none_or(|worst| worst < Level::Damage), "seed {seed}: {log:?}");
        let (_dir, log) = stopped.open();
        assert_eq!(log.view().log_end_offset(), 30, "seed {seed}");
        let kept = read_all(&log.view(), 0);
        let untouched = filled(0, 30);
        assert!(kept.iter().all(|record| untouched.contains(record)), "seed {seed}: {kept:?}");
        let lost: i64 = was.damages.iter().map(|damage| damage.end_offset - damage.first_offset).sum();
        assert!(kept.len() as i64 >= 30 - lost, "seed {seed}: only what was called lost is: {was:?}");
    }
}

/// A repair of a batch that is lost, one that is mended and one that is lost in another segment.
struct Run {
    stopped: Stopped,
    was: usize,
}

impl Stoppable for Run {
    type Op = ();

    fn new(seed: u64, disk: DiskConfig, _durable: bool) -> Self {
        let stopped = Stopped::new(seed, disk);
        stopped.rot(FIRST, 4, 70);
        stopped.rot(FIRST, 6, 7);
        stopped.rot(SECOND, 9, 70);
        // From here on calls are counted.
        let stopped = Stopped::with_disk(stopped.disk.fork(seed));
        let was = stopped.look().damages.len();
        Run { stopped, was }
    }

    fn disk(&self) -> &SimDisk {
        &self.stopped.disk
    }

    fn go(&mut self, _ops: &[()]) -> Result<(), Box<dyn std::error::Error>> {
        let target = Target::of(&self.stopped.disk, Path::new("/data/t-0"))?;
        let _lock = target.lock(&self.stopped.disk)?;
        self.stopped.repair(true)?;
        Ok(())
    }

    fn check(&mut self, _stop: Stop) {
        assert_eq!(self.was, 3);
        let log = self.stopped.look();
        let kept = self.stopped.quarantined();
        let losses = self.stopped.losses();
        for (segment, range) in
            [(0, "\"first_offset\":4,\"end_offset\":5,"), (10, "\"first_offset\":19,\"end_offset\":20,")]
        {
            let damages = log.damages.iter().filter(|damage| damage.segment == segment).count();
            assert!(
                damages == 0 || damages == if segment == 0 { 2 } else { 1 },
                "as it was or repaired: {log:?}"
            );
            if damages == 0 {
                assert!(losses.iter().any(|line| line.contains(range)), "{losses:?}");
                let size = batch(&["value-00000"]).len();
                assert!(kept.iter().any(|bytes| bytes.len() == size), "{kept:?}");
            }
        }
        let readable: u64 = log.segments.iter().map(|segment| segment.records).sum();
        assert!(readable >= 27, "nothing that was whole is gone: {log:?}");
        self.stopped.repair(true).expect("repaired the second time");
        let log = self.stopped.look();
        // A file that was not finished may lie there until the next start.
        assert!(log.worst().is_none_or(|worst| worst == Level::Note), "{log:?}");
        let (_dir, log) = self.stopped.open();
        assert_eq!(read_all(&log.view(), 0), all_but(&[4, 19]));
    }
}

#[test]
fn a_stop_at_any_call_leaves_the_log_as_it_was_or_repaired() {
    every_stop::<Run>(&[], 3);
}
