//! All brokers of one cluster, seen from one client.
//!
//! Owns the connections, the picture of the cluster and when it is renewed. It never knows what requests are for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use platform::{Net, Platform, Rng};
use protocol::metadata_request::MetadataRequestTopic;
use protocol::{ApiKey, ErrorCode, MetadataRequest, MetadataResponse};
use tokio::time::Instant;

use crate::config::ClientConfig;
use crate::connection::Connection;
use crate::error::ClientError;
use crate::metadata::Metadata;
use crate::offline::OfflinePartitions;
use crate::retry::{Retry, backoff};

/// Connections to one broker are kept apart by use: an answer that a broker holds back, as it does with Fetch, holds back
/// all later ones on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Requests that are answered at once, and Produce.
    Prompt,
    /// Fetch.
    Fetch,
    /// Joining a group and staying in it.
    Group,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Address {
    host: String,
    port: u16,
}

/// The place of one connection.
#[derive(Debug, Default)]
struct Slot {
    state: tokio::sync::Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    live: Option<Arc<Connection>>,
    failures: u32,
    not_before: Option<Instant>,
}

/// Which topics a refresh asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topics {
    /// These.
    Named(Vec<String>),
    /// Every topic.
    All,
}

#[derive(Debug, Default)]
struct View {
    metadata: Arc<Metadata>,
    /// When the topics that are known were last seen.
    fetched: BTreeMap<String, Instant>,
    errors: BTreeMap<String, ErrorCode>,
    stale: bool,
}

/// See the module. Shared by all parts of one client.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub config: ClientConfig,
    pub rng: Rng,
    pub offline: OfflinePartitions,
    net: Net,
    slots: Mutex<BTreeMap<(Address, Lane), Arc<Slot>>>,
    view: Mutex<View>,
    refreshing: tokio::sync::Mutex<()>,
}

impl Cluster {
    pub fn new(platform: &Platform, config: ClientConfig) -> Cluster {
        Cluster {
            config,
            rng: platform.rng.clone(),
            offline: OfflinePartitions::default(),
            net: platform.net.clone(),
            slots: Mutex::default(),
            view: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
        }
    }

    fn view(&self) -> std::sync::MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An operation that may take `default.api.timeout.ms`.
    pub fn retry(&self, what: impl Into<String>) -> Retry {
        Retry::new(what, self.config.default_api_timeout, &self.config, &self.rng)
    }

