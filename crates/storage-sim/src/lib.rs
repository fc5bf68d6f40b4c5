//! Histories of log directories: what a node asks of `storage`, under crashes and failing disks, from one seed, and a
//! checker of all that must stay true.
//!
//! Owns the workload, the faults, the model of what was promised, the judgement, and the shrinking of what fails. The
//! real `storage` runs on the simulated half of `platform`, in one thread. Nothing is drawn while a history runs: its
//! script is a list of lines, drawn beforehand from the seed, and any part of the list is a script too.

mod check;
mod course;
mod draw;
mod hunt;
mod line;
mod model;
mod run;
mod script;
mod shrink;

pub use hunt::{Found, Tally, try_seeds};
pub use line::Line;
pub use run::{Outcome, Violation, run, run_traced};
pub use script::Script;
pub use shrink::{Shrunk, shrink, shrink_by};
