//! The course of one history: a machine with log directories, on which a script's lines happen one after another.
//!
//! Owns the state that the lines act on and the judgement of errors: each must have a cause that the script gave. What
//! a broker's partition decides (the high watermark, when segments are flushed) is done here as it does it. What must
//! hold is asked of `check`.

pub(crate) mod faults;
mod life;
mod reading;
pub(crate) mod rot;
mod upkeep;
mod writing;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use platform::Platform;
use platform::sim::{DiskConfig, DiskFault, NameOrder, SimConfig, SimDisk, SimWorld, Trace};
use protocol::Uuid;
use storage::{Cleaning, FlushTicket, LogConfig, LogDir, StorageError, UnifiedLog, WalConfig, WalTicket};

use crate::check::{self, Wrong};
use crate::line::Line;
use crate::model::Model;
use crate::run::Outcome;
use crate::script::Script;

const MACHINE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
/// When every history begins.
const BEGAN_MS: i64 = 1_767_225_600_000;
/// Log directories of a node at most.
const DIRS_MAX: u64 = 2;
/// `delete.retention.ms` of all logs.
pub(crate) const DELETE_RETENTION_MS: i64 = 1_000;

/// A rule and how it is broken.
pub(crate) type Broken = (&'static str, String);
/// What became of a line: done, or broken off for a reason that the script gave.
type Done = Result<(), Wrong>;

/// What the next start may find of the clean marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Must,
    May,
    MustNot,
}

/// A group on its way, and how far each log was durable when it was put together: once it is there, it proves that.
struct Group {
    ticket: WalTicket,
    proves: Vec<(u64, i64)>,
}

/// A log directory.
struct Dir {
    path: String,
    open: Option<LogDir>,
    /// Groups whose write is slow, oldest first.
    held: Vec<Group>,
    marker: Marker,
    /// An injected error may have been about it in this life.
    is_faulted: bool,
}

/// A log with what it was told.
struct Log {
    topic: String,
    dir: usize,
    config: LogConfig,
    model: Model,
    log: Option<UnifiedLog>,
    prepared: Option<FlushTicket>,
    /// The prepared flush was done.
    is_flushed: bool,
    cleaning: Option<Cleaning>,
    /// It ever was in this mode.
    was_durable: bool,
    was_replicated: bool,
    /// The topic was made anew, and what is left of the one before may lie there still.
    has_old_files: bool,
}

/// See the module's documentation.
pub(crate) struct Course {
    lines: Vec<Line>,
    at: usize,
    world: SimWorld,
    /// As the harness sees it: its calls are neither counted nor failed.
    disk: SimDisk,
    platform: Option<Platform>,
    wal: WalConfig,
    dirs: Vec<Dir>,
    logs: BTreeMap<u64, Log>,
    now_ms: i64,
    start_faults: Vec<(DiskFault, bool)>,
    start_rot: Vec<Line>,
    flips: Vec<rot::Flip>,
    failed_before: u64,
    is_full: bool,
    pub(crate) outcome: Outcome,
}

impl Course {
    pub(crate) fn new(script: &Script) -> Self {
        let defaults = || Line::Disk { names: 1, zero_tails: 1, dirs: 1, wal_kib: 16 };
        let disk = script.lines.iter().find(|line| matches!(line, Line::Disk { .. })).cloned();
        let Line::Disk { names, zero_tails, dirs, wal_kib } = disk.unwrap_or_else(defaults) else {
            unreachable!("only disks were looked for");
        };
        let names = match names {
            0 => NameOrder::Any,
            1 => NameOrder::InOrder,
            _ => NameOrder::Journaled,
        };
        let disk = DiskConfig { names, zero_tails: zero_tails > 0, ..DiskConfig::default() };
        let config = SimConfig { disk, blocking_delay_max_ms: 0, trace_lines: 4_096, ..SimConfig::default() };
        let world = SimWorld::with_config(script.seed, config);
        let file = wal_kib.clamp(16, 1 << 12) << 10;
        let dir = |number| Dir {
            path: format!("/data{number}"),
            open: None,
            held: Vec::new(),
            marker: Marker::MustNot,
            is_faulted: false,
        };
        let dirs: Vec<Dir> = (0..dirs.clamp(1, DIRS_MAX)).map(dir).collect();
        let logs = script.lines.iter().filter_map(|line| new_log(line, dirs.len())).collect();
        Self {
            lines: script.lines.clone(),
            at: 0,
            disk: world.disk(MACHINE),
            world,
            platform: None,
            wal: WalConfig {
                file_bytes_min: file,
                file_bytes_max: 2 * file,
                bytes_max: 4 * file,
                checkpoint_bytes: 2 * file,
                beside_bytes: 0,
            },
            dirs,
            logs,
            now_ms: BEGAN_MS,
            start_faults: Vec::new(),
            start_rot: Vec::new(),
            flips: Vec::new(),
            failed_before: 0,
            is_full: false,
            outcome: Outcome::default(),
        }
    }

