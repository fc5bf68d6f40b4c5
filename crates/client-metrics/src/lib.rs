//! Client metrics (KIP-714): what clients are asked to tell about themselves, and what they told.
//!
//! Owns the subscriptions, the client instances with their push intervals, the decoding of what is pushed (OTLP) and
//! the latest value of each series, which it writes as Prometheus text. Never knows a connection but by number, never
//! reads a clock and draws no random number.

mod client;
mod client_metrics;
mod exposition;
mod instance;
mod otlp;
mod push;
mod series;
mod subscription;
mod wire;

pub use client::Client;
pub use client_metrics::{ClientMetrics, INSTANCES_MAX};
pub use push::{Payload, PushTicket};
pub use series::{SERIES_MAX, SERIES_PER_INSTANCE_MAX};

#[cfg(test)]
mod script_tests;
#[cfg(test)]
mod tests;
