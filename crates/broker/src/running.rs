//! Starting and stopping a node, in the order that loses nothing.
//!
//! Up: lock and open the log directory, bind the listeners (a taken port is known before anything is written), elect
//! the controller and load its metadata, bring up the partitions, register the broker, load the groups, accept.
//! Down: refuse new work with errors that clients retry, answer what is under way, close the logs, write the clean
//! marker.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use config::BrokerConfig;
use group_coordinator::{DeletedTopic, GroupCoordinatorConfig};
use metadata::{MetadataDelta, MetadataImage};
use network::Listeners;
use platform::{Listener, Platform};
use protocol::Uuid;
use storage::{LogConfig, LogDir, LogDirConfig, RecoveryReport, StorageError, UnifiedLog};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client_telemetry::ClientTelemetry;
use crate::controller_task::{
    self, ControllerError, ControllerSettings, ControllerTask, LocalBroker, MetadataPublisher,
    StartedController,
};
use crate::coordinator_task::{self, GroupCoordinatorHandle};
use crate::current_config::CurrentConfig;
use crate::fetch_sessions::FetchSessions;
use crate::housekeeping::Housekeeping;
use crate::listening::{self, Bound};
use crate::local_partitions::LocalPartitions;
use crate::loggers::Loggers;
use crate::metrics_endpoint::MetricsEndpoint;
use crate::node::Node;
use crate::offsets_partitions::OffsetsPartitions;
use crate::partitions::Partitions;
use crate::quotas::Quotas;

/// How long a stop waits for requests under way before it closes their connections.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Logs closed at the same time: their flushes share the file system's commits.
const CLOSING_COUNT: usize = 4;

/// Why a node did not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration asks for what this node cannot do.
    #[error("{0}")]
    Config(String),
    /// The log directory.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A listener's address cannot be bound.
    #[error("cannot listen on {address} for listener {listener}: {source}")]
    Bind {
        /// Listener name.
        listener: String,
        /// The address.
        address: SocketAddr,
        /// What the machine says.
        source: std::io::Error,
    },
    /// The metadata log or the controller.
    #[error(transparent)]
    Controller(#[from] ControllerError),
}

/// A node that serves. Dropping it is a kill: nothing more is written.
pub struct RunningNode {
    node: Arc<Node>,
    listeners: Arc<Listeners<Node>>,
    addresses: Vec<(Arc<str>, SocketAddr)>,
    metrics_address: Option<SocketAddr>,
    recovery: RecoveryReport,
    broker_epoch: i64,
    tasks: JoinSet<()>,
    fault: watch::Receiver<Option<String>>,
}

impl RunningNode {
    /// Starts a node. Connections are spread over `runtimes`; with none given, everything runs on the caller's.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left behind but what was formatted.
    pub async fn start(
        platform: Platform,
        config: BrokerConfig,
        runtimes: Vec<Handle>,
    ) -> Result<Self, StartError> {
        Self::start_with_loggers(platform, config, runtimes, Arc::new(Loggers::silent())).await
    }

    /// As [`RunningNode::start`], with loggers whose levels clients may change.
    ///
    /// # Errors
    /// As there.
    pub async fn start_with_loggers(
        platform: Platform,
        config: BrokerConfig,
        runtimes: Vec<Handle>,
        loggers: Arc<Loggers>,
    ) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let (log_dir, recovery) = open_log_dir(&platform, &config).await?;
        let stopping = Arc::new(AtomicBool::new(false));
        let bound = listening::bind_all(&platform.net, &config).await?;
        let metrics_listener = listening::bind_metrics(&platform.net, &config).await?;
        let metrics_address = metrics_listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let addresses = bound.iter().map(|bound| (bound.name.clone(), bound.address)).collect();
        let settings = controller_settings(&config, &log_dir, &recovery, &bound);
        let StartedController { handle: controller, image, broker_epoch, task } =
            controller_task::start(&platform, settings).await?;