    pub(crate) fn trace(&self) -> Trace {
        self.world.trace().clone()
    }

    /// The line at hand.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Runs all lines, and then stops and starts once more, with nothing in the way.
    pub(crate) fn go(&mut self) -> Result<(), Broken> {
        self.begin(0)?;
        for (number, line) in self.lines.clone().into_iter().enumerate() {
            self.at = number;
            self.now_ms += 1;
            self.world.trace().line(format_args!("line {number} {line}"));
            self.outcome.lines += 1;
            self.do_line(&line)?;
            self.note_all()?;
        }
        self.at = self.lines.len();
        self.start_faults.clear();
        self.start_rot.clear();
        self.stop(&Line::Stop { how: 1, seed: 1, halt: 0 })?;
        self.note_all()?;
        self.mend_rot()?;
        self.outcome.faults = self.disk.failed_calls();
        Ok(())
    }

    fn do_line(&mut self, line: &Line) -> Result<(), Broken> {
        let done = match *line {
            Line::Disk { .. } | Line::Log { .. } => Ok(()),
            Line::Stop { .. } => return self.stop(line),
            Line::Fault { .. } | Line::FaultAtStart { .. } => self.fault(line),
            Line::Rot { .. } | Line::RotAtStart { .. } => self.rot(line),
            Line::Full { spare } => self.fill_disk(spare),
            Line::Free {} => self.free_disk(),
            Line::Halt { effects } => self.halt_after(effects),
            _ if !self.is_up() => Ok(()),
            Line::Produce { .. }
            | Line::Large { .. }
            | Line::Again { .. }
            | Line::Gap { .. }
            | Line::Bump { .. }
            | Line::Truncate { .. }
            | Line::Recreate { .. }
            | Line::Epoch { .. }
            | Line::Mode { .. } => self.write(line),
            Line::Read { .. } | Line::Times { .. } | Line::Rebuild { .. } => self.read(line),
            _ => self.keep_up(line),
        };
        match done {
            Ok(()) => Ok(()),
            Err(Wrong::Broken(rule, what)) => Err((rule, what)),
            Err(Wrong::Error(error)) => self.judge(&error),
        }
    }

    fn is_up(&self) -> bool {
        self.platform.is_some() && self.world.is_up(MACHINE)
    }

    /// An injected error was met in this life.
    fn met_fault(&self) -> bool {
        self.disk.failed_calls() > self.failed_before
    }

    /// An error that a line came back with: there must be a reason for it.
    fn judge(&mut self, error: &StorageError) -> Result<(), Broken> {
        let is_full = matches!(error, StorageError::DiskFull { .. } | StorageError::NearlyFull { .. });
        let is_excused =
            !self.is_up() || self.met_fault() || (is_full && self.is_full) || self.is_about_rot(error);
        self.world.trace().line(format_args!("error {error}"));
        if is_excused { Ok(()) } else { Err(("Z2 errors have causes", error.to_string())) }
    }

