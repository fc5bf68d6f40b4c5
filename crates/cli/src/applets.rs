//! Kafka's own command-line tools, under their own names, with their options, output and exit codes.
//!
//! Owns which there are and how one is started: `klamm kafka-topics …`, or a link to the program that is called
//! `kafka-topics` or `kafka-topics.sh`. Scripts written for Kafka's tools go on working; what a person types is better
//! served by `klamm topic` and its sisters. An applet prints what scripts read byte for byte as Kafka's tool does, and
//! help texts in its own words. It never prints a stack trace.

mod hash_order;
mod java_exception;
mod java_number;
mod kafka_broker_api_versions;
mod kafka_cluster;
mod kafka_configs;
mod kafka_console_consumer;
mod kafka_console_producer;
mod kafka_consumer_groups;
mod kafka_delete_records;
mod kafka_features;
mod kafka_get_offsets;
mod kafka_leader_election;
mod kafka_log_dirs;
mod kafka_storage;
mod kafka_topics;
mod options;
mod release_features;
mod subcommand_line;
mod tool_client;
mod topic_filter;
mod uuid_argument;

use std::fmt;
use std::process::ExitCode;

use crate::failure::Failure;
use options::OptionDef;

/// The version of Kafka whose tools these are, for `--version`.
const KAFKA_VERSION: &str = "4.4.0";

/// One of Kafka's tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applet {
    /// `kafka-broker-api-versions`.
    BrokerApiVersions,
    /// `kafka-cluster`.
    Cluster,
    /// `kafka-configs`.
    Configs,
    /// `kafka-console-consumer`.
    ConsoleConsumer,
    /// `kafka-console-producer`.
    ConsoleProducer,
    /// `kafka-consumer-groups`.
    ConsumerGroups,
    /// `kafka-delete-records`.
    DeleteRecords,
    /// `kafka-features`.
    Features,
    /// `kafka-get-offsets`.
    GetOffsets,
    /// `kafka-leader-election`.
    LeaderElection,
    /// `kafka-log-dirs`.
    LogDirs,
    /// `kafka-storage`.
    Storage,
    /// `kafka-topics`.
    Topics,
}

/// All applets, by name.
pub const APPLETS: &[(&str, Applet)] = &[
    ("kafka-broker-api-versions", Applet::BrokerApiVersions),
    ("kafka-cluster", Applet::Cluster),
    ("kafka-configs", Applet::Configs),
    ("kafka-console-consumer", Applet::ConsoleConsumer),
    ("kafka-console-producer", Applet::ConsoleProducer),
    ("kafka-consumer-groups", Applet::ConsumerGroups),
    ("kafka-delete-records", Applet::DeleteRecords),
    ("kafka-features", Applet::Features),
    ("kafka-get-offsets", Applet::GetOffsets),
    ("kafka-leader-election", Applet::LeaderElection),
    ("kafka-log-dirs", Applet::LogDirs),
    ("kafka-storage", Applet::Storage),
    ("kafka-topics", Applet::Topics),
];

/// How an applet ends when it does not end well.
#[derive(Debug)]
pub enum ToolError {
    /// The arguments make no sense: the reason and all options go to standard error.
    Usage(String),
    /// The reason goes to standard error.
    Failed(String),
    /// Everything has been said.
    Exit(u8),
}

impl ToolError {
    fn usage(reason: impl Into<String>) -> ToolError {
        ToolError::Usage(reason.into())
    }

    fn failed(reason: impl Into<String>) -> ToolError {
        ToolError::Failed(reason.into())
    }

    /// The same reason, with all options.
    fn into_usage(self) -> ToolError {
        match self {
            ToolError::Failed(reason) => ToolError::Usage(reason),
            other => other,
        }
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ToolError::Usage(reason) | ToolError::Failed(reason) => f.write_str(reason),
            ToolError::Exit(code) => write!(f, "exit code {code}"),
        }
    }
}

impl From<Failure> for ToolError {
    fn from(failure: Failure) -> ToolError {
        ToolError::Failed(failure.message)
    }
}

/// The applet of this name, which may be a path and end with `.sh`.
pub fn find(name: &str) -> Option<Applet> {
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = name.strip_suffix(".sh").unwrap_or(name);
    APPLETS.iter().find(|(known, _)| *known == name).map(|(_, applet)| *applet)
}

/// Runs an applet.
pub fn run(applet: Applet, arguments: &[String]) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the machine gives no event queue: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(applet.run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(ToolError::Exit(code)) => ExitCode::from(code),
        Err(ToolError::Failed(reason)) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
        Err(ToolError::Usage(reason)) => {
            eprint!("{reason}\n{}", options::help(applet.options()));
            ExitCode::FAILURE
        }
    }
}

impl Applet {
    fn options(self) -> &'static [OptionDef] {
        match self {
            Applet::BrokerApiVersions => kafka_broker_api_versions::OPTIONS,
            Applet::Configs => kafka_configs::OPTIONS,
            Applet::ConsoleConsumer => kafka_console_consumer::OPTIONS,
            Applet::ConsoleProducer => kafka_console_producer::OPTIONS,
            Applet::ConsumerGroups => kafka_consumer_groups::OPTIONS,
            Applet::DeleteRecords => kafka_delete_records::OPTIONS,
            Applet::GetOffsets => kafka_get_offsets::OPTIONS,
            Applet::LeaderElection => kafka_leader_election::OPTIONS,
            Applet::LogDirs => kafka_log_dirs::OPTIONS,
            Applet::Topics => kafka_topics::OPTIONS,
            // Their usage depends on the command, and they print it themselves.
            Applet::Cluster | Applet::Features | Applet::Storage => &[],
        }
    }

    async fn run(self, arguments: &[String]) -> Result<(), ToolError> {
        match self {
            Applet::BrokerApiVersions => kafka_broker_api_versions::run(arguments).await,
            Applet::Cluster => kafka_cluster::run(arguments).await,
            Applet::Configs => kafka_configs::run(arguments).await,
            Applet::ConsoleConsumer => kafka_console_consumer::run(arguments).await,
            Applet::ConsoleProducer => kafka_console_producer::run(arguments).await,
            Applet::ConsumerGroups => kafka_consumer_groups::run(arguments).await,
            Applet::DeleteRecords => kafka_delete_records::run(arguments).await,
            Applet::Features => kafka_features::run(arguments).await,
            Applet::GetOffsets => kafka_get_offsets::run(arguments).await,
            Applet::LeaderElection => kafka_leader_election::run(arguments).await,
            Applet::LogDirs => kafka_log_dirs::run(arguments).await,
            Applet::Storage => kafka_storage::run(arguments),
            Applet::Topics => kafka_topics::run(arguments).await,
        }
    }
}
