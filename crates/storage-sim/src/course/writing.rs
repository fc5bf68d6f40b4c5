//! What changes a log's content: produce in all its forms, truncation, topics made anew, epochs, modes.
//!
//! Owns the building of batches, and what the model is told before and after each call, so that a stop in between
//! leaves it neither too sure nor too lax.

use std::rc::Rc;

use records::{BatchBuilder, BatchSettings, Compression};
use storage::{AppendError, AppendInfo, AppendOrigin, StorageError};

use super::{Course, Done, Log, wrong};
use crate::check::{self, Wrong};
use crate::line::Line;
use crate::model::{KEYS, Record, Sequence, Told};

/// A batch to be sent.
struct Batch {
    records: Vec<Record>,
    sequence: Option<Sequence>,
    compression: Compression,
}

impl Course {
    pub(super) fn write(&mut self, line: &Line) -> Done {
        match *line {
            Line::Produce { log, producer, records, padding, first_key, tombstone_in, codec, back_ms } => {
                let timestamp = self.now_ms - i64::try_from(back_ms).unwrap_or(0);
                let Some((log, _)) = self.working(log) else { return Ok(()) };
                let records = (0..records.clamp(1, 64)).map(|number| {
                    let is_tombstone = tombstone_in > 0 && number % tombstone_in == 0;
                    let value = (!is_tombstone).then(|| log.next_value(padding.min(4_096) as usize));
                    Record { key: key(first_key + number), value, timestamp }
                });
                let records: Vec<Record> = records.collect();
                let sequence = log.next_sequence(producer, records.len());
                let compression = if codec == 1 { Compression::Lz4 } else { Compression::None };
                self.produce(line, Batch { records, sequence, compression })
            }
            Line::Large { log, producer, kib } => {
                let timestamp = self.now_ms;
                let Some((log, _)) = self.working(log) else { return Ok(()) };
                let bytes = usize::try_from(kib.clamp(1, 700)).unwrap_or(1) << 10;
                let value = Some(log.next_value(bytes));
                let records = vec![Record { key: key(log.model.next_value), value, timestamp }];
                let sequence = log.next_sequence(producer, 1);
                self.produce(line, Batch { records, sequence, compression: Compression::None })
            }
            Line::Again { log, producer } => self.again(log, producer),
            Line::Gap { log, producer } => self.gap(log, producer),
            Line::Bump { log, producer } => {
                if let Some(writer) =
                    self.logs.get_mut(&log).and_then(|log| log.model.writers.get_mut(&id(producer)))
                {
                    writer.epoch += 1;
                    writer.next_sequence = 0;
                }
                Ok(())
            }
            Line::Truncate { log, records } => self.truncate(log, records),
            Line::Recreate { log } => self.recreate(log),
            Line::Epoch { log } => {
                if let Some((log, _)) = self.working(log) {
                    log.model.leader_epoch += 1;
                    let epoch = log.model.leader_epoch;
                    log.log.as_mut().expect("it works").start_epoch(epoch);
                }
                Ok(())
            }
            Line::Mode { log, durable } => self.mode(log, durable > 0),
            _ => Ok(()),
        }
    }

    fn produce(&mut self, line: &Line, batch: Batch) -> Done {
        let (Line::Produce { log: number, .. } | Line::Large { log: number, .. }) = *line else {
            return Ok(());
        };
        let now_ms = self.now_ms;
        let Some((log, _)) = self.working(number) else { return Ok(()) };
        let told = Told {
            base: log.model.end(),
            bytes: Rc::new(build(&batch)),
            records: Rc::new(batch.records),
            leader_epoch: log.model.leader_epoch,
            sequence: batch.sequence,
        };
        let unified = log.log.as_mut().expect("it works");
        let appended = unified.append_as_leader(&told.bytes, told.leader_epoch, AppendOrigin::Client, now_ms);
        match appended {
            Ok(info) => {
                let is_right =
                    info.first_offset == told.base && info.last_offset == told.end() - 1 && !info.duplicate;
                if !is_right {
                    return Err(wrong(
                        "P1 a new batch gets the next offsets",
                        format!("{info:?}, {}", told.base),
                    ));
                }
                log.appended(told);
                Ok(())
            }
            Err(AppendError::Storage(error)) => self.not_appended(number, told, error),
            Err(AppendError::LargerThanSegment { .. }) => {
                log.model.find_sequences();
                Ok(())
            }
            Err(error) => Err(wrong("P2 sequences are contiguous", error)),
        }
    }

