//! A log that is flushed by itself, with a second copy of its end: stops at every call to the disk, and rot in every byte.

use std::path::Path;
use std::sync::Arc;

use platform::Platform;
use platform::sim::{DiskAction, DiskConfig, DiskErrno, DiskFault, SimDisk};

use super::fixture::*;
use super::stops::{Stop, Stoppable, every_stop};
use crate::{
    AppendOrigin, LogConfig, LogDir, LogDirConfig, RecoveryReport, StorageError, TAIL_FILE, UnifiedLog,
    inspect,
};

#[derive(Debug, Clone, Copy)]
enum Op {
    Append,
    /// As its owner does: both flushes, or the one and then the recovery point or a mark; then it is promised.
    Promise,
    /// From here on there is no space for a recovery point.
    Full,
    Checkpoint,
    Roll,
    Restart,
    Truncate,
    ReopenCleanly,
}

struct Run {
    disk: SimDisk,
    /// Whose value is at which offset, and up to where it was promised.
    values: Vec<String>,
    promised: usize,
    appended: usize,
    /// Promises that were made by a copy, and by a mark.
    copies: usize,
    marks: usize,
}

fn config() -> LogConfig {
    LogConfig { copies_tail: true, index_interval_bytes: 100, ..LogConfig::default() }
}

fn open(disk: &SimDisk) -> Result<(LogDir, RecoveryReport), StorageError> {
    let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::sim(1) };
    LogDir::open(&platform, Path::new("/data"), &LogDirConfig { ..dir_config() }, NOW)
}

fn open_log(disk: &SimDisk) -> Result<(LogDir, UnifiedLog), StorageError> {
    let (dir, _) = open(disk)?;
    let log = match dir.take_log("t", 0, TOPIC_ID, config())? {
        Some(log) => log,
        None => dir.create_log("t", 0, TOPIC_ID, config(), NOW)?,
    };
    commit(&log);
    Ok((dir, log))
}

impl Run {
    fn append(&mut self, log: &mut UnifiedLog) -> Result<(), crate::AppendError> {
        self.values.truncate(log.view().log_end_offset() as usize);
        let value = format!("value-{:04}", self.appended);
        self.appended += 1;
        self.values.push(value.clone());
        let epoch = (self.appended / 3) as i32;
        log.append_as_leader(&batch(&[&value]), epoch, AppendOrigin::Client, NOW)?;
        commit(log);
        Ok(())
    }

    fn promise(&mut self, dir: &LogDir, log: &mut UnifiedLog) -> Result<(), StorageError> {
        let Some(ticket) = log.flush()? else { return Ok(()) };
        let copy = log.copy_tail();
        // Either may come first.
        let mut is_copied = false;
        let is_copy_first = self.appended.is_multiple_of(2);
        if is_copy_first {
            is_copied = copy.as_ref().map_or(Ok(false), |copy| copy.run())?;
        }
        ticket.run()?;
        if !is_copy_first {
            is_copied = copy.as_ref().map_or(Ok(false), |copy| copy.run())?;
        }
        log.mark_durable(&ticket);
        if !is_copied {
            match dir.checkpoint_recovery_points() {
                Err(error) if error.is_full() => {
                    assert!(
                        log.mark_tail().expect("it has a second copy").run()?,
                        "its place was taken before"
                    );
                    self.marks += 1;
                }
                written => written?,
            }
        }
        self.copies += usize::from(is_copied);
        self.promised = log.view().recovery_point() as usize;
        Ok(())
    }

    fn run(&mut self, ops: &[Op]) -> Result<(LogDir, UnifiedLog), Box<dyn std::error::Error>> {
        let (mut dir, mut log) = open_log(&self.disk)?;
        for op in ops {
            match op {
                Op::Append => self.append(&mut log)?,
                Op::Promise => self.promise(&dir, &mut log)?,
                Op::Checkpoint => dir.checkpoint_recovery_points()?,
                Op::Full => {
                    let full = DiskFault::always(DiskAction::Write, DiskErrno::NoSpace);
                    self.disk.fail(full.on("recovery-point-offset-checkpoint"));
                }
                Op::Roll => _ = log.roll(NOW)?,
                Op::Restart => {
                    drop((dir, log));
                    self.disk.release_locks();
                    (dir, log) = open_log(&self.disk)?;
                }
                Op::Truncate => {
                    let end = log.view().log_end_offset() - 2;
                    self.promised = self.promised.min(end as usize);
                    log.truncate_to(end, &dir, NOW)?;
                    commit(&log);
                }
                Op::ReopenCleanly => {
                    if let Some(ticket) = log.close()? {
                        ticket.run()?;
                        log.mark_durable(&ticket);
                    }
                    self.promised = log.view().recovery_point() as usize;
                    assert!(dir.close_clean(None)?, "everything is durable");
                    drop((dir, log));
                    (dir, log) = open_log(&self.disk)?;
                }
            }
        }
        Ok((dir, log))
    }

