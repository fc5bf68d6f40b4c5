//! Client quotas: how much of a node a user, a client id or an address may use, and how long who took more has to wait.
//!
//! Owns the arithmetic (rates over samples, token buckets), the order in which quotas apply, and the bounded memory of
//! who used how much. All of it is Kafka's, so that a client is held off for the time Kafka would hold it off. Never
//! reads a clock, holds nobody off itself, and knows neither requests nor where quotas are stored.

mod client_quota;
mod connection_quota;
mod limits;
mod mutation_quota;
mod rate;
mod token_bucket;
mod tracked;
mod window;

pub use client_quota::ClientQuota;
pub use connection_quota::ConnectionQuota;
pub use limits::{Client, ClientLimits, EntityPart, Limits};
pub use mutation_quota::{MutationCharge, MutationQuota};
pub use rate::Rate;
pub use token_bucket::TokenBucket;
pub use tracked::TRACKED_MAX;
pub use window::QuotaWindow;

#[cfg(test)]
mod script_tests;
