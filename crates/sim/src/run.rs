//! Owns the frame of one simulation: a paused runtime in this thread, a world, a limit of simulated time, and the
//! news of every panic. It knows neither nodes nor clients.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use platform::sim::{SimConfig, SimWorld, Trace};
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::panics;

/// A simulation that came to its end.
#[derive(Debug)]
pub struct Run<T> {
    /// What the scenario gave.
    pub outcome: T,
    /// All that happened.
    pub trace: Trace,
}

/// A simulation that did not come to its end, or in which a task panicked.
pub struct Failure {
    /// The seed: running it again fails again.
    pub seed: u64,
    /// What went wrong.
    pub what: String,
    /// All that happened until then.
    pub trace: Trace,
}

/// Lines of the trace shown with a failure.
const SHOWN_LINES: usize = 60;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        let text = self.trace.to_text();
        let lines: Vec<_> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        writeln!(f, "the last {} of {} events:", shown.len(), self.trace.total())?;
        for line in shown {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Runs a scenario in a world made from `seed`, for at most `limit` of simulated time.
///
/// Everything runs in this thread, on a runtime whose time stands still while anything can run; the scenario may use
/// `tokio::task::spawn_local`. The same seed and
/// scenario give the same trace, byte for byte.
///
/// # Errors
/// A [`Failure`] if any task panics (the node's tasks, too), or if the scenario is not done in time.
pub fn run<T>(
    seed: u64,
    config: SimConfig,
    limit: Duration,
    scenario: impl AsyncFnOnce(SimWorld) -> T,
) -> Result<Run<T>, Failure> {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without input and output asks the machine for nothing");
    let world = SimWorld::with_config(seed, config);
    let trace = world.trace().clone();
    panics::watch();
    let clients = LocalSet::new();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        // The limit is made inside, where there is a runtime to count its time.
        clients.block_on(&runtime, async { timeout(limit, scenario(world)).await })
    }));
    // Tasks that still run are dropped here; what they do then belongs to the run and its time.
    {
        let _inside = runtime.enter();
        drop(clients);
    }
    drop(runtime);
    let mut wrong = panics::seen();
    match ended {
        Ok(Ok(outcome)) if wrong.is_empty() => return Ok(Run { outcome, trace }),
        Ok(Ok(_)) => {}
        Ok(Err(_)) => wrong.push(format!("not done after {limit:?} of simulated time")),
        Err(payload) if wrong.is_empty() => wrong.push(panic_text(&*payload)),
        Err(_) => {}
    }
    Err(Failure { seed, what: wrong.join("\n"), trace })
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text").to_owned()
}
