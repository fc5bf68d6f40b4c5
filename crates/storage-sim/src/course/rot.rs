//! Bits that rot on the disk, and what they excuse.
//!
//! Owns the list of what rotted, whose log it may hurt and how much, and bringing the files back as a backup would. A
//! log that is not in that list is judged as if nothing had happened, and so is one that is served although it is.

use std::path::{Path, PathBuf};

use platform::{Disk, OpenMode};
use storage::StorageError;
use storage::inspect::{RepairError, Target, inspect, repair};

use super::{Broken, Course, Done};
use crate::line::Line;

/// Files that may rot, by a part of their name.
pub(crate) const KINDS: [&str; 14] = [
    LOG,
    PROOF,
    ".index",
    ".timeindex",
    ".snapshot",
    EPOCHS,
    TOPIC_ID,
    "klamm-generation",
    WAL,
    "recovery-point-offset-checkpoint",
    "log-start-offset-checkpoint",
    "replication-offset-checkpoint",
    "cleaner-offset-checkpoint",
    META,
];

pub(super) const LOG: &str = ".log";
pub(super) const PROOF: &str = "klamm-proof.deleted";
pub(super) const EPOCHS: &str = "leader-epoch-checkpoint";
const TOPIC_ID: &str = "partition.metadata";
pub(super) const WAL: &str = "klamm-wal";
pub(super) const META: &str = "meta.properties";

/// Bits that rot in one history at most.
const FLIPS_MAX: usize = 3;

/// Bytes around a rotten one by which a file is known again.
const AROUND_BYTES: usize = 48;

/// Bytes at the front of a batch that its own checksum leaves out.
const UNCOVERED_BYTES: usize = 17;

/// Bytes of an entry of the proof, and the kind of one that says that a compaction is about to swap.
const PROOF_SLOT_BYTES: usize = 48;
const KIND_SWAP: u8 = 3;

/// Bytes at the front of a file of the write-ahead log that say what it is.
const WAL_HEAD_BYTES: usize = 64;

/// A bit that rotted.
#[derive(Debug)]
pub(super) struct Flip {
    pub(super) kind: &'static str,
    dir: usize,
    /// Whose file it is, unless it is the directory's.
    log: Option<u64>,
    path: PathBuf,
    at: usize,
    mask: u8,
    /// The file as it was on the disk before, and with the bit.
    before: Vec<u8>,
    rotten: Vec<u8>,
    /// It is as it was before.
    is_undone: bool,
}

impl Course {
    pub(super) fn rot(&mut self, line: &Line) -> Done {
        match *line {
            Line::RotAtStart { .. } => self.start_rot.push(line.clone()),
            Line::Rot { dir, kind, which, bit } => self.flip(dir, kind, which, bit),
            _ => {}
        }
        Ok(())
    }

    /// What rots between two lives, and what the last one had in memory only.
    pub(super) fn rot_at_start(&mut self) {
        for flip in &self.flips {
            if let Ok(file) = self.disk.open(&flip.path, OpenMode::Read) {
                file.forget_cached(0).expect("the harness's calls do not fail");
            }
        }
        for line in std::mem::take(&mut self.start_rot) {
            if let Line::RotAtStart { dir, kind, which, bit } = line {
                self.flip(dir, kind, which, bit);
            }
        }
    }

