//! Owns the simulated disk of one machine: files and names with a durable and a pending half, injected errors and
//! loss of power. It never loses a byte that was synced, unless a test damages it on purpose.

mod crash;
mod fault;
mod store;

use std::fmt;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

pub use fault::{DiskAction, DiskErrno, DiskFault};
use fault::{Effect, Faults};
use store::{InodeId, Store};

use super::life::{Incarnation, NodeLife};
use super::{Trace, lock, trace};
use crate::Rng;
use crate::disk::{DirEntry, Disk, DiskLock, File, OpenMode, PathError};

/// How a disk behaves.
#[derive(Clone, Debug)]
pub struct DiskConfig {
    /// Bytes of files the disk holds; `None` is endless.
    pub capacity_bytes: Option<u64>,
    /// What a loss of power leaves of names that were created, renamed or removed.
    pub names: NameOrder,
    /// After a loss of power a file may have grown by zeros that nobody wrote, in place of unsynced bytes.
    pub zero_tails: bool,
}

/// What a loss of power leaves of changes of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameOrder {
    /// Any part of the changes whose directory was not synced: all that POSIX promises, and less than file systems do.
    Any,
    /// The oldest of the changes whose directory was not synced.
    InOrder,
    /// The oldest of the changes since anything was synced, file or directory: as ext4 does.
    Journaled,
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self { capacity_bytes: None, names: NameOrder::InOrder, zero_tails: true }
    }
}

/// A simulated disk. Clones share it.
///
/// Files and directories are held in memory. What was written is seen by every reader at once; after
/// [`SimDisk::crash`] only synced bytes and names are sure to be there.
#[derive(Clone)]
pub struct SimDisk {
    shared: Arc<Shared>,
    caller: Caller,
}

/// Who asks the disk.
#[derive(Clone)]
enum Caller {
    /// The harness, whose calls are neither counted nor traced nor failed.
    Harness,
    /// The only user of a disk outside of any world; lives on after a crash.
    Owner,
    /// A process of a world's machine.
    Process(Incarnation),
}

struct Shared {
    ip: IpAddr,
    life: Arc<NodeLife>,
    trace: Option<Trace>,
    config: DiskConfig,
    state: Mutex<State>,
}

struct State {
    store: Store,
    faults: Faults,
    rng: Rng,
    /// Counts the stops of this disk's machine: a file opened before the last stop is inert.
    era: u64,
    /// How many files may be open; `None` is endless.
    descriptors_max: Option<usize>,
    /// The machine was stopped by [`SimDisk::halt_after`] and nobody has dealt with it yet.
    is_halted: bool,
    next_lock: u64,
}

impl State {
    /// Ends all processes: their files become inert and their locks are given back.
    fn stop(&mut self) {
        self.era += 1;
        self.is_halted = false;
        self.faults.effects_until_halt = None;
        self.store.handles_lost();
    }
}

impl SimDisk {
    /// A disk outside of any world, with one process that never needs a boot.
    pub fn new(seed: u64) -> Self {
        Self::with_config(seed, DiskConfig::default())
    }

