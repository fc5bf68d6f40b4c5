//! The controller's task: Raft, the controller and the metadata log in the hands of one owner.
//!
//! Here the controller, which knows no log, and Raft, which knows no topic, meet. A turn takes the requests that wait,
//! lets the controller decide one after another (each sees the decisions before it), writes all their records, flushes
//! once, replays what is committed into the image, tells the publisher, and only then answers. Nothing is answered
//! that is not on stable storage.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use config::BrokerConfig;
use metadata::{MetadataDelta, MetadataImage, ReplayError};
use protocol::Uuid;
use raft::RaftError;
use storage::LogDir;

use crate::metadata_log::MetadataLogError;

mod decision;
mod handle;
mod on_demand;
mod performance;
mod producer_ids;
mod snapshot;
mod start;
mod task;
mod turn;

pub use handle::{ControllerHandle, QuorumDescription};
pub use start::start;
pub use task::ControllerTask;

/// Is told of every change of the metadata after it is committed and before it is answered.
pub trait MetadataPublisher: Send + Sync + 'static {
    /// Acts on a change. `image` is what `delta` leads to; it becomes visible to handlers when this returns. Called one
    /// change at a time, where it may block.
    fn publish(&self, image: &Arc<MetadataImage>, delta: &MetadataDelta);
}

/// Everything the controller's task must be told.
pub struct ControllerSettings {
    /// Cluster id of `meta.properties`.
    pub cluster_id: String,
    /// The node's configuration as its file gives it.
    pub config: Arc<BrokerConfig>,
    /// The directory that holds the metadata log.
    pub log_dir: Arc<LogDir>,
    /// Whether the node is about to stop: then a full disk is told by whoever closes the directory.
    pub stopping: Arc<AtomicBool>,
    /// `directory.id` of that directory.
    pub directory_id: Uuid,
    /// A log of a topic in another directory, if there is one: it would be an orphan of metadata made anew.
    pub log_elsewhere: Option<String>,
    /// The controller's listeners, with the ports they are bound to; may be empty for a node that takes no request of
    /// other controllers.
    pub controller_endpoints: Vec<metadata::Endpoint>,
    /// The broker in the same process.
    pub broker: LocalBroker,
}

/// The broker that lives in the controller's process.
pub struct LocalBroker {
    /// Its advertised listeners, with the ports they are bound to.
    pub endpoints: Vec<metadata::Endpoint>,
    /// Ids of its log directories.
    pub directory_ids: Vec<Uuid>,
    /// Its epoch before a clean stop, from the clean-shutdown marker: then it has lost nothing.
    pub previous_broker_epoch: Option<i64>,
}

/// A controller that has loaded its state, leads, and has registered and unfenced the local broker. It takes no
/// requests until its task runs: see [`ControllerTask::run`].
pub struct StartedController {
    /// The way to the controller.
    pub handle: ControllerHandle,
    /// The committed metadata; the task stores each new image here.
    pub image: Arc<ArcSwap<MetadataImage>>,
    /// The local broker's epoch: what a clean stop must remember.
    pub broker_epoch: i64,
    /// The task, to be spawned.
    pub task: ControllerTask,
}

/// Why the controller does not start, or stopped. All are faults of the machine or of a directory's content; none is
/// caused by a client.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// The metadata log.
    #[error(transparent)]
    Log(#[from] MetadataLogError),
    /// The quorum cannot be formed.
    #[error(transparent)]
    Raft(#[from] RaftError),
    /// A record of the log does not fit the state before it.
    #[error("the metadata log contradicts itself at offset {offset}: {source}")]
    Replay {
        /// Offset of the record.
        offset: i64,
        /// What does not fit.
        source: ReplayError,
    },
    /// A record cannot be written.
    #[error("a metadata record cannot be encoded: {0}")]
    Encode(#[from] protocol::EncodeError),
    /// The local broker cannot be registered.
    #[error("the broker cannot be registered: {0}")]
    Registration(controller::ApiError),
}

impl From<std::io::Error> for ControllerError {
    fn from(error: std::io::Error) -> Self {
        ControllerError::Log(error.into())
    }
}

impl From<storage::StorageError> for ControllerError {
    fn from(error: storage::StorageError) -> Self {
        ControllerError::Log(error.into())
    }
}

#[cfg(test)]
mod tests;
