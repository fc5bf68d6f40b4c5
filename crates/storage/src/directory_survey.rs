//! A look into a log directory that changes nothing: whose it is, and what lies in it.
//!
//! Owns the names at the top of a directory, sorted. It takes no lock, opens no log and never judges.

use std::path::{Path, PathBuf};

use platform::Disk;

use crate::error::StorageError;
use crate::layout::{
    CLEAN_SHUTDOWN, DirKind, META_PROPERTIES, dir_kind, is_top_level_file, is_wal_file, log_dir_name,
};
use crate::meta_properties::MetaProperties;

/// What a directory holds.
#[derive(Debug, Clone, Default)]
pub struct DirectorySurvey {
    /// The directory.
    pub path: PathBuf,
    /// Whose it is; `None` if it has no `meta.properties` or does not exist.
    pub meta: Option<MetaProperties>,
    /// Whether it was closed cleanly.
    pub is_clean: bool,
    /// Whether a write-ahead log of ours is there.
    pub has_wal: bool,
    /// Its logs, as directory names.
    pub logs: Vec<String>,
    /// Logs of deleted topics, as directory names.
    pub deleting: Vec<String>,
    /// Logs put aside, as directory names.
    pub strays: Vec<String>,
    /// Copies from another directory that are not complete, as directory names.
    pub futures: Vec<String>,
    /// Names that are neither Kafka's nor ours.
    pub foreign: Vec<String>,
}

impl DirectorySurvey {
    /// Looks at a directory; one that does not exist is empty.
    ///
    /// # Errors
    /// The disk refuses, or `meta.properties` cannot be used.
    pub fn read(disk: &dyn Disk, path: &Path) -> Result<Self, StorageError> {
        let mut survey = Self { path: path.to_path_buf(), ..Self::default() };
        let entries = match disk.list(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(survey),
            entries => entries?,
        };
        for entry in entries {
            let name = entry.name;
            if !entry.is_dir || is_top_level_file(&name) {
                match name.as_str() {
                    META_PROPERTIES => survey.meta = Some(read_meta(disk, path)?),
                    CLEAN_SHUTDOWN => survey.is_clean = true,
                    _ if is_wal_file(&name) => survey.has_wal = true,
                    _ if is_top_level_file(&name) => {}
                    _ => survey.foreign.push(name),
                }
                continue;
            }
            match dir_kind(&name) {
                DirKind::Log { topic, partition } => survey.logs.push(log_dir_name(&topic, partition)),
                DirKind::Delete => survey.deleting.push(name),
                DirKind::Stray { .. } => survey.strays.push(name),
                DirKind::Future { .. } => survey.futures.push(name),
                DirKind::Foreign => survey.foreign.push(name),
            }
        }
        Ok(survey)
    }
}

fn read_meta(disk: &dyn Disk, path: &Path) -> Result<MetaProperties, StorageError> {
    let file = path.join(META_PROPERTIES);
    let bytes = disk.read(&file)?;
    MetaProperties::decode(&bytes).map_err(|reason| StorageError::MetaProperties { path: file, reason })
}

#[cfg(test)]
mod tests;
