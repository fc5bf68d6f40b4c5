//! Owns the simulated half: a world of machines whose disks, network, clocks and random numbers all follow from one
//! seed. It runs no task of its own: it is polled by the nodes and ruled by the harness that holds [`SimWorld`].
//!
//! Deterministic when everything runs in one current-thread tokio runtime with paused time. The types are
//! nevertheless `Send + Sync`, because the real half's are.

mod blocking;
mod clock;
mod disk;
mod life;
mod net;
mod trace;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use blocking::SimBlocking;
pub(crate) use clock::SimClock;
pub use disk::{DiskAction, DiskConfig, DiskErrno, DiskFault, NameOrder, SimDisk};
use life::NodeLife;
pub use net::{NetConfig, SimNet};
pub(crate) use net::{SimListener, SimStream};
pub use trace::Trace;

use crate::{Blocking, Clock, Net, Platform, Rng};

/// How a world behaves. The defaults are a lively but honest machine room.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Wall-clock time at the start, ms since the epoch.
    pub base_wall_ms: i64,
    /// Behaviour of the disks.
    pub disk: DiskConfig,
    /// Behaviour of the network.
    pub net: NetConfig,
    /// The longest time, ms, that a call of the blocking pool waits before and after it runs; 0 runs it at once.
    pub blocking_delay_max_ms: u64,
    /// Lines of trace kept; older ones are dropped but stay in the digest.
    pub trace_lines: usize,
    /// Events after which the world panics: a run in which no time passes would otherwise never end.
    pub events_max: u64,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            // 2026-01-01T00:00:00Z: recent enough that timestamp checks behave as they will in production.
            base_wall_ms: 1_767_225_600_000,
            disk: DiskConfig::default(),
            net: NetConfig::default(),
            blocking_delay_max_ms: 5,
            trace_lines: 1 << 18,
            events_max: 10_000_000,
        }
    }
}

/// All machines of a simulation. Clones share the world. One machine per IP address; a machine's disk outlives its
/// processes.
#[derive(Clone)]
pub struct SimWorld {
    inner: Arc<Inner>,
}

struct Inner {
    seed: u64,
    config: SimConfig,
    clock: SimClock,
    trace: Trace,
    net: SimNet,
    machines: Mutex<BTreeMap<IpAddr, Machine>>,
}

#[derive(Clone)]
struct Machine {
    life: Arc<NodeLife>,
    disk: SimDisk,
    clock: SimClock,
}

impl SimWorld {
    /// A world with the default behaviour.
    pub fn new(seed: u64) -> Self {
        Self::with_config(seed, SimConfig::default())
    }

    /// A world with a chosen behaviour. Its time starts when something first asks for the time.
    pub fn with_config(seed: u64, config: SimConfig) -> Self {
        let clock = SimClock::new(config.base_wall_ms);
        let trace = Trace::new(config.trace_lines, config.events_max, clock.clone());
        let net = SimNet::new(stream(seed, "net"), config.net.clone(), trace.clone());
        let machines = Mutex::new(BTreeMap::new());
        Self { inner: Arc::new(Inner { seed, config, clock, trace, net, machines }) }
    }

    /// Starts a process on a machine (made if it does not exist) and gives it what it may ask of the machine. Two
    /// processes may run on one machine: they share its disk and addresses and die together.
    ///
    /// After [`Self::kill`] or [`Self::power_off`] what the dead process still holds is inert: its disk calls
    /// fail, its network and blocking calls never return.
    pub fn boot(&self, ip: IpAddr) -> Platform {
        let machine = self.machine(ip);
        let incarnation = machine.life.boot();
        self.inner.net.machine_is_up(ip);
        let number = incarnation.number();
        self.inner.trace.line(format_args!("{ip} boot {number}"));
        let name = format!("{ip}/{number}");
        let rng = stream(self.inner.seed, &name);
        let delays = rng.fork();
        Platform {
            clock: Clock::sim(machine.clock.clone()),
            disk: Arc::new(machine.disk.for_process(&incarnation)),
            net: Net::Sim(self.inner.net.for_process(Arc::clone(&machine.life), incarnation.clone())),
            rng,
            blocking: Blocking::sim(SimBlocking::new(
                delays,
                self.inner.config.blocking_delay_max_ms,
                incarnation,
            )),
        }
    }

