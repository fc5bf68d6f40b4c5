//! Reading a file of the write-ahead log from its beginning to its end.
//!
//! Owns the buffers: large steps past the page cache, the next of which are on their way while the last is worked on. It
//! knows where a group may begin and how long it says it is, never whether it is right.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use platform::{Ahead, Blocking, DirectBuffer, File};

use super::frame::{BLOCK_BYTES, FileUse, GROUP_HEAD_BYTES, ReadGroup};
use crate::error::StorageError;

/// The largest group: what a head may claim.
const GROUP_BYTES_LIMIT: usize = 8 << 20;
/// Bytes read at a time.
const READ_BYTES: usize = 2 << 20;
/// Steps that are on their way while another is worked on.
const AHEAD_MAX: usize = 2;
/// Room before the bytes of a step for the end of the step before, where a group may begin that goes on here.
const TAIL_BYTES: usize = 2 << 20;

/// See the module's documentation.
pub(crate) struct BlockReader {
    file: Arc<dyn File>,
    size: u64,
    read_bytes: usize,
    /// Who reads ahead, if anybody.
    blocking: Option<Blocking>,
    chunk: Chunk,
    /// The steps after this one, in order.
    ahead: VecDeque<Ahead<io::Result<Chunk>>>,
    /// Where the step begins that is to be read next.
    ahead_at: u64,
    /// Buffers that are not in use.
    spare: Vec<DirectBuffer>,
}

/// A piece of the file: the bytes `from..to` of the buffer, which lie at `at`.
struct Chunk {
    buffer: DirectBuffer,
    from: usize,
    to: usize,
    at: u64,
}

impl Chunk {
    /// Reads a piece of `len` bytes that begins at `at`, into the buffer behind the room for a tail.
    fn read(file: &dyn File, mut buffer: DirectBuffer, len: usize, at: u64) -> io::Result<Chunk> {
        let count = file.read_full_at(&mut buffer.bytes_mut()[TAIL_BYTES..][..len], at)?;
        Ok(Chunk { buffer, from: TAIL_BYTES, to: TAIL_BYTES + count, at })
    }

    fn end(&self) -> u64 {
        self.at + (self.to - self.from) as u64
    }

    fn get(&self, position: u64, len: usize) -> Option<&[u8]> {
        let skipped = usize::try_from(position.checked_sub(self.at)?).ok()?;
        self.buffer.bytes()[self.from..self.to].get(skipped..skipped.checked_add(len)?)
    }

    /// Puts the bytes before this piece in front of it.
    fn put_before(&mut self, tail: &[u8]) {
        let from = self.from - tail.len();
        self.buffer.bytes_mut()[from..self.from].copy_from_slice(tail);
        self.from = from;
        self.at -= tail.len() as u64;
    }
}

impl BlockReader {
    /// Reads by itself, when it has to.
    pub(crate) fn new(file: Arc<dyn File>, size: u64) -> Self {
        Self::with_steps(file, size, READ_BYTES)
    }

    /// Has the next bytes read while the last are worked on, into the buffers of the reader of another file.
    pub(super) fn reading_ahead(
        file: Arc<dyn File>,
        size: u64,
        blocking: &Blocking,
        spare: Vec<DirectBuffer>,
    ) -> Self {
        Self { blocking: Some(blocking.clone()), spare, ..Self::new(file, size) }
    }

    /// Its buffers, for the reader of another file. What is on its way is not waited for.
    pub(super) fn into_buffers(self) -> Vec<DirectBuffer> {
        let Self { chunk, mut spare, .. } = self;
        spare.push(chunk.buffer);
        spare
    }

    /// Reads so much at a time, or more for a large group.
    pub(super) fn with_steps(file: Arc<dyn File>, size: u64, read_bytes: usize) -> Self {
        let read_bytes = read_bytes.min(size as usize).next_multiple_of(BLOCK_BYTES);
        let chunk = Chunk { buffer: DirectBuffer::zeros(0), from: 0, to: 0, at: 0 };
        Self {
            file,
            size,
            read_bytes,
            blocking: None,
            chunk,
            ahead: VecDeque::new(),
            ahead_at: 0,
            spare: Vec::new(),
        }
    }

