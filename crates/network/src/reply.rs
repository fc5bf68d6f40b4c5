//! An answer on its way out: bytes, and file ranges that are sent by the kernel without a copy.

use std::sync::Arc;

use platform::File;

/// A range of a file that belongs at byte `at` of the answer.
#[derive(Clone)]
pub struct FilePart {
    /// Where in [`Reply::bytes`] the range is inserted.
    pub at: usize,
    /// The file.
    pub file: Arc<dyn File>,
    /// First byte of the range.
    pub position: u64,
    /// Length of the range in bytes.
    pub len: u64,
}

/// One or more whole response frames.
#[derive(Default)]
pub struct Reply {
    /// Everything that is not in a file.
    pub bytes: Vec<u8>,
    /// File ranges, ascending by `at`.
    pub files: Vec<FilePart>,
}

impl Reply {
    /// Says whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets the content and keeps a buffer of ordinary size.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
        self.files.clear();
    }

    /// Puts `other` behind what is here and leaves it empty.
    pub(crate) fn take_from(&mut self, other: &mut Reply) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.files.extend(other.files.drain(..).map(|part| FilePart { at: part.at + base, ..part }));
        other.clear();
    }
}

/// A reply buffer that grew past this for one answer is given back to the allocator.
const KEPT_BYTES_MAX: usize = 64 * 1024;
