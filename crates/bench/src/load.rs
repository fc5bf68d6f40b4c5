//! Load from one thread: epoll, frames encoded beforehand, answers looked at only where needed, so that the broker's
//! work decides what is measured.
//!
//! Owns how requests are paced: closed loops that keep a number of requests in flight, and open loops at a fixed rate
//! whose latency counts from the time a request was due. Never starts a broker.

mod closed;
mod connection;
mod open;
mod reading;

pub use closed::{Volume, produce};
pub use open::{Latency, Rate, ack_latency, end_to_end_latency};
pub use reading::{read_all, unsigned_varint};
