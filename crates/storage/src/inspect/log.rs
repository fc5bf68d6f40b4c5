//! Judging one log: its segments together, and what lies beside them.
//!
//! Owns what holds across segments. It changes nothing.

use std::io;
use std::path::{Path, PathBuf};

use platform::{Disk, OpenMode};
use protocol::Uuid;

use super::batch_reader::{BatchReader, Found};
use super::epochs::Epochs;
use super::facts::{DirectoryFacts, LogFacts};
use super::finding::{Damage, Finding, Level};
use super::proofs::Proofs;
use super::segment::{Out, Rules, SegmentInspection, judge};
use super::small_files::SmallFiles;
use super::wal::WalRange;
use crate::layout::{
    DirKind, LEADER_EPOCH_CHECKPOINT, LOG_SUFFIX, METADATA_TOPIC, PARTITION_METADATA, SNAPSHOT_SUFFIX,
    dir_kind, segment_path,
};
use crate::proof::ProofIdentity;
use crate::tail_copy::marked_to;

/// What one log holds and what is wrong with it.
#[derive(Debug, Clone)]
pub struct LogInspection {
    /// Name of its directory.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// Its topic's id, if a file tells.
    pub topic_id: Option<Uuid>,
    /// Its segments, rising.
    pub segments: Vec<SegmentInspection>,
    /// The first offset that is served.
    pub start_offset: i64,
    /// The offset after the last batch.
    pub end_offset: i64,
    /// The offset below which everything was flushed; `None` if the directory was closed cleanly: then all of it was.
    pub flushed_offset: Option<i64>,
    /// What the write-ahead log holds of it, if the next start has to look there.
    pub wal: Option<WalRange>,
    /// What the second copy of its end holds of it, if the next start compares the two.
    pub tail: Option<WalRange>,
    /// How often it was cut.
    pub(super) generation: u32,
    /// Where it should end, as a start found by the write-ahead log.
    pub(super) missing_until: Option<i64>,
    /// Leader epochs and their first offsets, as the batches tell.
    pub(super) found_epochs: Vec<(i32, i64)>,
    /// Damaged ranges, in the order of their offsets.
    pub damages: Vec<Damage>,
    /// Everything else that was found.
    pub findings: Vec<Finding>,
}

