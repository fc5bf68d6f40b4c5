//! Logs under crashes: a seeded script of what a broker does to its log directory, stopped between any two effects by
//! a kill or a loss of power, opened again (and stopped again while it recovers), and compared with what must be there.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use platform::sim::{DiskConfig, NameOrder, SimConfig, SimWorld};
use platform::{Platform, Rng};
use protocol::Uuid;
use records::{BatchBuilder, BatchSettings, Compression, batches};
use sim::Value;
use storage::{
    AppendError, AppendOrigin, FlushTicket, LogConfig, LogDir, LogDirConfig, ReadError, RecoveryReport,
    StorageError, UnifiedLog,
};

const MACHINE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const NOW_MS: i64 = 1_767_225_600_000;
const TOPICS: [&str; 2] = ["a", "b"];
const ROUNDS: usize = 4;
const STEPS: usize = 120;

/// What must be in one log.
struct Model {
    topic: &'static str,
    id: Uuid,
    batches: Vec<Appended>,
    /// Appended without an answer: it may be there.
    unsure: Option<Appended>,
    durable: i64,
    highest_start: i64,
    /// Where an empty log goes on.
    floor: i64,
    producer_id: i64,
    next_number: u32,
    next_sequence: i32,
    log: Option<UnifiedLog>,
    tickets: Vec<FlushTicket>,
    /// Whether the power was lost, without a clean stop, since the log was last compared.
    lost_power: bool,
}

#[derive(Clone)]
struct Appended {
    base: i64,
    values: Vec<Value>,
    bytes: Vec<u8>,
    next_sequence: i32,
}

impl Appended {
    fn end(&self) -> i64 {
        self.base + i64::try_from(self.values.len()).unwrap()
    }
}

/// The machine stopped while a step was done.
struct Halted;

/// How the machine stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Kill,
    PowerLoss,
    CleanThenPowerLoss,
}

struct Script {
    world: SimWorld,
    rng: Rng,
    config: Arc<LogConfig>,
    models: Vec<Model>,
    told: String,
}

impl Script {
    fn new(seed: u64) -> Self {
        let names = if seed.is_multiple_of(2) { NameOrder::InOrder } else { NameOrder::Journaled };
        let disk = DiskConfig { names, ..DiskConfig::default() };
        let world = SimWorld::with_config(seed, SimConfig { disk, ..SimConfig::default() });
        let rng = world.rng("script");
        let config = LogConfig {
            segment_bytes: u32::try_from(1 << (12 + rng.below(4))).unwrap(),
            index_interval_bytes: u32::try_from(1 << (6 + rng.below(6))).unwrap(),
            file_delete_delay_ms: 0,
            ..LogConfig::default()
        };
        let model = |topic| Model {
            topic,
            id: Uuid(rng.uuid_bytes()),
            batches: Vec::new(),
            unsure: None,
            durable: 0,
            highest_start: 0,
            floor: 0,
            producer_id: 1,
            next_number: 0,
            next_sequence: 0,
            log: None,
            tickets: Vec::new(),
            lost_power: false,
        };
        let models = TOPICS.map(model).into();
        Self { world, rng, config: Arc::new(config), models, told: format!("seed {seed}") }
    }

    fn tell(&mut self, what: &str) {
        self.told.push_str("\n  ");
        self.told.push_str(what);
    }

    /// An error is fine only if the machine has stopped.
    fn halted(&self, error: &dyn std::fmt::Display) -> Halted {
        assert!(!self.world.is_up(MACHINE), "{error}\n{}", self.told);
        Halted
    }

    fn open(&mut self, platform: &Platform) -> Result<(LogDir, RecoveryReport), Halted> {
        let options = LogDirConfig {
            format: Some("cluster".to_owned()),
            log_config: Arc::clone(&self.config),
            ..LogDirConfig::new(1)
        };
        let opened = LogDir::open(platform, Path::new("/data/node"), &options, NOW_MS);
        opened.map_err(|e| self.halted(&e))
    }

