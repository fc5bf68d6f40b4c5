//! The controller: what clients and brokers ask of the cluster, decided into metadata records.
//!
//! A log-backed machine: `handle_*` reads the state and decides, changing nothing; [`Controller::replay`] is the only
//! writer of state; an answer leaves when its records are committed. Owns the rules for topics, partitions, brokers,
//! dynamic configurations, client quotas, SCRAM credentials and producer ids. Never knows Raft or a log (the shell appends what is decided), never reads
//! a clock, draws no random number: time, seeds and new ids come in as values.

mod alter_configs;
mod alter_reassignments;
mod api_error;
mod assign_directories;
mod bootstrap;
mod broker_lifecycle;
mod broker_sessions;
mod client_quotas;
mod config_alterations;
mod config_change;
mod controller;
mod create_partitions;
mod create_topics;
mod delete_topics;
mod elect_leaders;
mod list_reassignments;
mod outcome;
mod partition_change;
mod placement;
mod producer_ids;
mod reassignment;
mod registration;
mod scram_credentials;
mod topic_name;
mod update_features;

pub use api_error::ApiError;
pub use bootstrap::bootstrap_records;
pub use client_quotas::address_of;
pub use config_alterations::{AlterOperation, ConfigAlterations, KeyAlteration, ResourceAlteration};
pub use config_change::change_list;
pub use controller::{Controller, ControllerConfig};
pub use create_partitions::has_topics_to_grow;
pub use create_topics::{PARTITIONS_PER_REQUEST_MAX, has_topics_to_create};
pub use delete_topics::has_topics_to_delete;
pub use list_reassignments::ongoing_reassignments;
pub use outcome::{Outcome, RECORDS_PER_REQUEST_MAX};
pub use producer_ids::{PRODUCER_ID_BLOCK_SIZE, ProducerIdsBlock};
pub use scram_credentials::scram_credential_record;
pub use topic_name::{TOPIC_NAME_LENGTH_MAX, validate_topic_name};
pub use update_features::QuorumFeatures;

#[cfg(test)]
mod tests;
