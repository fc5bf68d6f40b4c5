//! Historic bugs of the broker, one of which a test may switch on to see that it would be found.
//!
//! Owns their closed list. Without the feature `mutants` none can be on, and the compiler leaves every trace of them
//! out. It never ships.

platform::mutants! {
    $
    /// `acks=all` is answered as soon as the records are appended.
    AcknowledgedBeforeCommit,
    /// The high watermark of a durable topic follows the end of the log.
    HighWatermarkIsLogEnd,
}