    /// The bytes of what may be a group at this position; `None` if there is none.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn group_at(&mut self, position: u64, of_use: FileUse) -> Result<Option<&[u8]>, StorageError> {
        let head = self.bytes_at(position, GROUP_HEAD_BYTES)?;
        let Some(len) = head.and_then(|head| ReadGroup::claimed_bytes(head, of_use)) else {
            return Ok(None);
        };
        if len > GROUP_BYTES_LIMIT || position + len as u64 > self.size {
            return Ok(None);
        }
        Ok(self.bytes_at(position, len)?)
    }

    fn bytes_at(&mut self, position: u64, len: usize) -> io::Result<Option<&[u8]>> {
        if self.chunk.get(position, len).is_none() {
            self.go_on(position)?;
            if self.chunk.get(position, len).is_none() {
                self.read_from(position, len)?;
            }
        }
        Ok(self.chunk.get(position, len))
    }

    /// Takes the piece that was read ahead, if it goes on where the last one ends.
    fn go_on(&mut self, position: u64) -> io::Result<()> {
        let Some(ahead) = self.ahead.pop_front() else { return Ok(()) };
        let end = self.chunk.end();
        let tail_bytes = end.checked_sub(position).filter(|bytes| *bytes <= TAIL_BYTES as u64);
        let Some(tail) = tail_bytes.and_then(|bytes| self.chunk.get(position, bytes as usize)) else {
            return Ok(());
        };
        let mut next = ahead.take()?;
        if next.at != end {
            // The file is shorter than it says.
            return Ok(());
        }
        next.put_before(tail);
        let last = std::mem::replace(&mut self.chunk, next);
        self.spare.push(last.buffer);
        self.read_ahead();
        Ok(())
    }

    fn read_from(&mut self, position: u64, len: usize) -> io::Result<()> {
        let len = self.read_bytes.max(len.next_multiple_of(BLOCK_BYTES));
        let last = Chunk { buffer: DirectBuffer::zeros(0), from: 0, to: 0, at: 0 };
        self.spare.push(std::mem::replace(&mut self.chunk, last).buffer);
        let buffer = self.buffer(TAIL_BYTES + len);
        self.chunk = Chunk::read(self.file.as_ref(), buffer, len, position)?;
        self.ahead.clear();
        self.ahead_at = self.chunk.end();
        self.read_ahead();
        Ok(())
    }

    /// Room for a step, which the disk fills faster if it lies in large pages; or for a small piece.
    fn buffer(&mut self, len: usize) -> DirectBuffer {
        let fits = |buffer: &DirectBuffer| buffer.bytes().len() >= len;
        if let Some(found) = self.spare.iter().position(fits) {
            return self.spare.swap_remove(found);
        }
        self.spare.clear();
        if self.read_bytes < TAIL_BYTES { DirectBuffer::zeros(len) } else { DirectBuffer::large_zeros(len) }
    }

    fn read_ahead(&mut self) {
        let Some(blocking) = self.blocking.clone() else { return };
        while self.ahead.len() < AHEAD_MAX && self.ahead_at < self.size {
            let at = self.ahead_at;
            if !at.is_multiple_of(BLOCK_BYTES as u64) {
                return;
            }
            let rest = (self.size - at).min(self.read_bytes as u64) as usize;
            let len = rest.next_multiple_of(BLOCK_BYTES);
            self.ahead_at += len as u64;
            let buffer = self.buffer(TAIL_BYTES + self.read_bytes);
            let file = Arc::clone(&self.file);
            self.ahead.push_back(blocking.ahead(move || Chunk::read(file.as_ref(), buffer, len, at)));
        }
    }
}

#[cfg(test)]
mod tests;
