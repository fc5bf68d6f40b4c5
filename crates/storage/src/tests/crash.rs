//! Stops at every call to the disk: by a kill, which keeps every written byte, and by a loss of power, which keeps what
//! was flushed and any part of the rest. Whatever is left, the log opens, gives back at least what it had called
//! durable and nothing it was not given, and goes on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use platform::sim::{DiskConfig, NameOrder, SimDisk};
use platform::{Platform, Rng};

use super::fixture::*;
use super::stops::{Stop, Stoppable, every_stop, stop_at};
use crate::{
    AppendOrigin, LogConfig, LogDir, LogDirConfig, LogView, RecoveryReport, StorageError, UnifiedLog,
    WalConfig, WalTicket,
};

const PATH: &str = "/data";
const PRODUCERS: u64 = 2;
/// So small that its files are used again and again.
pub const SMALL_WAL: WalConfig = WalConfig {
    file_bytes_min: 16 << 10,
    file_bytes_max: 24 << 10,
    bytes_max: 64 << 10,
    checkpoint_bytes: 24 << 10,
    beside_bytes: 0,
};

#[derive(Debug, Clone, Copy)]
enum Op {
    /// One batch of so many records, by this producer (0 is none).
    Append {
        producer: u64,
        records: usize,
    },
    Flush,
    Checkpoint,
    Roll,
    Retention,
    RemoveFiles,
    DeleteRecords,
    Truncate,
    ReopenCleanly,
    /// A kill and a start on the same page cache: what the disk has not flushed is still there, and may yet go.
    Restart,
    /// A flush of the segments, a checkpoint, and files freed, all while a group is written or a file is made.
    CheckpointBeside,
    Recreate,
}

/// What the log was told, whatever became of it.
#[derive(Default, Clone)]
struct Model {
    values: BTreeMap<i64, String>,
    /// Producer and sequence of each batch's last record, by its offset.
    sequences: BTreeMap<i64, (i64, i32)>,
    epochs: BTreeMap<i64, i32>,
    /// The offset after the last append that was confirmed.
    end: i64,
    durable: i64,
    next_sequence: [i32; PRODUCERS as usize + 1],
    incarnation: u8,
    appends: usize,
}

struct Run {
    disk: SimDisk,
    platform: Platform,
    model: Model,
    config: LogConfig,
    now_ms: i64,
}

impl Run {
    fn topic_id(&self) -> protocol::Uuid {
        protocol::Uuid([self.model.incarnation + 1; 16])
    }

    fn open(&self) -> Result<(LogDir, RecoveryReport), StorageError> {
        let config =
            LogDirConfig { log_config: Arc::new(self.config.clone()), wal: SMALL_WAL, ..dir_config() };
        LogDir::open(&self.platform, Path::new(PATH), &config, self.now_ms)
    }

    fn open_log(&self) -> Result<(LogDir, UnifiedLog), StorageError> {
        let (dir, _) = self.open()?;
        let log = match dir.take_log("t", 0, self.topic_id(), self.config.clone())? {
            Some(log) => log,
            None => dir.create_log("t", 0, self.topic_id(), self.config.clone(), self.now_ms)?,
        };
        commit(&log);
        Ok((dir, log))
    }

    fn append(
        &mut self,
        log: &mut UnifiedLog,
        producer: u64,
        records: usize,
    ) -> Result<(), crate::AppendError> {
        let model = &mut self.model;
        let values: Vec<String> =
            (0..records).map(|n| format!("{}-{}-{n}", model.incarnation, model.appends)).collect();
        let texts: Vec<&str> = values.iter().map(String::as_str).collect();
        let bytes = match producer {
            0 => batch_at(self.now_ms, &texts),
            id => idempotent(id as i64, 0, model.next_sequence[id as usize], &texts),
        };
        let offset = log.view().log_end_offset();
        let epoch = (model.appends / 5) as i32;
        // Noted before the call: a batch that was not confirmed may be there all the same.
        model.appends += 1;
        let last = offset + records as i64 - 1;
        model.values.extend(values.into_iter().enumerate().map(|(n, value)| (offset + n as i64, value)));
        model.epochs.insert(offset, epoch);
        if producer > 0 {
            let last_sequence = model.next_sequence[producer as usize] + records as i32 - 1;
            model.sequences.insert(last, (producer as i64, last_sequence));
        }
        log.append_as_leader(&bytes, epoch, AppendOrigin::Client, self.now_ms)?;
        commit(log);
        model.end = last + 1;
        model.next_sequence[producer as usize] += records as i32;
        Ok(())
    }

