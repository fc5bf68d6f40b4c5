//! Stops at every call to the disk while logs are compacted. Whatever is left, the log opens, and of every key the last
//! value is there that was promised, at its offset; nothing that was removed comes back without what removed it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use platform::sim::{DiskConfig, NameOrder, SimDisk};
use platform::{Platform, Rng};
use records::BatchSettings;

use super::cleaning::{SETTINGS, clean, compacted, content, keyed, settle};
use super::crash::SMALL_WAL;
use super::fixture::*;
use super::stops::{Stop, Stoppable, every_stop, stop_at};
use crate::{
    AppendOrigin, CleanSettings, LogConfig, LogDir, LogDirConfig, StorageError, UnifiedLog, WalTicket,
};

const PATH: &str = "/data";
const KEYS: u64 = 6;
const PRODUCER: i64 = 9;

#[derive(Debug, Clone, Copy)]
enum Op {
    /// A batch that sets these keys, or with `remove` takes them out.
    Put {
        first_key: u64,
        records: usize,
        remove: bool,
        producer: bool,
    },
    /// Roll, flush and checkpoint: all may be cleaned then.
    Settle,
    /// Clean with a map of so many slots, after so many ms.
    Clean {
        slots: u64,
        later_ms: i64,
    },
    RemoveFiles,
    DeleteRecords,
    Retention,
    Truncate,
    ReopenCleanly,
}

/// What the log was told: key and value of each offset, an empty value being a tombstone.
#[derive(Default, Clone)]
struct Model {
    records: BTreeMap<i64, (String, String)>,
    end: i64,
    durable: i64,
    sequences: BTreeMap<i64, i32>,
    next_sequence: i32,
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
    fn open_log(&self) -> Result<(LogDir, UnifiedLog), StorageError> {
        let (dir, report) = self.open()?;
        assert!(report.damaged.is_empty(), "an honest disk damages nothing: {report:?}");
        let log = match dir.take_log("t", 0, TOPIC_ID, self.config.clone())? {
            Some(log) => log,
            None => dir.create_log("t", 0, TOPIC_ID, self.config.clone(), self.now_ms)?,
        };
        commit(&log);
        Ok((dir, log))
    }

    fn open(&self) -> Result<(LogDir, crate::RecoveryReport), StorageError> {
        // What a broker opens logs with: it knows of no topic's policy yet.
        let log_config = LogConfig { compact: false, delete: true, ..self.config.clone() };
        let config = LogDirConfig { log_config: Arc::new(log_config), wal: SMALL_WAL, ..dir_config() };
        LogDir::open(&self.platform, Path::new(PATH), &config, self.now_ms)
    }

    fn put(
        &mut self,
        log: &mut UnifiedLog,
        first_key: u64,
        records: usize,
        remove: bool,
        producer: bool,
    ) -> Result<(), crate::AppendError> {
        let model = &mut self.model;
        let value =
            |n: usize| if remove { String::new() } else { format!("{}-{n}-{:030}", model.appends, 0) };
        let records: Vec<(String, String)> =
            (0..records).map(|n| (format!("key-{}", (first_key + n as u64) % KEYS), value(n))).collect();
        let texts: Vec<(&str, &str)> = records.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let settings = match producer {
            false => BatchSettings::default(),
            true => BatchSettings {
                producer_id: PRODUCER,
                producer_epoch: 0,
                base_sequence: model.next_sequence,
                ..BatchSettings::default()
            },
        };
        let bytes = keyed(settings, self.now_ms, &texts);
        let offset = log.view().log_end_offset();
        let count = records.len();
        model.appends += 1;
        model.records.extend(records.into_iter().enumerate().map(|(n, r)| (offset + n as i64, r)));
        let last = offset + count as i64 - 1;
        if producer {
            model.sequences.insert(last, model.next_sequence + count as i32 - 1);
        }
        log.append_as_leader(&bytes, 0, AppendOrigin::Client, self.now_ms)?;
        commit(log);
        model.end = last + 1;
        model.next_sequence += if producer { count as i32 } else { 0 };
        Ok(())
    }

    fn pump(&mut self, dir: &LogDir, log: &UnifiedLog) -> Result<(), StorageError> {
        dir.wal_ticket().into_iter().for_each(WalTicket::run);
        if dir.offline_reason().is_some() {
            return Err(StorageError::Unknown { log: log.view().name() });
        }
        self.model.durable = self.model.durable.max(log.view().durable_end_offset());
        Ok(())
    }

