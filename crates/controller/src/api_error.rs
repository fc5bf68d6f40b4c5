//! An error code with the words that go with it. Never a fault of the machine.

use std::borrow::Cow;

use protocol::{ErrorCode, error_text};

/// A client's error: Kafka's code, and a message for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct ApiError {
    /// Code.
    pub code: ErrorCode,
    /// What was wrong.
    pub message: Cow<'static, str>,
}

impl ApiError {
    /// A code with a message of its own, which is cut where it would not fit into a response.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> ApiError {
        ApiError { code, message: error_text(message) }
    }

    /// The message as Kafka writes it of an exception: none where it says no more than the code does.
    pub fn message_unless_general(self) -> Option<Cow<'static, str>> {
        (self.message != self.code.message()).then_some(self.message)
    }
}

/// A code with its general message.
impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> ApiError {
        ApiError { code, message: Cow::Borrowed(code.message()) }
    }
}

impl From<config::ConfigError> for ApiError {
    fn from(error: config::ConfigError) -> ApiError {
        let code = match error.kind {
            config::ConfigErrorKind::InvalidConfig => ErrorCode::INVALID_CONFIG,
            config::ConfigErrorKind::InvalidRequest => ErrorCode::INVALID_REQUEST,
        };
        ApiError::new(code, error.message)
    }
}
