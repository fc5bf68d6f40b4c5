//! What a handler knows of the request besides its body. It never holds a connection.

use std::fmt::Write as _;

/// Where a request comes from, and the randomness it may use up.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext<'a> {
    /// Version of the request's API.
    pub api_version: i16,
    /// The client id of the request header; empty if the header has none.
    pub client_id: &'a str,
    /// The client's address as Java prints it, such as `/127.0.0.1`.
    pub client_host: &'a str,
    /// Sixteen random bytes, drawn anew for each request; they become the tail of a new member id.
    pub member_uuid: [u8; 16],
}

impl RequestContext<'_> {
    /// A new member id: the prefix (instance id or client id), a dash and a random UUID (version 4).
    pub(crate) fn new_member_id(&self, prefix: &str) -> String {
        let mut bytes = self.member_uuid;
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let mut id = String::with_capacity(prefix.len() + 37);
        id.push_str(prefix);
        for (index, byte) in bytes.iter().enumerate() {
            if matches!(index, 0 | 4 | 6 | 8 | 10) {
                id.push('-');
            }
            write!(id, "{byte:02x}").expect("writing to a string cannot fail");
        }
        id
    }
}
