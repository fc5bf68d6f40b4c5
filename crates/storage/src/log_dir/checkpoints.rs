//! The checkpoint files of a log directory, and its clean stop.
//!
//! Owns what is written when: only files whose content changed, so that an idle node writes nothing.

use std::sync::Arc;

use super::{LogDir, LogKey, State};
use crate::checkpoint_file::{PartitionOffsets, encode_offsets};
use crate::error::StorageError;
use crate::layout::{
    CLEAN_SHUTDOWN, CLEANER_CHECKPOINT, HIGH_WATERMARK_CHECKPOINT, LOG_START_CHECKPOINT,
    RECOVERY_POINT_CHECKPOINT,
};
use crate::log::UnifiedLog;
use crate::marker_files::encode_clean_shutdown;
use crate::mutant::mutant;
use crate::offsets_file::write_offsets_file;
use crate::view::LogView;

/// The content of the files, as last read or written.
#[derive(Default)]
pub(super) struct Checkpoints {
    pub(super) recovery_points: Written,
    pub(super) log_starts: Written,
    pub(super) high_watermarks: Written,
    /// The directory's activity when high watermarks were last collected.
    watermarks_at: Option<u64>,
    pub(super) cleaned: Written,
}

/// The content of one file.
#[derive(Default)]
pub(super) struct Written {
    pub(super) text: Vec<u8>,
    /// It has to be written even if nothing changes.
    pub(super) is_due: bool,
}

impl LogDir {
    /// Writes the recovery points, log starts and high watermarks, as far as they changed. Blocks.
    ///
    /// # Errors
    /// The disk's; the directory is offline then.
    pub fn checkpoint(&self) -> Result<(), StorageError> {
        // Held while the values are read too: a lower value must never be overwritten by one read before.
        let mut written = self.checkpoints.lock();
        let (recovery_points, log_starts, high_watermarks, cleaned, stale, flushed) = {
            let state = self.state.lock();
            let flushed: Vec<Arc<LogView>> = state.views.values().cloned().collect();
            let stale: Vec<LogKey> = state.stale.iter().cloned().collect();
            let cleaned = state.cleaned.clone();
            (state.recovery_points(), state.log_starts(), state.high_watermarks(), cleaned, stale, flushed)
        };
        self.write_checkpoint(RECOVERY_POINT_CHECKPOINT, &mut written.recovery_points, &recovery_points)?;
        flushed.iter().for_each(|view| view.note_checkpointed());
        self.write_checkpoint(LOG_START_CHECKPOINT, &mut written.log_starts, &log_starts)?;
        self.write_checkpoint(HIGH_WATERMARK_CHECKPOINT, &mut written.high_watermarks, &high_watermarks)?;
        self.write_checkpoint(CLEANER_CHECKPOINT, &mut written.cleaned, &cleaned)?;
        let mut state = self.state.lock();
        stale.iter().for_each(|key| _ = state.stale.remove(key));
        Ok(())
    }

    /// Writes the recovery points only. Blocks.
    ///
    /// # Errors
    /// The disk's; but for a full disk the directory is offline then.
    pub fn checkpoint_recovery_points(&self) -> Result<(), StorageError> {
        let mut written = self.checkpoints.lock();
        let (recovery_points, flushed) = {
            let state = self.state.lock();
            let flushed: Vec<Arc<LogView>> = state.views.values().cloned().collect();
            (state.recovery_points(), flushed)
        };
        self.write_checkpoint(RECOVERY_POINT_CHECKPOINT, &mut written.recovery_points, &recovery_points)?;
        flushed.iter().for_each(|view| view.note_checkpointed());
        Ok(())
    }

    /// Writes the log starts only. Blocks.
    ///
    /// # Errors
    /// The disk's; the directory is offline then.
    pub fn checkpoint_log_starts(&self) -> Result<(), StorageError> {
        let mut written = self.checkpoints.lock();
        let log_starts = self.state.lock().log_starts();
        self.write_checkpoint(LOG_START_CHECKPOINT, &mut written.log_starts, &log_starts)
    }

    /// Writes the high watermarks only: Kafka does so every five seconds, and the rest every minute. Blocks.
    ///
    /// # Errors
    /// The disk's; the directory is offline then.
    pub fn checkpoint_high_watermarks(&self) -> Result<(), StorageError> {
        let mut written = self.checkpoints.lock();
        // Read before the values: what moves after it is for the next time.
        let activity = self.directory.activity();
        if written.watermarks_at == Some(activity) {
            return Ok(());
        }
        let high_watermarks = self.state.lock().high_watermarks();
        self.write_checkpoint(HIGH_WATERMARK_CHECKPOINT, &mut written.high_watermarks, &high_watermarks)?;
        written.watermarks_at = Some(activity);
        Ok(())
    }

