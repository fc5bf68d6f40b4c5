//! Making a damaged log whole again, as far as it goes.
//!
//! Owns the order of the steps. After a stop at any of them the log is as it was or repaired; and before a byte is dropped it
//! lies in a file of its own, and a line tells of it. Lost offsets are not used again: an empty batch takes their place, as
//! compaction leaves them, so that the log has no hole and ends where it ended.

mod aborted;
mod audit;
mod restore;
mod rewrite;

use std::io;
use std::path::{Path, PathBuf};

use platform::{Disk, OpenMode};
use protocol::Uuid;

use super::directory::inspect;
use super::finding::{Damage, Finding, Level};
use super::log::LogInspection;
use super::target::Target;
use super::wal::WalRange;
use crate::checkpoint_file::encode_epochs;
use crate::layout::{
    DAMAGE, FileKind, GENERATION, INDEX_SUFFIX, LEADER_EPOCH_CHECKPOINT, LOG_SUFFIX, QUARANTINE_SUFFIX,
    SNAPSHOT_SUFFIX, TIME_INDEX_SUFFIX, file_kind, segment_path,
};
use crate::loader::remove_if_there;
use crate::proof::{PROOF_FILE, PROOF_SLOT_BYTES, ProofEntry, ProofIdentity, ProofSlot, proof_slots};
use crate::tail_copy::{TAIL_FILE, mend_tail};
use crate::txn_index;
use audit::note_loss;
use rewrite::{Rewritten, rewrite};

/// Bytes copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// Who gives records up, and when.
#[derive(Debug, Clone)]
pub struct LossDecision {
    /// Name of the user.
    pub user: String,
    /// When, in ms.
    pub now_ms: i64,
}

/// A range that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What was damaged.
    pub damage: Damage,
    /// Where its bytes are; `None` if they were missing.
    pub kept_in: Option<PathBuf>,
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Damage that is undone.
    pub mended: Vec<Damage>,
    /// Ranges that are lost.
    pub lost: Vec<Loss>,
    /// Offsets that came back from files of the write-ahead log that had been put aside.
    pub restored: Option<WalRange>,
    /// Files that were made anew, or removed so that the next start makes them anew.
    pub rebuilt: Vec<PathBuf>,
    /// Where the losses are written down.
    pub audit: Option<PathBuf>,
}