    /// Ends the machine's processes as `kill -9` does: what they wrote stays, connections are reset, locks are
    /// given back.
    pub fn kill(&self, ip: IpAddr) {
        self.inner.trace.line(format_args!("{ip} kill"));
        let machine = self.machine(ip);
        machine.life.stop(false);
        machine.disk.release_locks();
        self.inner.net.crash_node(ip);
    }

    /// Cuts the machine's power: of what was not synced, a seeded legal part stays; peers see their connections
    /// reset at once or, for some, only after the machine is up again.
    pub fn power_off(&self, ip: IpAddr) {
        self.inner.trace.line(format_args!("{ip} power off"));
        let machine = self.machine(ip);
        machine.life.stop(true);
        machine.disk.crash();
        self.inner.net.lose_power(ip);
    }

    /// Whether the machine has a living process; false before the first boot.
    pub fn is_up(&self, ip: IpAddr) -> bool {
        self.machine(ip).life.is_up()
    }

    /// Waits until the machine's processes are dead, for example by [`SimDisk::halt_after`].
    pub async fn down(&self, ip: IpAddr) {
        let life = self.machine(ip).life;
        life.down().await;
    }

    /// The machine's disk as the harness sees it: usable whatever happens to the machine's processes.
    pub fn disk(&self, ip: IpAddr) -> SimDisk {
        self.machine(ip).disk
    }

    /// The network as the harness sees it, to cut and heal links.
    pub fn net(&self) -> &SimNet {
        &self.inner.net
    }

    /// Moves the machine's wall clock by `ms` (either direction) against the world's.
    pub fn jump_clock(&self, ip: IpAddr, ms: i64) {
        self.inner.trace.line(format_args!("{ip} clock jumps {ms} ms"));
        self.machine(ip).clock.jump(ms);
    }

    /// A stream of random numbers for one purpose of the harness. Equal names give equal streams; streams do not
    /// shift each other.
    pub fn rng(&self, purpose: &str) -> Rng {
        stream(self.inner.seed, purpose)
    }

    /// The trace of all that happened so far.
    pub fn trace(&self) -> &Trace {
        &self.inner.trace
    }

    /// The seed of this world.
    pub fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// The world's wall clock, before any machine's jump, ms since the epoch.
    pub fn wall_ms(&self) -> i64 {
        self.inner.clock.wall_ms()
    }

    fn machine(&self, ip: IpAddr) -> Machine {
        let mut machines = lock(&self.inner.machines);
        let inner = &self.inner;
        let made = machines.entry(ip).or_insert_with(|| {
            let life = Arc::new(NodeLife::new(ip));
            let rng = stream(inner.seed, &format!("disk/{ip}"));
            let trace = Some(inner.trace.clone());
            let disk = SimDisk::on_machine(rng, inner.config.disk.clone(), Arc::clone(&life), trace);
            inner.net.add_machine(Arc::clone(&life));
            Machine { life, disk, clock: inner.clock.machine() }
        });
        made.clone()
    }
}

impl Platform {
    /// One simulated machine (10.0.0.1) with one process, for tests that need no world. Its blocking pool runs calls
    /// at once, so that it works without a timer.
    pub fn sim(seed: u64) -> Self {
        let config = SimConfig { blocking_delay_max_ms: 0, ..SimConfig::default() };
        SimWorld::with_config(seed, config).boot(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)))
    }
}

/// Derives the independent stream of one purpose: removing a use of one stream does not shift the others.
fn stream(seed: u64, purpose: &str) -> Rng {
    Rng::seeded(trace::hash(trace::hash(trace::HASH_START, &seed.to_le_bytes()), purpose.as_bytes()))
}

/// A simulation's mutex protects plain data: after a panic elsewhere it is still the best description there is.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