    /// Takes or creates every log, and compares each with its model.
    fn take_logs(&mut self, dir: &LogDir) -> Result<(), Halted> {
        for number in 0..self.models.len() {
            let (topic, id) = (self.models[number].topic, self.models[number].id);
            let taken = match dir.take_log(topic, 0, id, Arc::clone(&self.config)) {
                Err(StorageError::InconsistentTopicId { .. }) => {
                    let old = dir.take_unclaimed(topic, 0).unwrap();
                    dir.delete_log(old, NOW_MS).map_err(|e| self.halted(&e))?;
                    None
                }
                other => other.map_err(|e| self.halted(&e))?,
            };
            let log = match taken {
                Some(log) => log,
                None => {
                    let model = &self.models[number];
                    assert_eq!(model.durable, 0, "{topic} is gone\n{}", self.told);
                    let is_empty = model.batches.is_empty();
                    assert!(model.lost_power || is_empty, "{topic} is gone\n{}", self.told);
                    let created = dir.create_log(topic, 0, id, Arc::clone(&self.config), NOW_MS);
                    created.map_err(|e| self.halted(&e))?
                }
            };
            let told = self.told.clone();
            let compared = self.models[number].compare(log, &told);
            compared.map_err(|e| self.halted(&e))?;
        }
        Ok(())
    }

    fn step(&mut self, dir: &LogDir) -> Result<(), Halted> {
        let number = usize::try_from(self.rng.below(2)).unwrap();
        let done = match self.rng.below(100) {
            0..60 => {
                self.tell(&format!("append {number}"));
                let count = 1 + self.rng.below(4);
                let padding: Vec<u16> =
                    (0..count).map(|_| u16::try_from(self.rng.below(400)).unwrap()).collect();
                let compressed = self.rng.one_in(4);
                self.models[number].append(&padding, compressed)
            }
            60..72 => {
                self.tell(&format!("flush {number}"));
                self.models[number].flush()
            }
            72..78 => {
                self.tell(&format!("prepare a flush {number}"));
                self.models[number].prepare_flush()
            }
            78..84 => {
                self.tell(&format!("roll {number}"));
                self.models[number].log().roll(NOW_MS).map(drop)
            }
            84..89 => {
                self.tell("checkpoint");
                dir.checkpoint()
            }
            89..92 => {
                self.tell("checkpoint high watermarks");
                dir.checkpoint_high_watermarks()
            }
            92..95 => {
                let part = self.rng.below(4);
                self.tell(&format!("delete records {number}, {part}/4 of what is left"));
                self.models[number].delete_records(part)
            }
            95..98 => {
                self.tell(&format!("retention {number}"));
                self.models[number].retention()
            }
            _ => {
                self.tell(&format!("delete and create {number}"));
                self.recreate(number, dir)
            }
        };
        done.map_err(|e| self.halted(&e))
    }

    fn recreate(&mut self, number: usize, dir: &LogDir) -> Result<(), StorageError> {
        let id = Uuid(self.rng.uuid_bytes());
        let model = &mut self.models[number];
        let old = model.log.take().unwrap();
        // From here on the metadata knows the new topic only, whatever happens to the old one's files.
        *model = Model { id, batches: Vec::new(), durable: 0, highest_start: 0, ..model.emptied() };
        dir.delete_log(old, NOW_MS)?;
        if let Some(ticket) = dir.expired_logs(NOW_MS) {
            ticket.run();
        }
        model.log = Some(dir.create_log(model.topic, 0, id, Arc::clone(&self.config), NOW_MS)?);
        Ok(())
    }

    fn close(&mut self, dir: &LogDir) -> Result<(), Halted> {
        self.tell("close");
        for number in 0..self.models.len() {
            let closed = self.models[number].close();
            closed.map_err(|e| self.halted(&e))?;
        }
        let is_clean = dir.close_clean(None).map_err(|e| self.halted(&e))?;
        assert!(is_clean, "{}", self.told);
        Ok(())
    }

    /// One life of the process: open, compare, do things, stop. Gives how it stopped.
    fn live(&mut self, before: Option<Stop>) -> Stop {
        let platform = self.world.boot(MACHINE);
        if !self.rng.one_in(3) {
            let effect = 1 + self.rng.below(250);
            self.tell(&format!("boot, to stop at effect {effect}"));
            self.world.disk(MACHINE).halt_after(effect);
        } else {
            self.tell("boot");
        }
        let is_lucky = self.rng.below(2) == 0;
        match self.try_live(&platform, before) {
            Ok(dir) if is_lucky && self.close(&dir).is_ok() => Stop::CleanThenPowerLoss,
            _ if self.rng.below(2) == 0 => Stop::Kill,
            _ => Stop::PowerLoss,
        }
    }