/// Why a log was not repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// Records would be lost.
    #[error("records would be lost")]
    WouldLose,
    /// Something that is damaged cannot be made anew.
    #[error("{} {}", .0.path.display(), .0.text)]
    Hopeless(Finding),
    /// What was written is not what was meant: nothing was changed.
    #[error("the new file {} is not as it should be ({reason}); the log is as it was", path.display())]
    Rewrite {
        /// The file that was written.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk refused.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Repairs a log on whose directory nobody else works. Without a decision nothing is lost.
///
/// # Errors
/// [`RepairError`]; unless it is the disk's, nothing was changed.
pub fn repair(
    disk: &dyn Disk,
    target: &Target,
    log: &LogInspection,
    decision: Option<&LossDecision>,
) -> Result<Repaired, RepairError> {
    let is_hopeless = |finding: &&Finding| finding.level == Level::Damage && !is_rebuilt(log, finding);
    if let Some(finding) = log.findings.iter().find(is_hopeless) {
        return Err(RepairError::Hopeless(finding.clone()));
    }
    if decision.is_none() && log.damages.iter().any(|damage| !damage.is_mendable()) {
        return Err(RepairError::WouldLose);
    }
    let beside = target.directory.clone().or_else(|| log.path.parent().map(Path::to_path_buf));
    let directory = beside.unwrap_or_else(|| PathBuf::from("."));
    // Where only the end is missing, what was put aside may have some of it.
    let restored = match log.damages.as_slice() {
        [end] if end.from == end.to && end.first_offset == log.end_offset => {
            restore::restore(disk, &directory, target)?
        }
        _ => None,
    };
    let again = if restored.is_some() { Some(look_again(disk, target)?) } else { None };
    let log = again.as_ref().unwrap_or(log);
    let repaired = Repaired { restored, ..Repaired::default() };
    let mut repair = Repair { disk, log, directory, decision, repaired };
    let mut segments: Vec<i64> = log.damages.iter().map(|damage| damage.segment).collect();
    segments.dedup();
    if !segments.is_empty() {
        repair.use_up_tail()?;
    }
    for base in &segments {
        repair.segment(*base)?;
    }
    repair.forget_old_proof(&segments)?;
    repair.small_files()?;
    repair.indexes(&segments)?;
    let restored = restore::restore(disk, &repair.directory, target)?;
    repair.repaired.restored = restored.or(repair.repaired.restored);
    // What is still to come from the write-ahead log, the next start brings back; and it looks at the rest again.
    let is_given_up = log.damages.iter().any(|damage| Some(damage.end_offset) == log.missing_until);
    if log.missing_until.is_none() || is_given_up {
        repair.forget_reports()?;
    }
    Ok(repair.repaired)
}

/// Whether a repair makes anew what is damaged beside the records.
fn is_rebuilt(log: &LogInspection, finding: &Finding) -> bool {
    let is_generation = finding.path.ends_with(GENERATION) && log.flushed_offset.is_none();
    is_generation || transactions_of(&finding.path).is_some()
}

/// The segment whose aborted transactions a file of this name holds.
fn transactions_of(path: &Path) -> Option<i64> {
    match file_kind(&path.file_name()?.to_string_lossy()) {
        FileKind::TxnIndex(base) => Some(base),
        _ => None,
    }
}

struct Repair<'a> {
    disk: &'a dyn Disk,
    log: &'a LogInspection,
    /// The log directory.
    directory: PathBuf,
    decision: Option<&'a LossDecision>,
    repaired: Repaired,
}

