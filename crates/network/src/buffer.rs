//! The read buffer of a connection: borrowed from a small pool while bytes are in flight, given back when there are none.
//!
//! An idle connection therefore owns no buffer. A frame larger than a pooled buffer gets one of its own size, which
//! the connection keeps until it falls idle.

use std::cell::RefCell;

/// Size of a pooled buffer: two batches of 64 KiB, or a few hundred small requests, in one read.
pub(crate) const POOLED_BYTES: usize = 128 * 1024;
/// Buffers kept per thread.
const POOLED_COUNT_MAX: usize = 4;
/// From this size on a frame is read to its exact end, so that the next one starts at the buffer's head.
const LARGE_FRAME_BYTES: usize = 32 * 1024;
/// Bytes of the length field before each frame.
pub(crate) const LENGTH_BYTES: usize = 4;

thread_local! {
    static POOL: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

fn take_pooled() -> Box<[u8]> {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; POOLED_BYTES].into_boxed_slice())
}

fn give_pooled(buffer: Box<[u8]>) {
    POOL.with_borrow_mut(|pool| {
        if pool.len() < POOLED_COUNT_MAX {
            pool.push(buffer);
        }
    });
}

/// Bytes read and not yet consumed.
#[derive(Default)]
pub(crate) struct ReadBuffer {
    data: Box<[u8]>,
    start: usize,
    end: usize,
    /// Length of the last large frame: the next read asks for so much, for producers send batches of like size.
    large_frame_bytes: usize,
}

/// What the buffer's head is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// Not even a length, or a frame that is not all here yet.
    Partial,
    /// A whole frame of so many bytes behind its length field.
    Frame(usize),
    /// A length that no frame may have.
    Invalid(i32),
}

impl ReadBuffer {
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Says whether a buffer beyond the pool's size is held.
    pub(crate) fn is_large(&self) -> bool {
        self.data.len() > POOLED_BYTES
    }

    /// Bytes of a buffer that the frame at the head needs and does not have yet, if it is too large for the pool.
    pub(crate) fn large_bytes_wanted(&self) -> Option<usize> {
        let wanted = LENGTH_BYTES + usize::try_from(self.frame_length()?).ok()?;
        (wanted > self.data.len().max(POOLED_BYTES)).then_some(wanted)
    }

    /// Says what stands at the head, by the length field alone.
    pub(crate) fn head(&self, frame_bytes_max: usize) -> Head {
        match self.frame_length() {
            None => Head::Partial,
            Some(length) => match usize::try_from(length) {
                Ok(bytes) if bytes > frame_bytes_max => Head::Invalid(length),
                Ok(bytes) if self.end - self.start >= LENGTH_BYTES + bytes => Head::Frame(bytes),
                Ok(_) => Head::Partial,
                Err(_) => Head::Invalid(length),
            },
        }
    }

    /// The frame at the head, without its length field.
    pub(crate) fn frame(&self, bytes: usize) -> &[u8] {
        let from = self.start + LENGTH_BYTES;
        &self.data[from..from + bytes]
    }

    /// Drops the frame at the head.
    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start += LENGTH_BYTES + bytes;
        self.large_frame_bytes = if bytes >= LARGE_FRAME_BYTES { LENGTH_BYTES + bytes } else { 0 };
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Room for the next read. Takes a buffer if none is held, and one of the frame's size if the frame at the head
    /// does not fit; the caller has checked that size.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.data.is_empty() {
            self.data = take_pooled();
        }
        let held = self.end - self.start;
        let wanted = self.frame_length().map_or(LENGTH_BYTES, |length| LENGTH_BYTES + length.max(0) as usize);
        if self.start + wanted > self.data.len() {
            self.make_room(held, wanted);
        }
        let limit = if wanted > LARGE_FRAME_BYTES {
            self.start + wanted
        } else if held == 0 && self.large_frame_bytes > 0 {
            (self.start + self.large_frame_bytes).min(self.data.len())
        } else {
            self.data.len()
        };
        &mut self.data[self.end..limit]
    }

    /// So many bytes were read into [`Self::space`].
    pub(crate) fn filled(&mut self, bytes: usize) {
        self.end += bytes;
    }

    /// Gives an empty pooled buffer back. A large one stays until [`Self::release_all`].
    pub(crate) fn release(&mut self) {
        if self.is_empty() && self.data.len() == POOLED_BYTES {
            give_pooled(std::mem::take(&mut self.data));
        }
    }

    /// Gives back whatever is held, if it is empty.
    pub(crate) fn release_all(&mut self) {
        self.release();
        if self.is_empty() {
            self.data = Box::default();
        }
    }

    fn frame_length(&self) -> Option<i32> {
        let head = self.data.get(self.start..self.end)?.first_chunk::<LENGTH_BYTES>()?;
        Some(i32::from_be_bytes(*head))
    }

    fn make_room(&mut self, held: usize, wanted: usize) {
        if wanted <= self.data.len() {
            self.data.copy_within(self.start..self.end, 0);
        } else {
            let mut larger = vec![0; wanted].into_boxed_slice();
            larger[..held].copy_from_slice(&self.data[self.start..self.end]);
            let old = std::mem::replace(&mut self.data, larger);
            if old.len() == POOLED_BYTES {
                give_pooled(old);
            }
        }
        self.start = 0;
        self.end = held;
    }
}

impl Drop for ReadBuffer {
    fn drop(&mut self) {
        if self.data.len() == POOLED_BYTES {
            give_pooled(std::mem::take(&mut self.data));
        }
    }
}

#[cfg(test)]
mod tests;
