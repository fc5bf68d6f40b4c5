//! Historic bugs of the broker, one of which a test may switch on to see that it would be found.
//!
//! Owns their closed list. Without the feature `mutants` none can be on, and the compiler leaves every trace of them
//! out. It never ships.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// `acks=all` is answered as soon as the records are appended.
    AcknowledgedBeforeCommit,
    /// The high watermark of a durable topic follows the end of the log.
    HighWatermarkIsLogEnd,
}

#[cfg(feature = "mutants")]
std::thread_local! {
    static ON: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Switches a mutant on in this thread, or off.
#[cfg(feature = "mutants")]
pub fn switch_on(mutant: Option<Mutant>) {
    ON.set(mutant);
}

#[cfg(feature = "mutants")]
pub(crate) fn is_on(mutant: Mutant) -> bool {
    ON.get() == Some(mutant)
}

#[cfg(not(feature = "mutants"))]
pub(crate) const fn is_on(_: Mutant) -> bool {
    false
}

/// Whether a mutant is on: `mutant!(HighWatermarkIsLogEnd)`.
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutant::is_on($crate::mutant::Mutant::$name)
    };
}
pub(crate) use mutant;
