//! Behaviour of whole logs on a real disk and on the simulated one.

mod append;
mod fixture;
mod read;
