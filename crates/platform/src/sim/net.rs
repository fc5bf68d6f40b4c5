//! Owns the simulated network: who listens where, which links are cut, and the connections between machines. It
//! never reorders the bytes of a connection; between connections everything may overtake everything.

mod connection;
mod listener;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use connection::Connection;
pub(crate) use connection::SimStream;
pub(crate) use listener::SimListener;
use listener::Waiting;

use super::life::{Incarnation, NodeLife};
use super::{Trace, lock};
use crate::Rng;
use crate::net::BindOptions;

/// How a network behaves.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// The longest ordinary delay of a piece of bytes, ms; a quarter of the pieces arrive at once.
    pub delay_max_ms: u64,
    /// One piece in so many takes up to twenty times longer; 0 is never.
    pub slow_one_in: u64,
    /// Bytes that one direction of a connection holds before the writer has to wait.
    pub buffer_bytes: usize,
    /// One write in so many takes only a part of its bytes; 0 is never.
    pub short_write_one_in: u64,
}

impl Default for NetConfig {
    fn default() -> Self {
        Self { delay_max_ms: 3, slow_one_in: 100, buffer_bytes: 256 * 1024, short_write_one_in: 8 }
    }
}

/// The network as one process sees it, or (from [`super::SimWorld::net`]) as the harness does.
#[derive(Clone)]
pub struct SimNet {
    shared: Arc<Shared>,
    /// The process that calls; `None` for the harness.
    process: Option<Process>,
}

#[derive(Clone)]
struct Process {
    life: Arc<NodeLife>,
    incarnation: Incarnation,
}

struct Shared {
    config: NetConfig,
    trace: Trace,
    state: Mutex<State>,
    /// Wakes whoever waits for a link to heal.
    links_changed: Notify,
}

struct State {
    rng: Rng,
    machines: BTreeMap<IpAddr, Arc<NodeLife>>,
    hosts: BTreeMap<String, IpAddr>,
    listeners: BTreeMap<SocketAddr, Vec<Arc<Waiting>>>,
    connections: BTreeMap<u64, Arc<Connection>>,
    /// Links of which nothing gets from the first address to the second.
    cuts: BTreeSet<(IpAddr, IpAddr)>,
    next_connection: u64,
    next_port: u16,
}

/// Ports that nobody asked for come from here on, as the kernel's ephemeral ports do.
const FIRST_EPHEMERAL_PORT: u16 = 32_768;

/// How often a connect tries again, waiting 1, 2, 4, … s in between, before it gives up: as Linux does.
const CONNECT_RETRIES: u32 = 6;

impl SimNet {
    pub(super) fn new(rng: Rng, config: NetConfig, trace: Trace) -> Self {
        let state = State {
            rng,
            machines: BTreeMap::new(),
            hosts: BTreeMap::new(),
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            cuts: BTreeSet::new(),
            next_connection: 1,
            next_port: FIRST_EPHEMERAL_PORT,
        };
        let state = Mutex::new(state);
        Self {
            shared: Arc::new(Shared { config, trace, state, links_changed: Notify::new() }),
            process: None,
        }
    }

    pub(super) fn for_process(&self, life: Arc<NodeLife>, incarnation: Incarnation) -> Self {
        Self { shared: Arc::clone(&self.shared), process: Some(Process { life, incarnation }) }
    }

    pub(super) fn add_machine(&self, life: Arc<NodeLife>) {
        lock(&self.shared.state).machines.insert(life.ip(), life);
    }

    /// Gives a machine a name for [`crate::Net::connect_host`].
    pub fn name_host(&self, host: &str, ip: IpAddr) {
        lock(&self.shared.state).hosts.insert(host.to_owned(), ip);
    }

    /// Cuts the link in one direction: nothing sent from `from` arrives at `to` until it heals.
    pub fn cut(&self, from: IpAddr, to: IpAddr) {
        self.shared.trace.line(format_args!("net cut {from} -> {to}"));
        let mut state = lock(&self.shared.state);
        state.cuts.insert((from, to));
        for connection in state.connections.values() {
            connection.hold(from, to, true);
        }
    }

