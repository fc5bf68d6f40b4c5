//! What a node took over when it started: for the person who starts it, and for programs.
//!
//! Owns the summary. What was wrong with single logs is told where it is found.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metadata::{MetadataImage, is_supported_feature};
use protocol::ErrorCode;
use storage::RecoveryReport;

use crate::node::Node;
use crate::partitions::Partitions;

/// Between two questions whether the groups are loaded.
const GROUPS_POLL: Duration = Duration::from_millis(20);

/// What lay in the directories. A node whose directories were empty found nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whether everything was closed cleanly, so that no log had to be recovered.
    pub is_clean: bool,
    /// Topics, those that are internal among them.
    pub topics: usize,
    /// Partitions that this node serves.
    pub partitions: usize,
    /// Bytes of their segments.
    pub bytes: u64,
    /// `metadata.version`.
    pub metadata_version: i16,
    /// Finalized features that this version does not serve and keeps for the Kafka that does.
    pub carried_features: Vec<String>,
    /// Access control entries. They are kept, and not enforced: this version has no authorizer.
    pub acls: usize,
    /// Bytes that recovery read and checked.
    pub recovered_bytes: u64,
    /// What recovery took out of logs and kept aside, in words.
    pub cuts: Vec<String>,
    /// Logs that are damaged and stay offline, untouched, in words.
    pub damaged: Vec<String>,
    /// Names that are left alone: not Kafka's, or put aside earlier.
    pub foreign: Vec<PathBuf>,
    /// Names beyond those listed.
    pub foreign_unlisted: usize,
    /// Logs of deleted topics whose files are still to be removed.
    pub pending_deletes: usize,
}

impl Found {
    /// Puts it together and says it in the log.
    pub(crate) fn told(image: &MetadataImage, partitions: &Partitions, recovery: &RecoveryReport) -> Found {
        let found = Found::new(image, partitions, recovery);
        found.log();
        found
    }

    fn new(image: &MetadataImage, partitions: &Partitions, recovery: &RecoveryReport) -> Found {
        let table = partitions.load();
        let carried = image.features().finalized().filter(|(name, _)| !is_supported_feature(name));
        let damaged = recovery.damaged.iter();
        Found {
            is_clean: recovery.clean,
            topics: image.topics().len(),
            partitions: table.all().count(),
            bytes: table.all().map(|partition| partition.view().size_bytes()).sum(),
            metadata_version: image.features().metadata_version().unwrap_or_default(),
            carried_features: carried.map(|(name, _)| name.to_owned()).collect(),
            acls: image.acls().iter().count(),
            recovered_bytes: recovery.scanned_bytes,
            cuts: recovery.cuts.iter().map(ToString::to_string).collect(),
            damaged: damaged.map(|log| format!("{}-{}: {}", log.topic, log.partition, log.reason)).collect(),
            foreign: recovery.foreign.clone(),
            foreign_unlisted: recovery.foreign_unlisted,
            pending_deletes: recovery.pending_deletes,
        }
    }

    fn log(&self) {
        tracing::info!(
            clean = self.is_clean,
            topics = self.topics,
            partitions = self.partitions,
            bytes = self.bytes,
            metadata_version = self.metadata_version,
            recovered_bytes = self.recovered_bytes,
            cut_logs = self.cuts.len(),
            damaged_logs = self.damaged.len(),
            left_alone = self.foreign.len() + self.foreign_unlisted,
            "took over what is in the log directories"
        );
        if !self.carried_features.is_empty() {
            tracing::info!(features = ?self.carried_features, "features that are not served yet stay finalized for Kafka and are hidden from clients");
        }
        if self.acls > 0 {
            tracing::warn!(
                acls = self.acls,
                "there are access control entries; they are kept and NOT enforced: there is no authorizer yet"
            );
        }
    }
}

/// Says how many groups there are, once all are loaded.
pub(crate) async fn tell_groups(node: Arc<Node>) {
    loop {
        match node.groups.list_groups(Vec::new(), Vec::new()).await {
            Ok(groups) => return tracing::info!(groups = groups.len(), "the groups are loaded"),
            Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS) => tokio::time::sleep(GROUPS_POLL).await,
            Err(_) => return,
        }
    }
}
