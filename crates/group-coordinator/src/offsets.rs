//! Committed offsets of all groups of one shard, and the decisions about them.
//!
//! Only what is committed is in here: a change that is on its way to the log changes nothing yet. Whoever must know
//! what is on its way asks for the latest offsets. This module never decides who may commit.

mod commit;
mod committed_offset;
mod delete;
mod expiry;
mod fetch;
mod store;

pub(crate) use commit::{commit, commit_failed};
pub(crate) use committed_offset::CommittedOffset;
pub use delete::DeletedTopic;
pub(crate) use delete::{delete, delete_all, delete_topics};
pub(crate) use expiry::expire;
pub(crate) use fetch::{fetch, fetch_failed};
pub(crate) use store::Offsets;
