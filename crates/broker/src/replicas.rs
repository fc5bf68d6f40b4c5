//! The node's replicas, brought up from metadata and directories: the table of partitions, and what feeds and moves them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use metadata::MetadataImage;
use platform::Platform;
use storage::LogDirs;
use tokio::task::JoinSet;

use crate::current_config::CurrentConfig;
use crate::directory_assignments::DirectoryAssignments;
use crate::local_partitions::LocalPartitions;
use crate::partitions::Partitions;
use crate::replica_moves::{MoveSettings, ReplicaMoves};

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
        Self { partitions, published, moves, assignments, local }
    }
}
