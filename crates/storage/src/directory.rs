//! What all logs of one log directory share: the disk, its health and its open files.
//!
//! Owns the fail-stop rule: after a write, flush or read error nothing in the directory is written any more, since
//! neither the page cache nor a later successful flush can be trusted. It never knows a partition.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use platform::{Clock, Disk, File, PathError, Rng};

use crate::error::StorageError;
use crate::open_files::OpenFiles;
use crate::reserve::is_no_space;
use crate::space::Space;
use crate::wal::Wal;

/// Is told of log directories that fail.
pub trait FailureListener: Send + Sync {
    /// The directory went offline for good. Called once for each directory, from whoever met the failure: it must not
    /// block, and it must not call back into the directory.
    fn directory_failed(&self, path: &Path, reason: &str);
}

/// The shared half of a log directory.
pub(crate) struct Directory {
    disk: Arc<dyn Disk>,
    clock: Clock,
    rng: Rng,
    health: Arc<Health>,
    open_files: OpenFiles,
    space: Space,
    wal: OnceLock<Wal>,
    views_made: AtomicU64,
    /// No cleaning may go on.
    cleaning_stopped: AtomicBool,
    /// Pieces of cleanings under way.
    cleanings: AtomicUsize,
    /// Is called when a log may have become worth cleaning.
    on_cleanable: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Counts what moves logs: appends, high watermarks, logs that come and go.
    activity: AtomicU64,
    /// Somebody sleeps until the next activity.
    is_activity_awaited: AtomicBool,
    on_activity: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// When the first of the files that are out of use is to be removed; `i64::MAX` if none waits.
    removal_due_ms: AtomicI64,
}

/// A piece of a cleaning that is under way.
pub(crate) struct CleaningPiece<'a> {
    directory: &'a Directory,
}

impl Drop for CleaningPiece<'_> {
    fn drop(&mut self) {
        self.directory.cleanings.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Whether a directory can be trusted.
struct Health {
    path: PathBuf,
    offline: OnceLock<String>,
    listener: Option<Arc<dyn FailureListener>>,
}

impl Health {
    fn take_offline(&self, reason: &str) {
        if self.offline.set(reason.to_owned()).is_ok() {
            tracing::error!(path = %self.path.display(), %reason, "log directory went offline");
            if let Some(listener) = &self.listener {
                listener.directory_failed(&self.path, reason);
            }
        }
    }

    /// Judges a failed read: what the device says takes the directory offline, what the process lacks does not, nor a
    /// file that is gone or cut, since retention or a truncation may have come first.
    fn read_failed(&self, error: &io::Error) {
        let is_passing = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof);
        if !is_passing && !is_shortage(error) {
            self.take_offline(&error.to_string());
        }
    }
}

impl Directory {
    pub(crate) fn new(
        path: PathBuf,
        disk: Arc<dyn Disk>,
        clock: Clock,
        rng: Rng,
        max_open_files: usize,
        space: Space,
        listener: Option<Arc<dyn FailureListener>>,
    ) -> Self {
        let health = Arc::new(Health { path, offline: OnceLock::new(), listener });
        Self {
            disk,
            clock,
            rng,
            health,
            open_files: OpenFiles::new(max_open_files),
            space,
            wal: OnceLock::new(),
            views_made: AtomicU64::new(0),
            cleaning_stopped: AtomicBool::new(false),
            cleanings: AtomicUsize::new(0),
            on_cleanable: OnceLock::new(),
            activity: AtomicU64::new(0),
            is_activity_awaited: AtomicBool::new(false),
            on_activity: OnceLock::new(),
            removal_due_ms: AtomicI64::new(i64::MAX),
        }
    }

    /// The write-ahead log.
    ///
    /// # Panics
    /// Before the directory's opening is over.
    pub(crate) fn wal(&self) -> &Wal {
        self.wal.get().expect("the write-ahead log is there before any log is written")
    }

    /// Has the write-ahead log let go of the logs, which hold this directory: at the end of its use.
    pub(crate) fn let_logs_go(&self) {
        if let Some(wal) = self.wal.get() {
            wal.let_logs_go();
        }
    }

