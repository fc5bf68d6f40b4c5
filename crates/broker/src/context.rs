//! What a handler may know of the request beside its body.

use std::net::{IpAddr, SocketAddr};

/// The user of a connection that was not asked who it is.
pub const ANONYMOUS: &str = "ANONYMOUS";

/// The request's surroundings.
#[derive(Debug, Clone, Copy)]
pub struct RequestContext<'a> {
    /// Version of the request.
    pub api_version: i16,
    /// The client's name for itself; empty if it has none.
    pub client_id: &'a str,
    /// Number of the connection.
    pub connection_id: u64,
    /// The authenticated user.
    pub user: &'a str,
    /// Name of the listener it came in by: answers name the endpoints of that listener.
    pub listener_name: &'a str,
    /// Our address, as the client reached it.
    pub local_addr: SocketAddr,
    /// The client's address.
    pub peer_addr: SocketAddr,
}

impl RequestContext<'_> {
    /// The client's host as Kafka shows it in group descriptions: Java writes all groups of an IPv6 address.
    #[must_use]
    pub fn client_host(&self) -> String {
        match self.peer_addr.ip() {
            IpAddr::V4(ip) => format!("/{ip}"),
            IpAddr::V6(ip) => {
                let groups: Vec<String> = ip.segments().iter().map(|group| format!("{group:x}")).collect();
                format!("/{}", groups.join(":"))
            }
        }
    }
}
