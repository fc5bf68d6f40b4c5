//! Looking at everything a target names.
//!
//! Owns the order, and the names at the top of a log directory. It changes nothing.

use std::io;
use std::path::PathBuf;

use platform::Disk;

use super::facts::DirectoryFacts;
use super::finding::{Finding, Level};
use super::log::LogInspection;
use super::target::Target;
use crate::layout::{DirKind, dir_kind, is_top_level_file, is_wal_aside, log_file_base};

/// What was found under one target.
#[derive(Debug, Clone)]
pub struct DirectoryInspection {
    /// What lies beside the logs.
    pub facts: DirectoryFacts,
    /// The logs, by name.
    pub logs: Vec<LogInspection>,
    /// What is wrong beside the logs.
    pub findings: Vec<Finding>,
}

impl DirectoryInspection {
    /// Whether anything is damaged.
    pub fn is_damaged(&self) -> bool {
        self.logs.iter().any(|log| log.worst() == Some(Level::Damage))
            || self.findings.iter().any(|finding| finding.level == Level::Damage)
    }
}

/// Bytes of segments that [`inspect`] will read.
///
/// # Errors
/// The disk's.
pub fn bytes_to_read(disk: &dyn Disk, target: &Target) -> io::Result<u64> {
    let of_log = |dir: &std::path::Path| -> io::Result<u64> {
        let entries = disk.list(dir)?;
        let is_meant = |base: i64| target.segment.is_none_or(|only| only == base);
        let logs = entries.iter().filter(|entry| log_file_base(&entry.name).is_some_and(is_meant));
        Ok(logs.map(|entry| entry.len).sum())
    };
    match (&target.partition, &target.directory) {
        (Some(partition), _) => of_log(partition),
        (None, Some(directory)) => {
            let entries = disk.list(directory)?;
            let logs = entries.iter().filter(|entry| entry.is_dir && is_log(&entry.name));
            logs.map(|entry| of_log(&directory.join(&entry.name))).sum()
        }
        (None, None) => Ok(0),
    }
}

/// Looks at a target. `progress` is told of bytes as they are read.
///
/// # Errors
/// The disk's.
pub fn inspect(
    disk: &dyn Disk,
    target: &Target,
    progress: &mut dyn FnMut(u64),
) -> io::Result<DirectoryInspection> {
    let mut findings = Vec::new();
    let facts = match &target.directory {
        Some(directory) => DirectoryFacts::read(disk, directory, &mut findings)?,
        None => DirectoryFacts::none(),
    };
    if let Some(partition) = &target.partition {
        // What is wrong beside the log is not asked for.
        let log = LogInspection::read(disk, partition, &facts, target.segment, progress)?;
        return Ok(DirectoryInspection { facts, logs: vec![log], findings: Vec::new() });
    }
    let mut logs = Vec::new();
    let mut aside = Vec::new();
    if let Some(directory) = &target.directory {
        for entry in disk.list(directory)? {
            let path = directory.join(&entry.name);
            match dir_kind(&entry.name) {
                _ if is_wal_aside(&entry.name) => aside.push((path, entry.len)),
                _ if is_top_level_file(&entry.name) => {}
                _ if !entry.is_dir => findings.push(Finding::note(path, "is not Kafka's: it is left alone")),
                DirKind::Foreign => findings.push(Finding::note(path, "is not Kafka's: it is left alone")),
                DirKind::Delete => {
                    findings.push(Finding::note(path, "is a deleted log: the next start removes it"));
                }
                DirKind::Log { .. } | DirKind::Stray { .. } | DirKind::Future { .. } => {
                    logs.push(LogInspection::read(disk, &path, &facts, None, progress)?);
                }
            }
        }
    }
    let is_needed = logs.iter().any(LogInspection::is_short);
    findings.extend(aside.into_iter().map(|(path, bytes)| put_aside(path, bytes, is_needed)));
    Ok(DirectoryInspection { facts, logs, findings })
}

/// A file of the write-ahead log that a start could not use up.
fn put_aside(path: PathBuf, bytes: u64, is_needed: bool) -> Finding {
    let text = if is_needed {
        "keep it, what a damaged log lacks may be in it: a repair or the next start brings that back"
    } else {
        "no log here lacks anything, so it may be deleted"
    };
    Finding::note(path, format!("was put aside by a start, {bytes} bytes of the write-ahead log: {text}"))
}

fn is_log(name: &str) -> bool {
    matches!(dir_kind(name), DirKind::Log { .. } | DirKind::Stray { .. } | DirKind::Future { .. })
}