    /// Takes some records back that were never committed, as another leader's branch would.
    fn truncate(&mut self, log: &mut UnifiedLog, dir: &LogDir) -> Result<(), StorageError> {
        let view = log.view();
        let wanted = view.log_end_offset() - 2;
        // What was cleaned is committed, and stays.
        if wanted <= view.log_start_offset().max(dir.cleaned_offset(&view).unwrap_or(0)) {
            return Ok(());
        }
        self.model.durable = self.model.durable.min((wanted - 4).max(0));
        self.model.end = self.model.end.min((wanted - 4).max(0));
        log.truncate_to(wanted, dir, self.now_ms)?;
        commit(log);
        self.forget_beyond(view.log_end_offset());
        self.model.durable = view.durable_end_offset();
        Ok(())
    }

    fn forget_beyond(&mut self, end: i64) {
        self.model.end = end;
        self.model.records.split_off(&end);
        self.model.sequences.split_off(&end);
        self.model.next_sequence =
            self.model.sequences.last_key_value().map_or(0, |(_, sequence)| sequence + 1);
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

    fn check_content(&self, log: &UnifiedLog) {
        let view = log.view();
        let (start, end) = (view.log_start_offset(), view.log_end_offset());
        let found = content(&view);
        for (offset, record) in &found {
            assert_eq!(self.model.records.get(offset), Some(record), "at {offset}");
        }
        let mut latest: BTreeMap<&str, i64> = BTreeMap::new();
        for (offset, (key, _)) in self.model.records.range(..end) {
            latest.insert(key, *offset);
        }
        for (key, offset) in latest.into_iter().filter(|(_, offset)| *offset >= start) {
            if found.contains_key(&offset) {
                continue;
            }
            assert!(
                self.model.records[&offset].1.is_empty(),
                "the last value of {key}, at {offset}, is lost"
            );
            let older = found.iter().find(|(_, (k, _))| k == key);
            assert_eq!(older, None, "{key} was removed at {offset}");
        }
        let sequence = self.model.sequences.range(..end).next_back();
        let known =
            log.active_producers().iter().find(|p| p.producer_id == PRODUCER).map(|p| p.last_sequence);
        match (sequence, known) {
            (Some((_, sequence)), Some(known)) => assert_eq!(known, *sequence),
            (Some((offset, _)), None) => assert!(*offset < start, "the producer is forgotten"),
            (None, known) => assert_eq!(known, None),
        }
    }
}

impl Stoppable for Run {
    type Op = Op;

    fn new(seed: u64, disk: DiskConfig, durable: bool) -> Self {
        let disk = SimDisk::with_config(seed, disk);
        let platform = Platform { disk: Arc::new(disk.clone()), ..Platform::sim(seed) };
        let config = LogConfig {
            durable,
            delete_retention_ms: 1_000,
            index_interval_bytes: 100,
            retention_ms: -1,
            ..compacted(700)
        };
        Self { disk, platform, model: Model::default(), config, now_ms: NOW }
    }

    fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn go(&mut self, ops: &[Op]) -> Result<(), Box<dyn std::error::Error>> {
        let (mut dir, mut log) = self.open_log()?;
        for op in ops {
            self.now_ms += 1;
            self.pump(&dir, &log)?;
            match *op {
                Op::Put { first_key, records, remove, producer } => {
                    self.put(&mut log, first_key, records, remove, producer)?;
                }
                Op::Settle => {
                    settle(&dir, &mut log, self.now_ms)?;
                    self.model.durable = log.view().durable_end_offset();
                    dir.release_wal();
                }
                Op::Clean { slots, later_ms } => {
                    self.now_ms += later_ms;
                    let settings = CleanSettings { map_bytes: slots * 24, ..SETTINGS };
                    clean(&dir, &mut log, &settings, self.now_ms)?;
                }
                Op::RemoveFiles => {
                    log.expired_files(self.now_ms).into_iter().for_each(|ticket| ticket.run());
                }
                Op::DeleteRecords => {
                    let view = log.view();
                    log.delete_records_before((view.log_start_offset() + view.high_watermark()) / 2)?;
                }
                Op::Retention => _ = log.retention(self.now_ms)?,
                Op::Truncate => self.truncate(&mut log, &dir)?,
                Op::ReopenCleanly => {
                    self.close(&dir, &mut log)?;
                    drop((dir, log));
                    (dir, log) = self.open_log()?;
                }
            }
        }
        self.close(&dir, &mut log)?;
        Ok(())
    }

