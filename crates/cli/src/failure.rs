//! How a command fails: an exit code, what went wrong, and what to do about it.
//!
//! Owns the exit codes. Every message that a user sees on failure passes through here.

use std::fmt;

/// Exit codes of `klamm`; 2 (wrong usage) is also what the argument parser uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// It failed.
    Failed = 1,
    /// The arguments make no sense.
    Usage = 2,
    /// Some items succeeded, some did not.
    Partial = 3,
    /// The thing asked for is not there.
    NotFound = 4,
    /// Not allowed.
    Denied = 5,
    /// The cluster does not answer.
    Unreachable = 6,
    /// It took too long.
    TimedOut = 7,
}

/// A failed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Exit code.
    pub status: ExitStatus,
    /// What went wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do, if there is something to do.
    pub fix: Option<String>,
}

impl Failure {
    /// A failure with a status and what went wrong.
    pub fn new(status: ExitStatus, message: impl Into<String>) -> Failure {
        Failure { status, message: message.into(), fix: None }
    }

    /// Wrong arguments.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(ExitStatus::Usage, message)
    }

    /// Anything that is not a special case.
    pub fn failed(message: impl Into<String>) -> Failure {
        Failure::new(ExitStatus::Failed, message)
    }

    /// The same failure with the way out.
    #[must_use]
    pub fn with_fix(mut self, fix: impl Into<String>) -> Failure {
        self.fix = Some(fix.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.fix {
            Some(fix) => write!(f, "\n  fix: {fix}"),
            None => Ok(()),
        }
    }
}