    /// As [`Self::new`], with a chosen behaviour.
    pub fn with_config(seed: u64, config: DiskConfig) -> Self {
        let life = Arc::new(NodeLife::new(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let disk = Self::on_machine(super::stream(seed, "disk"), config, life, None);
        Self { caller: Caller::Owner, ..disk }
    }

    pub(super) fn on_machine(
        rng: Rng,
        config: DiskConfig,
        life: Arc<NodeLife>,
        trace: Option<Trace>,
    ) -> Self {
        let store = Store::new(config.names, config.capacity_bytes);
        let state = State {
            store,
            faults: Faults::default(),
            rng,
            era: 0,
            descriptors_max: None,
            is_halted: false,
            next_lock: 1,
        };
        let shared = Shared { ip: life.ip(), life, trace, config, state: Mutex::new(state) };
        Self { shared: Arc::new(shared), caller: Caller::Harness }
    }

    pub(super) fn for_process(&self, incarnation: &Incarnation) -> Self {
        Self { shared: Arc::clone(&self.shared), caller: Caller::Process(incarnation.clone()) }
    }

    /// Loses the power: of what was not synced, a legal part chosen by the seed stays. Open files become inert and
    /// locks are given back.
    pub fn crash(&self) {
        let mut state = lock(&self.shared.state);
        let state = &mut *state;
        state.stop();
        crash::lose_power(&mut state.store, &self.shared.config, &state.rng);
    }

    /// Has what a later crash keeps, and what failing calls leave, follow this seed: a history of which a part is left
    /// out then meets the same choices.
    pub fn reseed(&self, seed: u64) {
        lock(&self.shared.state).rng = super::stream(seed, "disk");
    }

    /// How many injected errors were met so far.
    pub fn failed_calls(&self) -> u64 {
        lock(&self.shared.state).faults.failed
    }

    /// Gives the locks of dead processes back and makes their open files inert; bytes and names stay.
    pub fn release_locks(&self) {
        lock(&self.shared.state).stop();
    }

    /// Adds an error to be injected.
    pub fn fail(&self, fault: DiskFault) {
        lock(&self.shared.state).faults.rules.push(fault);
    }

    /// Removes all injected errors.
    pub fn heal(&self) {
        lock(&self.shared.state).faults.rules.clear();
    }

    /// Sets how many bytes of files fit; `None` is endless.
    pub fn set_capacity_bytes(&self, capacity: Option<u64>) {
        lock(&self.shared.state).store.capacity_bytes = capacity;
    }

    /// Sets how many files may be open at once: opening another one fails as on a real machine. `None` is endless.
    pub fn set_descriptors_max(&self, most: Option<usize>) {
        lock(&self.shared.state).descriptors_max = most;
    }

    /// How many files are open.
    pub fn open_files_count(&self) -> usize {
        lock(&self.shared.state).store.handles_count()
    }

    /// Stops the machine at its `n`-th changing call from now (1 is the next one): that call and all later ones
    /// fail without effect. The harness then calls [`super::SimWorld::power_off`], [`super::SimWorld::kill`] or
    /// [`Self::crash`].
    pub fn halt_after(&self, n: u64) {
        lock(&self.shared.state).faults.effects_until_halt = Some(n);
    }

    /// How many changing calls there were so far: the bound for enumerating [`Self::halt_after`].
    pub fn effects(&self) -> u64 {
        lock(&self.shared.state).faults.effects
    }

    /// Changes the bytes of a file behind everybody's back, durably: rot, truncation, forgery.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut state = lock(&self.shared.state);
        let damaged = state.store.file_at(path).map(|file| file.damage(change));
        damaged.map_err(|e| PathError::wrap("damage", path, e.into()))
    }

    /// Has bits of one durable byte rot: whoever reads sees it at once, but for processes that read or wrote the file
    /// before and have it in memory, until they end or [`File::forget_cached`] is called. Whether there is such a byte.
    ///
    /// # Errors
    /// There is no such file.
    pub fn rot(&self, path: &Path, at: usize, mask: u8) -> io::Result<bool> {
        let rotten = lock(&self.shared.state).store.rot(path, at, mask);
        rotten.map_err(|e| PathError::wrap("rot", path, e.into()))
    }

    /// The bytes of a file that a loss of power would leave for sure.
    ///
    /// # Errors
    /// There is no such file.
    pub fn durable_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = lock(&self.shared.state);
        let bytes = state.store.durable(path).map(<[u8]>::to_vec);
        bytes.map_err(|e| PathError::wrap("read", path, e.into()))
    }

    /// An independent copy of this disk, durable and pending parts alike, whose later choices follow `seed`. It
    /// belongs to no machine of a world.
    pub fn fork(&self, seed: u64) -> Self {
        let copy = Self::with_config(seed, self.shared.config.clone());
        lock(&copy.shared.state).store = lock(&self.shared.state).store.without_locks();
        copy
    }

