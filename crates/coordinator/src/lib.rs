//! What every log-backed coordinator shares: records on their way to the log, the answers that wait for them,
//! deadlines, and which partition of the internal topic a key belongs to.
//!
//! It never does IO, reads no clock and knows no kind of group or transaction.

mod append_error;
mod append_queue;
mod deadlines;
mod log_record;
mod partitioning;

pub use append_error::error_for_client;
pub use append_queue::{AppendId, AppendQueue};
pub use deadlines::Deadlines;
pub use log_record::LogRecord;
pub use partitioning::{java_string_hash, partition_for};

/// Names one parked request. The shell makes it, the core gives it back with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);
