//! The node's replicas, brought up from metadata and directories: the table of partitions, and what feeds and moves them.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use metadata::MetadataImage;
use platform::Platform;
use storage::LogDirs;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::current_config::CurrentConfig;
use crate::directory_assignments::DirectoryAssignments;
use crate::local_partitions::LocalPartitions;
use crate::partitions::Partitions;
use crate::replica_moves::{MoveSettings, ReplicaMoves};

/// How long a start waits for what it recovered to become durable. A disk that is full does not keep the node from starting.
const SECURE_LIMIT: Duration = Duration::from_secs(5);

/// The parts.
pub(crate) struct Replicas {
    /// The table that requests look into.
    pub(crate) partitions: Arc<Partitions>,
    /// The metadata that the partitions have followed.
    pub(crate) published: Arc<ArcSwap<MetadataImage>>,
    /// Moves between log directories.
    pub(crate) moves: ReplicaMoves,
    /// What the controller is to be told of directories.
    pub(crate) assignments: DirectoryAssignments,
    /// Who follows the metadata.
    pub(crate) local: Arc<LocalPartitions>,
}

impl Replicas {
    /// Opens every partition that the metadata give this node, and goes on with moves that were cut short.
    pub(crate) async fn bring_up(
        platform: &Platform,
        config: &Arc<CurrentConfig>,
        log_dirs: &Arc<LogDirs>,
        image: &ArcSwap<MetadataImage>,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let node_config = config.load_full();
        let partitions = Arc::new(Partitions::default());
        let published = Arc::new(ArcSwap::new(image.load_full()));
        let assignments = DirectoryAssignments::default();
        let (moves, runner) = ReplicaMoves::new(MoveSettings {
            platform: platform.clone(),
            config: node_config.clone(),
            log_dirs: log_dirs.clone(),
            partitions: partitions.clone(),
            image: published.clone(),
            assignments: assignments.clone(),
        });
        tasks.spawn(runner.run());
        let local = Arc::new(LocalPartitions {
            node_id: node_config.node_id,
            platform: platform.clone(),
            config: config.clone(),
            log_dirs: log_dirs.clone(),
            partitions: partitions.clone(),
            assignments: assignments.clone(),
            moves: moves.clone(),
        });
        let (loading, image) = (local.clone(), image.load_full());
        platform.blocking.run(move || loading.load(&image)).await;
        secure_ends(platform, log_dirs).await;
        Self { partitions, published, moves, assignments, local }
    }
}

/// What recovery found beyond the recovery points becomes durable, and with that readable, before anybody can ask for it.
/// Logs of a node that was killed mostly have it in the write-ahead log; those of an Apache Kafka that was killed do not.
async fn secure_ends(platform: &Platform, log_dirs: &LogDirs) {
    let end = Instant::now() + SECURE_LIMIT;
    for dir in log_dirs.opened() {
        while !dir.is_wal_idle() && dir.offline_reason().is_none() && Instant::now() < end {
            match dir.wal_ticket() {
                Some(ticket) => platform.blocking.run(move || ticket.run_all()).await,
                // Another thread is at it.
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }
}