    /// Writes a group of the write-ahead log, if one waits, as another thread would; now and then the proof of the last one.
    fn pump(&mut self, dir: &LogDir, log: &UnifiedLog) -> Result<(), StorageError> {
        if dir.is_wal_checkpoint_due() {
            dir.checkpoint()?;
            dir.release_wal();
        }
        if self.now_ms % 4 == 0 {
            dir.prove_wal();
        }
        // Two on their way at a time, of which either may be written first.
        let (first, second) = (dir.wal_ticket(), dir.wal_ticket());
        let (first, second) = if self.now_ms % 2 == 0 { (first, second) } else { (second, first) };
        first.into_iter().chain(second).for_each(WalTicket::run);
        if dir.offline_reason().is_some() {
            return Err(StorageError::Unknown { log: log.view().name() });
        }
        self.model.durable = self.model.durable.max(log.view().durable_end_offset());
        Ok(())
    }

    fn truncate(&mut self, log: &mut UnifiedLog, dir: &LogDir) -> Result<(), StorageError> {
        let view = log.view();
        let wanted = view.log_end_offset() - 3;
        if wanted <= view.log_start_offset() {
            return Ok(());
        }
        // The bound may lie inside a batch, which then goes as a whole.
        self.model.durable = self.model.durable.min((wanted - 3).max(0));
        self.model.end = self.model.end.min((wanted - 3).max(0));
        log.truncate_to(wanted, dir, self.now_ms)?;
        commit(log);
        let end = view.log_end_offset();
        self.model.end = end;
        self.model.durable = view.durable_end_offset();
        self.model.values.split_off(&end);
        self.model.sequences.split_off(&end);
        self.model.epochs.split_off(&end);
        for producer in 1..=PRODUCERS as i64 {
            let last = self.model.sequences.values().rev().find(|(id, _)| *id == producer);
            self.model.next_sequence[producer as usize] = last.map_or(0, |(_, sequence)| sequence + 1);
        }
        Ok(())
    }

    fn close(&mut self, dir: &LogDir, log: &mut UnifiedLog) -> Result<(), StorageError> {
        while let Some(ticket) = dir.wal_ticket() {
            ticket.run_all();
        }
        if let Some(ticket) = log.close()? {
            ticket.run()?;
            log.mark_durable(&ticket);
        }
        self.model.durable = log.view().durable_end_offset();
        assert!(dir.close_clean(None)?, "everything is durable");
        Ok(())
    }

    /// The log, or `None` if the stop came before it was surely there.
    fn take_known(&self, dir: &LogDir) -> Option<UnifiedLog> {
        let unclaimed = dir.unclaimed();
        let known = unclaimed.first().is_some_and(|log| log.topic_id.is_none_or(|id| id == self.topic_id()));
        if !known {
            assert_eq!(self.model.durable, 0, "the log is gone: {unclaimed:?}");
            return None;
        }
        Some(take_as(dir, self.topic_id(), self.config.clone()))
    }

