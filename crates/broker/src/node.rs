//! The node's shared state: what every handler may look at.
//!
//! Each part has one owner; the node only holds the parts together. Starting and stopping is [`crate::running`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use config::BrokerConfig;
use metadata::{BrokerRegistration, MetadataImage, TopicImage};
use platform::Platform;
use protocol::{ErrorCode, Uuid};
use storage::LogDirs;

use crate::client_telemetry::ClientTelemetry;
use crate::context::RequestContext;
use crate::controller_task::ControllerHandle;
use crate::coordinator_task::GroupCoordinatorHandle;
use crate::current_config::CurrentConfig;
use crate::fetch_sessions::FetchSessions;
use crate::loggers::Loggers;
use crate::mutation_ticket::MutationTicket;
use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::quotas::Quotas;
use crate::replica_moves::ReplicaMoves;
use crate::topic_names::is_valid_topic_name;

/// A running node, as its handlers see it.
pub struct Node {
    /// The machine.
    pub platform: Platform,
    /// The configuration the node was started with.
    pub config: Arc<BrokerConfig>,
    /// The configuration as of the published metadata.
    pub current_config: Arc<CurrentConfig>,
    /// Levels of its loggers.
    pub loggers: Arc<Loggers>,
    /// `node.id`.
    pub node_id: i32,
    /// The cluster's id, as in `meta.properties`.
    pub cluster_id: Arc<str>,
    /// The metadata as of the last committed record.
    pub image: Arc<ArcSwap<MetadataImage>>,
    /// The partitions this node leads.
    pub partitions: Arc<Partitions>,
    /// The controller.
    pub controller: ControllerHandle,
    /// The group coordinator.
    pub groups: GroupCoordinatorHandle,
    /// What clients tell about themselves.
    pub client_telemetry: Arc<ClientTelemetry>,
    /// Client quotas.
    pub quotas: Arc<Quotas>,
    /// Incremental fetch sessions.
    pub fetch_sessions: FetchSessions,
    /// The log directories.
    pub log_dirs: Arc<LogDirs>,
    /// Moves of logs between them.
    pub moves: ReplicaMoves,
    pub(crate) stopping: Arc<AtomicBool>,
}

impl Node {
    /// Says whether the node is on its way down: new work is refused with errors that clients retry.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// A partition that this node leads and can serve.
    ///
    /// # Errors
    /// What Kafka answers otherwise: KAFKA_STORAGE_ERROR while its directory is offline, NOT_LEADER_OR_FOLLOWER if it
    /// exists and is not led here, UNKNOWN_TOPIC_OR_PARTITION if it does not exist.
    pub fn partition(&self, topic: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        let table = self.partitions.load();
        let found = table.by_name(topic).and_then(|topic| topic.get(index));
        match found {
            Some(partition) if partition.is_offline() => Err(ErrorCode::KAFKA_STORAGE_ERROR),
            Some(partition) => Ok(partition.clone()),
            None => {
                let image = self.image.load();
                let topic = image.topics().by_name(topic).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
                Err(self.absence(topic, index))
            }
        }
    }

    /// As [`Node::partition`], by topic id.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_ID if there is no such topic; else as [`Node::partition`].
    pub fn partition_by_id(&self, topic_id: Uuid, index: i32) -> Result<Arc<Partition>, ErrorCode> {
        let table = self.partitions.load();
        let found = table.by_id(topic_id).and_then(|topic| topic.get(index));
        match found {
            Some(partition) if partition.is_offline() => Err(ErrorCode::KAFKA_STORAGE_ERROR),
            Some(partition) => Ok(partition.clone()),
            None => {
                let image = self.image.load();
                let topic = image.topics().by_id(topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
                Err(self.absence(topic, index))
            }
        }
    }

    /// Why a partition of a topic that exists is not in the table.
    fn absence(&self, topic: &TopicImage, index: i32) -> ErrorCode {
        if topic.partition(index).is_none() {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        } else if self.partitions.load().is_unavailable(topic.id(), index) {
            ErrorCode::KAFKA_STORAGE_ERROR
        } else {
            ErrorCode::NOT_LEADER_OR_FOLLOWER
        }
    }

    /// Where a client that came by this listener reaches a broker.
    ///
    /// A node that listens on every address and advertises none answers with the address the client itself used:
    /// it is known to work.
    #[must_use]
    pub fn reachable_endpoint(
        &self,
        ctx: &RequestContext<'_>,
        broker: &BrokerRegistration,
    ) -> Option<(String, i32)> {
        let Some(endpoint) = broker.endpoint(ctx.listener_name) else {
            return self.added_endpoint(ctx, broker);
        };
        let listener = self.config.listeners.iter().find(|l| l.listener_name == ctx.listener_name);
        let reflects = broker.id == self.node_id
            && self.config.advertised_listeners.is_none()
            && listener.is_some_and(|listener| is_every_address(listener.host.as_deref()));
        let host = if reflects { ctx.local_addr.ip().to_string() } else { endpoint.host.clone() };
        Some((host, i32::from(endpoint.port)))
    }

    /// A broker to send requests for the controller to: every broker hands them on, so that any one that is alive is as
    /// good as the controller itself, which need not have a listener for clients. This one, if it may serve.
    #[must_use]
    pub fn some_alive_broker(&self, image: &MetadataImage) -> Option<i32> {
        let alive = || image.cluster().brokers().filter(|broker| !broker.fenced).map(|broker| broker.id);
        alive().find(|id| *id == self.node_id).or_else(|| alive().next())
    }

    /// The leader of a partition and its epoch, for clients that came to this node in vain.
    pub(crate) fn leader_of(&self, partition: &Partition) -> (i32, i32) {
        let image = self.image.load();
        let registration = image.topics().by_id(partition.topic_id);
        let registration = registration.and_then(|topic| topic.partition(partition.index));
        registration.map_or((self.node_id, partition.leader_epoch()), |registration| {
            (registration.leader, registration.leader_epoch)
        })
    }

    /// Where a client reaches this node that came by a listener which was added while the node runs, and of which the
    /// registration knows nothing: where it did.
    fn added_endpoint(&self, ctx: &RequestContext<'_>, broker: &BrokerRegistration) -> Option<(String, i32)> {
        let config = self.current_config.load();
        let is_added = config.listeners.iter().any(|endpoint| endpoint.listener_name == ctx.listener_name);
        let local = ctx.local_addr;
        (broker.id == self.node_id && is_added).then(|| (local.ip().to_string(), i32::from(local.port())))
    }

    /// Creates topics that a client asked for, with the broker's defaults and at the expense of the ticket's client. Who
    /// loses a race against another creator finds the topic all the same, so nothing is reported.
    pub async fn auto_create_topics(&self, names: Vec<String>, ticket: MutationTicket) {
        let names: Vec<String> = names.into_iter().filter(|name| is_valid_topic_name(name)).collect();
        if names.is_empty() || self.is_stopping() {
            return;
        }
        if let Err(error) = self.controller.auto_create_topics(names, ticket).await {
            tracing::warn!(error = error.name(), "topics could not be created on demand");
        }
    }
}

/// Says whether a listener's host stands for all addresses of the machine.
#[must_use]
pub(crate) fn is_every_address(host: Option<&str>) -> bool {
    matches!(host, None | Some("" | "0.0.0.0" | "::"))
}
