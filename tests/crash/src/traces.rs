//! What a world leaves for those who look for a reason: the logs of all its processes, and the directory as the last starts
//! found it.
//!
//! Owns those files. They lie on the machine's own disk, which no cut reaches.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::Failure;
use crate::device::Device;
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
    pub fn before_start(&mut self, data: &Path, device: &Device) -> Result<PathBuf, Failure> {
        self.starts += 1;
        if self.starts > COPIES_MAX {
            _ = fs::remove_dir_all(self.copy(self.starts - COPIES_MAX));
        }
        let copy = self.copy(self.starts);
        let mut command = Command::new("cp");
        command.args(["-a", "--sparse=always"]).arg(data).arg(&copy);
        // Before the first start there is nothing to copy. Not even that is asked here: who asks may get no answer.
        if let Err(error) = run_while_powered(&mut command, device) {
            fs::write(self.path.join(format!("copy-{}.failed", self.starts)), error.to_string())?;
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

/// Runs a program that reads the file system. The power may go meanwhile, by a write that its reading causes: then nobody
/// answers it, and it ends once the machine is taken apart.
fn run_while_powered(command: &mut Command, device: &Device) -> Result<(), Failure> {
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{command:?}: {status}").into()),
            None if device.is_cut() => break,
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
    child.kill()?;
    // It cannot be waited for here: it dies when its read is answered.
    thread::spawn(move || _ = child.wait());
    Err("the power went".into())
}