    fn try_live(&mut self, platform: &Platform, before: Option<Stop>) -> Result<LogDir, Halted> {
        let (dir, report) = self.open(platform)?;
        assert_eq!(report.damaged, [], "{}", self.told);
        if before == Some(Stop::CleanThenPowerLoss) {
            assert!(report.clean && report.cuts.is_empty(), "{report:?}\n{}", self.told);
        }
        self.take_logs(&dir)?;
        for _ in 0..self.rng.below(STEPS as u64) {
            self.step(&dir)?;
        }
        Ok(dir)
    }
}

impl Model {
    fn log(&mut self) -> &mut UnifiedLog {
        self.log.as_mut().unwrap()
    }

    /// The same topic without content.
    fn emptied(&self) -> Self {
        Self {
            topic: self.topic,
            id: self.id,
            batches: Vec::new(),
            unsure: None,
            durable: 0,
            highest_start: 0,
            floor: 0,
            producer_id: self.producer_id + 1,
            next_number: self.next_number,
            next_sequence: 0,
            log: None,
            tickets: Vec::new(),
            lost_power: false,
        }
    }

    fn end(&self) -> i64 {
        self.batches.last().map_or(self.floor, Appended::end)
    }

    fn append(&mut self, padding: &[u16], compressed: bool) -> Result<(), StorageError> {
        let mut builder = BatchBuilder::new(BatchSettings {
            compression: if compressed { Compression::Lz4 } else { Compression::None },
            producer_id: self.producer_id,
            producer_epoch: 0,
            base_sequence: self.next_sequence,
            ..BatchSettings::default()
        });
        let mut values = Vec::new();
        for padding_bytes in padding {
            let value =
                Value { producer: 0, identity: 0, number: self.next_number, padding_bytes: *padding_bytes };
            self.next_number += 1;
            builder.append(None, Some(&value.to_bytes()), &[], NOW_MS).unwrap();
            values.push(value);
        }
        let next_sequence = self.next_sequence + i32::try_from(values.len()).unwrap();
        let appended = Appended { base: self.end(), values, bytes: builder.build().unwrap(), next_sequence };
        self.unsure = Some(appended.clone());
        match self.log().append_as_leader(&appended.bytes, 0, AppendOrigin::Client, NOW_MS) {
            Ok(info) => assert_eq!((info.first_offset, info.duplicate), (appended.base, false)),
            Err(AppendError::Storage(e)) => return Err(e),
            Err(e) => panic!("{e}"),
        }
        self.next_sequence = next_sequence;
        self.unsure = None;
        self.batches.push(appended);
        Ok(())
    }