    /// Writes where cleanings go on. Blocks.
    ///
    /// # Errors
    /// The disk's; the directory is offline then.
    pub(super) fn checkpoint_cleaned(&self) -> Result<(), StorageError> {
        let mut written = self.checkpoints.lock();
        let cleaned = self.state.lock().cleaned.clone();
        self.write_checkpoint(CLEANER_CHECKPOINT, &mut written.cleaned, &cleaned)
    }

    fn write_checkpoint(
        &self,
        name: &str,
        written: &mut Written,
        offsets: &PartitionOffsets,
    ) -> Result<(), StorageError> {
        let bytes = encode_offsets(offsets);
        let is_same = bytes == written.text || (offsets.is_empty() && written.text.is_empty());
        if is_same && !written.is_due {
            return Ok(());
        }
        self.directory.check_online()?;
        let disk = self.directory.disk();
        write_offsets_file(disk.as_ref(), self.directory.path(), name, &bytes)
            .map_err(|error| self.directory.write_failed(error))?;
        *written = Written { text: bytes, is_due: false };
        self.directory.note_cleanable();
        Ok(())
    }

    /// Ends the use of the directory: closes the logs nobody took, writes the checkpoints, and, if everything in every
    /// log is durable, the clean-shutdown marker with this broker epoch. Whether the marker was written; without it the
    /// next start recovers. Blocks.
    ///
    /// Whoever took logs has closed them ([`UnifiedLog::close`]), run their last tickets and marked them durable.
    ///
    /// # Errors
    /// The disk's.
    pub fn close_clean(&self, broker_epoch: Option<i64>) -> Result<bool, StorageError> {
        self.directory.check_online()?;
        let (loaded, futures) = {
            let mut state = self.state.lock();
            (std::mem::take(&mut state.loaded), std::mem::take(&mut state.loaded_futures))
        };
        for mut log in loaded.into_values().chain(futures.into_values()) {
            close_log(&mut log)?;
        }
        self.checkpoint()?;
        let is_durable = {
            let state = self.state.lock();
            let mut views = state.views.values().chain(state.futures.values());
            views.all(|view| view.recovery_point() == view.log_end_offset())
        };
        let is_durable = is_durable && self.directory.wal().abandon();
        if is_durable {
            // Everything is in flushed segments. Others may change the logs before we come back.
            self.remember_damaged()?;
            self.directory.wal().remove_files(&self.directory)?;
            let path = self.directory.path().join(CLEAN_SHUTDOWN);
            let marker = encode_clean_shutdown(broker_epoch.unwrap_or(-1));
            self.directory.disk().write_atomic(&path, &marker).map_err(|e| self.directory.write_failed(e))?;
        }
        Ok(is_durable)
    }
}

fn close_log(log: &mut UnifiedLog) -> Result<(), StorageError> {
    if let Some(ticket) = log.close()? {
        ticket.run()?;
        log.mark_durable(&ticket);
    }
    Ok(())
}

impl State {
    fn collect(
        &self,
        of_view: impl Fn(&crate::LogView) -> Option<i64>,
        of_damaged: impl Fn(&super::DamagedState) -> Option<i64>,
    ) -> PartitionOffsets {
        let name = |(topic, partition): &LogKey| (topic.to_string(), *partition);
        let views = self.views.iter().chain(self.named_futures());
        let views = views.filter_map(|(key, view)| Some((name(key), of_view(view)?)));
        let damaged = self.damaged.iter().filter_map(|(key, log)| Some((name(key), of_damaged(log)?)));
        views.chain(damaged).collect()
    }

    fn recovery_points(&self) -> PartitionOffsets {
        let of_view =
            |view: &crate::LogView| Some(view.recovery_point_to_checkpoint()).filter(|offset| *offset > 0);
        self.collect(of_view, |log| Some(log.recovery_point))
    }

    /// Only those that the first segment's name does not tell, as in Kafka.
    fn log_starts(&self) -> PartitionOffsets {
        let moved = |view: &crate::LogView| {
            let start = view.log_start_offset();
            let is_forgotten = mutant!(DeleteRecordsForgotten);
            (start > view.segments()[0].base_offset() && !is_forgotten).then_some(start)
        };
        self.collect(moved, |log| log.log_start_offset)
    }

    fn high_watermarks(&self) -> PartitionOffsets {
        self.collect(|view| Some(view.high_watermark()), |log| log.high_watermark)
    }
}
