//! The controller's task on a disk: start, restart, crash, snapshot, stop.

mod configured;
mod crash;
mod node;
mod restart;
mod serving;
mod snapshots;
