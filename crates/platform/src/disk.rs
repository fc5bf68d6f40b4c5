//! Owns the face of the disk: files, directories, locks and what durability means for each call. It never knows
//! what the bytes mean.
//!
//! Durability, the same in both halves: written bytes survive the death of the process at once, but a loss of power
//! only after [`File::sync_data`]. A created, renamed or removed name survives a loss of power only after
//! [`Disk::sync_dir`] of its parent directory.

mod os;

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use os::OsDisk;

/// How full a file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes that are taken.
    pub used_bytes: u64,
    /// Bytes that may be taken.
    pub free_bytes: u64,
}

/// What writes past the page cache are aligned to.
pub const DIRECT_BLOCK_BYTES: usize = 4096;

/// Files and directories. Every error names the action and the path, and keeps the kind of its cause.
pub trait Disk: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// Creates a directory and its missing parents; an existing directory is no error.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Removes one file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory and all it holds.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Renames a file or directory; an existing file at `to` is replaced in one step.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names inside a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The entries of a directory, sorted by name.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Whether a file or directory of that name is there. An error (say, permission denied) counts as absent.
    fn exists(&self, path: &Path) -> bool;
    /// Takes the exclusive lock of a file, which is created if missing and holds the owner's process id.
    ///
    /// # Errors
    /// `ResourceBusy`, naming the holder, if somebody has it.
    fn lock(&self, path: &Path) -> io::Result<DiskLock>;
    /// Takes the same lock of a file that is there, and leaves the file as it is: for those who only look. Who is refused
    /// meanwhile may be told the id of a process that had the lock before.
    ///
    /// # Errors
    /// `ResourceBusy`, naming the holder, if somebody has it; `NotFound` if there is no such file.
    fn hold(&self, path: &Path) -> io::Result<DiskLock>;
    /// Bytes that an ordinary process may still write on the file system of `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Size of the file system of `path` in bytes; what is free, where a size is not known.
    fn total_bytes(&self, path: &Path) -> io::Result<u64> {
        self.free_bytes(path)
    }

    /// What of the file system of `path` is taken and what an ordinary process may still take: without what is kept for the
    /// superuser.
    fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        let free_bytes = self.free_bytes(path)?;
        Ok(DiskSpace { used_bytes: self.total_bytes(path)?.saturating_sub(free_bytes), free_bytes })
    }

    /// As [`Disk::create_dir_all`], and makes the names durable: also after an earlier try that was cut short.
    ///
    /// Each directory is made durable before one is created inside it. So all names above the lowest existing directory
    /// are durable, if it was created this way or by somebody who took care.
    fn create_dir_all_durable(&self, path: &Path) -> io::Result<()> {
        let mut missing: Vec<&Path> =
            path.ancestors().take_while(|p| !is_here(p) && !self.exists(p)).collect();
        let existing = missing.last().map_or(path, |highest| parent_dir(highest));
        let is_root = existing.has_root() && existing.parent().is_none();
        match (!is_root).then(|| self.sync_dir(parent_dir(existing))) {
            // Where nothing can be listed, nothing was created by this process either.
            Some(Err(e)) if e.kind() != io::ErrorKind::PermissionDenied => return Err(e),
            _ => {}
        }
        while let Some(next) = missing.pop() {
            self.create_dir_all(next)?;
            self.sync_dir(parent_dir(next))?;
        }
        Ok(())
    }

    /// How many descriptors this process may have open at once, sockets among them, after asking for as many as it may
    /// ask for.
    fn descriptors_max(&self) -> usize;

    /// The whole content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let len = usize::try_from(file.len()?).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let mut bytes = vec![0; len];
        let count = file.read_full_at(&mut bytes, 0)?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Replaces the content of a file in one durable step: temporary file (`<name>.tmp`), sync, rename, sync of
    /// the directory. After a crash the file holds the old content or the new, whole.
    fn write_atomic(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = temporary_path(path);
        self.write_whole(&temporary, bytes)?;
        self.rename(&temporary, path)?;
        self.sync_dir(parent_dir(path))
    }

    /// Gives a file this content, durably; its name is not. A crash may leave anything in it.
    fn write_whole(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file = self.open(path, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_at(bytes, 0)?;
        file.sync_data()
    }
}

