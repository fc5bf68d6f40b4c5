//! One file per command: its options and what it does.

pub mod applets;
pub mod cluster;
pub mod completion;
pub mod consume;
pub mod dev;
pub mod group;
pub mod produce;
pub mod segment;
pub mod server;
pub mod topic;
