//! The life of the process: its start, with the comparison of what is there and what must be, and its end.
//!
//! Owns what a start may find. A start that was broken off is tried again by the script's next stop.

use std::path::Path;
use std::sync::Arc;

use storage::{LogConfig, LogDir, LogDirConfig, RecoveryReport, StorageError, UnifiedLog};

use super::rot::{EPOCHS, LOG};
use super::{Course, Dir, Log, MACHINE, Marker, topic_id, wrong};
use crate::check::{self, Need, Wrong};
use crate::course::Broken;
use crate::line::Line;
use crate::model::Model;

impl Course {
    /// The process ends and starts again.
    pub(super) fn stop(&mut self, line: &Line) -> Result<(), Broken> {
        let Line::Stop { how, seed, halt } = *line else { return Ok(()) };
        let was_up = self.is_up();
        if how >= 2 && was_up {
            self.close_all()?;
        }
        let is_power_loss = how == 1 || how == 3;
        // What a failed flush did not write is lost as if the power had been.
        let loses_unflushed = is_power_loss || self.met_fault();
        self.disk.reseed(seed);
        match is_power_loss {
            true => self.world.power_off(MACHINE),
            false => self.world.kill(MACHINE),
        }
        self.outcome.crashes += u64::from(how < 2 || !was_up);
        self.outcome.halts += u64::from(!was_up);
        self.forget_process(loses_unflushed);
        self.begin(halt)
    }

    /// Loses the power, in the hope of a start with nothing in the way.
    pub(super) fn power_off(&mut self) {
        self.disk.reseed(1);
        self.world.power_off(MACHINE);
        self.forget_process(true);
    }

    fn forget_process(&mut self, loses_unflushed: bool) {
        for log in self.logs.values_mut() {
            (log.log, log.prepared, log.cleaning) = (None, None, None);
            log.model.lost_power |= loses_unflushed;
        }
        for dir in &mut self.dirs {
            dir.held.clear();
            dir.open = None;
            dir.is_faulted = false;
        }
        self.platform = None;
        self.disk.heal();
        self.disk.set_capacity_bytes(None);
        self.is_full = false;
    }

    /// Starts the process; with `halt` the machine is stopped at that change of the disk.
    pub(super) fn begin(&mut self, halt: u64) -> Result<(), Broken> {
        self.platform = Some(self.world.boot(MACHINE));
        self.failed_before = self.disk.failed_calls();
        for (fault, is_everywhere) in std::mem::take(&mut self.start_faults) {
            self.inject(fault, is_everywhere);
        }
        self.rot_at_start();
        if halt > 0 {
            self.disk.halt_after(halt);
        }
        for number in 0..self.dirs.len() {
            match self.open_dir(number) {
                Ok(()) => {}
                Err(Wrong::Broken(rule, what)) => return Err((rule, what)),
                Err(Wrong::Error(_)) if !self.is_up() => return Ok(()),
                Err(Wrong::Error(_)) if self.dirs[number].is_faulted && self.met_fault() => {
                    // The node goes on without that directory, or is not there until the next start.
                    self.dirs[number].open = None;
                }
                Err(Wrong::Error(
                    StorageError::MetaProperties { .. }
                    | StorageError::WrongNode { .. }
                    | StorageError::WrongCluster { .. },
                )) if self.undo_meta(number) => match self.open_dir(number) {
                    Err(Wrong::Broken(rule, what)) => return Err((rule, what)),
                    Err(Wrong::Error(error)) if self.is_up() => {
                        return Err(("L6 every start succeeds", error.to_string()));
                    }
                    _ => {}
                },
                Err(Wrong::Error(error)) => return Err(("L6 every start succeeds", error.to_string())),
            }
        }
        self.outcome.restarts += 1;
        Ok(())
    }

    fn open_dir(&mut self, number: usize) -> Result<(), Wrong> {
        let (open, report) = self.open_path(number)?;
        self.judge_report(number, &report)?;
        let dir = &mut self.dirs[number];
        dir.open = Some(open);
        for log in self.logs_of(number) {
            self.take_log(log, &report)?;
        }
        Ok(())
    }

