//! What a node does beside the clients: groups of the write-ahead log, flushes, checkpoints, rolls, retention, cleaning.
//!
//! Owns what each of them may change, as the model is told.

use std::path::Path;

use platform::Disk;
use storage::{CleanSettings, CleanStep, LogConfig};

use super::{Course, Done, Group, wrong};
use crate::check;
use crate::line::Line;
use crate::model::CleaningBegun;

/// Bytes that a piece of a cleaning reads and writes.
const CLEANING_STEP_BYTES: u64 = 400;
/// A cleaning of a small log ends long before.
const CLEANING_STEPS_MAX: u64 = 100_000;
/// Groups on their way at once.
const HELD_MAX: usize = 2;

impl Course {
    pub(super) fn keep_up(&mut self, line: &Line) -> Done {
        match *line {
            Line::Pump { dir, tickets } => {
                self.pump(self.dir_number(dir), tickets);
                Ok(())
            }
            Line::Hold { dir } => {
                self.hold(self.dir_number(dir));
                Ok(())
            }
            Line::Release { newest } => {
                self.release(newest > 0);
                Ok(())
            }
            Line::Prepare { log } => {
                self.settle_flushes(log)?;
                if let Some((log, _)) = self.working(log) {
                    log.prepared = log.log.as_mut().expect("it works").flush()?;
                    log.is_flushed = false;
                }
                Ok(())
            }
            Line::RunPrepared { log } => self.run_prepared(log),
            Line::Hear { log } => match self.logs.get(&log) {
                Some(own) if own.is_flushed => self.settle_flushes(log),
                _ => Ok(()),
            },
            Line::Flush { log } => self.flush(log),
            Line::Checkpoint { dir } => self.checkpoint(self.dir_number(dir)),
            Line::Offsets { dir } => self.write_offsets(self.dir_number(dir)),
            Line::Watermarks { dir } => match &self.dirs[self.dir_number(dir)].open {
                Some(open) => Ok(open.checkpoint_high_watermarks()?),
                None => Ok(()),
            },
            Line::Prove { dir } => {
                let number = self.dir_number(dir);
                if self.dirs[number].open.as_ref().is_some_and(storage::LogDir::prove_wal) {
                    self.pump(number, 0);
                }
                Ok(())
            }
            Line::Roll { log } => {
                let now_ms = self.now_ms;
                match self.working(log) {
                    Some((log, _)) => Ok(log.log.as_mut().expect("it works").roll(now_ms).map(drop)?),
                    None => Ok(()),
                }
            }
            Line::Clean { log, keys, later_ms, pieces, settle } => {
                self.now_ms += i64::try_from(later_ms.min(1 << 40)).unwrap_or(0);
                if settle > 0 {
                    self.settle(log)?;
                }
                self.begin_cleaning(log, keys)?;
                self.go_on_cleaning(log, pieces)
            }
            Line::CleanOn { log, pieces } => self.go_on_cleaning(log, pieces),
            Line::DeleteRecords { log, eighths } => self.delete_records(log, eighths),
            Line::RetainBytes { log, bytes } => self.retain(log, i64::try_from(bytes).unwrap_or(0), -1),
            Line::RetainTime { log, ms } => self.retain(log, -1, i64::try_from(ms).unwrap_or(0)),
            Line::Expire { dir } => self.expire(self.dir_number(dir)),
            _ => Ok(()),
        }
    }

    /// Takes a group whose write is slow.
    fn hold(&mut self, number: usize) {
        let proves = self.durable_ends(number);
        let dir = &mut self.dirs[number];
        let Some(open) = &dir.open else { return };
        if dir.held.len() < HELD_MAX {
            dir.held.extend(open.wal_ticket().map(|ticket| Group { ticket, proves }));
        }
    }

    /// A slow write comes to its end: the newest, or the oldest.
    fn release(&mut self, newest: bool) {
        for number in 0..self.dirs.len() {
            let held = &mut self.dirs[number].held;
            let group = match newest {
                false if !held.is_empty() => Some(held.remove(0)),
                _ => held.pop(),
            };
            group.into_iter().for_each(|group| self.write_group(number, group));
        }
    }

    fn durable_ends(&self, dir: usize) -> Vec<(u64, i64)> {
        let own = self.logs.iter().filter(|(_, log)| log.dir == dir);
        own.filter_map(|(number, log)| Some((*number, log.log.as_ref()?.view().durable_end_offset())))
            .collect()
    }

