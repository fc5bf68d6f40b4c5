//! All that a shard can ask of the world.

use coordinator::{AppendId, LogRecord, Token};

use crate::Response;

/// One thing the shell has to do, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer the request that was handed in with this token.
    Reply {
        /// The token of the request.
        token: Token,
        /// The answer's body.
        response: Box<Response>,
    },
    /// Append the records to the shard's partition, behind all appends asked for before, and report the end by
    /// [`crate::GroupShard::handle_committed`] or [`crate::GroupShard::handle_append_failed`].
    Append {
        /// Under which id the end is to be reported.
        id: AppendId,
        /// The records, never empty.
        records: Vec<LogRecord>,
        /// Whether the records must become visible together, in one batch. If not, they may be cut anywhere.
        atomic: bool,
    },
}
