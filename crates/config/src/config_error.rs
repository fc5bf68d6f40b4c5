//! Why a configuration is refused, in Kafka's words where Kafka has words for it.

/// Which of Kafka's two refusals applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigErrorKind {
    /// `INVALID_CONFIG` (40).
    InvalidConfig,
    /// `INVALID_REQUEST` (42).
    InvalidRequest,
}

/// A refused key or value. `Display` is the message for the client or the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// Error code family for the protocol.
    pub kind: ConfigErrorKind,
    /// Whole sentence, ready to show.
    pub message: String,
}

impl ConfigError {
    /// A refusal that maps to `INVALID_CONFIG`.
    pub fn invalid(message: impl Into<String>) -> ConfigError {
        ConfigError { kind: ConfigErrorKind::InvalidConfig, message: message.into() }
    }

    /// A refusal that maps to `INVALID_REQUEST`.
    pub fn request(message: impl Into<String>) -> ConfigError {
        ConfigError { kind: ConfigErrorKind::InvalidRequest, message: message.into() }
    }

    /// "Invalid value V for configuration N: why", as Kafka writes it.
    pub fn value(name: &str, value: impl std::fmt::Display, why: &str) -> ConfigError {
        ConfigError::invalid(format!("Invalid value {value} for configuration {name}: {why}"))
    }
}
