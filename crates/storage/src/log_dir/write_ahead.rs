//! The write-ahead log as the directory's users see it, and what its replay needs of the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use protocol::Uuid;

use super::{DamagedState, LogDir, LogKey, WalTicket};
use crate::directory::Directory;
use crate::error::StorageError;
use crate::layout::{GENERATION, PARTITION_METADATA, log_dir_name};
use crate::log::UnifiedLog;
use crate::marker_files::{
    decode_generation, decode_partition_metadata, is_rotten_partition_metadata, is_rotten_topic_id,
};
use crate::mutant::mutant;
use crate::view::{LogView, Missing, remember_missing, remember_offline};

/// A log that was damaged before the write-ahead log was read.
pub(crate) struct OfflineLog {
    pub(crate) key: LogKey,
    pub(crate) recovery_point: i64,
    /// How often it was cut, if that can be read.
    pub(crate) generation: Option<u32>,
}

impl LogDir {
    /// Work of the write-ahead log that may be started now: after [`LogDir::release_wal`], or to go on after a start. Who
    /// appends asks [`LogView::wal_ticket`].
    pub fn wal_ticket(&self) -> Option<WalTicket> {
        self.directory.wal().take_ticket(&self.directory)
    }

    /// Whether the write-ahead log wants the segments flushed and [`LogDir::checkpoint`] called.
    pub fn is_wal_checkpoint_due(&self) -> bool {
        self.directory.wal().is_checkpoint_due()
    }

    /// Has this called whenever that becomes so; to be set once. It must not block, and not call back.
    pub fn on_wal_checkpoint_due(&self, call: impl Fn() + Send + Sync + 'static) {
        self.directory.wal().on_checkpoint_due(call);
    }

    /// Frees what the checkpoint files say is not needed any more. Whether groups wait that may have a place now.
    pub fn release_wal(&self) -> bool {
        self.directory.wal().trim();
        self.directory.wal().release()
    }

    /// Has the last group proven by another one, once, when nothing else was written since. Whether there is a ticket for
    /// it.
    pub fn prove_wal(&self) -> bool {
        self.directory.wal().prove()
    }

    /// Whether all that was handed to the write-ahead log is durable.
    pub fn is_wal_idle(&self) -> bool {
        self.directory.wal().is_idle()
    }

    /// How the write-ahead log stands, for a person who looks for the reason of a stall.
    pub fn wal_state(&self) -> String {
        self.directory.wal().describe()
    }

    /// Begins nothing more in the write-ahead log: the directory is about to be closed. What has begun goes on to its end,
    /// see [`LogDir::is_wal_writing`]; a file that nobody will need is given up.
    pub fn end_wal(&self) {
        self.directory.wal().end();
    }

    /// Whether a group is on its way to the disk, or a file for groups is being made.
    pub fn is_wal_writing(&self) -> bool {
        self.directory.wal().is_writing()
    }

    pub(crate) fn logs_by_id(&self) -> BTreeMap<([u8; 16], i32), LogKey> {
        let state = self.state.lock();
        let by_id =
            state.views.iter().filter_map(|(key, view)| Some(((view.topic_id()?.0, key.1), key.clone())));
        by_id.collect()
    }

    /// The log of this topic and partition whose `partition.metadata` has one rotten byte, if there is one.
    pub(crate) fn with_rotten_id(&self, topic_id: Uuid, partition: i32) -> Option<LogKey> {
        let state = self.state.lock();
        let is_meant = |(key, view): &(&LogKey, &Arc<LogView>)| {
            key.1 == partition
                && match view.topic_id() {
                    Some(found) => is_rotten_topic_id(found, topic_id),
                    None => {
                        let bytes = self.directory.disk().read(&self.dir_of(key).join(PARTITION_METADATA));
                        bytes.is_ok_and(|bytes| is_rotten_partition_metadata(&bytes, topic_id))
                    }
                }
        };
        state.views.iter().find(is_meant).map(|(key, _)| key.clone())
    }

    /// Logs that were opened and lack what an earlier start put aside, with the offset they have to reach.
    pub(crate) fn short_logs(&self) -> BTreeMap<LogKey, i64> {
        let state = self.state.lock();
        let short = state.views.iter().filter_map(|(key, view)| Some((key.clone(), view.lacks_until()?)));
        short.collect()
    }

