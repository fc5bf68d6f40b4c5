//! Whole nodes in a simulated world: harness, workload, faults and the checker of what clients saw.
//!
//! Owns everything needed to run a node's real code on the simulated halves of `platform`, in one thread, from one
//! seed, under faults, and to judge the history of its clients. The clients speak raw protocol frames and were
//! written from the protocol alone, so that they share no mistake with our client library. It never looks inside a
//! node: it knows only what a node answers.
//!
//! A failing test names its seed. `KLAMM_SIM_SEEDS=17..18` runs that one alone, `KLAMM_SIM_SEEDS=0..10000` many more,
//! and `KLAMM_SIM_TRACE=file` keeps the trace of what failed.

mod checker;
mod fault;
mod history;
mod node;
mod panics;
mod plan;
mod run;
mod value;
mod wire;
mod workload;

pub use checker::{Promise, Violation, check};
pub use fault::{Fault, TimedFault};
pub use history::{Entry, Event, History, Stamp};
pub use node::{Node, Properties, RunningNode, SimNode, Starting, Stopping};
pub use plan::{Plan, machine_room};
pub use run::{Failure, Run, run};
pub use value::Value;
pub use wire::{Lost, Wire};
pub use workload::execute;
