//! Kafka's error codes. Owns name, message and retriability of each; the table itself is generated.

use std::fmt;

use crate::generated::error_table::ERRORS;

/// An error code of the protocol. Codes that this build does not know are kept as they are.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

/// What is known of one code.
#[derive(Debug)]
pub(crate) struct ErrorInfo {
    pub(crate) code: i16,
    pub(crate) name: &'static str,
    pub(crate) retriable: bool,
    pub(crate) stale_metadata: bool,
    pub(crate) message: &'static str,
}

/// A row of the table; the flags are retriable and stale metadata.
pub(crate) const fn error(
    code: i16,
    name: &'static str,
    flags: [bool; 2],
    message: &'static str,
) -> ErrorInfo {
    let [retriable, stale_metadata] = flags;
    ErrorInfo { code, name, retriable, stale_metadata, message }
}

impl ErrorCode {
    fn info(self) -> Option<&'static ErrorInfo> {
        ERRORS.binary_search_by_key(&self.0, |e| e.code).ok().and_then(|index| ERRORS.get(index))
    }

    /// Kafka's name, for instance `NOT_COORDINATOR`; `UNKNOWN` for a code outside the table.
    pub fn name(self) -> &'static str {
        self.info().map_or("UNKNOWN", |e| e.name)
    }

    /// True when the same request may succeed later.
    pub fn is_retriable(self) -> bool {
        self.info().is_some_and(|e| e.retriable)
    }

    /// True when the client's view of the cluster is out of date and must be fetched anew.
    pub fn means_stale_metadata(self) -> bool {
        self.info().is_some_and(|e| e.stale_metadata)
    }

    /// A sentence for people.
    pub fn message(self) -> &'static str {
        self.info().map_or("The server answered with an error code that is not known here.", |e| e.message)
    }

    /// True for everything but [`ErrorCode::NONE`].
    pub fn is_error(self) -> bool {
        self != ErrorCode::NONE
    }

    /// Every known code, ascending.
    pub fn all() -> impl Iterator<Item = ErrorCode> {
        ERRORS.iter().map(|e| ErrorCode(e.code))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}
