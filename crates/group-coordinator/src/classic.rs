//! Classic groups: the clients assign, the coordinator keeps the membership, the generations and the assignments.
//!
//! Membership lives in memory and in the sessions of the members; what is written is one record per generation, so a
//! change of membership is not a record. The group never looks into the blobs its members exchange, except for the
//! topics they subscribe to.

mod delete;
mod describe;
mod group;
mod heartbeat;
#[cfg(test)]
mod invariants;
mod join;
mod leave;
mod member;
mod persist;
mod rebalance;
mod state;
mod static_member;
mod subscription;
mod sync;
mod validate;

pub(crate) use describe::GROUP_TYPE;
pub(crate) use group::{ClassicGroup, join_error, sync_error};
pub(crate) use leave::leave_result;
pub(crate) use state::ClassicGroupState;
pub(crate) use static_member::StaticMemberUpdate;
pub(crate) use validate::Committer;

/// How long a new member waits at most for the end of its first join. It cannot heartbeat before that, and a client
/// that has gone away would otherwise stay a member for the length of a rebalance.
const NEW_MEMBER_JOIN_TIMEOUT_MS: i64 = 5 * 60 * 1_000;

/// How many members of one group may have an id but not have joined with it yet.
const PENDING_MEMBERS_MAX: usize = 10_000;