        let partitions = Arc::new(Partitions::default());
        let current_config = Arc::new(CurrentConfig::new(config.clone(), &image.load()));
        let local = LocalPartitions {
            node_id: config.node_id,
            platform: platform.clone(),
            config: current_config.clone(),
            log_dir: log_dir.clone(),
            partitions: partitions.clone(),
        };
        local.load(&image.load());
        let published = Arc::new(ArcSwap::new(image.load_full()));
        let groups = start_groups(&platform, &config, &partitions, &published);
        let mut tasks = JoinSet::new();
        let (fault_sender, fault) = watch::channel(None);
        let client_telemetry =
            start_telemetry(&platform, &config, metrics_listener, &image.load(), &mut tasks);
        let quotas = start_quotas(&platform, &current_config.load(), &image.load(), &mut tasks);
        let publisher = Publisher {
            config: current_config.clone(),
            local,
            published,
            groups: groups.clone(),
            quotas: quotas.clone(),
            client_telemetry: client_telemetry.clone(),
        };
        let publisher = Arc::new(publisher);
        tasks.spawn(run_controller(task, publisher, fault_sender));
        let housekeeping = Housekeeping {
            platform: platform.clone(),
            config: config.clone(),
            partitions: partitions.clone(),
            log_dir: log_dir.clone(),
        };
        tasks.spawn(housekeeping.run());
        let slots = config.max_incremental_fetch_session_cache_slots;
        let node = Arc::new(Node {
            fetch_sessions: FetchSessions::new(usize::try_from(slots).unwrap_or(0)),
            node_id: config.node_id,
            cluster_id: log_dir.meta().cluster_id.as_str().into(),
            platform,
            image,
            partitions,
            controller,
            groups,
            client_telemetry,
            quotas,
            log_dir,
            stopping,
            config: config.clone(),
            current_config,
            loggers,
        });
        let listener_config = listening::listener_config(&node.platform.net, &config).await;
        let listeners = Arc::new(Listeners::new(node.clone(), listener_config, runtimes));
        tasks.spawn(listening::follow(node.clone(), Arc::downgrade(&listeners)));
        for bound in bound {
            listeners.accept(bound.listener, bound.name);
        }
        Ok(Self { node, listeners, addresses, metrics_address, recovery, broker_epoch, tasks, fault })
    }

    /// Where the node listens, by listener name.
    #[must_use]
    pub fn addresses(&self) -> &[(Arc<str>, SocketAddr)] {
        &self.addresses
    }

    /// Where metrics can be read, if anywhere.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// The cluster's id.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.node.cluster_id
    }

    /// What the start found on disk.
    #[must_use]
    pub fn recovery(&self) -> &RecoveryReport {
        &self.recovery
    }

    /// Waits until the node cannot go on, and says why: its owner is to drop it and end the process.
    pub async fn failed(&self) -> String {
        let mut fault = self.fault.clone();
        let failed = fault.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        match failed {
            Some(reason) => reason,
            None => std::future::pending().await,
        }
    }

    /// Stops in order: nothing acknowledged is lost, and the next start need not recover.
    pub async fn stop(mut self) {
        self.node.stopping.store(true, Ordering::Relaxed);
        self.listeners.stop_accepting().await;
        self.node.partitions.load().all().for_each(|partition| partition.waiters().wake_all());
        self.node.groups.shut_down().await;
        if let Err(error) = self.node.controller.controlled_shutdown().await {
            tracing::warn!(error = error.code.name(), "the controller could not be told of the stop");
        }
        self.listeners.drain(DRAIN_LIMIT).await;
        let closed = self.close_logs().await;
        self.node.controller.stop().await;
        self.tasks.shutdown().await;
        self.end_of_writes().await;
        if closed {
            let (dir, epoch) = (self.node.log_dir.clone(), self.broker_epoch);
            match self.node.platform.blocking.run(move || dir.close_clean(Some(epoch))).await {
                Ok(true) => {}
                Ok(false) => tracing::warn!("not every log is durable: the next start will recover"),
                Err(error) => {
                    tracing::error!(%error, "the clean marker could not be written: the next start will recover")
                }
            }
        }
    }

    /// Ends everything on the spot, as a kill of the process would, and returns when no task is left.
    pub async fn kill(mut self) {
        self.listeners.abort().await;
        self.tasks.shutdown().await;
        self.end_of_writes().await;
    }

    /// Groups of the write-ahead log that are on their way arrive.
    async fn end_of_writes(&self) {
        let end = tokio::time::Instant::now() + DRAIN_LIMIT;
        while self.node.log_dir.is_wal_writing() && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Closes the logs of all partitions, several at a time; says whether all are durable.
    async fn close_logs(&self) -> bool {
        let partitions: Vec<_> = self.node.partitions.load().all().cloned().collect();
        let mut shares: Vec<Vec<UnifiedLog>> = (0..CLOSING_COUNT).map(|_| Vec::new()).collect();
        let logs = partitions.iter().filter_map(|partition| partition.close());
        logs.enumerate().for_each(|(number, log)| shares[number % CLOSING_COUNT].push(log));
        let mut closing = JoinSet::new();
        for share in shares {
            let blocking = self.node.platform.blocking.clone();
            closing.spawn(async move { blocking.run(move || close_all(share)).await });
        }
        closing.join_all().await.into_iter().all(|durable| durable)
    }
}

/// Closes logs one after the other; says whether all are durable.
fn close_all(logs: Vec<UnifiedLog>) -> bool {
    let mut all_durable = true;
    for mut log in logs {
        let closed = log.close().and_then(|ticket| {
            if let Some(ticket) = ticket {
                ticket.run()?;
                log.mark_durable(&ticket);
            }
            Ok(())
        });
        if let Err(error) = closed {
            tracing::error!(log = log.view().name(), %error, "a log could not be closed: the next start will recover");
            all_durable = false;
        }
    }
    all_durable
}

/// Hands metadata to the partitions first, then tells the groups.
struct Publisher {
    config: Arc<CurrentConfig>,
    local: LocalPartitions,
    published: Arc<ArcSwap<MetadataImage>>,
    groups: GroupCoordinatorHandle,
    quotas: Arc<Quotas>,
    client_telemetry: Arc<ClientTelemetry>,
}

