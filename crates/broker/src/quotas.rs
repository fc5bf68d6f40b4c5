//! Client quotas at work: keeps the limits in step with the metadata and counts what clients use.
//!
//! The rules and the arithmetic are the `quota` room's. What no quota is in force for costs one relaxed load. Never
//! holds anybody off itself: handlers say so in their answers, and the connection is not read for that time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use config::BrokerConfig;
use controller::address_of;
use metadata::{ClientQuotaEntity, MetadataImage};
use network::Admission;
use parking_lot::Mutex;
use platform::{Clock, Net};
use quota::{Client, ClientQuota, ConnectionQuota, EntityPart, Limits, MutationQuota, QuotaWindow};
use tokio::sync::Notify;

use crate::context::RequestContext;

/// A share of one thread for one second, in percent, per nanosecond.
const PERCENT_PER_NANOSECOND: f64 = 100.0 / 1e9;
/// The limit that stands for none.
const UNLIMITED_CONNECTIONS: i32 = i32::MAX;

/// What quotas are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaKind {
    /// `producer_byte_rate`.
    Produce,
    /// `consumer_byte_rate`.
    Fetch,
    /// `request_percentage`.
    Request,
    /// `controller_mutation_rate`.
    Mutation,
    /// `connection_creation_rate` of addresses and `max.connection.creation.rate`.
    Connection,
}

impl QuotaKind {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The quotas of a node.
pub struct Quotas {
    clock: Clock,
    /// A bit for each kind that has a limit.
    in_force: AtomicU8,
    produce: Mutex<ClientQuota>,
    fetch: Mutex<ClientQuota>,
    request: Mutex<ClientQuota>,
    pub(crate) mutation: Mutex<MutationQuota>,
    connection: Mutex<ConnectionQuota>,
    addresses: Mutex<AddressLimits>,
    unresolved: Notify,
}

/// Limits on the connections of addresses, as the metadata name them.
#[derive(Debug, Default)]
struct AddressLimits {
    /// By address or host name.
    named: BTreeMap<String, f64>,
    default: Option<f64>,
    /// Addresses of the host names.
    resolved: BTreeMap<String, IpAddr>,
    /// On connections from everywhere together.
    all: Option<f64>,
}

impl Quotas {
    /// No limits yet.
    #[must_use]
    pub fn new(config: &config::QuotaConfig, clock: Clock) -> Self {
        let window = QuotaWindow::new(config.quota_window_num, config.quota_window_size_seconds);
        let mutations =
            QuotaWindow::new(config.controller_quota_window_num, config.controller_quota_window_size_seconds);
        Self {
            clock,
            in_force: AtomicU8::new(0),
            produce: Mutex::new(ClientQuota::new(window)),
            fetch: Mutex::new(ClientQuota::new(window)),
            request: Mutex::new(ClientQuota::bounded(window)),
            mutation: Mutex::new(MutationQuota::new(mutations)),
            connection: Mutex::new(ConnectionQuota::new(window)),
            addresses: Mutex::default(),
            unresolved: Notify::new(),
        }
    }

    /// Brings the limits in line with the metadata.
    pub fn apply(&self, image: &MetadataImage, config: &BrokerConfig) {
        let limits = |key| limits_of(image, key);
        self.put(QuotaKind::Produce, limits("producer_byte_rate"), |l| self.produce.lock().set_limits(l));
        self.put(QuotaKind::Fetch, limits("consumer_byte_rate"), |l| self.fetch.lock().set_limits(l));
        self.put(QuotaKind::Request, limits("request_percentage"), |l| self.request.lock().set_limits(l));
        self.put(QuotaKind::Mutation, limits("controller_mutation_rate"), |l| {
            self.mutation.lock().set_limits(l);
        });
        let mut addresses = self.addresses.lock();
        (addresses.named, addresses.default) = address_limits(image);
        let all = config.connection.max_connection_creation_rate;
        addresses.all = (all != UNLIMITED_CONNECTIONS).then_some(f64::from(all));
        self.put_addresses(&addresses);
        if !addresses.unresolved().is_empty() {
            self.unresolved.notify_one();
        }
    }

    /// Says whether any limit of a kind is in force.
    #[must_use]
    pub fn has(&self, kind: QuotaKind) -> bool {
        self.in_force.load(Ordering::Relaxed) & kind.bit() != 0
    }

    /// Says whether requests have to be looked at one by one.
    #[must_use]
    pub fn throttles_requests(&self) -> bool {
        let kinds = QuotaKind::Produce.bit() | QuotaKind::Fetch.bit() | QuotaKind::Request.bit();
        self.in_force.load(Ordering::Relaxed) & kinds != 0
    }

    /// Counts a produce request of so many bytes; gives the milliseconds to hold the client off.
    #[must_use]
    pub fn record_produce(&self, ctx: &RequestContext<'_>, bytes: usize) -> i32 {
        if !self.has(QuotaKind::Produce) {
            return 0;
        }
        self.produce.lock().record(client(ctx), bytes as f64, self.clock.wall_ms())
    }

    /// Counts a fetch response of so many bytes; gives the milliseconds to hold the client off.
    #[must_use]
    pub fn record_fetch(&self, ctx: &RequestContext<'_>, bytes: usize) -> i32 {
        if !self.has(QuotaKind::Fetch) {
            return 0;
        }
        self.fetch.lock().record(client(ctx), bytes as f64, self.clock.wall_ms())
    }

    /// Takes back a fetch response that is not sent.
    pub fn unrecord_fetch(&self, ctx: &RequestContext<'_>, bytes: usize) {
        if self.has(QuotaKind::Fetch) {
            self.fetch.lock().note(client(ctx), -(bytes as f64), self.clock.wall_ms());
        }
    }