    /// Writes a group. If it is there, what it proves is proven.
    fn write_group(&mut self, dir: usize, group: Group) {
        let before = self.durable_ends(dir);
        let is_group = group.ticket.is_group();
        group.ticket.run();
        if !self.is_up() || self.met_fault() {
            return;
        }
        let is_idle = self.dirs[dir].open.as_ref().is_some_and(storage::LogDir::is_wal_idle);
        for (number, end) in group.proves.into_iter().filter(|_| is_group) {
            if let Some(log) = self.logs.get_mut(&number) {
                log.model.proven = log.model.proven.max(end).min(log.model.acked);
            }
        }
        for ((number, end), (_, before)) in self.durable_ends(dir).into_iter().zip(before) {
            if let Some(log) = self.logs.get_mut(&number)
                && (is_idle || end > before)
                // What an earlier life flushed without it does not come into the write-ahead log any more.
                && log.model.logged.max(log.model.checkpointed) >= log.model.began_at
            {
                log.model.logged = end;
            }
        }
    }

    fn run_prepared(&mut self, number: u64) -> Done {
        if let Some((log, _)) = self.working(number)
            && let Some(ticket) = log.prepared.as_ref().filter(|_| !log.is_flushed)
        {
            ticket.run()?;
            log.is_flushed = true;
        }
        Ok(())
    }

    fn dir_number(&self, dir: u64) -> usize {
        usize::try_from(dir).unwrap_or(0) % self.dirs.len()
    }

    /// Writes groups; after each, what became durable counts as acknowledged.
    fn pump(&mut self, dir: usize, tickets: u64) {
        let limit = if tickets == 0 { u64::MAX } else { tickets };
        for _ in 0..limit {
            let proves = self.durable_ends(dir);
            let ticket = self.dirs[dir].open.as_ref().and_then(storage::LogDir::wal_ticket);
            match ticket {
                Some(ticket) => self.write_group(dir, Group { ticket, proves }),
                None => break,
            }
        }
    }

    fn flush(&mut self, number: u64) -> Done {
        self.settle_flushes(number)?;
        let Some((log, _)) = self.working(number) else { return Ok(()) };
        let unified = log.log.as_mut().expect("it works");
        let Some(ticket) = unified.flush()? else { return Ok(()) };
        let ran = ticket.run();
        match ran {
            Ok(()) => unified.mark_durable(&ticket),
            Err(_) => unified.put_flush_off(),
        }
        Ok(ran?)
    }

    fn checkpoint(&mut self, dir: usize) -> Done {
        for number in self.logs_of(dir) {
            self.flush(number)?;
        }
        self.write_offsets(dir)?;
        self.pump(dir, 0);
        Ok(())
    }

    fn write_offsets(&mut self, dir: usize) -> Done {
        let Some(open) = &self.dirs[dir].open else { return Ok(()) };
        open.checkpoint()?;
        open.release_wal();
        for log in self.logs.values_mut().filter(|log| log.dir == dir) {
            let start = log.log.as_ref().map_or(0, |log| log.view().log_start_offset());
            log.model.start_kept = log.model.start_kept.max(start);
            log.model.checkpointed =
                log.log.as_ref().map_or(log.model.checkpointed, |log| log.view().recovery_point());
        }
        Ok(())
    }

    /// Makes what can be cleaned so: rolled, flushed, and in the checkpoint.
    fn settle(&mut self, number: u64) -> Done {
        let now_ms = self.now_ms;
        let Some((log, _)) = self.working(number) else { return Ok(()) };
        let dir = log.dir;
        log.log.as_mut().expect("it works").roll(now_ms)?;
        self.pump(dir, 0);
        self.flush(number)?;
        self.write_offsets(dir)?;
        // The high watermark follows what was flushed, as it does in the broker.
        if let Some((log, _)) = self.working(number) {
            let view = log.log.as_ref().expect("it works").view();
            view.set_high_watermark(view.durable_end_offset());
        }
        Ok(())
    }

    fn begin_cleaning(&mut self, number: u64, keys: u64) -> Done {
        let (now_ms, disk) = (self.now_ms, self.disk.clone());
        let Some((log, dir)) = self.working(number) else { return Ok(()) };
        if log.cleaning.is_some() {
            return Ok(());
        }
        let unified = log.log.as_ref().expect("it works");
        let open = dir.open.as_ref().expect("it works");
        let Some(cleanable) = unified.cleanable(open, now_ms)?.filter(|found| found.cleanable_bytes > 0)
        else {
            return Ok(());
        };
        // The oracle's own bound: what is committed, and not in the newest file.
        let path = format!("{}/{}-0", dir.path, log.topic);
        let names = disk.list(Path::new(&path)).unwrap_or_default();
        let bases = names.iter().filter_map(|entry| entry.name.strip_suffix(".log")?.parse::<i64>().ok());
        let bound = unified.view().high_watermark().min(bases.max().unwrap_or(0));
        if cleanable.first_uncleanable_offset > bound {
            let what = format!("to {}, beyond {bound}", cleanable.first_uncleanable_offset);
            return Err(wrong("C4 what may change is not cleaned", what));
        }
        log.model.cleanings.push(CleaningBegun { bound, now_ms });
        let settings =
            CleanSettings { map_bytes: keys.clamp(1, 1 << 16) * 24, load_factor: 0.9, buffer_bytes: 256 };
        log.cleaning = Some(unified.start_cleaning(cleanable, &settings, now_ms)?);
        Ok(())
    }

