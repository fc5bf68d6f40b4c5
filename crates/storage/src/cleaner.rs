//! Compaction: of each key the last record stays (Kafka's log cleaner; KIP-58, KIP-98, KIP-354, KIP-534).
//!
//! Owns what goes and what stays ([`judge`], [`offset_map`], [`transactions`]), which log is due ([`plan`]) and the
//! writing of what takes the place of old segments ([`cleaning`], [`output`]). It never touches a segment in use: the
//! log's writer swaps a finished one in. It runs where blocking is allowed, a piece at a time, so that whoever drives it
//! can hold it back or stop it between pieces.

pub(crate) mod cleaning;
pub(crate) mod judge;
pub(crate) mod offset_map;
pub(crate) mod output;
pub(crate) mod plan;
pub(crate) mod reader;
pub(crate) mod transactions;

pub use cleaning::{CleanOutcome, CleanSettings, CleanStep, CleanedGroup, Cleaning};
pub use plan::Cleanable;