    fn open_path(&mut self, number: usize) -> Result<(LogDir, RecoveryReport), Wrong> {
        let platform = self.platform.clone().expect("the process was started");
        let options = LogDirConfig {
            format: Some("cluster".to_owned()),
            // What a broker opens logs with: it knows of no topic's own configuration yet.
            log_config: Arc::new(LogConfig { retention_ms: -1, ..LogConfig::default() }),
            wal: self.wal,
            ..LogDirConfig::new(1)
        };
        let dir = &mut self.dirs[number];
        let opened = LogDir::open(&platform, Path::new(&dir.path), &options, self.now_ms);
        if opened.is_err() && dir.marker == Marker::Must {
            dir.marker = Marker::May;
        }
        Ok(opened?)
    }

    fn judge_report(&mut self, number: usize, report: &RecoveryReport) -> Result<(), Wrong> {
        let is_excused = self.met_fault() || self.has_rot_in(number);
        let dir = &mut self.dirs[number];
        let was = std::mem::replace(&mut dir.marker, Marker::MustNot);
        if was == Marker::MustNot && report.clean {
            return Err(wrong("E4 a clean marker follows a clean stop", &dir.path));
        }
        if was == Marker::Must && !is_excused {
            let untouched = report.cuts.is_empty() && report.rebuilt.is_empty() && report.wal.groups == 0;
            if !report.clean || !untouched {
                return Err(wrong("E4 a clean stop leaves nothing to recover", format!("{report:?}")));
            }
        }
        let is_sound = |topic: &str| {
            let own = self.logs.iter().find(|(_, log)| log.topic == topic);
            own.is_none_or(|(number, _)| !self.is_rotten(*number))
        };
        if let Some(damaged) = report.damaged.iter().find(|damaged| is_sound(&damaged.topic))
            && !self.met_fault()
        {
            return Err(wrong("L6 an honest disk damages no log", format!("{damaged:?}")));
        }
        Ok(())
    }

    /// Takes a log as a broker does: one that is damaged is offline alone.
    fn take_log(&mut self, number: u64, report: &RecoveryReport) -> Result<(), Wrong> {
        match self.take_and_compare(number, report) {
            Err(Wrong::Error(error)) if self.is_about_rot(&error) => {
                self.outcome.damaged_logs += 1;
                Ok(())
            }
            taken => taken,
        }
    }

    fn take_and_compare(&mut self, number: u64, report: &RecoveryReport) -> Result<(), Wrong> {
        let now_ms = self.now_ms;
        let (is_rotten, promised) = (self.is_rotten(number), self.promised(number));
        let (has_rotten_bytes, epochs_are_unsure) =
            (self.has_rotten(number, LOG), self.has_rotten(number, EPOCHS));
        let log = self.logs.get_mut(&number).expect("it was listed");
        let open = self.dirs[log.dir].open.as_ref().expect("it was opened");
        if report.damaged.iter().any(|damaged| damaged.topic == log.topic) {
            self.outcome.damaged_logs += 1;
            return Ok(());
        }
        if is_rotten {
            log.model.acked = promised;
            log.model.lost_power = true;
            log.model.epochs_are_unsure |= epochs_are_unsure;
        }
        let config = log.shared_config();
        let taken = match open.take_log(&log.topic, 0, log.model.id, Arc::clone(&config)) {
            Err(StorageError::InconsistentTopicId { .. }) => {
                let old = open.take_unclaimed(&log.topic, 0).expect("it was there a moment ago");
                open.delete_log(old, now_ms)?;
                None
            }
            other => other?,
        };
        let taken = match taken {
            Some(taken) => taken,
            None => {
                let model = &log.model;
                let may_be_gone = model.acked == 0 && (model.lost_power || model.written == 0);
                if !may_be_gone {
                    let what = format!("{} is gone, {} of {}", log.topic, model.acked, model.written);
                    return Err(wrong("L6 what is acknowledged is there", what));
                }
                log.model = model.emptied();
                open.create_log(&log.topic, 0, log.model.id, config, now_ms)?
            }
        };
        log.has_old_files = false;
        let disk = (!has_rotten_bytes).then_some(&self.disk);
        self.outcome.compared_records += compare(log, taken, disk, &self.dirs)?;
        Ok(())
    }

