//! Judging the batches of one segment.
//!
//! Owns which batch is believed. A batch whose bytes match its checksum can still be wrong in what the checksum leaves out
//! (its base offset, length and leader epoch), so its neighbours and the log's proof are asked. What is not believed is a
//! range of damaged bytes that ends where the next batch is believed again.

use std::io;
use std::path::{Path, PathBuf};

use platform::{Disk, OpenMode};
use records::{BatchHeader, HEADER_BYTES, stamp};

use super::batch_reader::{BatchReader, Found, Sound};
use super::epochs::Epochs;
use super::finding::{Damage, Finding};
use super::indexes::IndexCheck;
use super::proofs::{Proofs, SegmentProof};
use crate::layout::{LOG_SUFFIX, segment_path};
use crate::scan::BadBatch;

/// Batches whose records cannot be read that are named in a segment; more are only counted.
const UNREADABLE_NAMED: u64 = 10;
/// The largest range that a new header may make whole again.
const MENDED_BYTES_MAX: u64 = 256 << 20;

/// What one segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInspection {
    /// Its base offset.
    pub base_offset: i64,
    /// The file of its records.
    pub path: PathBuf,
    /// Bytes of the file.
    pub bytes: u64,
    /// Batches that are as they should be.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Offset of the first batch, if there is one.
    pub first_offset: Option<i64>,
    /// The offset after the last batch.
    pub end_offset: i64,
    /// Bytes of which the log's proof says that they are as they were written.
    pub proven_bytes: u64,
    /// Bytes at the end that were not flushed before the last stop, which the next start looks at.
    pub unflushed_bytes: u64,
}

/// What a segment is judged by.
pub(super) struct Rules {
    pub(super) base: i64,
    /// Base offset of the next segment.
    pub(super) next: Option<i64>,
    /// Where the last segment should end, as far as checkpoints tell.
    pub(super) known_end: i64,
    /// Whether every offset has to be there.
    pub(super) is_contiguous: bool,
    /// The offset below which everything was flushed.
    pub(super) flushed: i64,
    pub(super) is_clean: bool,
}

impl Rules {
    /// The first offset that cannot be in this segment.
    fn ceiling(&self) -> i64 {
        self.next.unwrap_or(i64::MAX)
    }

    /// The offset that follows the last batch, if it is known.
    fn end(&self) -> Option<i64> {
        self.next.or((self.known_end > self.base && self.is_clean).then_some(self.known_end))
    }
}

/// Where findings go.
pub(super) struct Out<'a> {
    pub(super) damages: &'a mut Vec<Damage>,
    pub(super) findings: &'a mut Vec<Finding>,
    /// Is told of bytes that were read.
    pub(super) progress: &'a mut dyn FnMut(u64),
}

/// A segment being judged.
struct Walk<'a, 'o> {
    reader: BatchReader,
    rules: &'a Rules,
    proof: SegmentProof,
    epochs: &'a mut Epochs,
    indexes: IndexCheck,
    /// The offset that comes next.
    expected: i64,
    unreadable: u64,
    is_tail: bool,
    segment: SegmentInspection,
    out: &'a mut Out<'o>,
}

enum Verdict {
    Good,
    /// Good, and batches before it are missing.
    AfterHole,
    Wrong(String),
}

/// Reads and judges a segment.
///
/// # Errors
/// The disk's.
pub(super) fn judge(
    disk: &dyn Disk,
    dir: &Path,
    rules: &Rules,
    proofs: &Proofs,
    epochs: &mut Epochs,
    out: &mut Out<'_>,
) -> io::Result<SegmentInspection> {
    let path = segment_path(dir, rules.base, LOG_SUFFIX);
    let mut reader = BatchReader::new(disk.open(&path, OpenMode::Read)?)?;
    let proof = proofs.check(rules.base, &mut reader)?;
    let segment = SegmentInspection {
        base_offset: rules.base,
        path,
        bytes: reader.len(),
        batches: 0,
        records: 0,
        first_offset: None,
        end_offset: rules.base,
        proven_bytes: proof.verified_bytes(),
        unflushed_bytes: 0,
    };
    let indexes = IndexCheck::read(disk, dir, rules.base, !rules.is_clean || rules.next.is_none())?;
    let mut walk = Walk {
        reader,
        rules,
        proof,
        epochs,
        indexes,
        expected: rules.base,
        unreadable: 0,
        is_tail: false,
        segment,
        out,
    };
    walk.run()?;
    Ok(walk.finish())
}