    fn slot(&self, address: &Address, lane: Lane) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // Addresses of brokers that left are dropped when there are many more than brokers.
        if slots.len() > MAX_SLOTS {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.is_live());
        }
        Arc::clone(slots.entry((address.clone(), lane)).or_default())
    }

    /// A connection to this address: the one there is, or a new one after the backoff that earlier failures ask for.
    async fn connect(&self, address: &Address, lane: Lane) -> Result<Arc<Connection>, ClientError> {
        let slot = self.slot(address, lane);
        let mut state = slot.state.lock().await;
        if let Some(live) = state.live.as_ref().filter(|live| live.is_open()) {
            return Ok(Arc::clone(live));
        }
        state.live = None;
        if let Some(not_before) = state.not_before {
            tokio::time::sleep_until(not_before).await;
        }
        match Connection::open(&self.net, &address.host, address.port, &self.config).await {
            Ok(connection) => {
                let connection = Arc::new(connection);
                tracing::debug!(address = connection.address(), "connected");
                *state = SlotState { live: Some(Arc::clone(&connection)), failures: 0, not_before: None };
                Ok(connection)
            }
            Err(error) => {
                let config = &self.config;
                let pause = backoff(
                    config.reconnect_backoff,
                    config.reconnect_backoff_max,
                    state.failures,
                    &self.rng,
                );
                state.failures = state.failures.saturating_add(1);
                state.not_before = Some(Instant::now() + pause);
                tracing::debug!(%error, "connection failed");
                Err(error)
            }
        }
    }

    /// A connection to the broker with this node id.
    pub async fn node(&self, id: i32, lane: Lane) -> Result<Arc<Connection>, ClientError> {
        let address =
            self.view().metadata.brokers.get(&id).map(|b| Address { host: b.host.clone(), port: b.port });
        match address {
            Some(address) => self.connect(&address, lane).await,
            None => Err(ClientError::api(format!("node {id}"), ErrorCode::BROKER_NOT_AVAILABLE, None)),
        }
    }

    /// A connection to a broker that an answer named with its address.
    pub async fn at(&self, host: &str, port: u16, lane: Lane) -> Result<Arc<Connection>, ClientError> {
        self.connect(&Address { host: host.to_owned(), port }, lane).await
    }

    /// A connection to any broker: one that stands, else one of those known, else one to start from.
    pub async fn any(&self) -> Result<Arc<Connection>, ClientError> {
        let mut tried = Vec::new();
        let candidates = self.candidates();
        for address in &candidates {
            let slot = self.slot(address, Lane::Prompt);
            // A slot that is locked is being connected by someone else; it gets its turn below.
            if let Ok(state) = slot.state.try_lock()
                && let Some(live) = state.live.as_ref().filter(|live| live.is_open())
            {
                return Ok(Arc::clone(live));
            }
        }
        for address in &candidates {
            match self.connect(address, Lane::Prompt).await {
                Ok(connection) => return Ok(connection),
                Err(ClientError::Unreachable { address, cause }) => tried.push((address, cause)),
                Err(error) if error.is_retriable() => {
                    tried.push((format!("{}:{}", address.host, address.port), error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Err(ClientError::NoBroker { tried })
    }

    /// Known brokers from a random one on, then the brokers to start from.
    fn candidates(&self) -> Vec<Address> {
        let metadata = Arc::clone(&self.view().metadata);
        let mut found: Vec<_> =
            metadata.brokers.values().map(|b| Address { host: b.host.clone(), port: b.port }).collect();
        if found.len() > 1 {
            let first = self.rng.below(found.len() as u64) as usize;
            found.rotate_left(first);
        }
        for (host, port) in &self.config.bootstrap_servers {
            let address = Address { host: host.clone(), port: *port };
            if !found.contains(&address) {
                found.push(address);
            }
        }
        found
    }

    /// The picture as it is.
    pub fn metadata(&self) -> Arc<Metadata> {
        Arc::clone(&self.view().metadata)
    }

    /// The topics that the last answer had errors for.
    pub fn topic_errors(&self) -> BTreeMap<String, ErrorCode> {
        self.view().errors.clone()
    }

    /// Notes that the picture is wrong somewhere, so that the next question renews it.
    pub fn mark_stale(&self) {
        self.view().stale = true;
    }

    fn is_fresh(&self, names: &[String]) -> bool {
        let view = self.view();
        let young = |name: &String| {
            view.fetched.get(name).is_some_and(|at| at.elapsed() < self.config.metadata_max_age)
        };
        !view.stale && names.iter().all(young)
    }

    /// The picture with these topics in it, fetched now unless it is fresh. One try.
    ///
    /// # Errors
    /// The broker's error for the first topic that cannot be seen.
    pub async fn topics(
        &self,
        names: &[String],
        allow_auto_create: bool,
    ) -> Result<Arc<Metadata>, ClientError> {
        if !self.is_fresh(names) {
            let _turn = self.refreshing.lock().await;
            // Whoever held the turn may have fetched what is wanted here.
            if !self.is_fresh(names) {
                self.refresh(&Topics::Named(self.wanted(names)), allow_auto_create).await?;
            }
        }
        let view = self.view();
        match names.iter().find_map(|name| view.errors.get(name).map(|code| (name, *code))) {
            Some((name, code)) => Err(ClientError::api(name, code, None)),
            None => Ok(Arc::clone(&view.metadata)),
        }
    }

    /// These topics and all those already known, which are renewed along with them.
    fn wanted(&self, names: &[String]) -> Vec<String> {
        let mut wanted: Vec<String> = self.view().fetched.keys().cloned().collect();
        wanted.extend(names.iter().filter(|name| !self.view().fetched.contains_key(*name)).cloned());
        wanted
    }

    /// Fetches the picture now.
    pub async fn refresh(
        &self,
        topics: &Topics,
        allow_auto_create: bool,
    ) -> Result<Arc<Metadata>, ClientError> {
        let connection = self.any().await?;
        let named = match topics {
            Topics::All => None,
            Topics::Named(names) => Some(names.iter().map(|name| MetadataRequestTopic {
                name: Some(name.as_str().into()),
                ..MetadataRequestTopic::default()
            })),
        };
        // From version 4 on a request can say whether topics may be created.
        let version = connection.versions().pick(ApiKey::Metadata, 4, ApiKey::Metadata.max_version())?;
        let request = MetadataRequest {
            topics: named.map(Iterator::collect),
            allow_auto_topic_creation: allow_auto_create,
            ..MetadataRequest::default()
        };
        let response = connection.call_at(&request, version).await?;
        let answer = response.decode::<MetadataResponse<'_>>()?;
        if answer.error_code.is_error() {
            return Err(ClientError::api("metadata", answer.error_code, None));
        }
        let mut view = self.view();
        let mut metadata = Metadata::clone(&view.metadata);
        if *topics == Topics::All {
            metadata.topics.clear();
        }
        let errors = metadata.update(&answer);
        let now = Instant::now();
        if let Topics::Named(names) = topics {
            for name in names {
                if errors.contains_key(name) {
                    view.fetched.remove(name);
                } else {
                    view.fetched.insert(name.clone(), now);
                }
            }
        }
        view.errors = errors;
        view.stale = false;
        view.metadata = Arc::new(metadata);
        Ok(Arc::clone(&view.metadata))
    }
}

/// Slots beyond which those of brokers that left are dropped.
const MAX_SLOTS: usize = 1024;

impl Slot {
    fn is_live(&self) -> bool {
        self.state.try_lock().is_ok_and(|state| state.live.as_ref().is_some_and(|live| live.is_open()))
    }
}
