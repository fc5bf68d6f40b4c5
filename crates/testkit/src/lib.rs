//! A whole node inside a test, a bare connection to speak the protocol with, and the lines of the log.
//!
//! For tests only: whatever goes wrong here panics with what was expected.

mod connection;
mod log_lines;
mod node;

pub use connection::TestConnection;
pub use log_lines::LogLines;
pub use node::TestNode;