    fn flip(&mut self, dir: u64, kind: u64, which: u64, bit: u64) {
        let pick = |number: u64, count: usize| usize::try_from(number).unwrap_or(0) % count;
        let (dir, kind) = (pick(dir, self.dirs.len()), KINDS[pick(kind, KINDS.len())]);
        let log_of = |path: &Path| self.log_of(path);
        // What rots in one place is found by what is right in another: the proof, the write-ahead log, the recovery point.
        let is_safe = |path: &PathBuf| {
            let own = log_of(path);
            self.flips.iter().filter(|flip| flip.dir == dir).all(|flip| match (flip.log, own) {
                (Some(first), Some(second)) => first != second,
                _ => flip.is_undone,
            })
        };
        let found: Vec<PathBuf> = self.files_of(dir, kind).into_iter().filter(is_safe).collect();
        if found.is_empty() || self.flips.len() >= FLIPS_MAX {
            return;
        }
        let path = found[pick(which, found.len())].clone();
        let bytes = self.disk.durable_bytes(&path).unwrap_or_default();
        // The write-ahead log's files end in zeros that mean nothing.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        if used == 0 {
            return;
        }
        // The header of a file is as likely as the rest.
        let used = if kind == WAL && bit.is_multiple_of(3) { used.min(WAL_HEAD_BYTES) } else { used };
        let (at, mask) = (pick(bit / 8, used), 1 << (bit % 8));
        if kind == LOG && !self.can_be_found(&path, &bytes, at) {
            return;
        }
        // Nothing but this file tells the files of a topic that is gone from those of the next one of its name.
        let is_old = |number: u64| self.logs[&number].has_old_files;
        if kind == TOPIC_ID && self.log_of(&path).is_some_and(is_old) {
            return;
        }
        if self.disk.rot(&path, at, mask).unwrap_or(false) {
            self.world.trace().line(format_args!("rot {} byte {at} mask {mask}", path.display()));
            let rotten = self.disk.durable_bytes(&path).unwrap_or_default();
            let log = self.log_of(&path);
            self.outcome.rotten_bits += 1;
            self.flips.push(Flip { kind, dir, log, path, at, mask, before: bytes, rotten, is_undone: false });
        }
    }

    /// A batch's own checksum leaves out the front of its header. Of what was promised, the proof covers that, unless its
    /// entry was lost with the power, or the write-ahead log; of the rest nothing does.
    fn can_be_found(&self, path: &Path, bytes: &[u8], at: usize) -> bool {
        let Some(log) = self.log_of(path).map(|number| &self.logs[&number]) else { return false };
        let in_wal = if log.was_replicated { 0 } else { log.model.in_wal() };
        let is_sure = |end: i64| match end <= log.model.checkpointed {
            true => self.is_proven(path, at, log.model.checkpointed),
            false => end <= in_wal,
        };
        let mut position = 0;
        for batch in records::batches(bytes).map_while(Result::ok) {
            if (position..position + batch.bytes.len()).contains(&at) {
                return at - position >= UNCOVERED_BYTES || is_sure(batch.header.next_offset());
            }
            position += batch.bytes.len();
        }
        false
    }

    /// Whether an entry of the proof that is on the disk, and counts, speaks of a byte of a segment.
    fn is_proven(&self, path: &Path, at: usize, recovery_point: i64) -> bool {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let base: i64 = name.parse().unwrap_or(-1);
        let bytes = self.disk.durable_bytes(&path.with_file_name(PROOF)).unwrap_or_default();
        let number =
            |slot: &[u8], at: usize| u32::from_be_bytes(*slot[at..].first_chunk().expect("a slot is longer"));
        let offset =
            |slot: &[u8], at: usize| i64::from(number(slot, at)) << 32 | i64::from(number(slot, at + 4));
        let slots = bytes.chunks_exact(PROOF_SLOT_BYTES).skip(1);
        let own: Vec<&[u8]> = slots.filter(|slot| offset(slot, 8) == base).collect();
        // Around a compaction there are two contents, and what is neither may be older than both.
        let is_one = own.iter().all(|slot| slot[0] != KIND_SWAP && number(slot, 4) == number(own[0], 4));
        let covers = |slot: &&&[u8]| (number(slot, 24) as usize..number(slot, 28) as usize).contains(&at);
        is_one && own.iter().filter(covers).any(|slot| offset(slot, 16) <= recovery_point)
    }

    /// Files of a kind: those of logs in use, and of the directory itself.
    fn files_of(&self, dir: usize, kind: &str) -> Vec<PathBuf> {
        let top = Path::new(&self.dirs[dir].path);
        let mut found = Vec::new();
        for entry in self.disk.list(top).unwrap_or_default() {
            let path = top.join(&entry.name);
            if !entry.is_dir && entry.name.contains(kind) {
                found.push(path);
            } else if entry.is_dir && self.log_of(&path.join("file")).is_some() {
                let files = self.disk.list(&path).unwrap_or_default();
                let is_meant =
                    |name: &str| if kind == LOG { name.ends_with(LOG) } else { name.contains(kind) };
                found.extend(
                    files.into_iter().filter(|file| is_meant(&file.name)).map(|file| path.join(file.name)),
                );
            }
        }
        found
    }

    fn log_of(&self, path: &Path) -> Option<u64> {
        let dir = path.parent()?.file_name()?.to_str()?;
        let is_own = |log: &&u64| format!("{}-0", self.logs[log].topic) == dir;
        self.logs.keys().find(is_own).copied()
    }

    /// Bits that may hurt this log, now or from now on.
    fn flips_of(&self, number: u64) -> impl Iterator<Item = &Flip> {
        let dir = self.logs[&number].dir;
        self.flips.iter().filter(move |flip| {
            let is_shared = flip.dir == dir && flip.log.is_none();
            !flip.is_undone && (flip.log == Some(number) || (is_shared && flip.kind == WAL))
        })
    }

    /// Whether anything of a log rotted that could have it offline.
    pub(super) fn is_rotten(&self, number: u64) -> bool {
        self.flips_of(number).next().is_some()
    }

    /// Whether a file of this kind rotted that may hurt this log.
    pub(super) fn has_rotten(&self, number: u64, kind: &str) -> bool {
        self.flips_of(number).any(|flip| flip.kind == kind)
    }

    /// Whether anything of a directory rotted.
    pub(super) fn has_rot_in(&self, dir: usize) -> bool {
        self.flips.iter().any(|flip| flip.dir == dir)
    }

    /// Whether an error tells of a log that rotted.
    pub(super) fn is_about_rot(&self, error: &StorageError) -> bool {
        let (StorageError::Damaged { log, .. }
        | StorageError::Corrupt { log, .. }
        | StorageError::TxnIndex { log, .. }) = error
        else {
            return false;
        };
        let named = self.logs.iter().find(|(_, own)| format!("{}-0", own.topic) == *log);
        named.is_some_and(|(number, _)| self.is_rotten(*number))
    }

    /// How far a rotten log must reach all the same. What was flushed and is not yet below a recovery point looks like a
    /// torn end when it rots, unless the write-ahead log has it; and so does the write-ahead log's last group.
    pub(super) fn promised(&self, number: u64) -> i64 {
        let log = &self.logs[&number];
        let sure = log.model.checkpointed;
        let mut promised = log.model.acked;
        let (in_log, in_wal) = (self.has_rotten(number, LOG), self.has_rotten(number, WAL));
        if (in_log && log.was_replicated) || (in_wal && log.was_replicated && log.was_durable) {
            promised = promised.min(sure);
        } else if in_log {
            promised = promised.min(sure.max(log.model.in_wal()));
        } else if in_wal && log.was_durable {
            promised = promised.min(sure.max(log.model.proven));
        }
        promised
    }

    /// A topic is gone, and what rotted in its files with it.
    pub(super) fn forget_rot_of(&mut self, number: u64) {
        self.flips.iter_mut().filter(|flip| flip.log == Some(number)).for_each(|flip| flip.is_undone = true);
    }

    /// Somebody brings `meta.properties` back. Whether it had rotted.
    pub(super) fn undo_meta(&mut self, dir: usize) -> bool {
        let mut is_undone = false;
        for flip in
            self.flips.iter_mut().filter(|flip| flip.dir == dir && flip.kind == META && !flip.is_undone)
        {
            flip.is_undone = self.disk.damage(&flip.path, |bytes| bytes.clone_from(&flip.before)).is_ok();
            is_undone |= flip.is_undone;
        }
        is_undone
    }

    /// Has the files be what they were before, as far as nobody wrote them since. An id that a start accepted is the
    /// directory's.
    pub(super) fn undo_rot(&mut self) {
        // Nor does a proof that was taken for rotten, and so not made void, come back.
        let is_meant = |flip: &&mut Flip| !flip.is_undone && ![META, PROOF].contains(&flip.kind);
        for flip in self.flips.iter_mut().filter(is_meant) {
            let aside = PathBuf::from(format!("{}.cut", flip.path.display()));
            // A group that a start could not read, and missed nothing by, must not come back.
            let paths = if flip.kind == WAL { vec![aside] } else { vec![flip.path.clone()] };
            // Around it everything is as it was.
            let (from, to) =
                (flip.at.saturating_sub(AROUND_BYTES), flip.rotten.len().min(flip.at + AROUND_BYTES));
            let is_same = |path: &&PathBuf| {
                let bytes = self.disk.durable_bytes(path).unwrap_or_default();
                bytes.get(from..to) == Some(&flip.rotten[from..to])
            };
            if let Some(path) = paths.iter().find(is_same) {
                flip.is_undone = self.disk.rot(path, flip.at, flip.mask).unwrap_or(false);
            }
        }
    }
}

