//! The client against a broker that lives in the test: its machine is simulated, its answers are real bytes, and it fails
//! when told to.

mod admin;
mod connection;
mod consumer;
mod fake_admin;
mod fake_broker;
mod fake_log;
mod offline;
mod producer;
mod producer_faults;
