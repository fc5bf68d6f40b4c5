//! A whole node inside a test, and a bare connection to speak the protocol with.
//!
//! For tests only: whatever goes wrong here panics with what was expected.

mod connection;
mod node;

pub use connection::TestConnection;
pub use node::TestNode;
