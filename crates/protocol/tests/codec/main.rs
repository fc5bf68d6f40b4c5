//! Tests of the codec as its users see it: golden vectors, a second codec, hostile input, memory. Owns the list of
//! test modules and the counting allocator.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod allocator;
mod corpus;
mod dynamic;
mod encode_errors;
mod entry;
mod frames;
mod fuzz;
mod golden;
mod hostile;
mod memory;
#[allow(dead_code, reason = "shared with the code generator, which uses the rest")]
#[path = "../../../../xtask/src/codegen/names.rs"]
mod names;
mod properties;
mod real_requests;
mod registry;
#[allow(dead_code, reason = "shared with the code generator, which uses the rest")]
#[path = "../../../../xtask/src/codegen/schema.rs"]
mod schema;
mod stored_records;
mod tables;
mod tags;
