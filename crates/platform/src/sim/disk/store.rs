//! Owns the bytes and names of a simulated disk, each in two versions: as readers see them and as they are durable.
//! It never decides what a loss of power keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;

use super::NameOrder;
use crate::disk::{DirEntry, OpenMode};

/// The identity of a file or directory, whatever its names.
pub(super) type InodeId = u64;

/// A simulated file lives in memory: a length beyond this is refused as the kernel refuses one beyond its limit.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// Free space of a disk without a capacity.
const ENDLESS_BYTES: u64 = 1 << 40;

/// Unlinked files that may wait before their bytes are given back.
const MAX_UNLINKED: usize = 64;

const ROOT: InodeId = 0;

#[derive(Clone)]
pub(super) struct Store {
    pub(super) inodes: BTreeMap<InodeId, Inode>,
    /// Changes of names that are not durable, in order.
    pub(super) pending_names: Vec<NameChange>,
    /// Locked file → (number of the lock, process that holds it).
    pub(super) locks: BTreeMap<InodeId, (u64, u64)>,
    pub(super) capacity_bytes: Option<u64>,
    names: NameOrder,
    next_inode: InodeId,
    handles: BTreeMap<InodeId, u64>,
    /// Files that the processes of now read or wrote: what they see of them is in memory.
    warm: BTreeSet<InodeId>,
    unlinked: usize,
}

#[derive(Clone)]
pub(super) enum Inode {
    File(FileBody),
    Dir(DirBody),
}

#[derive(Clone, Default)]
pub(super) struct FileBody {
    /// What readers see.
    pub(super) current: Vec<u8>,
    /// What is sure to be there after a loss of power.
    pub(super) durable: Vec<u8>,
    /// What leads from the durable to the current bytes, in order.
    pub(super) pending: Vec<Change>,
    /// Bytes that have their place on the disk, whatever the length.
    reserved: u64,
}

impl FileBody {
    /// Bytes that it takes on the disk.
    fn taken_bytes(&self) -> u64 {
        self.reserved.max(self.current.len() as u64)
    }
}

#[derive(Clone)]
pub(super) enum Change {
    Write { position: usize, bytes: Vec<u8> },
    Resize(usize),
}

#[derive(Clone, Default)]
pub(super) struct DirBody {
    pub(super) current: BTreeMap<String, InodeId>,
    pub(super) durable: BTreeMap<String, InodeId>,
}

/// One change of names. A rename is one change, however many directories it touches: it happens whole or not.
#[derive(Clone)]
pub(super) enum NameChange {
    Link { dir: InodeId, name: String, inode: InodeId },
    Unlink { dir: InodeId, name: String },
    Rename { from: (InodeId, String), to: (InodeId, String), inode: InodeId },
}

impl NameChange {
    fn touches(&self, wanted: InodeId) -> bool {
        match self {
            Self::Link { dir, .. } | Self::Unlink { dir, .. } => *dir == wanted,
            Self::Rename { from, to, .. } => from.0 == wanted || to.0 == wanted,
        }
    }
}

impl FileBody {
    fn change(&mut self, change: Change) {
        apply(&mut self.current, &change);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// Has readers see the durable bytes with what is still pending, from the page of this position on. The length is the
    /// kernel's own, and stays.
    pub(super) fn forget_cached(&mut self, from: u64) {
        const PAGE_BYTES: usize = 4096;
        let len = self.current.len();
        let kept = usize::try_from(from).unwrap_or(usize::MAX) / PAGE_BYTES * PAGE_BYTES;
        let kept = self.current[..kept.min(len)].to_vec();
        self.current.clone_from(&self.durable);
        for change in &self.pending {
            apply(&mut self.current, change);
        }
        self.current.resize(len, 0);
        self.current[..kept.len()].copy_from_slice(&kept);
    }

    /// Changes the durable bytes too: damage is not undone by a crash.
    pub(super) fn damage(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.current);
        self.durable.clone_from(&self.current);
        self.pending.clear();
    }
}

/// Applies a change to a version of a file's bytes.
pub(super) fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Resize(len) => bytes.resize(*len, 0),
        Change::Write { position, bytes: written } => write_into(bytes, *position, written),
    }
}