    /// What is wrong with what a start finds on this disk.
    fn judge(&self, disk: &SimDisk) -> Result<UnifiedLog, String> {
        let (dir, report) = open(disk).map_err(|error| error.to_string())?;
        let log = dir.take_log("t", 0, TOPIC_ID, config()).map_err(|error| error.to_string())?;
        let Some(log) = log else {
            return Err(format!("the log is gone, and {} was promised", self.promised));
        };
        let view = log.view();
        commit(&log);
        let end = view.log_end_offset() as usize;
        if end < self.promised {
            return Err(format!("lost: it ends at {end}, and {} was promised: {report:?}", self.promised));
        }
        if end > self.values.len() {
            return Err(format!("lost: it ends at {end}"));
        }
        let mut next = view.log_start_offset();
        while next < view.log_end_offset() {
            let slice = view.read(next, 1 << 20, view.log_end_offset(), true);
            next = slice.map_err(|error| error.to_string())?.map_or(i64::MAX, |slice| slice.next_offset);
        }
        let found: Vec<String> = read_all(&view, 0).into_iter().map(|(_, value)| value).collect();
        if found != self.values[..end] {
            return Err(format!("lost: {found:?} is not {:?}", self.values));
        }
        Ok(log)
    }
}

impl Stoppable for Run {
    type Op = Op;

    fn new(seed: u64, disk: DiskConfig, _: bool) -> Self {
        let disk = SimDisk::with_config(seed, disk);
        Self { disk, values: Vec::new(), promised: 0, appended: 0, copies: 0, marks: 0 }
    }

    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn go(&mut self, ops: &[Op]) -> Result<(), Box<dyn std::error::Error>> {
        self.run(ops).map(drop)
    }

    fn check(&mut self, _: Stop) {
        self.disk.heal();
        match self.judge(&self.disk) {
            Ok(_) => {}
            Err(error) => assert!(self.promised == 0 && error.contains("is gone"), "{error}"),
        }
        self.disk.release_locks();
        // It goes on, also after one more loss of power.
        let (dir, mut log) = open_log(&self.disk).expect("it opens again");
        for _ in 0..3 {
            self.append(&mut log).expect("it goes on");
            self.promise(&dir, &mut log).expect("it goes on");
        }
        drop((dir, log));
        self.disk.crash();
        self.judge(&self.disk).expect("it opens again");
    }
}

const ROUND: [Op; 4] = [Op::Append, Op::Promise, Op::Append, Op::Promise];

#[test]
fn a_stop_at_any_call_loses_nothing_promised() {
    let mut ops = ROUND.to_vec();
    ops.extend([Op::Append, Op::Append, Op::Promise, Op::Checkpoint]);
    ops.extend(ROUND);
    ops.extend([Op::Roll, Op::Append, Op::Promise, Op::Append, Op::Roll, Op::Append, Op::Promise]);
    every_stop::<Run>(&ops, 3);
}

#[test]
fn nor_does_one_after_restarts_and_truncations() {
    let mut ops = ROUND.to_vec();
    ops.extend([Op::Append, Op::Restart]);
    ops.extend(ROUND);
    ops.extend([Op::Truncate]);
    ops.extend(ROUND);
    ops.extend([Op::ReopenCleanly]);
    ops.extend(ROUND);
    ops.extend([Op::Append, Op::Truncate, Op::Append, Op::Promise]);
    every_stop::<Run>(&ops, 2);
}