impl Walk<'_, '_> {
    fn run(&mut self) -> io::Result<()> {
        let (mut position, mut told) = (0, 0);
        loop {
            let (bad, claimed_end) = match self.reader.at(position)? {
                Found::End => break,
                Found::Bad { bad, end } => (bad.to_string(), end),
                Found::Batch(sound) => match self.verdict(&sound)? {
                    Verdict::Wrong(reason) => (reason, Some(sound.end())),
                    verdict => {
                        if matches!(verdict, Verdict::AfterHole) {
                            let (from, to) = (self.expected, sound.header.base_offset);
                            self.damaged(
                                position,
                                position,
                                to,
                                BadBatch::Missing { from, to }.to_string(),
                                None,
                            );
                        }
                        position = self.accept(&sound)?;
                        if position - told > 1 << 20 {
                            (self.out.progress)(position - told);
                            told = position;
                        }
                        continue;
                    }
                },
            };
            if self.expected >= self.rules.flushed {
                self.is_tail = true;
                self.segment.unflushed_bytes = self.reader.len() - position;
                break;
            }
            position = self.pass(position, claimed_end, bad)?;
        }
        (self.out.progress)(self.reader.len().saturating_sub(told));
        self.end_is_whole();
        self.judge_stretches();
        Ok(())
    }

    /// Whether a batch that matches its checksum belongs where it is.
    fn verdict(&mut self, sound: &Sound) -> io::Result<Verdict> {
        let (header, expected) = (sound.header, self.expected);
        if header.base_offset >= expected && self.proof.covers(sound.position, sound.end()) {
            return Ok(Verdict::Good);
        }
        let offset = |found| Verdict::Wrong(BadBatch::Offset { expected, found }.to_string());
        let is_far = header.last_offset() - self.rules.base > i64::from(i32::MAX) || self.is_beyond(sound)?;
        if header.base_offset < expected || is_far || header.last_offset() >= self.rules.ceiling() {
            return Ok(offset(header.base_offset));
        }
        let after = match self.reader.at(sound.end())? {
            Found::Batch(after) => Some(after.header),
            _ => None,
        };
        // Where the batch would end if it started where it should.
        let fitting_end = expected + i64::from(header.last_offset_delta) + 1;
        let overlaps = after.is_some_and(|after| {
            after.base_offset <= header.last_offset() && after.base_offset >= fitting_end
        });
        if overlaps {
            return Ok(offset(header.base_offset));
        }
        let mut verdict = Verdict::Good;
        if self.rules.is_contiguous && header.base_offset > expected && !header.is_legacy() {
            let at_end = self.reader.len() == sound.end();
            let follows = match after {
                Some(after) => Some(after.base_offset),
                None => self.rules.end().filter(|_| at_end),
            };
            if follows == Some(fitting_end) {
                return Ok(offset(header.base_offset));
            }
            verdict = Verdict::AfterHole;
        }
        if let Some(epoch) = self.epochs.wrong(&header, after.as_ref()) {
            let found = header.partition_leader_epoch;
            return Ok(Verdict::Wrong(format!("the batch has leader epoch {found}, and {epoch} is the one")));
        }
        Ok(verdict)
    }

    /// Where the last segment should end, as far as anything tells.
    fn known_end(&self) -> i64 {
        self.rules.known_end.max(self.proof.end_offset)
    }

