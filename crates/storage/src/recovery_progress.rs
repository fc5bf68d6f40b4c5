//! How far the opening of log directories is, for who waits for it.
//!
//! Owns the counting, by whoever opens, and what of it can be said: how much, of how much. It reads no clock and prints
//! nothing.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what is done; shared by all directories of a node.
#[derive(Debug, Default)]
pub struct RecoveryProgress {
    logs: AtomicU64,
    logs_done: AtomicU64,
    checked_bytes: AtomicU64,
    wal_bytes: AtomicU64,
    wal_bytes_done: AtomicU64,
}

/// A look at it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecoveryState {
    /// Logs to be opened, as far as they are known.
    pub logs: u64,
    /// Logs that are open.
    pub logs_done: u64,
    /// Bytes of batches in them that were read and checked.
    pub checked_bytes: u64,
    /// Bytes of the files of write-ahead logs that are read after the logs, as far as they are known.
    pub wal_bytes: u64,
    /// Bytes of them that were read.
    pub wal_bytes_done: u64,
}

impl RecoveryState {
    /// Which part of what is known is done, from 0 to 1. Half of it are the logs, if there is a write-ahead log to read too.
    #[must_use]
    pub fn share(&self) -> f64 {
        let part = |done: u64, all: u64| if all == 0 { 0.0 } else { (done as f64 / all as f64).min(1.0) };
        let logs = part(self.logs_done, self.logs);
        match self.wal_bytes {
            0 => logs,
            all => (logs + part(self.wal_bytes_done, all)) / 2.0,
        }
    }
}

impl RecoveryProgress {
    /// How far it is.
    #[must_use]
    pub fn state(&self) -> RecoveryState {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RecoveryState {
            logs: get(&self.logs),
            logs_done: get(&self.logs_done),
            checked_bytes: get(&self.checked_bytes),
            wal_bytes: get(&self.wal_bytes),
            wal_bytes_done: get(&self.wal_bytes_done),
        }
    }

    /// So many logs more are to be opened.
    pub(crate) fn begin_logs(&self, count: usize) {
        self.logs.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// One is open, for which so many bytes were checked.
    pub(crate) fn log_done(&self, checked_bytes: u64) {
        self.logs_done.fetch_add(1, Ordering::Relaxed);
        self.checked_bytes.fetch_add(checked_bytes, Ordering::Relaxed);
    }

    /// Files of a write-ahead log are to be read.
    pub(crate) fn begin_wal(&self, bytes: u64) {
        self.wal_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So much of them was read.
    pub(crate) fn wal_read(&self, bytes: u64) {
        self.wal_bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }
}