    /// An append that failed left the log as it was, or the directory is lost and nobody knows.
    fn not_appended(&mut self, number: u64, told: Told, error: StorageError) -> Done {
        let is_up = self.is_up();
        let log = self.logs.get_mut(&number).expect("it was appended to");
        let dir = self.dirs[log.dir].open.as_ref();
        let is_online = is_up && dir.is_some_and(|dir| dir.offline_reason().is_none());
        if is_online {
            let end = log.log.as_ref().map(|log| log.view().log_end_offset());
            if end != Some(told.base) {
                let what = format!("{error}, and the log ends at {end:?}, not at {}", told.base);
                return Err(wrong("Z2 a definite error never took effect", what));
            }
            log.model.find_sequences();
        } else {
            log.model.batches.push(told);
            log.log = None;
        }
        Err(error.into())
    }

    /// A producer that did not hear of its last batch sends it again: it is answered as the first time.
    fn again(&mut self, number: u64, producer: u64) -> Done {
        let now_ms = self.now_ms;
        let Some((log, _)) = self.working(number) else { return Ok(()) };
        let unified = log.log.as_mut().expect("it works");
        let start = unified.view().log_start_offset();
        let last = log.model.last_batches(i64::MAX);
        let Some(told) = last.get(&id(producer)).filter(|told| told.base >= start) else { return Ok(()) };
        match unified.append_as_leader(&told.bytes, told.leader_epoch, AppendOrigin::Client, now_ms) {
            Ok(AppendInfo { first_offset, duplicate: true, .. }) if first_offset == told.base => Ok(()),
            Ok(info) => {
                Err(wrong("P3 a duplicate is answered with its offset", format!("{info:?}, {}", told.base)))
            }
            Err(AppendError::Storage(error)) => Err(error.into()),
            Err(error) => Err(wrong("P3 a duplicate is answered with its offset", error)),
        }
    }

    /// A batch that leaves sequences out is refused.
    fn gap(&mut self, number: u64, producer: u64) -> Done {
        let now_ms = self.now_ms;
        let Some((log, _)) = self.working(number) else { return Ok(()) };
        let unified = log.log.as_mut().expect("it works");
        let start = unified.view().log_start_offset();
        let last = log.model.last_batches(i64::MAX);
        let Some(told) = last.get(&id(producer)).filter(|told| told.base >= start) else { return Ok(()) };
        let last = told.sequence.expect("its producer was asked for");
        let sequence = Sequence { first: last.last + 5, last: last.last + 5, ..last };
        let records = vec![Record { key: key(0), value: Some(b"gap".to_vec()), timestamp: now_ms }];
        let bytes = build(&Batch { records, sequence: Some(sequence), compression: Compression::None });
        match unified.append_as_leader(&bytes, told.leader_epoch, AppendOrigin::Client, now_ms) {
            Err(AppendError::OutOfOrderSequence { .. }) => Ok(()),
            Err(AppendError::Storage(error)) => Err(error.into()),
            other => Err(wrong("P4 a gap is refused", format!("{other:?}"))),
        }
    }

    fn truncate(&mut self, number: u64, records: u64) -> Done {
        let now_ms = self.now_ms;
        // The log may hear of a flush that is done after it was cut.
        if self.logs.get(&number).is_some_and(|log| !log.is_flushed) {
            self.settle_flushes(number)?;
        }
        let Some((log, dir)) = self.working(number) else { return Ok(()) };
        let unified = log.log.as_mut().expect("it works");
        let view = unified.view();
        let wanted = view.log_end_offset() - i64::try_from(records.clamp(1, 1 << 20)).unwrap_or(1);
        let bound = view.log_start_offset().max(log.model.cleaned_to()).max(log.model.start_kept);
        let low =
            log.model.batches.iter().map(Told::end).rfind(|end| *end <= wanted).unwrap_or(log.model.floor);
        if wanted <= bound || low < bound {
            return Ok(());
        }
        // Another leader's branch begins here: nothing behind it is promised any more.
        log.model.acked = log.model.acked.min(low);
        log.model.written = log.model.written.min(low);
        log.model.checkpointed = log.model.checkpointed.min(low);
        log.model.logged = log.model.logged.min(low);
        log.model.branch_from = low;
        log.model.proven = log.model.proven.min(low);
        let open = dir.open.as_ref().expect("it works");
        unified.truncate_to(wanted, open, now_ms)?;
        let end = view.log_end_offset();
        if end != low {
            return Err(wrong("L6 a truncation ends where it should", format!("{end}, not {low}")));
        }
        log.model.cut(end);
        log.model.written = end;
        check::epochs(&log.model, &view)?;
        Ok(())
    }

