//! The null broker's one log past the page cache: what comes while a group is written goes into the next one, and answers
//! leave when their group is durable.
//!
//! Owns the log's file, used over and over, and the thread that writes to it. Nothing can be read back from it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;

/// What a write past the page cache is aligned to.
const BLOCK_BYTES: usize = 4096;
/// A group; a batch may be as large.
const GROUP_BYTES: usize = 4 << 20;
/// The file: small enough to be made quickly, large enough not to wear out one place.
const FILE_BYTES: usize = 256 << 20;
/// Zeros written at a time when the file is made.
const ZEROS_BYTES: usize = 1 << 20;

/// An answer and the peer that waits for it.
pub type Answer = (u64, [u8; super::answers::PRODUCED_BYTES]);

/// See the module.
pub struct DirectLog {
    /// Groups that are not written yet; batches go into the last one.
    waiting: VecDeque<Group>,
    /// Answers of the group that is being written.
    in_flight: Option<Vec<Answer>>,
    spare: Vec<Buffer>,
    to_disk: Sender<Buffer>,
    done: Receiver<io::Result<Buffer>>,
    /// Readable when a group was written.
    pub wake: OwnedFd,
}

struct Group {
    buffer: Buffer,
    answers: Vec<Answer>,
}

impl DirectLog {
    /// Makes the file and starts the thread, which lives as long as this.
    pub fn create(directory: &Path) -> io::Result<DirectLog> {
        let flags = i32::try_from((OFlags::DIRECT | OFlags::DSYNC).bits()).map_err(io::Error::other)?;
        let mut options = File::options();
        options.write(true).create(true).truncate(true).custom_flags(flags);
        let file = options.open(directory.join("direct.log"))?;
        let zeros = Buffer { bytes: vec![0; ZEROS_BYTES + BLOCK_BYTES], filled: ZEROS_BYTES };
        for position in (0..FILE_BYTES).step_by(ZEROS_BYTES) {
            file.write_all_at(zeros.blocks(), position as u64)?;
        }
        file.sync_all()?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let waker = wake.try_clone()?;
        let (to_disk, from_main) = channel::<Buffer>();
        let (to_main, done) = channel();
        std::thread::spawn(move || {
            let mut position = 0;
            for mut buffer in from_main {
                buffer.pad();
                let len = buffer.blocks().len();
                if position + len > FILE_BYTES {
                    position = 0;
                }
                let written = file.write_all_at(buffer.blocks(), position as u64);
                position += len;
                let is_heard = to_main.send(written.map(|()| buffer)).is_ok();
                if !is_heard || rustix::io::write(&waker, &1_u64.to_ne_bytes()).is_err() {
                    break;
                }
            }
        });
        let (waiting, spare) = (VecDeque::new(), Vec::new());
        Ok(DirectLog { waiting, in_flight: None, spare, to_disk, done, wake })
    }

    /// Adds a batch with this offset, and what to answer once it is durable.
    pub fn push(&mut self, offset: i64, batch: &[u8], answer: Answer) -> io::Result<()> {
        if batch.len() > GROUP_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if self.waiting.back().is_none_or(|group| group.buffer.filled + batch.len() > GROUP_BYTES) {
            let buffer = self.spare.pop().unwrap_or_else(Buffer::new);
            self.waiting.push_back(Group { buffer, answers: Vec::new() });
        }
        if let Some(group) = self.waiting.back_mut() {
            group.buffer.push(&offset.to_be_bytes());
            group.buffer.push(batch.get(8..).unwrap_or_default());
            group.answers.push(answer);
        }
        Ok(())
    }

    /// Has the next group written, if none is on its way.
    pub fn send(&mut self) -> io::Result<()> {
        if self.in_flight.is_none()
            && let Some(Group { buffer, answers }) = self.waiting.pop_front()
        {
            self.in_flight = Some(answers);
            self.to_disk.send(buffer).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// The answers of a group that was written.
    pub fn written(&mut self) -> io::Result<Vec<Answer>> {
        let mut count = [0; 8];
        rustix::io::read(&self.wake, &mut count)?;
        let mut buffer = self.done.recv().map_err(io::Error::other)??;
        buffer.filled = 0;
        self.spare.push(buffer);
        Ok(self.in_flight.take().unwrap_or_default())
    }
}

/// Bytes that lie so in memory that they can be written past the page cache.
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    fn new() -> Buffer {
        Buffer { bytes: vec![0; GROUP_BYTES + 2 * BLOCK_BYTES], filled: 0 }
    }

    fn start(&self) -> usize {
        self.bytes.as_ptr().align_offset(BLOCK_BYTES).min(BLOCK_BYTES)
    }

    fn push(&mut self, bytes: &[u8]) {
        let at = self.start() + self.filled;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// Zeros up to the end of the last block, where an earlier group may have left something.
    fn pad(&mut self) {
        let end = self.start() + self.filled;
        self.bytes[end..end + BLOCK_BYTES].fill(0);
    }

    /// What was pushed, up to the end of its last block.
    fn blocks(&self) -> &[u8] {
        let start = self.start();
        &self.bytes[start..start + self.filled.next_multiple_of(BLOCK_BYTES)]
    }
}
