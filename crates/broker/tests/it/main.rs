//! The node on loopback, spoken to in the protocol alone.

mod admin;
mod fetching;
mod hostile;
mod producing;
mod restarts;
mod setup;
mod topics;