impl LogInspection {
    /// Looks at a log. `only` limits it to one segment.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn read(
        disk: &dyn Disk,
        dir: &Path,
        facts: &DirectoryFacts,
        only: Option<i64>,
        progress: &mut dyn FnMut(u64),
    ) -> io::Result<Self> {
        let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (topic, partition) = match dir_kind(&name) {
            DirKind::Log { topic, partition }
            | DirKind::Stray { topic, partition }
            | DirKind::Future { topic, partition } => (topic, partition),
            _ => (name.clone(), 0),
        };
        let mut findings = Vec::new();
        let files = SmallFiles::read(disk, dir, &mut findings)?;
        let mut known = facts.of_log(&topic, partition);
        // A mark stands for a recovery point that had no place.
        let marked = if facts.is_clean { 0 } else { marked_to(disk, dir, files.generation)? };
        known.recovery_point = known.recovery_point.max(marked);
        known.flushed = known.flushed.max(marked);
        let wal = files.topic_id.filter(|_| !facts.is_clean);
        let mut log = Self {
            name,
            path: dir.to_path_buf(),
            topic_id: files.topic_id,
            segments: Vec::new(),
            start_offset: 0,
            end_offset: 0,
            flushed_offset: (!facts.is_clean).then_some(known.recovery_point),
            wal: wal.and_then(|id| facts.wal.of_log(id, partition, files.generation)),
            tail: None,
            generation: files.generation,
            missing_until: files.missing_until(),
            found_epochs: Vec::new(),
            damages: Vec::new(),
            findings,
        };
        let mut epochs = Epochs::new(files.epochs.clone());
        log.judge_segments(disk, &files, known, facts.is_clean, only, (&mut epochs, progress))?;
        log.found_epochs = epochs.found.entries().iter().map(|e| (e.epoch, e.start_offset)).collect();
        if only.is_none() {
            log.judge_missing(&files, facts, partition);
            log.judge_whole(&files, &known, &epochs);
            log.judge_snapshots_of_metadata(disk, &topic)?;
            log.judge_tail_copy(disk)?;
        }
        Ok(log)
    }

    /// How bad the worst of it is; `None` if there is nothing to say.
    pub fn worst(&self) -> Option<Level> {
        let damage = (!self.damages.is_empty()).then_some(Level::Damage);
        damage.or_else(|| self.findings.iter().map(|finding| finding.level).max())
    }

    /// Whether the log lacks something that it had promised.
    pub(super) fn is_short(&self) -> bool {
        self.worst() == Some(Level::Damage) || self.missing_until.is_some_and(|until| until > self.end_offset)
    }

    fn judge_segments(
        &mut self,
        disk: &dyn Disk,
        files: &SmallFiles,
        known: LogFacts,
        is_clean: bool,
        only: Option<i64>,
        (epochs, progress): (&mut Epochs, &mut dyn FnMut(u64)),
    ) -> io::Result<()> {
        let identity =
            ProofIdentity { topic_id: self.topic_id.unwrap_or(Uuid::ZERO).0, partition: known.partition };
        let proofs = Proofs::read(disk, &self.path, identity, known.flushed, &mut self.findings)?;
        let first = files.segments.first().copied().unwrap_or(0);
        self.start_offset = known.log_start.map_or(first, |start| start.max(first));
        self.end_offset = self.start_offset;
        for (number, base) in files.segments.iter().copied().enumerate() {
            if only.is_some_and(|only| only != base) {
                continue;
            }
            let rules = Rules {
                base,
                next: files.segments.get(number + 1).copied(),
                known_end: known.recovery_point,
                is_contiguous: !known.is_compacted,
                flushed: known.flushed,
                is_clean,
            };
            let mut out = Out { damages: &mut self.damages, findings: &mut self.findings, progress };
            let segment = judge(disk, &self.path, &rules, &proofs, epochs, &mut out)?;
            self.end_offset = self.end_offset.max(segment.end_offset);
            self.segments.push(segment);
        }
        Ok(())
    }

    /// A start found that the log lacks what the write-ahead log had promised, and put the files of that aside.
    fn judge_missing(&mut self, files: &SmallFiles, facts: &DirectoryFacts, partition: i32) {
        let Some(until) = self.missing_until.filter(|until| *until > self.end_offset) else { return };
        let reach = |id: Uuid| facts.aside.reach((id.0, partition, files.generation), self.end_offset);
        let reach = self.topic_id.map_or(self.end_offset, reach);
        if reach >= until {
            let text = format!(
                "ends at {}, and the write-ahead log that was put aside has offsets up to {reach} for it: the next start brings them back",
                self.end_offset
            );
            self.findings.push(Finding::warning(&self.path, text));
            return;
        }
        let last = self.segments.last();
        let (segment, to) = last.map_or((self.end_offset, 0), |last| (last.base_offset, last.bytes));
        self.damages.push(Damage {
            segment,
            path: segment_path(&self.path, segment, LOG_SUFFIX),
            from: to - last.map_or(0, |last| last.unflushed_bytes.min(to)),
            to,
            first_offset: self.end_offset,
            end_offset: until,
            reason: format!("the log ends here, and the write-ahead log had promised it up to {until}"),
            mended_header: None,
        });
    }

    fn judge_whole(&mut self, files: &SmallFiles, known: &LogFacts, epochs: &Epochs) {
        if self.segments.is_empty() && known.recovery_point > self.start_offset {
            let (from, to) = (self.start_offset, known.recovery_point);
            let reason =
                format!("the log has no segment, and everything from {from} to {to} had been flushed");
            self.damages.push(Damage {
                segment: from,
                path: segment_path(&self.path, from, LOG_SUFFIX),
                from: 0,
                to: 0,
                first_offset: from,
                end_offset: to,
                reason,
                mended_header: None,
            });
            self.end_offset = to;
        }
        if files.topic_id.is_none() && !self.segments.is_empty() {
            let path = self.path.join(PARTITION_METADATA);
            self.findings.push(Finding::warning(path, "tells no topic id: the metadata does"));
        }
        for offset in files.snapshots.iter().filter(|offset| **offset > self.end_offset) {
            let path = segment_path(&self.path, *offset, SNAPSHOT_SUFFIX);
            self.findings.push(Finding::warning(path, "is of offsets behind the end of the log"));
        }
        if let Some(high_watermark) = known.high_watermark.filter(|mark| *mark > self.end_offset) {
            let text = format!("ends at {}, before its high watermark {high_watermark}", self.end_offset);
            let level = if known.flushed == i64::MAX { Level::Warning } else { Level::Note };
            self.findings.push(Finding::new(level, &self.path, text));
        }
        self.judge_epochs(files, epochs);
        self.judge_tail();
    }

    fn judge_epochs(&mut self, files: &SmallFiles, epochs: &Epochs) {
        let path = self.path.join(LEADER_EPOCH_CHECKPOINT);
        if let Some(offset) = epochs.contradicted_at {
            let text =
                format!("does not fit the log: the batches at offset {offset} have another leader epoch");
            self.findings.push(Finding::warning(&path, text));
        } else if files.epochs.is_none() && !epochs.found.entries().is_empty() {
            self.findings.push(Finding::warning(&path, "is missing"));
        }
        if let Some(offset) = epochs.back_at {
            let text = format!("has leader epochs that go back at offset {offset}");
            self.findings.push(Finding::warning(&self.path, text));
        }
        let first = self.segments.first().map_or(self.start_offset, |segment| segment.base_offset);
        let told = files.epochs.as_ref().and_then(|epochs| epochs.entries().first().copied());
        if let Some(entry) = told.filter(|entry| entry.start_offset < first) {
            let text = format!("begins at offset {}, and the log at {first}", entry.start_offset);
            self.findings.push(Finding::note(path, text));
        }
    }

    /// What is behind the last flush of a directory that was not closed is not damaged: the next start settles it.
    fn judge_tail(&mut self) {
        let bytes: u64 = self.segments.iter().map(|segment| segment.unflushed_bytes).sum();
        let Some(flushed) = self.flushed_offset else { return };
        let held = match self.wal {
            Some(range) => format!(
                "the write-ahead log holds offsets {}..{} for it",
                range.first_offset, range.end_offset
            ),
            None if self.end_offset > flushed => "the next start checks it".to_owned(),
            None => return,
        };
        let torn =
            if bytes > 0 { format!(" ({bytes} bytes at its end are not whole)") } else { String::new() };
        let text =
            format!("was flushed up to offset {flushed} and ends at {}{torn}: {held}", self.end_offset);
        self.findings.push(Finding::note(&self.path, text));
    }

    /// The snapshots of the metadata log are batches too.
    fn judge_snapshots_of_metadata(&mut self, disk: &dyn Disk, topic: &str) -> io::Result<()> {
        if topic != METADATA_TOPIC {
            return Ok(());
        }
        for entry in disk.list(&self.path)? {
            if entry.is_dir || !entry.name.ends_with(".checkpoint") {
                continue;
            }
            let path = self.path.join(&entry.name);
            let mut reader = BatchReader::new(disk.open(&path, OpenMode::Read)?)?;
            let mut position = 0;
            loop {
                match reader.at(position)? {
                    Found::Batch(batch) => position = batch.end(),
                    Found::End => break,
                    Found::Bad { bad, .. } => {
                        let text = format!("is not whole: at position {position} {bad}");
                        self.findings.push(Finding::damage(path, text));
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}