/// Writes into a byte vector as into a file: a gap before the position is filled with zeros.
pub(super) fn write_into(bytes: &mut Vec<u8>, position: usize, written: &[u8]) {
    let end = position + written.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[position..end].copy_from_slice(written);
}

impl Store {
    pub(super) fn new(names: NameOrder, capacity_bytes: Option<u64>) -> Self {
        Self {
            inodes: BTreeMap::from([(ROOT, Inode::Dir(DirBody::default()))]),
            pending_names: Vec::new(),
            locks: BTreeMap::new(),
            capacity_bytes,
            names,
            next_inode: ROOT + 1,
            handles: BTreeMap::new(),
            warm: BTreeSet::new(),
            unlinked: 0,
        }
    }

    pub(super) fn without_locks(&self) -> Self {
        Self { locks: BTreeMap::new(), handles: BTreeMap::new(), warm: BTreeSet::new(), ..self.clone() }
    }

    pub(super) fn lookup(&self, path: &Path) -> Result<InodeId, Errno> {
        let mut inode = ROOT;
        for name in names(path)? {
            inode = *self.dir(inode)?.current.get(&name).ok_or(Errno::NOENT)?;
        }
        Ok(inode)
    }

    /// The directory that holds the last name of a path, and that name.
    fn parent(&self, path: &Path) -> Result<(InodeId, String), Errno> {
        let mut names = names(path)?;
        let last = names.pop().ok_or(Errno::INVAL)?;
        let mut dir = ROOT;
        for name in names {
            dir = *self.dir(dir)?.current.get(&name).ok_or(Errno::NOENT)?;
        }
        self.dir(dir)?;
        Ok((dir, last))
    }

    fn dir(&self, inode: InodeId) -> Result<&DirBody, Errno> {
        match self.inodes.get(&inode) {
            Some(Inode::Dir(dir)) => Ok(dir),
            Some(Inode::File(_)) => Err(Errno::NOTDIR),
            None => Err(Errno::NOENT),
        }
    }

    fn dir_mut(&mut self, inode: InodeId) -> Result<&mut DirBody, Errno> {
        match self.inodes.get_mut(&inode) {
            Some(Inode::Dir(dir)) => Ok(dir),
            Some(Inode::File(_)) => Err(Errno::NOTDIR),
            None => Err(Errno::NOENT),
        }
    }

    pub(super) fn file(&mut self, inode: InodeId) -> Result<&mut FileBody, Errno> {
        match self.inodes.get_mut(&inode) {
            Some(Inode::File(file)) => Ok(file),
            Some(Inode::Dir(_)) => Err(Errno::ISDIR),
            None => Err(Errno::NOENT),
        }
    }

    pub(super) fn file_at(&mut self, path: &Path) -> Result<&mut FileBody, Errno> {
        let inode = self.lookup(path)?;
        self.file(inode)
    }

    /// Turns bits of a durable byte over. Who reads sees it at once, unless the file is in memory. Whether there is such a
    /// byte.
    pub(super) fn rot(&mut self, path: &Path, at: usize, mask: u8) -> Result<bool, Errno> {
        let inode = self.lookup(path)?;
        let is_cold = !self.warm.contains(&inode);
        let file = self.file(inode)?;
        let Some(durable) = file.durable.get_mut(at) else { return Ok(false) };
        let before = std::mem::replace(durable, *durable ^ mask);
        if let Some(seen) = file.current.get_mut(at).filter(|seen| is_cold && **seen == before) {
            *seen ^= mask;
        }
        Ok(true)
    }

    /// The durable bytes of a file.
    pub(super) fn durable(&self, path: &Path) -> Result<&[u8], Errno> {
        match self.inodes.get(&self.lookup(path)?) {
            Some(Inode::File(file)) => Ok(&file.durable),
            _ => Err(Errno::ISDIR),
        }
    }

    fn link(&mut self, dir: InodeId, name: String, body: Inode) -> Result<InodeId, Errno> {
        let inode = self.next_inode;
        self.dir_mut(dir)?.current.insert(name.clone(), inode);
        self.next_inode += 1;
        self.inodes.insert(inode, body);
        self.pending_names.push(NameChange::Link { dir, name, inode });
        Ok(inode)
    }