    fn check_content(&self, log: &UnifiedLog, view: &LogView, stop: Stop, report: &RecoveryReport) {
        let model = &self.model;
        let (start, end) = (view.log_start_offset(), view.log_end_offset());
        let floor = if stop == Stop::Kill { model.end } else { model.durable };
        assert!(end >= floor, "the log ends at {end}, and {floor} was promised: {report:?}");
        let expected: Vec<(i64, String)> =
            model.values.range(start..end.max(start)).map(|(o, v)| (*o, v.clone())).collect();
        assert_eq!(read_all(view, start), expected);
        for offset in (start..end).step_by(3) {
            assert_eq!(read_to(view, offset, end, 1).len() as i64, end - offset);
        }
        for (offset, epoch) in model.epochs.range(start..end) {
            assert_eq!(view.epoch_of_offset(*offset), Some(*epoch), "epoch of {offset}");
        }
        self.check_producers(log, start, end);
    }

    fn check_producers(&self, log: &UnifiedLog, start: i64, end: i64) {
        let active = log.active_producers();
        for producer in 1..=PRODUCERS as i64 {
            let of_it = |(_, (id, _)): &(&i64, &(i64, i32))| *id == producer;
            let last = self.model.sequences.range(..end).rfind(of_it).map(|(o, (_, s))| (*o, *s));
            let known = active.iter().find(|p| p.producer_id == producer).map(|p| p.last_sequence);
            match (last, known) {
                (Some((_, sequence)), Some(found)) => assert_eq!(found, sequence, "sequence of {producer}"),
                (Some((offset, _)), None) => assert!(offset < start, "producer {producer} is forgotten"),
                (None, found) => assert_eq!(found, None),
            }
        }
    }
}

fn take_as(dir: &LogDir, id: protocol::Uuid, config: LogConfig) -> UnifiedLog {
    dir.take_log("t", 0, id, config).expect("the log is sound").expect("the log is there")
}

impl Stoppable for Run {
    type Op = Op;

