//! From a directory to an active controller with its broker in service.

use std::collections::VecDeque;
use std::sync::Arc;

use arc_swap::ArcSwap;
use controller::{ApiError, Controller, ControllerConfig, bootstrap_records};
use metadata::{MetadataImage, MetadataLoader, Provenance, SUPPORTED_FEATURES};
use platform::Platform;
use protocol::{
    BrokerHeartbeatRequest, BrokerRegistrationRequest, BrokerRegistrationResponse,
    ControllerRegistrationRequest, MetadataRecord, Uuid, broker_registration_request,
    controller_registration_request,
};
use raft::{
    ControlRecord, Raft, RaftConfig, ReplicaKey, SnapshotId, SnapshotInfo, Voter, VoterSet,
    encode_snapshot_batches,
};
use tokio::sync::{mpsc, oneshot};

use super::decision::{Context, Decide, Decision};
use super::handle::REQUESTS_WAITING_MAX;
use super::performance::Performance;
use super::producer_ids::ProducerIds;
use super::task::ControllerTask;
use super::{ControllerError, ControllerHandle, ControllerSettings, LocalBroker, StartedController};
use crate::metadata_log::{MetadataLog, MetadataLogError, batch_bytes_max};

/// `kraft.version` of a new cluster: the voters are kept in the log (KIP-853).
const KRAFT_VERSION: i16 = 1;
/// Batch size of the bootstrap snapshot.
const BOOTSTRAP_BATCH_BYTES: usize = 1 << 20;

/// What was loaded from the disk.
struct Loaded {
    log: MetadataLog,
    raft: Raft,
    loader: MetadataLoader,
    bootstrap: Vec<MetadataRecord<'static>>,
}

/// Opens the metadata log (formatting it if the directory is new), loads snapshot and log, leads the quorum of one, and
/// brings the local broker into service: when this returns, everything of that is committed.
///
/// # Errors
/// The log is damaged, missing, or of another node; the quorum has other voters; the disk fails.
pub async fn start(
    platform: &Platform,
    settings: ControllerSettings,
) -> Result<StartedController, ControllerError> {
    let now_ms = platform.clock.wall_ms();
    let raft_config = raft_config(&settings);
    let loaded = {
        let (machine, config) = (platform.clone(), Arc::clone(&settings.config));
        let (log_dir, raft_config) = (Arc::clone(&settings.log_dir), raft_config.clone());
        let elsewhere = settings.log_elsewhere.clone();
        let load = move || {
            let log = MetadataLog::open(&machine, log_dir, &config.metadata_log, elsewhere, now_ms)?;
            load(log, raft_config, now_ms)
        };
        platform.blocking.run(load).await?
    };
    let controller_config = ControllerConfig {
        node_id: settings.config.node_id,
        cluster_id: settings.cluster_id.clone(),
        broker: settings.config.as_ref().clone(),
    };
    let mut controller = Controller::from_loader(controller_config.clone(), loaded.loader.clone());
    controller.begin_sessions(now_ms);
    let image = Arc::new(ArcSwap::from_pointee(loaded.loader.image().clone()));
    let (sender, requests) = mpsc::channel(REQUESTS_WAITING_MAX);
    let mut task = ControllerTask {
        platform: platform.clone(),
        stopping: Arc::clone(&settings.stopping),
        log: loaded.log,
        raft: loaded.raft,
        batch_bytes_max: raft_config.batch_bytes_max,
        controller,
        controller_config,
        committed: loaded.loader,
        image: Arc::clone(&image),
        uncommitted: Vec::new(),
        steps: VecDeque::new(),
        flush_to: None,
        snapshot: None,
        delete_due_ms: None,
        prove_due_ms: None,
        producer_ids: ProducerIds::default(),
        performance: Performance::new(&settings.config.metadata_log),
        publisher: None,
        requests,
    };
    let mut effects = Vec::new();
    task.raft.handle_start(now_ms, &mut effects)?;
    task.carry_out(effects).await?;
    let broker_epoch = enter_service(&mut task, &settings, loaded.bootstrap).await?;
    let handle = ControllerHandle::new(sender, settings.config, broker_epoch, task.raft.kraft_version());
    Ok(StartedController { handle, image, broker_epoch, task })
}

