//! Owns the real disk: positioned reads and writes on the file system. It never caches and never buffers: the
//! kernel's page cache is the only one.

use std::fs;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{DirEntry, Disk, DiskLock, DiskSpace, File, OpenMode, PathError};

/// The file system of the machine.
#[derive(Clone, Copy, Debug)]
pub struct OsDisk;

/// Slices handed to one `pwritev`: the kernel's limit (`IOV_MAX`).
const MAX_SLICES: usize = 1024;

/// The largest page of any machine we run on.
const PAGE_BYTES_MAX: u64 = 64 << 10;

/// A process id is at most 10 digits; a lock file that holds more is not ours.
const MAX_PID_BYTES: u64 = 32;

impl Disk for OsDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::ReadWrite => _ = options.write(true),
            OpenMode::Create => _ = options.write(true).create(true).truncate(false),
            OpenMode::CreateNew => _ = options.write(true).create_new(true),
            OpenMode::Direct => _ = options.write(true).create(true).truncate(false),
        }
        let durable_writes = mode == OpenMode::Direct;
        let opened = if durable_writes { open_direct(&mut options, path) } else { options.open(path) };
        let file = opened.map_err(|e| PathError::wrap("open", path, e))?;
        Ok(Arc::new(OsFile { file, path: path.into(), durable_writes }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path).map_err(|e| PathError::wrap("create directory", path, e))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(|e| PathError::wrap("remove", path, e))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path).map_err(|e| PathError::wrap("remove directory", path, e))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to).map_err(|e| {
            let action = format!("cannot rename {} to {}: {e}", from.display(), to.display());
            io::Error::new(e.kind(), action)
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let sync = || fs::File::open(path)?.sync_all();
        sync().map_err(|e| PathError::wrap("sync directory", path, e))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let read = || {
            let mut entries = Vec::new();
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                // A name that vanishes between the listing and this call is as if it had vanished before.
                let metadata = match entry.metadata() {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                    other => other?,
                };
                entries.push(DirEntry {
                    name: entry.file_name().to_string_lossy().into_owned(),
                    is_dir: metadata.is_dir(),
                    len: if metadata.is_dir() { 0 } else { metadata.len() },
                });
            }
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(entries)
        };
        read().map_err(|e| PathError::wrap("list directory", path, e))
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }

    fn lock(&self, path: &Path) -> io::Result<DiskLock> {
        let wrap = |e| PathError::wrap("lock", path, e);
        let mut options = fs::OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(wrap)?;
        take_lock(&file).map_err(wrap)?;
        file.set_len(0).map_err(wrap)?;
        writeln!(file, "{}", std::process::id()).map_err(wrap)?;
        Ok(DiskLock::new(file))
    }

    fn hold(&self, path: &Path) -> io::Result<DiskLock> {
        let wrap = |e| PathError::wrap("lock", path, e);
        let file = fs::OpenOptions::new().read(true).write(true).open(path).map_err(wrap)?;
        take_lock(&file).map_err(wrap)?;
        Ok(DiskLock::new(file))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat =
            rustix::fs::statvfs(path).map_err(|e| PathError::wrap("ask free space of", path, e.into()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn total_bytes(&self, path: &Path) -> io::Result<u64> {
        let stat =
            rustix::fs::statvfs(path).map_err(|e| PathError::wrap("ask the size of", path, e.into()))?;
        Ok(stat.f_blocks.saturating_mul(stat.f_frsize))
    }

    fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        let stat =
            rustix::fs::statvfs(path).map_err(|e| PathError::wrap("ask the space of", path, e.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        let used_bytes = bytes(stat.f_blocks.saturating_sub(stat.f_bfree));
        Ok(DiskSpace { used_bytes, free_bytes: bytes(stat.f_bavail) })
    }

    fn descriptors_max(&self) -> usize {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if limit.current != limit.maximum && setrlimit(Resource::Nofile, wanted).is_ok() {
            limit = wanted;
        }
        limit.current.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX)
    }
}

/// Opens with `O_DIRECT` and `O_DSYNC`: a write is durable when it returns, and no other write of the file system has to
/// go first. Where the file system knows no direct writes (tmpfs), the page cache is in between.
fn open_direct(options: &mut fs::OpenOptions, path: &Path) -> io::Result<fs::File> {
    let flags = |flags: rustix::fs::OFlags| i32::try_from(flags.bits()).expect("flags of open fit an int");
    let (direct, synced) = (rustix::fs::OFlags::DIRECT, rustix::fs::OFlags::DSYNC);
    match options.custom_flags(flags(direct | synced)).open(path) {
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => options.custom_flags(flags(synced)).open(path),
        other => other,
    }
}

/// Takes both kinds of lock.
fn take_lock(file: &fs::File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Err(held_by_another(file)),
        Err(fs::TryLockError::Error(e)) => return Err(e),
    }
    lock_as_java(file).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::PermissionDenied => held_by_another(file),
        _ => e,
    })
}

