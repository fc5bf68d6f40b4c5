//! Starting and stopping a node, in the order that loses nothing.
//!
//! Up: lock and open the log directory, bind the listeners (a taken port is known before anything is written), elect
//! the controller and load its metadata, bring up the partitions, register the broker, load the groups, accept.
//! Down: refuse new work with errors that clients retry, answer what is under way, close the logs, write the clean
//! marker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use config::BrokerConfig;
use group_coordinator::{DeletedTopic, GroupCoordinatorConfig};
use metadata::{MetadataDelta, MetadataImage};
use network::Listeners;
use platform::{Listener, Platform};
use protocol::ErrorCode;
use storage::{FailureListener, Formatting, LogDirs, RecoveryReport, StorageError, UnifiedLog};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::client_telemetry::ClientTelemetry;
use crate::controller_task::{
    self, ControllerError, ControllerSettings, ControllerTask, LocalBroker, MetadataPublisher,
    StartedController,
};
use crate::coordinator_task::{self, GroupCoordinatorHandle, OffsetsLogConfig};
use crate::current_config::CurrentConfig;
use crate::directory_failures::{self, DirectoryFailures};
use crate::fetch_sessions::FetchSessions;
use crate::found::{self, Found};
use crate::housekeeping::Housekeeping;
use crate::listening::{self, Bound};
use crate::local_partitions::LocalPartitions;
use crate::log_cleaner::LogCleaner;
use crate::log_directories;
use crate::loggers::Loggers;
use crate::metrics_endpoint::MetricsEndpoint;
use crate::node::Node;
use crate::offsets_partitions::OffsetsPartitions;
use crate::partitions::Partitions;
use crate::quotas::Quotas;
use crate::recovery_watch::RecoveryWatcher;
use crate::replicas::Replicas;
use crate::scrubber::Scrubber;
use crate::takeover::{self, Refusal};

/// How long a stop waits for requests under way before it closes their connections.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Why a node did not start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration asks for what this node cannot do.
    #[error("{0}")]
    Config(String),
    /// The directories are not for this version to take over. Nothing in them was touched.
    #[error("{0}")]
    Refused(Refusal),
    /// The log directories.
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
    /// The node was not ready in time.
    #[error(
        "the node was not ready after {time_ms} ms; a start that has much to recover needs a longer \
         server.max.startup.time.ms"
    )]
    TooSlow {
        /// `server.max.startup.time.ms`.
        time_ms: i64,
    },
}

/// What a program may choose about a node, beside its configuration.
pub struct StartOptions {
    /// Where connections are served; with none given, on the caller's runtime.
    pub runtimes: Vec<Handle>,
    /// Loggers whose levels clients may change.
    pub loggers: Arc<Loggers>,
    /// Which log directories without an owner are formatted.
    pub formatting: Formatting,
    /// Who shows how far a start is that takes long; nobody leaves it to the log.
    pub watcher: Option<Arc<dyn RecoveryWatcher>>,
}

impl Default for StartOptions {
    fn default() -> Self {
        let loggers = Arc::new(Loggers::silent());
        Self { runtimes: Vec::new(), loggers, formatting: Formatting::NewNode, watcher: None }
    }
}

/// A node that serves. Dropping it is a kill: nothing more is written.
pub struct RunningNode {
    node: Arc<Node>,
    listeners: Arc<Listeners<Node>>,
    addresses: Vec<(Arc<str>, SocketAddr)>,
    metrics_address: Option<SocketAddr>,
    recovery: RecoveryReport,
    found: Option<Found>,
    broker_epoch: i64,
    tasks: JoinSet<()>,
    fault: watch::Receiver<Option<String>>,
}

impl RunningNode {
    /// Starts a node that formats its directories if it is new. Connections are spread over `runtimes`; with none given,
    /// everything runs on the caller's.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left behind but what was formatted.
    pub async fn start(
        platform: Platform,
        config: BrokerConfig,
        runtimes: Vec<Handle>,
    ) -> Result<Self, StartError> {
        let options = StartOptions { runtimes, ..StartOptions::default() };
        Self::start_with(platform, config, options).await
    }