/// Two bits of every byte rot, of a log whose last promises are in no proof that counts yet.
fn rot(ops: &[Op], stop: Stop) {
    let mut run = Run::new(5, DiskConfig::default(), false);
    let parts = run.run(ops).expect("the disk works");
    assert!(run.copies > 3, "promised by copies: {}", run.copies);
    drop(parts);
    match stop {
        Stop::Kill => run.disk.release_locks(),
        Stop::Power => run.disk.crash(),
    }
    run.judge(&run.disk.fork(1)).expect("undamaged");
    let (mut damaged, mut refused, mut wrong) = (0, 0, Vec::new());
    for (path, bytes) in run.disk.files() {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        // Between copies and marks there is nothing.
        let is_in_use =
            |at: &usize| bytes[at / 512 * 512..used.min(at / 512 * 512 + 512)].iter().any(|byte| *byte != 0);
        for (at, bit) in (0..used).filter(is_in_use).flat_map(|at| [(at, 1), (at, 32)]) {
            let fork = run.disk.fork(1);
            fork.release_locks();
            fork.damage(&path, |bytes| bytes[at] ^= bit).expect("there");
            damaged += 1;
            match run.judge(&fork) {
                Err(error) if error.contains("lost") || error.contains("gone") => {
                    wrong.push(format!("{} byte {at} bit {bit}: {error}", path.display()));
                }
                Err(_) => refused += 1,
                Ok(_) => {}
            }
        }
    }
    assert!(damaged > 1000 && refused > 10, "{damaged}, {refused} refused");
    assert!(wrong.is_empty(), "{} of {damaged}: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}

fn lately_promised() -> Vec<Op> {
    let mut ops = vec![Op::Append, Op::Promise, Op::Checkpoint];
    ops.extend([ROUND, ROUND].concat());
    ops
}

#[test]
fn no_rotten_bit_takes_a_promise_back_after_a_kill() {
    rot(&lately_promised(), Stop::Kill);
}

#[test]
fn nor_after_a_loss_of_power() {
    rot(&lately_promised(), Stop::Power);
}

#[test]
fn nor_in_a_second_life_or_behind_a_roll() {
    let mut ops = lately_promised();
    ops.extend([Op::Restart, Op::Append, Op::Promise, Op::Append, Op::Promise]);
    ops.extend([Op::Roll, Op::Append, Op::Promise, Op::Append, Op::Promise]);
    rot(&ops, Stop::Power);
}

/// The first flush of a life and one with a roll in it, which have no copy, without space for a recovery point.
fn marked() -> Vec<Op> {
    let mut ops = lately_promised();
    ops.extend([Op::Full, Op::Append, Op::Restart, Op::Append, Op::Promise]);
    ops.extend([Op::Append, Op::Promise, Op::Append, Op::Roll, Op::Append, Op::Promise]);
    ops
}

#[test]
fn nor_where_a_mark_stands_for_the_recovery_point() {
    rot(&marked(), Stop::Kill);
    rot(&marked(), Stop::Power);
}

#[test]
fn a_stop_at_any_call_loses_nothing_marked() {
    let mut ops = vec![Op::Append, Op::Promise, Op::Checkpoint, Op::Append, Op::Promise, Op::Full];
    ops.extend([
        Op::Append,
        Op::Restart,
        Op::Append,
        Op::Promise,
        Op::Append,
        Op::Roll,
        Op::Append,
        Op::Promise,
    ]);
    ops.extend([Op::Append, Op::Roll, Op::Append, Op::Promise]);
    every_stop::<Run>(&ops, 1);
    let mut run = Run::new(5, DiskConfig::default(), false);
    run.run(&ops).expect("the disk works");
    assert!(run.marks > 2, "{} marks", run.marks);
}

/// A repair moves positions, of which the copy speaks.
#[test]
fn a_repair_uses_the_copy_up() {
    let mut run = Run::new(5, DiskConfig::default(), false);
    let parts = run.run(&lately_promised()).expect("the disk works");
    drop(parts);
    run.disk.crash();
    let log = Path::new("/data/t-0/00000000000000000000.log");
    run.disk
        .damage(log, |bytes| {
            bytes[70] ^= 1;
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
        })
        .expect("there");
    let target = inspect::Target::of(&run.disk, Path::new("/data/t-0")).expect("a target");
    let look = |disk: &SimDisk| inspect::look_again(disk, &target).expect("readable");
    assert_eq!(look(&run.disk).damages.len(), 1, "what is promised by the recovery point");
    let decision = inspect::LossDecision { user: "user".into(), now_ms: NOW };
    inspect::repair(&run.disk, &target, &look(&run.disk), Some(&decision)).expect("repaired");
    assert!(!run.disk.files().iter().any(|(path, _)| path.ends_with(TAIL_FILE)));
    let (_dir, mut log) = open_log(&run.disk).expect("it opens");
    let values: Vec<String> = read_all(&log.view(), 0).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, run.values[1..], "all but the first batch");
    run.append(&mut log).expect("it goes on");
}

#[test]
fn a_clean_stop_needs_no_copy() {
    let mut run = Run::new(5, DiskConfig::default(), false);
    let (dir, log) = run.run(&ROUND).expect("the disk works");
    close(dir, log);
    let path = Path::new("/data/t-0").join(TAIL_FILE);
    let frames =
        |disk: &SimDisk| disk.files().into_iter().find(|(at, _)| *at == path).map(|(_, bytes)| bytes);
    assert!(frames(&run.disk).is_some_and(|bytes| bytes[512..].iter().any(|byte| *byte != 0)));
    // Were it believed, it would put these bytes back.
    run.disk.damage(Path::new("/data/t-0/00000000000000000000.log"), |bytes| bytes[70] ^= 1).expect("there");
    let (_dir, report) = open(&run.disk).expect("it opens");
    assert!(report.clean && report.rebuilt.is_empty(), "{report:?}");
}
