//! Listeners and connections of a node: frames in, answers out, in order, within bounds.
//!
//! This room owns sockets, read and write buffers, frame limits, connection limits and idle time-outs. It never looks
//! into a frame beyond its length and never decides what a request means: that is the [`RequestHandler`]'s.

mod buffer;
mod connection;
mod limits;
mod listener;
mod reply;

pub use connection::{Admission, ConnectionInfo, LaterAnswer, Outcome, RequestHandler};
pub use limits::{ConnectionLimits, FrameLimits, FrameMemory, ListenerLimits};
pub use listener::{ListenerConfig, Listeners};
pub use reply::{FilePart, Reply};
