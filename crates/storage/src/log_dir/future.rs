//! Copies of logs that are being made from other log directories (KIP-113): how one begins, and how it takes over.
//!
//! Owns the names of such copies in this directory. What goes into a copy, and when it is complete, is not decided here.

use std::sync::Arc;

use protocol::Uuid;

use super::{LogDir, LogKey, NewLog, State, take_of_topic};
use crate::error::StorageError;
use crate::layout::{future_dir_name, log_dir_name};
use crate::loader::{LoadRequest, load};
use crate::log::UnifiedLog;
use crate::log_config::LogConfig;
use crate::recovery_report::RecoveryReport;

impl LogDir {
    /// Begins an empty copy of a log that lies in another directory.
    ///
    /// # Errors
    /// [`StorageError::Exists`] if the log itself or a copy of it is here; [`StorageError::NameTooLong`]; the disk's.
    pub fn create_future(
        &self,
        topic: &str,
        partition: i32,
        topic_id: Uuid,
        config: impl Into<Arc<LogConfig>>,
        now_ms: i64,
    ) -> Result<UnifiedLog, StorageError> {
        let key: LogKey = (Arc::from(topic), partition);
        let name = log_dir_name(topic, partition);
        self.make_way(&key, &name, |state| {
            state.views.contains_key(&key) || state.futures.contains_key(&key)
        })?;
        let unique = self.directory.rng().uuid_bytes();
        let dir_name =
            future_dir_name(topic, partition, unique).ok_or(StorageError::NameTooLong { log: name })?;
        let log =
            self.make_log(NewLog { key, dir_name, topic_id, is_future: true }, config.into(), now_ms)?;
        let view = log.view();
        self.state.lock().futures.insert((Arc::clone(view.topic()), partition), view);
        self.directory.note_activity();
        Ok(log)
    }

    /// Takes a copy that an earlier process began; `None` if there is none.
    ///
    /// # Errors
    /// [`StorageError::InconsistentTopicId`] if it is of another incarnation of the topic; the disk's.
    pub fn take_future(
        &self,
        topic: &str,
        partition: i32,
        topic_id: Uuid,
        config: impl Into<Arc<LogConfig>>,
    ) -> Result<Option<UnifiedLog>, StorageError> {
        let key = (Arc::from(topic), partition);
        let log = take_of_topic(&mut self.state.lock().loaded_futures, &key, topic_id)?;
        let Some(mut log) = log else { return Ok(None) };
        log.assign_topic_id(topic_id)?;
        log.update_config(config)?;
        Ok(Some(log))
    }

    /// Takes an unclaimed copy whatever its topic id, to delete it or put it aside.
    pub fn take_unclaimed_future(&self, topic: &str, partition: i32) -> Option<UnifiedLog> {
        self.state.lock().loaded_futures.remove(&(Arc::from(topic), partition))
    }

    /// Makes a complete copy the log of its partition in this directory. All of it must be durable, as after
    /// [`UnifiedLog::close`] and its ticket. Its new name is durable when this returns. It keeps the configuration of a
    /// copy, which is not written ahead, until it is given the log's own. The log goes on being cleaned at `cleaned`
    /// ([`LogDir::cleaned_offset`] of its source), which the next checkpoint writes down; from its beginning if that is
    /// `None`, as it must be where the source was cleaned while it was copied. Blocks.
    ///
    /// # Errors
    /// [`StorageError::Exists`] if a log is here; the disk's. In either case the source of the copy is what counts.
    pub fn promote_future(
        &self,
        future: UnifiedLog,
        cleaned: Option<i64>,
        now_ms: i64,
    ) -> Result<UnifiedLog, StorageError> {
        let view = future.view();
        assert!(view.is_future(), "only a copy is promoted");
        assert_eq!(view.durable_end_offset(), view.log_end_offset(), "a copy is promoted when it is durable");
        self.directory.check_online()?;
        let key: LogKey = (Arc::clone(view.topic()), view.partition());
        let dir_name = log_dir_name(&key.0, key.1);
        let to = self.directory.path().join(&dir_name);
        let disk = self.directory.disk();
        if self.state.lock().views.contains_key(&key) || disk.exists(&to) {
            return Err(StorageError::Exists { log: dir_name });
        }
        disk.rename(view.dir(), &to)
            .and_then(|()| disk.sync_dir(self.directory.path()))
            .map_err(|error| self.directory.take_offline(error))?;
        let config = Arc::clone(future.config());
        let request = LoadRequest {
            directory: &self.directory,
            topic: &key.0,
            partition: key.1,
            dir_name: &dir_name,
            is_future: false,
            config: Arc::clone(&config),
            clean: true,
            recovery_point: view.log_end_offset(),
            log_start_offset: Some(view.log_start_offset()),
            high_watermark: Some(view.high_watermark()),
            now_ms,
        };
        // Nothing is expected to be found wrong in files that were closed a moment ago, so there is nothing to report.
        let loaded = load(&request, &mut Vec::new(), &mut RecoveryReport::default());
        let log = loaded.inspect_err(|error| {
            if let StorageError::Io(error) = error {
                self.directory.read_failed(error);
            }
        })?;
        view.mark_deleted();
        log.view().begin_service();
        let mut state = self.state.lock();
        state.futures.remove(&key);
        state.set_cleaned(&key, cleaned);
        state.views.insert(key, log.view());
        self.directory.note_activity();
        Ok(log)
    }

    /// The copies that were found and not taken yet.
    pub fn unclaimed_futures(&self) -> Vec<super::LogName> {
        let state = self.state.lock();
        state.loaded_futures.iter().map(super::name_of).collect()
    }
}

impl State {
    /// A log and a copy of another incarnation may share a name for a moment; then the log counts.
    pub(super) fn named_futures(&self) -> impl Iterator<Item = (&LogKey, &Arc<crate::view::LogView>)> {
        self.futures.iter().filter(|(key, _)| !self.views.contains_key(*key))
    }
}
