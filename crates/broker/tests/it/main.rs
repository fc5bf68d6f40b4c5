//! The node on loopback, spoken to in the protocol alone.

#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod acls;
mod admin;
mod cluster_admin;
mod compaction;
mod configs;
mod damage;
mod deadlines;
mod directories;
mod fetching;
mod hostile;
mod metadata;
mod obeyed;
mod parity;
mod producing;
mod quotas;
mod restarts;
mod scram;
mod setup;
mod telemetry;
mod throttling;
mod topics;
mod upkeep;
