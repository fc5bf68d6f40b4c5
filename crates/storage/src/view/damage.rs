//! Damage that is found while a log is in use.
//!
//! Owns the judgement that a fault is no mere coincidence with a truncation or a compaction, what is told of it, and the
//! file that tells the next start. A damaged log is neither read nor written any more; what it had acknowledged is still
//! flushed. Nothing is ever cut here.

use std::io;
use std::sync::Arc;

use super::LogView;
use crate::error::StorageError;
use crate::layout::{DAMAGE, LOG_SUFFIX};
use crate::scan::BadBatch;
use crate::segment::{Segment, SegmentFault};

/// The largest file that is read back.
const FILE_BYTES_MAX: usize = 1 << 20;

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
        let reason = reason.replace(['"', '\\'], "'");
        format!(
            "{{\"first_offset\":{first_offset},\"end_offset\":{end_offset},\"segment\":\"{segment}\",\
             \"from\":{from},\"to\":{to},\"reason\":\"{reason}\",\"found_ms\":{found_ms}}}\n"
        )
    }
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
        let path = self.dir.join(DAMAGE);
        let disk = self.directory.disk();
        let mut text = if disk.exists(&path) { disk.read(&path)? } else { Vec::new() };
        if text.len() > FILE_BYTES_MAX {
            return Ok(());
        }
        text.extend(damage.line().bytes());
        disk.write_atomic(&path, &text)
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
        tracing::info!(log = %self.name(), "what was found damaged is as it was written, or is gone: the log is served again");
        self.directory.disk().remove_file(&path)?;
        Ok(())
    }
}