impl Course {
    /// Ends the last life, brings the files back and mends what is offline without giving anything up: then every log
    /// serves what it promised.
    pub(super) fn mend_rot(&mut self) -> Result<(), Broken> {
        if self.flips.is_empty() || !self.is_up() {
            return Ok(());
        }
        let offline: Vec<u64> =
            self.logs.iter().filter(|(_, log)| log.log.is_none()).map(|(number, _)| *number).collect();
        self.power_off();
        self.undo_rot();
        let offline: Vec<u64> = offline.into_iter().filter(|number| !self.is_rotten(*number)).collect();
        for number in &offline {
            self.repair(*number)?;
        }
        self.begin(0)?;
        self.note_all()?;
        for number in offline {
            let log = &self.logs[&number];
            if log.log.is_none() {
                return Err(("L6 a log whose files are back is back", log.topic.clone()));
            }
            self.outcome.mended_logs += 1;
        }
        Ok(())
    }

    /// `klamm segment repair`, without the decision to lose something.
    fn repair(&self, number: u64) -> Result<(), Broken> {
        let log = &self.logs[&number];
        let path = PathBuf::from(format!("{}/{}-0", self.dirs[log.dir].path, log.topic));
        let told =
            |error: String| ("L6 a log whose files are back is back", format!("{}: {error}", log.topic));
        let target = Target::of(&self.disk, &path).map_err(|error| told(error.to_string()))?;
        let found = inspect(&self.disk, &target, &mut |_| {}).map_err(|error| told(error.to_string()))?;
        for found in &found.logs {
            // What was never promised need not be there: in a directory that others closed cleanly it looks as if it were.
            let is_promised = found.damages.iter().any(|damage| damage.first_offset < log.model.acked);
            match repair(&self.disk, &target, found, None) {
                Err(RepairError::WouldLose) if !is_promised => {}
                Err(error) => {
                    return Err(told(format!("{error:?}: {:?}, {:?}", found.damages, found.findings)));
                }
                Ok(_) => {}
            }
        }
        Ok(())
    }
}