    fn unlink(&mut self, dir: InodeId, name: String) -> Result<(), Errno> {
        self.dir_mut(dir)?.current.remove(&name).ok_or(Errno::NOENT)?;
        self.pending_names.push(NameChange::Unlink { dir, name });
        self.unlinked += 1;
        Ok(())
    }

    pub(super) fn open(&mut self, path: &Path, mode: OpenMode) -> Result<InodeId, Errno> {
        match self.lookup(path) {
            Ok(_) if mode == OpenMode::CreateNew => Err(Errno::EXIST),
            // The real half opens a directory for reading, too, but cannot read it: refusing at once says the same.
            Ok(inode) => self.file(inode).map(|_| inode),
            Err(Errno::NOENT)
                if matches!(mode, OpenMode::Create | OpenMode::CreateNew | OpenMode::Direct) =>
            {
                let (dir, name) = self.parent(path)?;
                self.link(dir, name, Inode::File(FileBody::default()))
            }
            Err(e) => Err(e),
        }
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> Result<(), Errno> {
        let mut dir = ROOT;
        for name in names(path)? {
            let existing = self.dir(dir)?.current.get(&name).copied();
            dir = match existing {
                Some(inode) => inode,
                None => self.link(dir, name, Inode::Dir(DirBody::default()))?,
            };
        }
        match self.dir(dir) {
            Ok(_) => Ok(()),
            Err(_) => Err(Errno::EXIST),
        }
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> Result<(), Errno> {
        let inode = self.lookup(path)?;
        self.file(inode)?;
        let (dir, name) = self.parent(path)?;
        self.unlink(dir, name)
    }

    pub(super) fn remove_dir_all(&mut self, path: &Path) -> Result<(), Errno> {
        let inode = self.lookup(path)?;
        self.dir(inode)?;
        self.empty_dir(inode)?;
        let (dir, name) = self.parent(path)?;
        self.unlink(dir, name)
    }

    fn empty_dir(&mut self, dir: InodeId) -> Result<(), Errno> {
        let entries = self.dir(dir)?.current.clone();
        for (name, inode) in entries {
            if matches!(self.inodes.get(&inode), Some(Inode::Dir(_))) {
                self.empty_dir(inode)?;
            }
            self.unlink(dir, name)?;
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Errno> {
        let inode = self.lookup(from)?;
        let (from_dir, from_name) = self.parent(from)?;
        let (to_dir, to_name) = self.parent(to)?;
        let moves_dir = self.dir(inode).is_ok();
        // A directory moved into itself would be cut off from the root.
        if moves_dir && names(to)?.starts_with(&names(from)?) && from != to {
            return Err(Errno::INVAL);
        }
        match self.dir(to_dir)?.current.get(&to_name) {
            Some(&target) if target == inode => return Ok(()),
            Some(target) => match (moves_dir, self.dir(*target)) {
                (false, Ok(_)) => return Err(Errno::ISDIR),
                (true, Err(_)) => return Err(Errno::NOTDIR),
                (true, Ok(dir)) if !dir.current.is_empty() => return Err(Errno::NOTEMPTY),
                _ => self.unlinked += 1,
            },
            None => {}
        }
        self.dir_mut(from_dir)?.current.remove(&from_name);
        self.dir_mut(to_dir)?.current.insert(to_name.clone(), inode);
        let change = NameChange::Rename { from: (from_dir, from_name), to: (to_dir, to_name), inode };
        self.pending_names.push(change);
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> Result<(), Errno> {
        let wanted = self.lookup(path)?;
        self.dir(wanted)?;
        let journaled = self.names == NameOrder::Journaled;
        self.sync_names(|change| journaled || change.touches(wanted));
        self.collect_unlinked();
        Ok(())
    }

    fn sync_names(&mut self, is_synced: impl Fn(&NameChange) -> bool) {
        let pending = std::mem::take(&mut self.pending_names);
        for change in pending {
            if is_synced(&change) {
                self.apply_name(&change);
            } else {
                self.pending_names.push(change);
            }
        }
    }

    /// Makes one change of names durable.
    pub(super) fn apply_name(&mut self, change: &NameChange) {
        let mut durable = |dir: InodeId, change: &dyn Fn(&mut BTreeMap<String, InodeId>)| {
            if let Some(Inode::Dir(body)) = self.inodes.get_mut(&dir) {
                change(&mut body.durable);
            }
        };
        match change {
            NameChange::Link { dir, name, inode } => durable(*dir, &|d| _ = d.insert(name.clone(), *inode)),
            NameChange::Unlink { dir, name } => durable(*dir, &|d| _ = d.remove(name)),
            NameChange::Rename { from, to, inode } => {
                durable(from.0, &|d| {
                    // The name may already stand for another file, if changes were kept selectively.
                    if d.get(&from.1) == Some(inode) {
                        d.remove(&from.1);
                    }
                });
                durable(to.0, &|d| _ = d.insert(to.1.clone(), *inode));
            }
        }
    }

    pub(super) fn list(&self, path: &Path) -> Result<Vec<DirEntry>, Errno> {
        let dir = self.dir(self.lookup(path)?)?;
        let entry = |(name, inode): (&String, &InodeId)| match self.inodes.get(inode) {
            Some(Inode::File(file)) => {
                DirEntry { name: name.clone(), is_dir: false, len: file.current.len() as u64 }
            }
            _ => DirEntry { name: name.clone(), is_dir: true, len: 0 },
        };
        Ok(dir.current.iter().map(entry).collect())
    }

    pub(super) fn read(&mut self, inode: InodeId, position: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
        self.warm.insert(inode);
        let current = &self.file(inode)?.current;
        let start = usize::try_from(position).map_or(current.len(), |p| p.min(current.len()));
        let count = buffer.len().min(current.len() - start);
        buffer[..count].copy_from_slice(&current[start..start + count]);
        Ok(count)
    }

    /// Writes what fits on the disk; gives the count of bytes written.
    pub(super) fn write(&mut self, inode: InodeId, position: u64, bytes: &[u8]) -> Result<usize, Errno> {
        let len = self.file(inode)?.taken_bytes();
        let end = position.checked_add(bytes.len() as u64).filter(|end| *end <= MAX_FILE_BYTES);
        let end = end.ok_or(Errno::FBIG)?;
        let room = len.saturating_add(self.free_bytes());
        let fits = usize::try_from(end.min(room).saturating_sub(position)).map_err(|_| Errno::FBIG)?;
        if fits > 0 {
            let position = usize::try_from(position).map_err(|_| Errno::FBIG)?;
            let bytes = bytes[..fits].to_vec();
            self.file(inode)?.change(Change::Write { position, bytes });
            self.warm.insert(inode);
        }
        Ok(fits)
    }

    /// Writes everything, or what fits and then fails as a full disk does.
    pub(super) fn write_all(&mut self, inode: InodeId, position: u64, bytes: &[u8]) -> Result<(), Errno> {
        match self.write(inode, position, bytes)? {
            written if written == bytes.len() => Ok(()),
            _ => Err(Errno::NOSPC),
        }
    }

    pub(super) fn resize(&mut self, inode: InodeId, len: u64) -> Result<(), Errno> {
        if len > MAX_FILE_BYTES {
            return Err(Errno::FBIG);
        }
        // Growing makes a hole, which takes no space: a full disk is met when the hole is written.
        let len = usize::try_from(len).map_err(|_| Errno::FBIG)?;
        let file = self.file(inode)?;
        if len <= file.current.len() {
            file.reserved = 0;
        }
        file.change(Change::Resize(len));
        self.warm.insert(inode);
        Ok(())
    }

    /// Gives the file its place up to `len`; the length stays.
    pub(super) fn reserve(&mut self, inode: InodeId, len: u64) -> Result<(), Errno> {
        let taken = self.file(inode)?.taken_bytes();
        if len > taken.saturating_add(self.free_bytes()) {
            return Err(Errno::NOSPC);
        }
        let file = self.file(inode)?;
        file.reserved = file.reserved.max(len);
        Ok(())
    }

    pub(super) fn sync_file(&mut self, inode: InodeId) -> Result<(), Errno> {
        self.file(inode)?.sync();
        if self.names == NameOrder::Journaled {
            self.sync_names(|_| true);
        }
        Ok(())
    }

    pub(super) fn total_bytes(&self) -> u64 {
        self.capacity_bytes.unwrap_or(ENDLESS_BYTES)
    }

    pub(super) fn free_bytes(&self) -> u64 {
        let Some(capacity) = self.capacity_bytes else { return ENDLESS_BYTES };
        capacity.saturating_sub(self.used_bytes())
    }

    /// Bytes of the files that a name or somebody who has one open reaches. What only a loss of power would bring back takes
    /// no space.
    fn used_bytes(&self) -> u64 {
        let mut files: BTreeSet<InodeId> = self.handles.keys().copied().collect();
        let mut todo = vec![ROOT];
        while let Some(inode) = todo.pop() {
            match self.inodes.get(&inode) {
                Some(Inode::Dir(dir)) => todo.extend(dir.current.values()),
                Some(Inode::File(_)) => _ = files.insert(inode),
                None => {}
            }
        }
        let sizes = files.iter().map(|inode| match self.inodes.get(inode) {
            Some(Inode::File(file)) => file.taken_bytes(),
            _ => 0,
        });
        sizes.sum()
    }

    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut dirs = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, dir)) = dirs.pop() {
            let Some(Inode::Dir(body)) = self.inodes.get(&dir) else { continue };
            for (name, inode) in &body.current {
                match self.inodes.get(inode) {
                    Some(Inode::File(file)) => found.push((path.join(name), file.current.clone())),
                    _ => dirs.push((path.join(name), *inode)),
                }
            }
        }
        found.sort();
        found
    }

    pub(super) fn handle_opened(&mut self, inode: InodeId) {
        *self.handles.entry(inode).or_default() += 1;
    }

    pub(super) fn handle_closed(&mut self, inode: InodeId) {
        if let Some(count) = self.handles.get_mut(&inode) {
            *count -= 1;
            if *count == 0 {
                self.handles.remove(&inode);
            }
        }
    }

    /// How many files are open.
    pub(super) fn handles_count(&self) -> usize {
        self.handles.values().sum::<u64>() as usize
    }

    /// Forgets all open files, as the end of all processes does.
    pub(super) fn handles_lost(&mut self) {
        self.handles.clear();
        self.locks.clear();
        self.warm.clear();
    }

    /// Gives the bytes of files back that no name, no pending change and no open file can reach any more.
    fn collect_unlinked(&mut self) {
        if self.unlinked > MAX_UNLINKED {
            self.drop_unreachable();
        }
    }

    pub(super) fn drop_unreachable(&mut self) {
        self.unlinked = 0;
        let mut reachable = BTreeSet::from([ROOT]);
        let mut todo = vec![ROOT];
        todo.extend(self.handles.keys().chain(self.locks.keys()));
        todo.extend(self.pending_names.iter().flat_map(|change| match change {
            NameChange::Link { dir, inode, .. } => [*dir, *inode],
            NameChange::Unlink { dir, .. } => [*dir, *dir],
            NameChange::Rename { to, inode, .. } => [to.0, *inode],
        }));
        while let Some(inode) = todo.pop() {
            reachable.insert(inode);
            if let Some(Inode::Dir(dir)) = self.inodes.get(&inode) {
                let children = dir.current.values().chain(dir.durable.values()).copied();
                todo.extend(children.filter(|child| !reachable.contains(child)));
            }
        }
        self.inodes.retain(|inode, _| reachable.contains(inode));
    }
}

/// The names along a path from the root. A relative path starts at the root, too: a simulated process has no other
/// working directory.
fn names(path: &Path) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir => _ = names.pop(),
            Component::Normal(name) => names.push(name.to_str().ok_or(Errno::ILSEQ)?.to_owned()),
            Component::Prefix(_) => return Err(Errno::INVAL),
        }
    }
    Ok(names)
}
