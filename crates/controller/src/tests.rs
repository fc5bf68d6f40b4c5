//! Tests of the controller: requests in, records and answers out, and the records replayed.

mod cluster;
mod configs;
mod lifecycle;
mod scram_credentials;
mod topics;