    /// As [`RunningNode::start`], with what a program may choose.
    ///
    /// # Errors
    /// As there.
    pub async fn start_with(
        platform: Platform,
        config: BrokerConfig,
        options: StartOptions,
    ) -> Result<Self, StartError> {
        let time_ms = config.server_max_startup_time_ms;
        let time_max = Duration::from_millis(u64::try_from(time_ms).unwrap_or(0));
        let launch = Box::pin(Self::launch(platform, Arc::new(config), options));
        tokio::time::timeout(time_max, launch).await.unwrap_or(Err(StartError::TooSlow { time_ms }))
    }

    async fn launch(
        platform: Platform,
        config: Arc<BrokerConfig>,
        options: StartOptions,
    ) -> Result<Self, StartError> {
        let (failure_queue, failures) = directory_failures::queue();
        let (log_dirs, recovery, is_new) = take_over(&platform, &config, &options, failure_queue).await?;
        let stopping = Arc::new(AtomicBool::new(false));
        let bound = listening::bind_all(&platform.net, &config).await?;
        let metrics_listener = listening::bind_metrics(&platform.net, &config).await?;
        let metrics_address = metrics_listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let addresses = bound.iter().map(|bound| (bound.name.clone(), bound.address)).collect();
        let settings = controller_settings(&config, &log_dirs, &recovery, &bound, &stopping);
        let StartedController { handle: controller, image, broker_epoch, task } =
            controller_task::start(&platform, settings).await?;

        let current_config = Arc::new(CurrentConfig::new(config.clone(), &image.load()));
        let mut tasks = JoinSet::new();
        let replicas = Replicas::bring_up(&platform, &current_config, &log_dirs, &image, &mut tasks).await;
        let Replicas { partitions, published, moves, assignments, local } = replicas;
        let found = (!is_new).then(|| Found::told(&image.load(), &partitions, &recovery));
        let groups = start_groups(&platform, &config, &partitions, &published);
        let (fault_sender, fault) = watch::channel(None);
        let fault_sender = Arc::new(fault_sender);
        let client_telemetry =
            start_telemetry(&platform, &config, metrics_listener, (&image.load(), &log_dirs), &mut tasks);
        let quotas = start_quotas(&platform, &current_config.load(), &image.load(), &mut tasks);
        let publisher = Publisher {
            config: current_config.clone(),
            local,
            published,
            groups: groups.clone(),
            quotas: quotas.clone(),
            client_telemetry: client_telemetry.clone(),
        };
        tasks.spawn(assignments.run(controller.clone()));
        tasks.spawn(run_controller(task, Arc::new(publisher), fault_sender.clone()));
        let watched = DirectoryFailures {
            config: config.clone(),
            log_dirs: log_dirs.clone(),
            partitions: partitions.clone(),
            moves: moves.clone(),
            controller: controller.clone(),
        };
        tasks.spawn(async move { _ = fault_sender.send_replace(Some(watched.run(failures).await)) });
        keep_house(&platform, &current_config, &partitions, &log_dirs, recovery.clean, &mut tasks);
        let slots = config.max_incremental_fetch_session_cache_slots;
        let node = Arc::new(Node {
            fetch_sessions: FetchSessions::new(usize::try_from(slots).unwrap_or(0)),
            node_id: config.node_id,
            cluster_id: log_dirs.metadata().meta().cluster_id.as_str().into(),
            platform,
            image,
            partitions,
            controller,
            groups,
            client_telemetry,
            quotas,
            log_dirs,
            moves,
            stopping,
            config: config.clone(),
            current_config,
            loggers: options.loggers,
        });
        tasks.spawn(found::tell_groups(node.clone()));
        let listeners = accept_all(&node, bound, options.runtimes, &mut tasks).await;
        Ok(Self { node, listeners, addresses, metrics_address, recovery, found, broker_epoch, tasks, fault })
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

    /// What the node took over; `None` if its directories were empty.
    #[must_use]
    pub fn found(&self) -> Option<&Found> {
        self.found.as_ref()
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
        self.node.moves.stop().await;
        self.node.log_dirs.opened().for_each(|dir| dir.stop_cleaning());
        if let Err(error) = self.node.controller.controlled_shutdown().await
            // That there was no space is told once, at the end.
            && error.code != ErrorCode::KAFKA_STORAGE_ERROR
        {
            tracing::warn!(error = error.code.name(), "the controller could not be told of the stop");
        }
        self.listeners.drain(DRAIN_LIMIT).await;
        let failed = {
            let partitions = self.node.partitions.load_full();
            let logs = partitions.all().flat_map(|partition| [partition.close(), partition.end_move()]);
            let logs: Vec<UnifiedLog> = logs.flatten().collect();
            log_directories::close(&self.node.platform, &self.node.log_dirs, logs).await
        };
        self.node.controller.stop().await;
        self.tasks.shutdown().await;
        self.end_of_writes().await;
        log_directories::mark_clean(&self.node.platform, &self.node.log_dirs, failed, self.broker_epoch)
            .await;
    }

    /// Ends everything on the spot, as a kill of the process would, and returns when no task is left.
    pub async fn kill(mut self) {
        self.listeners.abort().await;
        self.node.log_dirs.opened().for_each(|dir| dir.stop_cleaning());
        self.tasks.shutdown().await;
        self.node.moves.killed().await;
        self.end_of_writes().await;
        self.node.platform.blocking.idle().await;
    }

    /// Groups of the write-ahead logs that are on their way arrive.
    async fn end_of_writes(&self) {
        self.node.log_dirs.opened().for_each(|dir| dir.end_wal());
        let end = tokio::time::Instant::now() + DRAIN_LIMIT;
        let is_writing = || self.node.log_dirs.opened().any(|dir| dir.is_wal_writing() || dir.is_cleaning());
        while is_writing() && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Serves the controller until the node stops; a fault of it is the node's.
async fn run_controller(
    task: ControllerTask,
    publisher: Arc<Publisher>,
    fault: Arc<watch::Sender<Option<String>>>,
) {
    if let Err(error) = task.run(publisher).await {
        tracing::error!(%error, "the controller has failed");
        fault.send_replace(Some(error.to_string()));
    } else {
        // The sender lives as long as the node, so that nobody takes an orderly end for a fault.
        fault.closed().await;
    }
}

/// Hands metadata to the partitions first, then tells the groups.
struct Publisher {
    config: Arc<CurrentConfig>,
    local: Arc<LocalPartitions>,
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

/// The chores of every directory, compaction and verification in all of them.
fn keep_house(
    platform: &Platform,
    current_config: &Arc<CurrentConfig>,
    partitions: &Arc<Partitions>,
    log_dirs: &Arc<LogDirs>,
    was_clean: bool,
    tasks: &mut JoinSet<()>,
) {
    let config = current_config.load_full();
    let scrubber = Scrubber { platform: platform.clone(), partitions: partitions.clone(), was_clean };
    tasks.spawn(scrubber.run());
    let cleanable = Arc::new(Notify::new());
    for log_dir in log_dirs.opened() {
        let housekeeping = Housekeeping {
            platform: platform.clone(),
            config: config.clone(),
            partitions: partitions.clone(),
            log_dir: log_dir.clone(),
            cleanable: cleanable.clone(),
        };
        tasks.spawn(housekeeping.run());
    }
    if config.cleaner.enable {
        let cleaner = LogCleaner {
            platform: platform.clone(),
            config: current_config.clone(),
            partitions: partitions.clone(),
            log_dirs: log_dirs.clone(),
            cleanable,
        };
        tasks.spawn(cleaner.run());
    } else {
        tracing::warn!("log.cleaner.enable=false: compacted topics, the internal ones too, only grow");
    }
}

/// Begins to accept connections, and to follow what the configuration says of listeners.
async fn accept_all(
    node: &Arc<Node>,
    bound: Vec<Bound>,
    runtimes: Vec<Handle>,
    tasks: &mut JoinSet<()>,
) -> Arc<Listeners<Node>> {
    let listener_config = listening::listener_config(&node.platform.net, &node.config).await;
    let listeners = Arc::new(Listeners::new(node.clone(), listener_config, runtimes));
    tasks.spawn(listening::follow(node.clone(), Arc::downgrade(&listeners)));
    for bound in bound {
        listeners.accept(bound.listener, bound.name);
    }
    listeners
}

fn start_telemetry(
    platform: &Platform,
    config: &BrokerConfig,
    listener: Option<Listener>,
    (image, log_dirs): (&MetadataImage, &Arc<LogDirs>),
    tasks: &mut JoinSet<()>,
) -> Arc<ClientTelemetry> {
    let telemetry = Arc::new(ClientTelemetry::new(config.telemetry_max_bytes, listener.is_some()));
    telemetry.apply(image, image.configs().iter().map(|(resource, _)| resource));
    if let Some(listener) = listener {
        let clock = platform.clock.clone();
        let (telemetry, log_dirs) = (telemetry.clone(), log_dirs.clone());
        tasks.spawn(MetricsEndpoint { listener, telemetry, log_dirs, clock }.run());
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
    let groups = coordinator_task::start(
        Arc::new(offsets),
        &platform.clock,
        platform.rng.clone(),
        GroupCoordinatorConfig::from(&config.group),
        OffsetsLogConfig::from(&config.group),
    );
    groups.metadata_changed(Vec::new());
    groups
}

fn controller_settings(
    config: &Arc<BrokerConfig>,
    log_dirs: &LogDirs,
    recovery: &RecoveryReport,
    bound: &[Bound],
    stopping: &Arc<AtomicBool>,
) -> ControllerSettings {
    let metadata = log_dirs.metadata();
    let mut directory_ids: Vec<_> = log_dirs.online().map(|dir| dir.id()).collect();
    directory_ids.sort_unstable();
    let elsewhere = log_dirs.online().filter(|dir| dir.path() != metadata.path());
    let orphan = elsewhere.flat_map(|dir| dir.unclaimed()).next();
    // A listener on port 0 has no address before it is opened.
    let controller_endpoints = config.advertised_controller_listeners.iter().filter(|told| told.port != 0);
    ControllerSettings {
        cluster_id: metadata.meta().cluster_id.clone(),
        config: config.clone(),
        log_dir: metadata.clone(),
        stopping: stopping.clone(),
        directory_id: metadata.id(),
        log_elsewhere: orphan.map(|log| format!("{}-{}", log.topic, log.partition)),
        controller_endpoints: controller_endpoints.map(listening::controller_endpoint).collect(),
        broker: LocalBroker {
            endpoints: bound.iter().map(|bound| bound.advertised(config)).collect(),
            directory_ids,
            previous_broker_epoch: recovery.previous_broker_epoch,
        },
    }
}

/// Opens the directories, after a look at all of them. The last that is given says whether they were empty.
async fn take_over(
    platform: &Platform,
    config: &Arc<BrokerConfig>,
    options: &StartOptions,
    failures: Arc<dyn FailureListener>,
) -> Result<(Arc<LogDirs>, RecoveryReport, bool), StartError> {
    let (machine, settings) = (platform.clone(), config.clone());
    let survey = move || takeover::survey(&machine, &settings);
    let takeover = platform.blocking.run(survey).await.map_err(StartError::Refused)?;
    let is_new = takeover.is_new;
    let watcher = options.watcher.as_deref();
    let (dirs, recovery) =
        log_directories::open(platform, config, options.formatting, takeover, failures, watcher).await?;
    Ok((dirs, recovery, is_new))
}
