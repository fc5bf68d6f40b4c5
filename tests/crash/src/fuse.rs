//! The device as a file: a FUSE file system with one file in it, which a loop device takes for a disk.
//!
//! Owns the translation. Every byte passes by the kernel's page cache (direct IO), so that the device sees what the
//! block layer asks for. Calls without an answer are answered once the device is taken apart.

use std::ffi::OsStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags,
    ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};

use crate::device::{Answer, Device};

/// The file's name.
pub const FILE_NAME: &str = "disk";

const FILE: INodeNo = INodeNo(2);

/// Attributes never change.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// FALLOC_FL_ZERO_RANGE and FALLOC_FL_PUNCH_HOLE of fallocate(2).
const ZEROING_MODES: i32 = 0x10 | 0x02;

/// Somebody who asked while the power was off.
enum Waiting {
    Read(ReplyData),
    Write(ReplyWrite),
    Flush(ReplyEmpty),
}

/// Those who wait, and what to tell them.
#[derive(Default)]
pub struct WaitingCalls(Mutex<Vec<Waiting>>);

impl WaitingCalls {
    fn hold(&self, waiting: Waiting) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
    }

    /// Answers all of them with an error.
    pub fn release(&self) {
        let waiting = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for call in waiting {
            match call {
                Waiting::Read(reply) => reply.error(Errno::EIO),
                Waiting::Write(reply) => reply.error(Errno::EIO),
                Waiting::Flush(reply) => reply.error(Errno::EIO),
            }
        }
    }
}

/// The file system.
pub struct DiskFile {
    /// The disk behind the file.
    pub device: Arc<Device>,
    /// Calls that wait while the power is off.
    pub waiting: Arc<WaitingCalls>,
}

impl DiskFile {
    fn attributes(&self, inode: INodeNo) -> Option<FileAttr> {
        let (kind, perm, size) = match inode {
            INodeNo::ROOT => (FileType::Directory, 0o700, 0),
            FILE => (FileType::RegularFile, 0o600, self.device.len()),
            _ => return None,
        };
        Some(FileAttr {
            ino: inode,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    /// Lets a call wait, unless the waiting came to its end this moment.
    fn hold(&self, waiting: Waiting) {
        self.waiting.hold(waiting);
        if !self.device.is_holding() {
            self.waiting.release();
        }
    }

    fn finish_write(&self, answer: Answer<()>, len: usize, reply: ReplyWrite) {
        match answer {
            Answer::Done(()) => reply.written(u32::try_from(len).expect("the kernel's writes are short")),
            Answer::Failed => reply.error(Errno::EIO),
            Answer::Held => self.hold(Waiting::Write(reply)),
        }
    }

    fn finish_flush(&self, answer: Answer<()>, reply: ReplyEmpty) {
        match answer {
            Answer::Done(()) => reply.ok(),
            Answer::Failed => reply.error(Errno::EIO),
            Answer::Held => self.hold(Waiting::Flush(reply)),
        }
    }
}

impl Filesystem for DiskFile {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.attributes(FILE) {
            Some(file) if parent == INodeNo::ROOT && name == FILE_NAME => {
                reply.entry(&FOR_EVER, &file, Generation(0));
            }
            _ => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(inode) {
            Some(attributes) => reply.attr(&FOR_EVER, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        if offset == 0 {
            _ = reply.add(FILE, 1, FileType::RegularFile, FILE_NAME);
        }
        reply.ok();
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.device.read(offset, size as usize) {
            Answer::Done(bytes) => reply.data(&bytes),
            Answer::Failed => reply.error(Errno::EIO),
            Answer::Held => self.hold(Waiting::Read(reply)),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        self.finish_write(self.device.write(offset, data), data.len(), reply);
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode & ZEROING_MODES == 0 {
            return reply.error(Errno::EOPNOTSUPP);
        }
        let zeros = vec![0; usize::try_from(length).expect("inside of the disk")];
        self.finish_flush(self.device.write(offset, &zeros), reply);
    }

    /// The end of a descriptor is no barrier.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        let delay = self.device.flush_delay();
        if delay.is_zero() {
            return self.finish_flush(self.device.flush(), reply);
        }
        // Other calls go on meanwhile.
        let disk = Self { device: Arc::clone(&self.device), waiting: Arc::clone(&self.waiting) };
        thread::spawn(move || {
            disk.device.wait_for_cut(delay);
            disk.finish_flush(disk.device.flush(), reply);
        });
    }
}
