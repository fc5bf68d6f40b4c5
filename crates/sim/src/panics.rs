//! Owns the memory of panics in simulated tasks, which tokio would otherwise keep to itself. It never stops a panic.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    /// `Some` while this thread runs a simulation.
    static SEEN: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Remembers this thread's panics from now on.
pub(crate) fn watch() {
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            SEEN.with_borrow_mut(|seen| {
                if let Some(seen) = seen {
                    seen.push(info.to_string());
                }
            });
            previous(info);
        }));
    });
    SEEN.set(Some(Vec::new()));
}

/// Ends the watch and gives the panics seen.
pub(crate) fn seen() -> Vec<String> {
    SEEN.take().unwrap_or_default()
}
