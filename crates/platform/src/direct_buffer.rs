//! Memory for reads and writes past the page cache.
//!
//! Owns how it lies: aligned, and in large pages if much of it is filled at once. A disk is handed one piece of memory for
//! each page, so four MiB in pages of four KiB are a thousand pieces, and can take three times as long.

use memmap2::{Advice, MmapMut};

use crate::DIRECT_BLOCK_BYTES;

/// A large page, of every machine with pages of four KiB. Elsewhere it is an alignment like another.
const LARGE_PAGE_BYTES: usize = 2 << 20;

/// Bytes that a direct read may fill and a direct write may take: see [`crate::OpenMode::Direct`].
pub struct DirectBuffer {
    /// None if it has no bytes.
    map: Option<MmapMut>,
    start: usize,
    len: usize,
}

impl DirectBuffer {
    /// Zeros in ordinary pages, of which only those that are used take memory.
    ///
    /// # Panics
    /// If the system has no memory left.
    pub fn zeros(len: usize) -> Self {
        Self::mapped(len, DIRECT_BLOCK_BYTES)
    }

    /// Zeros in large pages, where the system has some: for what is filled whole. A page that is used takes 2 MiB.
    ///
    /// # Panics
    /// If the system has no memory left.
    pub fn large_zeros(len: usize) -> Self {
        let buffer = Self::mapped(len, LARGE_PAGE_BYTES);
        if let Some(map) = &buffer.map {
            // A system without large pages has small ones.
            _ = map.advise(Advice::HugePage);
        }
        buffer
    }

    fn mapped(len: usize, alignment: usize) -> Self {
        if len == 0 {
            return Self { map: None, start: 0, len };
        }
        // Whole pages, wherever the system puts the first one.
        let room =
            len.next_multiple_of(alignment) + if alignment > DIRECT_BLOCK_BYTES { alignment } else { 0 };
        let map = MmapMut::map_anon(room).expect("the system has memory left");
        let start = map.as_ptr().align_offset(alignment);
        assert!(start + len <= map.len(), "a mapping begins at a page");
        Self { map: Some(map), start, len }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.map.as_ref().map_or(&[], |map| &map[self.start..self.start + self.len])
    }

    /// The bytes, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let (start, end) = (self.start, self.start + self.len);
        self.map.as_mut().map_or(&mut [], |map| &mut map[start..end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_lie_where_direct_reads_and_writes_may_begin() {
        for len in [0, 1, 4095, 4096, 4097, 2 << 20, (2 << 20) + 1, 6 << 20] {
            for (mut buffer, alignment) in [
                (DirectBuffer::zeros(len), DIRECT_BLOCK_BYTES),
                (DirectBuffer::large_zeros(len), LARGE_PAGE_BYTES),
            ] {
                assert_eq!(buffer.bytes(), vec![0; len]);
                buffer.bytes_mut().fill(7);
                assert_eq!(buffer.bytes(), vec![7; len]);
                assert!(len == 0 || (buffer.bytes().as_ptr() as usize).is_multiple_of(alignment));
            }
        }
    }
}