impl Repair<'_> {
    /// Has the log end as its second copy says, which then goes: it speaks of positions that a repair moves.
    fn use_up_tail(&self) -> io::Result<()> {
        let known_to = self.log.flushed_offset.unwrap_or(i64::MAX);
        let path = |base| segment_path(&self.log.path, base, LOG_SUFFIX);
        let size = |base| {
            let segment = self.log.segments.iter().find(|segment| segment.base_offset == base)?;
            self.disk.open(&segment.path, OpenMode::Read).and_then(|file| file.len()).ok()
        };
        mend_tail(self.disk, &self.log.path, (known_to, self.log.generation), size, path)?;
        remove_if_there(self.disk, &self.log.path.join(TAIL_FILE))?;
        self.disk.sync_dir(&self.log.path)
    }

    /// Repairs one segment.
    fn segment(&mut self, base: i64) -> Result<(), RepairError> {
        let mut damages: Vec<Damage> =
            self.log.damages.iter().filter(|damage| damage.segment == base).cloned().collect();
        damages.sort_by_key(|damage| damage.from);
        let next = self.log.segments.iter().map(|segment| segment.base_offset).find(|other| *other > base);
        let temporary = segment_path(&self.log.path, base, &format!("{LOG_SUFFIX}.repaired.tmp"));
        let rewritten = rewrite(self.disk, &temporary, &damages, self.log, next)?;
        for damage in damages {
            if damage.is_mendable() {
                self.repaired.mended.push(damage);
            } else {
                self.give_up(damage)?;
            }
        }
        self.add_proof(&rewritten, base)?;
        // Kafka trusts an index that is there.
        for suffix in [INDEX_SUFFIX, TIME_INDEX_SUFFIX] {
            remove_if_there(self.disk, &segment_path(&self.log.path, base, suffix))?;
        }
        self.disk.sync_dir(&self.log.path)?;
        self.disk.rename(&temporary, &segment_path(&self.log.path, base, LOG_SUFFIX))?;
        self.disk.sync_dir(&self.log.path)?;
        self.write_indexes(base, &rewritten)
    }

    /// Puts damaged bytes aside and writes down that their offsets are lost.
    fn give_up(&mut self, damage: Damage) -> Result<(), RepairError> {
        let kept_in = if damage.from < damage.to { Some(self.keep(&damage)?) } else { None };
        let Some(decision) = self.decision else { return Err(RepairError::WouldLose) };
        let audit =
            note_loss(self.disk, &self.directory, &self.log.name, &damage, kept_in.as_deref(), decision)?;
        self.repaired.audit = Some(audit);
        self.repaired.lost.push(Loss { damage, kept_in });
        Ok(())
    }

    fn keep(&self, damage: &Damage) -> io::Result<PathBuf> {
        let path = self.free_name(damage);
        let from = self.disk.open(&damage.path, OpenMode::Read)?;
        let to = self.disk.open(&path, OpenMode::CreateNew)?;
        let mut buffer = vec![0; COPY_BYTES];
        let mut position = damage.from;
        while position < damage.to {
            let wanted = (damage.to - position).min(COPY_BYTES as u64) as usize;
            let count = from.read_full_at(&mut buffer[..wanted], position)?;
            if count == 0 {
                break;
            }
            to.write_at(&buffer[..count], position - damage.from)?;
            position += count as u64;
        }
        to.sync_data()?;
        self.disk.sync_dir(&self.log.path)?;
        Ok(path)
    }

    /// What was put aside before is kept, too.
    fn free_name(&self, damage: &Damage) -> PathBuf {
        let name = |number: u32| {
            let suffix = format!("{LOG_SUFFIX}.{:010}.{number}{QUARANTINE_SUFFIX}", damage.from);
            segment_path(&self.log.path, damage.segment, &suffix)
        };
        (0..).map(name).find(|path| !self.disk.exists(path)).expect("some number is free")
    }

    fn identity(&self) -> ProofIdentity {
        let partition = self.log.name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        ProofIdentity { topic_id: self.log.topic_id.unwrap_or(Uuid::ZERO).0, partition }
    }

    fn proof(&self) -> io::Result<Vec<ProofEntry>> {
        let path = self.log.path.join(PROOF_FILE);
        if !self.disk.exists(&path) {
            return Ok(Vec::new());
        }
        let bytes = self.disk.read(&path)?;
        let slots = proof_slots(&bytes);
        Ok(slots
            .filter_map(|(_, slot)| if let ProofSlot::Entry(entry) = slot { Some(entry) } else { None })
            .collect())
    }

    fn write_proof(&self, entries: &[ProofEntry]) -> io::Result<()> {
        let identity = self.identity();
        let mut bytes = Vec::with_capacity((entries.len() + 1) * PROOF_SLOT_BYTES);
        bytes.extend_from_slice(&identity.encode());
        entries.iter().for_each(|entry| bytes.extend_from_slice(&entry.encode()));
        self.disk.write_atomic(&self.log.path.join(PROOF_FILE), &bytes)
    }

    /// Proves the new content of a segment while the old one is still in its place: until the swap both are known.
    fn add_proof(&mut self, rewritten: &Rewritten, base: i64) -> io::Result<()> {
        let mut entries = self.proof()?;
        let own = entries.iter().filter(|entry| entry.base_offset == base);
        let content = own.map(|entry| entry.content).max().map_or(0, |content| content + 1);
        entries.extend(rewritten.proof.iter().map(|entry| ProofEntry { content, ..*entry }));
        self.write_proof(&entries)
    }

    /// Forgets what the segments held before.
    fn forget_old_proof(&mut self, segments: &[i64]) -> io::Result<()> {
        if segments.is_empty() {
            return Ok(());
        }
        let mut entries = self.proof()?;
        for base in segments {
            let own = entries.iter().filter(|entry| entry.base_offset == *base);
            let newest = own.map(|entry| entry.content).max();
            entries.retain(|entry| entry.base_offset != *base || Some(entry.content) == newest);
        }
        let is_own = |entry: &ProofEntry| segments.contains(&entry.base_offset);
        entries.iter_mut().filter(|entry| is_own(entry)).for_each(|entry| entry.content = 0);
        self.write_proof(&entries)?;
        self.repaired.rebuilt.push(self.log.path.join(PROOF_FILE));
        Ok(())
    }

    fn write_indexes(&mut self, base: i64, rewritten: &Rewritten) -> Result<(), RepairError> {
        for (suffix, bytes) in [(INDEX_SUFFIX, &rewritten.offsets), (TIME_INDEX_SUFFIX, &rewritten.times)] {
            let path = segment_path(&self.log.path, base, suffix);
            self.disk.write_atomic(&path, bytes)?;
            self.repaired.rebuilt.push(path);
        }
        Ok(())
    }

    /// Makes wrong and missing indexes anew.
    fn indexes(&mut self, done: &[i64]) -> Result<(), RepairError> {
        for segment in &self.log.segments {
            let base = segment.base_offset;
            let is_wrong = [INDEX_SUFFIX, TIME_INDEX_SUFFIX].iter().any(|suffix| {
                let path = segment_path(&self.log.path, base, suffix);
                self.log
                    .findings
                    .iter()
                    .any(|finding| finding.level == Level::Warning && finding.path == path)
            });
            if is_wrong && !done.contains(&base) && segment.unflushed_bytes == 0 {
                let next = self.log.segments.iter().map(|s| s.base_offset).find(|other| *other > base);
                let read = rewrite::read(self.disk, &segment.path, base, next, self.log.flushed_offset)?;
                self.write_indexes(base, &read)?;
            }
        }
        Ok(())
    }

    fn small_files(&mut self) -> Result<(), RepairError> {
        self.aborted_transactions()?;
        for finding in self.log.findings.iter().filter(|finding| finding.level != Level::Note) {
            let name = finding.path.file_name().map(|name| name.to_string_lossy().into_owned());
            match name.unwrap_or_default().as_str() {
                LEADER_EPOCH_CHECKPOINT => {
                    self.disk.write_atomic(&finding.path, &encode_epochs(&self.log.found_epochs))?;
                }
                // The next start replays the log from the snapshot before.
                name if name.ends_with(SNAPSHOT_SUFFIX) => remove_if_there(self.disk, &finding.path)?,
                // After a clean stop no frame is left that its number could void.
                GENERATION if is_rebuilt(self.log, finding) => remove_if_there(self.disk, &finding.path)?,
                _ => continue,
            }
            self.repaired.rebuilt.push(finding.path.clone());
        }
        Ok(self.disk.sync_dir(&self.log.path)?)
    }

    /// Makes unusable indexes of aborted transactions anew.
    fn aborted_transactions(&mut self) -> Result<(), RepairError> {
        let wrong = self.log.findings.iter().filter(|finding| finding.level == Level::Damage);
        let wrong: Vec<(&Path, i64)> =
            wrong.filter_map(|f| Some((f.path.as_path(), transactions_of(&f.path)?))).collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let found = aborted::aborted(self.disk, self.log)?;
        for (path, base) in wrong {
            match found.get(&base).filter(|transactions| !transactions.is_empty()) {
                Some(transactions) => self.disk.write_atomic(path, &txn_index::encode(transactions))?,
                None => remove_if_there(self.disk, path)?,
            }
            self.repaired.rebuilt.push(path.to_path_buf());
        }
        Ok(())
    }

    /// A running node left its reports of damage: there is none any more.
    fn forget_reports(&self) -> Result<(), RepairError> {
        remove_if_there(self.disk, &self.log.path.join(DAMAGE))?;
        Ok(self.disk.sync_dir(&self.log.path)?)
    }
}

/// Looks at the log again.
///
/// # Errors
/// The disk's.
pub fn look_again(disk: &dyn Disk, target: &Target) -> io::Result<LogInspection> {
    let mut inspection = inspect(disk, target, &mut |_| {})?;
    Ok(inspection.logs.remove(0))
}

#[cfg(test)]
mod tests;
