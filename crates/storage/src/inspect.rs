//! Looking at log directories on which no node runs, and mending them.
//!
//! Owns what `klamm segment` does with files: reading everything there is to read, judging it, and rewriting what is
//! damaged. Looking never changes a byte, nor does it trust one: a batch counts only by its checksum, its place among its
//! neighbours and the log's proof. Nothing here prints or asks.

mod batch_reader;
mod directory;
mod dump;
mod epochs;
mod facts;
mod finding;
mod indexes;
mod log;
mod proofs;
mod repair;
mod segment;
mod small_files;
mod tail;
mod target;
mod wal;

pub use directory::{DirectoryInspection, bytes_to_read, inspect};
pub use dump::{Item, ItemSink, dump};
pub use facts::DirectoryFacts;
pub use finding::{Damage, Finding, Level};
pub use log::LogInspection;
pub use repair::{Loss, LossDecision, RepairError, Repaired, look_again, repair};
pub use segment::SegmentInspection;
pub use target::{Target, TargetLock};
pub use wal::{WalContents, WalRange};

#[cfg(test)]
mod tests;