    /// Most bytes that one fetch of a client may give without being held off for certain.
    #[must_use]
    pub fn fetch_bytes_max(&self, ctx: &RequestContext<'_>) -> Option<usize> {
        if !self.has(QuotaKind::Fetch) {
            return None;
        }
        self.fetch.lock().value_max(client(ctx)).map(|bytes| bytes as usize)
    }

    /// Counts the time that a request took of a thread; gives the milliseconds to hold the client off.
    #[must_use]
    pub fn record_request(&self, ctx: &RequestContext<'_>, spent: Duration) -> i32 {
        if !self.has(QuotaKind::Request) {
            return 0;
        }
        self.request.lock().record(client(ctx), percent(spent), self.clock.wall_ms())
    }

    /// Counts time that is spent after the client was told how long it is held off.
    pub fn note_request(&self, ctx: &RequestContext<'_>, spent: Duration) {
        if self.has(QuotaKind::Request) {
            self.request.lock().note(client(ctx), percent(spent), self.clock.wall_ms());
        }
    }

    /// Decides on a new connection; waits if connections from everywhere together come too fast.
    pub async fn admit(&self, is_exempt: bool, peer: IpAddr) -> Admission {
        if !self.has(QuotaKind::Connection) {
            return Admission::Open;
        }
        if !is_exempt {
            let wait_ms = self.connection.lock().count(self.clock.wall_ms());
            if wait_ms > 0 {
                tokio::time::sleep(millis(wait_ms)).await;
            }
        }
        let now_ms = self.clock.wall_ms();
        let mut connection = self.connection.lock();
        match connection.connect(peer, now_ms) {
            0 => Admission::Open,
            hold_ms => {
                if !is_exempt {
                    connection.uncount(now_ms);
                }
                Admission::Hold(millis(hold_ms))
            }
        }
    }

    /// Finds the addresses of hosts that quotas name. Runs until dropped.
    pub async fn resolve_hosts(&self, net: &Net) {
        loop {
            self.unresolved.notified().await;
            let hosts = self.addresses.lock().unresolved();
            for host in hosts {
                match net.resolve(&host).await {
                    Ok(ip) => {
                        let mut addresses = self.addresses.lock();
                        addresses.resolved.insert(host, ip);
                        self.put_addresses(&addresses);
                    }
                    Err(error) => {
                        tracing::warn!(host, %error, "a connection quota names a host that nobody knows");
                    }
                }
            }
        }
    }

    fn put(&self, kind: QuotaKind, limits: Limits, set: impl FnOnce(Limits)) {
        let is_empty = limits.is_empty();
        set(limits);
        self.mark(kind, !is_empty);
    }

    fn put_addresses(&self, addresses: &AddressLimits) {
        let mut connection = self.connection.lock();
        connection.set_limits(addresses.by_ip(), addresses.default);
        connection.set_limit_of_all(addresses.all);
        self.mark(QuotaKind::Connection, addresses.has_limits());
    }

    fn mark(&self, kind: QuotaKind, is_in_force: bool) {
        if is_in_force {
            self.in_force.fetch_or(kind.bit(), Ordering::Relaxed);
        } else {
            self.in_force.fetch_and(!kind.bit(), Ordering::Relaxed);
        }
    }
}

impl AddressLimits {
    fn has_limits(&self) -> bool {
        !self.named.is_empty() || self.default.is_some() || self.all.is_some()
    }

    fn by_ip(&self) -> BTreeMap<IpAddr, f64> {
        let limits = self.named.iter().filter_map(|(name, bound)| {
            let ip = address_of(name).or_else(|| self.resolved.get(name).copied())?;
            Some((ip.to_canonical(), *bound))
        });
        limits.collect()
    }

    fn unresolved(&self) -> BTreeSet<String> {
        let names = self.named.keys().filter(|name| address_of(name).is_none());
        names.filter(|name| !self.resolved.contains_key(*name)).cloned().collect()
    }
}

fn limits_of(image: &MetadataImage, key: &str) -> Limits {
    let mut limits = Limits::default();
    for (entity, quotas) in image.client_quotas().iter() {
        if let Some(bound) = quotas.get(key) {
            limits.set(part(entity, "user"), part(entity, "client-id"), *bound);
        }
    }
    limits
}

fn part<'a>(entity: &'a ClientQuotaEntity, entity_type: &str) -> EntityPart<'a> {
    match entity.get(entity_type) {
        None => EntityPart::Absent,
        Some(None) => EntityPart::Default,
        Some(Some(name)) => EntityPart::Name(name),
    }
}

/// The limits on addresses by name, and the one for all others.
fn address_limits(image: &MetadataImage) -> (BTreeMap<String, f64>, Option<f64>) {
    let mut named = BTreeMap::new();
    let mut default = None;
    for (entity, quotas) in image.client_quotas().iter() {
        let bound = quotas.get("connection_creation_rate").copied();
        let bound = bound.filter(|bound| *bound < f64::from(UNLIMITED_CONNECTIONS));
        match (entity.get("ip"), bound) {
            (Some(Some(name)), Some(bound)) => _ = named.insert(name.clone(), bound.trunc()),
            (Some(None), Some(bound)) => default = Some(bound.trunc()),
            _ => {}
        }
    }
    (named, default)
}

fn client<'a>(ctx: &RequestContext<'a>) -> Client<'a> {
    Client { user: ctx.user, client_id: ctx.client_id }
}

fn percent(spent: Duration) -> f64 {
    spent.as_nanos() as f64 * PERCENT_PER_NANOSECOND
}

/// A throttle time as the network takes it.
pub(crate) fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
