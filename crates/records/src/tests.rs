//! Tests of this crate that need more than one of its parts.

mod codecs;
mod golden;
mod hostile;
mod property;
mod stamps;
mod thinning;
mod validation;