    /// Heals a cut link; what was held back arrives from now on.
    pub fn heal(&self, from: IpAddr, to: IpAddr) {
        self.shared.trace.line(format_args!("net heal {from} -> {to}"));
        let mut state = lock(&self.shared.state);
        state.cuts.remove(&(from, to));
        for connection in state.connections.values() {
            connection.hold(from, to, false);
        }
        drop(state);
        self.shared.links_changed.notify_waiters();
    }

    /// Ends all that a machine's dead processes had: closes its listeners and resets its connections.
    pub fn crash_node(&self, ip: IpAddr) {
        for connection in self.forget_node(ip) {
            connection.reset_by(ip);
        }
    }

    /// As [`Self::crash_node`], but a seeded half of the peers hear nothing until the machine is up again.
    pub(super) fn lose_power(&self, ip: IpAddr) {
        let silent = lock(&self.shared.state).rng.fork();
        for connection in self.forget_node(ip) {
            if silent.below(2) == 0 {
                connection.silence(ip);
                lock(&self.shared.state).connections.insert(connection.number, connection);
            } else {
                connection.reset_by(ip);
            }
        }
    }

    /// The reborn machine knows nothing of its old connections and resets them.
    pub(super) fn machine_is_up(&self, ip: IpAddr) {
        let silent = {
            let mut state = lock(&self.shared.state);
            let silent: Vec<_> = state.connections.values().filter(|c| c.is_silent(ip)).cloned().collect();
            for connection in &silent {
                state.connections.remove(&connection.number);
            }
            silent
        };
        for connection in silent {
            connection.reset_by(ip);
        }
    }

    /// Takes the listeners and connections of a machine out of the network, in order of their making.
    fn forget_node(&self, ip: IpAddr) -> Vec<Arc<Connection>> {
        let mut state = lock(&self.shared.state);
        state.listeners.retain(|address, _| address.ip() != ip);
        let touched: Vec<_> = state.connections.values().filter(|c| c.touches(ip)).cloned().collect();
        for connection in &touched {
            state.connections.remove(&connection.number);
        }
        touched
    }

    fn process(&self) -> io::Result<&Process> {
        let missing = || io::Error::other("the harness' network has no address: boot a machine to use it");
        self.process.as_ref().ok_or_else(missing)
    }

    pub(crate) async fn bind(&self, address: SocketAddr, options: BindOptions) -> io::Result<SimListener> {
        let process = self.process()?.clone();
        process.incarnation.freeze_if_dead().await;
        let ip = process.life.ip();
        let mut state = lock(&self.shared.state);
        let mut address = local(address, ip);
        if address.ip() != ip {
            return Err(failed("listen on", &address, io::ErrorKind::AddrNotAvailable));
        }
        if address.port() == 0 {
            address.set_port(state.free_port(ip));
        }
        let listeners = state.listeners.entry(address).or_default();
        if listeners.iter().any(|l| !l.reuse_port || !options.reuse_port) {
            return Err(failed("listen on", &address, io::ErrorKind::AddrInUse));
        }
        let waiting = Arc::new(Waiting::new(address, options));
        listeners.push(Arc::clone(&waiting));
        drop(state);
        self.shared.trace.line(format_args!("net listen {address}"));
        Ok(SimListener::new(self.clone(), process.incarnation, waiting))
    }

    fn unbind(&self, waiting: &Arc<Waiting>) {
        let mut state = lock(&self.shared.state);
        if let Some(listeners) = state.listeners.get_mut(&waiting.address) {
            listeners.retain(|l| !Arc::ptr_eq(l, waiting));
            if listeners.is_empty() {
                state.listeners.remove(&waiting.address);
            }
        }
    }

    pub(crate) async fn connect_host(&self, host: &str, port: u16) -> io::Result<SimStream> {
        let ip = self.resolve(host)?;
        self.connect(SocketAddr::new(ip, port)).await
    }

