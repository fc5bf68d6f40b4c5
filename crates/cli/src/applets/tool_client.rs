//! How an applet reaches the cluster.
//!
//! Owns the properties that Kafka's tools take for their clients, the patience with which they wait for a broker, and the
//! words in which Kafka's clients report errors. It never asks for anything in particular.

use std::time::Duration;

use client::{Admin, ClientConfig, ClientError, ConfigError, Outcomes, Topic};
use platform::Platform;
use tokio::time::Instant;

use crate::applets::{ToolError, java_exception};

/// Partitions that one answer describes.
pub const PAGE_PARTITIONS: i32 = 2000;

/// The pause between two tries to find a broker.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// The properties in a file, in order.
///
/// # Errors
/// It cannot be read.
pub fn properties_file(path: &str) -> Result<Vec<(String, String)>, ToolError> {
    let bytes = std::fs::read(path).map_err(|_| ToolError::failed(path))?;
    config::parse_properties(&bytes).map_err(|error| ToolError::failed(error.to_string()))
}

/// Pairs of `key=value`; a value that is missing is empty.
pub fn key_values(texts: &[String]) -> Vec<(String, String)> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        (key.to_owned(), value.to_owned())
    };
    texts.iter().map(pair).collect()
}

/// Refuses an address list that no client could use, as those of Kafka's tools do that look at it themselves.
///
/// # Errors
/// An address is not `host:port`.
pub fn check_servers(servers: &str) -> Result<(), ToolError> {
    if servers.trim().is_empty() {
        return Err(ToolError::usage("Error while validating the bootstrap address\n"));
    }
    let has_port = |server: &str| {
        server.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.parse::<u32>().is_ok())
    };
    if servers.trim_end_matches(',').split(',').all(has_port) {
        return Ok(());
    }
    Err(ToolError::usage("Please provide valid host:port like host1:9091,host2:9092\n"))
}

/// A client's configuration from properties, later ones before earlier ones. Keys that mean nothing to the client are
/// passed over, as Kafka's clients do.
///
/// # Errors
/// A value is impossible, or needs what this client does not have.
pub fn client_config(properties: &[(String, String)]) -> Result<ClientConfig, ConfigError> {
    let mut config = ClientConfig::default();
    for (key, value) in properties {
        match config.set(key, value) {
            Err(ConfigError::UnknownKey { .. }) | Ok(_) => {}
            // They mean nothing unless security.protocol asks for them, and then it is refused.
            Err(ConfigError::Conflict(_)) if key.starts_with("ssl.") || key.starts_with("sasl.") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(config)
}

/// Connects to the cluster as Kafka's admin client does: a broker that is not there yet is waited for until
/// `default.api.timeout.ms` are over. `call` is the operation that Kafka's client would have been about to do.
///
/// # Errors
/// The properties are impossible, or no broker answered in time.
pub async fn admin(properties: &[(String, String)], call: &str) -> Result<Admin, AdminError> {
    let config = client_config(properties).map_err(|error| {
        // Kafka's tools say no more than that there is no client; the reason stands in the stack trace.
        eprintln!("Caused by: {error}");
        AdminError::Config
    })?;
    let deadline = Instant::now() + config.default_api_timeout;
    loop {
        match Admin::connect(&Platform::os(), config.clone()).await {
            Ok(admin) => return Ok(admin),
            Err(error) if error.is_retriable() && Instant::now() + RECONNECT_PAUSE < deadline => {
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
            Err(error) if error.is_retriable() => return Err(AdminError::Timeout(call.to_owned())),
            Err(error) => return Err(AdminError::Failed(error)),
        }
    }
}

/// Topics by name. One that is not there is an error at once, as for Kafka's tools.
///
/// # Errors
/// As a whole when no broker answers; per topic otherwise.
pub async fn topics(admin: &Admin, names: &[String]) -> Result<Outcomes<Topic>, ClientError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let described = admin.describe_topic_partitions(names, PAGE_PARTITIONS).await?;
    Ok(described.into_iter().map(|(name, topic)| (name, topic.map(|topic| topic.topic))).collect())
}

/// Why there is no connection.
#[derive(Debug)]
pub enum AdminError {
    /// The properties are impossible.
    Config,
    /// No broker answered in time.
    Timeout(String),
    /// A broker answered with an error.
    Failed(ClientError),
}

impl AdminError {
    /// Whether Kafka's tool would not even have got a client.
    pub fn is_config(&self) -> bool {
        matches!(self, AdminError::Config)
    }
}

impl std::fmt::Display for AdminError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AdminError::Config => f.write_str("Failed to create new KafkaAdminClient"),
            AdminError::Timeout(call) => {
                write!(f, "Timed out waiting for a node assignment. Call: {call}")
            }
            AdminError::Failed(error) => f.write_str(&words(error)),
        }
    }
}

impl From<AdminError> for ToolError {
    fn from(error: AdminError) -> ToolError {
        ToolError::failed(error.to_string())
    }
}

impl From<ClientError> for ToolError {
    fn from(error: ClientError) -> ToolError {
        ToolError::Failed(words(&error))
    }
}

/// An error in the words of Kafka's clients: the broker's own, else those of the error code.
pub fn words(error: &ClientError) -> String {
    match error {
        ClientError::Api { message: Some(message), .. } => message.clone(),
        ClientError::Api { code, .. } => java_exception::words(*code).to_owned(),
        ClientError::DeadlineExceeded { last: Some(last), .. } => words(last),
        other => other.to_string(),
    }
}