    fn new(seed: u64, disk: DiskConfig, durable: bool) -> Self {
        let disk = SimDisk::with_config(seed, disk);
        let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::sim(seed) };
        let config = LogConfig {
            segment_bytes: 500,
            index_interval_bytes: 100,
            retention_ms: -1,
            file_delete_delay_ms: 0,
            durable,
            ..LogConfig::default()
        };
        Self { disk, platform, model: Model::default(), config, now_ms: NOW }
    }

    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// Does the operations until one fails because the machine stopped.
    fn go(&mut self, ops: &[Op]) -> Result<(), Box<dyn std::error::Error>> {
        let (mut dir, mut log) = self.open_log()?;
        for op in ops {
            self.now_ms += 1;
            self.pump(&dir, &log)?;
            match *op {
                Op::Append { producer, records } => self.append(&mut log, producer, records)?,
                Op::Flush => {
                    if let Some(ticket) = log.flush()? {
                        ticket.run()?;
                        log.mark_durable(&ticket);
                        self.model.durable = log.view().durable_end_offset();
                    }
                }
                Op::Checkpoint => {
                    dir.checkpoint()?;
                    dir.release_wal();
                }
                Op::Roll => _ = log.roll(self.now_ms)?,
                Op::Retention => {
                    log.update_config(LogConfig { retention_bytes: 900, ..self.config.clone() })?;
                    log.retention(self.now_ms)?;
                }
                Op::RemoveFiles => {
                    log.expired_files(self.now_ms).into_iter().for_each(|ticket| ticket.run());
                    dir.expired_logs(self.now_ms).into_iter().for_each(|ticket| ticket.run());
                }
                Op::DeleteRecords => {
                    let view = log.view();
                    log.delete_records_before((view.log_start_offset() + view.high_watermark()) / 2)?;
                }
                Op::Truncate => self.truncate(&mut log, &dir)?,
                Op::ReopenCleanly => {
                    self.close(&dir, &mut log)?;
                    drop((dir, log));
                    (dir, log) = self.open_log()?;
                }
                Op::Restart => {
                    drop((dir, log));
                    self.disk.release_locks();
                    (dir, log) = self.open_log()?;
                }
                Op::CheckpointBeside => {
                    let beside = dir.wal_ticket();
                    if let Some(ticket) = log.flush()? {
                        ticket.run()?;
                        log.mark_durable(&ticket);
                        self.model.durable = self.model.durable.max(log.view().durable_end_offset());
                    }
                    dir.checkpoint()?;
                    dir.release_wal();
                    beside.into_iter().for_each(WalTicket::run);
                    if dir.offline_reason().is_some() {
                        return Err(Box::new(StorageError::Unknown { log: log.view().name() }));
                    }
                }
                Op::Recreate => {
                    // From here on nothing of the old incarnation is promised.
                    let fresh = Model { incarnation: self.model.incarnation + 1, ..Model::default() };
                    self.model.durable = 0;
                    dir.delete_log(log, self.now_ms)?;
                    self.model = fresh;
                    log = dir.create_log("t", 0, self.topic_id(), self.config.clone(), self.now_ms)?;
                }
            }
        }
        self.close(&dir, &mut log)?;
        Ok(())
    }

    /// Starts again and compares with what was told.
    fn check(&mut self, stop: Stop) {
        let (dir, report) = self.open().expect("the directory opens after any stop");
        assert!(report.damaged.is_empty(), "an honest disk damages nothing: {report:?}");
        if stop == Stop::Kill {
            let harmless = |cut: &crate::Cut| matches!(cut.reason, crate::BadBatch::Torn { .. });
            assert!(report.cuts.iter().all(harmless), "a kill tears at most the last write: {report:?}");
        }
        let Some(mut log) = self.take_known(&dir) else { return };
        let view = log.view();
        self.check_content(&log, &view, stop, &report);
        // It goes on, and a clean stop keeps all of it.
        commit(&log);
        let end = view.log_end_offset();
        self.model.end = end;
        self.model.values.split_off(&end);
        self.model.sequences.split_off(&end);
        self.model.epochs.split_off(&end);
        for producer in 1..=PRODUCERS as i64 {
            let entry = log.active_producers().into_iter().find(|p| p.producer_id == producer);
            self.model.next_sequence[producer as usize] = entry.map_or(0, |p| p.last_sequence + 1);
        }
        self.append(&mut log, 1, 2).expect("the producer goes on");
        self.append(&mut log, 0, 1).expect("the log goes on");
        self.close(&dir, &mut log).expect("the log closes");
        drop((dir, log));
        let (dir, report) = self.open().expect("the directory opens");
        assert!(report.clean && report.cuts.is_empty() && report.damaged.is_empty(), "{report:?}");
        let log = self.take_known(&dir).expect("the log is there");
        self.check_content(&log, &log.view(), Stop::Kill, &report);
        assert_eq!(log.view().log_end_offset(), self.model.end);
    }
}

const fn append(producer: u64, records: usize) -> Op {
    Op::Append { producer, records }
}

#[test]
fn appending_rolling_and_flushing() {
    every_stop::<Run>(
        &[
            append(1, 2),
            append(0, 3),
            Op::Flush,
            append(2, 1),
            append(1, 2),
            append(0, 4),
            Op::Checkpoint,
            append(1, 3),
            append(2, 2),
            Op::Flush,
            append(0, 1),
            Op::Roll,
            append(1, 1),
            Op::Flush,
            Op::Checkpoint,
            append(2, 1),
        ],
        2,
    );
}

#[test]
fn retention_and_deleted_records() {
    let mut ops = Vec::new();
    for round in 0..4 {
        ops.extend([append(1, 2), append(0, 3), append(2, 1), append(0, 3)]);
        ops.push(if round % 2 == 0 { Op::Flush } else { Op::Checkpoint });
        ops.extend([Op::Retention, Op::RemoveFiles]);
        if round > 1 {
            ops.extend([Op::DeleteRecords, Op::Checkpoint]);
        }
    }
    every_stop::<Run>(&ops, 2);
}

