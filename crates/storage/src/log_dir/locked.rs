//! A log directory that is locked and whose owner is known, before its logs are looked at.
//!
//! Owns the lock, `meta.properties` and formatting. Nothing is written before the directory is known to be ours.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::{DirEntry, DiskLock, Platform};
use protocol::Uuid;

use super::{LogDir, LogDirConfig, open};
use crate::error::StorageError;
use crate::layout::{DirKind, LOCK, META_PROPERTIES, dir_kind};
use crate::meta_properties::MetaProperties;
use crate::recovery_report::RecoveryReport;
use crate::reserve;

/// A locked directory.
pub(crate) struct LockedDir {
    pub(super) platform: Platform,
    pub(super) path: PathBuf,
    pub(super) lock: DiskLock,
    pub(super) entries: Vec<DirEntry>,
    identity: Identity,
}

/// What `meta.properties` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Whose directory it is.
    Known(MetaProperties),
    /// There is no such file.
    Missing,
}

impl LockedDir {
    /// Makes the directory if it is missing, locks it and reads whose it is.
    ///
    /// # Errors
    /// [`StorageError::Locked`]; [`StorageError::MetaProperties`] if the file cannot be understood; the disk's.
    pub(crate) fn lock(platform: &Platform, path: &Path) -> Result<Self, StorageError> {
        let disk = platform.disk.as_ref();
        let unusable = |error| StorageError::Unusable { path: path.to_path_buf(), source: Arc::new(error) };
        if !disk.exists(&path.join(META_PROPERTIES)) {
            disk.create_dir_all_durable(path).map_err(unusable)?;
        }
        let file = path.join(LOCK);
        let lock = disk.lock(&file).or_else(|error| {
            // The lock is ours, but there is no space for our process id in it.
            let may_fit = reserve::is_no_space(&error) && reserve::give_up(disk, path);
            if may_fit { disk.lock(&file) } else { Err(error) }
        });
        let lock = lock.map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => {
                StorageError::Locked { path: path.to_path_buf(), source: Arc::new(error) }
            }
            _ => unusable(error),
        })?;
        let entries = disk.list(path).map_err(unusable)?;
        let identity = read_identity(platform, path).map_err(|error| named(path, error))?;
        Ok(Self { platform: platform.clone(), path: path.to_path_buf(), lock, entries, identity })
    }

    /// Whose it is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether it holds a directory of this name.
    pub(crate) fn has_dir(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.is_dir && entry.name == name)
    }

    /// The name of a log that it holds, if it holds any.
    pub(crate) fn any_log(&self) -> Option<&str> {
        let is_log = |entry: &&DirEntry| entry.is_dir && matches!(dir_kind(&entry.name), DirKind::Log { .. });
        self.entries.iter().find(is_log).map(|entry| entry.name.as_str())
    }

    /// Makes an empty directory this node's.
    ///
    /// # Errors
    /// [`StorageError::UnknownOwner`] if it has logs; the disk's.
    pub(crate) fn format(&mut self, cluster_id: &str, node_id: i32) -> Result<(), StorageError> {
        if let Some(log) = self.any_log() {
            return Err(StorageError::UnknownOwner { path: self.path.clone(), example: log.to_owned() });
        }
        let directory_id = Some(random_id(&self.platform));
        self.write_meta(MetaProperties { cluster_id: cluster_id.to_owned(), node_id, directory_id })
    }

    /// Gives the directory an id if it has none: Kafka before 3.7 wrote none.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn ensure_directory_id(&mut self) -> Result<(), StorageError> {
        match &self.identity {
            Identity::Known(meta) if meta.directory_id.is_none() => {
                let directory_id = Some(random_id(&self.platform));
                self.write_meta(MetaProperties { directory_id, ..meta.clone() })
            }
            _ => Ok(()),
        }
    }

    fn write_meta(&mut self, meta: MetaProperties) -> Result<(), StorageError> {
        let written = meta.write(self.platform.disk.as_ref(), &self.path);
        written.map_err(|error| named(&self.path, error))?;
        self.identity = Identity::Known(meta);
        Ok(())
    }

    /// Checks that it is this node's, formats it if it is empty and the configuration says so, and opens its logs.
    ///
    /// # Errors
    /// As [`LogDir::open`].
    pub(crate) fn open(
        self,
        config: &LogDirConfig,
        now_ms: i64,
    ) -> Result<(LogDir, RecoveryReport), StorageError> {
        let path = self.path.clone();
        self.open_logs(config, now_ms).map_err(|error| named(&path, error))
    }

    fn open_logs(
        mut self,
        config: &LogDirConfig,
        now_ms: i64,
    ) -> Result<(LogDir, RecoveryReport), StorageError> {
        if self.identity == Identity::Missing {
            let Some(cluster_id) = &config.format else {
                return Err(StorageError::NotFormatted { path: self.path });
            };
            self.format(cluster_id, config.node_id)?;
        }
        if let Identity::Known(meta) = &self.identity {
            check_owner(&self.path, meta, config.cluster_id.as_deref(), config.node_id)?;
        }
        reserve::give_up_if_full(self.platform.disk.as_ref(), &self.path);
        self.ensure_directory_id()?;
        let Identity::Known(meta) = self.identity.clone() else {
            unreachable!("a directory without an identity was formatted above")
        };
        open::open(self, meta, config, now_ms)
    }
}

/// What the machine refuses while a directory is opened is said with the directory and what to do.
fn named(path: &Path, error: StorageError) -> StorageError {
    match error {
        StorageError::Io(source) => StorageError::Unusable { path: path.to_path_buf(), source },
        other => other,
    }
}

/// Checks that a directory belongs to this node of this cluster.
///
/// # Errors
/// [`StorageError::WrongCluster`], [`StorageError::WrongNode`].
pub(crate) fn check_owner(
    path: &Path,
    meta: &MetaProperties,
    cluster_id: Option<&str>,
    node_id: i32,
) -> Result<(), StorageError> {
    let path = path.to_path_buf();
    if let Some(expected) = cluster_id.filter(|id| *id != meta.cluster_id) {
        let (expected, found) = (expected.to_owned(), meta.cluster_id.clone());
        return Err(StorageError::WrongCluster { path, expected, found });
    }
    if meta.node_id != node_id {
        return Err(StorageError::WrongNode { path, expected: node_id, found: meta.node_id });
    }
    Ok(())
}

fn read_identity(platform: &Platform, path: &Path) -> Result<Identity, StorageError> {
    let meta = MetaProperties::read(platform.disk.as_ref(), path)?;
    Ok(meta.map_or(Identity::Missing, Identity::Known))
}

/// A random uuid of RFC 4122's version 4. Kafka reserves the ids that are numbers up to 100, and avoids a leading dash in
/// the text, which command lines take for an option.
fn random_id(platform: &Platform) -> Uuid {
    loop {
        let mut bytes = platform.rng.uuid_bytes();
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = Uuid(bytes);
        if !id.to_string().starts_with('-') {
            return id;
        }
    }
}
