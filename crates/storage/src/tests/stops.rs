//! Operations on a simulated disk, stopped at every call that changes it, by a kill and by a loss of power.
//!
//! Owns when a run is stopped, on which kinds of disk. What is run, and what must hold afterwards, is the run's.

use platform::sim::{DiskConfig, NameOrder, SimDisk};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Kill,
    Power,
}

/// Operations that may be broken off, and a check of what is left.
pub(crate) trait Stoppable: Sized {
    type Op;

    fn new(seed: u64, disk: DiskConfig, durable: bool) -> Self;
    fn disk(&self) -> &SimDisk;
    fn go(&mut self, ops: &[Self::Op]) -> Result<(), Box<dyn std::error::Error>>;
    fn check(&mut self, stop: Stop);
}

/// Runs the operations with a stop at the `halt`-th changing call; `None` once there is no such call any more.
pub(crate) fn stop_at<R: Stoppable>(
    ops: &[R::Op],
    seed: u64,
    disk: DiskConfig,
    durable: bool,
    halt: u64,
    stop: Stop,
) -> Option<R> {
    let mut run = R::new(seed, disk, durable);
    run.disk().halt_after(halt);
    if run.go(ops).is_ok() && run.disk().effects() < halt {
        return None;
    }
    match stop {
        Stop::Kill => run.disk().release_locks(),
        Stop::Power => run.disk().crash(),
    }
    Some(run)
}

/// Stops the operations at each of their calls, and checks what is left.
pub(crate) fn every_stop<R: Stoppable>(ops: &[R::Op], seeds: u64) {
    let kill = [(Stop::Kill, NameOrder::InOrder, 1)];
    let power =
        [NameOrder::Any, NameOrder::InOrder, NameOrder::Journaled].map(|names| (Stop::Power, names, seeds));
    for (stop, names, seeds) in kill.into_iter().chain(power) {
        for (seed, durable) in (0..seeds).flat_map(|seed| [(seed, false), (seed, true)]) {
            let disk = DiskConfig { names, ..DiskConfig::default() };
            let mut halt = 1;
            while let Some(mut run) = stop_at::<R>(ops, seed, disk.clone(), durable, halt, stop) {
                let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.check(stop)));
                assert!(
                    checked.is_ok(),
                    "seed {seed}, durable {durable}, {stop:?} at call {halt}, {names:?}"
                );
                halt += 1;
            }
            assert!(halt > 10, "the operations change the disk");
        }
    }
}
