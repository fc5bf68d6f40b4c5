//! What an inspection finds.
//!
//! Owns the words. It never judges.

use std::fmt;
use std::path::PathBuf;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Something is wrong that the next start makes anew from the log.
    Warning,
    /// Records that were promised are not as they were written.
    Damage,
}

impl Level {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Damage => "damage",
        }
    }
}

/// Anything found that is no range of damaged bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The file it is about, or the directory.
    pub path: PathBuf,
    /// What is wrong, as a sentence without its subject and without a full stop.
    pub text: String,
}

impl Finding {
    pub(super) fn new(level: Level, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { level, path: path.into(), text: text.into() }
    }

    pub(super) fn note(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self::new(Level::Note, path, text)
    }

    pub(super) fn warning(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self::new(Level::Warning, path, text)
    }

    pub(super) fn damage(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self::new(Level::Damage, path, text)
    }
}

/// Bytes of a segment that are not what was written there, or that are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Base offset of the segment.
    pub segment: i64,
    /// The segment's file.
    pub path: PathBuf,
    /// Position of the first damaged byte.
    pub from: u64,
    /// Position after the last; the same as `from` if batches are missing between two others.
    pub to: u64,
    /// The first offset that may be lost.
    pub first_offset: i64,
    /// The offset after the last that may be lost.
    pub end_offset: i64,
    /// What is wrong.
    pub reason: String,
    /// The batch header that makes the bytes whole again without a loss, if there is one.
    pub(super) mended_header: Option<[u8; records::HEADER_BYTES]>,
}

impl Damage {
    /// Whether a repair brings everything back.
    pub fn is_mendable(&self) -> bool {
        self.mended_header.is_some()
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, first_offset, end_offset, reason, .. } = self;
        write!(f, "bytes {from}..{to}, offsets {first_offset}..{end_offset}: {reason}")
    }
}