    /// Takes a good batch in, and gives the position after it.
    fn accept(&mut self, sound: &Sound) -> io::Result<u64> {
        let header = &sound.header;
        let (records, wrong) = self.reader.check_records(sound)?;
        if let Some(wrong) = wrong {
            self.unreadable += 1;
            if self.unreadable <= UNREADABLE_NAMED {
                let text = format!(
                    "the batch at offset {} matches its checksum, and its records cannot be read: {wrong}",
                    header.base_offset
                );
                self.out.findings.push(Finding::warning(&self.segment.path, text));
            }
        }
        self.proof.passed(sound.position, (header.base_offset, header.next_offset()));
        self.indexes.take(sound);
        self.epochs.take(header);
        self.segment.batches += 1;
        self.segment.records += records;
        self.segment.first_offset.get_or_insert(header.base_offset);
        self.expected = header.next_offset();
        Ok(sound.end())
    }

    /// Goes past bytes that are not believed, and gives the position where belief begins again.
    fn pass(&mut self, from: u64, claimed_end: Option<u64>, reason: String) -> io::Result<u64> {
        let next = self.next_believed(from, claimed_end)?;
        let last = self.rules.next.unwrap_or(self.known_end()).max(self.expected);
        let (to, end_offset) = match next {
            Some(next) => (next.position, next.header.base_offset),
            None => (self.reader.len(), last),
        };
        let mended = self.mended_header(from, to, end_offset, next.as_ref())?;
        if let Some(header) = mended.as_ref().and_then(|bytes| BatchHeader::parse(bytes).ok()) {
            self.epochs.take(&header);
        }
        self.damaged(from, to, end_offset, reason, mended);
        self.indexes.pass(to);
        self.expected = end_offset;
        Ok(to)
    }

    fn next_believed(&mut self, from: u64, claimed_end: Option<u64>) -> io::Result<Option<Sound>> {
        let (floor, ceiling) = (self.expected, self.rules.ceiling());
        if let Some(end) = claimed_end
            && let Found::Batch(next) = self.reader.at(end)?
            && next.header.base_offset > floor
            && next.header.last_offset() < ceiling
            && self.fits_behind(from, &next)?
            && !self.is_beyond(&next)?
            && self.reader.goes_on(&next)?
        {
            return Ok(Some(next));
        }
        let found = self.reader.search(from + 1, floor + 1, ceiling)?;
        Ok(match found {
            Some(next) if self.is_beyond(&next)? => None,
            found => found,
        })
    }

    /// Whether a batch of a log that was closed goes beyond where the log ended, and no other one agrees with it.
    fn is_beyond(&mut self, sound: &Sound) -> io::Result<bool> {
        let end = self.known_end();
        let is_closed = self.rules.is_clean && self.rules.is_contiguous && self.rules.next.is_none();
        if !is_closed || self.expected >= end || sound.header.last_offset() < end {
            return Ok(false);
        }
        let next_offset = sound.header.next_offset();
        let agrees =
            |after: Found| matches!(after, Found::Batch(after) if after.header.base_offset == next_offset);
        Ok(!agrees(self.reader.at(sound.end())?))
    }

    /// Whether the damaged batch, if its own offsets are right, ends where the next one starts: then nothing lies between
    /// them. Where holes are allowed that cannot be told.
    fn fits_behind(&mut self, from: u64, next: &Sound) -> io::Result<bool> {
        let bytes = self.reader.bytes(from, HEADER_BYTES)?;
        let delta = BatchHeader::parse(bytes).map_or(-1, |header| header.last_offset_delta);
        let end = self.expected + i64::from(delta) + 1;
        Ok(match self.rules.is_contiguous {
            true => next.header.base_offset == end,
            false => next.header.base_offset >= end,
        })
    }