    /// Starts again and compares with what was told.
    fn check(&mut self, stop: Stop) {
        if self.model.durable == 0 && stop == Stop::Power {
            // Not even its name was promised.
            let (dir, _) = self.open().expect("the directory opens after any stop");
            if dir.unclaimed().is_empty() {
                return;
            }
        }
        let (dir, mut log) = self.open_log().expect("the log opens after any stop");
        let view = log.view();
        let floor = if stop == Stop::Kill { self.model.end } else { self.model.durable };
        assert!(view.log_end_offset() >= floor, "the log ends early: {view:?}, {floor}");
        self.check_content(&log);
        assert!(
            names(&self.platform, &Path::new(PATH).join("t-0"))
                .iter()
                .all(|n| !n.ends_with(".swap") && !n.ends_with(".cleaned")),
            "nothing of a compaction is left half done"
        );
        self.forget_beyond(view.log_end_offset());
        // It goes on, is cleaned, and a clean stop keeps all of it.
        self.put(&mut log, 0, 2, false, true).expect("the log goes on");
        settle(&dir, &mut log, self.now_ms).expect("the log settles");
        clean(&dir, &mut log, &SETTINGS, self.now_ms).expect("it is cleaned");
        self.check_content(&log);
        self.close(&dir, &mut log).expect("the log closes");
        drop((dir, log));
        let (_dir, log) = self.open_log().expect("the log opens");
        self.check_content(&log);
        assert_eq!(log.view().log_end_offset(), self.model.end);
    }
}

const fn put(first_key: u64, records: usize) -> Op {
    Op::Put { first_key, records, remove: false, producer: false }
}

const fn put_as_producer(first_key: u64, records: usize) -> Op {
    Op::Put { first_key, records, remove: false, producer: true }
}

const fn remove(first_key: u64, records: usize) -> Op {
    Op::Put { first_key, records, remove: true, producer: false }
}

const CLEAN: Op = Op::Clean { slots: 100, later_ms: 0 };
const CLEAN_LATER: Op = Op::Clean { slots: 100, later_ms: 2_000 };

#[test]
fn a_cleaning_and_one_more() {
    every_stop::<Run>(
        &[
            put(0, 6),
            put_as_producer(0, 3),
            put(2, 4),
            put(0, 6),
            Op::Settle,
            put(1, 2),
            CLEAN,
            Op::RemoveFiles,
            put(3, 3),
            put_as_producer(0, 6),
            Op::Settle,
            CLEAN,
            put(1, 1),
        ],
        2,
    );
}

#[test]
fn tombstones_go_and_nothing_comes_back() {
    every_stop::<Run>(
        &[
            put(0, 6),
            remove(0, 3),
            Op::Settle,
            CLEAN,
            put(4, 2),
            Op::Settle,
            CLEAN_LATER,
            Op::RemoveFiles,
            remove(3, 3),
            Op::Settle,
            CLEAN,
            Op::ReopenCleanly,
            put(5, 1),
            Op::Settle,
            CLEAN_LATER,
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
        let names = [NameOrder::InOrder, NameOrder::Journaled][rng.below(2) as usize];
        let disk = DiskConfig { names, zero_tails: rng.one_in(2), ..DiskConfig::default() };
        let stop = if rng.one_in(3) { Stop::Kill } else { Stop::Power };
        let durable = rng.one_in(2);
        let mut whole = Run::new(seed, disk.clone(), durable);
        whole.go(&ops).expect("nothing stops it");
        let (_dir, log) = whole.open_log().expect("it opens");
        whole.check_content(&log);
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
    match rng.below(24) {
        0..=11 => Op::Put {
            first_key: rng.below(KEYS),
            records: 1 + rng.below(KEYS) as usize,
            remove: rng.one_in(4),
            producer: rng.one_in(4),
        },
        12..=15 => Op::Settle,
        16..=18 => Op::Clean { slots: 2 + rng.below(8), later_ms: if rng.one_in(3) { 2_000 } else { 0 } },
        19 => Op::RemoveFiles,
        20 if rng.one_in(3) => Op::DeleteRecords,
        20 | 21 => Op::Retention,
        22 => Op::Truncate,
        _ => Op::ReopenCleanly,
    }
}