    fn recreate(&mut self, number: u64) -> Done {
        let now_ms = self.now_ms;
        self.settle_flushes(number)?;
        let Some((log, dir)) = self.working(number) else { return Ok(()) };
        let open = dir.open.as_ref().expect("it works");
        let old = log.log.take().expect("it works");
        log.cleaning = None;
        // From here on the metadata knows the new topic only, whatever becomes of the old one's files.
        log.model = log.model.next(number);
        log.has_old_files = true;
        open.delete_log(old, now_ms)?;
        let made = open.create_log(&log.topic, 0, log.model.id, log.shared_config(), now_ms)?;
        log.log = Some(made);
        log.has_old_files = false;
        // Only now: the old one's files lie there still if it was stopped before.
        self.forget_rot_of(number);
        Ok(())
    }

    fn mode(&mut self, number: u64, durable: bool) -> Done {
        self.settle_flushes(number)?;
        let Some((log, _)) = self.working(number) else { return Ok(()) };
        log.config.durable = durable;
        (log.was_durable, log.was_replicated) = (log.was_durable || durable, log.was_replicated || !durable);
        let config = log.shared_config();
        Ok(log.log.as_mut().expect("it works").update_config(config)?)
    }

    /// Tickets of one log are run one after another: one that was prepared comes before what else would flush.
    pub(super) fn settle_flushes(&mut self, number: u64) -> Result<(), Wrong> {
        let Some((log, _)) = self.working(number) else { return Ok(()) };
        if let Some(ticket) = log.prepared.take() {
            let unified = log.log.as_mut().expect("it works");
            if !log.is_flushed {
                ticket.run().inspect_err(|_| unified.put_flush_off())?;
            }
            unified.mark_durable(&ticket);
        }
        Ok(())
    }
}

impl Log {
    fn next_value(&mut self, padding: usize) -> Vec<u8> {
        let number = self.model.next_value;
        self.model.next_value += 1;
        let mut value = number.to_be_bytes().to_vec();
        value.extend((0..padding).map(|at| (number as usize * 31 + at * 7 + at / 251) as u8));
        value
    }

    fn next_sequence(&mut self, producer: u64, records: usize) -> Option<Sequence> {
        if producer == 0 {
            return None;
        }
        let producer_id = id(producer);
        let writer = self.model.writers.entry(producer_id).or_default();
        let first = writer.next_sequence;
        let count = i32::try_from(records).expect("a batch has few records");
        writer.next_sequence += count;
        Some(Sequence { producer_id, epoch: writer.epoch, first, last: first + count - 1 })
    }

    fn appended(&mut self, told: Told) {
        self.model.written = told.end();
        self.model.batches.push(told);
    }
}

fn id(producer: u64) -> i64 {
    1_000 + i64::try_from(producer % 8).unwrap_or(0)
}

fn key(number: u64) -> Vec<u8> {
    format!("key-{}", number % KEYS).into_bytes()
}

fn build(batch: &Batch) -> Vec<u8> {
    let mut settings = BatchSettings { compression: batch.compression, ..BatchSettings::default() };
    if let Some(sequence) = batch.sequence {
        settings.producer_id = sequence.producer_id;
        settings.producer_epoch = sequence.epoch;
        settings.base_sequence = sequence.first;
    }
    let mut builder = BatchBuilder::new(settings);
    for Record { key, value, timestamp } in &batch.records {
        builder.append(Some(key), value.as_deref(), &[], *timestamp).expect("a record fits into a batch");
    }
    builder.build().expect("a batch is sound")
}
