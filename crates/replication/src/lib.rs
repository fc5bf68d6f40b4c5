//! One partition's replication, seen from its leader: who is in sync and how far all of them are.
//!
//! This room owns the high watermark. It speaks of offsets, epochs and replica ids only; it never sees a byte of a
//! record, a file, a socket or a clock. The broker's partition brings it together with the log.

mod leader;

pub use leader::{Effect, Leader, LeaderConfig, NotEnoughReplicas};