    /// Every file (path and content) as a reader sees it now, in order of path.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        lock(&self.shared.state).store.files()
    }

    /// Does one action: asks who is alive, counts, injects, acts and traces. `era` is that of the file asked, if any.
    fn act<T>(
        &self,
        action: DiskAction,
        path: &Path,
        era: Option<u64>,
        detail: impl FnOnce() -> String,
        act: impl FnOnce(&mut State, Option<Errno>) -> Result<T, Errno>,
    ) -> io::Result<T> {
        let shared = &*self.shared;
        let mut state = lock(&shared.state);
        if self.is_dead(&state) || era.is_some_and(|era| era != state.era) {
            return Err(PathError::wrap(action.verb(), path, io::Error::other("the machine was stopped")));
        }
        let effect = match self.caller {
            Caller::Harness => Effect::Pass,
            Caller::Owner | Caller::Process(_) => state.faults.before(action, path),
        };
        let result = match effect {
            Effect::Halt => {
                state.stop();
                state.is_halted = true;
                shared.life.stop(false);
                drop(state);
                self.trace(action, path, "halts the machine", None);
                return Err(PathError::wrap(
                    action.verb(),
                    path,
                    io::Error::other("the machine was stopped"),
                ));
            }
            Effect::Fail(errno) => act(&mut state, Some(errno)),
            Effect::Pass => act(&mut state, None),
        };
        drop(state);
        let failed = result.as_ref().err().copied();
        if action.is_traced() || failed.is_some() {
            self.trace(action, path, &detail(), failed);
        }
        result.map_err(|e| PathError::wrap(action.verb(), path, e.into()))
    }

    fn is_dead(&self, state: &State) -> bool {
        match &self.caller {
            Caller::Harness => false,
            Caller::Owner => state.is_halted,
            Caller::Process(incarnation) => !incarnation.is_alive(),
        }
    }

    fn trace(&self, action: DiskAction, path: &Path, detail: &str, failed: Option<Errno>) {
        let Some(trace) = &self.shared.trace else { return };
        if matches!(self.caller, Caller::Harness) {
            return;
        }
        let (ip, verb, path) = (self.shared.ip, action.verb(), path.display());
        match failed {
            None => trace.line(format_args!("{ip} disk {verb} {path} {detail}")),
            Some(e) => {
                trace.line(format_args!("{ip} disk {verb} {path} {detail}: error {}", e.raw_os_error()))
            }
        }
    }

    /// An action that either fails by injection or acts, with nothing in between.
    fn simple<T>(
        &self,
        action: DiskAction,
        path: &Path,
        act: impl FnOnce(&mut State) -> Result<T, Errno>,
    ) -> io::Result<T> {
        self.act(action, path, None, String::new, |state, fault| match fault {
            Some(errno) => Err(errno),
            None => act(state),
        })
    }
}