    /// The header that makes a damaged range one whole batch, if only the header was wrong and either the log's proof or
    /// everything around says what it was.
    fn mended_header(
        &mut self,
        from: u64,
        to: u64,
        end_offset: i64,
        next: Option<&Sound>,
    ) -> io::Result<Option<[u8; HEADER_BYTES]>> {
        let size = to - from;
        if size < HEADER_BYTES as u64 || size > MENDED_BYTES_MAX {
            return Ok(None);
        }
        let bytes = self.reader.bytes(from, size as usize)?;
        let Some(own) = bytes.first_chunk::<HEADER_BYTES>().copied() else { return Ok(None) };
        let crc = crc32c::crc32c(&bytes[21..]);
        let mut header = own;
        header[8..12].copy_from_slice(&((size - 12) as u32).to_be_bytes());
        header[16] = 2;
        let epoch_of = |header: &[u8; HEADER_BYTES]| {
            BatchHeader::parse(header).map_or(-1, |header| header.partition_leader_epoch)
        };
        let (own_epoch, after) = (epoch_of(&header), next.map(|next| next.header.partition_leader_epoch));
        let between = self.epochs.between(self.expected, own_epoch, after);
        let is_whole = crc.to_be_bytes() == own[17..21];
        if let Some(epoch) = between.filter(|_| is_whole && self.rules.is_contiguous) {
            let candidate = stamp(&header, self.expected, epoch);
            let parsed = BatchHeader::parse(&candidate).ok();
            if parsed
                .is_some_and(|parsed| parsed.last_offset_delta >= 0 && parsed.next_offset() == end_offset)
            {
                return Ok(Some(candidate));
            }
        }
        let own_base = BatchHeader::parse(&header).map_or(-1, |header| header.base_offset);
        let epochs =
            [between.unwrap_or(own_epoch), own_epoch, self.epochs.latest(), after.unwrap_or(own_epoch)];
        for crc in [own[17..21].try_into().expect("four bytes"), crc.to_be_bytes()] {
            header[17..21].copy_from_slice(&crc);
            for (base, epoch) in [self.expected, own_base].into_iter().flat_map(|b| epochs.map(|e| (b, e))) {
                let candidate = stamp(&header, base, epoch);
                if self.proof.is_whole_with(&mut self.reader, from, &candidate)? {
                    return Ok(Some(candidate));
                }
            }
        }
        Ok(None)
    }

    fn damaged(
        &mut self,
        from: u64,
        to: u64,
        end_offset: i64,
        reason: String,
        mended_header: Option<[u8; HEADER_BYTES]>,
    ) {
        self.proof.explained(from, to);
        self.out.damages.push(Damage {
            segment: self.rules.base,
            path: self.segment.path.clone(),
            from,
            to,
            first_offset: self.expected,
            end_offset,
            reason,
            mended_header,
        });
    }

    /// A stretch that is not as it was written, although each of its batches looks as it should, is damaged as a whole.
    fn judge_stretches(&mut self) {
        let failed = std::mem::take(&mut self.proof.failed);
        for run in failed.into_iter().filter(|run| !run.is_explained) {
            let Some(first_offset) = run.first_offset else { continue };
            self.out.damages.push(Damage {
                segment: self.rules.base,
                path: self.segment.path.clone(),
                from: u64::from(run.entry.from),
                to: u64::from(run.entry.to),
                first_offset,
                end_offset: run.end_offset,
                reason: "the bytes are not those that were written, says the log's proof".to_owned(),
                mended_header: None,
            });
        }
    }

    /// A segment ends where the next one starts, and the last where the checkpoints say.
    fn end_is_whole(&mut self) {
        if self.is_tail || self.expected >= self.rules.flushed {
            return;
        }
        let hole = match self.rules.next {
            Some(next) => Some(next).filter(|next| self.rules.is_contiguous && self.expected < *next),
            None => Some(self.known_end()).filter(|end| self.expected < *end),
        };
        if let Some(end) = hole {
            let bytes = self.reader.len();
            let reason = match self.rules.next {
                Some(_) => BadBatch::Missing { from: self.expected, to: end }.to_string(),
                None => format!("the log ends here, and everything up to {end} had been flushed"),
            };
            self.damaged(bytes, bytes, end, reason, None);
            self.expected = end;
        }
    }

    fn finish(self) -> SegmentInspection {
        let Walk { rules, indexes, expected, unreadable, mut segment, is_tail, out, .. } = self;
        let is_flushed = rules.next.is_some_and(|next| next <= rules.flushed);
        if !is_tail {
            indexes.findings(is_flushed, out.findings);
        }
        if unreadable > UNREADABLE_NAMED {
            let text = format!("has {} more such batches", unreadable - UNREADABLE_NAMED);
            out.findings.push(Finding::warning(&segment.path, text));
        }
        segment.end_offset = expected;
        segment
    }
}