    /// What holds between any two lines: the order of the offsets, and that nothing goes back. As the broker's partition
    /// does, the high watermark follows the durable end, or the log end where the topic is replicated.
    fn note_all(&mut self) -> Result<(), Broken> {
        if !self.is_up() {
            return Ok(());
        }
        for dir in &self.dirs {
            let reason = dir.open.as_ref().and_then(LogDir::offline_reason);
            if let Some(reason) = reason.filter(|_| !(dir.is_faulted && self.met_fault())) {
                return Err(("Z2 errors have causes", format!("{} is offline: {reason}", dir.path)));
            }
        }
        self.note_damaged()?;
        for log in self.logs.values_mut() {
            let Some(view) = log.log.as_ref().map(storage::UnifiedLog::view) else { continue };
            if view.offline_reason().is_some() {
                // Nobody asks it any more, and how far its last change came, the next start will see.
                log.log = None;
                continue;
            }
            let committed =
                if log.config.durable { view.durable_end_offset() } else { view.log_end_offset() };
            view.set_high_watermark(committed.max(view.high_watermark()));
            check::bounds(&log.model, &view)?;
            let durable = view.durable_end_offset();
            if durable > log.model.acked {
                self.outcome.acked_records += (durable - log.model.acked).unsigned_abs();
                log.model.acked = durable;
            }
        }
        Ok(())
    }

    /// A log that is offline though its directory is not must have rotted.
    fn note_damaged(&self) -> Result<(), Broken> {
        for (number, log) in &self.logs {
            let Some(view) = log.log.as_ref().map(storage::UnifiedLog::view) else { continue };
            let is_online =
                self.dirs[log.dir].open.as_ref().is_some_and(|dir| dir.offline_reason().is_none());
            let reason = view.offline_reason().filter(|_| is_online && !self.met_fault());
            if let Some(reason) = reason.filter(|_| !self.is_rotten(*number)) {
                return Err(("L6 an honest disk damages no log", format!("{}: {reason}", log.topic)));
            }
        }
        Ok(())
    }

    /// A log and its directory, if both are in use and work.
    fn working(&mut self, number: u64) -> Option<(&mut Log, &mut Dir)> {
        let log = self.logs.get_mut(&number)?;
        let dir = self.dirs.get_mut(log.dir)?;
        let is_online = dir.open.as_ref().is_some_and(|open| open.offline_reason().is_none());
        (is_online && log.log.is_some()).then_some((log, dir))
    }

    /// The numbers of the logs of a directory.
    fn logs_of(&self, dir: usize) -> Vec<u64> {
        self.logs.iter().filter(|(_, log)| log.dir == dir).map(|(number, _)| *number).collect()
    }
}

fn new_log(line: &Line, dirs: usize) -> Option<(u64, Log)> {
    let Line::Log { log, dir, policy, durable, segment_bytes, index_interval } = *line else { return None };
    let config = LogConfig {
        segment_bytes: u32::try_from(segment_bytes.clamp(300, 4 << 20)).unwrap_or(4 << 20),
        index_interval_bytes: u32::try_from(index_interval.clamp(1, 1 << 20)).unwrap_or(1 << 20),
        retention_ms: -1,
        retention_bytes: -1,
        file_delete_delay_ms: 0,
        delete_retention_ms: DELETE_RETENTION_MS,
        compact: policy == 1,
        delete: policy != 1,
        durable: durable > 0,
        ..LogConfig::default()
    };
    let model = Model::new(topic_id(log, 0), 0);
    let dir = usize::try_from(dir).unwrap_or(0) % dirs;
    let topic = format!("t{log}");
    let own = Log {
        topic,
        dir,
        model,
        log: None,
        prepared: None,
        is_flushed: false,
        cleaning: None,
        was_durable: config.durable,
        was_replicated: !config.durable,
        config,
        has_old_files: false,
    };
    Some((log, own))
}

/// The id of the so-many-th topic of a name. Ids that differ in one character count as one that has rotted.
fn topic_id(log: u64, incarnation: u64) -> Uuid {
    Uuid(platform::Rng::seeded(log << 32 | incarnation).uuid_bytes())
}

fn wrong(rule: &'static str, what: impl Display) -> Wrong {
    Wrong::Broken(rule, what.to_string())
}

impl Log {
    fn shared_config(&self) -> Arc<LogConfig> {
        Arc::new(self.config.clone())
    }
}
