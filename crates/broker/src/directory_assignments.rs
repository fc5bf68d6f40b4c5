//! Tells the controller in which directory each replica of this node lies (KIP-858).
//!
//! Owns what is still to be told: the newest directory of each partition, sent in bounded requests one after another,
//! and tried again until it is committed or the partition is gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use protocol::assign_replicas_to_dirs_request::{DirectoryData, PartitionData, TopicData};
use protocol::{AssignReplicasToDirsResponse, ErrorCode, Uuid};
use tokio::sync::{Notify, oneshot};

use crate::controller_task::ControllerHandle;

/// Partitions of one request, as in Kafka.
const PARTITIONS_PER_REQUEST_MAX: usize = 2_250;
/// The first wait after a failure; each further failure doubles it.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest wait.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// A partition by topic id.
type Key = (Uuid, i32);

struct Assignment {
    directory: Uuid,
    /// Who waits for it to be committed.
    waiting: Option<oneshot::Sender<()>>,
}

/// What is to be told. Clones share it.
#[derive(Clone, Default)]
pub struct DirectoryAssignments {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// At most one entry for each partition of this node.
    pending: Mutex<BTreeMap<Key, Assignment>>,
    added: Notify,
}

impl DirectoryAssignments {
    /// Notes the directory of a partition's log, to be told in the background.
    pub fn note(&self, topic_id: Uuid, partition: i32, directory: Uuid) {
        self.add(topic_id, partition, Assignment { directory, waiting: None });
    }

    /// Tells the directory of a partition's log, and waits until that is committed; says whether it is. It is not if
    /// another directory was noted meanwhile, or the partition is gone.
    pub async fn commit(&self, topic_id: Uuid, partition: i32, directory: Uuid) -> bool {
        let (sender, committed) = oneshot::channel();
        self.add(topic_id, partition, Assignment { directory, waiting: Some(sender) });
        committed.await.is_ok()
    }

    fn add(&self, topic_id: Uuid, partition: i32, assignment: Assignment) {
        self.shared.pending.lock().insert((topic_id, partition), assignment);
        self.shared.added.notify_one();
    }

    /// Sends what is noted, until dropped.
    pub async fn run(self, controller: ControllerHandle) {
        let mut backoff = BACKOFF_MIN;
        loop {
            let sent = self.take_some();
            if sent.is_empty() {
                self.shared.added.notified().await;
                continue;
            }
            match controller.assign_replicas_to_dirs(request(&sent)).await {
                Ok(response) => {
                    backoff = BACKOFF_MIN;
                    confirm(sent, &response);
                }
                Err(error) => {
                    tracing::warn!(
                        error = error.code.name(),
                        partitions = sent.len(),
                        "the directories of partitions could not be recorded: trying again"
                    );
                    self.put_back(sent);
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF_MAX);
                }
            }
        }
    }

    fn take_some(&self) -> BTreeMap<Key, Assignment> {
        let mut pending = self.shared.pending.lock();
        let mut taken = BTreeMap::new();
        while taken.len() < PARTITIONS_PER_REQUEST_MAX
            && let Some((key, assignment)) = pending.pop_first()
        {
            taken.insert(key, assignment);
        }
        taken
    }

    fn put_back(&self, sent: BTreeMap<Key, Assignment>) {
        let mut pending = self.shared.pending.lock();
        for (key, assignment) in sent {
            // What was noted meanwhile is newer.
            pending.entry(key).or_insert(assignment);
        }
    }
}

fn request(sent: &BTreeMap<Key, Assignment>) -> Vec<DirectoryData> {
    let mut directories: BTreeMap<Uuid, BTreeMap<Uuid, Vec<PartitionData>>> = BTreeMap::new();
    for ((topic_id, partition_index), assignment) in sent {
        let topics = directories.entry(assignment.directory).or_default();
        topics.entry(*topic_id).or_default().push(PartitionData { partition_index: *partition_index });
    }
    let topics = |topics: BTreeMap<Uuid, Vec<PartitionData>>| -> Vec<TopicData> {
        topics.into_iter().map(|(topic_id, partitions)| TopicData { topic_id, partitions }).collect()
    };
    directories.into_iter().map(|(id, found)| DirectoryData { id, topics: topics(found) }).collect()
}

/// Tells who waits for what was committed. The rest is dropped: the controller refuses a partition only if it is gone.
fn confirm(mut sent: BTreeMap<Key, Assignment>, response: &AssignReplicasToDirsResponse) {
    for topic in response.directories.iter().flat_map(|directory| &directory.topics) {
        for partition in &topic.partitions {
            let Some(assignment) = sent.remove(&(topic.topic_id, partition.partition_index)) else {
                continue;
            };
            if partition.error_code != ErrorCode::NONE {
                tracing::debug!(topic_id = %topic.topic_id, partition = partition.partition_index, error = partition.error_code.name(), "the directory of a partition was not recorded");
            } else if let Some(waiting) = assignment.waiting {
                // Who waited may have given up.
                let _ = waiting.send(());
            }
        }
    }
}