    /// The damaged logs whose topic id can be read.
    pub(crate) fn damaged_by_id(&self) -> BTreeMap<([u8; 16], i32), OfflineLog> {
        let state = self.state.lock();
        let by_id = state.damaged.iter().filter_map(|(key, damaged)| {
            let read = |name: &str| self.directory.disk().read(&self.dir_of(key).join(name));
            let id = decode_partition_metadata(&read(PARTITION_METADATA).ok()?).ok()?;
            let generation = match read(GENERATION) {
                Ok(bytes) => decode_generation(&bytes),
                Err(error) => (error.kind() == ErrorKind::NotFound).then_some(0),
            };
            let log = OfflineLog { key: key.clone(), recovery_point: damaged.recovery_point, generation };
            Some(((id.0, key.1), log))
        });
        by_id.collect()
    }

    /// Partitions of the damaged logs whose topic id cannot be read.
    pub(crate) fn damaged_without_id(&self) -> BTreeSet<i32> {
        let state = self.state.lock();
        let all = state.damaged.keys().filter(|(topic, partition)| {
            let dir = self.directory.path().join(log_dir_name(topic, *partition));
            let id = self.directory.disk().read(&dir.join(PARTITION_METADATA));
            id.map_or(true, |bytes| decode_partition_metadata(&bytes).is_err())
        });
        all.map(|(_, partition)| *partition).collect()
    }

    fn dir_of(&self, key: &LogKey) -> PathBuf {
        self.directory.path().join(log_dir_name(&key.0, key.1))
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Flushes the logs nobody took. One whose flushed bytes are found to have rotted is taken out of use, alone.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn flush_loaded(&self) -> Result<(), StorageError> {
        let keys: Vec<LogKey> = self.state.lock().loaded.keys().cloned().collect();
        for key in keys {
            let Some(mut log) = self.take_loaded(&key) else { continue };
            match log.flush_now() {
                Err(error) if error.is_of_one_log() => self.damage(&key, error.to_string()),
                flushed => {
                    self.put_loaded(key, log);
                    flushed?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn view(&self, key: &LogKey) -> Option<Arc<LogView>> {
        self.state.lock().views.get(key).cloned()
    }

    pub(crate) fn take_loaded(&self, key: &LogKey) -> Option<UnifiedLog> {
        self.state.lock().loaded.remove(key)
    }

    pub(crate) fn put_loaded(&self, key: LogKey, log: UnifiedLog) {
        self.state.lock().loaded.insert(key, log);
    }

    /// Has the next starts know what a log lacks.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn remember_missing(&self, key: &LogKey, missing: &Missing) -> Result<(), StorageError> {
        if mutant!(MissingNotRemembered) {
            return Ok(());
        }
        let disk = self.directory.disk().as_ref();
        Ok(remember_missing(disk, &self.dir_of(key), missing, self.directory.wall_ms())?)
    }

    /// Has the next start recover the logs that are damaged: they were not closed with their directory.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn remember_damaged(&self) -> Result<(), StorageError> {
        let disk = self.directory.disk().as_ref();
        let state = self.state.lock();
        state.damaged.iter().try_for_each(|(key, damaged)| {
            Ok(remember_offline(disk, &self.dir_of(key), &damaged.reason, self.directory.wall_ms())?)
        })
    }

    /// Takes a log out of use that lacks what it had promised.
    pub(crate) fn damage(&self, key: &LogKey, reason: String) {
        let mut state = self.state.lock();
        state.loaded.remove(key);
        let Some(view) = state.views.remove(key) else { return };
        self.directory.note_activity();
        tracing::error!(topic = %key.0, partition = key.1, %reason, "a log is damaged and stays offline");
        let damaged = DamagedState {
            reason,
            recovery_point: view.recovery_point(),
            log_start_offset: Some(view.log_start_offset()),
            high_watermark: Some(view.high_watermark()),
        };
        state.damaged.insert(key.clone(), damaged);
    }

    pub(crate) fn damaged_logs(&self) -> Vec<crate::DamagedLog> {
        let state = self.state.lock();
        let logs = state.damaged.iter().map(|((topic, partition), damaged)| crate::DamagedLog {
            topic: topic.to_string(),
            partition: *partition,
            reason: damaged.reason.clone(),
        });
        logs.collect()
    }
}