fn raft_config(settings: &ControllerSettings) -> RaftConfig {
    let config = &settings.config.metadata_log;
    let endpoints = settings.controller_endpoints.iter().map(|endpoint| raft::Endpoint {
        name: endpoint.name.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
    });
    RaftConfig {
        endpoints: endpoints.collect(),
        is_static_voter: settings.config.quorum.is_static_voter,
        snapshot_record_bytes_max: u64::try_from(config.metadata_log_max_record_bytes_between_snapshots)
            .unwrap_or(RaftConfig::SNAPSHOT_RECORD_BYTES_MAX_DEFAULT),
        snapshot_interval_ms_max: config.metadata_log_max_snapshot_interval_ms,
        retention_bytes_max: config.metadata_max_retention_bytes,
        retention_ms_max: config.metadata_max_retention_ms,
        batch_bytes_max: batch_bytes_max(config),
        ..RaftConfig::new(settings.config.node_id, settings.directory_id)
    }
}

/// Reads everything there is. Blocks.
fn load(mut log: MetadataLog, config: RaftConfig, now_ms: i64) -> Result<Loaded, ControllerError> {
    if log.is_new() {
        format(&mut log, &config, now_ms)?;
    }
    let persisted = log.read_quorum_state()?;
    let mut raft = Raft::new(config, persisted, log.snapshots().iter().copied(), now_ms);
    let mut bootstrap = bootstrap_records();
    if raft.has_bootstrap_snapshot() {
        let content = log.read_snapshot(SnapshotId::BOOTSTRAP)?;
        raft.load_snapshot_control(SnapshotId::BOOTSTRAP, &content.control());
        bootstrap = content.records.into_iter().map(|(_, record)| record).collect();
    }
    let mut loader = MetadataLoader::new(MetadataImage::empty());
    let mut next_offset = 0;
    if let Some(id) = raft.latest_snapshot() {
        let content = log.read_snapshot(id)?;
        raft.load_snapshot_control(id, &content.control());
        next_offset = id.offset;
        for (_, record) in &content.records {
            replay(&mut loader, id.offset - 1, record)?;
        }
        loader.publish(Provenance { offset: id.offset - 1, epoch: id.epoch, timestamp_ms: now_ms });
    }
    log.replay(next_offset, |content| {
        for batch in &content.batches {
            raft.replay_batch(batch)?;
        }
        for (offset, record) in content.records.iter().filter(|(offset, _)| *offset >= next_offset) {
            replay(&mut loader, *offset, record)?;
        }
        Ok::<(), ControllerError>(())
    })?;
    let end = Provenance { offset: raft.end_offset() - 1, epoch: raft.epoch(), timestamp_ms: now_ms };
    loader.publish(end);
    Ok(Loaded { log, raft, loader, bootstrap })
}

fn replay(
    loader: &mut MetadataLoader,
    offset: i64,
    record: &MetadataRecord<'_>,
) -> Result<(), ControllerError> {
    loader.replay(offset, record).map_err(|source| ControllerError::Replay { offset, source })
}

/// Writes the bootstrap snapshot of a new directory: who may vote, and which features the cluster begins with. Blocks.
fn format(log: &mut MetadataLog, config: &RaftConfig, now_ms: i64) -> Result<(), ControllerError> {
    let voter = Voter::local(ReplicaKey::new(config.node_id, config.directory_id), config.endpoints.clone());
    let control = [ControlRecord::KRaftVersion(KRAFT_VERSION), ControlRecord::Voters(VoterSet::new([voter]))];
    let records = bootstrap_records();
    let encoded = records.iter().map(MetadataRecord::encode_framed).collect::<Result<Vec<_>, _>>()?;
    let id = SnapshotId::BOOTSTRAP;
    let bytes = encode_snapshot_batches(
        id.epoch,
        now_ms,
        now_ms,
        &control,
        encoded.into_iter(),
        BOOTSTRAP_BATCH_BYTES,
    )?;
    log.snapshot_writer(id)(&bytes).map_err(MetadataLogError::from)?;
    log.add_snapshot(SnapshotInfo { id, size_bytes: bytes.len() as u64, timestamp_ms: now_ms });
    tracing::info!(dir = %log.dir().display(), node_id = config.node_id, "formatted a new metadata log");
    Ok(())
}

