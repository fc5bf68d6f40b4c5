//! Tests of this crate that need more than one of its parts.

mod golden;