    pub(crate) fn resolve(&self, host: &str) -> io::Result<IpAddr> {
        match host.parse::<IpAddr>() {
            Ok(ip) => Ok(ip),
            Err(_) if host == "localhost" => Ok(self.process()?.life.ip()),
            Err(_) => {
                let known = lock(&self.shared.state).hosts.get(host).copied();
                known.ok_or_else(|| failed("resolve", &host, io::ErrorKind::NotFound))
            }
        }
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<SimStream> {
        let process = self.process()?;
        let from = process.life.ip();
        let address = local(address, from);
        for attempt in 0..=CONNECT_RETRIES {
            self.travel(from, address.ip()).await;
            process.incarnation.freeze_if_dead().await;
            match self.knock(process, address) {
                Knock::Open(stream) => {
                    self.travel(address.ip(), from).await;
                    process.incarnation.freeze_if_dead().await;
                    return Ok(stream);
                }
                Knock::Refused => {
                    self.shared.trace.line(format_args!("net {from} refused by {address}"));
                    return Err(failed("connect to", &address, io::ErrorKind::ConnectionRefused));
                }
                Knock::NoAnswer => tokio::time::sleep(Duration::from_secs(1 << attempt)).await,
            }
            process.incarnation.freeze_if_dead().await;
        }
        Err(failed("connect to", &address, io::ErrorKind::TimedOut))
    }

    /// Waits as long as a packet needs, and until the link is whole.
    async fn travel(&self, from: IpAddr, to: IpAddr) {
        let due = Instant::now() + self.shared.delay(&lock(&self.shared.state).rng);
        tokio::time::sleep_until(due).await;
        loop {
            let mut changed = std::pin::pin!(self.shared.links_changed.notified());
            changed.as_mut().enable();
            if !lock(&self.shared.state).cuts.contains(&(from, to)) {
                return;
            }
            changed.await;
        }
    }

    /// The first packet of a connection arrives.
    fn knock(&self, process: &Process, address: SocketAddr) -> Knock {
        let from = process.life.ip();
        let mut state = lock(&self.shared.state);
        if state.machines.get(&address.ip()).is_none_or(|m| m.is_powered_off()) {
            return Knock::NoAnswer;
        }
        let Some(listeners) = state.listeners.get(&address).cloned() else { return Knock::Refused };
        let pick = usize::try_from(state.rng.below(listeners.len() as u64)).unwrap_or(0);
        let listener = &listeners[pick];
        if listener.is_full() {
            return Knock::NoAnswer;
        }
        let number = state.next_connection;
        state.next_connection += 1;
        let client = SocketAddr::new(from, state.free_port(from));
        let held = [(from, address.ip()), (address.ip(), from)].map(|link| state.cuts.contains(&link));
        let rng = state.rng.fork();
        let connection = Connection::new(number, [client, address], held, rng, Arc::clone(&self.shared));
        state.connections.insert(number, Arc::clone(&connection));
        drop(state);
        self.shared.trace.line(format_args!("net {number} {client} connects to {address}"));
        listener.arrive(Arc::clone(&connection));
        Knock::Open(SimStream::new(connection, 0, process.incarnation.clone()))
    }
}

/// What the first packet of a connection finds.
enum Knock {
    Open(SimStream),
    Refused,
    /// The machine is off, or its listener has no room.
    NoAnswer,
}

impl fmt::Debug for SimNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some(process) => write!(f, "SimNet({})", process.life.ip()),
            None => f.write_str("SimNet"),
        }
    }
}

impl Shared {
    /// How long a packet travels.
    fn delay(&self, rng: &Rng) -> Duration {
        let longest = self.config.delay_max_ms;
        if rng.one_in(4) || longest == 0 {
            return Duration::ZERO;
        }
        let factor = if rng.one_in(self.config.slow_one_in) { 20 } else { 1 };
        Duration::from_millis(1 + rng.below(longest * factor))
    }

    fn forget(&self, number: u64) {
        lock(&self.state).connections.remove(&number);
    }
}

impl State {
    /// A port of this machine that nobody uses, in turn.
    fn free_port(&mut self, ip: IpAddr) -> u16 {
        loop {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_EPHEMERAL_PORT);
            let address = SocketAddr::new(ip, port);
            let used = self.listeners.contains_key(&address)
                || self.connections.values().any(|c| c.addresses.contains(&address));
            if !used {
                return port;
            }
        }
    }
}

/// The loopback and the unspecified address mean the machine itself.
fn local(address: SocketAddr, ip: IpAddr) -> SocketAddr {
    match address.ip() {
        asked if asked.is_loopback() || asked.is_unspecified() => SocketAddr::new(ip, address.port()),
        _ => address,
    }
}

fn failed(action: &str, address: &dyn fmt::Display, kind: io::ErrorKind) -> io::Error {
    io::Error::new(kind, format!("cannot {action} {address}: {kind}"))
}
