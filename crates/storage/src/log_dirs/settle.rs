//! What a stop in the middle of a move between directories leaves, put in order at the next start.
//!
//! Owns the rule which of two logs of a partition counts. A move makes a copy durable, has its directory recorded in the
//! metadata, gives the copy its name and only then takes the source away, and nothing is appended between the record
//! and the new name. So of two logs the one in the recorded directory has everything, and a copy in the recorded
//! directory is complete even if its source is out of reach.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::Uuid;

use super::LogDirs;
use crate::error::StorageError;
use crate::log::UnifiedLog;
use crate::log_dir::{LogDir, LogKey, LogName};

impl LogDirs {
    /// Finishes moves that a stop cut short after they were recorded. `recorded` gives the directory that the metadata
    /// names for a log, `None` if they do not know the log. To be called once, before any log is taken. Blocks.
    ///
    /// What cannot be told is damaged: both logs stay untouched and out of use, until somebody takes one away.
    pub fn settle_moves(&self, recorded: &dyn Fn(&LogName) -> Option<Uuid>, now_ms: i64) {
        let mut logs: BTreeMap<LogKey, Vec<(Arc<LogDir>, LogName)>> = BTreeMap::new();
        for dir in self.online() {
            for name in dir.unclaimed() {
                if recorded(&name).is_some() {
                    let key = (Arc::clone(&name.topic), name.partition);
                    logs.entry(key).or_default().push((Arc::clone(dir), name));
                }
            }
        }
        for found in logs.values().filter(|found| found.len() > 1) {
            settle_twins(found, recorded, now_ms);
        }
        for dir in self.online() {
            for name in dir.unclaimed_futures() {
                let key = (Arc::clone(&name.topic), name.partition);
                if !logs.contains_key(&key)
                    && recorded(&name) == Some(dir.id())
                    && !self.online().any(|dir| dir.is_damaged(&name.topic, name.partition))
                {
                    promote(dir, &name, now_ms);
                }
            }
        }
    }
}

/// Several directories have a log of the partition: keeps the recorded one, if it has all that the others have.
fn settle_twins(found: &[(Arc<LogDir>, LogName)], recorded: &dyn Fn(&LogName) -> Option<Uuid>, now_ms: i64) {
    let end_offset = |dir: &LogDir, name: &LogName| {
        dir.view_of(&name.topic, name.partition).map_or(0, |view| view.log_end_offset())
    };
    let kept = found.iter().find(|(dir, name)| recorded(name) == Some(dir.id()));
    let kept = kept.filter(|(dir, name)| {
        let own = end_offset(dir, name);
        found.iter().all(|(other, name)| end_offset(other, name) <= own)
    });
    let Some((kept, name)) = kept else {
        let paths: Vec<String> = found.iter().map(|(dir, _)| dir.path().display().to_string()).collect();
        let reason = format!(
            "{} have a log of it, and it cannot be told which counts: take one of the two away and start again",
            paths.join(" and ")
        );
        for (dir, name) in found {
            dir.damage(&(Arc::clone(&name.topic), name.partition), reason.clone());
        }
        return;
    };
    for (dir, _) in found.iter().filter(|(dir, _)| !Arc::ptr_eq(dir, kept)) {
        let Some(log) = dir.take_unclaimed(&name.topic, name.partition) else { continue };
        tracing::info!(topic = %name.topic, partition = name.partition, from = %dir.path().display(), to = %kept.path().display(), "a move that was cut short is finished: the old log is removed");
        if let Err(error) = dir.delete_moved(log, now_ms) {
            tracing::error!(topic = %name.topic, partition = name.partition, %error, "the old log of a moved partition could not be removed");
        }
    }
}

/// Only a copy is left, and it is recorded as the log.
fn promote(dir: &LogDir, name: &LogName, now_ms: i64) {
    let Some(future) = dir.take_unclaimed_future(&name.topic, name.partition) else { return };
    match close_and_promote(dir, future, now_ms) {
        Ok(log) => {
            tracing::info!(topic = %name.topic, partition = name.partition, to = %dir.path().display(), "a move that was cut short is finished: the copy is the log now");
            dir.give_back(log);
        }
        Err(error) => {
            tracing::error!(topic = %name.topic, partition = name.partition, %error, "the copy of a log could not take its place");
        }
    }
}

fn close_and_promote(dir: &LogDir, mut future: UnifiedLog, now_ms: i64) -> Result<UnifiedLog, StorageError> {
    if let Some(ticket) = future.close()? {
        ticket.run()?;
        future.mark_durable(&ticket);
    }
    // Whether the source was cleaned meanwhile is not known here.
    dir.promote_future(future, None, now_ms)
}