    /// Puts the write-ahead log in place, once.
    pub(crate) fn set_wal(&self, wal: Wal) {
        assert!(self.wal.set(wal).is_ok(), "a directory has one write-ahead log");
    }

    /// A number for a view, unlike that of any other of this directory.
    pub(crate) fn next_view_number(&self) -> u64 {
        self.views_made.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.health.path
    }

    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The time of day, for what people read.
    pub(crate) fn wall_ms(&self) -> i64 {
        self.clock.wall_ms()
    }

    pub(crate) fn rng(&self) -> &Rng {
        &self.rng
    }

    pub(crate) fn open_files(&self) -> &OpenFiles {
        &self.open_files
    }

    /// Why the directory went offline, if it did.
    pub(crate) fn offline_reason(&self) -> Option<&str> {
        self.health.offline.get().map(String::as_str)
    }

    /// # Errors
    /// [`StorageError::Offline`] after a failed write or flush.
    pub(crate) fn check_online(&self) -> Result<(), StorageError> {
        match self.offline_reason() {
            None => Ok(()),
            Some(reason) => {
                let path = self.path().to_path_buf();
                Err(StorageError::Offline { path, reason: reason.to_owned() })
            }
        }
    }

    /// Begins a piece of a cleaning; `None` if there are to be no more.
    pub(crate) fn begin_cleaning(&self) -> Option<CleaningPiece<'_>> {
        self.cleanings.fetch_add(1, Ordering::SeqCst);
        let piece = CleaningPiece { directory: self };
        (!self.is_cleaning_stopped()).then_some(piece)
    }

    pub(crate) fn is_cleaning_stopped(&self) -> bool {
        self.cleaning_stopped.load(Ordering::SeqCst)
    }

    pub(crate) fn stop_cleaning(&self) {
        self.cleaning_stopped.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_cleaning(&self) -> bool {
        self.cleanings.load(Ordering::SeqCst) > 0
    }

    /// A log may have become worth cleaning.
    pub(crate) fn note_cleanable(&self) {
        if let Some(call) = self.on_cleanable.get() {
            call();
        }
    }

    /// Has this called whenever a log may have become worth cleaning; to be set once.
    pub(crate) fn on_cleanable(&self, call: impl Fn() + Send + Sync + 'static) {
        // Who comes second has nobody to tell.
        _ = self.on_cleanable.set(Box::new(call));
    }

    /// Something moved in a log. To be called after it has: who sees the count sees what was counted.
    pub(crate) fn note_activity(&self) {
        self.activity.fetch_add(1, Ordering::SeqCst);
        let is_awaited = self.is_activity_awaited.load(Ordering::SeqCst);
        if is_awaited
            && self.is_activity_awaited.swap(false, Ordering::SeqCst)
            && let Some(on_activity) = self.on_activity.get()
        {
            on_activity();
        }
    }

    /// Has this called at the next activity after each [`Directory::await_activity`], and whenever something is to be
    /// removed; to be set once. It must not block or call back.
    pub(crate) fn on_activity(&self, call: impl Fn() + Send + Sync + 'static) {
        // Who comes second has nobody to tell.
        _ = self.on_activity.set(Box::new(call));
    }

    /// Asks for a call at the next activity; false if there was some since `seen`.
    pub(crate) fn await_activity(&self, seen: u64) -> bool {
        self.is_activity_awaited.store(true, Ordering::SeqCst);
        self.activity.load(Ordering::SeqCst) == seen
    }

    /// While this stays the same, there is nothing new to look for in the logs.
    pub(crate) fn activity(&self) -> u64 {
        self.activity.load(Ordering::SeqCst)
    }

    /// Files that are out of use are to be removed at this time.
    pub(crate) fn note_removal_due(&self, due_ms: i64) {
        self.removal_due_ms.fetch_min(due_ms, Ordering::AcqRel);
        self.activity.fetch_add(1, Ordering::SeqCst);
        // Told in any case: files whose delay is nothing go at once, not in the midst of what comes next.
        if let Some(on_activity) = self.on_activity.get() {
            on_activity();
        }
    }

    /// When the first of them is to be removed; `i64::MAX` if none waits.
    pub(crate) fn removal_due_ms(&self) -> i64 {
        self.removal_due_ms.load(Ordering::Acquire)
    }

    /// Whether files are to be removed now. Who is told asks all logs, and those note what has to wait longer.
    pub(crate) fn take_removal_due(&self, now_ms: i64) -> bool {
        let is_due = self.removal_due_ms.load(Ordering::Acquire) <= now_ms;
        is_due && self.removal_due_ms.swap(i64::MAX, Ordering::AcqRel) <= now_ms
    }

    /// Judges a failed write or flush: a full disk is survivable, everything else takes the directory offline.
    ///
    /// The caller has to undo the write of a full disk; if that fails too, it calls [`Directory::take_offline`].
    pub(crate) fn write_failed(&self, error: io::Error) -> StorageError {
        if is_no_space(&error) {
            return StorageError::DiskFull { path: self.path().to_path_buf() };
        }
        self.take_offline(error)
    }

    /// Takes room for records that a client wants to append.
    ///
    /// # Errors
    /// [`StorageError::NearlyFull`] if the file system is full up to the limit.
    pub(crate) fn take_room(&self, bytes: u64) -> Result<(), StorageError> {
        if self.space.take(bytes, self.disk.as_ref(), self.path()) {
            Ok(())
        } else {
            Err(StorageError::NearlyFull { path: self.path().to_path_buf() })
        }
    }

    /// Takes room that may be done without; says whether there is so much below the limit.
    pub(crate) fn take_spare_room(&self, bytes: u64) -> bool {
        self.space.take_spare(bytes)
    }

    /// Says whether the file system is full up to the limit.
    pub(crate) fn is_full(&self) -> bool {
        self.space.is_full()
    }

    /// Looks how full the file system is, and keeps space for the next start if that is still to be done.
    ///
    /// # Errors
    /// The disk's; the directory is offline then.
    pub(crate) fn look_at_space(&self) -> Result<(), StorageError> {
        self.space.look(self.disk.as_ref(), self.path());
        let reserve = self.space.reserve();
        if reserve.is_missing() && self.offline_reason().is_none() {
            reserve.keep(self.disk.as_ref(), self.path()).map_err(|error| self.write_failed(error))?;
        }
        Ok(())
    }

    /// Whether nothing is kept for the next start, for lack of space.
    pub(crate) fn lacks_reserve(&self) -> bool {
        self.space.reserve().is_missing()
    }

    /// Judges a failed read, also one of a name.
    pub(crate) fn read_failed(&self, error: &io::Error) {
        self.health.read_failed(error);
    }

    /// Takes the directory offline for good.
    pub(crate) fn take_offline(&self, error: io::Error) -> StorageError {
        self.health.take_offline(&error.to_string());
        error.into()
    }

    /// A file of this directory whose failed reads take the directory offline, whoever makes them.
    pub(crate) fn watch(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(WatchedFile { file, health: Arc::clone(&self.health) })
    }
}

/// Says whether the process, not the disk, is out of something.
fn is_shortage(error: &io::Error) -> bool {
    const NO_MEMORY: i32 = 12;
    const TOO_MANY_FILES_OF_SYSTEM: i32 = 23;
    const TOO_MANY_FILES: i32 = 24;
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<PathError>());
    let errno = inner.map_or(error.raw_os_error(), |inner| inner.source.raw_os_error());
    matches!(errno, Some(NO_MEMORY | TOO_MANY_FILES_OF_SYSTEM | TOO_MANY_FILES))
}

/// A file that tells its directory of failed reads. What becomes of failed writes is the writer's to say.
struct WatchedFile {
    file: Arc<dyn File>,
    health: Arc<Health>,
}

impl File for WatchedFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position).inspect_err(|error| self.health.read_failed(error))
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.file.write_vectored_at(slices, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.file.reserve(len)
    }

    fn forget_cached(&self, from: u64) -> io::Result<()> {
        self.file.forget_cached(from)
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.file.fd()
    }

    fn read_failed(&self, error: &io::Error) {
        self.health.read_failed(error);
    }
}