impl SimDisk {
    /// Opens a file, takes its lock and lets `note` leave something in it.
    fn take_lock(
        &self,
        path: &Path,
        mode: OpenMode,
        note: impl FnOnce(&mut State, InodeId, u64) -> Result<(), Errno>,
    ) -> io::Result<DiskLock> {
        let process = match &self.caller {
            Caller::Process(incarnation) => incarnation.number(),
            Caller::Harness | Caller::Owner => 0,
        };
        let locked = self.simple(DiskAction::Lock, path, |state| {
            let inode = state.store.open(path, mode)?;
            if let Some((_, holder)) = state.store.locks.get(&inode) {
                return Ok(Err(*holder));
            }
            let number = state.next_lock;
            state.next_lock += 1;
            state.store.locks.insert(inode, (number, process));
            note(state, inode, process)?;
            Ok(Ok((inode, number)))
        })?;
        match locked {
            Ok((inode, number)) => {
                Ok(DiskLock::new(SimLock { shared: Arc::clone(&self.shared), inode, number }))
            }
            Err(holder) => {
                let cause = format!("it is held by process {holder}");
                Err(PathError::wrap("lock", path, io::Error::new(io::ErrorKind::ResourceBusy, cause)))
            }
        }
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimDisk({})", self.shared.ip)
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let creates =
            matches!(mode, OpenMode::Create | OpenMode::CreateNew | OpenMode::Direct) && !self.exists(path);
        let action = if creates { DiskAction::Create } else { DiskAction::Open };
        let (inode, era) = self.simple(action, path, |state| {
            if state.descriptors_max.is_some_and(|most| state.store.handles_count() >= most) {
                return Err(Errno::MFILE);
            }
            let inode = state.store.open(path, mode)?;
            state.store.handle_opened(inode);
            Ok((inode, state.era))
        })?;
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(SimFile { disk: self.clone(), path: path.into(), inode, era, writable }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.simple(DiskAction::CreateDir, path, |state| state.store.create_dir_all(path))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.simple(DiskAction::Remove, path, |state| state.store.remove_file(path))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.simple(DiskAction::Remove, path, |state| state.store.remove_dir_all(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let detail = || format!("to {}", to.display());
        self.act(DiskAction::Rename, from, None, detail, |state, fault| match fault {
            Some(errno) => Err(errno),
            None => state.store.rename(from, to),
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.simple(DiskAction::SyncDir, path, |state| state.store.sync_dir(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.simple(DiskAction::List, path, |state| state.store.list(path))
    }

    fn exists(&self, path: &Path) -> bool {
        let state = lock(&self.shared.state);
        !self.is_dead(&state) && state.store.lookup(path).is_ok()
    }

    fn lock(&self, path: &Path) -> io::Result<DiskLock> {
        self.take_lock(path, OpenMode::Create, |state, inode, process| {
            let text = format!("{process}\n");
            state.store.resize(inode, 0)?;
            state.store.write(inode, 0, text.as_bytes()).map(|_| ())
        })
    }

    fn hold(&self, path: &Path) -> io::Result<DiskLock> {
        self.take_lock(path, OpenMode::Read, |_, _, _| Ok(()))
    }

    fn descriptors_max(&self) -> usize {
        lock(&self.shared.state).descriptors_max.unwrap_or(usize::MAX)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.simple(DiskAction::FreeSpace, path, |state| {
            state.store.lookup(path)?;
            Ok(state.store.free_bytes())
        })
    }

    fn total_bytes(&self, path: &Path) -> io::Result<u64> {
        self.simple(DiskAction::FreeSpace, path, |state| {
            state.store.lookup(path)?;
            Ok(state.store.total_bytes())
        })
    }
}

struct SimLock {
    shared: Arc<Shared>,
    inode: InodeId,
    number: u64,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        // A later process may hold the lock by now, if ours was taken away by a crash.
        if state.store.locks.get(&self.inode).is_some_and(|(number, _)| *number == self.number) {
            state.store.locks.remove(&self.inode);
        }
    }
}

struct SimFile {
    disk: SimDisk,
    path: PathBuf,
    inode: InodeId,
    era: u64,
    writable: bool,
}

impl SimFile {
    fn act<T>(
        &self,
        action: DiskAction,
        detail: impl FnOnce() -> String,
        act: impl FnOnce(&mut State, Option<Errno>) -> Result<T, Errno>,
    ) -> io::Result<T> {
        self.disk.act(action, &self.path, Some(self.era), detail, act)
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let wanted = buffer.len();
        let detail = || format!("{position}+{wanted}");
        self.act(DiskAction::Read, detail, |state, fault| match fault {
            Some(errno) => Err(errno),
            None => state.store.read(self.inode, position, buffer),
        })
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let bytes = slices.iter().map(|s| &**s).collect::<Vec<_>>().concat();
        let detail = || format!("{position}+{} {:016x}", bytes.len(), trace::hash(trace::HASH_START, &bytes));
        self.act(DiskAction::Write, detail, |state, fault| {
            if !self.writable {
                return Err(Errno::BADF);
            }
            let Some(errno) = fault else { return state.store.write_all(self.inode, position, &bytes) };
            // A failed write may have written its beginning.
            let count = usize::try_from(state.rng.below(bytes.len() as u64 + 1)).unwrap_or(0);
            state.store.write(self.inode, position, &bytes[..count])?;
            Err(errno)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.act(DiskAction::Sync, String::new, |state, fault| match fault {
            Some(errno) => {
                let rng = state.rng.clone();
                state.store.file(self.inode)?.fail_sync(&rng);
                Err(errno)
            }
            None => state.store.sync_file(self.inode),
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.act(DiskAction::Length, String::new, |state, fault| match fault {
            Some(errno) => Err(errno),
            None => Ok(state.store.file(self.inode)?.current.len() as u64),
        })
    }

    fn reserve(&self, len: u64) -> io::Result<()> {
        self.act(
            DiskAction::Resize,
            || format!("keep room for {len}"),
            |state, fault| match fault {
                Some(errno) => Err(errno),
                None => state.store.reserve(self.inode, len),
            },
        )
    }

    fn forget_cached(&self, from: u64) -> io::Result<()> {
        self.act(
            DiskAction::Read,
            || format!("from the disk, behind {from}"),
            |state, fault| match fault {
                Some(errno) => Err(errno),
                None => {
                    state.store.file(self.inode)?.forget_cached(from);
                    Ok(())
                }
            },
        )
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.act(
            DiskAction::Resize,
            || format!("{len}"),
            |state, fault| {
                if !self.writable {
                    return Err(Errno::INVAL);
                }
                match fault {
                    Some(errno) => Err(errno),
                    None => state.store.resize(self.inode, len),
                }
            },
        )
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = lock(&self.disk.shared.state);
        if state.era == self.era {
            state.store.handle_closed(self.inode);
        }
    }
}
