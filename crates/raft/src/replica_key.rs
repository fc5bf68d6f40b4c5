//! The identity of a voter or observer: node id plus directory id. Never knows an address.

use std::fmt;

use protocol::Uuid;

/// A replica of the metadata log: a node id and the id of the directory the log lies in (KIP-853).
///
/// A node that lost its disk comes back with the same `id` and another `directory_id`, and is then another replica:
/// votes and acknowledgements given by the lost one must not count for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaKey {
    /// Node id, ≥ 0.
    pub id: i32,
    /// Directory id; [`Uuid::ZERO`] when it is not known.
    pub directory_id: Uuid,
}

impl ReplicaKey {
    /// A key from its two parts.
    pub fn new(id: i32, directory_id: Uuid) -> ReplicaKey {
        ReplicaKey { id, directory_id }
    }
}

impl fmt::Display for ReplicaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.directory_id)
    }
}
