//! A log directory in memory for `klamm dev --memory`: a folder of its own on a RAM-backed file system.
//!
//! Owns making and removing it, also after a process that could not clean up.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where Linux keeps a file system in memory.
const SHARED_MEMORY: &str = "/dev/shm";
const PREFIX: &str = "klamm-dev-";

/// The folder; removed when dropped.
pub struct MemoryDir {
    path: PathBuf,
}

impl MemoryDir {
    /// Makes a fresh folder and removes those of processes that are gone.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn create() -> io::Result<MemoryDir> {
        let shared = Path::new(SHARED_MEMORY);
        let parent = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        remove_abandoned(&parent);
        let path = parent.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(MemoryDir { path })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for MemoryDir {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("warning: {} could not be removed: {error}", self.path.display());
        }
    }
}

/// Removes the folders of processes that were killed.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|pid| pid.parse::<u32>().ok());
        let is_alive = |pid: u32| Path::new("/proc").join(pid.to_string()).exists();
        if pid.is_some_and(|pid| !is_alive(pid)) {
            // Somebody else's folder stays; ours is made all the same.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
