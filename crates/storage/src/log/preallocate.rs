//! Room on the disk for a whole segment (`preallocate`), kept when its first batch is written and given back when it is
//! sealed.
//!
//! Owns only room: the length of a file is that of its batches at any time, so that recovery and readers know nothing of
//! this. Where Kafka lengthens the file with zeros, which a crash leaves behind to be cut, the room here lies behind the
//! file's end.

use platform::File;

use super::UnifiedLog;

/// Keeps room for a segment; says whether it could. Without it the segment grows as others do: an append that finds no
/// room then fails by itself.
pub(super) fn preallocate(file: &dyn File, segment_bytes: u32) -> bool {
    match file.reserve(u64::from(segment_bytes)) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "a segment is not preallocated");
            false
        }
    }
}

impl UnifiedLog {
    /// Gives back what was kept for the active segment and not used. A failure wastes room and harms nothing.
    pub(super) fn give_back_room(&mut self) {
        if !std::mem::take(&mut self.active.is_preallocated) {
            return;
        }
        let segment = &self.active.segment;
        let cut = segment.file(self.view.directory(), false).and_then(|file| file.set_len(segment.size()));
        if let Err(error) = cut {
            tracing::warn!(%error, "room that was kept for a segment is not given back");
        }
    }
}
