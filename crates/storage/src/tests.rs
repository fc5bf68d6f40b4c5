//! Behaviour of whole logs on a real disk and on the simulated one.

mod append;
mod cleaning;
mod cleaning_crash;
mod concurrent;
mod crash;
mod directory;
mod faults;
pub(crate) mod fixture;
mod flush;
mod log_dirs;
mod moves;
mod read;
mod recovery;
mod retention;
mod roll;
mod rot;
pub(crate) mod stops;
mod tail;
mod timestamps;
mod truncate;
mod write_ahead;