    /// Closes everything as a node does that is told to stop. What goes wrong on the way makes the stop an unclean one.
    fn close_all(&mut self) -> Result<(), Broken> {
        for number in 0..self.dirs.len() {
            match self.close_dir(number) {
                Ok(true) => {
                    self.dirs[number].marker = Marker::Must;
                    self.outcome.clean_stops += 1;
                }
                Ok(false) => {}
                Err(Wrong::Broken(rule, what)) => return Err((rule, what)),
                Err(Wrong::Error(error)) => {
                    self.dirs[number].marker = Marker::May;
                    self.judge(&error)?;
                }
            }
            self.note_all()?;
        }
        Ok(())
    }

    fn close_dir(&mut self, number: usize) -> Result<bool, Wrong> {
        let dir = &mut self.dirs[number];
        let Some(open) = &dir.open else { return Ok(false) };
        dir.held.drain(..).for_each(|group| group.ticket.run());
        while let Some(ticket) = open.wal_ticket() {
            ticket.run();
        }
        if open.offline_reason().is_some() {
            return Ok(false);
        }
        for log in self.logs.values_mut().filter(|log| log.dir == number) {
            log.cleaning = None;
            let Some(unified) = &mut log.log else { continue };
            if let Some(ticket) = log.prepared.take() {
                if !log.is_flushed {
                    ticket.run()?;
                }
                unified.mark_durable(&ticket);
            }
            if let Some(ticket) = unified.close()? {
                ticket.run()?;
                unified.mark_durable(&ticket);
            }
        }
        let closed = open.close_clean(Some(1))?;
        for log in self.logs.values_mut().filter(|log| log.dir == number) {
            let start = log.log.as_ref().map_or(0, |log| log.view().log_start_offset());
            log.model.start_kept = log.model.start_kept.max(start);
        }
        let is_known = !dir.is_faulted && !self.is_full && self.logs.values().all(|log| log.log.is_some());
        if !closed && is_known {
            return Err(wrong("E4 a clean stop writes its marker", &self.dirs[number].path));
        }
        Ok(closed)
    }
}

impl Model {
    /// A log of the same topic that has nothing.
    fn emptied(&self) -> Self {
        let mut writers = self.writers.clone();
        writers.values_mut().for_each(|writer| {
            writer.epoch += 1;
            writer.next_sequence = 0;
        });
        Self {
            writers,
            leader_epoch: self.leader_epoch,
            next_value: self.next_value,
            ..Self::new(self.id, self.incarnation)
        }
    }

    /// The next topic of this name.
    pub(super) fn next(&self, log: u64) -> Self {
        let incarnation = self.incarnation + 1;
        Self { id: topic_id(log, incarnation), incarnation, ..self.emptied() }
    }

    /// Goes on from what a start found.
    fn adopt(&mut self, unified: &UnifiedLog) {
        let view = unified.view();
        let (start, end) = (view.log_start_offset(), view.log_end_offset());
        self.cut(end);
        if start == end && self.end() != end {
            // What was deleted on request reaches farther than what survived.
            let ids = self.batches.iter().filter_map(|told| Some(told.sequence?.producer_id));
            self.ghosts.extend(ids);
            self.batches.clear();
            self.floor = end;
            self.find_sequences();
        }
        self.acked = view.durable_end_offset();
        self.checkpointed = self.checkpointed.min(view.recovery_point());
        self.written = end;
        self.began_at = end;
        self.lost_power = false;
        self.start_allowed = self.start_allowed.max(start);
        self.start_kept = self.start_kept.min(start);
    }
}

fn compare(
    log: &mut Log,
    mut taken: UnifiedLog,
    disk: Option<&platform::sim::SimDisk>,
    dirs: &[Dir],
) -> Result<u64, Wrong> {
    let need = if log.model.lost_power { Need::Acked } else { Need::Written };
    let compared = check::whole(&log.model, &taken, need)?;
    let path = format!("{}/{}-0", dirs[log.dir].path, log.topic);
    if let Some(disk) = disk {
        check::files(disk, Path::new(&path), log.config.compact)?;
    }
    log.model.adopt(&taken);
    let view = taken.view();
    view.set_high_watermark(view.high_watermark());
    check::last_batches_are_known(&log.model, &mut taken)?;
    log.log = Some(taken);
    Ok(compared)
}