impl MetadataPublisher for Publisher {
    fn publish(&self, image: &Arc<MetadataImage>, delta: &MetadataDelta) {
        let is_config_changed = self.config.apply(image, delta);
        self.local.apply(image, delta);
        let are_quotas_changed = !std::ptr::eq(delta.base().client_quotas(), image.client_quotas());
        if are_quotas_changed || is_config_changed {
            self.quotas.apply(image, &self.config.load());
        }
        self.client_telemetry.apply(image, delta.changed_configs());
        self.published.store(image.clone());
        let deleted = delta.deleted_topics();
        let deleted = deleted.map(|topic| DeletedTopic { id: topic.id(), name: topic.name().to_owned() });
        self.groups.metadata_changed(deleted.collect());
    }
}

/// Runs the controller to its end, and says why if that is a fault.
async fn run_controller(
    task: ControllerTask,
    publisher: Arc<Publisher>,
    fault: watch::Sender<Option<String>>,
) {
    if let Err(error) = task.run(publisher).await {
        tracing::error!(%error, "the controller has failed");
        fault.send_replace(Some(error.to_string()));
    } else {
        // The sender lives as long as the node, so that nobody takes an orderly end for a fault.
        fault.closed().await;
    }
}

fn start_telemetry(
    platform: &Platform,
    config: &BrokerConfig,
    listener: Option<Listener>,
    image: &MetadataImage,
    tasks: &mut JoinSet<()>,
) -> Arc<ClientTelemetry> {
    let telemetry = Arc::new(ClientTelemetry::new(config.telemetry_max_bytes, listener.is_some()));
    telemetry.apply(image, image.configs().iter().map(|(resource, _)| resource));
    if let Some(listener) = listener {
        let clock = platform.clock.clone();
        tasks.spawn(MetricsEndpoint { listener, telemetry: telemetry.clone(), clock }.run());
    }
    telemetry
}

fn start_quotas(
    platform: &Platform,
    config: &BrokerConfig,
    image: &MetadataImage,
    tasks: &mut JoinSet<()>,
) -> Arc<Quotas> {
    let quotas = Arc::new(Quotas::new(&config.quota, platform.clock.clone()));
    quotas.apply(image, config);
    let (resolving, net) = (quotas.clone(), platform.net.clone());
    tasks.spawn(async move { resolving.resolve_hosts(&net).await });
    quotas
}

fn start_groups(
    platform: &Platform,
    config: &BrokerConfig,
    partitions: &Arc<Partitions>,
    published: &Arc<ArcSwap<MetadataImage>>,
) -> GroupCoordinatorHandle {
    let offsets = OffsetsPartitions {
        partitions: partitions.clone(),
        image: published.clone(),
        clock: platform.clock.clone(),
    };
    let settings = GroupCoordinatorConfig::from(&config.group);
    let groups = coordinator_task::start(Arc::new(offsets), &platform.clock, platform.rng.clone(), settings);
    groups.metadata_changed(Vec::new());
    groups
}

fn controller_settings(
    config: &Arc<BrokerConfig>,
    log_dir: &Arc<LogDir>,
    recovery: &RecoveryReport,
    bound: &[Bound],
) -> ControllerSettings {
    let directory_id = log_dir.meta().directory_id.unwrap_or(Uuid::ZERO);
    // A listener on port 0 has no address before it is opened.
    let controller_endpoints = config.advertised_controller_listeners.iter().filter(|told| told.port != 0);
    ControllerSettings {
        cluster_id: log_dir.meta().cluster_id.clone(),
        config: config.clone(),
        log_dir: log_dir.clone(),
        directory_id,
        controller_endpoints: controller_endpoints.map(listening::controller_endpoint).collect(),
        broker: LocalBroker {
            endpoints: bound.iter().map(|bound| bound.advertised(config)).collect(),
            directory_ids: vec![directory_id],
            previous_broker_epoch: recovery.previous_broker_epoch,
        },
    }
}

async fn open_log_dir(
    platform: &Platform,
    config: &Arc<BrokerConfig>,
) -> Result<(Arc<LogDir>, RecoveryReport), StartError> {
    let [path] = config.log_dir.log_dirs.as_slice() else {
        return Err(StartError::Config(
            "several directories in log.dirs are not served yet; name one".into(),
        ));
    };
    let path = PathBuf::from(path);
    let expiration_ms = config.transaction.producer_id_expiration_ms.into();
    let options = LogDirConfig {
        format: Some(Uuid(platform.rng.uuid_bytes()).to_string()),
        log_config: Arc::new(LogConfig::new(&config.topic_defaults, expiration_ms)),
        ..LogDirConfig::new(config.node_id)
    };
    let machine = platform.clone();
    let now_ms = platform.clock.wall_ms();
    let open = move || LogDir::open(&machine, &path, &options, now_ms);
    let (dir, recovery) = platform.blocking.run(open).await?;
    Ok((Arc::new(dir), recovery))
}
