//! Damage that is found while a log is in use.
//!
//! Owns the judgement that a fault is no mere coincidence with a truncation or a compaction, what is told of it, and the
//! file that tells the next start. A damaged log is neither read nor written any more; what it had acknowledged is still
//! flushed. Nothing is ever cut here.

use std::io;
use std::path::Path;
use std::sync::Arc;

use platform::Disk;

use super::LogView;
use crate::error::StorageError;
use crate::layout::{DAMAGE, LOG_SUFFIX};
use crate::scan::BadBatch;
use crate::segment::{Segment, SegmentFault};

/// The largest file that is read back.
const FILE_BYTES_MAX: usize = 1 << 20;

/// What a log lacks by what the write-ahead log says.
#[derive(Debug, Clone)]
pub(crate) struct Missing {
    /// Where the log ends, or holds something else.
    pub(crate) first_offset: i64,
    /// Where it should end.
    pub(crate) end_offset: i64,
    /// How often it was cut: after another cut, this says nothing.
    pub(crate) generation: u32,
    /// What is wrong.
    pub(crate) reason: String,
}

impl Missing {
    /// It should reach so far at least.
    pub(crate) fn reach(&mut self, end_offset: i64) {
        self.end_offset = self.end_offset.max(end_offset);
    }
}

/// A place that is not as it was written.
struct Damage {
    first_offset: i64,
    end_offset: i64,
    segment: String,
    from: u64,
    to: u64,
    reason: String,
    found_ms: i64,
}

impl Damage {
    fn line(&self) -> String {
        let Self { first_offset, end_offset, segment, from, to, reason, found_ms } = self;
        let reason = plain(reason);
        format!(
            "{{\"first_offset\":{first_offset},\"end_offset\":{end_offset},\"segment\":\"{segment}\",\
             \"from\":{from},\"to\":{to},\"reason\":\"{reason}\",\"found_ms\":{found_ms}}}\n"
        )
    }
}

/// Has the next starts know that a log lacks something before `end_offset` that the write-ahead log had promised: they do
/// not find the write-ahead log any more.
///
/// # Errors
/// The disk's.
pub(crate) fn remember_missing(
    disk: &dyn Disk,
    dir: &Path,
    missing: &Missing,
    found_ms: i64,
) -> io::Result<()> {
    let Missing { first_offset, end_offset, generation, reason } = missing;
    let reason = plain(reason);
    let line = format!(
        "{{\"first_offset\":{first_offset},\"end_offset\":{end_offset},\"generation\":{generation},\
         \"reason\":\"{reason}\",\"found_ms\":{found_ms}}}\n"
    );
    add_line(disk, dir, &line)
}

/// Has the next start recover a log that could not be opened, though its directory was closed cleanly.
///
/// # Errors
/// The disk's.
pub(crate) fn remember_offline(disk: &dyn Disk, dir: &Path, reason: &str, found_ms: i64) -> io::Result<()> {
    if disk.exists(&dir.join(DAMAGE)) {
        return Ok(());
    }
    let reason = plain(reason);
    add_line(disk, dir, &format!("{{\"first_offset\":0,\"reason\":\"{reason}\",\"found_ms\":{found_ms}}}\n"))
}

/// The offset that a log that was cut so often has to reach, if such a file says that it did not.
pub(crate) fn missing_until(text: &str, generation: u32) -> Option<i64> {
    let ends = text.lines().filter_map(|line| {
        let is_current = number_in(line, "generation")? == i64::from(generation);
        number_in(line, "end_offset").filter(|_| is_current)
    });
    ends.max()
}

fn number_in(line: &str, name: &str) -> Option<i64> {
    let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
    rest.split_once(',')?.0.parse().ok()
}

/// Text that can stand in quotes.
fn plain(text: &str) -> String {
    text.replace(['"', '\\'], "'")
}

fn add_line(disk: &dyn Disk, dir: &Path, line: &str) -> io::Result<()> {
    let path = dir.join(DAMAGE);
    let mut text = if disk.exists(&path) { disk.read(&path)? } else { Vec::new() };
    if text.len() > FILE_BYTES_MAX {
        return Ok(());
    }
    text.extend(line.bytes());
    disk.write_atomic(&path, &text)
}

impl LogView {
    /// From here on damage takes the log out of service. While it is opened, what is found is the opener's to judge.
    pub(crate) fn begin_service(&self) {
        _ = self.in_service.set(());
    }