/// Takes the record lock of the whole file, which is what a JVM's `FileChannel.tryLock` takes and knows nothing of the
/// lock of `flock`. It belongs to the process and goes with the first of its descriptors of this file that is closed; so
/// within a process the other lock is the one that counts.
fn lock_as_java(file: &fs::File) -> io::Result<()> {
    Ok(rustix::fs::fcntl_lock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?)
}

/// The holder's process id is inside the file; a holder that has not written it yet stays unnamed.
fn held_by_another(file: &fs::File) -> io::Error {
    let mut text = String::new();
    let readable = file.take(MAX_PID_BYTES).read_to_string(&mut text).is_ok();
    let message = match text.trim().parse::<u32>() {
        Ok(pid) if readable => format!("it is held by process {pid}"),
        _ => "it is held by another process, perhaps Apache Kafka".to_owned(),
    };
    io::Error::new(io::ErrorKind::ResourceBusy, message)
}

struct OsFile {
    file: fs::File,
    path: PathBuf,
    /// Opened with `O_DSYNC`.
    durable_writes: bool,
}

impl OsFile {
    fn wrap(&self, action: &'static str) -> impl FnOnce(io::Error) -> io::Error {
        move |e| PathError::wrap(action, &self.path, e)
    }

    /// One `pwritev`, repeated if a signal interrupts it.
    fn write_some(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        loop {
            match rustix::io::pwritev(&self.file, &slices[..slices.len().min(MAX_SLICES)], position) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                other => return Ok(other?),
            }
        }
    }
}

/// Writes all the slices at `position` by calls of `write_some`, which may each write less than asked. The slices
/// are not copied: one that was cut in the middle is finished alone.
fn write_all(
    mut slices: &[IoSlice<'_>],
    mut position: u64,
    mut write_some: impl FnMut(&[IoSlice<'_>], u64) -> io::Result<usize>,
) -> io::Result<()> {
    while let Some((first, rest)) = slices.split_first() {
        if first.is_empty() {
            slices = rest;
            continue;
        }
        let mut written = write_some(slices, position)?;
        position += written as u64;
        while let Some((first, rest)) = slices.split_first().filter(|(first, _)| written >= first.len()) {
            written -= first.len();
            slices = rest;
        }
        if written > 0 {
            let mut tail = &slices[0][written..];
            while !tail.is_empty() {
                let count = write_some(&[IoSlice::new(tail)], position)?;
                position += count as u64;
                tail = &tail[count..];
            }
            slices = &slices[1..];
        }
    }
    Ok(())
}

impl File for OsFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, position) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(self.wrap("read")),
            }
        }
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        write_all(slices, position, |slices, position| self.write_some(slices, position))
            .map_err(self.wrap("write"))
    }

    fn write_durable_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.write_at(bytes, position)?;
        if self.durable_writes { Ok(()) } else { self.sync_data() }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data().map_err(self.wrap("sync"))
    }

    fn len(&self) -> io::Result<u64> {
        self.file.metadata().map(|m| m.len()).map_err(self.wrap("ask length of"))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len).map_err(self.wrap("resize"))
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        loop {
            match rustix::fs::fallocate(&self.file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, len) {
                Err(rustix::io::Errno::INTR) => {}
                other => return other.map_err(|e| PathError::wrap("keep room for", &self.path, e.into())),
            }
        }
    }

    fn forget_cached(&self, from: u64) -> io::Result<()> {
        // The kernel passes over a page of which only a part is meant.
        let from = from / PAGE_BYTES_MAX * PAGE_BYTES_MAX;
        let forgotten = rustix::fs::fadvise(&self.file, from, None, rustix::fs::Advice::DontNeed);
        forgotten.map_err(|e| PathError::wrap("drop cached pages of", &self.path, e.into()))
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }
}

#[cfg(test)]
mod tests;