/// Activates the controller, registers controller and broker, and unfences the broker: one turn, one flush.
async fn enter_service(
    task: &mut ControllerTask,
    settings: &ControllerSettings,
    bootstrap: Vec<MetadataRecord<'static>>,
) -> Result<i64, ControllerError> {
    let node_id = settings.config.node_id;
    let controller_request = controller_registration(settings, random_id(task));
    let broker_request = broker_registration(settings, &settings.broker, random_id(task));
    let (activated, _) = oneshot::channel();
    let activate: Decide = Box::new(move |controller: &Controller, _: &Context<'_>| {
        Decision::new(Ok(controller.handle_activation(&bootstrap)), activated)
    });
    let (registered, _) = oneshot::channel();
    let register_controller: Decide = Box::new(move |controller: &Controller, _: &Context<'_>| {
        Decision::new(Ok(controller.handle_controller_registration(&controller_request)), registered)
    });
    let (sender, mut registration) = oneshot::channel::<Result<BrokerRegistrationResponse, ApiError>>();
    let register_broker: Decide = Box::new(move |controller: &Controller, context: &Context<'_>| {
        let outcome =
            controller.handle_broker_registration(context.now_ms, context.next_offset, &broker_request);
        Decision::new(outcome, sender)
    });
    let (unfenced, _) = oneshot::channel();
    let unfence: Decide = Box::new(move |controller: &Controller, context: &Context<'_>| {
        let broker_epoch = controller.image().cluster().broker(node_id).map_or(-1, |broker| broker.epoch);
        // The broker reads the image of this very process, so that by the time the records are committed it has caught
        // up with them.
        let request = BrokerHeartbeatRequest {
            broker_id: node_id,
            broker_epoch,
            current_metadata_offset: context.next_offset,
            ..BrokerHeartbeatRequest::default()
        };
        let mut decision = Decision::new(controller.handle_broker_heartbeat(&request), unfenced);
        decision.note = Some(Box::new(move |controller, now_ms, end_offset| {
            controller.note_heartbeat(now_ms, end_offset, &request);
        }));
        decision
    });
    task.turn(vec![activate, register_controller, register_broker, unfence]).await?;
    match registration.try_recv() {
        Ok(Ok(response)) => Ok(response.broker_epoch),
        Ok(Err(error)) => Err(ControllerError::Registration(error)),
        Err(_) => unreachable!("a turn answers everything it decided"),
    }
}

fn random_id(task: &ControllerTask) -> Uuid {
    let context = Context { now_ms: 0, next_offset: 0, raft: &task.raft, rng: &task.platform.rng };
    context.new_id()
}

fn broker_registration(
    settings: &ControllerSettings,
    broker: &LocalBroker,
    incarnation_id: Uuid,
) -> BrokerRegistrationRequest<'static> {
    let listeners = broker.endpoints.iter().map(|endpoint| broker_registration_request::Listener {
        name: endpoint.name.clone().into(),
        host: endpoint.host.clone().into(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    });
    let features = SUPPORTED_FEATURES.iter().map(|feature| broker_registration_request::Feature {
        name: feature.name.into(),
        min_supported_version: feature.min,
        max_supported_version: feature.max,
    });
    BrokerRegistrationRequest {
        broker_id: settings.config.node_id,
        cluster_id: settings.cluster_id.clone().into(),
        incarnation_id,
        listeners: listeners.collect(),
        features: features.collect(),
        rack: settings.config.rack.clone().map(Into::into),
        log_dirs: broker.directory_ids.clone(),
        previous_broker_epoch: broker.previous_broker_epoch.unwrap_or(-1),
        ..BrokerRegistrationRequest::default()
    }
}

fn controller_registration(
    settings: &ControllerSettings,
    incarnation_id: Uuid,
) -> ControllerRegistrationRequest<'static> {
    let listeners =
        settings.controller_endpoints.iter().map(|endpoint| controller_registration_request::Listener {
            name: endpoint.name.clone().into(),
            host: endpoint.host.clone().into(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
    let features = SUPPORTED_FEATURES.iter().map(|feature| controller_registration_request::Feature {
        name: feature.name.into(),
        min_supported_version: feature.min,
        max_supported_version: feature.max,
    });
    ControllerRegistrationRequest {
        controller_id: settings.config.node_id,
        incarnation_id,
        zk_migration_ready: false,
        listeners: listeners.collect(),
        features: features.collect(),
    }
}
