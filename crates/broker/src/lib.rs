//! The node: listeners, partitions, controller and coordinators of one process, joined.
//!
//! This is the shell around the cores: it owns tasks, locks and the order of starting and stopping. What a request
//! means is decided in one handler per API key, what may happen to a log in `storage`, what to a group in
//! `group-coordinator`, what to the cluster in `controller`.

mod alter_configs;
mod api_versions;
mod authorized_operations;
mod client_telemetry;
mod context;
mod controller_task;
mod coordinator_task;
mod current_config;
mod directory_assignments;
mod directory_failures;
mod dispatch;
mod fetch_sessions;
mod formatting;
mod found;
mod handlers;
mod housekeeping;
mod listener_view;
mod listening;
mod local_partitions;
mod log_cleaner;
mod log_directories;
mod loggers;
mod metadata_log;
mod metrics_endpoint;
#[cfg(not(feature = "mutants"))]
mod mutant;
#[cfg(feature = "mutants")]
pub mod mutant;
mod mutation_ticket;
mod node;
mod offsets_partitions;
mod partition;
mod partitions;
mod quotas;
mod recovery_watch;
mod replica_moves;
mod replicas;
mod running;
mod scrubber;
mod stopwatch;
mod takeover;
mod topic_names;
mod waiters;

pub use api_versions::{SERVED, Served};
pub use controller::scram_credential_record;
pub use formatting::{
    BootstrapMetadata, BootstrapVoter, DirectoryIdentity, FormatError, format_directory, read_identity,
};
pub use found::Found;
pub use loggers::{LOGGERS, LogLevel, LogLevels, Loggers};
pub use recovery_watch::{RecoveryStanding, RecoveryWatcher};
pub use running::{RunningNode, StartError, StartOptions};
pub use storage::Formatting;
pub use takeover::Refusal;