/// An open file. All calls take a position, so a file may be shared by readers and a writer.
#[allow(clippy::len_without_is_empty, reason = "an open file is asked for its length, not for emptiness")]
pub trait File: Send + Sync {
    /// Reads at most `buffer.len()` bytes at `position`; 0 means end of file. May read less than asked.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all the slices one after another at `position`, extending the file if needed.
    fn write_vectored_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()>;
    /// Makes the bytes and the length of this file durable. After an error, what was written since the last
    /// success may be lost even if a later call succeeds.
    fn sync_data(&self) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Keeps room on the disk for the first `len` bytes; the file's length stays as it is. [`File::set_len`] to any length
    /// gives back what lies behind it. A simulated disk has no room to keep.
    ///
    /// # Errors
    /// There is not so much room, or the file system cannot keep any (`Unsupported`).
    fn reserve(&self, len: u64) -> io::Result<()>;
    /// The descriptor, for zero-copy sends; `None` in simulation.
    fn fd(&self) -> Option<BorrowedFd<'_>>;

    /// A read by way of the descriptor has failed: to be told by who made it, for files whose reads are watched.
    fn read_failed(&self, _error: &io::Error) {}

    /// Has later reads of what is behind `from` see what is on the disk, except for what is still waiting to be written
    /// there. After a failed [`File::sync_data`], of this process or of one before, the page cache may hold what never
    /// reached the disk and call it written; who is to trust a file after a stop that was not clean reads it so.
    fn forget_cached(&self, from: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `position`.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.write_vectored_at(&[IoSlice::new(bytes)], position)
    }

    /// Writes all of `bytes` at `position` and makes them durable, in one step where the file was opened with
    /// [`OpenMode::Direct`]; then position, length and the buffer's address have to be multiples of [`DIRECT_BLOCK_BYTES`].
    fn write_durable_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.write_at(bytes, position)?;
        self.sync_data()
    }

    /// Reads until the buffer is full or the file ends; gives the count of bytes read.
    fn read_full_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_at(&mut buffer[filled..], position + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    /// Fills the buffer from `position`.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        let wanted = buffer.len();
        match self.read_full_at(buffer, position)? {
            count if count == wanted => Ok(()),
            count => Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the file ends after {count} of {wanted} bytes wanted at {position}"),
            )),
        }
    }
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; the file must exist.
    Read,
    /// For reading and writing; the file must exist.
    ReadWrite,
    /// For reading and writing; created if missing, never cut.
    Create,
    /// For reading and writing; the file must not exist.
    CreateNew,
    /// For [`File::write_durable_at`] of whole blocks, past the page cache where the file system can; created if missing.
    Direct,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without its directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Length in bytes; 0 for a directory.
    pub len: u64,
}

/// An exclusive lock on a file, given back when dropped or when the process ends, however it ends.
pub struct DiskLock {
    _held: Box<dyn Any + Send + Sync>,
}

impl DiskLock {
    /// Wraps what holds the lock for as long as it lives.
    pub(crate) fn new(held: impl Any + Send + Sync) -> Self {
        Self { _held: Box::new(held) }
    }
}

impl fmt::Debug for DiskLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DiskLock")
    }
}

/// What was tried, on which path, and why it failed. It is the inner error of every `io::Error` of this room.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct PathError {
    /// The action, as a verb: `open`, `write`, `sync`, …
    pub action: &'static str,
    /// The path it was tried on.
    pub path: PathBuf,
    /// The cause; its `raw_os_error` is the kernel's answer.
    pub source: io::Error,
}

impl PathError {
    /// Wraps a cause into an `io::Error` of the same kind that names action and path.
    pub(crate) fn wrap(action: &'static str, path: &Path, source: io::Error) -> io::Error {
        io::Error::new(source.kind(), Self { action, path: path.to_path_buf(), source })
    }
}

/// The directory that holds `path`; `.` for a bare name.
pub(crate) fn parent_dir(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The end of a relative path's ancestors, which is the working directory.
fn is_here(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(".tmp");
    PathBuf::from(name)
}