    /// # Errors
    /// [`StorageError::Damaged`] if the log was found damaged.
    pub(crate) fn check_sound(&self) -> Result<(), StorageError> {
        match self.damage.get() {
            None => Ok(()),
            Some(reason) => Err(StorageError::Damaged { log: self.name(), reason: reason.to_string() }),
        }
    }

    /// A fault was met at this position. Takes the log out of service if the bytes are at fault.
    pub(super) fn judge_damage(&self, segment: &Segment, position: u64, bad: &BadBatch) {
        if self.in_service.get().is_none() || self.is_future || self.damage.get().is_some() {
            return;
        }
        let generation = self.generation();
        let segments = self.segments();
        let Some(number) = segments.iter().position(|own| std::ptr::eq(Arc::as_ptr(own), segment)) else {
            return;
        };
        let found = &segments[number];
        let is_bad = found.is_bad_at(&self.directory, position);
        if !is_bad || generation != self.generation() || found.is_deleted() || self.is_deleted() {
            return;
        }
        let end = segments.get(number + 1).map_or(self.log_end_offset(), |next| next.base_offset());
        let (to, end_offset) = match bad {
            BadBatch::Digest { to, end_offset } => (*to, *end_offset),
            _ => (found.size(), end),
        };
        let damage = Damage {
            first_offset: found.offset_at(&self.directory, position),
            end_offset,
            segment: format!("{:020}{LOG_SUFFIX}", found.base_offset()),
            from: position,
            to,
            reason: bad.to_string(),
            found_ms: self.directory.wall_ms(),
        };
        self.take_out_of_service(&damage);
    }

    fn take_out_of_service(&self, damage: &Damage) {
        let Damage { first_offset, end_offset, segment, from, to, reason, .. } = damage;
        let text = format!(
            "offsets {first_offset} to {end_offset} (file {}, bytes {from} to {to}) are damaged: {reason}",
            self.dir.join(segment).display()
        );
        if self.damage.set(text.into()).is_err() {
            return;
        }
        tracing::error!(
            log = %self.name(), first_offset, end_offset, path = %self.dir.join(segment).display(), from, to, %reason,
            "a log is damaged: it is offline, and untouched; stop the node and run: klamm segment repair {}",
            self.dir.display()
        );
        if let Err(error) = self.remember(damage) {
            tracing::error!(%error, "the damage could not be written down: the next start has to find it again");
        }
    }

    fn remember(&self, damage: &Damage) -> io::Result<()> {
        add_line(self.directory.disk().as_ref(), &self.dir, &damage.line())
    }

    /// Where the log has to end, if it does not and an earlier start found that the write-ahead log has the rest.
    pub(crate) fn lacks_until(&self) -> Option<i64> {
        self.lacks_until.get().copied()
    }

    /// Nothing is known to be damaged any more.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn forget_damage(&self) -> io::Result<()> {
        let disk = self.directory.disk();
        disk.remove_file(&self.dir.join(DAMAGE))?;
        disk.sync_dir(&self.dir)
    }

    /// Looks again at what an earlier process found damaged. If it is as it was written, it is forgotten.
    ///
    /// # Errors
    /// [`StorageError::Damaged`]; the disk's.
    pub(crate) fn settle_damage(&self) -> Result<(), StorageError> {
        let path = self.dir.join(DAMAGE);
        let text = self.directory.disk().read(&path)?;
        let text = String::from_utf8_lossy(&text);
        for segment in self.segments().iter() {
            let name = format!("{:020}{LOG_SUFFIX}", segment.base_offset());
            let is_named = text.contains(&name);
            // A list that cannot be read may have named any.
            if !is_named && text.lines().all(|line| line.starts_with("{\"first_offset\":")) {
                continue;
            }
            match segment.verify(&self.directory, 0, segment.size()) {
                Ok(()) => {}
                Err(SegmentFault::Io(error)) => return Err(error.into()),
                Err(SegmentFault::Bad { position, bad }) => {
                    let path = self.dir.join(&name);
                    let reason = format!("{bad} (file {}, position {position})", path.display());
                    return Err(StorageError::Damaged { log: self.name(), reason });
                }
            }
        }
        if let Some(until) =
            missing_until(&text, self.generation()).filter(|until| self.log_end_offset() < *until)
        {
            _ = self.lacks_until.set(until);
            return Ok(());
        }
        tracing::info!(log = %self.name(), "what was found damaged is as it was written, or is gone: the log is served again");
        self.directory.disk().remove_file(&path)?;
        Ok(())
    }
}
