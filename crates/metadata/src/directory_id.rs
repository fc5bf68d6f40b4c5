//! Directory ids with a meaning of their own (KIP-858). Never the id of a directory on disk.

use protocol::Uuid;

/// How many ids from zero on are set apart.
const RESERVED: u128 = 100;

/// A replica whose directory was never recorded.
pub const DIRECTORY_MIGRATING: Uuid = Uuid::ZERO;
/// A replica that its broker is yet to place.
pub const DIRECTORY_UNASSIGNED: Uuid = reserved(1);
/// A replica in some directory that is offline.
pub const DIRECTORY_LOST: Uuid = reserved(2);

const fn reserved(number: u8) -> Uuid {
    let mut bytes = [0; 16];
    bytes[15] = number;
    Uuid(bytes)
}

/// True for an id that no directory may have.
pub fn is_reserved_directory(id: Uuid) -> bool {
    u128::from_be_bytes(id.0) < RESERVED
}

/// True if a replica in directory `id` can serve, given the broker's online directories.
pub fn is_online_directory(id: Uuid, online: &[Uuid]) -> bool {
    if id == DIRECTORY_MIGRATING || id == DIRECTORY_UNASSIGNED {
        return true;
    }
    // A broker that named no directories registered under a metadata.version that knew none.
    id != DIRECTORY_LOST && (online.is_empty() || online.contains(&id))
}
