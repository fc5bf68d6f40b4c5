//! Tests of the controller: requests in, records and answers out, and the records replayed.

mod client_quotas;
mod cluster;
mod configs;
mod elections;
mod features;
mod lifecycle;
mod reassignments;
mod scram_credentials;
mod topics;