    fn prepare_flush(&mut self) -> Result<(), StorageError> {
        let ticket = self.log().flush()?;
        self.tickets.extend(ticket);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StorageError> {
        self.prepare_flush()?;
        for ticket in std::mem::take(&mut self.tickets) {
            ticket.run()?;
            self.log().mark_durable(&ticket);
            self.durable = self.durable.max(ticket.offset());
        }
        Ok(())
    }

    fn delete_records(&mut self, part: u64) -> Result<(), StorageError> {
        let end = self.end();
        let view = self.log().view();
        view.set_high_watermark(end);
        let start = view.log_start_offset();
        let offset = start + (end - start) * i64::try_from(part).unwrap() / 4;
        self.highest_start = self.highest_start.max(offset);
        self.log().delete_records_before(offset)?;
        Ok(())
    }

    fn retention(&mut self) -> Result<(), StorageError> {
        self.log().retention(NOW_MS)?;
        if let Some(ticket) = self.log().expired_files(NOW_MS) {
            ticket.run();
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), StorageError> {
        if let Some(ticket) = self.log().close()? {
            ticket.run()?;
            self.log().mark_durable(&ticket);
        }
        self.durable = self.end();
        Ok(())
    }

    /// Compares a log that was opened again with what must be in it, and goes on from what is.
    fn compare(&mut self, mut log: UnifiedLog, told: &str) -> Result<(), StorageError> {
        self.tickets.clear();
        let view = log.view();
        let (start, end) = (view.log_start_offset(), view.log_end_offset());
        let told = format!("{}: {start}..{end}, {} durable\n{told}", self.topic, self.durable);
        assert!(start <= self.highest_start.max(0), "the start is at most where it was moved: {told}");
        let unsure = self.unsure.take();
        let unsure_end = unsure.as_ref().map(Appended::end);
        let least = if self.lost_power { self.durable } else { self.end() };
        assert!(end >= least, "records up to {least} must be there: {told}");
        self.lost_power = false;
        assert!(end <= self.end() || Some(end) == unsure_end, "there is more than was written: {told}");
        self.batches.extend(unsure);
        self.batches.retain(|batch| batch.end() <= end);
        if start == end {
            // What was deleted on request reaches farther than what survived.
            self.batches.clear();
            self.floor = end;
        }
        assert!(end == self.end(), "a batch is cut: {told}");
        let found = read_all(&log, start, end)?;
        let values = self.batches.iter().flat_map(|b| (b.base..).zip(b.values.iter().copied()));
        let expected: Vec<(i64, Value)> = values.filter(|(offset, _)| *offset >= start).collect();
        assert!(found == expected, "{found:?} instead of {expected:?}: {told}");
        self.durable = log.view().durable_end_offset();
        assert!(self.durable <= end, "{told}");
        self.recognises_the_last_batch(&mut log, start, &told)?;
        self.log = Some(log);
        Ok(())
    }

    /// A producer that did not hear of its last batch sends it again.
    fn recognises_the_last_batch(
        &mut self,
        log: &mut UnifiedLog,
        start: i64,
        told: &str,
    ) -> Result<(), StorageError> {
        let Some(last) = self.batches.last().filter(|last| last.base >= start) else {
            // Nothing is left of this producer, or nobody need remember it: another one goes on.
            self.producer_id += 1;
            self.next_sequence = 0;
            return Ok(());
        };
        self.next_sequence = last.next_sequence;
        match log.append_as_leader(&last.bytes, 0, AppendOrigin::Client, NOW_MS) {
            Ok(info) => assert_eq!((info.first_offset, info.duplicate), (last.base, true), "{told}"),
            Err(AppendError::Storage(e)) => return Err(e),
            Err(e) => panic!("the last batch is not recognised: {e}: {told}"),
        }
        Ok(())
    }
}

fn read_all(log: &UnifiedLog, start: i64, end: i64) -> Result<Vec<(i64, Value)>, StorageError> {
    let mut found = Vec::new();
    let mut position = start;
    while position < end {
        let read = log.view().read(position, 700, end, true).map_err(|e| match e {
            ReadError::Storage(e) => e,
            e => panic!("{e}"),
        })?;
        let bytes = read.expect("there is more before the end").to_vec()?;
        for batch in batches(&bytes) {
            let batch = batch.unwrap();
            batch.verify_crc().unwrap();
            let mut scratch = Vec::new();
            for record in batch.open(1 << 20, &mut scratch).unwrap() {
                let record = record.unwrap();
                if record.offset >= position {
                    found.push((record.offset, Value::from_bytes(record.value.unwrap()).unwrap()));
                }
            }
            position = batch.header.next_offset();
        }
    }
    Ok(found)
}

fn play(seed: u64) {
    let mut script = Script::new(seed);
    let mut stop = None;
    for _ in 0..ROUNDS {
        let next = script.live(stop);
        script.tell(&format!("{next:?}"));
        match next {
            Stop::Kill => script.world.kill(MACHINE),
            Stop::PowerLoss | Stop::CleanThenPowerLoss => script.world.power_off(MACHINE),
        }
        for model in &mut script.models {
            model.log = None;
            model.lost_power |= next == Stop::PowerLoss;
        }
        stop = Some(next);
    }
    let platform = script.world.boot(MACHINE);
    script.tell("boot for the last time");
    assert!(script.try_live(&platform, stop).is_ok());
}

/// The seeds of this run: those named by `KLAMM_SIM_SEEDS=from..to`, else the given ones.
fn seeds(default: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("KLAMM_SIM_SEEDS") else { return default };
    let (from, to) = text.split_once("..").expect("KLAMM_SIM_SEEDS=from..to");
    from.parse().unwrap()..to.parse().unwrap()
}

#[test]
fn logs_keep_their_promises_wherever_the_machine_stops() {
    for seed in seeds(0..150) {
        play(seed);
    }
}
