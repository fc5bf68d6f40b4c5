//! What a node does when one of its log directories fails: the partitions there answer with KAFKA_STORAGE_ERROR, the
//! controller learns of it, the rest goes on; without the metadata log, or without any directory, nothing does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config::BrokerConfig;
use storage::{FailureListener, LogDirs};
use tokio::sync::mpsc;

use crate::controller_task::ControllerHandle;
use crate::partitions::Partitions;
use crate::replica_moves::ReplicaMoves;

/// Between two tries to tell the controller.
const REPORT_PAUSE: Duration = Duration::from_millis(100);

/// A directory that has failed, and why.
pub struct Failure {
    path: PathBuf,
    reason: String,
}

/// Takes failures from whoever meets them. Each directory fails once, so the queue is short.
pub struct FailureQueue(mpsc::UnboundedSender<Failure>);

impl FailureListener for FailureQueue {
    fn directory_failed(&self, path: &Path, reason: &str) {
        // A node that is going down has stopped listening.
        let _ = self.0.send(Failure { path: path.to_path_buf(), reason: reason.to_owned() });
    }
}

/// A queue and its end.
#[must_use]
pub fn queue() -> (Arc<FailureQueue>, mpsc::UnboundedReceiver<Failure>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Arc::new(FailureQueue(sender)), receiver)
}

/// The owner of what follows from a failure.
pub struct DirectoryFailures {
    /// `log.dir.failure.timeout.ms`.
    pub config: Arc<BrokerConfig>,
    /// All directories.
    pub log_dirs: Arc<LogDirs>,
    /// The node's partitions.
    pub partitions: Arc<Partitions>,
    /// Moves between the directories.
    pub moves: ReplicaMoves,
    /// Who has to know.
    pub controller: ControllerHandle,
}

impl DirectoryFailures {
    /// Deals with one failure after another. Returns when the node cannot go on, and says why.
    pub async fn run(self, mut failures: mpsc::UnboundedReceiver<Failure>) -> String {
        while let Some(failure) = failures.recv().await {
            if let Err(fault) = self.handle(failure).await {
                return fault;
            }
        }
        std::future::pending().await
    }

    async fn handle(&self, failure: Failure) -> Result<(), String> {
        let Failure { path, reason } = failure;
        let shown = path.display();
        if path == self.log_dirs.metadata().path() {
            return Err(format!("log directory {shown}, which has the metadata log, has failed: {reason}"));
        }
        if self.log_dirs.online().next().is_none() {
            return Err(format!("every log directory has failed, the last one {shown}: {reason}"));
        }
        // One that failed while it was opened was never told of, so there is nothing to take back.
        let Some(dir) = self.log_dirs.by_path(&path).and_then(|entry| entry.log_dir()) else {
            return Ok(());
        };
        let table = self.partitions.load_full();
        let lost = table.all().filter(|partition| partition.view().log_dir_path() == path);
        let lost_count = lost.map(|partition| partition.waiters().wake_all()).count();
        tracing::error!(path = %shown, %reason, partitions = lost_count, "a log directory has failed: its partitions are offline until it is mended and the node restarted");
        self.moves.directory_failed(&path).await;
        self.report(dir.id(), &path).await
    }

    /// Tells the controller, which makes the lost replicas known; a node that cannot say so must not go on.
    async fn report(&self, id: protocol::Uuid, path: &Path) -> Result<(), String> {
        let limit_ms = self.config.log_dir.log_dir_failure_timeout_ms;
        let tell = async {
            while let Err(error) = self.controller.report_offline_directory(id).await {
                tracing::warn!(path = %path.display(), error = error.code.name(), "the failure of a log directory could not be recorded: trying again");
                tokio::time::sleep(REPORT_PAUSE).await;
            }
        };
        let limit = Duration::from_millis(u64::try_from(limit_ms).unwrap_or(0));
        tokio::time::timeout(limit, tell).await.map_err(|_| {
            format!(
                "the failure of log directory {} could not be recorded within {limit_ms} ms",
                path.display()
            )
        })
    }
}