#[test]
fn truncation() {
    every_stop::<Run>(
        &[
            append(1, 2),
            append(0, 2),
            append(2, 3),
            Op::Flush,
            Op::Checkpoint,
            append(1, 2),
            Op::Truncate,
            append(0, 1),
            append(2, 2),
            Op::Flush,
            Op::Truncate,
            Op::Checkpoint,
            append(1, 1),
        ],
        2,
    );
}

#[test]
fn clean_stops_and_starts() {
    every_stop::<Run>(
        &[
            append(1, 2),
            Op::ReopenCleanly,
            append(0, 3),
            append(2, 1),
            Op::ReopenCleanly,
            Op::ReopenCleanly,
            append(1, 1),
            Op::Flush,
            append(0, 1),
        ],
        2,
    );
}

/// A file of the write-ahead log is being made, or its groups wait for old ones, and the segments' flush is faster.
#[test]
fn checkpoints_beside_the_write_ahead_log() {
    let mut ops = Vec::new();
    for round in 0..8 {
        ops.extend([append(1, 2), Op::CheckpointBeside, append(0, 3), append(2, 1)]);
        if round % 3 == 2 {
            ops.push(Op::Restart);
        }
    }
    every_stop::<Run>(&ops, 2);
}

#[test]
fn kills_and_then_a_loss_of_power() {
    every_stop::<Run>(
        &[
            append(1, 2),
            append(0, 3),
            Op::Restart,
            append(2, 1),
            Op::Restart,
            Op::Restart,
            append(1, 1),
            Op::Flush,
            append(0, 1),
            Op::Restart,
            Op::CheckpointBeside,
            append(2, 2),
            append(1, 1),
        ],
        3,
    );
}

#[test]
fn a_topic_deleted_and_made_again() {
    every_stop::<Run>(
        &[
            append(1, 2),
            append(0, 3),
            Op::Flush,
            Op::Checkpoint,
            Op::Recreate,
            append(2, 1),
            Op::Flush,
            Op::RemoveFiles,
            append(1, 1),
            Op::Recreate,
            append(0, 1),
        ],
        2,
    );
}

/// Random operations, a random stop; the seed says it all.
#[test]
fn any_operations_and_any_stop() {
    const SEEDS: u64 = 300;
    for seed in 0..SEEDS {
        let rng = Rng::seeded(seed);
        let ops: Vec<Op> = (0..40).map(|_| random_op(&rng)).collect();
        // Retention takes segments out oldest first, and counts on names of a directory to go in that order, as they do
        // on every file system with a journal.
        let names = [NameOrder::InOrder, NameOrder::Journaled][rng.below(2) as usize];
        let disk = DiskConfig { names, zero_tails: rng.one_in(2), ..DiskConfig::default() };
        let stop = if rng.one_in(3) { Stop::Kill } else { Stop::Power };
        let durable = rng.one_in(2);
        let mut whole = Run::new(seed, disk.clone(), durable);
        whole.go(&ops).expect("nothing stops it");
        for _ in 0..4 {
            let halt = 1 + rng.below(whole.disk.effects());
            let Some(mut run) = stop_at::<Run>(&ops, seed, disk.clone(), durable, halt, stop) else {
                continue;
            };
            let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.check(stop)));
            assert!(checked.is_ok(), "seed {seed}, {stop:?} at call {halt}: {ops:?}");
        }
    }
}

fn random_op(rng: &Rng) -> Op {
    match rng.below(22) {
        0..=9 => append(rng.below(PRODUCERS + 1), 1 + rng.below(4) as usize),
        10 | 11 => Op::Flush,
        12 | 13 => Op::Checkpoint,
        14 => Op::Roll,
        15 => Op::Retention,
        16 => Op::RemoveFiles,
        17 => Op::DeleteRecords,
        18 => Op::Truncate,
        19 => Op::Restart,
        20 => Op::CheckpointBeside,
        _ if rng.one_in(3) => Op::Recreate,
        _ => Op::ReopenCleanly,
    }
}