    fn go_on_cleaning(&mut self, number: u64, pieces: u64) -> Done {
        let now_ms = self.now_ms;
        let Some((log, dir)) = self.working(number) else { return Ok(()) };
        let Some(mut cleaning) = log.cleaning.take() else { return Ok(()) };
        let (unified, open) = (log.log.as_mut().expect("it works"), dir.open.as_ref().expect("it works"));
        let limit = if pieces == 0 { CLEANING_STEPS_MAX } else { pieces };
        for _ in 0..limit {
            match cleaning.step(CLEANING_STEP_BYTES)? {
                CleanStep::Working => {}
                CleanStep::Swap(group) => {
                    if !unified.swap_cleaned(&group, now_ms)? {
                        group.discard();
                        return Ok(());
                    }
                }
                CleanStep::Done(outcome) => {
                    open.note_cleaned(&unified.view(), outcome.next_dirty_offset)?;
                    let compared = check::content(&log.model, &unified.view())?;
                    self.outcome.cleanings += 1;
                    self.outcome.compared_records += compared;
                    return Ok(());
                }
                CleanStep::GivenUp => return Ok(()),
            }
        }
        if pieces == 0 {
            return Err(wrong("Z1 a cleaning ends", number));
        }
        log.cleaning = Some(cleaning);
        Ok(())
    }

    fn delete_records(&mut self, number: u64, eighths: u64) -> Done {
        let Some((log, _)) = self.working(number) else { return Ok(()) };
        let unified = log.log.as_mut().expect("it works");
        let view = unified.view();
        let (start, high) = (view.log_start_offset(), view.high_watermark());
        let offset = start + (high - start) * i64::try_from(eighths.min(8)).unwrap_or(0) / 8;
        log.model.start_allowed = log.model.start_allowed.max(offset);
        let now = unified.delete_records_before(offset)?;
        if now != offset.max(start) {
            return Err(wrong("D1 the log start moves as asked", format!("to {now}, not {offset}")));
        }
        Ok(())
    }

    fn retain(&mut self, number: u64, bytes: i64, ms: i64) -> Done {
        let now_ms = self.now_ms;
        let Some((log, _)) = self.working(number) else { return Ok(()) };
        let config = log.shared_config();
        let unified = log.log.as_mut().expect("it works");
        let view = unified.view();
        let before = view.log_start_offset();
        // Were it broken off, some segments may be gone.
        let allowed = log.model.start_allowed;
        log.model.start_allowed = allowed.max(view.high_watermark());
        unified.update_config(LogConfig {
            retention_bytes: bytes,
            retention_ms: ms,
            ..log.config.clone()
        })?;
        let outcome = unified.retention(now_ms)?;
        unified.update_config(config)?;
        let start = view.log_start_offset();
        log.model.start_allowed = allowed.max(start);
        if start > view.high_watermark() {
            return Err(wrong("D1 the log start stays below the high watermark", start));
        }
        if bytes >= 0 && outcome.segments > 0 && (view.size_bytes() as i64) < bytes && start > before {
            return Err(wrong(
                "D2 retention keeps what it must",
                format!("{} of {bytes}", view.size_bytes()),
            ));
        }
        let young = log.model.records(before, start).find(|(_, record)| now_ms - record.timestamp <= ms);
        match young {
            Some((offset, _)) if ms >= 0 => Err(wrong("D2 retention keeps what it must", offset)),
            _ => Ok(()),
        }
    }

    fn expire(&mut self, dir: usize) -> Done {
        let now_ms = self.now_ms;
        for log in self.logs.values_mut().filter(|log| log.dir == dir) {
            let ticket = log.log.as_mut().and_then(|log| log.expired_files(now_ms));
            ticket.into_iter().for_each(|ticket| ticket.run());
        }
        let ticket = self.dirs[dir].open.as_ref().and_then(|open| open.expired_logs(now_ms));
        ticket.into_iter().for_each(|ticket| ticket.run());
        Ok(())
    }
}
