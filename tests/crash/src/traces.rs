//! What a world leaves for those who look for a reason: the logs of all its processes, and the directory as the last starts
//! found it.
//!
//! Owns those files. They lie on the machine's own disk, which no cut reaches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::machine::run;

/// Directories that are kept.
const COPIES_MAX: u64 = 3;

/// The traces of one world.
pub struct Traces {
    path: PathBuf,
    starts: u64,
}

impl Traces {
    /// None so far; those of an earlier world go.
    pub fn new(room: &Path) -> Result<Self, Failure> {
        let path = room.join("traces");
        _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path)?;
        Ok(Self { path, starts: 0 })
    }

    /// Keeps the directory as it is, and gives the log of the process that is to start on it.
    pub fn before_start(&mut self, data: &Path) -> Result<PathBuf, Failure> {
        self.starts += 1;
        if self.starts > COPIES_MAX {
            _ = fs::remove_dir_all(self.copy(self.starts - COPIES_MAX));
        }
        if data.exists() {
            let copy = self.copy(self.starts);
            // The power may go while it is read.
            if let Err(error) = run(Command::new("cp").args(["-a", "--sparse=always"]).arg(data).arg(&copy)) {
                fs::write(self.path.join(format!("copy-{}.failed", self.starts)), error.to_string())?;
            }
        }
        Ok(self.path.join(format!("node-{}.log", self.starts)))
    }

    fn copy(&self, start: u64) -> PathBuf {
        self.path.join(format!("before-{start}"))
    }

    /// Copies all of it.
    pub fn keep(&self, kept: &Path) -> Result<(), Failure> {
        run(Command::new("cp").args(["-a", "--sparse=always"]).arg(&self.path).arg(kept))?;
        Ok(())
    }
}
