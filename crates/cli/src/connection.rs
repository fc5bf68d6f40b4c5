//! Where the cluster is, and connecting to it.

use client::{Admin, ClientConfig, ClientError};
use platform::Platform;
use protocol::ErrorCode;

use crate::failure::{ExitStatus, Failure};

/// Environment variables that may name the cluster, strongest first.
const BOOTSTRAP_VARIABLES: [&str; 3] = ["KLAMM_BOOTSTRAP", "KAFKA_BOOTSTRAP_SERVERS", "RPK_BROKERS"];
const DEFAULT_BOOTSTRAP: &str = "localhost:9092";

/// Options that say where the cluster is; they may stand anywhere.
#[derive(Debug, Clone, clap::Args)]
pub struct ConnectionArguments {
    /// Addresses of the cluster [else KLAMM_BOOTSTRAP, KAFKA_BOOTSTRAP_SERVERS, RPK_BROKERS, localhost:9092]
    #[arg(short = 'b', long = "bootstrap", value_name = "HOST:PORT,…", global = true)]
    pub bootstrap: Option<String>,
    /// A property of Kafka's clients, such as request.timeout.ms=5000
    #[arg(short = 'X', value_name = "KEY=VALUE", global = true)]
    pub properties: Vec<String>,
}

impl ConnectionArguments {
    /// The client's configuration.
    ///
    /// # Errors
    /// A property is unknown or its value impossible.
    pub fn client_config(&self) -> Result<ClientConfig, Failure> {
        let from_environment = || BOOTSTRAP_VARIABLES.iter().find_map(|name| std::env::var(name).ok());
        let bootstrap =
            self.bootstrap.clone().or_else(from_environment).unwrap_or_else(|| DEFAULT_BOOTSTRAP.to_owned());
        let mut config = ClientConfig::new(&bootstrap).map_err(|error| Failure::usage(error.to_string()))?;
        config.client_id = "klamm".to_owned();
        for property in &self.properties {
            let (key, value) = key_value(property)?;
            config.set(key, value).map_err(|error| Failure::usage(error.to_string()))?;
        }
        for key in &config.ignored {
            eprintln!("note: {key} has no meaning here");
        }
        Ok(config)
    }

    /// A connection for looking after the cluster.
    ///
    /// # Errors
    /// No broker answers.
    pub async fn admin(&self) -> Result<Admin, Failure> {
        Ok(Admin::connect(&Platform::os(), self.client_config()?).await?)
    }
}

/// Splits `KEY=VALUE`.
///
/// # Errors
/// There is no equals sign.
pub fn key_value(text: &str) -> Result<(&str, &str), Failure> {
    text.split_once('=').ok_or_else(|| Failure::usage(format!("{text:?} is not of the form KEY=VALUE")))
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let failure = Failure::new(status_of(&error), error.to_string());
        match error.hint() {
            _ if matches!(error, ClientError::NoBroker { .. }) => failure
                .with_fix("start a node with `klamm dev`, or say with -b HOST:PORT where the cluster is"),
            Some(hint) => failure.with_fix(hint),
            None => failure,
        }
    }
}

fn status_of(error: &ClientError) -> ExitStatus {
    match error {
        ClientError::Config(_) => ExitStatus::Usage,
        ClientError::NoBroker { .. } | ClientError::Unreachable { .. } | ClientError::Disconnected { .. } => {
            ExitStatus::Unreachable
        }
        ClientError::DeadlineExceeded { last: Some(last), .. } if status_of(last) != ExitStatus::Failed => {
            status_of(last)
        }
        ClientError::DeadlineExceeded { .. } | ClientError::RequestTimeout { .. } => ExitStatus::TimedOut,
        ClientError::NoPartition { .. } => ExitStatus::NotFound,
        other => other.code().map_or(ExitStatus::Failed, status_of_code),
    }
}

fn status_of_code(code: ErrorCode) -> ExitStatus {
    match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        | ErrorCode::UNKNOWN_TOPIC_ID
        | ErrorCode::GROUP_ID_NOT_FOUND => ExitStatus::NotFound,
        ErrorCode::TOPIC_AUTHORIZATION_FAILED
        | ErrorCode::GROUP_AUTHORIZATION_FAILED
        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED => ExitStatus::Denied,
        ErrorCode::REQUEST_TIMED_OUT => ExitStatus::TimedOut,
        _ => ExitStatus::Failed,
    }
}

/// Prints what happened to each of several items and makes one result of them: done, all failed, or partly.
///
/// # Errors
/// At least one item failed.
pub fn report_each<T>(
    outcomes: Vec<(String, Result<T, ClientError>)>,
    done: impl Fn(&str, &T) -> String,
) -> Result<(), Failure> {
    let total = outcomes.len();
    let mut failures = Vec::new();
    for (name, outcome) in outcomes {
        match outcome {
            Ok(value) => crate::output::print(&format!("{}\n", done(&name, &value)))?,
            Err(error) => failures.push(Failure::from(error)),
        }
    }
    match failures.len() {
        0 => Ok(()),
        count if count == total && count == 1 => Err(failures.remove(0)),
        count => {
            for failure in &failures {
                eprintln!("{failure}");
            }
            let status = if count == total { failures[0].status } else { ExitStatus::Partial };
            Err(Failure::new(status, format!("{count} of {total} failed")))
        }
    }
}
