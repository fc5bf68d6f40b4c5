//! Groups and their offsets: one deterministic [`GroupShard`] per partition of `__consumer_offsets`.
//!
//! The room decides; it never does IO, reads a clock, draws a random number or starts a task. Requests come in as
//! `handle_*` calls, everything it wants from the world leaves as an [`Effect`], and what must survive a restart is a
//! record of the partition's log. A kind of group is a module of its own; `classic` is the client-assigned kind.

mod classic;
mod config;
mod context;
mod effect;
mod offsets;
mod pending_append;
mod record;
mod response;
mod shard;
mod timer;
mod turn;

#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod script_tests;

pub use config::GroupCoordinatorConfig;
pub use context::RequestContext;
pub use effect::Effect;
pub use offsets::DeletedTopic;
pub use response::Response;
pub use shard::GroupShard;
